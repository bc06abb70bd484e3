package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"perigee"
)

// Memory is a perigee.Store in memory. It keeps everything, exactly and forever, and
// computes hours and days when they are asked for. It is safe for concurrent use.
type Memory struct {
	mu          sync.Mutex // guards all below
	samples     map[sampleKey]perigee.Sample
	throughputs map[sampleKey]perigee.Throughput
	outages     map[sampleKey]perigee.Outage
	gaps        map[perigee.Gap]bool
	events      map[perigee.Event]bool
	sites       map[string]perigee.Site
	links       map[linkKey]perigee.Link
}

type sampleKey struct {
	stream perigee.Stream
	start  int64 // nanoseconds since the Unix epoch
}

type linkKey struct {
	site string
	link perigee.LinkID
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		samples:     map[sampleKey]perigee.Sample{},
		throughputs: map[sampleKey]perigee.Throughput{},
		outages:     map[sampleKey]perigee.Outage{},
		gaps:        map[perigee.Gap]bool{},
		events:      map[perigee.Event]bool{},
		sites:       map[string]perigee.Site{},
		links:       map[linkKey]perigee.Link{},
	}
}

var _ perigee.Store = (*Memory)(nil)

// Append implements perigee.Store.
func (m *Memory) Append(ctx context.Context, b perigee.Batch) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if err := checkBatch(b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range b.Samples {
		s.Start = utc(s.Start)
		key := sampleKey{s.Stream, s.Start.UnixNano()}
		if _, kept := m.samples[key]; !kept {
			m.samples[key] = clone(s)
		}
	}
	for _, one := range b.Throughputs {
		one.Start = utc(one.Start)
		key := sampleKey{one.Stream, one.Start.UnixNano()}
		if _, kept := m.throughputs[key]; !kept {
			m.throughputs[key] = cloneThroughput(one)
		}
	}
	for _, o := range b.Outages {
		o.Start, o.End = utc(o.Start), utc(o.End)
		m.outages[sampleKey{o.Stream, o.Start.UnixNano()}] = o
	}
	for _, g := range b.Gaps {
		g.Start, g.End = utc(g.Start), utc(g.End)
		m.gaps[g] = true
	}
	for _, e := range b.Events {
		e.Time = utc(e.Time)
		m.events[e] = true
	}
	return nil
}

// Describe implements perigee.Store.
func (m *Memory) Describe(ctx context.Context, site perigee.Site, links []perigee.Link) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sites[site.Name] = site
	for _, l := range links {
		m.links[linkKey{site.Name, l.ID}] = l
	}
	return nil
}

// Links implements perigee.Store.
func (m *Memory) Links(ctx context.Context) ([]perigee.LinkRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	records := map[linkKey]perigee.LinkRecord{}
	record := func(key linkKey) perigee.LinkRecord {
		if r, ok := records[key]; ok {
			return r
		}
		r := perigee.LinkRecord{Site: perigee.Site{Name: key.site}, Link: perigee.Link{ID: key.link}}
		if site, ok := m.sites[key.site]; ok {
			r.Site = site
		}
		if link, ok := m.links[key]; ok {
			r.Link = link
		}
		return r
	}
	for key := range m.links {
		records[key] = record(key)
	}
	for _, s := range m.samples {
		key := linkKey{s.Stream.Site, s.Stream.Link}
		r := record(key)
		if r.First.IsZero() || s.Start.Before(r.First) {
			r.First = s.Start
		}
		if s.End().After(r.Last) {
			r.Last = s.End()
		}
		records[key] = r
	}
	list := make([]perigee.LinkRecord, 0, len(records))
	for _, r := range records {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b perigee.LinkRecord) int {
		return cmp.Or(strings.Compare(a.Site.Name, b.Site.Name), strings.Compare(string(a.Link.ID), string(b.Link.ID)))
	})
	return list, nil
}

// Samples implements perigee.Store.
func (m *Memory) Samples(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return m.yield(ctx, func() ([]perigee.Sample, error) {
		windows := m.selectWindows(q, q.Resolution == perigee.Windows || q.Resolution == "")
		for i := range windows {
			windows[i].Singletons = nil
		}
		switch q.Resolution {
		case perigee.Windows, "":
			return windows, nil
		case perigee.Hours:
			return within(q, rollUp(windows, time.Hour)), nil
		case perigee.Days:
			return within(q, rollUp(windows, 24*time.Hour)), nil
		default:
			return nil, unknownResolution(q.Resolution)
		}
	})
}

// Singletons implements perigee.Store.
func (m *Memory) Singletons(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return m.yield(ctx, func() ([]perigee.Sample, error) {
		if q.Resolution != "" && q.Resolution != perigee.Windows {
			return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("singletons are kept with windows, not with resolution %q", q.Resolution)}
		}
		windows := m.selectWindows(q, true)
		return slices.DeleteFunc(windows, func(s perigee.Sample) bool { return len(s.Singletons) == 0 }), nil
	})
}

// Throughputs implements perigee.Store.
func (m *Memory) Throughputs(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Throughput, error] {
	return yieldAll(ctx, func() ([]perigee.Throughput, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		var list []perigee.Throughput
		for _, t := range m.throughputs {
			if q.Matches(t.Stream) && startsWithin(q, t.Start) {
				list = append(list, cloneThroughput(t))
			}
		}
		slices.SortFunc(list, func(a, b perigee.Throughput) int {
			return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
		})
		return list, nil
	})
}

// yield yields what list returns, called with the lock held.
func (m *Memory) yield(ctx context.Context, list func() ([]perigee.Sample, error)) iter.Seq2[perigee.Sample, error] {
	return yieldAll(ctx, func() ([]perigee.Sample, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return list()
	})
}

// yieldAll yields what list returns, as long as ctx lasts.
func yieldAll[T any](ctx context.Context, list func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		all, err := list()
		if err != nil {
			yield(none, err)
			return
		}
		for _, one := range all {
			if err := ctx.Err(); err != nil {
				yield(none, unavailable(err))
				return
			}
			if !yield(one, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(none, unavailable(err))
		}
	}
}

// selectWindows returns copies of the samples whose stream matches q, and, if
// bounded, whose start does, in order.
func (m *Memory) selectWindows(q perigee.Query, bounded bool) []perigee.Sample {
	var list []perigee.Sample
	for _, s := range m.samples {
		if q.Matches(s.Stream) && (!bounded || startsWithin(q, s.Start)) {
			list = append(list, clone(s))
		}
	}
	slices.SortFunc(list, byStart)
	return list
}

// rollUp merges windows, which are in order, by stream and UTC interval.
func rollUp(windows []perigee.Sample, length time.Duration) []perigee.Sample {
	merged := map[sampleKey]perigee.Sample{}
	for _, w := range windows {
		key := sampleKey{w.Stream, w.Start.Truncate(length).UnixNano()}
		s := merged[key]
		s.Merge(w)
		merged[key] = s
	}
	list := make([]perigee.Sample, 0, len(merged))
	for _, s := range merged {
		list = append(list, s)
	}
	slices.SortFunc(list, byStart)
	return list
}

func within(q perigee.Query, samples []perigee.Sample) []perigee.Sample {
	return slices.DeleteFunc(samples, func(s perigee.Sample) bool { return !startsWithin(q, s.Start) })
}

// Outages implements perigee.Store.
func (m *Memory) Outages(ctx context.Context, q perigee.Query) ([]perigee.Outage, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []perigee.Outage
	for _, o := range m.outages {
		if q.Matches(o.Stream) && overlaps(q, o.Start, o.End) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b perigee.Outage) int {
		return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
	})
	return list, nil
}

// Gaps implements perigee.Store.
func (m *Memory) Gaps(ctx context.Context, q perigee.Query) ([]perigee.Gap, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []perigee.Gap
	for g := range m.gaps {
		if q.MatchesLink(g.Site, g.Link) && overlaps(q, g.Start, g.End) {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b perigee.Gap) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link),
			a.End.Compare(b.End), cmp.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail))
	})
	return list, nil
}

// Events implements perigee.Store.
func (m *Memory) Events(ctx context.Context, q perigee.Query) ([]perigee.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []perigee.Event
	for e := range m.events {
		if q.MatchesEvent(e) && startsWithin(q, e.Time) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b perigee.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link),
			cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Detail, b.Detail))
	})
	return list, nil
}

func byStart(a, b perigee.Sample) int {
	return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
}

func startsWithin(q perigee.Query, t time.Time) bool {
	return (q.From.IsZero() || !t.Before(q.From)) && (q.To.IsZero() || t.Before(q.To))
}

// overlaps reports whether [start, end) has a part in q's range; a moment (start =
// end) has if it lies in the range.
func overlaps(q perigee.Query, start, end time.Time) bool {
	return (q.To.IsZero() || start.Before(q.To)) && (q.From.IsZero() || end.After(q.From) || !start.Before(q.From))
}

// clone returns a copy of s that shares nothing with it.
func clone(s perigee.Sample) perigee.Sample {
	s.RTT.Sketch = s.RTT.Sketch.Clone()
	s.Variation.IPDV.Sketch = s.Variation.IPDV.Sketch.Clone()
	s.Singletons = slices.Clone(s.Singletons)
	return s
}

// cloneThroughput returns a copy of t that shares nothing with it.
func cloneThroughput(t perigee.Throughput) perigee.Throughput {
	t.Series, t.TCP, t.TCPReceiver = slices.Clone(t.Series), slices.Clone(t.TCP), slices.Clone(t.TCPReceiver)
	return t
}

// utc strips t of location and monotonic reading, so that equal times are equal values.
func utc(t time.Time) time.Time { return time.Unix(0, t.UnixNano()).UTC() }

// checkBatch refuses what no store can keep.
func checkBatch(b perigee.Batch) error {
	for _, s := range b.Samples {
		if err := checkTime("sample", s.Start); err != nil {
			return err
		}
		if err := s.Counts.Check(); err != nil {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: "sample refused", Err: err}
		}
	}
	for _, t := range b.Throughputs {
		if err := checkTime("throughput", t.Start); err != nil {
			return err
		}
		if err := t.Check(); err != nil {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: "throughput refused", Err: err}
		}
	}
	for _, o := range b.Outages {
		if err := cmp.Or(checkTime("outage", o.Start), checkTime("outage", o.End)); err != nil {
			return err
		}
	}
	for _, g := range b.Gaps {
		if err := cmp.Or(checkTime("gap", g.Start), checkTime("gap", g.End)); err != nil {
			return err
		}
	}
	for _, e := range b.Events {
		if err := checkTime("event", e.Time); err != nil {
			return err
		}
	}
	return nil
}

// checkTime refuses times that nanoseconds since the Unix epoch cannot hold in an
// int64, the zero time among them.
func checkTime(what string, t time.Time) error {
	if t.Year() < 1678 || t.Year() > 2261 {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("%s refused: its time %s is not between 1678 and 2261", what, t.Format(time.RFC3339))}
	}
	return nil
}

func unknownResolution(r perigee.Resolution) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("unknown resolution %q: use window, hour or day", r)}
}

func unavailable(err error) error {
	return &perigee.Error{Code: perigee.CodeUnavailable, Message: "store not asked", Err: err}
}
