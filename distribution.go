package perigee

import (
	"context"
	"time"

	"perigee/stats"
)

// DistributionQuery asks how the values of a metric are distributed on links.
type DistributionQuery struct {
	Site     string
	Links    []LinkID   // all if empty
	Metric   MetricName // rtt or pdv; rtt if empty
	From, To time.Time  // zero: all there is
	Target   TargetID   // empty: the target that all the links share
	Family   Family     // empty: ipv4 if measured, else ipv6
	Load     Load       // idle if empty
}

// Distributions says how the values of a metric are distributed on links.
type Distributions struct {
	Metric   Metric
	From, To time.Time
	Links    []LinkDistribution // in the order asked
}

// LinkDistribution is the distribution of one stream's values.
type LinkDistribution struct {
	Stream Stream // of a link that was not measured, target, method and family are empty
	Orbit  Orbit
	Counts Counts

	// Floor is the least RTT that physics allows on this link, in seconds;
	// meaningful if FloorDefined.
	Floor        float64
	FloorDefined bool

	// Quantiles is the quantile function of the received probes at
	// DistributionShares; empty if nothing was received.
	Quantiles []QuantilePoint
}

// QuantilePoint is one point of a quantile function: the share P of the values is at or
// below Value.
type QuantilePoint struct{ P, Value float64 }

// DistributionShares are the shares that a distribution is told at: each hundredth, and
// finer in the tails. The first is the smallest value and the last the largest, both
// exact; the others are within stats.RelativeError of the order statistic.
var DistributionShares = distributionShares()

func distributionShares() []float64 {
	shares := []float64{0, 0.001, 0.002, 0.005}
	for i := 1; i < 100; i++ {
		shares = append(shares, float64(i)/100)
	}
	return append(shares, 0.995, 0.998, 0.999, 1)
}

// DistributionsOf returns how q.Metric is distributed on each link over q's range. The
// streams are those that Compare compares: of a target that all links measured, unless
// one is asked for, and of a link that did not measure it the one that it measured most.
//
// Long ranges are read from rollups, as by Summarize. It fails with CodeNotFound for an
// unknown link and with CodeInvalid for a metric without such a distribution, or links of
// several sites.
func DistributionsOf(ctx context.Context, store Store, q DistributionQuery) (Distributions, error) {
	metric, err := metricThat(q.Metric, "shown as a distribution", Metric.Distributed)
	if err != nil {
		return Distributions{}, err
	}
	known, err := findLinks(ctx, store, q.Site, q.Links)
	if err != nil {
		return Distributions{}, err
	}
	if _, err := oneSite(known); err != nil {
		return Distributions{}, err
	}
	d := Distributions{Metric: metric}
	if d.From, d.To, err = resolveRange(q.From, q.To, known); err != nil || len(known) == 0 {
		return d, err
	}
	query := CompareQuery{Target: q.Target, Family: q.Family, Load: q.Load}.streams(metric, known, d.From, d.To)
	query.Lean = true
	m := &measured{streams: map[Stream]*record{}}
	err = scan(ctx, store, query, Days, func(s Sample) {
		if query.comparable(s.Stream) {
			m.of(s.Stream).total.add(lean(s))
		}
	})
	if err != nil {
		return Distributions{}, err
	}
	shared := m.commonPath(linkIDs(known))
	for _, r := range known {
		stream := m.streamAt(shared, r.Link.ID)
		total := m.record(stream).total.sample
		if total.Counts.Planned == 0 {
			stream = Stream{Site: r.Site.Name, Link: r.Link.ID, Load: query.Load}
		}
		link := LinkDistribution{Stream: stream, Orbit: r.Link.Orbit, Counts: total.Counts, Quantiles: quantileFunction(metric, total.RTT)}
		link.Floor, link.FloorDefined = Floor(r.Link, r.Site)
		d.Links = append(d.Links, link)
	}
	return d, nil
}

// quantileFunction returns the points of rtt, or of what is above its smallest.
func quantileFunction(metric Metric, rtt stats.Distribution) []QuantilePoint {
	if rtt.Count == 0 {
		return nil
	}
	reference := 0.0
	if metric.Name == MetricPDV {
		reference = rtt.Min
	}
	points := make([]QuantilePoint, 0, len(DistributionShares))
	for _, p := range DistributionShares {
		v, _ := rtt.Quantile(p)
		switch p {
		case 0:
			v = rtt.Min
		case 1:
			v = rtt.Max
		}
		points = append(points, QuantilePoint{p, v - reference})
	}
	return points
}
