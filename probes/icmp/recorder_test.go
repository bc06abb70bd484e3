package icmp

import (
	"context"
	"sync"
	"testing"
	"time"

	"perigee"
)

// recorder is an Emitter that remembers, and lets a test wait.
type recorder struct {
	t testing.TB

	mu         sync.Mutex
	changed    chan struct{} // closed and made anew at each change
	singletons map[perigee.Seq]perigee.Singleton
	order      []perigee.Seq
	decided    map[perigee.Seq]time.Time
	duplicates map[perigee.Seq]int
	events     []string
}

func newRecorder(t testing.TB) *recorder {
	return &recorder{
		t:          t,
		changed:    make(chan struct{}),
		singletons: make(map[perigee.Seq]perigee.Singleton),
		decided:    make(map[perigee.Seq]time.Time),
		duplicates: make(map[perigee.Seq]int),
	}
}

func (r *recorder) Singleton(s perigee.Singleton) {
	r.change(func() {
		if _, twice := r.singletons[s.Seq]; twice {
			r.t.Errorf("probe %d has two outcomes: %+v and %+v", s.Seq, r.singletons[s.Seq], s)
		}
		r.singletons[s.Seq] = s
		r.order = append(r.order, s.Seq)
		r.decided[s.Seq] = time.Now()
	})
}

func (r *recorder) Duplicate(seq perigee.Seq) { r.change(func() { r.duplicates[seq]++ }) }

func (r *recorder) Event(kind perigee.EventKind, detail string) {
	r.change(func() { r.events = append(r.events, string(kind)+": "+detail) })
}

func (r *recorder) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait waits until ok holds; ok is called with the lock held.
func (r *recorder) wait(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		done, changed := ok(), r.changed
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			r.t.Fatalf("waited in vain for %s: have %v", what, r.counts())
		}
	}
}

func (r *recorder) waitDecided(n int) {
	r.t.Helper()
	r.wait("outcomes", func() bool { return len(r.singletons) >= n })
}

// counts returns the taxonomy, which must add up.
func (r *recorder) counts() perigee.Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	var c perigee.Counts
	for seq, s := range r.singletons {
		s.Duplicates += r.duplicates[seq]
		c.Add(s)
	}
	if err := c.Check(); err != nil {
		r.t.Error(err)
	}
	return c
}

func (r *recorder) outcome(seq perigee.Seq) perigee.Singleton {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.singletons[seq]
}

// monotonic is the clock of tests that do not step one.
func monotonic() perigee.Clock {
	start := time.Now()
	return func() perigee.Reading {
		now := time.Now()
		return perigee.Reading{Wall: now, Mono: now.Sub(start)}
	}
}

// start runs p until the test ends, or until the returned function is called, which
// returns what Run did.
func start(t testing.TB, p *Prober, r *recorder) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, r) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

// The far host's addresses, from the ranges for documentation.
const (
	farAddress  = "198.51.100.9"
	farAddress6 = "2001:db8:9::9"
)

func newProber(t testing.TB, o Options) *Prober {
	t.Helper()
	if o.Clock == nil {
		o.Clock = monotonic()
	}
	if o.Address == "" {
		o.Address = farAddress
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
