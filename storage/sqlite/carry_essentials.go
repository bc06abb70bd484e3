package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
)

// What a new store must know from its first moment on.

// essentials carries over what a new store must have before it is used: who it is, the
// numbers of streams and windows, what was moved, what happened, and what waits.
func (c *carrier) essentials(ctx context.Context, w *writer) error {
	if err := c.know(ctx, w.conn); err != nil {
		return err
	}
	if err := c.all(ctx, w.conn, "meta", func(row []any) error {
		var name, value string
		if !assign(row, &name, &value) || name == "instance" && len(value) != 8 {
			return nil
		}
		_, err := w.exec(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value)
		return err
	}); err != nil {
		return err
	}
	known := func(stream any) bool {
		id, ok := stream.(int64)
		_, known := c.names.streams[id]
		return ok && known
	}
	for _, t := range []struct {
		table string
		pass  func(row []any) bool
	}{
		{"sites", nil},
		{"links", func(row []any) bool { _, err := parseAddress(text(row[4])); return err == nil }},
		{"streams", func(row []any) bool { return known(row[0]) && plausible(row[7], row[8]) }},
		{"proofs", func(row []any) bool { id, _ := row[0].(int64); _, known := c.names.proofs[id]; return known }},
		{"link_orbits", nil},
		{"runs", func(row []any) bool { return plausible(row[1], row[2]) }},
		{"device_counters", nil},
		{"dirty", func(row []any) bool { return known(row[2]) }},
		{"traffic", func(row []any) bool { return plausible(row[0]) && plausibleBytes(row[4]) }},
		{"traffic_quarters", func(row []any) bool { at, ok := moved(row); return ok && at >= c.recent() }},
		{"outages", func(row []any) bool { return known(row[1]) && plausible(row[0], row[2]) }},
		{"gaps", func(row []any) bool { return plausible(row[0], row[3]) }},
		{"events", func(row []any) bool { return plausible(row[0]) }},
	} {
		if err := c.copy(ctx, w, t.table, t.pass); err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
	}
	for _, r := range c.done {
		if _, err := w.exec(ctx, "INSERT INTO forwarded (first_id, last_id) VALUES (?, ?)", r.first, r.last); err != nil {
			return err
		}
	}
	if err := c.owedTraffic(ctx, w, func(day int64) bool { return day >= c.recent() }); err != nil {
		return err
	}
	return c.queue(ctx, w)
}

// recentDays is how far back what was moved is carried over at once: a billing period and
// some days more. A year of four links has half a million rows.
const recentDays = 35

// recent is from when on what was moved is carried over at once.
func (c *carrier) recent() int64 { return floor(c.last, day) - recentDays*day }

// moved returns the time of a row of traffic_quarters. It reports false if that makes no
// sense.
func moved(row []any) (at int64, ok bool) {
	at, ok = row[2].(int64)
	return at, ok && at%quarter == 0 && plausible(at) && plausibleBytes(row[4])
}

// owedTraffic counts what the spare says was moved on days of which less could be read,
// those that are asked for.
func (c *carrier) owedTraffic(ctx context.Context, w *writer, asked func(day int64) bool) error {
	for _, d := range c.spare.days {
		if !plausible(d.day) || !plausibleBytes(d.bytes) || !asked(d.day) {
			continue
		}
		read, err := w.number(ctx, `SELECT coalesce((SELECT sum(bytes) FROM traffic_quarters WHERE site = ?1 AND link = ?2 AND purpose = ?3 AND quarter_ns >= ?4 AND quarter_ns < ?5), 0)
			+ coalesce((SELECT sum(bytes) FROM traffic WHERE site = ?1 AND link = ?2 AND purpose = ?3 AND day_ns >= ?4 AND day_ns < ?5), 0)`,
			d.site, d.link, d.purpose, d.day, d.day+day)
		if err != nil {
			return err
		}
		if read >= d.bytes {
			continue
		}
		if _, err := w.exec(ctx, "INSERT INTO traffic (day_ns, site, link, purpose, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
			d.day, d.site, d.link, d.purpose, d.bytes-read); err != nil {
			return err
		}
	}
	return nil
}

// numberSlack is by how much numbers of windows go on after the greatest one that is known,
// if that may not be the last that was given.
const numberSlack = 1 << 20

// queue makes wait what waited, instead of all that the triggers take for new, and goes on
// with the numbers that were given.
func (c *carrier) queue(ctx context.Context, w *writer) error {
	if _, err := w.exec(ctx, "DELETE FROM pending"); err != nil {
		return err
	}
	exists := map[string]string{
		"outage": "SELECT count(*) FROM outages WHERE start_ns = ?1 AND stream = ?2",
		"gap":    "SELECT 1", "event": "SELECT 1",
	}
	if err := c.copyPending(ctx, w, "pending", func(kind string, at int64, stream sql.NullInt64) (bool, error) {
		query, ok := exists[kind]
		if !ok || kind != "outage" {
			return ok, nil
		}
		n, err := w.number(ctx, query, at, stream)
		return n > 0, err
	}); err != nil {
		return err
	}
	if err := c.copy(ctx, w, "dead_letters", func(row []any) bool { return plausible(row[3]) && plausible(row[len(row)-1]) }); err != nil {
		return err
	}
	next := map[string]int64{}
	whole := true
	if err := c.all(ctx, w.conn, "sqlite_sequence", func(row []any) error {
		var name string
		var last int64
		if assign(row, &name, &last) && last > 0 && last < 1<<56 {
			next[name] = max(next[name], last)
		}
		return nil
	}); err != nil {
		return err
	}
	if _, known := c.roots["sqlite_sequence"]; !known || c.broken["sqlite_sequence"] > 0 {
		whole = false
	}
	if n := len(c.done); n > 0 {
		next["windows"] = max(next["windows"], c.done[n-1].last)
	}
	if root, ok := c.roots["windows"]; ok { // the last that can be read
		last := walk{image: c.image, newest: true, rows: func(id int64, _ []any) bool {
			if id > next["windows"] && id < 1<<56 {
				next["windows"] = id
			}
			return false
		}}
		last.table(root)
	}
	if !whole {
		next["windows"] += numberSlack
	}
	for _, table := range slices.Sorted(maps.Keys(next)) {
		if _, err := w.exec(ctx, "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)", table); err != nil {
			return err
		}
		if _, err := w.exec(ctx, "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", next[table], table); err != nil {
			return err
		}
	}
	return nil
}

// copyPending carries over what waited, those things that are still there.
func (c *carrier) copyPending(ctx context.Context, w *writer, table string, there func(kind string, at int64, stream sql.NullInt64) (bool, error)) error {
	return c.all(ctx, w.conn, table, func(row []any) error {
		var kind string
		var id, after, at int64
		var stream sql.NullInt64
		if !assign(row[:5], &id, &kind, &after, &at, &stream) || id <= 0 || !plausibleTime(at) {
			return nil
		}
		ok, err := there(kind, at, stream)
		if err != nil || !ok {
			return err
		}
		_, err = c.put(ctx, w, table, row)
		return err
	})
}
