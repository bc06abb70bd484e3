package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/evidence"
	"perigee/storage/traces"
)

// reportDataFormat is the version of the files that a report's hash is made from: of
// which there are, of what is in them, and of their order. docs/report.md defines it.
// The same data have the same hash only in the same version.
const reportDataFormat = 2

// hourlyBeyond is the length of a range beyond which its samples are those of hours, as
// links are compared by: rollups merge windows without loss, and those of a year would be
// gigabytes for each link.
const hourlyBeyond = 48 * time.Hour

// question is what a report is asked for, completed.
type question struct {
	site     string
	links    []perigee.LinkID // all that are reported, in the order shown
	from, to time.Time
	zone     *time.Location
}

// query selects what q asks for.
func (q question) query() perigee.Query {
	return perigee.Query{Site: q.site, Links: q.links, From: q.from, To: q.to}
}

// hourly reports whether q's samples are those of hours.
func (q question) hourly() bool { return q.to.Sub(q.from) > hourlyBeyond }

// reportStore is what a report reads: a Store that counts what was moved, too.
type reportStore interface {
	perigee.Store
	Traffic(ctx context.Context, site string, link perigee.LinkID, from, to time.Time) (map[perigee.Purpose]int64, error)
}

// addData writes all that a report is made from to e, in files that hash the same
// whenever the same is stored, and, if raw, what that was made from as long as it is
// kept: windows, if hours are the data, and single probes.
func addData(ctx context.Context, e *evidence.Writer, store reportStore, q question, disruptions []perigee.Disruption, raw bool, watch func(name string, w io.Writer) io.Writer) error {
	// What lies in part in the range may have begun before it, or end after it.
	made, err := perigee.ProvenanceOf(ctx, store, perigee.Query{Site: q.site, Links: q.links})
	if err != nil {
		return err
	}
	by := traces.Writer{Made: made}
	for _, file := range []struct {
		name  string
		data  bool
		write func(io.Writer) error
	}{
		{"links.jsonl", true, func(w io.Writer) error { return writeLinkRows(ctx, w, store, q) }},
		{"samples.jsonl", true, func(w io.Writer) error { return writeSampleRows(ctx, w, store, q, by) }},
		{"throughputs.jsonl", true, func(w io.Writer) error {
			return by.ThroughputsJSONL(w, store.Throughputs(ctx, q.query()))
		}},
		{"outages.jsonl", true, func(w io.Writer) error {
			outages, err := store.Outages(ctx, q.query())
			return writeRows(w, err, api.NewOutages(outages, disruptions, made), itself[api.Outage])
		}},
		{"disruptions.jsonl", true, func(w io.Writer) error {
			return writeRows(w, nil, api.NewDisruptions(disruptions, made), itself[api.Disruption])
		}},
		{"gaps.jsonl", true, func(w io.Writer) error {
			gaps, err := store.Gaps(ctx, q.query())
			return writeRows(w, err, api.NewGaps(gaps, made), itself[api.Gap])
		}},
		{"events.jsonl", true, func(w io.Writer) error {
			events, err := store.Events(ctx, q.query())
			return writeRows(w, err, events, newEventRow)
		}},
		{"traffic.jsonl", true, func(w io.Writer) error { return writeTrafficRows(ctx, w, store, q) }},
		{"windows.jsonl", false, func(w io.Writer) error {
			return by.JSONL(w, store.Samples(ctx, q.query()))
		}},
		{"singletons.jsonl", false, func(w io.Writer) error {
			return by.SingletonsJSONL(w, store.Singletons(ctx, q.query()))
		}},
	} {
		if !file.data && !raw || file.name == "windows.jsonl" && !q.hourly() {
			continue
		}
		if err := e.Add(file.name, file.data, func(w io.Writer) error { return file.write(watch(file.name, w)) }); err != nil {
			return err
		}
	}
	return nil
}

// writeSampleRows writes windows, or, of a long range, its whole hours, and windows at
// its ends.
func writeSampleRows(ctx context.Context, w io.Writer, store perigee.Store, q question, by traces.Writer) error {
	query := q.query()
	if !q.hourly() {
		return by.JSONL(w, store.Samples(ctx, query))
	}
	first, last := q.from.Truncate(time.Hour), q.to.Truncate(time.Hour)
	if first.Before(q.from) {
		first = first.Add(time.Hour)
	}
	for _, part := range []struct {
		from, to   time.Time
		resolution perigee.Resolution
	}{{q.from, first, perigee.Windows}, {first, last, perigee.Hours}, {last, q.to, perigee.Windows}} {
		query.From, query.To, query.Resolution = part.from, part.to, part.resolution
		if !part.from.Before(part.to) {
			continue
		}
		if err := by.JSONL(w, store.Samples(ctx, query)); err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes one JSON object and a newline for each of list, unless err says that
// it could not be read.
func writeRows[T, Row any](w io.Writer, err error, list []T, row func(T) Row) error {
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, one := range list {
		if err := encoder.Encode(row(one)); err != nil {
			return err
		}
	}
	return nil
}

// itself is the row of what is one.
func itself[Row any](r Row) Row { return r }

// linkRow is a link as far as a report depends on it. The site's place is not in it, but
// what follows from it.
type linkRow struct {
	Site             string   `json:"site"`
	Link             string   `json:"link"`
	Orbit            string   `json:"orbit"`
	FloorSeconds     *float64 `json:"floor_seconds"`
	PlanDown         *float64 `json:"plan_down_bits_per_second"`
	PlanUp           *float64 `json:"plan_up_bits_per_second"`
	PlanAvailability *float64 `json:"plan_availability_ratio"`
}

func writeLinkRows(ctx context.Context, w io.Writer, store perigee.Store, q question) error {
	records, err := linksOf(ctx, store, q)
	return writeRows(w, err, records, func(r perigee.LinkRecord) linkRow {
		row := linkRow{Site: r.Site.Name, Link: string(r.Link.ID), Orbit: string(r.Link.Orbit)}
		if floor, ok := perigee.Floor(r.Link, r.Site); ok {
			row.FloorSeconds = &floor
		}
		row.PlanDown, row.PlanUp, row.PlanAvailability = unless0(r.Link.Plan.Down), unless0(r.Link.Plan.Up), unless0(r.Link.Plan.Availability)
		return row
	})
}

func unless0(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

// linksOf returns the records of q's links.
func linksOf(ctx context.Context, store perigee.Store, q question) ([]perigee.LinkRecord, error) {
	all, err := store.Links(ctx)
	return slices.DeleteFunc(all, func(r perigee.LinkRecord) bool {
		return r.Site.Name != q.site || !slices.Contains(q.links, r.Link.ID)
	}), err
}

type eventRow struct {
	Site   string `json:"site"`
	Link   string `json:"link"` // empty: all
	Time   string `json:"time"`
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

func newEventRow(e perigee.Event) eventRow {
	return eventRow{e.Site, string(e.Link), exactTime(e.Time), string(e.Kind), e.Detail}
}

// exactTime is the form of times in exports: RFC 3339 in UTC, to the nanosecond.
func exactTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

type trafficRow struct {
	Site    string `json:"site"`
	Link    string `json:"link"`
	Purpose string `json:"purpose"`
	Bytes   int64  `json:"bytes"`
}

func writeTrafficRows(ctx context.Context, w io.Writer, store reportStore, q question) error {
	var rows []trafficRow
	for _, link := range q.links {
		moved, err := store.Traffic(ctx, q.site, link, q.from, q.to)
		if err != nil {
			return err
		}
		for purpose, bytes := range moved {
			rows = append(rows, trafficRow{q.site, string(link), string(purpose), bytes})
		}
	}
	slices.SortFunc(rows, func(a, b trafficRow) int {
		return cmp.Or(cmp.Compare(a.Link, b.Link), cmp.Compare(a.Purpose, b.Purpose))
	})
	return writeRows(w, nil, rows, itself[trafficRow])
}
