package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"perigee"
)

// The selection of what has a start and an end: a part in the range, or, if it is but a
// moment, within it.
const overlap = "start_ns < ? AND (end_ns > ? OR start_ns >= ?)"

// Outages implements perigee.Store. An open outage reaches to the End that is known.
func (s *Store) Outages(ctx context.Context, q perigee.Query) ([]perigee.Outage, error) {
	list, err := s.outages(ctx, q)
	return list, s.fail("read outages", err)
}

func (s *Store) outages(ctx context.Context, q perigee.Query) ([]perigee.Outage, error) {
	from, to := span(q)
	rows, err := s.reader().QueryContext(ctx, `SELECT site, link, target, method, family, load, start_ns, end_ns, open, probes, reason
		FROM outages JOIN streams ON streams.id = outages.stream WHERE `+overlap+" ORDER BY start_ns", to, from, from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []perigee.Outage
	for rows.Next() {
		var o perigee.Outage
		var start, end int64
		if err := rows.Scan(&o.Stream.Site, &o.Stream.Link, &o.Stream.Target, &o.Stream.Method, &o.Stream.Family, &o.Stream.Load,
			&start, &end, &o.Open, &o.Probes, &o.Reason); err != nil {
			return nil, err
		}
		o.Start, o.End = moment(start), moment(end)
		if q.Matches(o.Stream) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b perigee.Outage) int {
		return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
	})
	return list, rows.Err()
}

// Gaps implements perigee.Store.
func (s *Store) Gaps(ctx context.Context, q perigee.Query) ([]perigee.Gap, error) {
	list, err := s.gaps(ctx, q)
	return list, s.fail("read gaps", err)
}

func (s *Store) gaps(ctx context.Context, q perigee.Query) ([]perigee.Gap, error) {
	from, to := span(q)
	rows, err := s.reader().QueryContext(ctx, "SELECT site, link, start_ns, end_ns, reason, detail FROM gaps WHERE "+overlap+
		" ORDER BY start_ns, site, link, end_ns, reason, detail", to, from, from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []perigee.Gap
	for rows.Next() {
		var g perigee.Gap
		var start, end int64
		if err := rows.Scan(&g.Site, &g.Link, &start, &end, &g.Reason, &g.Detail); err != nil {
			return nil, err
		}
		g.Start, g.End = moment(start), moment(end)
		if q.MatchesLink(g.Site, g.Link) {
			list = append(list, g)
		}
	}
	return list, rows.Err()
}

// Events implements perigee.Store.
func (s *Store) Events(ctx context.Context, q perigee.Query) ([]perigee.Event, error) {
	list, err := s.events(ctx, q)
	return list, s.fail("read events", err)
}

func (s *Store) events(ctx context.Context, q perigee.Query) ([]perigee.Event, error) {
	from, to := span(q)
	where, arguments := "", []any{from, to}
	if len(q.Kinds) > 0 {
		where = " AND kind IN (?" + strings.Repeat(", ?", len(q.Kinds)-1) + ")"
		for _, k := range q.Kinds {
			arguments = append(arguments, string(k))
		}
	}
	rows, err := s.reader().QueryContext(ctx, "SELECT site, link, time_ns, kind, detail FROM events WHERE time_ns >= ? AND time_ns < ?"+where+
		" ORDER BY time_ns, site, link, kind, detail", arguments...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []perigee.Event
	for rows.Next() {
		var e perigee.Event
		var at int64
		if err := rows.Scan(&e.Site, &e.Link, &at, &e.Kind, &e.Detail); err != nil {
			return nil, err
		}
		e.Time = moment(at)
		if q.MatchesEvent(e) {
			list = append(list, e)
		}
	}
	return list, rows.Err()
}
