package perigee

import (
	"context"
	"fmt"
	"time"
)

const (
	// blockTime is what stretches of a link are taken to be independent after.
	// It is several times the 15 s after which Starlink assigns satellites
	// anew, and as long as most disturbances of a link last.
	blockTime = time.Minute

	// enoughBlocks is how many stretches of blockTime a firm interval is made
	// from. Below it, see provisional.
	enoughBlocks = 10

	// leastWindows is the least number of common windows that an interval can
	// be made from at all: with 6, the range of their differences covers the
	// median with 1 - 2 * 2^-6 = 96.9 %.
	leastWindows = 6

	// mostWindows bounds the windows of a comparison: longer ranges are
	// compared by longer windows.
	mostWindows = 1000

	confidence = 0.95
)

// Compare says how links differ by q.Metric over q's range, for each pair of them at
// a target that both probed, by the same method and address family.
//
// Both are compared on the same clock windows, and only on those in which both were
// measured. Differences are of the medians and 95th percentiles of a distribution, of
// the ratio of sums of a ratio, of the mean of an estimate, each with a 95 %
// confidence interval that allows for the dependence of windows on their neighbours
// (see stats.QuantileDifferences). With less than 10 min of common windows the interval
// is that of the sign test and provisional: EnoughData is false. The same question has
// the same answer.
//
// Cost grows with the number of windows, not of packets; ranges of more than two days
// are read from rollups and compared by the hour or longer.
//
// It fails with CodeNotFound for an unknown link and with CodeInvalid for a metric
// that is not Comparable, for fewer than two links asked, or a link asked twice.
// Links without data do not make it fail: their pairs say so.
func Compare(ctx context.Context, store Store, q CompareQuery) (Comparison, error) {
	metric, err := comparableMetric(q.Metric)
	if err != nil {
		return Comparison{}, err
	}
	if err := checkLinks(q.Links); err != nil {
		return Comparison{}, err
	}
	known, err := findLinks(ctx, store, q.Site, q.Links)
	if err != nil {
		return Comparison{}, err
	}
	site, err := oneSite(known)
	if err != nil {
		return Comparison{}, err
	}
	from, to, err := resolveRange(q.From, q.To, known)
	if err != nil {
		return Comparison{}, err
	}
	comparison := Comparison{Metric: metric, From: from, To: to}
	if len(known) == 0 {
		return comparison, nil
	}

	query := Query{Site: site, Family: q.Family, Load: orIdle(q.Load), From: from, To: to}
	for _, r := range known {
		query.Links = append(query.Links, r.Link.ID)
	}
	if q.Target != "" {
		query.Targets = []TargetID{q.Target}
	}
	m, err := readMeasured(ctx, store, query)
	if err != nil {
		return Comparison{}, err
	}
	shared := m.commonPath(query.Links)
	for _, r := range known {
		stream := m.streamAt(shared, r.Link.ID)
		comparison.Links = append(comparison.Links, summarize(&m.record(stream).total, r, m.down.within(stream, from, to)))
		comparison.Links[len(comparison.Links)-1].Sample.Stream = stream
	}
	for i, a := range known {
		for _, b := range known[i+1:] {
			comparison.Pairs = append(comparison.Pairs, m.pair(metric, a, b, shared))
		}
	}
	return comparison, nil
}

// checkLinks refuses what cannot be compared.
func checkLinks(links []LinkID) error {
	if len(links) == 1 {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf("links: %s alone cannot be compared, name two or more, or none for all", links[0])}
	}
	seen := map[LinkID]bool{}
	for _, id := range links {
		if seen[id] {
			return &Error{Code: CodeInvalid, Message: fmt.Sprintf("links: %s is named twice", id)}
		}
		seen[id] = true
	}
	return nil
}
