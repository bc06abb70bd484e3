package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"perigee"
)

// Begin records that a life of the daemon begins now, and returns the one before. If
// that has an ID but no end, it crashed.
//
// epoch is how often the clock was ever seen to be set back; starts of windows are
// moved by as many nanoseconds to stay unique. A clock that is now behind the end of
// the last sample was set back while no daemon ran: Begin records that too, and counts
// it.
func (s *Store) Begin(ctx context.Context, now time.Time) (previous perigee.Run, epoch int64, err error) {
	if err := storable("run", now); err != nil {
		return perigee.Run{}, 0, err
	}
	err = s.write(ctx, "begin a run", func(ctx context.Context, w *writer) (err error) {
		if previous, err = w.previousRun(ctx, now); err != nil {
			return err
		}
		result, err := w.exec(ctx, "INSERT INTO runs (started_ns) VALUES (?)", now.UnixNano())
		if err != nil {
			return err
		}
		if w.run, err = result.LastInsertId(); err != nil {
			return err
		}
		w.begun = now.UnixNano()
		epoch, err = w.number(ctx, "SELECT count(*) FROM events WHERE kind = ?", string(perigee.EventClockBack))
		return err
	})
	return previous, epoch, err
}

// previousRun returns the last run and records a clock that was set back since.
func (w *writer) previousRun(ctx context.Context, now time.Time) (r perigee.Run, err error) {
	var started int64
	var ended, last sql.NullInt64
	var site sql.NullString
	err = w.conn.QueryRowContext(ctx, "SELECT id, started_ns, ended_ns FROM runs ORDER BY id DESC LIMIT 1").Scan(&r.ID, &started, &ended)
	if err == nil {
		r.Started = moment(started)
	} else if !errors.Is(err, sql.ErrNoRows) {
		return r, err
	}
	if ended.Valid {
		r.Ended = moment(ended.Int64)
	}
	// What was imported into a link that is never probed tells nothing of the monitor.
	err = w.conn.QueryRowContext(ctx, `SELECT s.site, s.last_ns FROM streams s LEFT JOIN links l ON l.site = s.site AND l.name = s.link
		WHERE s.last_ns IS NOT NULL AND (l.name IS NULL OR l.interface <> '' OR l.source <> '' OR l.mark <> 0 OR l.namespace <> '')
		ORDER BY s.last_ns DESC, s.site LIMIT 1`).Scan(&site, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Last = moment(last.Int64)
	if now.Before(r.Last) {
		_, err = w.exec(ctx, insertEvent, now.UnixNano(), site.String, "", string(perigee.EventClockBack),
			"at start, "+r.Last.Sub(now).String()+" before the end of the last sample")
	}
	return r, err
}

// End records that the life of the daemon that Begin began ends properly now.
func (s *Store) End(ctx context.Context, now time.Time) error {
	if err := storable("run", now); err != nil {
		return err
	}
	return s.write(ctx, "end a run", func(ctx context.Context, w *writer) error {
		if w.run == 0 {
			return invalid("store %s: no run has begun", s.path)
		}
		_, err := w.exec(ctx, "UPDATE runs SET ended_ns = ? WHERE id = ?", now.UnixNano(), w.run)
		return err
	})
}
