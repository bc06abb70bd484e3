package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// The beginning of the store's file is written over while a daemon measures into it, on
// real packets: it measures on, no probe of this life or of the one before is lost, and it
// says what happened wherever it tells of itself.
func TestDamageDoesNotEndTheMeasuring(t *testing.T) {
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"))
	end, _ := l.Link("main")
	dir := t.TempDir()
	p := plan{
		site:     perigee.Site{Name: "test"},
		links:    []perigee.Link{{ID: "main", Orbit: perigee.OrbitTerrestrial, Interface: end.Device}},
		targets:  []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: 20 * time.Millisecond, window: time.Second, outageAfter: time.Second, lossTimeout: 200 * time.Millisecond, size: 56, storePath: dir,
	}
	const first, second = 50, 1000 // probes; the second is 20 s, twice what it takes to look at a file
	d, err := newDaemon(t.Context(), streams{err: &log{}, out: &log{}}, p, nil, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var words log
	if d, err = newDaemon(t.Context(), streams{err: &words, out: &log{}}, p, nil, second); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(t.Context()) }()
	within(t, "a window", func() bool {
		links, err := d.store.Links(t.Context())
		return err == nil && links[0].Last.After(d.now().Add(-3*time.Second))
	})
	f, err := os.OpenFile(storeFile(dir), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // at the end: SQLite's locks end with it
	if _, err := f.WriteAt([]byte(strings.Repeat("written over ", 1000)), 0); err != nil {
		t.Fatal(err)
	}
	within(t, "the file to be set aside", func() bool {
		list, err := sqlite.Asides(storeFile(dir))
		return err == nil && len(list) == 1 && strings.Contains(words.String(), "carried over from")
	})
	warned := false
	d.grounds.forget()
	for _, c := range d.ready(t.Context()) {
		warned = warned || c.Name == "damage" && c.OK && c.State == stateWarning && strings.Contains(c.Message, ".damaged-")
		if c.Name == "store" && !c.OK {
			t.Errorf("the store is not ready: %s", c.Reason)
		}
	}
	if !warned {
		t.Error("/readyz does not tell of the damage")
	}
	if body := metricsOf(t, d); !strings.Contains(body, "perigee_store_damaged_total 1\n") || !strings.Contains(body, "perigee_store_set_aside 1\n") || !strings.Contains(body, "perigee_store_up 1\n") {
		t.Error("/metrics does not tell of the damage")
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var planned int64
	starts := map[time.Time]bool{}
	for s, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if starts[s.Start] {
			t.Errorf("the window of %s is there twice", s.Start)
		}
		starts[s.Start], planned = true, planned+s.Counts.Planned
	}
	if planned != first+second {
		t.Errorf("%d probes are stored, want %d", planned, first+second)
	}
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil || len(gaps) != 1 || gaps[0].Reason != perigee.GapStopped {
		t.Errorf("gaps %v, %v, want the one between the lives", gaps, err)
	}
	said := 0
	events, err := store.Events(t.Context(), perigee.Query{})
	for _, e := range events {
		if e.Kind == perigee.EventStoreDamaged {
			said++
		}
	}
	if err != nil || said != 2 {
		t.Errorf("%d events tell of the damage, %v, want one for setting aside and one for carrying over: %v", said, err, events)
	}
	if found := checkStore(t.Context(), dir); found.State != stateOK {
		t.Errorf("doctor says of the new store: %+v", found)
	}
}
