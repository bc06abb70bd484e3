package main

import (
	"context"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"perigee"
)

// An imagined link stands for a prober and all that lies behind its socket, where a week
// passes in minutes: the lab's links and the kernel take the time that they take. It
// keeps count of what became of its probes, which is the truth.
//
// A reply is told with the first probe that is sent after it came, or within a second of
// it: a timer for each probe would cost more than all else. Round trips are exact.
type imaginedLink struct {
	rtt, jitter time.Duration // the least round trip, and the mean of what comes on top
	loss        float64       // share of the probes that are lost, each for itself
	timeout     time.Duration
	clock       perigee.Clock

	mu      sync.Mutex // guards what follows
	rng     *rand.Rand
	running bool
	silent  bool // no probe is answered
	failing bool // no probe can be sent
	waiting []pendingReply
	highest perigee.Seq // that was answered
	truth   probeTruth
}

// pendingReply is what will be told of a probe, and when.
type pendingReply struct {
	perigee.Singleton
	due time.Duration
}

// probeTruth counts probes by what became of them.
type probeTruth struct{ sent, received, lost, failed, skipped int64 }

func newImaginedLink(seed uint64, rtt, jitter time.Duration, loss float64) *imaginedLink {
	return &imaginedLink{rtt: rtt, jitter: jitter, loss: loss, rng: rand.New(rand.NewPCG(seed, seed))}
}

// Send implements perigee.Prober.
func (l *imaginedLink) Send(seq perigee.Seq, emit perigee.Emitter) {
	at := l.clock().Mono
	l.tell(at, emit)
	l.mu.Lock()
	if l.failing || !l.running {
		l.truth.failed++
		l.mu.Unlock()
		emit.Singleton(perigee.Singleton{Seq: seq, At: at, Outcome: perigee.SendFailed, Cause: "network is down"})
		return
	}
	defer l.mu.Unlock()
	l.truth.sent++
	p := pendingReply{Singleton: perigee.Singleton{Seq: seq, At: at, Outcome: perigee.Lost}, due: at + perigee.LateHorizon(l.timeout)}
	if !l.silent && l.rng.Float64() >= l.loss {
		p.Outcome, p.RTT = perigee.Received, l.rtt+min(time.Duration(l.rng.ExpFloat64()*float64(l.jitter)), l.timeout/2)
		p.due = at + p.RTT
	}
	i := len(l.waiting)
	l.waiting = append(l.waiting, p)
	for ; i > 0 && l.waiting[i-1].due > p.due; i-- {
		l.waiting[i], l.waiting[i-1] = l.waiting[i-1], l.waiting[i]
	}
}

// tell tells what is due.
func (l *imaginedLink) tell(now time.Duration, emit perigee.Emitter) {
	l.mu.Lock()
	n := 0
	for n < len(l.waiting) && l.waiting[n].due <= now {
		p := &l.waiting[n]
		if p.Outcome == perigee.Received {
			l.truth.received++
			p.Reordered = p.Seq < l.highest
			l.highest = max(l.highest, p.Seq)
		} else {
			l.truth.lost++
		}
		n++
	}
	var told [8]perigee.Singleton
	due := told[:0]
	for _, p := range l.waiting[:n] {
		due = append(due, p.Singleton)
	}
	l.waiting = l.waiting[:copy(l.waiting, l.waiting[n:])]
	l.mu.Unlock()
	for _, s := range due {
		emit.Singleton(s)
	}
}

// Run implements perigee.Prober.
func (l *imaginedLink) Run(ctx context.Context, emit perigee.Emitter) error {
	l.set(func() { l.running = true })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			l.tell(l.clock().Mono, emit)
		}
	}
	l.tell(l.clock().Mono, emit)
	l.mu.Lock()
	l.running = false
	left := l.waiting
	l.waiting = nil
	l.truth.skipped += int64(len(left))
	l.truth.sent -= int64(len(left))
	l.mu.Unlock()
	for _, p := range left {
		emit.Singleton(perigee.Singleton{Seq: p.Seq, Outcome: perigee.Skipped, Cause: "the prober was ended"})
	}
	return nil
}

// Proof implements perigee.Prober.
func (l *imaginedLink) Proof() perigee.Proof {
	return perigee.Proof{InterfaceIndex: 3, InterfaceName: "wan0", Local: netip.AddrFrom4([4]byte{198, 18, 0, 1}), Remote: netip.AddrFrom4([4]byte{198, 18, 0, 2})}
}

// set changes l.
func (l *imaginedLink) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// counted returns the truth so far.
func (l *imaginedLink) counted() probeTruth {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.truth
}

// weekClock is a clock of a bubble that can be set, and whose machine can sleep.
type weekClock struct {
	mu        sync.Mutex
	base      time.Time
	offset    time.Duration
	suspended time.Duration
}

func (c *weekClock) read() perigee.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return perigee.Reading{Wall: now.Round(0).Add(c.offset), Mono: now.Sub(c.base) + time.Hour, Suspended: c.suspended}
}

// set sets the wall clock forward, or back.
func (c *weekClock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += by
}

// sleep suspends the machine: the time of day goes on, the monotonic clock does not.
func (c *weekClock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	c.suspended += d
}

// near reports whether two numbers differ by no more than a share of the second.
func near(a, b, share float64) bool { return math.Abs(a-b) <= share*math.Abs(b) }
