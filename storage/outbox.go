package storage

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"perigee"
)

// Backlog is a store that knows which of its results were not forwarded yet. All methods
// are safe for concurrent use. A process that ends between Sink.Write and Forwarded
// sends the same entries again when it starts anew.
type Backlog interface {
	// Pending tells how many entries wait, the earliest time among them (zero if
	// there are none), and how many dead letters there are.
	Pending(ctx context.Context) (entries int64, oldest time.Time, deadLetters int64, err error)

	// Oldest returns up to n pending entries in the order of storing, oldest first;
	// windows before the hours made of them.
	Oldest(ctx context.Context, n int) ([]perigee.Entry, error)

	// Newest returns up to n pending entries stored last, newest first; never hours.
	Newest(ctx context.Context, n int) ([]perigee.Entry, error)

	// Forwarded records that the sink acknowledged entries: they are pending no more.
	// One that changed since it was handed out stays pending.
	Forwarded(ctx context.Context, entries []perigee.Entry) error

	// SetAside records that the sink will never take entry: it is pending no more, a
	// dead letter now.
	SetAside(ctx context.Context, entry perigee.Entry, reason string, at time.Time) error

	// LinkStates returns the state of every link.
	LinkStates(ctx context.Context, now time.Time) ([]perigee.LinkState, error)
}

// The defaults of OutboxOptions.
const (
	DefaultMaxEntries = 1000
	DefaultPoll       = 15 * time.Second
	DefaultTimeout    = 30 * time.Second
)

// OutboxOptions says what an Outbox works with. Backlog and Sink are required; zero
// means the default.
type OutboxOptions struct {
	Backlog Backlog
	Sink    perigee.Sink

	Now  func() time.Time // the wall clock, for what is stored and shown; time.Now
	Rand *rand.Rand       // for jitter, used by Run alone; seeded at random
	Log  *slog.Logger     // told of each change for worse or better, once; discarded

	MaxEntries int           // of one write; DefaultMaxEntries
	Poll       time.Duration // how often to look for entries without a Wake; DefaultPoll
	Timeout    time.Duration // of one write, before what pacing adds; DefaultTimeout

	// Rate tells the bits per second that writes are paced to, 0 if they are not:
	// batches are made so small that they take about a second, and deadlines leave
	// room for them. Pacer.Rate is one.
	Rate func() int64

	// Beat is told within what time Run will tell again, each time that it comes round;
	// 0 while it waits for a hold to end. Nil: nobody is.
	Beat func(within time.Duration)

	// Monitor tells what else is to be known of the monitor; the outbox adds how it
	// fares itself. It is asked about once a minute while results are forwarded, and
	// its answer is written with the states of links. What fails of it is left out: it
	// never holds up results. Nil: nothing is told.
	Monitor func(context.Context) (perigee.MonitorState, error)
}

// Outbox forwards what a Backlog says is pending to a Sink, until it is: see
// docs/outbox.md. All methods are safe for concurrent use and none of them but Run and
// Hold blocks. Run is called once.
type Outbox struct {
	OutboxOptions

	wake  chan struct{} // something may be pending
	again chan struct{} // whatever is waited for, try now
	freed chan struct{} // a hold ended

	mu       sync.Mutex // guards what follows
	status   OutboxStatus
	holds    int
	inFlight chan struct{} // closed when the step under way is over; nil if there is none

	// The others belong to Run.
	course    course
	hand      hand
	links     linkStates
	owed      []perigee.Entry // acknowledged, but Forwarded was not told yet
	convicts  []refused       // to be set aside
	stumbles  int             // failures of the backlog in a row
	live      bool            // the newest have their turn
	longer    bool            // the backlog, when it was read last, than one batch
	entrySize int             // bytes of the average entry of the last batch, as estimated
	refreshed time.Time       // when Pending was asked last
}

// NewOutbox returns an outbox that does nothing until Run is called.
func NewOutbox(o OutboxOptions) *Outbox {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if o.Beat == nil {
		o.Beat = func(time.Duration) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Rate == nil {
		o.Rate = func() int64 { return 0 }
	}
	return &Outbox{
		OutboxOptions: o,
		wake:          make(chan struct{}, 1),
		again:         make(chan struct{}, 1),
		freed:         make(chan struct{}, 1),
		status:        OutboxStatus{State: OutboxIdle},
		course:        newCourse(o.MaxEntries),
		links:         newLinkStates(),
		entrySize:     firstEntrySize,
	}
}

// Wake tells that entries may have become pending. It is to be called after each commit.
func (o *Outbox) Wake() { signal(o.wake) }

// Retry ends whatever wait is under way, e.g. because somebody mended the setup.
func (o *Outbox) Retry() { signal(o.again) }

// signal leaves a token in c, unless one lies there.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Hold keeps the outbox from writing until release is called, e.g. while a transfer is
// measured. It returns when no write is under way any more, or when ctx ends; the hold
// stands either way. Holds add up. Calling release again does nothing.
func (o *Outbox) Hold(ctx context.Context) (release func()) {
	o.mu.Lock()
	o.holds++
	inFlight := o.inFlight
	o.mu.Unlock()
	if inFlight != nil {
		select {
		case <-inFlight:
		case <-ctx.Done():
		}
	}
	return sync.OnceFunc(func() {
		o.mu.Lock()
		o.holds--
		o.mu.Unlock()
		signal(o.freed)
	})
}

// begin reports whether a step may begin, that is, whether nobody holds the outbox.
func (o *Outbox) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holds > 0 {
		return false
	}
	o.inFlight = make(chan struct{})
	return true
}

// end tells those who wait for it that the step is over.
func (o *Outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.inFlight)
	o.inFlight = nil
}
