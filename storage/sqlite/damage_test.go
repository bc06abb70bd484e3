package sqlite_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
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
	w.c <- text
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

// aboutDamage is what a store with damage to come holds.
type aboutDamage struct {
	instance string
	samples  map[string]perigee.Sample
	waiting  int64
}

func keyOf(s perigee.Sample) string { return fmt.Sprint(s.Stream, s.Start.UnixNano()) }

// victims makes a store of some days at path, with results of every kind, some forwarded,
// and returns what is in it. It is closed.
func victims(t *testing.T, path string, windows int) aboutDamage {
	t.Helper()
	store, err := healing(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	about := aboutDamage{samples: map[string]perigee.Sample{}}
	ctx := t.Context()
	if err := store.Describe(ctx, perigee.Site{Name: "home"}, []perigee.Link{{ID: "a", Orbit: perigee.OrbitGEO, Interface: "wan0"}, {ID: "b", Orbit: perigee.OrbitStarlink, Interface: "wan1"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Begin(ctx, start); err != nil {
		t.Fatal(err)
	}
	g := storagetest.NewGenerator(7)
	for i := range windows {
		at := start.Add(time.Duration(i) * g.Window)
		var b perigee.Batch
		for _, stream := range []perigee.Stream{storagetest.Stream("a", "x"), storagetest.Stream("b", "x")} {
			s := g.Sample(stream, at)
			b.Samples = append(b.Samples, s)
			s.Singletons = nil
			about.samples[keyOf(s)] = s
		}
		if i%50 == 49 {
			b.Events = []perigee.Event{{Site: "home", Time: at, Kind: perigee.EventRebound, Detail: fmt.Sprint("the ", i, "th")}}
			b.Gaps = []perigee.Gap{{Site: "home", Link: "b", Start: at, End: at, Reason: perigee.GapClockStep}}
			b.Outages = []perigee.Outage{{Stream: storagetest.Stream("a", "x"), Start: at, End: at.Add(time.Second), Probes: 5, Reason: perigee.NoReplies}}
			b.Throughputs = []perigee.Throughput{g.Throughput(storagetest.Transfer("a", perigee.LoadDown), at)}
		}
		if err := store.Append(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := store.AddTraffic(ctx, "home", "a", perigee.PurposeProbing, at, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Roll(ctx, start.Add(time.Duration(windows)*g.Window)); err != nil {
		t.Fatal(err)
	}
	entries, err := store.Oldest(ctx, windows)
	if err == nil {
		err = store.Forwarded(ctx, entries)
	}
	if err != nil {
		t.Fatal(err)
	}
	if about.instance, err = store.Instance(ctx); err != nil {
		t.Fatal(err)
	}
	if about.waiting, _, _, err = store.Pending(ctx); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return about
}

func TestSmokeDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	about := victims(t, path, 500)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[:4096], make([]byte, 4096))
	_ = binary.BigEndian
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newListener()
	store, err := healing(path, w.say)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	t.Log(w.await(t, "carried over from"))
	t.Log(w.all)
	got := read(t, store, perigee.Query{})
	t.Log(len(got), len(about.samples))
	n, _, _, err := store.Pending(t.Context())
	t.Log(n, about.waiting, err)
	hours := read(t, store, perigee.Query{Resolution: perigee.Hours})
	t.Log(len(hours))
	ev, _ := store.Events(t.Context(), perigee.Query{})
	t.Log(ev[len(ev)-2:])
	gaps, _ := store.Gaps(t.Context(), perigee.Query{})
	t.Log(gaps[len(gaps)-1:])
	tr, _ := store.Traffic(t.Context(), "home", "a", time.Time{}, time.Time{})
	t.Log(tr)
	id, _ := store.Instance(t.Context())
	t.Log(id, about.instance)
}
