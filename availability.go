package perigee

import (
	"context"
	"slices"
	"time"
)

// Availability: 1 - (planned time inside outages / planned time). Planned time is
// the number of planned probes times their interval, so that gaps, in which nothing
// was planned, count neither for nor against the link.

// plannedTime returns how long s was meant to measure.
func plannedTime(s Sample) time.Duration { return time.Duration(s.Counts.Planned) * s.Interval }

// availability returns 1 - down/planned, held within [0, 1]: the edges of outages
// are known to one probe interval. It reports false if nothing was planned.
func availability(down, planned time.Duration) (float64, bool) {
	if planned <= 0 {
		return 0, false
	}
	return 1 - min(max(float64(down)/float64(planned), 0), 1), true
}

// A span is the time from from to to, to excluded.
type span struct{ from, to time.Time }

// overlap returns how much of s lies in [from, to).
func (s span) overlap(from, to time.Time) time.Duration {
	return max(earlier(s.to, to).Sub(later(s.from, from)), 0)
}

// subtract returns the parts of spans that lie in none of holes.
func subtract(spans, holes []span) []span {
	for _, hole := range holes {
		var rest []span
		for _, s := range spans {
			if s.overlap(hole.from, hole.to) == 0 {
				rest = append(rest, s)
				continue
			}
			if s.from.Before(hole.from) {
				rest = append(rest, span{s.from, hole.from})
			}
			if s.to.After(hole.to) {
				rest = append(rest, span{hole.to, s.to})
			}
		}
		spans = rest
	}
	return spans
}

// union returns spans in order, those that touch or overlap made one.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var joined []span
	for _, s := range spans {
		if n := len(joined); n > 0 && !s.from.After(joined[n-1].to) {
			joined[n-1].to = later(joined[n-1].to, s.to)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// downtime is when streams were inside outages, time in gaps excluded.
type downtime map[Stream][]span

// readDowntime reads the outages and gaps that overlap q's range.
func readDowntime(ctx context.Context, store Store, q Query) (downtime, error) {
	q.Resolution = ""
	outages, err := store.Outages(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(outages) == 0 {
		return downtime{}, nil
	}
	gaps, err := store.Gaps(ctx, q)
	if err != nil {
		return nil, err
	}
	return downtimeOf(outages, gaps), nil
}

// downtimeOf leaves gaps out of outages.
func downtimeOf(outages []Outage, gaps []Gap) downtime {
	down := downtime{}
	for _, o := range outages {
		down[o.Stream] = append(down[o.Stream], span{o.Start, o.End})
	}
	for stream, spans := range down {
		var holes []span
		for _, g := range gaps {
			if g.Site == stream.Site && (g.Link == "" || g.Link == stream.Link) && g.Start.Before(g.End) {
				holes = append(holes, span{g.Start, g.End})
			}
		}
		down[stream] = subtract(union(spans), holes)
	}
	return down
}

// within returns how long stream was down in [from, to).
func (d downtime) within(stream Stream, from, to time.Time) time.Duration {
	var sum time.Duration
	for _, s := range d[stream] {
		sum += s.overlap(from, to)
	}
	return sum
}

// count returns how many of stream's outages have a part in [from, to).
func (d downtime) count(stream Stream, from, to time.Time) int {
	n := 0
	for _, s := range d[stream] {
		if s.overlap(from, to) > 0 {
			n++
		}
	}
	return n
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
