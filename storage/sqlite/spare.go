package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"time"
)

// The spare is a small file beside the store that holds what must survive the loss of any
// page of it: where its tables begin, who it is, how its streams are numbered, what was
// forwarded, and what was moved over each link by the day, which budgets are kept by. It is
// written when the store is opened and then about once an hour.
//
// Its layout is told in docs/store.md: lines of JSON, the first and the last of which frame
// the others.

const (
	spareSuffix  = ".spare"
	spareVersion = 1

	// spareDays is how far back what was moved is told: two billing periods.
	spareDays = 62

	// spareRanges bounds how many ranges of forwarded windows are told.
	spareRanges = 10_000
)

// spare is what a spare file holds.
type spare struct {
	roots map[string]uint32
	rows  map[string][][]any // of tables, as in queries of spareTables
	days  []spareDay
}

// spareDay is what was moved over a link for a purpose on a UTC day.
type spareDay struct {
	site, link, purpose string
	day, bytes          int64
}

// spareTables are the tables that the spare holds, and what of them.
var spareTables = []struct{ table, query string }{
	{"meta", "SELECT name, value FROM meta"},
	{"sites", "SELECT name, latitude, longitude FROM sites"},
	{"links", "SELECT * FROM links"},
	{"streams", "SELECT id, site, link, target, method, family, load, first_ns, last_ns FROM streams"},
	{"proofs", "SELECT id, interface_index, interface_name, local, remote FROM proofs ORDER BY id DESC LIMIT 1000"},
	{"link_orbits", "SELECT site, link, after_id, orbit FROM link_orbits"},
	{"forwarded", fmt.Sprintf("SELECT first_id, last_id FROM forwarded ORDER BY first_id LIMIT %d", spareRanges)},
	{"device_counters", "SELECT site, link, device, boot, rx, tx, read_ns FROM device_counters"},
	{"sqlite_sequence", "SELECT name, seq FROM sqlite_sequence"},
	{"events", "SELECT time_ns, site, link, kind, detail FROM events WHERE kind IN ('clock_set_back', 'store_damaged')"},
	{"runs", "SELECT id, started_ns, ended_ns FROM runs ORDER BY id DESC LIMIT 1"},
}

// sumDays sums up what was moved by the day.
const sumDays = `SELECT site, link, purpose, day_ns, sum(bytes) FROM (
		SELECT site, link, purpose, quarter_ns - quarter_ns % 86400000000000 AS day_ns, bytes FROM traffic_quarters WHERE quarter_ns >= ?1
		UNION ALL SELECT site, link, purpose, day_ns, bytes FROM traffic WHERE day_ns >= ?1)
	GROUP BY 1, 2, 3, 4`

// writeSpare writes the spare of what q reads.
func writeSpare(ctx context.Context, q queryer, path string, now time.Time) error {
	var b bytes.Buffer
	line := func(values ...any) error {
		text, err := json.Marshal(values)
		b.Write(append(text, '\n'))
		return err
	}
	if err := line("perigee spare", spareVersion); err != nil {
		return err
	}
	tell := func(name, query string, values ...any) error {
		rows, err := q.QueryContext(ctx, query, values...)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			if err := line(append([]any{name}, row...)...); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	if err := tell("root", "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"); err != nil {
		return err
	}
	for _, t := range spareTables {
		if err := tell(t.table, t.query); err != nil {
			return err
		}
	}
	if err := tell("day", sumDays, floor(now.UnixNano(), day)-spareDays*day); err != nil {
		return err
	}
	sum := crc32.ChecksumIEEE(b.Bytes())
	if err := line("end", sum); err != nil {
		return err
	}
	return writeWhole(path, b.Bytes())
}

// readSpare reads a spare. One that is missing or not whole holds nothing.
func readSpare(path string) spare {
	s := spare{roots: map[string]uint32{}, rows: map[string][][]any{}}
	b, err := os.ReadFile(path)
	if err != nil {
		return s
	}
	text := string(b)
	end := strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n") + 1
	var last []any
	if json.Unmarshal(b[end:], &last) != nil || len(last) != 2 || last[0] != "end" || last[1] != float64(crc32.ChecksumIEEE(b[:end])) {
		return s
	}
	for i, line := range strings.Split(strings.TrimSuffix(text[:end], "\n"), "\n") {
		values, ok := spareLine(line)
		if !ok || i == 0 && (len(values) != 2 || values[0] != "perigee spare" || values[1] != int64(spareVersion)) {
			return spare{}
		}
		if i > 0 {
			s.take(values)
		}
	}
	return s
}

// spareLine reads a line: its numbers are int64 where they are whole, else float64.
func spareLine(line string) ([]any, bool) {
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	var values []any
	if err := decoder.Decode(&values); err != nil || len(values) == 0 {
		return nil, false
	}
	for i, v := range values {
		number, ok := v.(json.Number)
		if !ok {
			continue
		}
		if n, err := number.Int64(); err == nil {
			values[i] = n
		} else if f, err := number.Float64(); err == nil {
			values[i] = f
		} else {
			return nil, false
		}
	}
	return values, true
}

// take takes a line in.
func (s *spare) take(values []any) {
	name, _ := values[0].(string)
	row := values[1:]
	switch name {
	case "root":
		if len(row) == 2 {
			table, _ := row[0].(string)
			if root, ok := row[1].(int64); ok && root > 1 && root < 1<<32 {
				s.roots[table] = uint32(root)
			}
		}
	case "day":
		if len(row) != 5 {
			return
		}
		var d spareDay
		var ok [5]bool
		d.site, ok[0] = row[0].(string)
		d.link, ok[1] = row[1].(string)
		d.purpose, ok[2] = row[2].(string)
		d.day, ok[3] = row[3].(int64)
		d.bytes, ok[4] = row[4].(int64)
		if ok == [5]bool{true, true, true, true, true} {
			s.days = append(s.days, d)
		}
	default:
		s.rows[name] = append(s.rows[name], row)
	}
}
