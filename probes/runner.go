package probes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"perigee"
)

// The defaults of Options.
const (
	DefaultInterval    = 200 * time.Millisecond
	DefaultWindow      = 10 * time.Second
	DefaultOutageAfter = time.Second

	// DefaultLoadInterval is DefaultInterval for links under load, which are so
	// for seconds only: percentiles need more probes a second then.
	DefaultLoadInterval = 50 * time.Millisecond
)

// Stream is one stream to be measured, and through SetLoad its twins under load.
type Stream struct {
	Key         perigee.Stream // without load
	Prober      perigee.Prober
	LossTimeout time.Duration // > 0; see perigee.LossTimeoutFor
}

// Options says what to measure and how.
type Options struct {
	Site    string   // of gaps and events that concern all links
	Streams []Stream // with different keys

	Interval    time.Duration // mean time between probes of a stream; DefaultInterval if 0
	Spacing     Spacing       // SpacingPeriodic if empty
	Window      time.Duration // whole milliseconds; DefaultWindow if 0
	OutageAfter time.Duration // DefaultOutageAfter if 0

	// LoadInterval is Interval for links under load. 0 is DefaultLoadInterval, or
	// Interval if that is shorter. Probers must have room for as many probes.
	LoadInterval time.Duration

	// Limit is how many probes each stream plans before Run ends by itself; 0
	// is no limit. Those that it would have planned while its link was under
	// load count.
	Limit int

	Clock perigee.Clock // required
	Rand  *rand.Rand    // schedules and pauses are drawn from it, by New alone; seeded at random if nil

	// Epoch is how often the wall clock was set back in earlier runs, as the
	// store knows; see perigee.Sample.Start. SetEpoch changes it.
	Epoch int64

	// Record stores a batch; required. It is called from one goroutine, in
	// order, and again with the same batch until it returns nil or an error
	// with CodeInvalid. It should return soon after its context has ended.
	Record func(context.Context, perigee.Batch) error

	// OnSingleton, if set, is told every outcome as soon as it is known. It is
	// called from several goroutines, some of which measure: it must not block.
	// At is on the monotonic clock of Clock. An outcome may still become
	// Skipped in the sample if the monitor turns out to have been stalled.
	OnSingleton func(perigee.Stream, perigee.Singleton)
}

// Runner measures streams. Make one with New, run it once.
type Runner struct {
	options  Options
	clock    perigee.Clock
	groups   []*group // lines that send at the same instants
	loads    loads
	grid     grid
	recorder *recorder
	horizon  time.Duration // the longest late horizon
	started  atomic.Bool
	looked   *pulse       // when the loop last looked at the clocks
	epoch    atomic.Int64 // in effect once the time of day is known

	mu    sync.RWMutex // guards what follows, which the loop alone changes, and reads without
	feeds []*feed      // as in Options.Streams
	lines []*line      // likewise, then those under load

	reloads chan *reload
	ended   chan struct{} // closed when no more probes are planned

	supervisors sync.WaitGroup  // of the probers
	proberCtx   context.Context // what their contexts come from

	// What follows belongs to the goroutine of Run.
	before  perigee.Reading // the last look at the clocks
	wanted  time.Duration   // when the loop meant to look again
	sending bool            // whether probes are planned
	collect time.Duration   // when results are next collected
	pending perigee.Batch   // gaps and events for the next batch
	reload  *reload         // in effect from the next border on; nil: none
	retired []*feed         // not measured any more, with windows that are not closed yet
}

// group is the lines that probe the same target over different links. They send at the
// same instants, so that what the target does cancels out in a comparison. A line that
// is not current leaves its instants to the others.
type group struct {
	key      groupKey
	lines    []*line
	seqs     []perigee.Seq // of the instant being sent, per line
	schedule Schedule
	interval time.Duration
	next     time.Duration
	planned  int // instants so far

	loaded bool // its lines are for links under load
	awake  bool // if loaded: one of its lines is current
}

func (g *group) add(l *line) {
	g.lines = append(g.lines, l)
	g.seqs = append(g.seqs, 0)
}

// groupKey tells groups apart.
type groupKey struct {
	target perigee.TargetID
	method perigee.Method
	family perigee.Family
}

func groupKeyOf(s perigee.Stream) groupKey { return groupKey{s.Target, s.Method, s.Family} }

// New checks o and returns a runner. Errors have CodeInvalid.
func New(o Options) (*Runner, error) {
	o = withDefaults(o)
	if err := check(o); err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "probes: " + err.Error()}
	}
	r := &Runner{
		options: o, clock: o.Clock, loads: newLoads(),
		grid:     grid{window: o.Window, epoch: o.Epoch},
		recorder: newRecorder(o, fork(o.Rand)), looked: newPulse(),
		reloads: make(chan *reload), ended: make(chan struct{}),
	}
	r.epoch.Store(o.Epoch)
	for _, s := range o.Streams {
		r.feeds = append(r.feeds, r.newFeed(o, s))
	}
	r.lines = linesOf(r.feeds)
	for _, l := range r.lines {
		r.join(l)
	}
	return r, nil
}

// SetEpoch replaces Options.Epoch. It is for a clock that begins with provisional times,
// before it shows the time of day: that is when the epoch takes effect.
func (r *Runner) SetEpoch(epoch int64) { r.epoch.Store(epoch) }

// withDefaults returns o with what is left out.
func withDefaults(o Options) Options {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.OutageAfter == 0 {
		o.OutageAfter = DefaultOutageAfter
	}
	if o.Spacing == "" {
		o.Spacing = SpacingPeriodic
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if o.LoadInterval == 0 {
		o.LoadInterval = min(DefaultLoadInterval, o.Interval)
	}
	return o
}

// newFeed makes the feed of a stream of o, and its lines.
func (r *Runner) newFeed(o Options, s Stream) *feed {
	f := &feed{prober: s.Prober, clock: o.Clock, rng: fork(o.Rand), unheard: newPulse()}
	for _, load := range []perigee.Load{s.Key.Load, perigee.LoadDown, perigee.LoadUp} {
		c := streamConfig{key: s.Key, interval: o.Interval, lossTimeout: s.LossTimeout}
		if load != s.Key.Load {
			c.key.Load, c.interval = load, o.LoadInterval
		}
		f.lines = append(f.lines, newLine(f, c, o.OutageAfter, o.OnSingleton))
		r.horizon = max(r.horizon, c.horizon())
	}
	f.current, f.stints = f.lines[0], []stint{{line: f.lines[0]}}
	return f
}

// linesOf returns the lines of feeds, first those without load.
func linesOf(feeds []*feed) (lines []*line) {
	for _, f := range feeds {
		lines = append(lines, f.lines[0])
	}
	for _, f := range feeds {
		lines = append(lines, f.lines[1:]...)
	}
	return lines
}

// join adds l to its group, which is made if there is none, and returns that.
func (r *Runner) join(l *line) *group {
	key, loaded := groupKeyOf(l.key), l != l.feed.lines[0]
	i := slices.IndexFunc(r.groups, func(g *group) bool { return g.key == key && g.loaded == loaded })
	if i < 0 {
		i = len(r.groups)
		r.groups = append(r.groups, &group{
			key: key, schedule: newSchedule(r.options.Spacing, l.interval, fork(r.options.Rand)), interval: l.interval, loaded: loaded,
		})
	}
	r.groups[i].add(l)
	return r.groups[i]
}

func check(o Options) error {
	seen := map[perigee.Stream]bool{}
	for _, s := range o.Streams {
		switch {
		case s.Prober == nil:
			return fmt.Errorf("stream %v has no prober", s.Key)
		case s.LossTimeout <= 0:
			return fmt.Errorf("stream %v has a loss timeout of %v, want more than 0", s.Key, s.LossTimeout)
		case seen[s.Key]:
			return fmt.Errorf("stream %v is there twice", s.Key)
		case s.Key.Load == perigee.LoadDown || s.Key.Load == perigee.LoadUp:
			return fmt.Errorf("stream %v is under load: give it as %q, SetLoad tells when it is not", s.Key, perigee.LoadIdle)
		}
		seen[s.Key] = true
	}
	switch {
	case len(o.Streams) == 0:
		return errors.New("no streams")
	case o.Clock == nil || o.Record == nil:
		return errors.New("clock and record are required")
	case o.Interval < time.Millisecond:
		return fmt.Errorf("interval %v, want at least 1ms", o.Interval)
	case o.LoadInterval < time.Millisecond:
		return fmt.Errorf("interval %v under load, want at least 1ms", o.LoadInterval)
	case o.Window < time.Millisecond || o.Window%time.Millisecond != 0:
		return fmt.Errorf("window %v, want whole milliseconds", o.Window)
	case o.Limit < 0:
		return fmt.Errorf("limit of %d probes, want 0 or more", o.Limit)
	case o.OutageAfter < 0:
		return fmt.Errorf("outages after %v, want more than 0", o.OutageAfter)
	case o.Spacing != SpacingPeriodic && o.Spacing != SpacingPoisson:
		return fmt.Errorf("spacing %q, want %q or %q", o.Spacing, SpacingPeriodic, SpacingPoisson)
	}
	return nil
}

func newSchedule(s Spacing, interval time.Duration, rng *rand.Rand) Schedule {
	if s == SpacingPoisson {
		return NewPoisson(interval, rng)
	}
	return NewPeriodic(interval, rng)
}

// fork returns a source of its own for someone who runs in another goroutine.
func fork(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }

// stopTimeout is how long the end of Run waits for probers that were told to end, and
// recordTimeout how long for the store to take what is left.
const (
	stopTimeout   = 5 * time.Second
	recordTimeout = 10 * time.Second
)

// Run measures until ctx ends or the limit is reached. Then it sends no more, waits until every probe has its
// outcome, at most the late horizon and a second, ends the probers, and records what is
// left within ten seconds. Its error says what could not be recorded or did not end; it
// is nil after a proper end. A runner runs once.
func (r *Runner) Run(ctx context.Context) error {
	if r.started.Swap(true) {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "probes: a runner runs once"}
	}
	r.looked.beat(r.clock().Mono)
	defer r.looked.rest()
	detached := context.WithoutCancel(ctx)
	proberCtx, endProbers := context.WithCancel(detached)
	defer endProbers()
	storeCtx, endStore := context.WithCancel(detached)
	defer endStore()

	recorded := make(chan error, 1)
	go func() { recorded <- r.recorder.run(storeCtx) }()
	r.proberCtx = proberCtx
	for _, f := range r.feeds {
		r.launch(f)
	}

	r.measure(ctx)
	close(r.ended)
	r.drain()
	endProbers()
	err := wait(&r.supervisors)
	r.flush()

	r.recorder.close()
	giveUp := time.AfterFunc(recordTimeout, endStore)
	defer giveUp.Stop()
	return errors.Join(err, <-recorded)
}

// launch has f's prober run until its end is called, or Run ends.
func (r *Runner) launch(f *feed) {
	ctx, end := context.WithCancel(r.proberCtx)
	f.end = end
	r.supervisors.Go(func() {
		defer end()
		f.supervise(ctx)
	})
}

// wait waits for the supervisors, but not for ever: a prober that does not end when it
// is told to must not keep results from the store.
func wait(supervisors *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { supervisors.Wait(); close(done) }()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return &perigee.Error{Code: perigee.CodeInternal, Message: fmt.Sprintf("probes: a prober did not end within %v", stopTimeout)}
	}
}
