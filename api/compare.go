package api

import (
	"time"

	"perigee"
)

// CompareResponse answers /compare, and is what perigee compare --json prints.
type CompareResponse struct {
	Metric string        `json:"metric"`
	Unit   string        `json:"unit" doc:"Unit of the differences: seconds or ratio."`
	From   time.Time     `json:"from"`
	To     time.Time     `json:"to"`
	Links  []LinkSummary `json:"links" nullable:"false"`
	Pairs  []Pair        `json:"pairs" nullable:"false" doc:"Every link with every other that comes after it."`
}

// LinkSummary is what one link did over the range of a comparison.
type LinkSummary struct {
	Link  string  `json:"link"`
	Site  string  `json:"site"`
	Orbit *string `json:"orbit"`
	TargetSummary
	FloorSeconds *float64 `json:"floor_seconds" doc:"Least round-trip time that physics allows; null for orbits without a stated altitude."`
}

// Interval is an estimate with its confidence interval, in the comparison's unit. The
// estimate is null if there was nothing to estimate from, the rest also if there was
// not enough.
type Interval struct {
	Estimate   *float64 `json:"estimate"`
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Confidence *float64 `json:"confidence"`
}

// Pair compares link A with link B; differences are a minus b.
type Pair struct {
	A                 string   `json:"a"`
	B                 string   `json:"b"`
	Target            string   `json:"target"`
	MedianDifference  Interval `json:"median_difference" doc:"Of medians; of means for ratios and estimates."`
	P95Difference     Interval `json:"p95_difference" doc:"Null unless the metric has a value per packet."`
	ProbabilityALower *float64 `json:"probability_a_lower" doc:"Probability that a random value of a is lower than one of b, ties counting half."`
	Windows           int      `json:"windows" doc:"Clock windows in which both were measured."`
	EnoughData        bool     `json:"enough_data"`
	Verdict           string   `json:"verdict" doc:"A sentence to quote."`
	Warnings          []string `json:"warnings" nullable:"false"`
}

// NewCompareResponse returns the wire form of a comparison.
func NewCompareResponse(c perigee.Comparison) CompareResponse {
	r := CompareResponse{
		Metric: string(c.Metric.Name), Unit: c.Metric.Unit, From: c.From.UTC(), To: c.To.UTC(),
		Links: make([]LinkSummary, 0, len(c.Links)), Pairs: make([]Pair, 0, len(c.Pairs)),
	}
	for _, s := range c.Links {
		r.Links = append(r.Links, LinkSummary{
			Link: string(s.Sample.Stream.Link), Site: s.Sample.Stream.Site, Orbit: maybeOrbit(s.Orbit),
			TargetSummary: NewTargetSummary(s), FloorSeconds: maybeSeconds(s.Floor, s.FloorDefined),
		})
	}
	for _, p := range c.Pairs {
		r.Pairs = append(r.Pairs, Pair{
			A: string(p.A), B: string(p.B), Target: string(p.Target),
			MedianDifference: newInterval(p.MedianDifference), P95Difference: newInterval(p.P95Difference),
			ProbabilityALower: defined(p.ProbabilityALower, p.ProbabilityDefined),
			Windows:           p.Windows, EnoughData: p.EnoughData, Verdict: p.Verdict,
			Warnings: append([]string{}, p.Warnings...),
		})
	}
	return r
}

func newInterval(i perigee.Interval) Interval {
	return Interval{
		Estimate: maybeSeconds(i.Estimate, i.Defined), Low: maybeSeconds(i.Low, i.Defined && i.Bounded),
		High: maybeSeconds(i.High, i.Defined && i.Bounded), Confidence: defined(i.Confidence, i.Defined && i.Bounded),
	}
}
