package perigee

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"perigee/stats"
)

// measured is all that a comparison is made from.
type measured struct {
	from, to time.Time
	grid     time.Duration // length of the windows that are paired
	streams  map[Stream]*record
	down     downtime
	gaps     []Gap
}

// record is what a stream measured: all of it as one, and by clock window.
type record struct {
	total   stepSample
	windows []window // in order of time, each with its own place
}

// window is what a comparison needs of a stream's measurements in one clock window.
type window struct {
	place   int64 // number of the window on the grid since the Unix epoch
	planned time.Duration
	down    time.Duration
	missed  int64 // lost or late
	sent    int64
	pairs   int64   // of packets that both arrived
	jitter  float64 // sum over pairs, in seconds
	rtt     stats.Histogram
}

func (w *window) merge(o window) {
	w.planned += o.planned
	w.down += o.down
	w.missed += o.missed
	w.sent += o.sent
	w.pairs += o.pairs
	w.jitter += o.jitter
	w.rtt.Merge(o.rtt)
}

// readMeasured reads all streams that q selects.
func readMeasured(ctx context.Context, store Store, q Query) (*measured, error) {
	length := q.To.Sub(q.From)
	m := &measured{from: q.From, to: q.To, grid: stepFor(length, mostWindows), streams: map[Stream]*record{}}
	coarsest := Windows
	if length > 48*time.Hour {
		m.grid = max(m.grid, time.Hour)
		coarsest = finest(m.grid)
	}
	var longest time.Duration
	err := scan(ctx, store, q, coarsest, func(s Sample) {
		if s.Stream.Target == FirstHop && len(q.Targets) == 0 {
			return // each link has another: nothing common to compare at
		}
		r := m.streams[s.Stream]
		if r == nil {
			r = &record{}
			m.streams[s.Stream] = r
		}
		r.total.add(s)
		r.add(s, gridIndex(s.Start, m.grid))
		longest = max(longest, s.Length)
	})
	if err != nil {
		return nil, err
	}
	if coarsest == Windows && longest > m.grid {
		m.widen(longest)
	}
	if m.down, err = readDowntime(ctx, store, q); err != nil {
		return nil, err
	}
	for stream, r := range m.streams {
		for i := range r.windows {
			w := &r.windows[i]
			start := time.Unix(0, w.place*int64(m.grid))
			w.down = m.down.within(stream, later(start, m.from), earlier(start.Add(m.grid), m.to))
		}
	}
	if m.gaps, err = store.Gaps(ctx, q); err != nil {
		return nil, err
	}
	return m, nil
}

// add merges s into the window at place. Samples come in order of time, so that it is
// the last window or a new one; a clock that was set back makes no exception, because
// the order is that of the clock.
func (r *record) add(s Sample, place int64) {
	w := window{
		place: place, planned: plannedTime(s),
		missed: s.Counts.Lost + s.Counts.Late, sent: s.Counts.Sent,
		pairs: s.Variation.IPDV.Count, jitter: s.Variation.JitterSum,
		rtt: s.RTT.Histogram(),
	}
	if n := len(r.windows); n > 0 && r.windows[n-1].place == place {
		r.windows[n-1].merge(w)
		return
	}
	r.windows = append(r.windows, w)
}

// widen makes the grid as wide as the windows that were measured, in whole seconds:
// of two links whose first windows began between grid points, those that share a
// clock window are paired.
func (m *measured) widen(longest time.Duration) {
	const whole = time.Second
	old := m.grid
	m.grid = (longest + whole - 1) / whole * whole
	for _, r := range m.streams {
		var merged []window
		for _, w := range r.windows {
			w.place = gridIndex(time.Unix(0, w.place*int64(old)), m.grid)
			if n := len(merged); n > 0 && merged[n-1].place == w.place {
				merged[n-1].merge(w)
				continue
			}
			merged = append(merged, w)
		}
		r.windows = merged
	}
}

// record returns what stream measured, empty if nothing.
func (m *measured) record(stream Stream) *record {
	if r, ok := m.streams[stream]; ok {
		return r
	}
	return &record{}
}

// commonPath returns the path (a stream without its link) that most of links
// measured; among equals IPv4, then the one with the most probes.
func (m *measured) commonPath(links []LinkID) Stream {
	measuredBy := map[Stream]int{}
	probes := map[Stream]int64{}
	for stream, r := range m.streams {
		if slices.Contains(links, stream.Link) {
			path := stream.on("")
			measuredBy[path]++
			probes[path] += r.total.sample.Counts.Planned
		}
	}
	var best Stream
	for _, path := range slices.SortedFunc(maps.Keys(measuredBy), Stream.Compare) {
		more := cmp.Or(
			cmp.Compare(measuredBy[path], measuredBy[best]),
			compareFamily(path.Family, best.Family),
			cmp.Compare(probes[path], probes[best]),
		)
		if more > 0 {
			best = path
		}
	}
	return best
}

// commonPathOf returns the path that both links measured, the zero Stream if none.
func (m *measured) commonPathOf(a, b LinkID) Stream {
	both := map[Stream]int64{}
	for s, r := range m.streams {
		if s.Link != a {
			continue
		}
		if other, ok := m.streams[s.on(b)]; ok {
			both[s.on("")] = min(r.total.sample.Counts.Planned, other.total.sample.Counts.Planned)
		}
	}
	best, _ := busiest(both, func(n int64) int64 { return n })
	return best
}

// measuredAny reports whether link measured anything.
func (m *measured) measuredAny(link LinkID) bool {
	for s := range m.streams {
		if s.Link == link {
			return true
		}
	}
	return false
}

func compareFamily(a, b Family) int {
	switch {
	case a == b:
		return 0
	case a == IPv4:
		return 1
	default:
		return -1
	}
}

// streamAt returns link's stream on path, or, if it has none there, the one that
// measured most; with no stream at all, what it would be.
func (m *measured) streamAt(path Stream, link LinkID) Stream {
	stream := path.on(link)
	if _, ok := m.streams[stream]; ok {
		return stream
	}
	own := map[Stream]int64{}
	for s, r := range m.streams {
		if s.Link == link {
			own[s] = r.total.sample.Counts.Planned
		}
	}
	if best, ok := busiest(own, func(n int64) int64 { return n }); ok {
		return best
	}
	return stream
}

// on returns s with another link.
func (s Stream) on(link LinkID) Stream {
	s.Link = link
	return s
}
