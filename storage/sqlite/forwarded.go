package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
)

// Windows that need not be forwarded are remembered as ranges of ids in table forwarded.
// A drain from the oldest makes one range that grows, a drain from the newest another,
// and they become one when they meet. All other windows wait, and table waiting counts
// them by stream and hour.

// idRange holds the ids from first to last. The empty range has first > last.
type idRange struct{ first, last int64 }

const (
	rangesWithin = "SELECT first_id, last_id FROM forwarded WHERE first_id <= ?2 AND last_id >= ?1 AND first_id >= coalesce((SELECT first_id FROM forwarded WHERE first_id <= ?1 ORDER BY first_id DESC LIMIT 1), ?1) ORDER BY first_id"
	rangeBefore  = "SELECT first_id, last_id FROM forwarded WHERE first_id < ? ORDER BY first_id DESC LIMIT 1"
	rangeAfter   = "SELECT first_id, last_id FROM forwarded WHERE first_id > ? ORDER BY first_id LIMIT 1"
	anyWindows   = "SELECT EXISTS (SELECT 1 FROM windows WHERE id > ? AND id < ?)"
	countWindows = `SELECT stream, bucket_ns, count(*) FROM (
		SELECT stream, start_ns - ((start_ns % 3600000000000) + 3600000000000) % 3600000000000 AS bucket_ns FROM windows WHERE id >= ? AND id <= ?) GROUP BY 1, 2`
)

// rowQueryer is queryer for single rows.
type rowQueryer interface {
	QueryRowContext(ctx context.Context, query string, values ...any) *sql.Row
}

// neighbour returns the range that one of rangeBefore and rangeAfter finds. It reports
// false if there is none.
func neighbour(ctx context.Context, q rowQueryer, text string, id int64) (r idRange, ok bool, err error) {
	err = q.QueryRowContext(ctx, text, id).Scan(&r.first, &r.last)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, err
}

// forward makes the windows of r wait no more, and returns how many did.
func (w *writer) forward(ctx context.Context, r idRange) (windows int64, err error) {
	known, err := w.ranges(ctx, r)
	if err != nil {
		return 0, err
	}
	next := r.first
	for _, k := range append(known, idRange{r.last + 1, r.last + 1}) {
		n, err := w.stopWaiting(ctx, idRange{next, k.first - 1})
		if err != nil {
			return 0, err
		}
		windows, next = windows+n, k.last+1
	}
	if windows == 0 {
		return 0, nil
	}
	for _, k := range known {
		r = idRange{min(r.first, k.first), max(r.last, k.last)}
	}
	if r, err = w.join(ctx, r); err != nil {
		return 0, err
	}
	if _, err := w.exec(ctx, "DELETE FROM forwarded WHERE first_id >= ? AND first_id <= ?", r.first, r.last); err != nil {
		return 0, err
	}
	_, err = w.exec(ctx, "INSERT INTO forwarded (first_id, last_id) VALUES (?, ?)", r.first, r.last)
	return windows, err
}

// ranges returns the known ranges that have ids in common with r, in order.
func (w *writer) ranges(ctx context.Context, r idRange) ([]idRange, error) {
	rows, err := w.query(ctx, rangesWithin, r.first, r.last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []idRange
	for rows.Next() {
		var k idRange
		if err := rows.Scan(&k.first, &k.last); err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, rows.Err()
}

// stopWaiting takes the windows of r, all of which wait, off the count.
func (w *writer) stopWaiting(ctx context.Context, r idRange) (windows int64, err error) {
	if r.first > r.last {
		return 0, nil
	}
	rows, err := w.query(ctx, countWindows, r.first, r.last)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	counts := map[bucket]int64{}
	for rows.Next() {
		b := bucket{length: hour}
		var n int64
		if err := rows.Scan(&b.stream, &b.start, &n); err != nil {
			return 0, err
		}
		counts[b] = n
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for b, n := range counts {
		windows += n
		if _, err := w.exec(ctx, "UPDATE waiting SET windows = windows - ? WHERE stream = ? AND bucket_ns = ?", n, b.stream, b.start); err != nil {
			return 0, err
		}
		if _, err := w.exec(ctx, "DELETE FROM waiting WHERE stream = ? AND bucket_ns = ? AND windows <= 0", b.stream, b.start); err != nil {
			return 0, err
		}
	}
	return windows, nil
}

// join extends r over its neighbours as long as no window lies between, be it that it
// never was or that it has expired.
func (w *writer) join(ctx context.Context, r idRange) (idRange, error) {
	for {
		before, ok, err := neighbour(ctx, w.conn, rangeBefore, r.first)
		if err != nil {
			return r, err
		}
		some, err := w.number(ctx, anyWindows, before.last, r.first) // before is 0 if there is none
		if err != nil {
			return r, err
		}
		if some > 0 {
			break
		}
		if !ok {
			r.first = 1
			break
		}
		r.first = before.first
	}
	for {
		after, ok, err := neighbour(ctx, w.conn, rangeAfter, r.last)
		if err != nil || !ok {
			return r, err
		}
		some, err := w.number(ctx, anyWindows, r.last, after.first)
		if err != nil || some > 0 {
			return r, err
		}
		r.last = after.last
	}
}

// wait makes window id, which is there, wait again.
func (w *writer) wait(ctx context.Context, id int64) error {
	known, err := w.ranges(ctx, idRange{id, id})
	if err != nil || len(known) == 0 {
		return err
	}
	k := known[0]
	if _, err := w.exec(ctx, "DELETE FROM forwarded WHERE first_id = ?", k.first); err != nil {
		return err
	}
	for _, part := range []idRange{{k.first, id - 1}, {id + 1, k.last}} {
		if part.first > part.last {
			continue
		}
		if _, err := w.exec(ctx, "INSERT INTO forwarded (first_id, last_id) VALUES (?, ?)", part.first, part.last); err != nil {
			return err
		}
	}
	var stream, start int64
	if err := w.conn.QueryRowContext(ctx, "SELECT stream, start_ns FROM windows WHERE id = ?", id).Scan(&stream, &start); err != nil {
		return err
	}
	_, err = w.exec(ctx, insertWaiting, stream, floor(start, hour), 1)
	return err
}

// unforwarded calls visit for each range of ids in which every window waits, from the
// oldest or from the newest, until it returns false.
func unforwarded(ctx context.Context, q rowQueryer, newest bool, visit func(idRange) (bool, error)) error {
	gap, text := idRange{1, math.MaxInt64}, rangeAfter
	at := int64(0)
	if newest {
		at, text = math.MaxInt64, rangeBefore
	}
	for {
		k, ok, err := neighbour(ctx, q, text, at)
		if err != nil {
			return err
		}
		rest := gap
		switch {
		case ok && newest:
			rest.first, gap.last, at = k.last+1, k.first-1, k.first
		case ok:
			rest.last, gap.first, at = k.first-1, k.last+1, k.last
		}
		if rest.first <= rest.last {
			if more, err := visit(rest); err != nil || !more {
				return err
			}
		}
		if !ok {
			return nil
		}
	}
}
