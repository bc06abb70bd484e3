package probes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"perigee"
)

// Transfer is a transfer to be made.
type Transfer struct {
	Link       perigee.LinkID
	Target     perigee.TargetID // the far end
	Direction  perigee.Load     // LoadDown or LoadUp
	Streams    int
	Congestion string // empty: what the sender's system prefers
	Purpose    perigee.Purpose
	MaxBytes   int64 // on the wire, both directions; 0 is no limit

	MaxDuration time.Duration // 0: as long as it takes

	// Anyway has it made although others load the link.
	Anyway bool

	// Progress, if set, is told how it goes.
	Progress func(TransferProgress)
}

// PhaseWaiting is the phase of a transfer that has not had its turn yet.
const PhaseWaiting = "waiting"

// TransferProgress is how far a transfer is.
type TransferProgress struct {
	Phase   string // in a word or two
	Elapsed time.Duration
	Bytes   int64   // payload received
	Rate    float64 // bits per second
	Error   float64 // half-width of the rate's interval as a share of it; negative if not known
}

// Combination is how a transfer is made.
type Combination struct {
	Streams    int
	Congestion string
}

// TransferLink is a link over which transfers are made.
type TransferLink struct {
	ID     perigee.LinkID
	Starts Starts    // Every 0: none but those that somebody asks for
	Last   time.Time // the last start made, or passed over, in an earlier life; zero if not known
}

// TransfersOptions say which transfers are made, and with what.
type TransfersOptions struct {
	Site  string
	Links []TransferLink

	Target       perigee.TargetID // of those by schedule, and of others that name none
	Directions   []perigee.Load   // of a round, one after the other
	Combinations []Combination    // rounds take them in turn; at least one
	MaxBytes     int64            // of one scheduled transfer, on the wire; 0 is no limit

	Clock perigee.Clock // required

	// Make makes a transfer; required. What it returns beside an error stands, and
	// is recorded if anything was received.
	Make func(context.Context, Transfer) (perigee.Throughput, error)

	// Limit ends a transfer that does not end by itself; required.
	Limit time.Duration

	// Beat is told within what time Run will tell again, each time that it comes round.
	// Nil: nobody is.
	Beat func(within time.Duration)

	// Plan says what a link's budget allows; nil: no link has one.
	Plan func(perigee.LinkID, time.Time) (Allotment, bool)

	// Moved is told what a transfer moved over its link, also if it failed.
	Moved func(perigee.LinkID, perigee.Purpose, int64)

	// Others measures what others move over a link, in bits per second; nil: it is
	// not known. Above BusyAbove no transfer is made.
	Others    func(context.Context, perigee.LinkID) (float64, error)
	BusyAbove float64

	// Hold keeps everything else of this service off the network until it is
	// released; nil: there is nothing else. It waits for what is under way, at most
	// until its context ends.
	Hold func(context.Context) (release func())

	// SetLoad and Latencies are those of the probes beside; nil: there are none.
	// Horizon is how long after a probe its fate is known.
	SetLoad   func(perigee.LinkID, perigee.Load)
	Latencies *Latencies
	Horizon   time.Duration

	// Record stores what came of it; required.
	Record func(context.Context, perigee.Batch) error
}

const (
	// lookEvery is how often plans are made anew: clocks are set and budgets change.
	lookEvery = 30 * time.Second

	// queueMost is how long a start waits while other links have their turns.
	queueMost = 30 * time.Minute

	// idleBefore is how far back probes count as those before a transfer.
	idleBefore = time.Minute

	// holdMost is how long the rest of this service is waited for.
	holdMost = time.Minute

	// makeGrace is how long after its limit a transfer is waited for.
	makeGrace = 5 * time.Second
)

// Transfers makes the transfers of all links, one at a time: two at once would measure
// each other, be it only in this machine. Make one with NewTransfers, run it once.
type Transfers struct {
	options TransfersOptions
	asked   chan request

	stuck <-chan outcome // of a transfer that did not end; nil if all did; of Run's goroutine

	mu      sync.Mutex // guards what follows
	links   []*transferLink
	running *Transfer
}

// transferLink is what is known of a link's transfers.
type transferLink struct {
	TransferLink
	next    time.Time // zero: none
	turn    uint64    // of the combinations; 0 before the first round
	failure string    // of the last; empty if it went well
}

// request is a transfer that somebody asked for.
type request struct {
	transfer Transfer
	ctx      context.Context
	answer   chan<- outcome
}

type outcome struct {
	result perigee.Throughput
	err    error
}

// NewTransfers checks o. Errors have CodeInvalid.
func NewTransfers(o TransfersOptions) (*Transfers, error) {
	for _, d := range o.Directions {
		if d != perigee.LoadDown && d != perigee.LoadUp {
			return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("probes: %q is no direction of a transfer", d)}
		}
	}
	if o.Clock == nil || o.Make == nil || o.Record == nil || o.Limit <= 0 || len(o.Combinations) == 0 || len(o.Directions) == 0 {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "probes: transfers need clock, make, record, limit, directions and combinations"}
	}
	t := &Transfers{options: o, asked: make(chan request)}
	for _, l := range o.Links {
		t.links = append(t.links, &transferLink{TransferLink: l})
	}
	return t, nil
}

// Run makes transfers until ctx ends, which ends the one that is being made too.
func (t *Transfers) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t.beat(lookEvery + beatMargin)
		select {
		case <-ctx.Done():
			return nil
		case r := <-t.asked:
			t.serve(ctx, r)
		case <-timer.C:
		}
		if l := t.due(); l != nil {
			t.round(ctx, l)
		}
		timer.Reset(t.pause())
	}
}

// beatMargin is what anything may take longer than it should: storing, asking a device.
const beatMargin = 2 * time.Minute

func (t *Transfers) beat(within time.Duration) {
	if t.options.Beat != nil {
		t.options.Beat(within)
	}
}

// due plans anew and returns the link whose start has come, the earliest of several.
func (t *Transfers) due() *transferLink {
	now := t.options.Clock().Wall
	t.mu.Lock()
	defer t.mu.Unlock()
	var first *transferLink
	for _, l := range t.links {
		if l.Starts.Every <= 0 {
			continue
		}
		if waits := now.Sub(l.next); l.next.IsZero() || waits < 0 || waits > queueMost {
			stretch := 1.0
			if a, ok := t.plan(l.ID, now); ok {
				stretch = a.Stretch
			}
			l.next = l.Starts.Next(now, l.Last, stretch)
		}
		if !l.next.After(now) && (first == nil || l.next.Before(first.next)) {
			first = l
		}
	}
	return first
}

// pause returns how long nothing is due.
func (t *Transfers) pause() time.Duration {
	now := t.options.Clock().Wall
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := lookEvery
	for _, l := range t.links {
		if !l.next.IsZero() {
			wait = min(wait, l.next.Sub(now))
		}
	}
	return max(0, wait)
}

func (t *Transfers) plan(link perigee.LinkID, now time.Time) (Allotment, bool) {
	if t.options.Plan == nil {
		return Allotment{}, false
	}
	return t.options.Plan(link, now)
}

// round makes the scheduled transfers of one start, in each direction.
func (t *Transfers) round(ctx context.Context, l *transferLink) {
	t.mu.Lock()
	at := l.next
	l.Last, l.next = at, time.Time{}
	t.mu.Unlock()
	// From the interval's number on, so that restarts do not favour one. Not by that
	// number alone: stretched twofold on a grid, every second one would never come.
	if l.turn++; l.turn == 1 {
		l.turn = 1 + uint64(l.Starts.interval(at.UnixNano()))
	}
	c := t.options.Combinations[l.turn%uint64(len(t.options.Combinations))]
	left, limited := int64(0), false
	if a, ok := t.plan(l.ID, t.options.Clock().Wall); ok {
		if a.Skip != "" {
			for _, direction := range t.options.Directions {
				t.note(l, t.passOver(ctx, Transfer{Link: l.ID, Target: t.options.Target, Direction: direction}, a.Skip))
			}
			return
		}
		left, limited = a.Round, true
	}
	for i, direction := range t.options.Directions {
		job := Transfer{
			Link: l.ID, Target: t.options.Target, Direction: direction, Streams: c.Streams, Congestion: c.Congestion, Purpose: perigee.PurposeTransfer, MaxBytes: t.options.MaxBytes,
		}
		if limited {
			share := left / int64(len(t.options.Directions)-i) // what one does not take is the next one's
			if job.MaxBytes == 0 || share < job.MaxBytes {
				job.MaxBytes = share
			}
			if job.MaxBytes < leastTest {
				t.note(l, t.passOver(ctx, job, fmt.Sprintf("the budget leaves %s for it, too little for a test", amount(max(0, job.MaxBytes)))))
				return
			}
		}
		result, err := t.perform(ctx, job)
		left -= result.WireBytes
		t.note(l, err)
		if err != nil || ctx.Err() != nil {
			return
		}
	}
}

// note remembers why the last transfer of a link failed, if it did.
func (t *Transfers) note(l *transferLink, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.failure = ""
	if err != nil {
		l.failure = err.Error()
	}
}

// passOver records that a start was not made.
func (t *Transfers) passOver(ctx context.Context, job Transfer, reason string) error {
	return t.record(ctx, perigee.Batch{Events: []perigee.Event{t.event(job, perigee.EventTransferSkipped, reason)}})
}

func (t *Transfers) event(job Transfer, kind perigee.EventKind, reason string) perigee.Event {
	return perigee.Event{
		Site: t.options.Site, Link: job.Link, Time: t.options.Clock().Wall, Kind: kind, Detail: perigee.TransferDetail(job.Target, job.Direction, reason),
	}
}

// record stores b; the end of ctx does not keep it from being stored.
func (t *Transfers) record(ctx context.Context, b perigee.Batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return t.options.Record(ctx, b)
}

// Ask has a transfer made as soon as no other is, and returns what came of it. The budget
// may refuse it, with CodePermission, or others' traffic, with CodeUnavailable. Its
// purpose is manual. It ends with ctx.
func (t *Transfers) Ask(ctx context.Context, job Transfer) (perigee.Throughput, error) {
	if !slices.ContainsFunc(t.options.Links, func(l TransferLink) bool { return l.ID == job.Link }) {
		return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("link %s: no transfers are made over it", job.Link)}
	}
	job.Purpose = perigee.PurposeManual
	answer := make(chan outcome, 1)
	job.progress(TransferProgress{Phase: PhaseWaiting, Error: -1})
	select {
	case t.asked <- request{job, ctx, answer}:
	case <-ctx.Done():
		return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeUnavailable, Message: "another transfer is being made, which was not waited for", Err: ctx.Err()}
	}
	o := <-answer // serve answers soon after ctx has ended
	return o.result, o.err
}

// serve makes a transfer that was asked for.
func (t *Transfers) serve(ctx context.Context, r request) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(r.ctx, cancel)
	defer stop()
	job := r.transfer
	if job.Target == "" {
		job.Target = t.options.Target
	}
	if a, ok := t.plan(job.Link, t.options.Clock().Wall); ok {
		if a.Manual < leastTest {
			r.answer <- outcome{err: &perigee.Error{Code: perigee.CodePermission, Message: fmt.Sprintf("link %s: its budget leaves %s until %s", job.Link, amount(a.Manual), a.End.Format("2 January 15:04 MST"))}}
			return
		}
		if job.MaxBytes == 0 || a.Manual < job.MaxBytes {
			job.MaxBytes = a.Manual
		}
	}
	result, err := t.perform(ctx, job)
	r.answer <- outcome{result, err}
}
