package influx

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"perigee"
)

const hour = int64(time.Hour)

// streamsOf is the condition that q selects a stream.
func streamsOf(q perigee.Query, f *fleet) string {
	return all(f.siteIs(q.Site), anyOf("link", q.Links), anyOf("target", q.Targets),
		only("method", string(q.Method)), only("family", string(q.Family)), only("load", string(q.Load)))
}

// all joins conditions that must all be met.
func all(conditions ...string) string {
	joined := ""
	for _, c := range conditions {
		switch {
		case c == "":
		case joined == "":
			joined = c
		default:
			joined += " and " + c
		}
	}
	return joined
}

// windows yields the windows of q from from on and before to.
func (s *Store) windows(ctx context.Context, q perigee.Query, f *fleet, from, to int64) iter.Seq2[perigee.Sample, error] {
	var cuts []int64
	for _, r := range f.records() {
		if (q.Site == "" || q.Site == r.Site.Name) && (len(q.Links) == 0 || slices.Contains(q.Links, r.Link.ID)) && !r.First.IsZero() {
			cuts = append(cuts, r.First.UnixNano(), r.Last.UnixNano()+1)
		}
	}
	if len(cuts) > 0 { // where anything begins, and where all ends
		cuts = []int64{slices.Min(cuts), slices.Max(cuts)}
	}
	read := reading{client: s.client, measurement: measurementWindow, condition: streamsOf(q, f), from: from, to: to, length: hour, cuts: cuts}
	return s.named(ctx, read, q, f, nil)
}

// named yields the samples of a reading that q selects and keep, if any, wants, under
// the sites' names that they are shown with.
func (s *Store) named(ctx context.Context, r reading, q perigee.Query, f *fleet, keep func(*point) bool) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		for points, err := range r.chunks(ctx) {
			if err != nil {
				yield(perigee.Sample{}, err)
				return
			}
			samples := make([]perigee.Sample, 0, len(points))
			for i := range points {
				p := &points[i]
				if keep != nil && !keep(p) {
					continue
				}
				p.sample.Stream.Site = f.shown(p.name())
				if q.Matches(p.sample.Stream) {
					samples = append(samples, p.sample)
				}
			}
			slices.SortStableFunc(samples, inOrder)
			for _, sample := range samples {
				if err := ctx.Err(); err != nil {
					yield(perigee.Sample{}, err)
					return
				}
				if !yield(sample, nil) {
					return
				}
			}
		}
	}
}

// hours yields the samples of UTC hours of q: as they were rolled up where all windows
// of the hour were, merged from windows elsewhere.
func (s *Store) hours(ctx context.Context, q perigee.Query, f *fleet, from, to int64) iter.Seq2[perigee.Sample, error] {
	rolled := reading{client: s.client, measurement: measurementHour, condition: streamsOf(q, f), from: from, to: to, length: 30 * 24 * hour}
	stored := s.named(ctx, rolled, q, f, func(p *point) bool {
		l := f.links[p.name()]
		return l != nil && p.at < l.rolled
	})
	return merged(ordered(stored, s.unrolled(ctx, q, f, from, to)), time.Hour)
}

// need is a stretch of time of which a link's hours must be merged from windows.
type need struct {
	link     *measuredLink
	from, to int64
}

// unrolled yields the windows of hours that were not rolled up, of those links alone
// that have any.
func (s *Store) unrolled(ctx context.Context, q perigee.Query, f *fleet, from, to int64) iter.Seq2[perigee.Sample, error] {
	var needs []need
	var bounds []int64
	for _, l := range f.links {
		if l.record.First.IsZero() || q.Site != "" && q.Site != l.shown || len(q.Links) > 0 && !slices.Contains(q.Links, l.name.link) {
			continue
		}
		// Up to an hour after the last sample known: more may have come since.
		n := need{l, max(from, floor(l.record.First.UnixNano(), hour), l.rolled), min(to, floor(l.record.Last.UnixNano(), hour)+2*hour)}
		if n.from < n.to {
			needs = append(needs, n)
			bounds = append(bounds, n.from, n.to)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	return func(yield func(perigee.Sample, error) bool) {
		for i := 1; i < len(bounds); i++ {
			from, to := bounds[i-1], bounds[i]
			wanted := map[instanceName]bool{}
			var names []string
			for _, n := range needs {
				if n.from <= from && to <= n.to {
					wanted[n.link.name] = true
					names = append(names, "("+tagIs("site", n.link.name.site)+" and "+tagIs("link", string(n.link.name.link))+")")
				}
			}
			if len(wanted) == 0 {
				continue
			}
			slices.Sort(names)
			if names = slices.Compact(names); len(names) > mostNamed {
				names = nil
			}
			r := reading{client: s.client, measurement: measurementWindow, condition: all(streamsOf(q, f), either(names)), from: from, to: to, length: hour}
			for sample, err := range s.named(ctx, r, q, f, func(p *point) bool { return wanted[p.name()] }) {
				if !yield(sample, err) || err != nil {
					return
				}
			}
		}
	}
}

// ordered yields the samples of two ordered sequences in order.
func ordered(a, b iter.Seq2[perigee.Sample, error]) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		nextA, stopA := iter.Pull2(a)
		defer stopA()
		nextB, stopB := iter.Pull2(b)
		defer stopB()
		x, errX, okX := nextA()
		y, errY, okY := nextB()
		for okX || okY {
			if err := cmp.Or(errX, errY); err != nil {
				yield(perigee.Sample{}, err)
				return
			}
			if okX && (!okY || inOrder(x, y) <= 0) {
				if !yield(x, nil) {
					return
				}
				x, errX, okX = nextA()
			} else {
				if !yield(y, nil) {
					return
				}
				y, errY, okY = nextB()
			}
		}
	}
}

// merged yields samples, which come in order, merged by stream and UTC interval.
func merged(samples iter.Seq2[perigee.Sample, error], length time.Duration) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		bucket, parts := int64(0), map[perigee.Stream]*perigee.Sample{}
		flush := func() bool {
			list := make([]perigee.Sample, 0, len(parts))
			for _, s := range parts {
				list = append(list, *s)
			}
			clear(parts)
			slices.SortFunc(list, inOrder)
			for _, s := range list {
				if !yield(s, nil) {
					return false
				}
			}
			return true
		}
		for sample, err := range samples {
			if err != nil {
				yield(perigee.Sample{}, err)
				return
			}
			if at := floor(sample.Start.UnixNano(), int64(length)); at != bucket {
				if !flush() {
					return
				}
				bucket = at
			}
			s := parts[sample.Stream]
			if s == nil {
				s = &perigee.Sample{}
				parts[sample.Stream] = s
			}
			s.Merge(sample)
		}
		flush()
	}
}

// floor returns the last multiple of length that is not after ns.
func floor(ns, length int64) int64 { return ns - ((ns%length)+length)%length }
