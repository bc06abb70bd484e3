package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/clock"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// wrongClock has the daemons of a test see the clock as wrong as it says, and nobody to
// synchronise it.
func wrongClock(t *testing.T) (by *atomic.Int64) {
	t.Helper()
	by = &atomic.Int64{}
	system, synchronised := systemClock, clockSynchronised
	t.Cleanup(func() { systemClock, clockSynchronised = system, synchronised })
	clockSynchronised = func() bool { return false }
	systemClock = func() perigee.Clock {
		read := clock.System()
		return func() perigee.Reading {
			r := read()
			r.Wall = r.Wall.Add(time.Duration(by.Load()))
			return r
		}
	}
	return by
}

// since1970 is how wrong the clock of a machine is that has none.
func since1970() int64 { return -time.Now().UnixNano() + int64(30*time.Second) }

// clockPlan measures the lab's link 20 times a second in windows of a second.
func clockPlan(t *testing.T, l *lab.Lab) plan {
	end, _ := l.Link("main")
	return plan{
		site:     perigee.Site{Name: "test"},
		links:    []perigee.Link{{ID: "main", Orbit: perigee.OrbitTerrestrial, Interface: end.Device}},
		targets:  []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: 50 * time.Millisecond, window: time.Second, outageAfter: time.Second, lossTimeout: 300 * time.Millisecond, size: 56, storePath: t.TempDir(),
	}
}

// life is a daemon that runs.
type life struct {
	*daemon
	t     *testing.T
	stop  context.CancelFunc
	ended chan error
}

func live(t *testing.T, p plan) life {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	d, err := newDaemon(ctx, streams{err: &log{}, out: &log{}}, p, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := life{d, t, stop, make(chan error, 1)}
	go func() { l.ended <- d.Run(ctx) }()
	return l
}

func (l life) end() {
	l.t.Helper()
	l.stop()
	if err := <-l.ended; err != nil {
		l.t.Fatal(err)
	}
}

// stored returns all that a store holds, samples with their singletons.
func stored(t *testing.T, file string) (b perigee.Batch) {
	t.Helper()
	store, err := sqlite.OpenReader(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for s, err := range store.Singletons(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		b.Samples = append(b.Samples, s)
	}
	if b.Gaps, err = store.Gaps(t.Context(), perigee.Query{}); err != nil {
		t.Fatal(err)
	}
	if b.Events, err = store.Events(t.Context(), perigee.Query{}); err != nil {
		t.Fatal(err)
	}
	return b
}

func heldFiles(t *testing.T, p plan) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.storePath, heldPrefix+"*"+heldSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// dated holds windows against the lab, which saw every probe leave by a clock that was
// never wrong: each probe's time of day is right, all are there, once.
func dated(t *testing.T, l *lab.Lab, samples []perigee.Sample) {
	t.Helper()
	var sent []time.Time
	for _, s := range samples {
		if err := s.Counts.Check(); err != nil {
			t.Error(err)
		}
		for _, p := range s.Singletons {
			if p.Outcome.Sent() {
				sent = append(sent, s.Start.Add(p.At))
			}
		}
	}
	var truth []time.Time
	for _, trip := range lab.RoundTrips(l.Truth()) {
		truth = append(truth, time.Unix(0, trip.Wall))
	}
	if len(sent) != len(truth) {
		t.Fatalf("%d probes are stored, %d left", len(sent), len(truth))
	}
	slices.SortFunc(sent, time.Time.Compare)
	slices.SortFunc(truth, time.Time.Compare)
	var worst time.Duration
	for i := range sent {
		worst = max(worst, truth[i].Sub(sent[i]).Abs())
	}
	t.Logf("%d probes; the worst is dated %v beside the lab's time", len(sent), worst)
	// A probe leaves after it is stamped, at once unless the machine is busy; starts are
	// whole milliseconds.
	if worst > 40*time.Millisecond {
		t.Errorf("a probe is dated %v beside the lab's time", worst)
	}
}

func counted(events []perigee.Event, kind perigee.EventKind) (n int) {
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// TestDaemonBootsIn1970 runs daemons on a machine without a clock: one whose clock is set
// while it measures, one that is stopped and one that dies before.
func TestDaemonBootsIn1970(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"))
	wrong := wrongClock(t)
	p := clockPlan(t, l)
	main := storeFile(p.storePath)

	first := live(t, p) // the clock is right
	within(t, "two windows", func() bool { return len(stored(t, main).Samples) >= 2 })
	first.end()
	before := len(stored(t, main).Samples)

	wrong.Store(since1970())
	second := live(t, p)
	within(t, "two held windows", func() bool {
		files := heldFiles(t, p)
		return len(files) == 1 && len(stored(t, files[0]).Samples) >= 2
	})
	if n := len(stored(t, main).Samples); n != before {
		t.Errorf("%d windows were stored while the time of day was not known", n-before)
	}
	if !slices.ContainsFunc(second.ready(t.Context()), func(c api.Check) bool {
		return c.Name == "clock" && !c.OK && strings.Contains(c.Reason, "1970-01-01")
	}) {
		t.Errorf("readiness %+v does not tell of the clock", second.ready(t.Context()))
	}
	wrong.Store(0)
	within(t, "the held windows to be dated", func() bool {
		return counted(stored(t, main).Events, perigee.EventClockSet) == 1 && len(heldFiles(t, p)) == 0
	})
	n := len(stored(t, main).Samples)
	within(t, "two windows after that", func() bool { return len(stored(t, main).Samples) >= n+2 })
	second.end()

	b := stored(t, main)
	dated(t, l, b.Samples)
	consecutive(t, b, before)
	if counted(b.Events, perigee.EventClockBack)+counted(b.Events, perigee.EventClockForward) != 0 || counted(b.Events, perigee.EventClockUnset) != 1 {
		t.Errorf("events %+v, want clock_unset and clock_set alone", b.Events)
	}

	// Stopped before it is set, and dated by the next that is started.
	wrong.Store(since1970())
	third := live(t, p)
	within(t, "a held window", func() bool {
		files := heldFiles(t, p)
		return len(files) == 1 && len(stored(t, files[0]).Samples) >= 1
	})
	third.end()
	// Started again, still in the dark, and dead without a word.
	fourth, err := newDaemon(t.Context(), streams{err: &log{}, out: &log{}}, p, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- fourth.runner.Run(ctx) }() // what a killed process leaves undone is left undone
	held := len(stored(t, heldFiles(t, p)[0]).Samples)
	within(t, "another held window", func() bool { return len(stored(t, heldFiles(t, p)[0]).Samples) > held })
	kill()
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	closeUnsaid(t, fourth)
	wrong.Store(0)
	fifth := live(t, p)
	n = len(stored(t, main).Samples)
	within(t, "a window", func() bool { return len(stored(t, main).Samples) > n })
	fifth.end()
	if files := heldFiles(t, p); len(files) != 0 {
		t.Errorf("%v are left", files)
	}
	b = stored(t, main)
	dated(t, l, b.Samples)
	var reasons []perigee.GapReason
	for _, g := range b.Gaps {
		reasons = append(reasons, g.Reason)
	}
	want := []perigee.GapReason{perigee.GapStopped, perigee.GapStopped, perigee.GapStopped, perigee.GapCrashed}
	if !slices.Equal(reasons, want) {
		t.Errorf("gaps %v, want %v: between each two lives", reasons, want)
	}
	covered(t, b)

	// What another boot left cannot be dated.
	wrong.Store(since1970())
	sixth := live(t, p)
	within(t, "a held window", func() bool {
		files := heldFiles(t, p)
		return len(files) == 1 && len(stored(t, files[0]).Samples) >= 1
	})
	sixth.end()
	file := heldFiles(t, p)[0]
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(file+suffix, filepath.Join(p.storePath, "held-another.db"+suffix)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	wrong.Store(0)
	seventh := live(t, p)
	seventh.end()
	b = stored(t, main)
	if files := heldFiles(t, p); len(files) != 0 || !slices.ContainsFunc(b.Events, func(e perigee.Event) bool {
		return e.Kind == perigee.EventStoreFailed && strings.Contains(e.Detail, "switched off before its clock was set")
	}) {
		t.Errorf("files %v, events %+v; want none, and one that tells what is lost", files, b.Events)
	}
}

// closeUnsaid closes a daemon's files as the end of its process would.
func closeUnsaid(t *testing.T, d *daemon) {
	t.Helper()
	for _, close := range []func() error{d.held.Close, d.store.Close, d.account.Close, d.transfer.Close} {
		if err := close(); err != nil {
			t.Error(err)
		}
	}
}

// consecutive checks that each window from the given one on begins where the one before
// ended.
func consecutive(t *testing.T, b perigee.Batch, from int) {
	t.Helper()
	for i := from + 1; i < len(b.Samples); i++ {
		if d := b.Samples[i].Start.Sub(b.Samples[i-1].End()); d.Abs() > 2*time.Millisecond {
			t.Errorf("window %s begins %v after the one before ends", b.Samples[i].Start, d)
		}
		last := b.Samples[i-1].Singletons
		if a, c := last[len(last)-1].Seq, b.Samples[i].Singletons[0].Seq; c != a+1 {
			t.Errorf("window %s begins with probe %d after %d", b.Samples[i].Start, c, a)
		}
	}
}

// covered checks that there is no instant but is of a window or a gap.
func covered(t *testing.T, b perigee.Batch) {
	t.Helper()
	for i := 1; i < len(b.Samples); i++ {
		end, start := b.Samples[i-1].End(), b.Samples[i].Start
		missing := start.Sub(end)
		for _, g := range b.Gaps {
			if !g.Start.Before(end.Add(-time.Second)) && !g.End.After(start.Add(time.Second)) {
				missing -= g.End.Sub(g.Start)
			}
		}
		// A start opens its sockets for a quarter of a second before it measures.
		if missing.Abs() > 600*time.Millisecond {
			t.Errorf("%v before window %s are told by nobody", missing, start)
		}
	}
}

// What doctor finds and what /readyz says of the same machine are the same words, of a link
// that can be bound and of one that cannot, and of a clock that was not set.
func TestDoctorAndReadinessAgree(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"))
	wrong := wrongClock(t)
	p := clockPlan(t, l)
	p.links = append(p.links, perigee.Link{ID: "gone", Orbit: perigee.OrbitGEO, Interface: "gone7"})
	for name, by := range map[string]int64{"right": 0, "in_1970": since1970()} {
		wrong.Store(by)
		p.storePath = t.TempDir()
		d := live(t, p)
		said := d.ready(t.Context())
		found := ground(p, doubtOf(t.Context(), p))
		d.end()
		states := map[string]string{}
		for _, f := range found {
			// Free space may change in between, and how good a good clock is.
			if f.Check != "disk" && !(f.Check == "clock" && f.State == stateOK) && !slices.ContainsFunc(said, func(c api.Check) bool {
				return c.Name == f.Check && c.State == f.State && sameButSeconds(c.Message, f.Message)
			}) {
				t.Errorf("%s: doctor finds %+v, /readyz says %+v", name, f, said)
			}
			states[f.Check] = f.State
		}
		if states["link main"] != stateOK || states["link gone"] != stateFailed || (states["clock"] == stateFailed) != (by != 0) {
			t.Errorf("%s: states %v", name, states)
		}
	}
}

// sameButSeconds compares texts that may tell the time, a second or two apart, or how good
// the clock is, but for digits.
func sameButSeconds(a, b string) bool {
	digits := func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return r
	}
	return strings.Map(digits, a) == strings.Map(digits, b)
}
