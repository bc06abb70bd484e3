package perigee

import (
	"fmt"
	"slices"
	"time"
)

// comparePeriods compares each link with itself in an earlier period, group by group of
// one name. What was measured then is not paired with what was measured now, whatever
// the time of day: an interval allows for how each varied.
func (c *Comparison) comparePeriods(known []LinkRecord, now, before []*measured) []judged {
	var all []judged
	for _, m := range now {
		i := slices.IndexFunc(before, func(b *measured) bool { return b.group.name == m.group.name })
		if i < 0 {
			continue
		}
		b := before[i]
		shared := m.commonPath(linkIDs(known))
		for _, r := range known {
			stream := m.streamAt(shared, r.Link.ID)
			if b.streams[stream] == nil {
				stream = m.sameStream(b, r.Link.ID, stream)
			}
			earlier := b.summarize(r, stream, c.By)
			earlier.Baseline = true
			c.Links = append(c.Links, m.summarize(r, stream, c.By), earlier)
			all = append(all, m.periods(c, b, r, stream))
		}
	}
	return all
}

// sameStream returns the stream of link that was measured most in both m and b; if there
// is none, otherwise.
func (m *measured) sameStream(b *measured, link LinkID, otherwise Stream) Stream {
	both := map[Stream]int64{}
	for s, r := range m.streams {
		if other := b.streams[s]; s.Link == link && other != nil {
			both[s] = min(r.amount(), other.amount())
		}
	}
	if best, ok := busiest(both, func(n int64) int64 { return n }); ok {
		return best
	}
	return otherwise
}

// periods compares a link with itself in an earlier period.
func (m *measured) periods(c *Comparison, b *measured, r LinkRecord, stream Stream) judged {
	p := Pair{A: r.Link.ID, B: r.Link.ID, Target: stream.Target, Group: m.group.name}
	w := &pairing{metric: c.Metric, quantile: c.Quantile, grid: max(m.grid, b.grid)}
	w.sparse = c.Metric.transfers() || stream.Load != LoadIdle
	switch {
	case c.Metric.transfers():
		w.a, w.b, w.warnings = likeWithLike(m.record(stream), b.record(stream), p.A, "it earlier")
	default:
		w.a, w.b = regrid(m.record(stream).windows, m.grid, w.grid), regrid(b.record(stream).windows, b.grid, w.grid)
	}
	w.measuredTime = min(plannedOf(w.a), plannedOf(w.b))
	p.Windows, p.Grid = min(len(w.a), len(w.b)), w.grid
	w.compare(&p)
	p.Warnings = w.warnings
	for _, part := range []struct {
		when string
		m    *measured
	}{{"now", m}, {"then", b}} {
		for _, text := range part.m.ownWarnings(w, stream) {
			p.Warnings = append(p.Warnings, part.when+": "+text)
		}
	}
	if now, then := m.ways(c.Metric), b.ways(c.Metric); len(now) == 1 && len(then) == 1 && now[0] != then[0] {
		p.Warnings = append(p.Warnings, fmt.Sprintf("links were probed otherwise then: %q, now %q", then[0], now[0]))
	}
	if c.By == "" {
		p.Warnings = append(p.Warnings, m.implausible(stream, r)...)
	}
	than := fmt.Sprintf(" than from %s to %s", timeText(b.from), timeText(b.to))
	return judged{pair: p, w: w, words: m.group.words, than: than}
}

// plannedOf returns how long windows were meant to measure.
func plannedOf(windows []window) time.Duration {
	var sum time.Duration
	for _, w := range windows {
		sum += w.planned
	}
	return sum
}
