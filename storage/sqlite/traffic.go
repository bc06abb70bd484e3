package sqlite

import (
	"context"
	"math"
	"time"

	"perigee"
)

// AddTraffic counts bytes that perigee itself moved over a link for a purpose, on the UTC
// day of at.
func (s *Store) AddTraffic(ctx context.Context, site string, link perigee.LinkID, purpose string, at time.Time, bytes int64) error {
	if err := storable("traffic", at); err != nil {
		return err
	}
	return s.write(ctx, "count traffic", func(ctx context.Context, w *writer) error {
		_, err := w.exec(ctx, `INSERT INTO traffic (day_ns, site, link, purpose, bytes) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes`, floor(at.UnixNano(), day), site, string(link), purpose, bytes)
		return err
	})
}

// Traffic returns the bytes counted by AddTraffic for a link, by purpose, on the UTC days
// that have a part in the range from from to to; the zero time is unbounded.
func (s *Store) Traffic(ctx context.Context, site string, link perigee.LinkID, from, to time.Time) (map[string]int64, error) {
	sums, err := s.traffic(ctx, site, link, bound(from, math.MinInt64), bound(to, math.MaxInt64))
	return sums, fail(s.path, "read traffic", err)
}

func (s *Store) traffic(ctx context.Context, site string, link perigee.LinkID, from, to int64) (map[string]int64, error) {
	rows, err := s.reads.QueryContext(ctx, "SELECT purpose, sum(bytes) FROM traffic WHERE day_ns >= ? AND day_ns < ? AND site = ? AND link = ? GROUP BY purpose",
		floor(max(from, math.MinInt64+day), day), to, site, string(link))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sums := map[string]int64{}
	for rows.Next() {
		var purpose string
		var bytes int64
		if err := rows.Scan(&purpose, &bytes); err != nil {
			return nil, err
		}
		sums[purpose] = bytes
	}
	return sums, rows.Err()
}
