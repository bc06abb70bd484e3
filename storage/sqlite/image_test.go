package sqlite

import (
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// oldLayout returns a file of an older layout.
func oldLayout(t testing.TB, version int) []byte {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("testdata/version%d.sqlite.gz", version))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// walkAll walks all trees of an image and returns how many rows each has.
func walkAll(m *image, newest bool) map[string]int {
	rows := map[string]int{}
	for name, root := range m.roots {
		w := walk{image: m, newest: newest, rows: func(int64, []any) bool { rows[name]++; return true }}
		w.table(root)
		rows[name] += 0
		if len(w.bad) > 0 {
			rows[name] = -len(w.bad)
		}
	}
	return rows
}

// An image of a file that is whole has the rows that SQLite finds in it, value by value, in
// either direction.
func TestAnImageIsWhatSQLiteReads(t *testing.T) {
	for version := 1; version <= len(migrations); version++ {
		path := filepath.Join(t.TempDir(), "perigee.db")
		if err := os.WriteFile(path, oldLayout(t, version), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := openImage(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tables, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
		if err != nil {
			t.Fatal(err)
		}
		defer tables.Close()
		counts, backwards := walkAll(m, false), walkAll(m, true)
		total := 0
		for tables.Next() {
			var name string
			if err := tables.Scan(&name); err != nil {
				t.Fatal(err)
			}
			want := readTable(t, db, name)
			var got []string
			c := &carrier{image: m, tables: map[string]carryTable{}, counts: map[string]int64{}, broken: map[string]int{}}
			if err := c.all(context.Background(), db, name, func(row []any) error {
				got = append(got, inText(row))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("version %d, table %s:\n got %.300q\nwant %.300q", version, name, got, want)
			}
			if counts[name] != len(want) || backwards[name] != len(want) {
				t.Errorf("version %d, table %s: %d rows, backwards %d, want %d", version, name, counts[name], backwards[name], len(want))
			}
			total += len(want)
		}
		if total < 20 {
			t.Errorf("version %d: the file holds %d rows, which tells little", version, total)
		}
	}
}

// readTable returns the rows of a table as SQLite reads them, columns in the order in which
// records hold them, in order.
func readTable(t *testing.T, db *sql.DB, name string) (list []string) {
	t.Helper()
	c := &carrier{tables: map[string]carryTable{}}
	table, err := c.describe(context.Background(), db, name)
	if err != nil {
		t.Fatal(err)
	}
	columns := ""
	for i, column := range table.columns {
		if i > 0 {
			columns += ", "
		}
		columns += column
	}
	rows, err := db.Query("SELECT " + columns + " FROM " + name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		row := make([]any, len(table.columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		list = append(list, inText(row))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// inText is a row in words; whole numbers are kept as integers, whatever their column is.
func inText(row []any) string {
	for i, v := range row {
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			row[i] = int64(f)
		}
	}
	return fmt.Sprint(row...)
}

// FuzzImage reads a file that may be anything, page by page: without a panic and without
// going round in circles.
func FuzzImage(f *testing.F) {
	for version := 1; version <= len(migrations); version++ {
		b := oldLayout(f, version)
		f.Add(b, []byte{})
		f.Add(b[:len(b)/2], []byte{})
		f.Add(append(slices.Repeat([]byte{0}, 100), b[100:]...), []byte{})
	}
	f.Fuzz(func(t *testing.T, file, log []byte) {
		path := filepath.Join(t.TempDir(), "perigee.db")
		for suffix, b := range map[string][]byte{"": file, "-wal": log, "-shm": log} {
			if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = inspect(path)
		m, err := openImage(path, map[string]uint32{"windows": 2, "hours": 3})
		if err != nil {
			return
		}
		defer m.Close()
		walkAll(m, false)
		walkAll(m, true)
	})
}

// FuzzSpare reads a spare that may be anything.
func FuzzSpare(f *testing.F) {
	f.Add([]byte("[\"perigee spare\",1]\n[\"root\",\"windows\",4]\n[\"end\",0]\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "spare")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := readSpare(path)
		for name, root := range s.roots {
			if root < 2 {
				t.Errorf("%s has its root at %d", name, root)
			}
		}
		for _, line := range []string{string(b), "[" + string(b) + "]"} {
			if values, ok := spareLine(line); ok {
				(&spare{roots: map[string]uint32{}, rows: map[string][][]any{}}).take(values)
			}
		}
	})
}
