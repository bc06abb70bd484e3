package fleet

import (
	"math/rand/v2"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/stats"
)

const (
	// era is how long a link is one walk. It is a multiple of slot, so that a new
	// walk, which draws new levels, begins with a slot; the time to find into the
	// middle of one bounds what starting a fleet costs.
	era = 15 * time.Minute

	// warmUp is how long before its era a walk begins: after 60 probes an RFC 3550
	// jitter has forgotten 98 % of where it began.
	warmUp = time.Minute

	// slot and leap are Starlink's grid, on which eras begin.
	slot = 15 * time.Second
	leap = 18 * time.Second

	// echoSize is the IP packet of an echo request as ping sends it.
	echoSize = 84
)

// link is one link of one home. It makes windows, fastest if one follows the other.
// All times are nanoseconds since the Unix epoch.
type link struct {
	stream      perigee.Stream
	proof       perigee.Proof
	profile     lab.Profile
	seed        uint64
	window      int64
	interval    int64
	phase       int64 // of probes, on the epoch
	lossTimeout time.Duration
	eraOffset   int64 // of eras, on the epoch

	next      int64 // the window that everything below stands before; 0 is none
	eraEnd    int64
	eraBegin  int64 // of the walk, warm-up included
	walk      *lab.Walk
	variation stats.Variation
	before    stats.VariationSummary // of the window, by the walk before this one
	outages   tracker

	// What was acknowledged; guarded by ledger.mu.
	count      LinkCount
	lastOutage time.Time // start of the last one counted
}

// newLink returns link number i of kinds at a home.
func newLink(site string, i int, profile lab.Profile, o Options, phase time.Duration, seed uint64) *link {
	kind := kinds[i].link
	stream := streamOf(site, i)
	slots := int64(seed % uint64(era/slot))
	return &link{
		stream: stream, proof: proof(i), profile: profile, seed: seed,
		window: int64(o.Window), interval: int64(o.Interval), phase: int64(phase),
		lossTimeout: perigee.LossTimeoutFor(kind.Orbit),
		eraOffset:   slots*int64(slot) - int64(leap),
		outages:     tracker{stream: stream},
		count:       LinkCount{Site: site, Link: kind.ID},
	}
}

// streamOf returns the stream of link number i of kinds at a home.
func streamOf(site string, i int) perigee.Stream {
	return perigee.Stream{
		Site: site, Link: kinds[i].link.ID, Target: Target,
		Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle,
	}
}

// sample makes the window that begins at start, and the outages that it tells of.
func (l *link) sample(start int64) (perigee.Sample, []perigee.Outage) {
	if l.next != start {
		l.seek(start)
	}
	l.next = start + l.window
	s := perigee.Sample{
		Stream: l.stream, Start: time.Unix(0, start).UTC(), Length: time.Duration(l.window),
		Interval: time.Duration(l.interval), LossTimeout: l.lossTimeout, Proof: l.proof,
	}
	seconds := s.Interval.Seconds()
	for at := l.firstProbe(start); at < l.next; at += l.interval {
		p := l.probe(at)
		s.Counts.Add(p)
		if p.Outcome.Arrived() {
			s.RTT.Add(p.RTT.Seconds())
		}
		s.LossRuns.Add(!p.Outcome.Arrived(), seconds)
	}
	s.Variation = l.cut()
	return s, l.outages.renew()
}

// cut returns the delay variation of the window that ends.
func (l *link) cut() stats.VariationSummary {
	s := l.variation.Cut()
	if l.before.IPDV.Count == 0 {
		return s
	}
	whole := l.before
	l.before = stats.VariationSummary{}
	whole.Merge(s)
	return whole
}

// firstProbe returns when the first probe at or after t is due.
func (l *link) firstProbe(t int64) int64 {
	return t + floorMod(l.phase-t, l.interval)
}

// probe sends the next probe and returns its outcome; variation and outages have
// taken it into account.
func (l *link) probe(at int64) perigee.Singleton {
	if at >= l.eraEnd {
		l.begin(at)
	}
	p := l.send(at)
	l.outages.judge(at, p.Outcome.Arrived())
	return p
}

// send asks the walk for the outcome of a probe.
func (l *link) send(at int64) perigee.Singleton {
	trip := l.walk.Probe(time.Duration(at-l.eraBegin), echoSize)
	p := perigee.Singleton{Outcome: perigee.Lost}
	if trip.Fate == lab.Delivered && trip.RTT <= perigee.LateHorizon(l.lossTimeout) {
		p.Outcome, p.RTT, p.Duplicates = perigee.Received, trip.RTT, trip.Replies-1
		if trip.RTT > l.lossTimeout {
			p.Outcome = perigee.Late
		}
	}
	if p.Outcome.Arrived() {
		l.variation.Arrived(p.RTT.Seconds())
	} else {
		l.variation.Missed()
	}
	return p
}

// begin starts the walk of the era that at lies in.
func (l *link) begin(at int64) {
	start := at - floorMod(at-l.eraOffset, int64(era))
	l.outages.cut(start)
	l.eraBegin, l.eraEnd = start-int64(warmUp), start+int64(era)
	walk, err := lab.NewWalk(l.profile, derive(l.seed, uint64(start)), time.Unix(0, l.eraBegin))
	if err != nil {
		panic(err) // a profile of the lab's own, varied within what is valid
	}
	l.walk = walk
	l.before = l.cut()
	l.variation = stats.Variation{}
	for t := l.firstProbe(l.eraBegin); t < start; t += l.interval {
		l.send(t)
	}
	l.variation.Cut() // nobody saw the warm-up
}

// seek brings l to where it would be had it made all windows before start: to the end
// of the era of the last probe before it.
func (l *link) seek(start int64) {
	last := l.firstProbe(start) - l.interval
	from := last - floorMod(last-l.eraOffset, int64(era))
	l.outages = tracker{stream: l.stream}
	l.begin(from)
	for at := l.firstProbe(from); at < start; at += l.interval {
		l.probe(at)
	}
	l.cut()
	l.outages.told = nil
}

// floorMod returns a mod m, at least 0.
func floorMod(a, m int64) int64 {
	if a %= m; a < 0 {
		a += m
	}
	return a
}

// derive returns a seed that is a function of seed and n.
func derive(seed, n uint64) uint64 { return rand.NewPCG(seed, n).Uint64() }
