package farend

import (
	"slices"
	"sync"
	"time"

	"perigee/probes/transfer/wire"
)

// tally counts a session's payload. Its methods are safe for concurrent use.
type tally struct {
	begun chan struct{} // closed at time zero

	mu      sync.Mutex // guards what follows
	zero    time.Time
	last    time.Duration // from zero to the last payload
	limit   int64
	total   int64
	streams []int64
	steps   []int64 // by wire.Step since zero, as far as there was payload
}

func newTally(streams int, limit int64) *tally {
	return &tally{begun: make(chan struct{}), limit: limit, streams: make([]int64, streams)}
}

// begin makes now time zero, if it has not been.
func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beginLocked()
}

func (t *tally) beginLocked() {
	if t.zero.IsZero() {
		t.zero = time.Now()
		t.steps = make([]int64, 0, wire.MaxSteps)
		close(t.begun)
	}
}

// add counts n bytes of a stream, which begins the session if nothing else has. It
// reports whether they were granted; those beyond the limit are not counted.
//
// The lock is taken once for each 32 KiB or more, and lets a step be known to be
// complete when the next one has begun.
func (t *tally) add(stream, n int) (granted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beginLocked()
	counted := min(int64(n), t.limit-t.total)
	if counted > 0 {
		t.last = time.Since(t.zero)
		step := min(int(t.last/wire.Step), wire.MaxSteps-1)
		for len(t.steps) <= step {
			t.steps = append(t.steps, 0)
		}
		t.steps[step] += counted
		t.streams[stream] += counted
		t.total += counted
	}
	return counted == int64(n)
}

// hasBegun reports whether time zero was.
func (t *tally) hasBegun() bool {
	select {
	case <-t.begun:
		return true
	default:
		return false
	}
}

// moved returns the payload counted so far.
func (t *tally) moved() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// completed returns the counts of the steps from one on that have ended, and the time
// since zero.
func (t *tally) completed(from int) ([]int64, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Since(t.zero)
	ended := min(int(at/wire.Step), wire.MaxSteps)
	if ended <= from {
		return nil, at
	}
	steps := make([]int64, ended-from)
	if from < len(t.steps) {
		copy(steps, t.steps[from:])
	}
	return steps, at
}

// result returns all that was counted.
func (t *tally) result() wire.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	return wire.Result{
		Length:  wire.Seconds(t.last),
		Bytes:   t.total,
		Streams: slices.Clone(t.streams),
		Steps:   append([]int64{}, t.steps...),
	}
}
