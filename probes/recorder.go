package probes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"perigee"
)

// How long results wait for a store that fails: singletons for an hour, samples for
// six. What is older than that is given up first. Outages, gaps and events are few and
// are kept up to their number.
const (
	keepSingletons = time.Hour
	keepSamples    = 6 * time.Hour
	keepOthers     = 20_000
)

// A failed write is tried again after retryMin, doubling up to retryMax, each time less
// up to a quarter at random.
const (
	retryMin = 250 * time.Millisecond
	retryMax = 30 * time.Second
)

// recorder hands batches to the store one after another, in order, and again until they
// are taken. push never waits.
type recorder struct {
	record func(context.Context, perigee.Batch) error
	clock  perigee.Clock
	rng    *rand.Rand // of run alone
	site   string

	wake    chan struct{} // capacity 1: something was pushed
	closing chan struct{} // closed when nothing more will be pushed

	attempt *pulse // when the store was asked; resting while it is not

	mu sync.Mutex // guards all that follows

	samplesLimit    int // samples that may wait
	singletonsLimit int // of these, with their singletons

	queue    []perigee.Batch
	waiting  int // samples in queue
	inHand   int // samples that are being written
	full     int // of these, with singletons
	others   int // outages, gaps and events in queue
	stripped int // samples that lost their singletons since the store failed
	dropped  int // samples given up since
	lost     int // others given up since
	failing  error
	since    time.Time // when it began to fail
	gone     int64     // samples given up or refused since the start
}

func newRecorder(o Options, rng *rand.Rand) *recorder {
	r := &recorder{
		record: o.Record, clock: o.Clock, rng: rng, site: o.Site,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), attempt: newPulse(),
	}
	r.resize(len(o.Streams), o.Window)
	return r
}

// resize sets how much may wait by how much is measured.
func (r *recorder) resize(streams int, window time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	perHour := func(d time.Duration) int { return streams * max(2, int(d/window)) }
	r.samplesLimit, r.singletonsLimit = perHour(keepSamples), perHour(keepSingletons)
}

// push queues a batch, which belongs to the recorder from now on.
func (r *recorder) push(b perigee.Batch) {
	if b.Empty() {
		return
	}
	r.mu.Lock()
	r.queue = append(r.queue, b)
	r.count(b, 1)
	r.shrink()
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// close tells that nothing more will be pushed: run returns once all is recorded.
func (r *recorder) close() { close(r.closing) }

// failure returns the error of the last attempt, nil if it succeeded.
func (r *recorder) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing
}

// run records until close was called and the queue is empty, or ctx ends. Its error
// says what was not recorded.
func (r *recorder) run(ctx context.Context) error {
	for {
		b, ok := r.pop()
		if !ok {
			select {
			case <-r.wake:
			case <-ctx.Done():
				return nil
			case <-r.closing:
				if b, ok = r.pop(); !ok {
					return nil
				}
			}
		}
		if ok {
			if err := r.write(ctx, b); err != nil {
				return err
			}
		}
	}
}

// write hands b to the store until it is taken or ctx ends. What the store calls
// invalid will never be taken: it is given up and told.
func (r *recorder) write(ctx context.Context, b perigee.Batch) error {
	r.hold(len(b.Samples))
	defer r.hold(0)
	pause := retryMin
	hurry := r.closing // the first attempt after closing does not wait
	for {
		r.attempt.beat(r.clock().Mono)
		err := r.record(ctx, b)
		r.attempt.rest()
		if err == nil {
			r.succeeded()
			return nil
		}
		if perigee.CodeOf(err) == perigee.CodeInvalid {
			r.refused(b, err)
			return nil
		}
		r.failed(err)
		timer := time.NewTimer(pause - time.Duration(r.rng.Int64N(int64(pause/4)+1)))
		select {
		case <-timer.C:
			pause = min(2*pause, retryMax)
		case <-hurry:
			hurry = nil
			pause = retryMin
		case <-ctx.Done():
			timer.Stop()
			return r.abandoned(b, err)
		}
		timer.Stop()
	}
}

// hold notes how many samples are being written.
func (r *recorder) hold(samples int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inHand = samples
}

func (r *recorder) pop() (perigee.Batch, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return perigee.Batch{}, false
	}
	b := r.queue[0]
	r.queue[0] = perigee.Batch{}
	r.queue = r.queue[1:]
	if len(r.queue) == 0 {
		r.queue = nil
	}
	r.count(b, -1)
	return b, true
}

// failed notes that an attempt failed.
func (r *recorder) failed(err error) {
	now := r.clock().Wall
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing == nil {
		r.since = now
	}
	r.failing = err
}

// succeeded notes that the store took a batch; if it had failed before, an event tells
// for how long and what was given up.
func (r *recorder) succeeded() {
	now := r.clock().Wall
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing == nil {
		return
	}
	detail := fmt.Sprintf("the store did not take results for %v (%v); %d samples were given up, %d lost their singletons, %d outages, gaps and events were given up",
		now.Sub(r.since).Round(time.Millisecond), r.failing, r.dropped, r.stripped, r.lost)
	r.tell(detail, r.since)
	r.failing, r.dropped, r.stripped, r.lost = nil, 0, 0, 0
}

// refused notes that the store will never take b.
func (r *recorder) refused(b perigee.Batch, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(b.Samples)+len(b.Outages)+len(b.Gaps) == 0 && len(b.Events) == 1 && b.Events[0].Kind == perigee.EventStoreFailed {
		return // it refuses even to be told so
	}
	r.gone += int64(len(b.Samples))
	r.tell(fmt.Sprintf("the store refused %d samples, %d outages, %d gaps and %d events: %v",
		len(b.Samples), len(b.Outages), len(b.Gaps), len(b.Events), err), r.clock().Wall)
}

// abandoned says what is left unrecorded when time is up.
func (r *recorder) abandoned(b perigee.Batch, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &perigee.Error{
		Code:    perigee.CodeUnavailable,
		Message: fmt.Sprintf("%d samples were not recorded before the end", r.waiting+len(b.Samples)+r.dropped),
		Err:     err,
	}
}

// tell queues an event of the store. r.mu is held.
func (r *recorder) tell(detail string, at time.Time) {
	b := perigee.Batch{Events: []perigee.Event{{Site: r.site, Time: at, Kind: perigee.EventStoreFailed, Detail: detail}}}
	r.queue = append(r.queue, b)
	r.count(b, 1)
}

// shrink gives up the oldest of what has waited for too long. r.mu is held. The batch
// that is being written has left the queue and is never touched.
func (r *recorder) shrink() {
	for i := 0; r.full > r.singletonsLimit && i < len(r.queue); i++ {
		for j := range r.queue[i].Samples {
			if s := &r.queue[i].Samples[j]; s.Singletons != nil {
				s.Singletons = nil
				r.full--
				r.stripped++
			}
		}
	}
	for i := 0; r.waiting > r.samplesLimit && i < len(r.queue); i++ {
		for _, s := range r.queue[i].Samples {
			if s.Singletons != nil {
				r.full--
			} else {
				r.stripped-- // it is given up as a whole now
			}
		}
		n := len(r.queue[i].Samples)
		r.waiting -= n
		r.dropped += n
		r.gone += int64(n)
		r.queue[i].Samples = nil
	}
	for r.others > keepOthers || len(r.queue) > 0 && r.queue[0].Empty() {
		b := r.queue[0]
		r.count(b, -1)
		r.lost += len(b.Outages) + len(b.Gaps) + len(b.Events)
		r.dropped += len(b.Samples)
		r.gone += int64(len(b.Samples))
		r.queue[0] = perigee.Batch{}
		r.queue = r.queue[1:]
	}
}

// count keeps the totals when b enters (1) or leaves (-1) the queue. r.mu is held.
func (r *recorder) count(b perigee.Batch, sign int) {
	r.waiting += sign * len(b.Samples)
	r.others += sign * (len(b.Outages) + len(b.Gaps) + len(b.Events))
	for _, s := range b.Samples {
		if s.Singletons != nil {
			r.full += sign
		}
	}
}
