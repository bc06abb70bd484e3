package perigee

import (
	"context"
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
	outages []Outage // by start, then stream
	gaps    []Gap
	orbits  map[LinkID]Orbit

	silent   map[path]timeline // inside outages
	unsent   map[path]timeline // inside those in which the system or the monitor failed to send
	measured map[path]timeline
}

// gather reads the evidence of every site that q selects.
func gather(ctx context.Context, store Store, q DisruptionQuery) (map[string]*evidence, error) {
	const day = 24 * time.Hour
	wide := Query{Site: q.Site, From: floorTime(q.From.Add(-recurrenceReach), day), To: ceilTime(q.To.Add(recurrenceReach), day)}
	outages, err := store.Outages(ctx, wide)
	if err != nil {
		return nil, err
	}
	sites := map[string]*evidence{}
	for _, o := range outages {
		e := sites[o.Stream.Site]
		if e == nil {
			e = &evidence{site: o.Stream.Site, orbits: map[LinkID]Orbit{},
				silent: map[path]timeline{}, unsent: map[path]timeline{}, measured: map[path]timeline{}}
			sites[o.Stream.Site] = e
		}
		e.outages = append(e.outages, o)
	}
	if len(sites) == 0 {
		return nil, nil
	}
	for site, e := range sites {
		own := wide
		own.Site = site
		if err := e.read(ctx, store, own); err != nil {
			return nil, err
		}
	}
	records, err := store.Links(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if e := sites[r.Site.Name]; e != nil {
			e.orbits[r.Link.ID] = r.Link.Orbit
		}
	}
	return sites, nil
}

// read completes the evidence of one site.
func (e *evidence) read(ctx context.Context, store Store, q Query) (err error) {
	if e.gaps, err = store.Gaps(ctx, q); err != nil {
		return err
	}
	measured := map[path][]span{}
	err = scan(ctx, store, q, Days, func(s Sample) {
		p := pathOf(s.Stream)
		measured[p] = append(measured[p], span{s.Start, s.End()})
	})
	if err != nil {
		return err
	}
	for p, spans := range measured {
		e.measured[p] = timeline(subtract(union(spans), e.holes(p.link)))
	}
	silent, unsent := map[path][]span{}, map[path][]span{}
	for _, o := range e.outages {
		p := pathOf(o.Stream)
		silent[p] = append(silent[p], outageSpan(o))
		if o.Reason != NoReplies && o.Reason != reasonUnresolved {
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
	return nil
}

// forgive leaves out the silence of first hops over which targets were heard most of the
// time: a first hop that does not answer echo requests is no evidence of anything.
func (e *evidence) forgive() {
	for p, spans := range e.silent {
		if p.target != FirstHop {
			continue
		}
		e.silent[p] = slices.DeleteFunc(spans, func(s span) bool {
			return e.count(s, func(o path) bool { return o.link == p.link && o.target != FirstHop }).answered > 0
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
// nothing of a path: it counts as unmeasured unless own is set.
func (e *evidence) fateOf(p path, s span, own bool) fate {
	half := s.to.Sub(s.from) / 2
	switch {
	case e.silent[p].within(s) >= half:
		if !own && e.unsent[p].within(s) >= half {
			return unmeasured
		}
		return silent
	case e.measured[p].within(s) >= half:
		return answered
	}
	return unmeasured
}

// tally counts how paths did.
type tally struct{ answered, silent int }

func (t tally) measured() int { return t.answered + t.silent }

// count tells how the paths that are selected did in s.
func (e *evidence) count(s span, selected func(path) bool) tally {
	var t tally
	for p := range e.measured {
		if !selected(p) {
			continue
		}
		switch e.fateOf(p, s, false) {
		case answered:
			t.answered++
		case silent:
			t.silent++
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
