package sqlite_test

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

func roll(t *testing.T, store *sqlite.Store, now time.Time) {
	t.Helper()
	if err := store.Roll(t.Context(), now); err != nil {
		t.Fatalf("Roll: %v", err)
	}
}

func expire(t *testing.T, store *sqlite.Store, singletons, windows time.Time) {
	t.Helper()
	if err := store.Expire(t.Context(), singletons, windows); err != nil {
		t.Fatalf("Expire: %v", err)
	}
}

func count(t *testing.T, db *sql.DB, text string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

// wantSame compares samples with those of another store that kept everything.
func wantSame(t *testing.T, when string, got, want []perigee.Sample) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d samples, want %d", when, len(got), len(want))
	}
	for i := range got {
		if d := storagetest.Diff(got[i], want[i], storagetest.Tolerances{Sums: 1e-9}); d != "" {
			t.Fatalf("%s: sample %d: %s", when, i, d)
		}
	}
}

// Rolled up or not, after late windows, after expiry and after a second roll: hours and
// days are those of the windows that were ever stored.
func TestRollupsAreRightAtEveryMoment(t *testing.T) {
	store, memory := open(t), storagetest.NewMemory()
	g := storagetest.NewGenerator(1)
	g.Window, g.Interval = time.Minute, 6*time.Second
	streams := []perigee.Stream{storagetest.Stream("a", "x"), storagetest.Stream("b", "x")}
	begin := time.Date(2026, 3, 1, 20, 30, 0, 0, time.UTC)
	samples := g.Samples(begin, 60*5, streams...) // 20:30 to 01:30 of the next day
	late := slices.Concat(samples[80:90], samples[250:255])
	prompt := slices.DeleteFunc(slices.Clone(samples), func(s perigee.Sample) bool {
		return slices.ContainsFunc(late, func(l perigee.Sample) bool { return l.Stream == s.Stream && l.Start.Equal(s.Start) })
	})
	both := func(samples []perigee.Sample) {
		put(t, store, samples...)
		if err := memory.Append(t.Context(), perigee.Batch{Samples: samples}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		for _, r := range []perigee.Resolution{perigee.Hours, perigee.Days} {
			var want []perigee.Sample
			for s := range memory.Samples(t.Context(), perigee.Query{Resolution: r}) {
				want = append(want, s)
			}
			wantSame(t, when+", by "+string(r), read(t, store, perigee.Query{Resolution: r}), want)
		}
	}
	db := foreign(t, store.Path())
	both(prompt)
	check("not rolled up")
	if n := count(t, db, "SELECT (SELECT count(*) FROM hours) + (SELECT count(*) FROM days)"); n != 0 {
		t.Errorf("%d rollups before Roll, want none", n)
	}
	roll(t, store, begin.Add(5*time.Hour)) // 01:30: the hours 20 to 0 and one day have ended
	check("rolled up")
	if n := count(t, db, "SELECT count(*) FROM hours"); n != 5*2 {
		t.Errorf("%d hours, want 5 of 2 streams", n)
	}
	if n := count(t, db, "SELECT count(*) FROM days"); n != 2 {
		t.Errorf("%d days, want 1 of 2 streams", n)
	}
	both(late)
	check("late windows came")
	roll(t, store, begin.Add(5*time.Hour))
	check("rolled up again")
	expire(t, store, time.Time{}, begin.Add(3*time.Hour)) // 23:30: hours 20 to 22 may go
	check("expired")
	if n := count(t, db, "SELECT count(*) FROM windows"); n != (60*5-150)*2 {
		t.Errorf("%d windows, want those since 23:00", n)
	}
	put(t, store, samples...) // a replay of everything, the expired included
	check("replayed")
	roll(t, store, begin.Add(100*time.Hour))
	expire(t, store, time.Time{}, begin.Add(100*time.Hour))
	check("all has expired")
	if n := count(t, db, "SELECT (SELECT count(*) FROM windows) + (SELECT count(*) FROM singletons) + (SELECT count(*) FROM dirty)"); n != 0 {
		t.Errorf("%d rows are left, want none", n)
	}
	links, err := store.Links(t.Context())
	if err != nil || len(links) != 2 || !links[0].First.Equal(begin) || !links[0].Last.Equal(begin.Add(5*time.Hour)) {
		t.Errorf("Links() = %+v, %v, want the first and last time still", links, err)
	}
}

// What expires is not yet rolled up: Expire does it before.
func TestExpireRollsUpFirst(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(2)
	put(t, store, g.Samples(start, 360, storagetest.Stream("a", "x"))...)
	want := read(t, store, perigee.Query{Resolution: perigee.Hours})
	expire(t, store, time.Time{}, start.Add(2*time.Hour))
	if got := read(t, store, perigee.Query{}); len(got) != 0 {
		t.Errorf("%d windows are left", len(got))
	}
	wantSame(t, "hours", read(t, store, perigee.Query{Resolution: perigee.Hours}), want)
	wantSame(t, "days", read(t, store, perigee.Query{Resolution: perigee.Days}), want) // one hour is the day
}

func TestExpireKeepsWhatIsAsked(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(3)
	g.Interval = 5 * time.Second
	// More singletons rows than one transaction deletes.
	samples := g.Samples(start, 1200, storagetest.Stream("a", "x"), storagetest.Stream("b", "x"))
	put(t, store, samples...)
	records := perigee.Batch{
		Outages: []perigee.Outage{{Stream: samples[0].Stream, Start: start, End: start}},
		Gaps:    []perigee.Gap{{Site: "home", Start: start, End: start}},
		Events:  []perigee.Event{{Site: "home", Time: start, Kind: perigee.EventClockBack}},
	}
	if err := store.Append(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	db := foreign(t, store.Path())
	check := func(when string, singletons, windows int) {
		t.Helper()
		if n := count(t, db, "SELECT count(*) FROM singletons"); n != singletons {
			t.Errorf("%s: %d rows of singletons, want %d", when, n, singletons)
		}
		if n := count(t, db, "SELECT count(*) FROM windows"); n != windows {
			t.Errorf("%s: %d windows, want %d", when, n, windows)
		}
		if n := count(t, db, "SELECT (SELECT count(*) FROM outages) + (SELECT count(*) FROM gaps) + (SELECT count(*) FROM events)"); n != 3 {
			t.Errorf("%s: %d outages, gaps and events, want 3", when, n)
		}
	}
	expire(t, store, time.Time{}, time.Time{})
	check("nothing expires", 2400, 2400)
	expire(t, store, start.Add(10*time.Second), time.Time{})
	check("the first singletons have expired", 2398, 2400)
	expire(t, store, start.Add(600*10*time.Second), time.Time{})
	check("half of the singletons have expired", 1200, 2400)
	expire(t, store, time.Time{}, start.Add(59*time.Minute))
	check("no whole hour has expired", 1200, 2400)
	expire(t, store, time.Time{}, start.Add(119*time.Minute))
	check("an hour has expired", 1200, 2400-2*360)
	expire(t, store, time.Time{}, start.Add(3*time.Hour)) // 720 more; those of the last 20 minutes stay
	check("singletons go with their windows", 2*(1200-1080), 2*(1200-1080))
}

// Hours that were imported long after their windows would have expired are rolled up
// and only then expire.
func TestOldImportsAreRolledUp(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(4)
	put(t, store, g.Samples(start, 10, storagetest.Stream("a", "x"))...)
	expire(t, store, time.Time{}, start.AddDate(1, 0, 0))
	old := g.Samples(start.AddDate(-1, 0, 0), 10, storagetest.Stream("b", "x"))
	put(t, store, old[:5]...)
	put(t, store, old[5:]...)
	roll(t, store, start)
	put(t, store, old...) // rolled up, not expired: still known by name
	expire(t, store, time.Time{}, start.AddDate(1, 0, 0))
	got := read(t, store, perigee.Query{Links: []perigee.LinkID{"b"}, Resolution: perigee.Hours})
	if len(got) != 1 || got[0].Length != 100*time.Second {
		t.Errorf("got %d hours of the import, want one of 100 s", len(got))
	}
}

func TestARollThatIsInterruptedGoesOn(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(5)
	g.Window, g.Interval = time.Minute, 6*time.Second
	put(t, store, g.Samples(start, 600, storagetest.Stream("a", "x"))...)
	want := read(t, store, perigee.Query{Resolution: perigee.Hours})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, store.Roll(ctx, start.Add(24*time.Hour)), perigee.CodeUnavailable)
	wantError(t, store.Expire(ctx, start.Add(24*time.Hour), start.Add(24*time.Hour)), perigee.CodeUnavailable)
	roll(t, store, start.Add(24*time.Hour))
	wantSame(t, "hours", read(t, store, perigee.Query{Resolution: perigee.Hours}), want)
}

func TestWritesGoOnWhileExpiring(t *testing.T) {
	store := open(t)
	g := storagetest.NewGenerator(6)
	g.Window, g.Interval = time.Minute, 6*time.Second
	put(t, store, g.Samples(start, 360, storagetest.Stream("a", "x"), storagetest.Stream("b", "x"))...)
	done := make(chan error)
	go func() {
		err := store.Roll(t.Context(), start.Add(6*time.Hour))
		if err == nil {
			err = store.Expire(t.Context(), start.Add(6*time.Hour), start.Add(6*time.Hour))
		}
		done <- err
	}()
	fresh := g.Samples(start.AddDate(0, 0, 1), 10, storagetest.Stream("c", "x"))
	for _, s := range fresh {
		put(t, store, s)
		for _, r := range []perigee.Resolution{perigee.Windows, perigee.Hours, perigee.Days} {
			for _, err := range store.Samples(t.Context(), perigee.Query{Resolution: r}) {
				if err != nil {
					t.Fatalf("read at %s: %v", r, err)
				}
			}
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Roll and Expire: %v", err)
	}
	if got := read(t, store, perigee.Query{Links: []perigee.LinkID{"c"}}); len(got) != len(fresh) {
		t.Errorf("got %d fresh windows, want %d", len(got), len(fresh))
	}
}
