package sqlite_test

import (
	"database/sql"
	"os"
	"testing"
	"time"

	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

func state(t testing.TB, store *sqlite.Store) sqlite.State {
	t.Helper()
	s, err := store.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a store tells of itself is what counting finds, before and after it expired, and
// what a directory listing says.
func TestStateIsWhatIsThere(t *testing.T) {
	store := open(t)
	if s := state(t, store); s.Windows != 0 || !s.Oldest.IsZero() || !s.Newest.IsZero() || s.Full {
		t.Errorf("an empty store: %+v", s)
	}
	g := storagetest.NewGenerator(1)
	g.Window, g.Interval = time.Minute, 6*time.Second
	begin := time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)
	samples := g.Samples(begin, 60*5, storagetest.Stream("a", "x"), storagetest.Stream("b", "x"))
	put(t, store, samples...)
	db := foreign(t, store.Path())
	check := func(when string) sqlite.State {
		t.Helper()
		s := state(t, store)
		var windows, pages, size int64
		var oldest, newest sql.NullInt64
		if err := db.QueryRowContext(t.Context(), "SELECT count(*), min(start_ns), max(start_ns) FROM windows").Scan(&windows, &oldest, &newest); err != nil {
			t.Fatal(err)
		}
		if s.Windows != windows || s.Oldest.UnixNano() != oldest.Int64 || s.Newest.UnixNano() != newest.Int64 {
			t.Errorf("%s: %+v, want %d windows from %d to %d", when, s, windows, oldest.Int64, newest.Int64)
		}
		if err := db.QueryRowContext(t.Context(), "SELECT freelist_count, page_size FROM pragma_freelist_count, pragma_page_size").Scan(&pages, &size); err != nil {
			t.Fatal(err)
		}
		if s.Free != pages*size {
			t.Errorf("%s: %d bytes free, want %d pages of %d", when, s.Free, pages, size)
		}
		for name, told := range map[string]int64{store.Path(): s.File, store.Path() + "-wal": s.Log} {
			if info, err := os.Stat(name); err != nil || info.Size() != told {
				t.Errorf("%s: %s: %v, %v, told %d", when, name, info, err, told)
			}
		}
		return s
	}
	if s := check("after writing"); s.Windows != 600 || !s.Oldest.Equal(begin) {
		t.Errorf("%+v, want 600 windows from %v", s, begin)
	}
	roll(t, store, begin.Add(6*time.Hour))
	expire(t, store, time.Time{}, begin.Add(2*time.Hour))
	if s := check("after expiry"); s.Windows != 360 || s.Free == 0 {
		t.Errorf("%+v, want the 360 windows of three hours and some pages free", s)
	}
	// An import of old results takes new numbers: what is told is a bound then.
	early := g.Samples(begin.Add(-48*time.Hour), 1, storagetest.Stream("c", "x"))
	put(t, store, early...)
	put(t, store, g.Samples(begin.Add(6*time.Hour), 1, storagetest.Stream("c", "x"))...)
	expire(t, store, time.Time{}, begin.Add(-24*time.Hour))
	if s := state(t, store); s.Windows != 362 {
		t.Errorf("%d windows at most, want 362: the 361 there are and the one that expired between", s.Windows)
	}
}

// BenchmarkState tells the state of a store of a day of four links. Counting the windows
// instead would read a page for each 350 of them: 40,000 pages, 160 MB, after 400 days.
func BenchmarkState(b *testing.B) {
	store := benchOpen(b)
	fill(b, store, storagetest.NewGenerator(1).Samples(benchStart, 8640, fourStreams...), 1000)
	for b.Loop() {
		state(b, store)
	}
}
