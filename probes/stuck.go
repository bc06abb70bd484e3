package probes

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"perigee"
)

// pulse is when something last moved, on the monotonic clock; it may be asked from any
// goroutine.
type pulse struct{ at atomic.Int64 }

// idle is the pulse of what has not begun, or is over: it cannot be stuck.
const idle = math.MaxInt64

func newPulse() *pulse {
	p := &pulse{}
	p.rest()
	return p
}

func (p *pulse) beat(now time.Duration) { p.at.Store(int64(now)) }

func (p *pulse) rest() { p.at.Store(idle) }

// begin beats unless the pulse already counts from an earlier instant.
func (p *pulse) begin(now time.Duration) { p.at.CompareAndSwap(idle, int64(now)) }

// silent returns for how long nothing has moved by now; nothing, if it rests.
func (p *pulse) silent(now time.Duration) time.Duration {
	at := p.at.Load()
	if at == idle {
		return 0
	}
	return now - time.Duration(at)
}

// Stuck returns an error that names what of a running Runner has not moved for more than
// limit, nil if all moves, or before Run and after it. It is for whoever can start the
// process again, which is all that helps: a goroutine that hangs cannot be ended.
//
// What moves is the loop that plans probes, the store's answer to one attempt to record,
// whatever the answer is, and probers, which must report the fate of what they were told
// to send at its late horizon. A link that is down, a prober that fails and is started
// again, and a store that refuses are no reason to start anew: they are measured, retried
// and told. limit must be more than 20 s, which is how long the end of Run may wait.
func (r *Runner) Stuck(limit time.Duration) error {
	if r.looked.at.Load() == idle {
		return nil
	}
	now := r.clock().Mono
	stuck := func(what string, d time.Duration) error {
		return &perigee.Error{Code: perigee.CodeInternal, Message: fmt.Sprintf("probes: %s for %v", what, d.Round(time.Second))}
	}
	if d := r.looked.silent(now); d > limit {
		return stuck("the loop that sends probes has not moved", d)
	}
	if d := r.recorder.attempt.silent(now); d > limit {
		return stuck("the store has not answered", d)
	}
	r.mu.RLock()
	feeds := r.feeds // replaced as a whole, never changed
	r.mu.RUnlock()
	for _, f := range feeds {
		if d := f.unheard.silent(now); d > limit+f.lines[0].horizon()+decisionGrace {
			return stuck(fmt.Sprintf("the prober of %s over link %s has not reported", f.name(), f.key().Link), d)
		}
	}
	return nil
}
