package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"perigee"
)

// quarter is what traffic is counted by. Every time zone's midnight is the beginning of
// one.
const quarter = hour / 4

const insertTraffic = `INSERT INTO traffic_quarters (quarter_ns, site, link, purpose, bytes) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes`

// AddTraffic counts bytes that were moved over a link for a purpose at the given time.
func (s *Store) AddTraffic(ctx context.Context, site string, link perigee.LinkID, purpose perigee.Purpose, at time.Time, bytes int64) error {
	return s.AddTraffics(ctx, site, at, map[perigee.LinkID]map[perigee.Purpose]int64{link: {purpose: bytes}})
}

// AddTraffics counts bytes of several links and purposes at once: all of them or none.
// Each time is a write to what may be an SD card.
func (s *Store) AddTraffics(ctx context.Context, site string, at time.Time, moved map[perigee.LinkID]map[perigee.Purpose]int64) error {
	if err := storable("traffic", at); err != nil {
		return err
	}
	return s.write(ctx, "count traffic", func(ctx context.Context, w *writer) error {
		for link, purposes := range moved {
			for purpose, bytes := range purposes {
				if bytes == 0 {
					continue
				}
				if _, err := w.exec(ctx, insertTraffic, floor(at.UnixNano(), quarter), site, string(link), string(purpose), bytes); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Traffic returns the bytes counted for a link, by purpose, in the quarters of an hour
// that have a part in the range from from to to; the zero time is unbounded. What was
// counted by UTC day, before there were quarters, is in it if a part of its day is.
func (s *Store) Traffic(ctx context.Context, site string, link perigee.LinkID, from, to time.Time) (map[perigee.Purpose]int64, error) {
	sums, err := s.traffic(ctx, site, link, bound(from, math.MinInt64), bound(to, math.MaxInt64))
	return sums, s.fail("read traffic", err)
}

const sumTraffic = `SELECT purpose, sum(bytes) FROM (
		SELECT purpose, bytes FROM traffic_quarters WHERE site = ?1 AND link = ?2 AND quarter_ns >= ?3 AND quarter_ns < ?5
		UNION ALL
		SELECT purpose, bytes FROM traffic WHERE site = ?1 AND link = ?2 AND day_ns >= ?4 AND day_ns < ?5
	) GROUP BY purpose`

func (s *Store) traffic(ctx context.Context, site string, link perigee.LinkID, from, to int64) (map[perigee.Purpose]int64, error) {
	from = max(from, math.MinInt64+day)
	rows, err := s.reader().QueryContext(ctx, sumTraffic, site, string(link), floor(from, quarter), floor(from, day), to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sums := map[perigee.Purpose]int64{}
	for rows.Next() {
		var purpose perigee.Purpose
		var bytes int64
		if err := rows.Scan(&purpose, &bytes); err != nil {
			return nil, err
		}
		sums[purpose] = bytes
	}
	return sums, rows.Err()
}

// DeviceReading is what the kernel's counters of a device said at one time.
type DeviceReading struct {
	Device string // its name
	Boot   string // identity of the system's boot, since which it counts
	Rx, Tx int64  // bytes
	At     time.Time
}

// CountDevice counts, for perigee.PurposeDevice, what a link's device has moved since the
// last reading, which is remembered beyond restarts, and returns how much that was. All
// of it counts at the time of the reading.
//
// After the system was booted, or where the counters began anew, as those of a device
// that was made again do, it is all that they say. The first reading of a link, or of
// another device than before, counts nothing: when its counters began is not known.
func (s *Store) CountDevice(ctx context.Context, site string, link perigee.LinkID, reading DeviceReading) (bytes int64, err error) {
	if err := storable("device counters", reading.At); err != nil {
		return 0, err
	}
	err = s.write(ctx, "count what a device moved", func(ctx context.Context, w *writer) error {
		bytes = 0
		var last DeviceReading
		statement, err := w.prepare(ctx, "SELECT device, boot, rx, tx FROM device_counters WHERE site = ? AND link = ?")
		if err != nil {
			return err
		}
		err = statement.QueryRowContext(ctx, site, string(link)).Scan(&last.Device, &last.Boot, &last.Rx, &last.Tx)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case last.Device != reading.Device:
		case last.Boot != reading.Boot, reading.Rx < last.Rx, reading.Tx < last.Tx:
			bytes = reading.Rx + reading.Tx
		default:
			bytes = reading.Rx - last.Rx + reading.Tx - last.Tx
		}
		if bytes > 0 {
			if _, err := w.exec(ctx, insertTraffic, floor(reading.At.UnixNano(), quarter), site, string(link), string(perigee.PurposeDevice), bytes); err != nil {
				return err
			}
		}
		_, err = w.exec(ctx, `INSERT OR REPLACE INTO device_counters (site, link, device, boot, rx, tx, read_ns) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			site, string(link), reading.Device, reading.Boot, reading.Rx, reading.Tx, reading.At.UnixNano())
		return err
	})
	return bytes, err
}
