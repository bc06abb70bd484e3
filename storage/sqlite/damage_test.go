package sqlite_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// healing opens the store at path as the daemon does. What it tells goes to told.
func healing(path string, told func(string)) (*sqlite.Store, error) {
	return sqlite.Open(context.Background(), path, sqlite.Options{Heal: &sqlite.Healing{Site: "home", Now: func() time.Time { return healTime }, Told: told}})
}

// healTime is what the clock shows when damage is met: after all results.
var healTime = start.AddDate(0, 0, 10)

// listener collects what a store tells.
type listener struct {
	mu  sync.Mutex
	all []string
	c   chan string
}

func newListener() *listener { return &listener{c: make(chan string, 100)} }

func (w *listener) say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
	select {
	case w.c <- text:
	default: // nobody listens to so much
	}
}

// heard reports whether something was told that has a part.
func (w *listener) heard(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all, func(text string) bool { return strings.Contains(text, part) })
}

// await waits until something is told that has a part.
func (w *listener) await(t *testing.T, part string) string {
	t.Helper()
	for {
		select {
		case text := <-w.c:
			if strings.Contains(text, part) {
				return text
			}
		case <-t.Context().Done():
			t.Fatalf("it was never told that %q; but %q", part, w.all)
		case <-time.After(time.Minute):
			t.Fatalf("it was not told within a minute that %q; but %q", part, w.all)
		}
	}
}

// holdings is what a store holds.
type holdings struct {
	instance  string
	samples   map[string]perigee.Sample // by keyOf
	forwarded map[string]bool
	moved     int64
	next      time.Time // after the last window
}

func keyOf(s perigee.Sample) string { return fmt.Sprint(s.Stream, s.Start.UnixNano()) }

var damageStreams = []perigee.Stream{storagetest.Stream("a", "x"), storagetest.Stream("b", "x")}

// fillForDamage stores results of every kind of so many windows, and forwards half of them.
func fillForDamage(t testing.TB, store *sqlite.Store, windows int) (h holdings) {
	t.Helper()
	h = holdings{samples: map[string]perigee.Sample{}, forwarded: map[string]bool{}}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(store.Describe(ctx, perigee.Site{Name: "home"}, []perigee.Link{{ID: "a", Orbit: perigee.OrbitGEO, Interface: "wan0"}, {ID: "b", Orbit: perigee.OrbitStarlink, Interface: "wan1"}}))
	_, _, err := store.Begin(ctx, start)
	must(err)
	g := storagetest.NewGenerator(7)
	const each = 50
	for i := 0; i < windows; i += each {
		var b perigee.Batch
		for w := range each {
			h.next = start.Add(time.Duration(i+w) * g.Window)
			for _, stream := range damageStreams {
				s := g.Sample(stream, h.next)
				b.Samples = append(b.Samples, s)
				s.Singletons = nil
				h.samples[keyOf(s)] = s
			}
		}
		b.Events = []perigee.Event{{Site: "home", Time: h.next, Kind: perigee.EventRebound, Detail: fmt.Sprint("after ", i)}}
		b.Gaps = []perigee.Gap{{Site: "home", Link: "b", Start: h.next, End: h.next, Reason: perigee.GapClockStep}}
		b.Outages = []perigee.Outage{{Stream: damageStreams[0], Start: h.next, End: h.next.Add(time.Second), Probes: 5, Reason: perigee.NoReplies}}
		b.Throughputs = []perigee.Throughput{g.Throughput(storagetest.Transfer("a", perigee.LoadDown), h.next)}
		must(store.Append(ctx, b))
		must(store.AddTraffic(ctx, "home", "a", perigee.PurposeProbing, h.next, 1000))
		h.moved += 1000
	}
	must(store.AddTraffic(ctx, "home", "a", perigee.PurposeProbing, start.AddDate(0, 0, -45), 500)) // carried over later
	h.moved += 500
	h.next = h.next.Add(g.Window)
	must(store.Roll(ctx, h.next))
	must(store.Expire(ctx, start.Add(time.Duration(windows)*g.Window/4), time.Time{})) // frees pages
	entries, err := store.Oldest(ctx, windows)
	must(err)
	must(store.Forwarded(ctx, entries))
	for _, e := range entries {
		if e.Kind == perigee.EntryWindow {
			h.forwarded[keyOf(*e.Sample)] = true
		}
	}
	h.instance, err = store.Instance(ctx)
	must(err)
	return h
}

// expectations bound what damage may cost.
type expectations struct {
	lost  int  // windows, at most; all of those lost must lie in gaps
	any   bool // whether anything may be lost: the windows are gone, or the instance too
	aside bool // the file was set aside
}

// examine holds what a healed store says against what was stored.
func examine(t testing.TB, store *sqlite.Store, h holdings, want expectations) {
	t.Helper()
	ctx := t.Context()
	if id, err := store.Instance(ctx); err != nil || id != h.instance && !want.any {
		t.Errorf("the instance is %q, %v, want %q", id, err, h.instance)
	}
	gaps, err := store.Gaps(ctx, perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	inGap := func(s perigee.Sample) bool {
		return slices.ContainsFunc(gaps, func(g perigee.Gap) bool {
			return g.Reason == perigee.GapStoreDamaged && g.Link == s.Stream.Link && !g.Start.After(s.Start) && !g.End.Before(s.End())
		})
	}
	found := map[string]bool{}
	for s, err := range store.Samples(ctx, perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		key := keyOf(s)
		known, ok := h.samples[key]
		switch {
		case !ok:
			t.Fatalf("a window of %v at %v was never stored", s.Stream, s.Start)
		case found[key]:
			t.Errorf("the window of %v at %v is there twice", s.Stream, s.Start)
		case inGap(s):
			t.Errorf("the window of %v at %v is there and lies in a gap for lost results", s.Stream, s.Start)
		}
		if d := storagetest.Diff(s, known, storagetest.Tolerances{}); d != "" {
			t.Error(d)
		}
		found[key] = true
	}
	lost := 0
	for key, s := range h.samples {
		if !found[key] {
			lost++
			if !inGap(s) && !want.any {
				t.Errorf("the window of %v at %v is lost and in no gap", s.Stream, s.Start)
			}
		}
	}
	if lost > want.lost {
		t.Errorf("%d of %d windows are lost, want %d at most", lost, len(h.samples), want.lost)
	}
	events, err := store.Events(ctx, perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	said := slices.ContainsFunc(events, func(e perigee.Event) bool { return e.Kind == perigee.EventStoreDamaged && e.Site == "home" })
	if said != want.aside {
		t.Errorf("an event says that the file was damaged: %t, want %t", said, want.aside)
	}
	if sums, err := store.Traffic(ctx, "home", "a", time.Time{}, time.Time{}); err != nil || sums[perigee.PurposeProbing] != h.moved && !want.any {
		t.Errorf("%d bytes were moved, %v, want %d", sums[perigee.PurposeProbing], err, h.moved)
	}
	waits := map[string]int{}
	entries, err := store.Oldest(ctx, 10*len(h.samples)+1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind == perigee.EntryWindow {
			waits[keyOf(*e.Sample)]++
		}
	}
	for key := range found {
		wait := 1
		if h.forwarded[key] && !want.any {
			wait = 0
		}
		if waits[key] != wait && !(want.any && waits[key] < 2) {
			t.Errorf("%s waits %d times to be forwarded, want %d", key, waits[key], wait)
		}
	}
	if n, _, _, err := store.Pending(ctx); err != nil || n < int64(len(waits)) {
		t.Errorf("%d entries wait, %v, and %d windows among them", n, err, len(waits))
	}
	if lost == 0 && !want.any {
		var windows, hours, days int64
		for key := range found {
			windows += h.samples[key].Counts.Planned
		}
		for s, err := range store.Samples(ctx, perigee.Query{Resolution: perigee.Hours}) {
			if err != nil {
				t.Fatal(err)
			}
			hours += s.Counts.Planned
		}
		for s, err := range store.Samples(ctx, perigee.Query{Resolution: perigee.Days}) {
			if err != nil {
				t.Fatal(err)
			}
			days += s.Counts.Planned
		}
		if windows != hours || windows != days {
			t.Errorf("hours hold %d planned probes, days %d, windows %d", hours, days, windows)
		}
	}
	// It goes on.
	g := storagetest.NewGenerator(99)
	s := g.Sample(damageStreams[0], healTime)
	if err := store.Append(ctx, perigee.Batch{Samples: []perigee.Sample{s}}); err != nil {
		t.Fatal("a healed store does not take results: ", err)
	}
	for got, err := range store.Samples(ctx, perigee.Query{From: healTime}) {
		if s.Singletons = nil; err != nil || storagetest.Diff(got, s, storagetest.Tolerances{}) != "" {
			t.Errorf("a healed store gives back %v, %v", got, err)
		}
	}
	for _, suffix := range []string{".setaside", ".setaside.new", ".new", ".new-wal"} {
		if _, err := os.Stat(store.Path() + suffix); err == nil {
			t.Errorf("%s was left", store.Path()+suffix)
		}
	}
	var sound string
	if err := foreign(t, store.Path()).QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("integrity check of the new file: %s, %v", sound, err)
	}
}

// provoke does what meets damage sooner or later.
func provoke(t testing.TB, store *sqlite.Store, try int) {
	ctx := t.Context()
	for _, resolution := range []perigee.Resolution{perigee.Windows, perigee.Hours, perigee.Days} {
		for _, err := range store.Samples(ctx, perigee.Query{Resolution: resolution}) {
			if err != nil {
				break
			}
		}
	}
	for _, err := range store.Singletons(ctx, perigee.Query{}) {
		if err != nil {
			break
		}
	}
	_, _ = store.Links(ctx)
	_, _ = store.Events(ctx, perigee.Query{})
	_, _ = store.Outages(ctx, perigee.Query{})
	_, _ = store.Gaps(ctx, perigee.Query{})
	_, _ = store.Ledger(ctx, "home", "a", time.Time{})
	_, _ = store.Oldest(ctx, 10)
	_, _ = store.Newest(ctx, 10)
	_ = store.Append(ctx, perigee.Batch{Events: []perigee.Event{{Site: "home", Time: start, Kind: perigee.EventRebound, Detail: fmt.Sprint(try, strings.Repeat(" again", 3000))}}})
}

// sheet is a page of a file.
type sheet struct {
	number     int64
	table      string
	root, leaf bool
	cells      int
}

// sheets tells what the pages of a file are.
func sheets(t testing.TB, path string) (list []sheet) {
	t.Helper()
	db := foreign(t, path)
	rows, err := db.QueryContext(t.Context(), "SELECT pageno, name, path, pagetype, ncell FROM dbstat ORDER BY pageno")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s sheet
		var way, kind string
		if err := rows.Scan(&s.number, &s.table, &way, &kind, &s.cells); err != nil {
			t.Fatal(err)
		}
		s.root, s.leaf = way == "/", kind == "leaf"
		list = append(list, s)
	}
	if err := errors.Join(rows.Err(), db.Close()); err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	return list
}

const sheetSize = 4096

// tear fills the second half of a page, or all of it, with noise.
func tear(t testing.TB, path string, number int64, whole bool) {
	t.Helper()
	noise := make([]byte, sheetSize)
	random := rand.New(rand.NewPCG(uint64(number), 11))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	at := (number - 1) * sheetSize
	if !whole {
		noise, at = noise[sheetSize/2:], at+sheetSize/2
	}
	overwrite(t, path, at, noise)
}

// tearTable tears all pages of a table.
func tearTable(t testing.TB, path string, pages []sheet, table string) {
	t.Helper()
	for _, s := range pages {
		if s.table == table {
			tear(t, path, s.number, true)
		}
	}
}

func overwrite(t testing.TB, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b, at)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// pick returns the first page that is like it should.
func pick(t testing.TB, list []sheet, like func(sheet) bool) int64 {
	t.Helper()
	i := slices.IndexFunc(list, like)
	if i < 0 {
		t.Fatal("there is no such page")
	}
	return list[i].number
}

// damageCases are what may happen to a file, and what it may cost. damage gets the file's
// pages as they were.
var damageCases = map[string]struct {
	damage func(t testing.TB, path string, pages []sheet)
	want   expectations
}{
	"header_zeroed": {func(t testing.TB, path string, _ []sheet) { overwrite(t, path, 0, make([]byte, 100)) }, expectations{aside: true}},
	"first_page":    {func(t testing.TB, path string, _ []sheet) { tear(t, path, 1, true) }, expectations{aside: true}},
	"schema_leaf": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "sqlite_schema" && s.leaf }), true)
	}, expectations{aside: true}},
	"root_of_windows": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "windows" && s.root }), true)
	}, expectations{aside: true}},
	"leaf_of_windows": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "windows" && s.leaf && s.number > 60 }), true)
	}, expectations{aside: true, lost: 20}},
	"half_a_leaf_of_windows": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "windows" && s.leaf && s.number > 90 }), false)
	}, expectations{aside: true, lost: 20}},
	"inner_page_of_index": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "sqlite_autoindex_windows_1" && !s.leaf }), true)
	}, expectations{aside: true}},
	"hours": {func(t testing.TB, path string, pages []sheet) { tearTable(t, path, pages, "hours") }, expectations{aside: true}},
	"streams": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "streams" }), true)
	}, expectations{aside: true}},
	"proofs": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "proofs" }), true)
	}, expectations{aside: true}},
	"account_of_bytes": {func(t testing.TB, path string, pages []sheet) {
		tearTable(t, path, pages, "traffic_quarters")
	}, expectations{aside: true}},
	"what_was_forwarded": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "forwarded" }), true)
	}, expectations{aside: true}},
	"meta": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, pick(t, pages, func(s sheet) bool { return s.table == "meta" }), true)
	}, expectations{aside: true}},
	"free_page": {func(t testing.TB, path string, pages []sheet) {
		tear(t, path, freePage(t, path), true)
	}, expectations{aside: true}},
	"cut_short": {func(t testing.TB, path string, _ []sheet) {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()-8*sheetSize)
		}
		if err != nil {
			t.Fatal(err)
		}
	}, expectations{aside: true, lost: 110}},
	"emptied": {func(t testing.TB, path string, _ []sheet) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}, expectations{aside: true, lost: 2 * damageWindows}},
	"garbage": {func(t testing.TB, path string, pages []sheet) {
		noise := make([]byte, len(pages)*sheetSize)
		random := rand.New(rand.NewPCG(3, 11))
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		overwrite(t, path, 0, noise)
	}, expectations{aside: true, lost: 2 * damageWindows}},
}

// freePage returns the first page of the list of free ones.
func freePage(t testing.TB, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := binary.BigEndian.Uint32(b[32:])
	if first == 0 {
		t.Fatal("no page is free")
	}
	return int64(first)
}

const damageWindows = 600

// closedStore is a store that was filled and closed, whose files are copied for each case.
func closedStore(t *testing.T) (dir string, h holdings, pages []sheet) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "perigee.db")
	store, err := healing(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	h = fillForDamage(t, store, damageWindows)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, h, sheets(t, path)
}

// copied returns a copy of the store in dir.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "perigee.db")
}

// A file that was damaged while nobody had it open is set aside, at the start or when what
// is damaged is read, and all that is whole is there, once.
func TestDamagedFilesAreSetAside(t *testing.T) {
	dir, h, pages := closedStore(t)
	for name, c := range damageCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := copied(t, dir)
			c.damage(t, path, pages)
			l := newListener()
			store := openHealing(t, path, l)
			for try := 0; !l.heard("set aside as"); try++ {
				if try > 1000 {
					t.Fatal("nothing meets the damage")
				}
				provoke(t, store, try)
				runtime.Gosched()
			}
			l.await(t, "carried over from")
			examine(t, store, h, c.want)
		})
	}
}

// openHealing opens a store that may turn out to be damaged while it is opened.
func openHealing(t *testing.T, path string, l *listener) *sqlite.Store {
	t.Helper()
	store, err := healing(path, l.say)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}
