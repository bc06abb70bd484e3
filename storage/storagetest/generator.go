package storagetest

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"perigee"
	"perigee/stats"
)

// Generator makes samples as a run of the daemon would: consecutive sequence numbers,
// jitter carried from window to window, losses in bursts, now and then a late reply, a
// duplicate, a reordering, and spells in which the system refuses to send. The same
// seed makes the same samples. It is for one goroutine.
type Generator struct {
	Window   time.Duration // length of samples
	Interval time.Duration // time between probes
	RTT      time.Duration // the least round-trip time
	Jitter   time.Duration // mean time above it, exponentially distributed

	rand    *rand.Rand
	streams map[perigee.Stream]*life
}

// life is the state of a stream from one window to the next.
type life struct {
	seq       perigee.Seq
	variation stats.Variation
	bad       bool // in a burst of losses
}

// NewGenerator returns a generator of 10 s windows at 5 probes/s over a link of 40 ms.
func NewGenerator(seed uint64) *Generator {
	return &Generator{
		Window:   10 * time.Second,
		Interval: 200 * time.Millisecond,
		RTT:      40 * time.Millisecond,
		Jitter:   4 * time.Millisecond,
		rand:     rand.New(rand.NewPCG(seed, seed)),
		streams:  map[perigee.Stream]*life{},
	}
}

// Sample makes the next sample of a stream, beginning at start.
func (g *Generator) Sample(stream perigee.Stream, start time.Time) perigee.Sample {
	l := g.streams[stream]
	if l == nil {
		l = &life{}
		g.streams[stream] = l
	}
	s := perigee.Sample{
		Stream:      stream,
		Start:       start,
		Length:      g.Window,
		Interval:    g.Interval,
		LossTimeout: 3 * time.Second,
		Proof: perigee.Proof{
			InterfaceIndex: 3,
			InterfaceName:  "wan0",
			Local:          netip.AddrFrom4([4]byte{198, 18, 0, 1}),
			Remote:         netip.AddrFrom4([4]byte{198, 18, 0, 2}),
		},
	}
	down := g.rand.IntN(50) == 0
	phase := time.Duration(g.rand.Int64N(int64(g.Interval)))
	for at := phase; at < g.Window; at += g.Interval {
		one := g.singleton(l, at+time.Duration(g.rand.ExpFloat64()*float64(60*time.Microsecond)), down)
		s.Singletons = append(s.Singletons, one)
		s.Counts.Add(one)
		if one.Outcome.Sent() {
			s.LossRuns.Add(one.Outcome != perigee.Received, g.Interval.Seconds())
		}
		if one.Outcome.Arrived() {
			s.RTT.Add(one.RTT.Seconds())
			l.variation.Arrived(one.RTT.Seconds())
		} else {
			l.variation.Missed()
		}
		if one.Cause != "" {
			s.Cause = one.Cause
		}
	}
	s.Variation = l.variation.Cut()
	return s
}

func (g *Generator) singleton(l *life, at time.Duration, down bool) perigee.Singleton {
	one := perigee.Singleton{Seq: l.seq, At: at, Outcome: perigee.Received}
	l.seq++
	// A two-state chain: 0.2 % of probes begin a burst of 3 on average.
	if l.bad {
		l.bad = g.rand.IntN(3) > 0
	} else {
		l.bad = g.rand.IntN(500) == 0
	}
	switch {
	case down:
		one.Outcome, one.Cause = perigee.SendFailed, "network is down"
		return one
	case l.bad:
		one.Outcome = perigee.Lost
		return one
	case g.rand.IntN(1000) == 0:
		one.Outcome, one.Cause = perigee.Skipped, "the monitor was late"
		return one
	}
	one.RTT = g.RTT + time.Duration(g.rand.ExpFloat64()*float64(g.Jitter))
	if g.rand.IntN(1000) == 0 {
		one.Outcome, one.RTT = perigee.Late, 3*time.Second+time.Duration(g.rand.Int64N(int64(time.Second)))
	}
	one.Reordered = g.rand.IntN(300) == 0
	if g.rand.IntN(400) == 0 {
		one.Duplicates = 1 + g.rand.IntN(3)
	}
	return one
}

// Samples makes n consecutive samples of each stream, all on one grid that begins at
// start, in order of time.
func (g *Generator) Samples(start time.Time, n int, streams ...perigee.Stream) []perigee.Sample {
	samples := make([]perigee.Sample, 0, n*len(streams))
	for i := range n {
		for _, stream := range streams {
			samples = append(samples, g.Sample(stream, start.Add(time.Duration(i)*g.Window)))
		}
	}
	return samples
}

// Stream returns an idle ICMP stream over IPv4 from site home.
func Stream(link perigee.LinkID, target perigee.TargetID) perigee.Stream {
	return perigee.Stream{Site: "home", Link: link, Target: target, Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
}
