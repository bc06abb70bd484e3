package probes

import (
	"math"
	"slices"
	"sync"
	"time"

	"perigee"
)

// Latencies remembers the latest outcomes of probes, so that the round trips around and
// during a transfer can be summed up when it has ended. Give its Singleton to
// Options.OnSingleton. It is safe for concurrent use.
type Latencies struct {
	keep time.Duration

	mu     sync.Mutex // guards links
	links  map[linkLoad][]heard
	newest time.Duration
}

// linkLoad is a link under a load, with all its targets.
type linkLoad struct {
	link perigee.LinkID
	load perigee.Load
}

// heard is the outcome of a probe.
type heard struct {
	target  perigee.TargetID
	at      time.Duration
	outcome perigee.Outcome
	rtt     time.Duration
}

// NewLatencies returns an empty collector that keeps what was sent in the last keep.
func NewLatencies(keep time.Duration) *Latencies {
	return &Latencies{keep: keep, links: map[linkLoad][]heard{}}
}

// Singleton remembers an outcome of a probe that was sent.
func (l *Latencies) Singleton(stream perigee.Stream, s perigee.Singleton) {
	if !s.Outcome.Sent() {
		return
	}
	key := linkLoad{stream.Link, stream.Load}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = max(l.newest, s.At)
	all := append(l.links[key], heard{target: stream.Target, at: s.At, outcome: s.Outcome, rtt: s.RTT})
	if old := l.newest - l.keep; all[0].at < old && all[len(all)/2].at < old {
		// By halves, so that an outcome costs the same however many are kept.
		all = slices.DeleteFunc(all, func(h heard) bool { return h.at < old })
	}
	l.links[key] = all
}

// Between sums up the probes of a link that were sent under load at from <= t < to on the
// monotonic clock of Options.Clock, to one target or, if target is empty, to all.
// Quantiles are exact (Hyndman & Fan type 7).
//
// A reply is known at once, a loss only at the late horizon: probes whose fate is open
// are missing, and Sent less Received is all losses only for a range that ended a late
// horizon ago.
func (l *Latencies) Between(link perigee.LinkID, target perigee.TargetID, load perigee.Load, from, to time.Duration) perigee.Latency {
	var out perigee.Latency
	var rtts []float64
	l.mu.Lock()
	for _, h := range l.links[linkLoad{link, load}] {
		if h.at < from || h.at >= to || target != "" && h.target != target {
			continue
		}
		out.Sent++
		if h.outcome == perigee.Received {
			rtts = append(rtts, h.rtt.Seconds())
		}
	}
	l.mu.Unlock()
	if len(rtts) == 0 {
		return out
	}
	slices.Sort(rtts)
	var sum float64
	for _, rtt := range rtts {
		sum += rtt
	}
	out.Received = int64(len(rtts))
	out.Mean = sum / float64(len(rtts))
	out.Min, out.P50, out.P95, out.P99 = rtts[0], quantile(rtts, 0.5), quantile(rtts, 0.95), quantile(rtts, 0.99)
	return out
}

// quantile returns the q-quantile of sorted values, of which there is one at least.
func quantile(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	lower, fraction := math.Modf(rank)
	low := sorted[int(lower)]
	if fraction == 0 {
		return low
	}
	return low + fraction*(sorted[int(lower)+1]-low)
}
