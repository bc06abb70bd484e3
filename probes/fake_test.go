package probes

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"perigee"
)

// testClock is the clock of a synctest bubble whose wall clock can be set and whose
// machine can sleep.
type testClock struct {
	mu        sync.Mutex
	base      time.Time
	offset    time.Duration // of the wall clock
	suspended time.Duration
}

func newTestClock() *testClock { return &testClock{base: time.Now()} }

func (c *testClock) read() perigee.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return perigee.Reading{
		Wall: now.Round(0).Add(c.offset), Mono: now.Sub(c.base) + 1000*time.Second, Suspended: c.suspended,
	}
}

// set moves the wall clock.
func (c *testClock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += by
}

// sleep suspends the machine: time of day goes on, the monotonic clock does not.
func (c *testClock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	c.suspended += d
}

// fate is what becomes of a probe that is sent.
type fate struct {
	rtt        time.Duration // 0: never answered
	duplicates int           // further replies
	spread     time.Duration // between these; 1 ms if 0
	fail       string        // it is not sent
	block      time.Duration // how long Send takes
	panics     bool          // Send panics
	silent     bool          // it is sent, and nothing is reported of it
}

// fakeProber is a perigee.Prober over an imagined link. Every probe shares the fate
// that link returns, which is asked when it is sent.
type fakeProber struct {
	clock       perigee.Clock
	lossTimeout time.Duration
	link        func(seq perigee.Seq) fate

	mu       sync.Mutex
	running  bool
	pending  map[perigee.Seq]*time.Timer
	sentAt   []time.Duration
	highest  perigee.Seq // of the replies
	replied  bool
	runs     int
	end      chan error // ends the current Run; a nil error panics
	stubborn bool       // Run outlives its context
}

func newFakeProber(c *testClock, lossTimeout time.Duration, link func(perigee.Seq) fate) *fakeProber {
	return &fakeProber{clock: c.read, lossTimeout: lossTimeout, link: link, pending: map[perigee.Seq]*time.Timer{}, end: make(chan error)}
}

func steady(rtt time.Duration) func(perigee.Seq) fate {
	return func(perigee.Seq) fate { return fate{rtt: rtt} }
}

func (p *fakeProber) Send(seq perigee.Seq, emit perigee.Emitter) {
	f := p.link(seq)
	at := p.clock().Mono
	time.Sleep(f.block)
	if f.panics {
		panic("send went wrong")
	}
	p.mu.Lock()
	p.sentAt = append(p.sentAt, at)
	if !p.running {
		f.fail = "not running"
	}
	if f.silent {
		p.mu.Unlock()
		return
	}
	if f.fail != "" {
		p.mu.Unlock()
		emit.Singleton(perigee.Singleton{Seq: seq, At: at, Outcome: perigee.SendFailed, Cause: f.fail})
		return
	}
	defer p.mu.Unlock()
	horizon := perigee.LateHorizon(p.lossTimeout)
	s := perigee.Singleton{Seq: seq, At: at, RTT: f.rtt, Outcome: perigee.Received}
	switch {
	case f.rtt == 0 || f.rtt > horizon:
		s.Outcome, s.RTT, f.rtt, f.duplicates = perigee.Lost, 0, horizon, 0
	case f.rtt > p.lossTimeout:
		s.Outcome = perigee.Late
	}
	p.pending[seq] = time.AfterFunc(at+f.rtt-p.clock().Mono, func() {
		p.mu.Lock()
		if _, ok := p.pending[seq]; !ok {
			p.mu.Unlock()
			return
		}
		delete(p.pending, seq)
		if s.Outcome != perigee.Lost {
			s.Reordered = p.replied && seq < p.highest
			p.highest, p.replied = max(p.highest, seq), true
		}
		p.mu.Unlock()
		emit.Singleton(s)
		for i := range f.duplicates {
			time.AfterFunc(time.Duration(i+1)*max(f.spread, time.Millisecond), func() { emit.Duplicate(seq) })
		}
	})
}

func (p *fakeProber) Run(ctx context.Context, emit perigee.Emitter) error {
	p.mu.Lock()
	p.running = true
	p.runs++
	p.mu.Unlock()
	var err error
	select {
	case <-ctx.Done():
		if p.stubborn {
			time.Sleep(time.Minute)
		}
	case err = <-p.end:
		if err == nil {
			p.mu.Lock()
			p.running = false
			for seq, timer := range p.pending { // it reports nothing of them
				timer.Stop()
				delete(p.pending, seq)
			}
			p.mu.Unlock()
			panic("run went wrong")
		}
	}
	p.mu.Lock()
	p.running = false
	var left []perigee.Seq
	for seq, timer := range p.pending {
		timer.Stop()
		delete(p.pending, seq)
		left = append(left, seq)
	}
	p.mu.Unlock()
	for _, seq := range left {
		emit.Singleton(perigee.Singleton{Seq: seq, Outcome: perigee.Skipped, Cause: "ended"})
	}
	return err
}

func (p *fakeProber) Proof() perigee.Proof {
	return perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan0"}
}

// memory is a store that keeps what it is given and can fail.
type memory struct {
	mu      sync.Mutex
	fail    error
	calls   int
	batches []perigee.Batch
}

func (m *memory) record(ctx context.Context, b perigee.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.fail != nil {
		return m.fail
	}
	m.batches = append(m.batches, b)
	return ctx.Err()
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) all() (b perigee.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.batches {
		b.Samples = append(b.Samples, x.Samples...)
		b.Outages = append(b.Outages, x.Outages...)
		b.Gaps = append(b.Gaps, x.Gaps...)
		b.Events = append(b.Events, x.Events...)
	}
	return b
}

// of returns the counts and the singletons of one link, in order.
func (m *memory) of(link perigee.LinkID) (c perigee.Counts, probes []perigee.Singleton) {
	for _, s := range m.all().Samples {
		if s.Stream.Link == link {
			c.Merge(s.Counts)
			probes = append(probes, s.Singletons...)
		}
	}
	return c, probes
}

// bench is a runner over fake probers. interval 100 ms, window 10 s, loss timeout 3 s.
type bench struct {
	t       *testing.T
	begin   time.Time
	clock   *testClock
	store   *memory
	probers map[perigee.LinkID]*fakeProber
	options Options
	runner  *Runner
	stop    context.CancelFunc
	done    chan error

	// slack is how far after its window's end a probe may have been sent, as the
	// clock is slewed.
	slack time.Duration
}

func keyOf(link perigee.LinkID) perigee.Stream {
	k := testKey
	k.Link = link
	return k
}

// newBench prepares a runner over the given links. Measuring begins with start, at
// begin, which is a border of the grid.
func newBench(t *testing.T, links map[perigee.LinkID]func(perigee.Seq) fate) *bench {
	time.Sleep(10*time.Second - settle) // a bubble begins at midnight
	b := &bench{t: t, begin: time.Now().Add(settle), clock: newTestClock(), store: &memory{}, probers: map[perigee.LinkID]*fakeProber{}}
	b.options = Options{
		Site: "home", Interval: 100 * time.Millisecond, Clock: b.clock.read, Rand: seeded(1), Record: b.store.record,
	}
	for _, id := range []perigee.LinkID{"fibre", "leo", "starlink", "geo"} {
		if link, ok := links[id]; ok {
			p := newFakeProber(b.clock, 3*time.Second, link)
			b.probers[id] = p
			b.options.Streams = append(b.options.Streams, Stream{Key: keyOf(id), Prober: p, LossTimeout: 3 * time.Second})
		}
	}
	return b
}

func (b *bench) start() {
	b.t.Helper()
	var err error
	if b.runner, err = New(b.options); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	b.stop = cancel
	b.done = make(chan error, 1)
	go func() { b.done <- b.runner.Run(ctx) }()
	time.Sleep(settle)
}

// finish ends the run and checks what must hold of every run.
func (b *bench) finish() error {
	b.t.Helper()
	b.stop()
	err := <-b.done
	starts := map[perigee.Stream]map[time.Time]bool{}
	next := map[perigee.Stream]perigee.Seq{}
	for _, s := range b.store.all().Samples {
		checkSample(b.t, s, b.slack)
		link := s.Stream
		if starts[link] == nil {
			starts[link] = map[time.Time]bool{}
		}
		if starts[link][s.Start] {
			b.t.Errorf("%v: two samples start at %v", link, s.Start)
		}
		starts[link][s.Start] = true
		if s.Singletons != nil && s.Singletons[0].Seq != next[link] {
			b.t.Errorf("%v: sample at %v begins with probe %d, want %d", link, s.Start, s.Singletons[0].Seq, next[link])
		}
		next[link] += perigee.Seq(s.Counts.Planned)
	}
	return err
}

var errCable = errors.New("the cable was cut")
