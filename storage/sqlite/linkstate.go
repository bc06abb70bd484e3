package sqlite

import (
	"context"
	"database/sql"
	"math"
	"time"

	"perigee"
)

// LinkStates returns the state of every link that was described or measured, as of the
// beginning of the hour in which now lies.
//
// Rolled is the hour before which nothing of the link waits: no window to be forwarded,
// no hour to be rolled up or forwarded. It never lies beyond the hour in which the last
// window ended, of which more may come; of several streams, that of the one which lags,
// unless it is an hour behind and so has probably ended.
func (s *Store) LinkStates(ctx context.Context, now time.Time) ([]perigee.LinkState, error) {
	if err := storable("link state", now); err != nil {
		return nil, err
	}
	at := floor(now.UnixNano(), hour)
	var states []perigee.LinkState
	err := s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		records, err := links(ctx, tx)
		if err != nil {
			return err
		}
		settled, err := settled(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range records {
			state := perigee.LinkState{LinkRecord: r, At: moment(at)}
			if ns, ok := settled[orbitKey{r.Site.Name, r.Link.ID}]; ok {
				if ns = min(ns, at); ns > floor(r.First.UnixNano(), hour) {
					state.Rolled = moment(ns)
				}
			}
			states = append(states, state)
		}
		return nil
	})
	return states, s.fail("read the states of links", err)
}

// settled returns, for each link with windows, the hour before which nothing waits.
func settled(ctx context.Context, q queryer) (map[orbitKey]int64, error) {
	rows, err := q.QueryContext(ctx, `SELECT site, link, last_ns, (SELECT max(last_ns) FROM streams a WHERE a.site = s.site AND a.link = s.link),
			(SELECT bucket_ns FROM waiting WHERE stream = s.id ORDER BY bucket_ns LIMIT 1),
			(SELECT time_ns FROM pending WHERE stream = s.id AND kind = 'hour' ORDER BY time_ns LIMIT 1),
			(SELECT min(bucket_ns) FROM dirty WHERE length_ns = 3600000000000 AND stream = s.id)
		FROM streams s WHERE last_ns IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	first := map[orbitKey]int64{}
	for rows.Next() {
		var k orbitKey
		var last, latest int64
		var bounds [3]sql.NullInt64
		if err := rows.Scan(&k.site, &k.link, &last, &latest, &bounds[0], &bounds[1], &bounds[2]); err != nil {
			return nil, err
		}
		bound := int64(math.MaxInt64)
		if last > latest-hour {
			bound = floor(last, hour)
		}
		for _, b := range bounds {
			if b.Valid {
				bound = min(bound, floor(b.Int64, hour))
			}
		}
		if known, ok := first[k]; ok {
			bound = min(bound, known)
		}
		first[k] = bound
	}
	return first, rows.Err()
}
