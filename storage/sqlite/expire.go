package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"
)

// The bounds of one transaction of Expire: other writes wait for it.
const (
	expireSingletons = 1000 // rows
	expireHours      = 4    // hours of one stream each
)

// Expire deletes the singletons of windows that start before singletons, and windows
// of hours that ended by windows; the zero time deletes nothing. Rollups, throughputs,
// outages, gaps and events stay. Hours are rolled up before their windows go, and go whole, so
// that an hour's rollup never has to be made from a part of them.
func (s *Store) Expire(ctx context.Context, singletons, windows time.Time) error {
	before := floor(max(bound(windows, math.MinInt64), math.MinInt64+hour), hour)
	if err := s.expire(ctx, expireSingletons, func(ctx context.Context, w *writer) (int, error) {
		result, err := w.exec(ctx, `DELETE FROM singletons WHERE (start_ns, stream) IN
			(SELECT start_ns, stream FROM singletons WHERE start_ns < ? ORDER BY start_ns, stream LIMIT ?)`, max(bound(singletons, math.MinInt64), before), expireSingletons)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		return int(n), err
	}); err != nil {
		return err
	}
	return s.expire(ctx, expireHours, func(ctx context.Context, w *writer) (int, error) {
		for i := range expireHours {
			some, err := w.expireHour(ctx, before)
			if err != nil || !some {
				return i, err
			}
		}
		return expireHours, nil
	})
}

// expire runs a batch in transactions of its own until one does less than all.
func (s *Store) expire(ctx context.Context, all int, batch func(context.Context, *writer) (int, error)) error {
	for {
		var done int
		err := s.write(ctx, "expire", func(ctx context.Context, w *writer) (err error) {
			done, err = batch(ctx, w)
			return err
		})
		if err != nil || done < all {
			return err
		}
	}
}

// expireHour deletes the windows of one stream in its first hour, if that began before
// the given time, and reports whether there were any.
func (w *writer) expireHour(ctx context.Context, before int64) (bool, error) {
	statement, err := w.prepare(ctx, "SELECT start_ns, stream FROM windows WHERE start_ns < ? ORDER BY start_ns, stream LIMIT 1")
	if err != nil {
		return false, err
	}
	b := bucket{length: hour}
	if err := statement.QueryRowContext(ctx, before).Scan(&b.start, &b.stream); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return false, err
	}
	b.start = floor(b.start, hour)
	dirty, err := w.number(ctx, "SELECT count(*) FROM dirty WHERE length_ns = ? AND bucket_ns = ? AND stream = ?", b.length, b.start, b.stream)
	if err != nil {
		return false, err
	}
	if dirty > 0 {
		if err := w.roll(ctx, hours, b); err != nil {
			return false, err
		}
	}
	for _, table := range []string{"singletons", "windows"} {
		if _, err := w.exec(ctx, "DELETE FROM "+table+" WHERE start_ns >= ? AND start_ns < ? AND stream = ?", b.start, b.start+hour, b.stream); err != nil {
			return false, err
		}
	}
	// What is not there does not wait.
	_, err = w.exec(ctx, "DELETE FROM waiting WHERE stream = ? AND bucket_ns = ?", b.stream, b.start)
	return true, err
}
