package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

func begin(t *testing.T, store *sqlite.Store, now time.Time) (perigee.Run, int64) {
	t.Helper()
	previous, epoch, err := store.Begin(t.Context(), now)
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	return previous, epoch
}

func TestRunsAreRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	life := func(now time.Time, live func(*sqlite.Store)) (perigee.Run, int64) {
		store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		previous, epoch := begin(t, store, now)
		live(store)
		return previous, epoch
	}
	g := storagetest.NewGenerator(1)
	sample := g.Sample(storagetest.Stream("a", "x"), start.Add(time.Minute))

	previous, epoch := life(start, func(store *sqlite.Store) {
		put(t, store, sample)
		if err := store.End(t.Context(), start.Add(2*time.Minute)); err != nil {
			t.Fatal(err)
		}
	})
	if previous != (perigee.Run{}) || epoch != 0 {
		t.Errorf("the first run: previous %+v, epoch %d, want none and 0", previous, epoch)
	}
	previous, epoch = life(start.Add(time.Hour), func(*sqlite.Store) {}) // and crashes
	if want := (perigee.Run{ID: 1, Started: start, Ended: start.Add(2 * time.Minute), Last: sample.End()}); previous != want || epoch != 0 {
		t.Errorf("the second run: previous %+v, epoch %d, want %+v and 0", previous, epoch, want)
	}
	previous, _ = life(start.Add(2*time.Hour), func(*sqlite.Store) {})
	if want := (perigee.Run{ID: 2, Started: start.Add(time.Hour), Last: sample.End()}); previous != want {
		t.Errorf("the third run: previous %+v, want %+v", previous, want)
	}
}

// What was imported tells nothing of when the monitor last measured, nor of its clock.
func TestImportsAreNoSignOfLife(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(3)
	measured, imported := storagetest.Stream("a", "x"), storagetest.Stream("theirs", "x")
	if err := store.Describe(t.Context(), perigee.Site{Name: measured.Site},
		[]perigee.Link{{ID: "a", Orbit: perigee.OrbitLEO, Interface: "wan0"}, {ID: "theirs", Orbit: perigee.OrbitGEO}}); err != nil {
		t.Fatal(err)
	}
	last := g.Sample(measured, start)
	put(t, store, last)
	put(t, store, g.Sample(imported, start.Add(time.Hour)))
	previous, epoch := begin(t, store, start.Add(30*time.Minute))
	if !previous.Last.Equal(last.End()) || epoch != 0 {
		t.Errorf("previous %+v, epoch %d, want the last that was measured and no clock set back", previous, epoch)
	}
}

func TestEndNeedsABeginning(t *testing.T) {
	wantError(t, open(t).End(t.Context(), start), perigee.CodeInvalid, "no run")
}

// The epoch counts how often the clock was set back: while running, as the daemon
// records, and between runs, as Begin sees by itself.
func TestEpochCountsClocksSetBack(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(2)
	put(t, store, g.Sample(storagetest.Stream("a", "x"), start))
	if _, epoch := begin(t, store, start.Add(10*time.Second)); epoch != 0 {
		t.Errorf("epoch %d at the very end of the last sample, want 0", epoch)
	}
	events := []perigee.Event{
		{Site: "home", Time: start.Add(time.Minute), Kind: perigee.EventClockBack, Detail: "by 1h"},
		{Site: "home", Time: start.Add(time.Minute), Kind: perigee.EventClockForward, Detail: "by 1h"},
	}
	if err := store.Append(t.Context(), perigee.Batch{Events: events}); err != nil {
		t.Fatal(err)
	}
	if _, epoch := begin(t, store, start.Add(time.Hour)); epoch != 1 {
		t.Errorf("epoch %d after one clock was set back, want 1", epoch)
	}
	// Now the clock is a second behind the last sample's end.
	if _, epoch := begin(t, store, start.Add(9*time.Second)); epoch != 2 {
		t.Errorf("epoch %d after a start with the clock behind, want 2", epoch)
	}
	got, err := store.Events(t.Context(), perigee.Query{Site: "home", To: start.Add(10 * time.Second)})
	want := perigee.Event{Site: "home", Time: start.Add(9 * time.Second), Kind: perigee.EventClockBack, Detail: "at start, 1s before the end of the last sample"}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("events %+v, %v, want %+v", got, err, want)
	}
	// The same window again, moved by the epoch, is another one.
	put(t, store, g.Sample(storagetest.Stream("a", "x"), start.Add(2)))
	if got := read(t, store, perigee.Query{}); len(got) != 2 || !got[1].Start.Equal(start.Add(2)) {
		t.Errorf("got %d samples, want two", len(got))
	}
}
