package perigee

import (
	"context"
	"fmt"
	"slices"
	"time"

	"perigee/stats"
)

const (
	// blockTime is the least stretch that differences are taken to vary over: it is
	// several times the 15 s after which Starlink assigns satellites anew, and as
	// long as most disturbances of a link last.
	blockTime = time.Minute

	// enoughTime is how much must be measured, and enoughWindows in how many
	// windows if these are longer than blockTime, for an interval that allows for
	// the dependence of neighbouring windows. Below it, see provisional.
	enoughTime    = 10 * time.Minute
	enoughWindows = 12

	// leastWindows is the least number of common windows that an interval can
	// be made from at all: with 6, the range of their differences covers the
	// median with 1 - 2 * 2^-6 = 96.9 %.
	leastWindows = 6

	// mostWindows bounds the windows of a comparison: longer ranges are
	// compared by longer windows.
	mostWindows = 1000

	// mostPairs bounds the comparisons of one question.
	mostPairs = 5000

	confidence = 0.95
)

// Compare says how links differ by q.Metric over q's range, for each pair of them at
// a target that both probed, by the same method and address family; of a grouped
// question, for each pair in each group; with a baseline, for each link and the baseline.
//
// Both are compared on the same clock windows, and only on those in which both were
// measured; but a period with another on all of either, and transfers, of which there
// are a few a day, on clock windows so long that most have some of both. Differences
// are of the median, 95th and 99th percentile of a distribution, of the ratio of sums of
// a ratio, of the mean of an estimate, each with a 95 % confidence interval that allows
// for the dependence of neighbouring windows (see package stats). With less than 10 min
// of common windows the interval is that of the sign test and provisional: EnoughData is
// false, as it is if the quantile asked for needs more. Of several comparisons a
// difference is claimed only if the p-value corrected for their number is below 5 %
// (stats.Holm). The same question has the same answer.
//
// Cost grows with the number of windows, not of packets; ranges of more than two days
// are read from rollups and compared by the hour, of more than two months by the day.
//
// It fails with CodeNotFound for an unknown link and with CodeInvalid for a metric
// that is not Comparable, for fewer than two links asked, or a link asked twice.
// Links without data do not make it fail: their pairs say so.
func Compare(ctx context.Context, store Store, q CompareQuery) (Comparison, error) {
	c, known, err := q.resolve(ctx, store)
	if err != nil || len(known) == 0 {
		return c, err
	}
	g, err := newGrouping(q)
	if err != nil {
		return Comparison{}, err
	}
	if err := g.check(q, c.Metric, c.To.Sub(c.From), len(known)); err != nil {
		return Comparison{}, err
	}
	query := q.streams(c.Metric, known, c.From, c.To)
	groups, err := readMeasured(ctx, store, query, c.Metric, g)
	if err != nil {
		return Comparison{}, err
	}
	proxies, err := findProxies(ctx, store, query)
	if err != nil {
		return Comparison{}, err
	}
	for _, m := range groups {
		m.proxies = proxies
	}
	var all []judged
	if c.BaselineFrom.IsZero() {
		if pairs := len(groups) * q.pairs(len(known)); pairs > mostPairs {
			return Comparison{}, &Error{Code: CodeInvalid, Message: fmt.Sprintf("by %s: these are %d comparisons, and one question takes %d; name fewer links or a shorter range", q.By, pairs, mostPairs)}
		}
		all = c.compareLinks(q, known, groups)
		c.Made = groups[0].made
	} else {
		query.From, query.To = c.BaselineFrom, c.BaselineTo
		before, err := readMeasured(ctx, store, query, c.Metric, g)
		if err != nil {
			return Comparison{}, err
		}
		all = c.comparePeriods(known, groups, before)
		c.Made = append(slices.Clone(before[0].made), groups[0].made...)
	}
	c.judge(all)
	if c.By != "" {
		c.Warnings = groupWarnings(c.Metric, groups, known)
	}
	if err := c.holdAgainstPlans(ctx, store, known); err != nil {
		return Comparison{}, err
	}
	return c, nil
}

// resolve checks the question and completes it.
func (q CompareQuery) resolve(ctx context.Context, store Store) (Comparison, []LinkRecord, error) {
	metric, err := comparableMetric(q.Metric)
	if err != nil {
		return Comparison{}, nil, err
	}
	c := Comparison{Metric: metric, Quantile: q.Quantile, By: q.By}
	if c.Quantile == 0 {
		c.Quantile = 0.5
	}
	if err := q.check(metric, c.Quantile); err != nil {
		return Comparison{}, nil, err
	}
	known, err := findLinks(ctx, store, q.Site, q.Links)
	if err != nil {
		return Comparison{}, nil, err
	}
	site, err := oneSite(known)
	if err != nil {
		return Comparison{}, nil, err
	}
	if q.Baseline != "" && !slices.ContainsFunc(known, func(r LinkRecord) bool { return r.Link.ID == q.Baseline }) {
		baseline, err := findLinks(ctx, store, site, []LinkID{q.Baseline})
		if err != nil {
			return Comparison{}, nil, err
		}
		known = append(known, baseline...)
	}
	if c.From, c.To, err = resolveRange(q.From, q.To, known); err != nil {
		return Comparison{}, nil, err
	}
	if q.BaselineFrom.IsZero() {
		return c, known, nil
	}
	c.BaselineFrom, c.BaselineTo = q.BaselineFrom, q.BaselineTo
	if c.BaselineTo.IsZero() {
		c.BaselineTo = earlier(c.BaselineFrom.Add(c.To.Sub(c.From)), c.From)
	}
	if !c.BaselineFrom.Before(c.BaselineTo) || c.BaselineTo.After(c.From) {
		return Comparison{}, nil, &Error{Code: CodeInvalid, Message: fmt.Sprintf("baseline from %s to %s: give a period that ends before the range begins, at %s",
			timeText(c.BaselineFrom), timeText(c.BaselineTo), timeText(c.From))}
	}
	return c, known, nil
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// check refuses what cannot be compared.
func (q CompareQuery) check(metric Metric, quantile float64) error {
	invalid := func(format string, args ...any) error {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	seen := map[LinkID]bool{}
	for _, id := range q.Links {
		if seen[id] {
			return invalid("links: %s is named twice", id)
		}
		seen[id] = true
	}
	periods := !q.BaselineFrom.IsZero()
	switch {
	case len(q.Links) == 1 && !periods && (q.Baseline == "" || q.Baseline == q.Links[0]):
		return invalid("links: %s alone cannot be compared, name two or more, or none for all; or a baseline, a link or an earlier period", q.Links[0])
	case periods && q.Baseline != "":
		return invalid("baseline: give a link or an earlier period, not both")
	case !periods && !q.BaselineTo.IsZero():
		return invalid("baseline: the period has an end and no beginning; give that too")
	case !slices.Contains(comparedQuantiles, quantile):
		return invalid("quantile %v: use one of 0.5, 0.95 and 0.99", quantile)
	case quantile != 0.5 && metric.Kind != KindDistribution:
		return invalid("quantile %v: %s has no quantiles, it is compared by its mean; leave the quantile out", quantile, metric.Name)
	case metric.transfers() && q.Load != "":
		return invalid("load %s: the metric %s says the direction already; leave the load out", q.Load, metric.Name)
	case metric.Name == MetricRTTLoaded && q.Load == LoadIdle:
		return invalid("load idle: rtt_loaded is of load down or up; compare rtt instead")
	}
	return nil
}

// pairs returns how many pairs there are of so many links.
func (q CompareQuery) pairs(links int) int {
	if q.Baseline != "" {
		return links - 1
	}
	return links * (links - 1) / 2
}

// streams selects what a comparison reads.
func (q CompareQuery) streams(metric Metric, known []LinkRecord, from, to time.Time) Query {
	query := Query{Family: q.Family, Load: orIdle(q.Load), From: from, To: to}
	switch {
	case q.By == ByLoad:
		query.Load = ""
	case metric.Name == MetricRTTLoaded && q.Load == "":
		query.Load = LoadDown
	}
	for _, r := range known {
		query.Site = r.Site.Name
		query.Links = append(query.Links, r.Link.ID)
	}
	if q.Target != "" {
		query.Targets = []TargetID{q.Target}
	}
	return query
}

// compareLinks compares links with each other, or with the baseline, in each group.
func (c *Comparison) compareLinks(q CompareQuery, known []LinkRecord, groups []*measured) []judged {
	var all []judged
	for _, m := range groups {
		shared := m.commonPath(linkIDs(known))
		for _, r := range known {
			c.Links = append(c.Links, m.summarize(r, m.streamAt(shared, r.Link.ID), c.By))
		}
		for i, a := range known {
			for _, b := range known[i+1:] {
				switch q.Baseline {
				case "", b.Link.ID:
					all = append(all, m.pair(c, a, b, shared))
				case a.Link.ID:
					all = append(all, m.pair(c, b, a, shared))
				}
			}
		}
	}
	return all
}

func linkIDs(known []LinkRecord) []LinkID {
	ids := make([]LinkID, len(known))
	for i, r := range known {
		ids[i] = r.Link.ID
	}
	return ids
}

// summarize says what one stream measured in all of m.
func (m *measured) summarize(r LinkRecord, stream Stream, by Grouping) Summary {
	record := m.record(stream)
	down := m.down.within(stream, m.from, m.to)
	if by != "" {
		down = record.down()
	}
	s := summarize(&record.total, r, down)
	s.Sample.Stream, s.Group = stream, m.group.name
	s.Rates, s.Unsteady = record.rates()
	return s
}

// judge puts all comparisons into words, with regard to how many they are.
func (c *Comparison) judge(all []judged) {
	var p []float64
	for _, j := range all {
		if j.firm() {
			p = append(p, j.pair.about(c.Quantile).P)
		}
	}
	corrected := stats.Holm(p)
	for _, j := range all {
		j.corrected = 1
		if j.firm() {
			j.corrected, corrected = corrected[0], corrected[1:]
			j.pair.PCorrected, j.pair.PDefined = j.corrected, true
		}
		j.together = len(p)
		if j.pair.Verdict == "" {
			j.pair.Verdict = j.verdict(c.Metric, c.Quantile)
		}
		c.Pairs = append(c.Pairs, j.pair)
	}
}
