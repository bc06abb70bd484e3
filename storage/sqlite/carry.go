package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"perigee"
)

// A carrier carries rows of a damaged store over to a new one of this version's layout.
type carrier struct {
	*image
	spare spare

	names   *names                // streams and proofs that are known
	pending map[pendingKey][]any  // hours and throughputs that waited
	tables  map[string]carryTable // of the new store
	done    []idRange             // windows that were forwarded, in order
	hours   map[bucket]bool       // hours that were marked as dirty
	counts  map[string]int64      // rows carried, by table
	broken  map[string]int        // pages that could not be read, by table
	reach   map[int64]idRange     // from when to when streams have windows
	last    int64                 // end of the last sample that is known; 0 if none is
}

// pendingKey names an hour or throughput that waits.
type pendingKey struct {
	kind         string
	stream, time int64
}

// carryTable is how a table of the new store is written to.
type carryTable struct {
	columns  []string // in the order of records
	defaults []any    // of those that a file of an older layout may lack
	rowID    int      // which of them is the row id; -1 if there is none
	insert   string
}

// newCarrier opens what was set aside under name.
func newCarrier(name string) (*carrier, error) {
	c := &carrier{
		spare: readSpare(name + spareSuffix), names: newNames(), pending: map[pendingKey][]any{}, tables: map[string]carryTable{},
		hours: map[bucket]bool{}, reach: map[int64]idRange{}, counts: map[string]int64{}, broken: map[string]int{},
	}
	var err error
	if c.image, err = openImage(name, c.spare.roots); err != nil {
		return nil, err
	}
	return c, nil
}

// describe reads how a table of the new store is written to.
func (c *carrier) describe(ctx context.Context, q queryer, table string) (carryTable, error) {
	if t, ok := c.tables[table]; ok {
		return t, nil
	}
	t := carryTable{rowID: -1}
	rows, err := q.QueryContext(ctx, `SELECT c.name, c.dflt_value, c.pk, c.type = 'INTEGER' AND c.pk > 0 AND NOT t.wr AND (SELECT max(pk) FROM pragma_table_info(?1)) = 1
		FROM pragma_table_info(?1) c, pragma_table_list(?1) t WHERE t.schema = 'main' ORDER BY iif(t.wr AND c.pk > 0, c.pk, 1000), c.cid`, table)
	if err != nil {
		return t, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value sql.NullString
		var key int
		var rowID bool
		if err := rows.Scan(&name, &value, &key, &rowID); err != nil {
			return t, err
		}
		if rowID {
			t.rowID = len(t.columns)
		}
		var fallback any
		switch {
		case value.String == "''":
			fallback = ""
		case value.Valid:
			fallback = int64(0) // all others that the layout has
		}
		t.columns, t.defaults = append(t.columns, name), append(t.defaults, fallback)
	}
	t.insert = "INSERT INTO " + table + " (" + strings.Join(t.columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", max(len(t.columns)-1, 0)) + ") ON CONFLICT DO NOTHING"
	if table == "sqlite_sequence" {
		t.insert = "" // it has no key, and is not written to by this
	}
	c.tables[table] = t
	return t, rows.Err()
}

// row returns the values of a record in the order of t's columns. It reports false if it
// is none of the table.
func (t carryTable) row(id int64, values []any) ([]any, bool) {
	if len(values) > len(t.columns) || len(values) == 0 {
		return nil, false
	}
	values = slices.Concat(values, t.defaults[len(values):])
	if t.rowID >= 0 && values[t.rowID] == nil {
		values[t.rowID] = id
	}
	return values, true
}

// put inserts a row and reports whether it was not there. What the layout does not take is
// left out.
func (c *carrier) put(ctx context.Context, w *writer, table string, row []any) (bool, error) {
	result, err := w.exec(ctx, c.tables[table].insert, row...)
	if err != nil {
		if refused(err) {
			return false, nil
		}
		return false, err
	}
	n, err := result.RowsAffected()
	if n > 0 {
		c.counts[table]++
	}
	return n > 0, err
}

// all visits the rows of a table, as far as they can be read: those of the spare too.
func (c *carrier) all(ctx context.Context, q queryer, table string, visit func(row []any) error) error {
	t, err := c.describe(ctx, q, table)
	if err != nil {
		return err
	}
	var failed error
	take := func(id int64, values []any) bool {
		row, ok := t.row(id, values)
		if !ok {
			return true
		}
		failed = visit(row)
		return failed == nil
	}
	if root, ok := c.roots[table]; ok {
		w := walk{image: c.image, rows: take}
		w.table(root)
		c.broken[table] += len(w.bad)
	} else if len(c.spare.roots) == 0 && len(c.roots) == 0 {
		c.broken[table]++
	}
	for _, row := range c.spare.rows[table] {
		if failed == nil && len(row) == len(t.columns) {
			take(0, row)
		}
	}
	return failed
}

// copy carries a table over, those rows that pass.
func (c *carrier) copy(ctx context.Context, w *writer, table string, pass func(row []any) bool) error {
	return c.all(ctx, w.conn, table, func(row []any) error {
		if pass != nil && !pass(row) {
			return nil
		}
		_, err := c.put(ctx, w, table, row)
		return err
	})
}

// know reads what is needed to carry anything over: names, what was forwarded and what
// waited.
func (c *carrier) know(ctx context.Context, q queryer) error {
	if err := c.all(ctx, q, "streams", func(row []any) error {
		var s perigee.Stream
		var id int64
		var first, last sql.NullInt64
		if assign(row[:7], &id, &s.Site, (*string)(&s.Link), (*string)(&s.Target), (*string)(&s.Method), (*string)(&s.Family), (*string)(&s.Load)) && id > 0 {
			if _, known := c.names.streams[id]; !known {
				c.names.streams[id] = s
			}
			if assign(row[7:], &first, &last) && first.Valid && plausible(first.Int64, last.Int64) {
				c.last = max(c.last, last.Int64)
				r, known := c.reach[id]
				if !known {
					r = idRange{first.Int64, last.Int64}
				}
				c.reach[id] = idRange{min(r.first, first.Int64), max(r.last, last.Int64)}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := c.all(ctx, q, "proofs", func(row []any) error {
		var id, index int64
		var name, local, remote string
		if !assign(row, &id, &index, &name, &local, &remote) || id <= 0 {
			return nil
		}
		p := perigee.Proof{InterfaceIndex: int(index), InterfaceName: name}
		var err error
		if p.Local, err = parseAddress(local); err != nil {
			return nil
		}
		if p.Remote, err = parseAddress(remote); err != nil {
			return nil
		}
		if _, known := c.names.proofs[id]; !known {
			c.names.proofs[id] = p
		}
		return nil
	}); err != nil {
		return err
	}
	var ranges []idRange
	if err := c.all(ctx, q, "forwarded", func(row []any) error {
		var r idRange
		if assign(row, &r.first, &r.last) && r.first > 0 && r.first <= r.last {
			ranges = append(ranges, r)
		}
		return nil
	}); err != nil {
		return err
	}
	c.done = merged(ranges)
	if err := c.all(ctx, q, "dirty", func(row []any) error {
		var b bucket
		if assign(row, &b.length, &b.start, &b.stream) && b.length == hour {
			c.hours[b] = true
		}
		return nil
	}); err != nil {
		return err
	}
	return c.all(ctx, q, "pending", func(row []any) error {
		var kind string
		var id, after, at int64
		var stream sql.NullInt64
		if assign(row[:5], &id, &kind, &after, &at, &stream) && (kind == "hour" || kind == "throughput") {
			c.pending[pendingKey{kind, stream.Int64, at}] = row
		}
		return nil
	})
}

// merged returns ranges in order, those that touch as one.
func merged(ranges []idRange) (list []idRange) {
	slices.SortFunc(ranges, func(a, b idRange) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	for _, r := range ranges {
		if n := len(list); n > 0 && r.first <= list[n-1].last+1 {
			list[n-1].last = max(list[n-1].last, r.last)
			continue
		}
		list = append(list, r)
	}
	return list
}

// forwarded reports whether window id need not be forwarded any more.
func (c *carrier) forwarded(id int64) bool {
	i, found := slices.BinarySearchFunc(c.done, id, func(r idRange, id int64) int {
		switch {
		case r.first < id:
			return -1
		case r.first > id:
			return 1
		}
		return 0
	})
	return found || i > 0 && c.done[i-1].last >= id
}

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

// text returns v if it is a text, else what is no address.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return "?"
}

// plausibleTime reports whether ns can be a time of a result.
func plausibleTime(ns int64) bool {
	return ns >= 0 && ns < int64(math.MaxInt64)-day && moment(ns).Year() <= lastYear
}

// plausible reports whether all are times of results, or NULL.
func plausible(times ...any) bool {
	for _, t := range times {
		if t == nil {
			continue
		}
		if ns, ok := t.(int64); !ok || !plausibleTime(ns) {
			return false
		}
	}
	return true
}

// plausibleBytes reports whether v can be what was moved in a quarter of an hour.
func plausibleBytes(v any) bool {
	n, ok := v.(int64)
	return ok && n >= 0 && n < 1<<50
}

// assign stores values where into points to. It reports false if one does not fit.
func assign(values []any, into ...any) bool {
	if len(values) < len(into) {
		return false
	}
	for i, to := range into {
		v := values[i]
		switch to := to.(type) {
		case *int64:
			n, ok := v.(int64)
			if !ok {
				return false
			}
			*to = n
		case *float64:
			switch n := v.(type) {
			case float64:
				*to = n
			case int64: // how a whole number is kept
				*to = float64(n)
			default:
				return false
			}
		case *string:
			s, ok := v.(string)
			if !ok {
				return false
			}
			*to = s
		case *sql.RawBytes:
			b, ok := v.([]byte)
			if !ok && v != nil {
				return false
			}
			*to = b
		case *sql.NullInt64:
			n, ok := v.(int64)
			if !ok && v != nil {
				return false
			}
			*to = sql.NullInt64{Int64: n, Valid: ok}
		case *sql.NullFloat64:
			*to = sql.NullFloat64{}
			if v != nil {
				var f float64
				if !assign([]any{v}, &f) {
					return false
				}
				*to = sql.NullFloat64{Float64: f, Valid: true}
			}
		default:
			panic(fmt.Sprintf("assign to %T", to))
		}
	}
	return true
}

// sample returns the sample whose columns begin with the first of row. It reports false if
// it makes no sense, as what is read of a damaged page may.
func (c *carrier) sample(r *sampleRow, row []any) (perigee.Sample, bool) {
	if len(row) < len(r.columns) || !assign(row, r.columns...) {
		return perigee.Sample{}, false
	}
	s, err := r.decode(c.names)
	if err != nil || check(perigee.Batch{Samples: []perigee.Sample{s}}) != nil || !plausibleTime(r.start) || r.length <= 0 || r.length > 2*day {
		return perigee.Sample{}, false
	}
	return s, true
}
