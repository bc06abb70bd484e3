package perigee

import (
	"fmt"
	"strings"
	"time"
)

// warnings says what a reader of the pair must know: how little was measured, where
// one link alone was, what was left out, and what disturbed the measuring.
func (m *measured) warnings(p Pair, w *pairing, streamA, streamB Stream, by Grouping) []string {
	var list []string
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	switch d := p.about(w.quantile); {
	case p.EnoughData || !d.Bounded:
	case w.sparse || w.grid >= blockTime:
		warn("windows were taken as independent, and only %d were measured on both: measure %d or more for a firm answer", p.Windows, w.enoughWindows())
	default:
		warn("windows were taken as independent, and only %s were measured on both: measure for %s or longer for a firm answer",
			shortDuration(w.measuredTime), shortDuration(enoughTime))
	}
	for _, one := range []struct {
		link, other LinkID
		alone       int
	}{{p.A, p.B, w.onlyA}, {p.B, p.A, w.onlyB}} {
		if one.alone > 0 {
			warn("%d of %d windows in which %s was measured are left out, because %s was not", one.alone, one.alone+len(w.a), one.link, one.other)
		}
	}
	if by == "" {
		list = append(list, m.disturbances(w.metric, len(w.a) > 0, streamA, streamB)...)
	}
	for _, stream := range []Stream{streamA, streamB} {
		list = append(list, m.outageWarning(w.metric, stream, by)...)
	}
	sampleA, sampleB := m.record(streamA).total.sample, m.record(streamB).total.sample
	if len(w.a) > 0 && w.metric.Name == MetricLossRatio && sampleA.LossTimeout != sampleB.LossTimeout {
		warn("loss timeouts differ: %s on %s, %s on %s", sampleA.LossTimeout, p.A, sampleB.LossTimeout, p.B)
	}
	if len(w.a) > 0 && w.metric.Name == MetricJitter && sampleA.Interval != sampleB.Interval {
		warn("probe intervals differ: %s on %s, %s on %s; jitter depends on them", sampleA.Interval, p.A, sampleB.Interval, p.B)
	}
	return list
}

// disturbances says what kept the monitor from measuring, or its clock from being right.
func (m *measured) disturbances(metric Metric, measured bool, streams ...Stream) []string {
	var list []string
	var gap time.Duration
	steps := 0
	for _, s := range streams {
		gap = max(gap, m.gapTime(s))
	}
	for _, g := range m.gaps {
		if g.Reason == GapClockStep {
			steps++
		}
	}
	if gap > 0 && measured {
		list = append(list, fmt.Sprintf("the monitor itself was not measuring for %s of the range (see the gaps)", shortDuration(gap)))
	}
	if steps > 0 {
		list = append(list, fmt.Sprintf("the clock was set %s: times, and what was measured at them, may be off", times(steps)))
	}
	if ways := m.ways(metric); len(ways) > 1 && measured {
		list = append(list, fmt.Sprintf("how links are probed was changed %s in the range, from %q to %q: what was measured before and after may differ for that", times(len(ways)-1), ways[0], ways[len(ways)-1]))
	}
	return list
}

// ways returns how links were probed in the range, in the words of their provenance, as
// far as it tells and matters to metric: each time that it became another.
func (m *measured) ways(metric Metric) []string {
	var list []string
	for _, p := range m.made {
		way := p.Maker.Probing
		if !metric.transfers() {
			way, _, _ = strings.Cut(way, ProbingTransfers)
		}
		if way != "" && (len(list) == 0 || list[len(list)-1] != way) {
			list = append(list, way)
		}
	}
	return list
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// outageWarning says what outages do to a comparison by metric.
func (m *measured) outageWarning(metric Metric, stream Stream, by Grouping) []string {
	if metric.Name == MetricAvailability || metric.transfers() {
		return nil
	}
	if by != "" {
		if down := m.record(stream).down(); down > 0 {
			return []string{fmt.Sprintf("%s was down for %.1f s of it: %s", stream.Link, down.Seconds(), outageEffect(metric))}
		}
		return nil
	}
	if n := m.down.count(stream, m.from, m.to); n > 0 {
		return []string{fmt.Sprintf("%s had %s of %.1f s in all: %s", stream.Link, plural(n, "outage"), m.down.within(stream, m.from, m.to).Seconds(), outageEffect(metric))}
	}
	return nil
}

// ownWarnings says what a reader must know of one link in one of two periods.
func (m *measured) ownWarnings(w *pairing, stream Stream) []string {
	return append(m.disturbances(w.metric, true, stream), m.outageWarning(w.metric, stream, "")...)
}

// groupWarnings says once what is true of links in all groups.
func groupWarnings(metric Metric, groups []*measured, known []LinkRecord) []string {
	var list []string
	seen := map[string]bool{}
	add := func(texts []string) {
		for _, t := range texts {
			if !seen[t] {
				seen[t], list = true, append(list, t)
			}
		}
	}
	var streams []Stream
	for _, r := range known {
		streams = append(streams, Stream{Site: r.Site.Name, Link: r.Link.ID})
	}
	add(groups[0].disturbances(metric, true, streams...))
	for _, r := range known {
		for _, m := range groups {
			add(m.implausible(m.streamAt(Stream{Site: r.Site.Name}, r.Link.ID), r))
		}
	}
	return list
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

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
