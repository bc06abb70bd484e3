package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"perigee"
)

// SetAside records that the sink will never take entry as it is: it is pending no more
// and a dead letter. What is not pending any more, as an outage or hour that was
// replaced since it was handed out, changes nothing. Link states are never pending; the
// last that was refused is kept for each link.
func (s *Store) SetAside(ctx context.Context, entry perigee.Entry, reason string, at time.Time) error {
	if err := storable("dead letter", at); err != nil {
		return err
	}
	return s.write(ctx, "set an entry aside", func(ctx context.Context, w *writer) error {
		switch entry.Kind {
		case perigee.EntryWindow:
			n, err := w.forward(ctx, idRange{entry.ID, entry.ID})
			if err != nil || n == 0 {
				return err
			}
			_, err = w.exec(ctx, `INSERT INTO dead_letters (kind, window_id, time_ns, stream, reason, since_ns)
				SELECT 'window', id, start_ns, stream, ?, ? FROM windows WHERE id = ?`, reason, at.UnixNano(), entry.ID)
			return err
		case perigee.EntryLink:
			if entry.Link == nil {
				return invalid("an entry of kind link without a link cannot be set aside")
			}
			return w.setLinkAside(ctx, entry.Link, reason, at)
		}
		_, err := w.exec(ctx, `INSERT INTO dead_letters (kind, time_ns, stream, site, link, end_ns, name, detail, orbit, reason, since_ns)
			SELECT kind, time_ns, stream, site, link, end_ns, name, detail, orbit, ?, ? FROM pending WHERE id = ? AND kind = ?`,
			reason, at.UnixNano(), entry.ID, string(entry.Kind))
		if err != nil {
			return err
		}
		_, err = w.exec(ctx, "DELETE FROM pending WHERE id = ? AND kind = ?", entry.ID, string(entry.Kind))
		return err
	})
}

func (w *writer) setLinkAside(ctx context.Context, l *perigee.LinkState, reason string, at time.Time) error {
	if err := storable("link state", l.At); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "DELETE FROM dead_letters WHERE kind = 'link' AND site = ? AND link = ?", l.Site.Name, string(l.Link.ID)); err != nil {
		return err
	}
	_, err := w.exec(ctx, "INSERT INTO dead_letters (kind, time_ns, site, link, reason, since_ns) VALUES ('link', ?, ?, ?, ?, ?)",
		l.At.UnixNano(), l.Site.Name, string(l.Link.ID), reason, at.UnixNano())
	return err
}

// DeadLetters returns up to limit of what was set aside, the latest first. A window's is
// listed also when the window has expired.
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]perigee.DeadLetter, error) {
	list, err := s.deadLetters(ctx, limit)
	return list, s.fail("read dead letters", err)
}

func (s *Store) deadLetters(ctx context.Context, limit int) ([]perigee.DeadLetter, error) {
	rows, err := s.reader().QueryContext(ctx, `SELECT d.id, d.kind, coalesce(s.site, d.site, ''), coalesce(s.link, d.link, ''),
			coalesce(s.target, ''), coalesce(s.method, ''), coalesce(s.family, ''), coalesce(s.load, ''), d.time_ns, d.reason, d.since_ns
		FROM dead_letters d LEFT JOIN streams s ON s.id = d.stream ORDER BY d.id DESC LIMIT ?`, max(limit, 0))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []perigee.DeadLetter
	for rows.Next() {
		var d perigee.DeadLetter
		var at, since int64
		if err := rows.Scan(&d.ID, &d.Kind, &d.Stream.Site, &d.Stream.Link, &d.Stream.Target, &d.Stream.Method, &d.Stream.Family, &d.Stream.Load, &at, &d.Reason, &since); err != nil {
			return nil, err
		}
		d.Time, d.Since = moment(at), moment(since)
		list = append(list, d)
	}
	return list, rows.Err()
}

// resendBatch is how many dead letters one transaction of Resend puts back.
const resendBatch = 500

// Resend makes dead letters pending again, all if ids is empty, and returns how many. It
// drops those that there is nothing to send of any more: of windows that have expired,
// and of link states, which are sent anew each hour anyway.
func (s *Store) Resend(ctx context.Context, ids []int64) (int, error) {
	total, all := 0, len(ids) == 0
	last := int64(0) // of all: up to here they were put back
	for {
		var done, resent int
		err := s.write(ctx, "send dead letters again", func(ctx context.Context, w *writer) error {
			batch := ids[:min(len(ids), resendBatch)]
			if all {
				var err error
				if batch, err = w.deadLettersAfter(ctx, last); err != nil {
					return err
				}
			}
			done, resent = len(batch), 0
			for _, id := range batch {
				sent, err := w.resend(ctx, id)
				if err != nil {
					return err
				}
				if sent {
					resent++
				}
			}
			if all && done > 0 {
				last = batch[done-1]
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += resent
		if !all {
			ids = ids[done:]
		}
		if done < resendBatch || !all && len(ids) == 0 {
			return total, nil
		}
	}
}

func (w *writer) deadLettersAfter(ctx context.Context, id int64) ([]int64, error) {
	rows, err := w.query(ctx, "SELECT id FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?", id, resendBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, rows.Err()
}

// resend puts one dead letter back, if it is there, and reports whether it is pending now.
func (w *writer) resend(ctx context.Context, id int64) (bool, error) {
	var kind perigee.EntryKind
	var window sql.NullInt64
	err := w.conn.QueryRowContext(ctx, "SELECT kind, window_id FROM dead_letters WHERE id = ?", id).Scan(&kind, &window)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sent := true
	switch kind {
	case perigee.EntryWindow:
		n, err := w.number(ctx, "SELECT count(*) FROM windows WHERE id = ?", window)
		if err == nil && n > 0 {
			err = w.wait(ctx, window.Int64)
		}
		if err != nil {
			return false, err
		}
		sent = n > 0
	case perigee.EntryLink:
		sent = false
	default:
		if _, err := w.exec(ctx, `INSERT INTO pending (kind, after_id, time_ns, stream, site, link, end_ns, name, detail, orbit)
			SELECT kind, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'windows'), 0), time_ns, stream, site, link, end_ns, name, detail, orbit
			FROM dead_letters WHERE id = ?`, id); err != nil {
			return false, err
		}
	}
	_, err = w.exec(ctx, "DELETE FROM dead_letters WHERE id = ?", id)
	return sent, err
}
