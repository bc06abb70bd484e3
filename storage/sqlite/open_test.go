package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// read returns all windows of a store.
func read(t *testing.T, store *sqlite.Store, q perigee.Query) []perigee.Sample {
	t.Helper()
	var list []perigee.Sample
	for s, err := range store.Samples(t.Context(), q) {
		if err != nil {
			t.Fatalf("Samples: %v", err)
		}
		list = append(list, s)
	}
	return list
}

func put(t *testing.T, store *sqlite.Store, samples ...perigee.Sample) {
	t.Helper()
	if err := store.Append(t.Context(), perigee.Batch{Samples: samples}); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// foreign opens the file at path past the store.
func foreign(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, text string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// wantError checks code and words of what a user would be told.
func wantError(t *testing.T, err error, code perigee.Code, words ...string) {
	t.Helper()
	if perigee.CodeOf(err) != code {
		t.Errorf("got error %v with code %q, want code %q", err, perigee.CodeOf(err), code)
	}
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got error %v, want %q in it", err, word)
		}
	}
}

func TestTheFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "deep", "perigee.db")
	store := openAt(t, path)
	put(t, store, storagetest.NewGenerator(1).Sample(storagetest.Stream("a", "x"), start))
	for name, want := range map[string]fs.FileMode{path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600, path + ".reserve": 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestResultsOutliveTheStore(t *testing.T) {
	// A path may hold what has a meaning in URIs.
	path := filepath.Join(t.TempDir(), "with space, %20, ?mode=memory & #1; é", "perigee.db")
	want := storagetest.NewGenerator(2).Samples(start, 20, storagetest.Stream("a", "x"))
	for i := range 4 {
		store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, store, want[i*5:i*5+5]...)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	store := openAt(t, path)
	got := read(t, store, perigee.Query{})
	if len(got) != len(want) {
		t.Fatalf("got %d samples, want %d", len(got), len(want))
	}
	for i := range got {
		want[i].Singletons = nil
		if d := storagetest.Diff(got[i], want[i], storagetest.Tolerances{}); d != "" {
			t.Error(d)
		}
	}
}

func TestOneWriterOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	first, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	wantError(t, err, perigee.CodeUnavailable, "another perigee", fmt.Sprintf("process %d", os.Getpid()), path)

	// The one that was refused did not break the lock.
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	wantError(t, err, perigee.CodeUnavailable)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}

func TestAReaderWorksBesideTheWriter(t *testing.T) {
	writer := open(t)
	g := storagetest.NewGenerator(3)
	put(t, writer, g.Sample(storagetest.Stream("a", "x"), start))
	reader, err := sqlite.OpenReader(t.Context(), writer.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for i := range 5 {
		if got := read(t, reader, perigee.Query{}); len(got) != i+1 {
			t.Errorf("got %d samples, want %d", len(got), i+1)
		}
		put(t, writer, g.Sample(storagetest.Stream("a", "x"), start.Add(time.Duration(i+1)*10*time.Second)))
	}
	_, _, begun := reader.Begin(t.Context(), start)
	for what, err := range map[string]error{
		"Append":   reader.Append(t.Context(), perigee.Batch{}),
		"Describe": reader.Describe(t.Context(), perigee.Site{}, nil),
		"Begin":    begun,
		"End":      reader.End(t.Context(), start),
		"Roll":     reader.Roll(t.Context(), start),
		"Expire":   reader.Expire(t.Context(), start, start),
	} {
		if perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("%s: got error %v, want code invalid", what, err)
		}
	}
}

// A reader works also on what a killed or closed writer left.
func TestAReaderWorksAlone(t *testing.T) {
	dir := t.TempDir()
	writer := openAt(t, filepath.Join(dir, "perigee.db"))
	put(t, writer, storagetest.NewGenerator(4).Samples(start, 3, storagetest.Stream("a", "x"))...)

	// A copy of the files as they lie is what a kill would leave.
	left := filepath.Join(dir, "killed", "perigee.db")
	if err := os.Mkdir(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(writer.Path() + suffix)
		if err == nil {
			err = os.WriteFile(left+suffix, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// Closed properly, there is no log.
	closed, err := sqlite.Open(t.Context(), left+"2", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, closed, storagetest.NewGenerator(4).Samples(start, 3, storagetest.Stream("a", "x"))...)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}

	for name, path := range map[string]string{"killed": left, "closed": closed.Path()} {
		reader, err := sqlite.OpenReader(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := read(t, reader, perigee.Query{}); len(got) != 3 {
			t.Errorf("%s: got %d samples, want 3", name, len(got))
		}
		if err := reader.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := filepath.Join(dir, "other.db")
	execute(t, foreign(t, other), "CREATE TABLE songs (title TEXT)")
	later := filepath.Join(dir, "later.db")
	execute(t, foreign(t, later), "CREATE TABLE x (y); PRAGMA application_id = 0x50524745; PRAGMA user_version = 99")

	for name, test := range map[string]struct {
		path  string
		code  perigee.Code
		words string
	}{
		"no_path":             {"", perigee.CodeInvalid, "no path"},
		"a_directory":         {dir, perigee.CodeInvalid, "this is a directory"},
		"below_a_file":        {filepath.Join(write("plain", "x"), "perigee.db"), perigee.CodeInvalid, "cannot be opened"},
		"not_sqlite":          {write("text", strings.Repeat("not a database ", 100)), perigee.CodeInternal, "not an SQLite file"},
		"of_another_program":  {other, perigee.CodeInvalid, "another program"},
		"of_a_later_version":  {later, perigee.CodeInvalid, "update perigee"},
		"where_nobody_writes": {"/proc/perigee/perigee.db", "", "/proc/perigee"},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := sqlite.Open(t.Context(), test.path, sqlite.Options{})
			if err == nil {
				store.Close()
				t.Fatal("Open succeeded")
			}
			code := test.code
			if code == "" { // the system decides
				code = perigee.CodeOf(err)
			}
			wantError(t, err, code, test.words)
		})
	}
	// What was refused is not changed.
	if _, err := foreign(t, other).ExecContext(t.Context(), "INSERT INTO songs VALUES ('x')"); err != nil {
		t.Error(err)
	}
}

func TestOpenReaderCreatesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "perigee.db")
	_, err := sqlite.OpenReader(t.Context(), path)
	wantError(t, err, perigee.CodeNotFound, path, "no such file")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the directory holds %v, %v, want nothing", entries, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.OpenReader(t.Context(), path)
	wantError(t, err, perigee.CodeInvalid, "older")
	_, err = sqlite.OpenReader(t.Context(), dir)
	wantError(t, err, perigee.CodeInvalid, "directory")
}

func TestALockedFileIsUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	shell, err := foreign(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	sample := storagetest.NewGenerator(5).Sample(storagetest.Stream("a", "x"), start)
	execute(t, shell, "BEGIN IMMEDIATE")
	err = store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{sample}})
	wantError(t, err, perigee.CodeUnavailable, "another program", path)
	execute(t, shell, "ROLLBACK")
	put(t, store, sample)
	if got := read(t, store, perigee.Query{}); len(got) != 1 {
		t.Errorf("got %d samples, want 1", len(got))
	}
}

func TestDamageIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, storagetest.NewGenerator(6).Samples(start, 500, storagetest.Stream("a", "x"))...)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for i := len(b) / page / 2 * page; i < len(b); i++ { // the second half of the pages
		b[i] = 0xa5
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		defer store.Close()
		for _, err = range store.Samples(t.Context(), perigee.Query{}) {
			if err != nil {
				break
			}
		}
	}
	wantError(t, err, perigee.CodeInternal, "damaged", ".recover")
}

// Stored bytes that cannot be decoded are an error, not a wrong number.
func TestDamagedRowsAreReported(t *testing.T) {
	for name, text := range map[string]string{
		"sketch":     "UPDATE windows SET rtt_sketch = x'0102'",
		"singletons": "UPDATE singletons SET packed = x'01'",
		"address":    "UPDATE proofs SET local = 'nowhere'",
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			put(t, store, storagetest.NewGenerator(7).Sample(storagetest.Stream("a", "x"), start))
			execute(t, foreign(t, store.Path()), text)
			var failed error
			for _, err := range store.Singletons(t.Context(), perigee.Query{}) {
				failed = err
			}
			wantError(t, failed, perigee.CodeInternal, store.Path())
		})
	}
}

func TestARefusedPathLeavesNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sqlite.Open(ctx, path, sqlite.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a cancelled context: got error %v, want context.Canceled", err)
	}
	openAt(t, path)
}
