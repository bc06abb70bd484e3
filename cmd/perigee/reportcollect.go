package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee"
	document "perigee/internal/report"
)

// settled is how long after a moment all that was measured in it is stored: the window,
// the late horizon on GEO, and some time to write. A report ends before.
const settled = 30 * time.Second

// completed answers what the caller left open, from what the store knows.
func completed(ctx context.Context, store perigee.Store, site string, links []perigee.LinkID, from, to, now time.Time, zone *time.Location) (question, error) {
	q := question{site: site, from: from, to: to, zone: zone}
	records, err := store.Links(ctx)
	if err != nil {
		return q, err
	}
	known := slices.DeleteFunc(records, func(r perigee.LinkRecord) bool { return site != "" && r.Site.Name != site })
	if len(links) > 0 { // in the order asked; those not asked for behind
		place := func(r perigee.LinkRecord) int {
			if i := slices.Index(links, r.Link.ID); i >= 0 {
				return i
			}
			return len(links)
		}
		slices.SortStableFunc(known, func(a, b perigee.LinkRecord) int { return cmp.Compare(place(a), place(b)) })
	}
	for _, r := range known {
		if q.site == "" {
			q.site = r.Site.Name
		}
		if r.Site.Name != q.site {
			return q, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("the store holds results of several sites, %s and %s among them: name one with --site", q.site, r.Site.Name)}
		}
	}
	var names []string
	var first, last time.Time
	for _, r := range known {
		names = append(names, string(r.Link.ID))
		if len(links) > 0 && !slices.Contains(links, r.Link.ID) {
			continue
		}
		q.links = append(q.links, r.Link.ID)
		if !r.First.IsZero() && (first.IsZero() || r.First.Before(first)) {
			first = r.First
		}
		if r.Last.After(last) {
			last = r.Last
		}
	}
	for _, link := range links {
		if !slices.Contains(q.links, link) {
			return q, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("link %s is not known: known links are %s", link, strings.Join(names, ", "))}
		}
	}
	if len(q.links) == 0 || first.IsZero() {
		return q, &perigee.Error{Code: perigee.CodeNotEnoughData, Message: "not enough data: nothing was measured yet"}
	}
	// Whole seconds, so that the command that is printed asks the same again.
	if q.from.IsZero() {
		q.from = first
	}
	q.from = q.from.Truncate(time.Second)
	latest := last.Add(time.Second - 1).Truncate(time.Second)
	if before := now.Add(-settled).Truncate(time.Second); before.Before(latest) {
		latest = before
	}
	if q.to.IsZero() || q.to.After(latest) {
		q.to = latest
	}
	q.to = q.to.Truncate(time.Second)
	if !q.from.Before(q.to) {
		return q, &perigee.Error{Code: perigee.CodeNotEnoughData, Message: fmt.Sprintf("not enough data: results are stored from %s to %s", first.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))}
	}
	return q, nil
}

// comparedBy are the metrics of a report's verdicts, the first of them the foremost.
var comparedBy = []perigee.MetricName{
	perigee.MetricRTT, perigee.MetricLossRatio, perigee.MetricAvailability,
	perigee.MetricThroughputDown, perigee.MetricThroughputUp, perigee.MetricRTTLoaded,
}

// collect asks the store all that a report shows.
func collect(ctx context.Context, store reportStore, q question) (document.Report, error) {
	r := document.Report{Site: q.site, From: q.from, To: q.to, Zone: q.zone}
	records, err := linksOf(ctx, store, q)
	if err != nil {
		return r, err
	}
	slices.SortFunc(records, func(a, b perigee.LinkRecord) int {
		return cmp.Compare(slices.Index(q.links, a.Link.ID), slices.Index(q.links, b.Link.ID))
	})
	transfers, err := collectTransfers(ctx, store, q)
	if err != nil {
		return r, err
	}
	if r.Comparisons, err = collectComparisons(ctx, store, q, len(transfers) > 0); err != nil {
		return r, err
	}
	summaries, err := perigee.Summarize(ctx, store, q.query())
	if err != nil {
		return r, err
	}
	if len(summaries) == 0 && len(transfers) == 0 {
		return r, &perigee.Error{Code: perigee.CodeNotEnoughData, Message: fmt.Sprintf("not enough data: nothing was measured from %s to %s", q.from.UTC().Format(time.RFC3339), q.to.UTC().Format(time.RFC3339))}
	}
	disruptions, err := perigee.Disruptions(ctx, store, perigee.DisruptionQuery{Site: q.site, Links: q.links, From: q.from, To: q.to, Location: q.zone})
	if err != nil {
		return r, err
	}
	by := func(unit perigee.CalendarUnit) ([]perigee.LinkReliability, error) {
		return perigee.ReliabilityOf(ctx, store, perigee.ReliabilityQuery{Site: q.site, Links: q.links, From: q.from, To: q.to, By: unit, Location: q.zone, Disruptions: disruptions})
	}
	days, err := by(perigee.ByDay)
	if err != nil {
		return r, err
	}
	months, err := by(perigee.ByMonth)
	if err != nil {
		return r, err
	}
	kept, err := perigee.KeptPlans(ctx, store, records, q.from, q.to)
	if err != nil {
		return r, err
	}
	r.Disruptions = disruptions
	for i, record := range records {
		l := document.Link{Link: record.Link, Transfers: transfers[record.Link.ID], Kept: kept[i]}
		for _, s := range summaries {
			if s.Sample.Stream.Link == record.Link.ID {
				l.Streams = append(l.Streams, s)
			}
		}
		l.Main = mainStream(r.Comparisons, l)
		l.Days, l.Months = ofLink(days, record), ofLink(months, record)
		for _, d := range disruptions {
			if slices.Contains(d.Links, record.Link.ID) {
				l.Disruptions = append(l.Disruptions, d)
			}
		}
		if s := l.Main.Sample; s.Counts.Planned > 0 {
			l.RTT, err = perigee.Series(ctx, store, perigee.SeriesQuery{
				Site: q.site, Link: record.Link.ID, Target: s.Stream.Target, Family: s.Stream.Family, Metric: perigee.MetricRTT, From: q.from, To: q.to,
			})
			if err != nil {
				return r, err
			}
		}
		if l.Moved, err = store.Traffic(ctx, q.site, record.Link.ID, q.from, q.to); err != nil {
			return r, err
		}
		l.Rates = ratesOf(l)
		l.Warnings = warningsOf(l)
		r.Links = append(r.Links, l)
	}
	if r.Gaps, err = store.Gaps(ctx, q.query()); err != nil {
		return r, err
	}
	return r, collectEvents(ctx, store, q, &r)
}

// collectComparisons compares the links by each metric, if there are two.
func collectComparisons(ctx context.Context, store perigee.Store, q question, transfers bool) ([]perigee.Comparison, error) {
	if len(q.links) < 2 {
		return nil, nil
	}
	var list []perigee.Comparison
	for _, name := range comparedBy {
		metric, ok := perigee.LookupMetric(name)
		ofTransfers := name == perigee.MetricThroughputDown || name == perigee.MetricThroughputUp || name == perigee.MetricRTTLoaded
		if !ok || !metric.Comparable || ofTransfers && !transfers {
			continue
		}
		c, err := perigee.Compare(ctx, store, perigee.CompareQuery{Site: q.site, Links: q.links, Metric: name, From: q.from, To: q.to})
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// mainStream returns what l is described by: the stream that it was compared on, or, of
// one link alone, the one that measured most.
func mainStream(comparisons []perigee.Comparison, l document.Link) perigee.Summary {
	for _, c := range comparisons {
		for _, s := range c.Links {
			if s.Sample.Stream.Link == l.Link.ID && c.Metric.Name == perigee.MetricRTT {
				return s
			}
		}
	}
	var best perigee.Summary
	preferred := func(s perigee.Summary) bool { return s.Sample.Stream.Family != perigee.IPv6 }
	for _, s := range l.Streams {
		if s.Sample.Stream.Load != perigee.LoadIdle || s.Sample.Stream.Target == perigee.FirstHop {
			continue
		}
		better := s.Sample.Counts.Planned > best.Sample.Counts.Planned
		if preferred(s) != preferred(best) {
			better = preferred(s)
		}
		if best.Sample.Counts.Planned == 0 || better {
			best = s
		}
	}
	return best
}

func ofLink(list []perigee.LinkReliability, record perigee.LinkRecord) perigee.LinkReliability {
	for _, one := range list {
		if one.Link.Site.Name == record.Site.Name && one.Link.Link.ID == record.Link.ID {
			return one
		}
	}
	return perigee.LinkReliability{}
}

// collectTransfers reads what is shown of each transfer; their series stay behind.
func collectTransfers(ctx context.Context, store perigee.Store, q question) (map[perigee.LinkID][]document.Transfer, error) {
	transfers := map[perigee.LinkID][]document.Transfer{}
	for t, err := range store.Throughputs(ctx, q.query()) {
		if err != nil {
			return nil, err
		}
		if t.Bytes == 0 {
			continue // it broke before anything arrived: it says nothing of the rate
		}
		suspected, _ := t.SuspectPEP()
		transfers[t.Stream.Link] = append(transfers[t.Stream.Link], document.Transfer{
			Start: t.Start, Length: t.Length, Direction: t.Stream.Load, Target: t.Stream.Target, Method: t.Stream.Method, Rate: t.Rate, Steady: t.Steady,
			Bytes: t.Bytes, Idle: t.Idle, Loaded: t.Loaded, PEPSuspected: suspected,
		})
	}
	return transfers, nil
}

// ratesOf sums up a link's transfers by direction.
func ratesOf(l document.Link) map[perigee.Load]document.Rates {
	rates := map[perigee.Load]document.Rates{}
	for _, t := range l.Transfers {
		of := rates[t.Direction]
		if t.Steady {
			of.Steady.Add(t.Rate)
		} else {
			of.Unsteady++
		}
		rates[t.Direction] = of
	}
	return rates
}

// warningsOf says what a reader of the link's part must know.
func warningsOf(l document.Link) []string {
	warnings := perigee.Implausible(l.Link, l.Main.Sample)
	suspected := 0
	for _, t := range l.Transfers {
		if t.PEPSuspected {
			suspected++
		}
	}
	if suspected > 0 {
		warnings = append(warnings, fmt.Sprintf("in %d of %d transfers TCP connected faster than any probe came back: a proxy on the way seems to answer for the far end (RFC 3135)", suspected, len(l.Transfers)))
	}
	return warnings
}

// collectEvents counts what happened to the measuring, and finds which versions measured.
func collectEvents(ctx context.Context, store perigee.Store, q question, r *document.Report) error {
	events, err := store.Events(ctx, q.query())
	if err != nil {
		return err
	}
	counts := map[perigee.EventKind]int{}
	for _, e := range events {
		counts[e.Kind]++
	}
	made, err := perigee.ProvenanceOf(ctx, store, q.query())
	if err != nil {
		return err
	}
	r.Measured = measuredTexts(made, q)
	for kind, n := range counts {
		r.Events = append(r.Events, document.EventCount{Kind: kind, Count: n})
	}
	if n := counts[perigee.EventClockForward] + counts[perigee.EventClockBack]; n > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the monitor's clock was set %s in the range: times before and after do not fit exactly", times(n)))
	}
	slices.SortFunc(r.Events, func(a, b document.EventCount) int { return cmp.Compare(a.Kind, b.Kind) })
	return nil
}

// mostMeasured is how many makers a report names: more nobody reads.
const mostMeasured = 20

// measuredTexts says what made the results, and when, if that is not all of the range.
func measuredTexts(made []perigee.Provenance, q question) []string {
	var texts []string
	for _, p := range made {
		text := p.Maker.Detail()
		if p.Source != "" {
			file, _, _ := strings.Cut(p.Source, ", sha256 ")
			text = "imported from " + file
		}
		if p.Link != "" {
			text += ", link " + string(p.Link)
		}
		if p.From.After(q.from) || p.To.Before(q.to) {
			text += fmt.Sprintf(", from %s to %s", p.From.In(q.zone).Format(time.RFC3339), p.To.In(q.zone).Format(time.RFC3339))
		}
		texts = appendNew(texts, text)
	}
	if more := len(texts) - mostMeasured; more > 0 {
		texts = append([]string{fmt.Sprintf("%d more before these", more)}, texts[more:]...)
	}
	return texts
}

// appendNew appends s to list unless it is there already.
func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
