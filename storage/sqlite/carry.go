package sqlite

import (
	"context"
	"database/sql"
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
