package perigee

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"perigee/stats"
)

// measured is all that a comparison, or a group of it, is made from.
type measured struct {
	from, to time.Time
	grid     time.Duration // length of the windows that are paired
	group    group
	streams  map[Stream]*record
	down     downtime
	gaps     []Gap
	made     []Provenance
	proxies  map[LinkID]proxies
}

// record is what a stream measured: all of it as one, and by clock window.
type record struct {
	total     stepSample
	windows   []window   // in order of time, each with its own place
	transfers []transfer // likewise; windows are made of them where links are paired
}

// amount returns how much of a path was measured: probes, or transfers.
func (r *record) amount() int64 { return r.total.sample.Counts.Planned + int64(len(r.transfers)) }

// down returns how long the stream was down in the windows measured.
func (r *record) down() time.Duration {
	var sum time.Duration
	for _, w := range r.windows {
		sum += w.down
	}
	return sum
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

	transfers int64
	rates     float64 // sum over transfers, in bits per second
}

func (w *window) merge(o window) {
	w.planned += o.planned
	w.down += o.down
	w.missed += o.missed
	w.sent += o.sent
	w.pairs += o.pairs
	w.jitter += o.jitter
	w.rtt.Merge(o.rtt)
	w.transfers += o.transfers
	w.rates += o.rates
}

// readMeasured reads all streams that q selects, of one metric, divided into groups in
// their order.
func readMeasured(ctx context.Context, store Store, q Query, metric Metric, g grouping) ([]*measured, error) {
	r := reading{q: q, grouping: g, groups: map[key]*measured{}}
	var coarsest Resolution
	r.grid, coarsest = g.resolution(q.To.Sub(q.From))
	var err error
	switch {
	case metric.transfers():
		err = r.readTransfers(ctx, store, metric)
	case g.by == ByPhase:
		err = r.readPhases(ctx, store)
	default:
		err = r.readSamples(ctx, store, coarsest)
	}
	if err != nil {
		return nil, err
	}
	outages, err := store.Outages(ctx, q)
	if err != nil {
		return nil, err
	}
	gaps, err := store.Gaps(ctx, q)
	if err != nil {
		return nil, err
	}
	made, err := ProvenanceOf(ctx, store, q)
	if err != nil {
		return nil, err
	}
	if len(r.groups) == 0 {
		m := &measured{from: q.From, to: q.To, grid: r.grid, streams: map[Stream]*record{}}
		r.groups[key{}] = m // of no group
	}
	list := slices.SortedFunc(maps.Values(r.groups), func(a, b *measured) int {
		return cmp.Or(cmp.Compare(a.group.order, b.group.order), cmp.Compare(a.group.text, b.group.text))
	})
	down := downtimeOf(outages, gaps)
	for _, m := range list {
		m.down, m.gaps, m.made = down, gaps, made
		for stream, r := range m.streams {
			for i := range r.windows {
				w := &r.windows[i]
				start := time.Unix(0, w.place*int64(m.grid))
				w.down = m.down.within(stream, later(start, m.from), earlier(start.Add(m.grid), m.to))
			}
		}
	}
	return list, nil
}

// reading is the state of readMeasured.
type reading struct {
	q        Query
	grouping grouping
	grid     time.Duration
	groups   map[key]*measured
}

// at returns what is known of a group, made if there is nothing yet.
func (r *reading) at(k key) *measured {
	m := r.groups[k]
	if m == nil {
		m = &measured{from: r.q.From, to: r.q.To, grid: r.grid, group: r.grouping.group(k), streams: map[Stream]*record{}}
		r.groups[k] = m
	}
	return m
}

// of returns what is known of a stream, made if there is nothing yet.
func (m *measured) of(stream Stream) *record {
	r := m.streams[stream]
	if r == nil {
		r = &record{}
		m.streams[stream] = r
	}
	return r
}

func (r *reading) readSamples(ctx context.Context, store Store, coarsest Resolution) error {
	var longest time.Duration
	q := r.q
	q.Lean = coarsest == Days
	err := scan(ctx, store, q, coarsest, func(s Sample) {
		if !q.comparable(s.Stream) {
			return
		}
		if q.Lean {
			s = lean(s)
		}
		record := r.at(r.grouping.of(s)).of(s.Stream)
		record.total.add(s)
		record.add(s, gridIndex(s.Start, r.grid))
		longest = max(longest, s.Length)
	})
	if err == nil && coarsest == Windows && longest > r.grid {
		for _, m := range r.groups {
			m.widen(longest)
		}
	}
	return err
}

// readPhases divides every window into the phases that its single probes were sent in.
func (r *reading) readPhases(ctx context.Context, store Store) error {
	windows := 0
	for s, err := range store.Singletons(ctx, r.q) {
		if err != nil {
			return err
		}
		if !r.q.comparable(s.Stream) {
			continue
		}
		windows++
		for g, part := range r.grouping.divide(s) {
			record := r.at(g).of(s.Stream)
			record.total.add(part)
			record.add(part, gridIndex(s.Start, r.grid))
		}
	}
	if windows == 0 {
		return &Error{Code: CodeNotEnoughData, Err: ErrNoSingletons, Message: "phases need single probes, and of this range there are only statistics, or nothing: " +
			"a monitor keeps single probes for storage.keep.singletons (14 days), InfluxDB does not hold them; ask the monitor itself, and for a later range"}
	}
	return nil
}

// divide yields the parts of a window with single probes that were sent in each phase, in
// order of time.
func (g grouping) divide(s Sample) iter.Seq2[key, Sample] {
	return func(yield func(key, Sample) bool) {
		for rest := s.Singletons; len(rest) > 0; {
			second := func(one Singleton) int64 { return floorTime(s.Start.Add(one.At), time.Second).Unix() }
			first, n := second(rest[0]), 1
			for n < len(rest) && second(rest[n]) == first {
				n++
			}
			part := Sample{Stream: s.Stream, Start: s.Start.Add(rest[0].At), Length: time.Second, Interval: s.Interval, LossTimeout: s.LossTimeout, Proof: s.Proof}
			for _, one := range rest[:n] {
				part.Counts.Add(one)
				if one.Outcome == Received {
					part.RTT.Add(one.RTT.Seconds())
				}
			}
			if !yield(g.phase(first), part) {
				return
			}
			rest = rest[n:]
		}
	}
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
		r.windows = regrid(r.windows, old, m.grid)
	}
}

// regrid puts windows of one length together to those of a longer one. Unless lengths
// divide each other, a window falls where it begins.
func regrid(windows []window, from, to time.Duration) []window {
	if from == to {
		return windows
	}
	var merged []window
	for _, w := range windows {
		w.place = gridIndex(time.Unix(0, w.place*int64(from)), to)
		if n := len(merged); n > 0 && merged[n-1].place == w.place {
			merged[n-1].merge(w)
			continue
		}
		merged = append(merged, w)
	}
	return merged
}

// record returns what stream measured, empty if nothing.
func (m *measured) record(stream Stream) *record {
	if r, ok := m.streams[stream]; ok {
		return r
	}
	return &record{}
}

// comparable reports whether links are compared at s: their first hops are their own, and
// no way to compare unless asked for.
func (q Query) comparable(s Stream) bool { return s.Target != FirstHop || len(q.Targets) > 0 }

// lean returns s without the sketch that Query.Lean leaves out, whether the store did or
// not.
func lean(s Sample) Sample {
	s.Variation.IPDV.Sketch = stats.Sketch{}
	return s
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
			probes[path] += r.amount()
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
			both[s.on("")] = min(r.amount(), other.amount())
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
			own[s] = r.amount()
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
