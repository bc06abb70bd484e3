package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"perigee"
)

// A full disk does not end the measuring: raw singletons are given up, the oldest first,
// for the room that new results need. The file stops growing then (max_page_count), or
// SQLite would take pages in its log that the file has no room for, and the log could
// never be emptied again. The log is kept short for the same reason.

const (
	firstLoss = 2000    // rows of singletons, some 400 kB
	mostLoss  = 1 << 16 // rows, which make a log of some 15 MB
	leastLoss = 100     // rows

	normalLog = 1000 // pages in the log at which it is emptied, SQLite's default
	tightLog  = 1    // after each transaction

	anySize = 1<<32 - 2 // pages, the most that SQLite knows
)

// lacksRoom reports whether err came of a full disk.
func (s *Store) lacksRoom(err error) bool {
	if err == nil {
		return false
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return full(err)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL:
		return true
	case lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN: // for any reason
		return s.reserve.exhausted()
	}
	return false
}

// makeRoom runs do again after it failed for want of room. In the same transaction it
// gives singletons up, at least firstLoss so that it happens seldom, and more by and by
// until do succeeds, and stores an event that says so. It returns do's error if nothing
// helps; then nothing is given up.
func (s *Store) makeRoom(ctx context.Context, w *writer, do func(context.Context, *writer) error) error {
	if w.tight.Load() && s.reserve.make() == nil {
		w.settle(ctx, false) // somebody made room
		if err := w.attempt(ctx, do); !s.lacksRoom(err) {
			return err
		}
	}
	released := s.reserve.release()
	w.settle(ctx, true)
	if !released {
		// The log may have been all that had no room. With the reserve just
		// released this would only leave the room to others: the log has
		// to grow at once to what giving up takes.
		if err := w.attempt(ctx, do); !s.lacksRoom(err) {
			return err
		}
	}
	for rows, shrinking := int64(firstLoss), false; ; {
		lost, committing, err := s.exchange(ctx, w, rows, do)
		w.checkpoint(ctx)
		if !s.lacksRoom(err) {
			return err
		}
		if committing { // the log cannot take so much
			shrinking = true
			rows /= 4
		} else {
			rows *= 2
		}
		if rows < leastLoss || rows > mostLoss || !committing && (shrinking || lost < rows/2) {
			return err
		}
	}
}

// exchange runs do after it has given up some rows of singletons. It returns how many
// there were, and whether the transaction failed only when it was to be committed.
func (s *Store) exchange(ctx context.Context, w *writer, rows int64, do func(context.Context, *writer) error) (lost int64, committing bool, err error) {
	err = w.attempt(ctx, func(ctx context.Context, w *writer) error {
		losses, err := w.giveUp(ctx, rows)
		if err != nil {
			return err
		}
		for _, l := range losses {
			lost += l.windows
		}
		if err := do(ctx, w); err != nil {
			return err
		}
		err = w.record(ctx, losses)
		committing = err == nil
		return err
	})
	return lost, committing, err
}

// settle sets w up for a full disk, or for one with room.
func (w *writer) settle(ctx context.Context, tight bool) {
	w.tight.Store(tight)
	log, size := normalLog, int64(anySize)
	if tight {
		w.checkpoint(ctx)       // or the file could not hold the pages that are in the log
		log, size = tightLog, 1 // no less than what there is
	}
	// Neither can fail but for an error that the next statement meets again.
	_, _ = w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", log))
	_, _ = w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", size))
}

// checkpoint empties the log as far as readers and the disk let it.
func (w *writer) checkpoint(ctx context.Context) {
	_, _ = w.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
}

// loss is what a site gives up.
type loss struct {
	site        string
	windows     int64
	first, last int64 // starts
}

// giveUp deletes the oldest rows of singletons.
func (w *writer) giveUp(ctx context.Context, rows int64) ([]loss, error) {
	const oldest = "SELECT start_ns, stream FROM singletons ORDER BY start_ns, stream LIMIT ?"
	found, err := w.query(ctx, "SELECT site, count(*), min(start_ns), max(start_ns) FROM ("+oldest+") JOIN streams ON id = stream GROUP BY site ORDER BY site", rows)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var losses []loss
	for found.Next() {
		var l loss
		if err := found.Scan(&l.site, &l.windows, &l.first, &l.last); err != nil {
			return nil, err
		}
		losses = append(losses, l)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	_, err = w.exec(ctx, "DELETE FROM singletons WHERE (start_ns, stream) IN ("+oldest+")", rows)
	return losses, err
}

// record stores an event for each loss, at the end of the site's last window: the clock
// is not ours to read.
func (w *writer) record(ctx context.Context, losses []loss) error {
	for _, l := range losses {
		at, err := w.number(ctx, "SELECT max(last_ns) FROM streams WHERE site = ?", l.site)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("the disk is full: gave up the raw singletons of %d windows that start from %s to %s, to go on measuring; their statistics are kept",
			l.windows, moment(l.first).Format(time.RFC3339Nano), moment(l.last).Format(time.RFC3339Nano))
		if _, err := w.exec(ctx, insertEvent, at, l.site, "", string(perigee.EventStoreFailed), detail); err != nil {
			return err
		}
	}
	return nil
}
