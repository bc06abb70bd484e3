package perigee

import (
	"fmt"
	"time"
)

// warnings says what a reader of the pair must know: how little was measured, where
// one link alone was, what was left out, and links that cannot be what they are
// called.
func (m *measured) warnings(p Pair, w *pairing, streamA, streamB Stream, a, b LinkRecord) []string {
	var list []string
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if !p.EnoughData && p.MedianDifference.Bounded {
		warn("windows were taken as independent, and only %s were measured on both: measure for %s or longer for a firm answer",
			shortDuration(w.measuredTime), shortDuration(enoughBlocks*max(blockTime, time.Duration(w.blockWindows)*m.grid)))
	}
	for _, one := range []struct {
		link, other LinkID
		alone       int
	}{{p.A, p.B, w.onlyA}, {p.B, p.A, w.onlyB}} {
		if one.alone > 0 {
			warn("%d of %d windows in which %s was measured are left out, because %s was not", one.alone, one.alone+len(w.a), one.link, one.other)
		}
	}
	if gap := max(m.gapTime(streamA), m.gapTime(streamB)); gap > 0 && len(w.a) > 0 {
		warn("the monitor itself was not measuring for %s of the range (see the gaps)", shortDuration(gap))
	}
	for _, stream := range []Stream{streamA, streamB} {
		if n := m.down.count(stream, m.from, m.to); n > 0 && w.metric.Name != MetricAvailability {
			warn("%s had %s of %.1f s in all: %s", stream.Link, plural(n, "outage"), m.down.within(stream, m.from, m.to).Seconds(), outageEffect(w.metric))
		}
	}
	sampleA, sampleB := m.record(streamA).total.sample, m.record(streamB).total.sample
	if len(w.a) > 0 && w.metric.Name == MetricLossRatio && sampleA.LossTimeout != sampleB.LossTimeout {
		warn("loss timeouts differ: %s on %s, %s on %s", sampleA.LossTimeout, p.A, sampleB.LossTimeout, p.B)
	}
	if len(w.a) > 0 && w.metric.Name == MetricJitter && sampleA.Interval != sampleB.Interval {
		warn("probe intervals differ: %s on %s, %s on %s; jitter depends on them", sampleA.Interval, p.A, sampleB.Interval, p.B)
	}
	list = append(list, Implausible(a.Link, sampleA)...)
	return append(list, Implausible(b.Link, sampleB)...)
}

// gapTime returns how long stream's link was not measured because the monitor did not.
func (m *measured) gapTime(stream Stream) time.Duration {
	var spans []span
	for _, g := range m.gaps {
		if g.Link == "" || g.Link == stream.Link {
			spans = append(spans, span{g.Start, g.End})
		}
	}
	var sum time.Duration
	for _, s := range union(spans) {
		sum += s.overlap(m.from, m.to)
	}
	return sum
}

// outageEffect says what an outage does to a comparison by metric.
func outageEffect(metric Metric) string {
	if metric.Name == MetricLossRatio {
		return "their lost packets count here, those that could not be sent do not"
	}
	return "unanswered probes have no " + string(metric.Name)
}

// farTooFar is a smallest RTT that no path over satellites in low orbit has.
const farTooFar = 0.4

// Implausible says why link cannot be what its orbit says, judged by the smallest
// RTT. It takes the least that any satellite of the orbit needs, whatever the site.
func Implausible(link Link, s Sample) []string {
	if s.RTT.Count == 0 {
		return nil
	}
	orbit := link.Orbit
	if orbit == OrbitLEO {
		orbit = OrbitStarlink // not every constellation flies as high as OneWeb
	}
	floor, ok := Floor(Link{Orbit: orbit}, Site{})
	switch {
	case ok && s.RTT.Min < floor:
		return []string{fmt.Sprintf("%s is called %s, but its smallest RTT of %.1f ms is below the %.1f ms that light needs: mislabelled, answered by a proxy, or failed over to another link",
			link.ID, link.Orbit, s.RTT.Min*1000, floor*1000)}
	case (link.Orbit == OrbitStarlink || link.Orbit == OrbitLEO) && s.RTT.Min > farTooFar:
		return []string{fmt.Sprintf("%s is called %s, but its smallest RTT of %.0f ms is that of a higher orbit: mislabelled, or failed over to another link",
			link.ID, link.Orbit, s.RTT.Min*1000)}
	}
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
