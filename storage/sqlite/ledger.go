package sqlite

import (
	"context"
	"math"
	"time"

	"perigee"
)

// Moved is what was counted by AddTraffic for a purpose in one quarter of an hour.
type Moved struct {
	At      time.Time // the quarter's beginning
	Purpose perigee.Purpose
	Bytes   int64
}

// Ledger returns what was counted for a link since from, oldest first. What was counted
// by UTC day, before there were quarters, stands at the day's beginning.
func (s *Store) Ledger(ctx context.Context, site string, link perigee.LinkID, from time.Time) ([]Moved, error) {
	list, err := s.ledger(ctx, site, link, max(bound(from, math.MinInt64), math.MinInt64+day))
	return list, s.fail("read traffic", err)
}

func (s *Store) ledger(ctx context.Context, site string, link perigee.LinkID, from int64) ([]Moved, error) {
	rows, err := s.reader().QueryContext(ctx, `SELECT quarter_ns AS at, purpose, bytes FROM traffic_quarters WHERE site = ?1 AND link = ?2 AND quarter_ns >= ?3
		UNION ALL
		SELECT day_ns, purpose, bytes FROM traffic WHERE site = ?1 AND link = ?2 AND day_ns >= ?4
		ORDER BY at, purpose`, site, string(link), floor(from, quarter), floor(from, day))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Moved
	for rows.Next() {
		var m Moved
		var at int64
		if err := rows.Scan(&at, &m.Purpose, &m.Bytes); err != nil {
			return nil, err
		}
		m.At = moment(at)
		list = append(list, m)
	}
	return list, rows.Err()
}
