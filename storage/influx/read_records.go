package influx

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"perigee"
)

// Timestamps of gaps and events lie in the millisecond of their start.
const slack = int64(time.Millisecond)

// record is an outage, gap or event as it is in the database.
type record struct {
	tags   row
	at     int64
	fields row
}

// records reads the points of a measurement from from on and before to. Of those that
// began before from, it reads them only from the first on that reached into the range.
func (s *Store) records(ctx context.Context, measurement, condition string, from, to int64) ([]record, error) {
	if from >= to && from > earliest {
		to = from
	}
	begin := from
	if measurement != measurementEvent && from > earliest {
		reaching := s.client.question(measurement, earliest, widened(from, slack), `r._field == "end_ns"`, "r._value > "+integerLiteral(from), condition)
		err := s.client.rows(ctx, reaching, func(r row) error {
			begin = min(begin, r.nanoseconds())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	begin, to = widened(begin, -slack), widened(to, slack)
	if begin >= to {
		return nil, nil
	}
	found := map[string]*record{}
	var key strings.Builder
	err := s.client.rows(ctx, s.client.question(measurement, begin, to, condition), func(r row) error {
		key.Reset()
		for _, tag := range []string{"site", "link", "target", "method", "family", "load", "instance", "orbit", "reason", "kind"} {
			held, _ := r[tag].(string)
			key.WriteString(held + "\x00")
		}
		key.WriteString(fluxTime(r.nanoseconds()))
		f := found[key.String()]
		if f == nil {
			f = &record{tags: r, at: r.nanoseconds(), fields: row{}}
			found[key.String()] = f
		}
		field, _ := r["_field"].(string)
		f.fields[field] = r["_value"]
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]record, 0, len(found))
	for _, f := range found {
		list = append(list, *f)
	}
	return list, nil
}

// integerLiteral returns ns as Flux writes it; its parser knows no negative number but
// as an expression.
func integerLiteral(ns int64) string {
	if ns < 0 {
		return "(0 - " + decimal(-ns) + ")"
	}
	return decimal(ns)
}

// overlaps reports whether what has a start and an end has a part in the range, or, if
// it is but a moment, lies within it.
func overlaps(start, end, from, to int64) bool { return start < to && (end > from || start >= from) }

// Outages implements perigee.Store.
func (s *Store) Outages(ctx context.Context, q perigee.Query) ([]perigee.Outage, error) {
	f, err := s.known(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	from, to := span(q)
	found, err := s.records(ctx, measurementOutage, streamsOf(q, f), from, to)
	if err != nil {
		return nil, s.fail(err)
	}
	type identity struct {
		stream   perigee.Stream
		at       int64
		instance string
	}
	unique := map[identity]perigee.Outage{}
	for _, r := range found {
		o := perigee.Outage{Stream: streamOf(r.tags), Start: moment(r.at), End: moment(r.fields.integer("end_ns")), Probes: r.fields.integer("probes"), Reason: r.fields.text("reason")}
		o.Open, _ = r.fields["open"].(bool)
		name := nameOf(r.tags)
		o.Stream.Site = f.shown(name)
		if !q.Matches(o.Stream) || !overlaps(r.at, o.End.UnixNano(), from, to) {
			continue
		}
		// Under two descriptions of its link it stands twice: while it was open, and
		// later.
		id := identity{o.Stream, r.at, name.instance}
		if other, ok := unique[id]; !ok || other.Open && !o.Open || other.Open == o.Open && o.End.After(other.End) {
			unique[id] = o
		}
	}
	var list []perigee.Outage
	for _, o := range unique {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b perigee.Outage) int {
		return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
	})
	return list, nil
}

// linksOf is the condition that q selects a gap or event: those of all links belong to
// any.
func linksOf(q perigee.Query, f *fleet) string {
	links := ""
	if len(q.Links) > 0 {
		links = either([]string{"not exists r.link", anyOf("link", q.Links)})
	}
	return all(f.siteIs(q.Site), links)
}

// sites returns the names of sites that a gap or event is shown under, as far as q
// selects them.
func sites(q perigee.Query, f *fleet, name instanceName) []string {
	list := []string{f.shown(name)}
	if name.link == "" {
		list = f.shownAll(name.site, name.instance)
	}
	return slices.DeleteFunc(list, func(site string) bool { return q.Site != "" && q.Site != site })
}

// Gaps implements perigee.Store.
func (s *Store) Gaps(ctx context.Context, q perigee.Query) ([]perigee.Gap, error) {
	f, err := s.known(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	from, to := span(q)
	found, err := s.records(ctx, measurementGap, linksOf(q, f), from, to)
	if err != nil {
		return nil, s.fail(err)
	}
	var list []perigee.Gap
	for _, r := range found {
		start, end := r.fields.integer("start_ns"), r.fields.integer("end_ns")
		if !overlaps(start, end, from, to) {
			continue
		}
		name := nameOf(r.tags)
		for _, site := range sites(q, f, name) {
			list = append(list, perigee.Gap{Site: site, Link: name.link, Start: moment(start), End: moment(end),
				Reason: perigee.GapReason(r.tags.text("reason")), Detail: r.fields.text("detail")})
		}
	}
	slices.SortFunc(list, func(a, b perigee.Gap) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link),
			a.End.Compare(b.End), cmp.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail))
	})
	return list, nil
}

// Events implements perigee.Store.
func (s *Store) Events(ctx context.Context, q perigee.Query) ([]perigee.Event, error) {
	f, err := s.known(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	from, to := span(q)
	found, err := s.records(ctx, measurementEvent, all(linksOf(q, f), anyOf("kind", q.Kinds)), from, to)
	if err != nil {
		return nil, s.fail(err)
	}
	var list []perigee.Event
	for _, r := range found {
		start := r.fields.integer("start_ns")
		if start < from || start >= to {
			continue
		}
		name := nameOf(r.tags)
		for _, site := range sites(q, f, name) {
			list = append(list, perigee.Event{Site: site, Link: name.link, Time: moment(start), Kind: perigee.EventKind(r.tags.text("kind")), Detail: r.fields.text("detail")})
		}
	}
	slices.SortFunc(list, func(a, b perigee.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link),
			cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Detail, b.Detail))
	})
	return list, nil
}
