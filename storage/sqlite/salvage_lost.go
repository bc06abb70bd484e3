package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"perigee"
)

// What could not be carried over is told of: a gap for the time of each link, and an event at
// the end that counts.

// linkSpan is a time of which results of a link are lost.
type linkSpan struct {
	site       string
	link       perigee.LinkID
	start, end int64
}

// recordLost records the time of windows that are lost as gaps.
func (v *salvager) recordLost(ctx context.Context) error {
	if len(v.lost) == 0 {
		return nil
	}
	var spans []linkSpan
	err := v.store.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, stream := range slices.Sorted(maps.Keys(v.names.streams)) {
			s := v.names.streams[stream]
			found, err := v.lostOf(ctx, tx, stream)
			if err != nil {
				return err
			}
			for _, r := range found {
				spans = append(spans, linkSpan{s.Site, s.Link, r.first, r.last})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		for _, g := range union(spans) {
			if _, err := w.exec(ctx, insertGap, g.start, g.end, g.site, string(g.link), string(perigee.GapStoreDamaged),
				"results of this time were lost with "+v.job.name); err != nil {
				return err
			}
		}
		return nil
	})
}

// lostOf returns the times of a stream that windows are lost of: what is between those that
// were carried over and whose numbers are next to what is lost.
func (v *salvager) lostOf(ctx context.Context, tx *sql.Tx, stream int64) (spans []idRange, err error) {
	known, ok := v.reach[stream]
	if !ok {
		return nil, nil
	}
	if first, ok := v.firstWindow(); ok { // what is older has expired
		known.first = max(known.first, first)
	}
	for _, lost := range v.lost {
		var before, after sql.NullInt64
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT id FROM windows WHERE id < ?1 AND stream = ?3 ORDER BY id DESC LIMIT 1),
			(SELECT id FROM windows WHERE id > ?2 AND stream = ?3 ORDER BY id LIMIT 1)`, lost.first, lost.last, stream).Scan(&before, &after); err != nil {
			return nil, err
		}
		first, last := lost.first, lost.last
		if before.Valid {
			first = before.Int64
		}
		if after.Valid {
			last = after.Int64
		}
		found, err := v.between(ctx, tx, stream, idRange{first, last}, known, before.Valid, after.Valid)
		if err != nil {
			return nil, err
		}
		spans = append(spans, found...)
	}
	return spans, nil
}

// firstWindow returns the first start of all windows, by their index. It reports false if
// that cannot be read.
func (v *salvager) firstWindow() (start int64, ok bool) {
	root, known := v.roots["sqlite_autoindex_windows_1"]
	if !known {
		return 0, false
	}
	w := walk{image: v.image, rows: func(_ int64, values []any) bool {
		if len(values) > 0 {
			start, ok = values[0].(int64)
		}
		return false
	}}
	w.table(root)
	return start, ok && plausibleTime(start)
}

// between returns the times within ids in which a stream has no windows. known is from when
// to when there were any.
func (v *salvager) between(ctx context.Context, tx *sql.Tx, stream int64, ids, known idRange, before, after bool) (spans []idRange, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT start_ns, length_ns FROM windows WHERE stream = ? AND id >= ? AND id <= ? ORDER BY start_ns", stream, ids.first, ids.last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	at := known.first
	add := func(to int64) {
		if to = min(to, known.last); to-at > int64(time.Millisecond) {
			spans = append(spans, idRange{at, to})
		}
	}
	for first := true; rows.Next(); first = false {
		var start, length int64
		if err := rows.Scan(&start, &length); err != nil {
			return nil, err
		}
		if !first || !before {
			add(start)
		}
		at = max(at, start+length)
	}
	if !after {
		add(known.last)
	}
	return spans, rows.Err()
}

// union joins the spans of each link that overlap.
func union(spans []linkSpan) (list []linkSpan) {
	slices.SortFunc(spans, func(a, b linkSpan) int {
		if c := strings.Compare(a.site+"\x00"+string(a.link), b.site+"\x00"+string(b.link)); c != 0 {
			return c
		}
		return int(min(max(a.start-b.start, -1), 1))
	})
	for _, s := range spans {
		if n := len(list); n > 0 && list[n-1].site == s.site && list[n-1].link == s.link && s.start <= list[n-1].end {
			list[n-1].end = max(list[n-1].end, s.end)
			continue
		}
		list = append(list, s)
	}
	return list
}

// end records what was carried over.
func (v *salvager) end(ctx context.Context) error {
	j := v.job
	detail := fmt.Sprintf("carried over from %s: %d windows, %d rows in all", j.name, j.windows, j.rows)
	if j.broken > 0 {
		detail += fmt.Sprintf("; %d pages could not be read", j.broken)
	}
	if n := len(v.lost); n > 0 {
		detail += ", what is lost of windows is recorded as gaps"
	}
	err := v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		if err := w.event(ctx, v.store.heal.Site, v.store.heal.Now(), detail); err != nil {
			return err
		}
		return w.forgetJob(ctx, j)
	})
	if err == nil {
		v.store.heal.told(detail)
	}
	return err
}

// event stores an event store_damaged, at now or at the end of the last sample if the clock
// is behind that.
func (w *writer) event(ctx context.Context, site string, now time.Time, detail string) error {
	last, err := w.number(ctx, "SELECT coalesce(max(last_ns), 0) FROM streams")
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, insertEvent, max(bound(now, 0), last), site, "", string(perigee.EventStoreDamaged), detail)
	return err
}
