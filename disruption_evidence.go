package perigee

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// recurrenceReach is how far around a range outages are read, to see what returns at the
// same time of day.
const recurrenceReach = 14 * 24 * time.Hour

// path is a way from the site to a target, whatever the load.
type path struct {
	link   LinkID
	target TargetID
	family Family
}

func pathOf(s Stream) path { return path{s.Link, s.Target, s.Family} }

// evidence is what is known of a site's paths around a range.
type evidence struct {
	site    string
	around  []Outage // by start, then stream, as far as recurrenceReach
	outages []Outage // of these, what is to be judged
	gaps    []Gap
	orbits  map[LinkID]Orbit
	last    map[LinkID]time.Time // when a link was last measured

	silent   map[path]timeline // inside outages
	unsent   map[path]timeline // inside those in which the system or the monitor failed to send
	measured map[path]timeline
	runs     map[path][]lossRun // around short outages
}

// stale is how much later than the end of an open outage its link must have been measured
// for the outage to be one that a monitor left open when it ended: while one lasts, its
// end is told anew with each window.
const stale = time.Minute

// mostSites bounds the sites that one question judges outages of: each is read by itself.
const mostSites = 64

// gather reads the evidence of every site that q selects and that has outages in its
// range.
func gather(ctx context.Context, store Store, q DisruptionQuery) ([]*evidence, error) {
	outages, err := store.Outages(ctx, Query{Site: q.Site, Links: q.Links, From: q.From, To: q.To})
	if err != nil {
		return nil, err
	}
	hit := map[string]bool{}
	for _, o := range outages {
		hit[o.Stream.Site] = true
	}
	if len(hit) > mostSites {
		return nil, &Error{Code: CodeInvalid, Message: fmt.Sprintf("%d sites have outages in this range: name one of them, or ask for a shorter range", len(hit))}
	}
	records, err := store.Links(ctx)
	if err != nil {
		return nil, err
	}
	var list []*evidence
	for _, site := range sorted(hit) {
		e := &evidence{site: site, orbits: map[LinkID]Orbit{}, last: map[LinkID]time.Time{}, silent: map[path]timeline{}, unsent: map[path]timeline{}, measured: map[path]timeline{}}
		for _, r := range records {
			if r.Site.Name == site {
				e.orbits[r.Link.ID], e.last[r.Link.ID] = r.Link.Orbit, r.Last
			}
		}
		if err := e.read(ctx, store, q); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// read reads what is known around q's range.
func (e *evidence) read(ctx context.Context, store Store, q DisruptionQuery) (err error) {
	around := Query{Site: e.site, From: q.From.Add(-recurrenceReach), To: q.To.Add(recurrenceReach)}
	if e.around, err = store.Outages(ctx, around); err != nil {
		return err
	}
	for i := range e.around {
		o := &e.around[i]
		o.Open = o.Open && !e.last[o.Stream.Link].After(o.End.Add(stale))
	}
	asked := e.choose(q.From, q.To)
	around.From, around.To = floorTime(asked.from.Add(-gapTouch), time.Hour), ceilTime(asked.to.Add(gapTouch), time.Hour)
	if e.gaps, err = store.Gaps(ctx, around); err != nil {
		return err
	}
	if err = e.readMeasured(ctx, store, around); err != nil {
		return err
	}
	silent, unsent := map[path][]span{}, map[path][]span{}
	for _, o := range e.around {
		p := pathOf(o.Stream)
		silent[p] = append(silent[p], outageSpan(o))
		if !o.silence() {
			unsent[p] = append(unsent[p], outageSpan(o))
		}
	}
	for p, spans := range silent {
		e.silent[p] = union(spans)
	}
	for p, spans := range unsent {
		e.unsent[p] = union(spans)
	}
	e.forgive()
	return e.look(ctx, store)
}

// readMeasured reads when paths were measured, in the whole hours that q spans: by hour,
// or by day where it spans days.
func (e *evidence) readMeasured(ctx context.Context, store Store, q Query) error {
	pieces := parts(q.From, q.To, Days)
	if len(pieces) == 1 {
		pieces[0].resolution = Hours // there are many windows in a few hours
	}
	measured := map[path][]span{}
	for _, piece := range pieces {
		q.From, q.To, q.Resolution = piece.from, piece.to, piece.resolution
		for s, err := range store.Samples(ctx, q) {
			if err != nil {
				return err
			}
			p := pathOf(s.Stream)
			measured[p] = append(measured[p], span{s.Start, s.End()})
		}
	}
	for p, spans := range measured {
		e.measured[p] = subtract(union(spans), e.holes(p.link))
	}
	return nil
}

// choose keeps the outages that overlap the range, and those that follow on one another
// with them, so that a disruption is the same whatever range it is asked for in. It
// returns the range that they lie in.
func (e *evidence) choose(from, to time.Time) span {
	asked := span{from, to}
	for before := (span{}); before != asked; {
		before = asked
		for _, o := range e.around {
			s := outageSpan(o)
			if s.from.After(asked.to.Add(joinWithin)) || s.to.Before(asked.from.Add(-joinWithin)) {
				continue
			}
			asked = span{earlier(s.from, asked.from), later(s.to, asked.to)}
		}
	}
	for _, o := range e.around {
		if s := outageSpan(o); !s.from.After(asked.to) && !s.to.Before(asked.from) {
			e.outages = append(e.outages, o)
		}
	}
	return asked
}

// forgive leaves out the silence of first hops over which targets were heard most of the
// time: a first hop that does not answer echo requests is no evidence of anything.
func (e *evidence) forgive() {
	for p, spans := range e.silent {
		if p.target != FirstHop {
			continue
		}
		e.silent[p] = slices.DeleteFunc(spans, func(s span) bool {
			return e.count(s, func(o path) bool { return o.link == p.link && o.target != FirstHop }).answered != nil
		})
	}
}

// holes returns when the monitor did not measure over a link.
func (e *evidence) holes(link LinkID) []span {
	var holes []span
	for _, g := range e.gaps {
		if (g.Link == "" || g.Link == link) && g.Start.Before(g.End) {
			holes = append(holes, span{g.Start, g.End})
		}
	}
	return union(holes)
}

// outageSpan is the time of an outage, a moment made long enough to be overlapped.
func outageSpan(o Outage) span {
	return span{o.Start, later(o.End, o.Start.Add(time.Millisecond))}
}

// fate is how a path did in a span.
type fate int

const (
	unmeasured fate = iota
	answered
	silent
)

// fateOf says how path p did in most of s. What the machine itself failed to send says
// nothing of a path: it counts as unmeasured.
func (e *evidence) fateOf(p path, s span) fate {
	half := s.to.Sub(s.from) / 2
	switch {
	case e.silent[p].within(s) >= half || e.brieflySilent(p, s):
		if e.unsent[p].within(s) >= half {
			return unmeasured
		}
		return silent
	case e.measured[p].within(s) >= half:
		return answered
	}
	return unmeasured
}

// tally is how paths did.
type tally struct{ answered, silent []path }

func (t tally) measured() int { return len(t.answered) + len(t.silent) }

// count tells how the paths that are selected did in s.
func (e *evidence) count(s span, selected func(path) bool) tally {
	var t tally
	for p := range e.measured {
		if !selected(p) {
			continue
		}
		switch e.fateOf(p, s) {
		case answered:
			t.answered = append(t.answered, p)
		case silent:
			t.silent = append(t.silent, p)
		}
	}
	return t
}

// timeline is spans in order that neither touch nor overlap.
type timeline []span

// within returns how much of t lies in s.
func (t timeline) within(s span) time.Duration {
	first, _ := slices.BinarySearchFunc(t, s.from, func(a span, from time.Time) int { return a.to.Compare(from) })
	var sum time.Duration
	for _, part := range t[first:] {
		if !part.from.Before(s.to) {
			break
		}
		sum += part.overlap(s.from, s.to)
	}
	return sum
}
