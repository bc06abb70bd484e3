package sqlite

import (
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

var begun = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func openStore(t *testing.T) *Store {
	t.Helper()
	store, err := Open(t.Context(), filepath.Join(t.TempDir(), "perigee.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// limitPages lets the file grow to n pages, as a disk without room for more would.
func limitPages(t *testing.T, store *Store, n string) {
	t.Helper()
	w := <-store.writer
	defer func() { store.writer <- w }()
	if _, err := w.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+n); err != nil {
		t.Fatal(err)
	}
}

// A kill cannot show whether a commit would survive a power cut: SQLite promises it with
// these settings, and with none less.
func TestCommitsAreSyncedToTheDisk(t *testing.T) {
	store := openStore(t)
	w := <-store.writer
	defer func() { store.writer <- w }()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		if got := value(t, w.conn, "PRAGMA "+pragma); got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

// A full disk refuses a batch as a whole; what was acknowledged stays, and writing goes
// on when there is room again.
func TestAFullDiskIsUnavailable(t *testing.T) {
	store := openStore(t)
	g := storagetest.NewGenerator(1)
	kept := g.Samples(begun, 10, storagetest.Stream("a", "x"))
	if err := store.Append(t.Context(), perigee.Batch{Samples: kept}); err != nil {
		t.Fatal(err)
	}
	limitPages(t, store, "1") // SQLite does not go below what there is
	// With new streams and proofs, so that what is remembered of them has to be forgotten.
	more := g.Samples(begun.Add(time.Hour), 200, storagetest.Stream("b", "x"), storagetest.Stream("c", "x"))
	for i := range more {
		more[i].Proof.InterfaceName = "wan7"
	}
	err := store.Append(t.Context(), perigee.Batch{Samples: more})
	if perigee.CodeOf(err) != perigee.CodeUnavailable {
		t.Fatalf("Append on a full disk: %v, want code unavailable", err)
	}
	count := func() (n int) {
		for _, err := range store.Samples(t.Context(), perigee.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := count(); n != len(kept) {
		t.Errorf("%d windows after the failure, want %d", n, len(kept))
	}
	limitPages(t, store, "1000000")
	if err := store.Append(t.Context(), perigee.Batch{Samples: more}); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if n := count(); n != len(kept)+len(more) {
		t.Errorf("%d windows, want %d", n, len(kept)+len(more))
	}
}

// A file that may not grow takes new windows in the place of old singletons, until there
// are none.
func TestOldSingletonsMakeRoom(t *testing.T) {
	store := openStore(t)
	store.reserve = reserve{filepath.Join(t.TempDir(), "nowhere", "reserve"), reserveSize} // as if there were never room for it again
	g := storagetest.NewGenerator(3)
	old, fresh := g.Samples(begun, 3*firstLoss/2, storagetest.Stream("a", "x")), begun.Add(24*time.Hour)
	if err := store.Append(t.Context(), perigee.Batch{Samples: old}); err != nil {
		t.Fatal(err)
	}
	limitPages(t, store, "1")
	stored, raw := len(old), func() (n int) {
		for _, err := range store.Singletons(t.Context(), perigee.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	for ; ; fresh = fresh.Add(time.Hour) {
		if stored > 10*len(old) {
			t.Fatal("a full disk takes everything")
		}
		before := raw()
		err := store.Append(t.Context(), perigee.Batch{Samples: g.Samples(fresh, 200, storagetest.Stream("b", "x"))})
		if perigee.CodeOf(err) == perigee.CodeUnavailable {
			if after := raw(); after != before {
				t.Errorf("a write that failed gave up %d windows' singletons", before-after)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		stored += 200
	}
	// All old singletons make room, by size, for half as many windows with theirs or more.
	if stored < len(old)+firstLoss/2 {
		t.Errorf("%d windows were stored in the place of the singletons of %d", stored-len(old), len(old))
	}
	events, err := store.Events(t.Context(), perigee.Query{})
	if err != nil || len(events) < 2 {
		t.Errorf("%d events, %v, want one for each time that singletons were given up", len(events), err)
	}
}

// A reader's memory does not grow with what it reads.
func TestReadingTakesBoundedMemory(t *testing.T) {
	store := openStore(t)
	g := storagetest.NewGenerator(2)
	const windows = 3000
	samples := g.Samples(begun, windows/4, storagetest.Stream("a", "x"), storagetest.Stream("b", "x"), storagetest.Stream("c", "x"), storagetest.Stream("d", "x"))
	if err := store.Append(t.Context(), perigee.Batch{Samples: samples}); err != nil {
		t.Fatal(err)
	}
	clear(samples)
	samples = nil
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := heap(), uint64(0), 0
	for _, err := range store.Singletons(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%500 == 0 {
			most = max(most, heap())
		}
	}
	// A page of 256 windows with their singletons is about 2 MB; all that is
	// read is 20 MB.
	if most > before+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, most)
	}
	if n != windows {
		t.Errorf("read %d windows, want %d", n, windows)
	}
}
