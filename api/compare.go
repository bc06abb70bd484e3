package api

import (
	"strconv"
	"time"

	"perigee"
)

// CompareResponse answers /compare, and is what perigee compare --json prints.
type CompareResponse struct {
	Metric       string        `json:"metric"`
	Unit         string        `json:"unit" doc:"Unit of the differences: seconds, ratio or bits_per_second."`
	Quantile     *float64      `json:"quantile" doc:"Quantile that verdicts are about; null if the metric has a mean only."`
	From         time.Time     `json:"from"`
	To           time.Time     `json:"to"`
	By           *string       `json:"by" doc:"By what the comparison is divided into groups; null if it is not."`
	BaselineFrom *time.Time    `json:"baseline_from" doc:"Beginning of the earlier period that each link is compared with; null if links are compared with each other."`
	BaselineTo   *time.Time    `json:"baseline_to" doc:"Its end."`
	Links        []LinkSummary `json:"links" nullable:"false"`
	Pairs        []Pair        `json:"pairs" nullable:"false" doc:"Every link with every other that comes after it, or with the baseline; in each group."`
	Warnings     []string      `json:"warnings" nullable:"false" doc:"What is true of links in all groups; empty if there are none, since pairs say it then."`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// LinkSummary is what one link did over the range of a comparison, or in one group of it.
type LinkSummary struct {
	Link  string  `json:"link"`
	Site  string  `json:"site"`
	Orbit *string `json:"orbit"`
	Group *string `json:"group" doc:"Part of a grouped comparison that this is of, such as 20:00, Monday or a target; null if it is not grouped."`

	Baseline bool `json:"baseline" doc:"Whether this is of the earlier period."`

	TargetSummary
	FloorSeconds  *float64    `json:"floor_seconds" doc:"Least round-trip time that physics allows; null for orbits without a stated altitude."`
	ExcessSeconds FloorExcess `json:"floor_excess_seconds" doc:"What is above it."`
	Rates         Rates       `json:"throughput_bits_per_second" doc:"Rates of the transfers that are compared; of none unless the metric is a throughput."`
	Plan          PlanKept    `json:"plan" doc:"What was promised of the link, and how much of the time that was met; not told in groups and of an earlier period."`
}

// FloorExcess is by how much round trips exceed what physics allows; null if there is no
// floor or no round trip.
type FloorExcess struct {
	Min    *float64 `json:"min"`
	Median *float64 `json:"median"`
}

// Rates describes the rates of steady transfers.
type Rates struct {
	Transfers int64 `json:"transfers" doc:"How many reached a steady rate; the statistics are of these."`
	Unsteady  int   `json:"unsteady" doc:"How many did not."`
	Distribution
}

// PlanKept is what was promised of a link, and how much of the time it was met.
type PlanKept struct {
	Down         PlanRate         `json:"down"`
	Up           PlanRate         `json:"up"`
	Availability PlanAvailability `json:"availability"`
}

// PlanRate is a promised rate, and how often it was met.
type PlanRate struct {
	BitsPerSecond *float64 `json:"bits_per_second" doc:"Null if none was promised; the rest is 0 then."`
	Transfers     int      `json:"transfers" doc:"Steady transfers, at random times."`
	Met           int      `json:"met" doc:"Those whose rate was at least the promised one."`
	MetRatio      *float64 `json:"met_ratio" doc:"Share of the time that it was met; null if there was no transfer."`
}

// PlanAvailability is a promised availability, and on how many days it was met.
type PlanAvailability struct {
	Ratio    *float64 `json:"ratio" doc:"Null if none was promised; the rest is 0 then."`
	Days     int      `json:"days" doc:"UTC days of which at least half was measured."`
	Met      int      `json:"met"`
	MetRatio *float64 `json:"met_ratio" doc:"Share of the days; null if there is none."`
}

// Interval is an estimate with its confidence interval, in the comparison's unit. The
// estimate is null if there was nothing to estimate from, the rest also if there was
// not enough.
type Interval struct {
	Estimate   *float64 `json:"estimate"`
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Confidence *float64 `json:"confidence"`
	PValue     *float64 `json:"p_value" doc:"Two-sided, of there being no difference; not corrected for the number of comparisons."`
	Needs      *float64 `json:"needs" doc:"How many times as long must be measured for an interval, by what was seen so far; null if there is one, or if that cannot be told."`
}

// Pair compares link A with link B; differences are a minus b. Where a period is compared
// with an earlier one, both are the same link and b is earlier.
type Pair struct {
	A                 string   `json:"a"`
	B                 string   `json:"b"`
	Target            string   `json:"target"`
	Group             *string  `json:"group" doc:"As in links."`
	MedianDifference  Interval `json:"median_difference" doc:"Of medians; of means for ratios and estimates."`
	P95Difference     Interval `json:"p95_difference" doc:"Null unless the metric has a value per packet."`
	P99Difference     Interval `json:"p99_difference" doc:"Likewise."`
	ProbabilityALower *float64 `json:"probability_a_lower" doc:"Probability that a random value of a is lower than one of b, ties counting half."`
	Distance          *float64 `json:"kolmogorov_distance" doc:"Largest difference of the shares of values at or below any value; says how far the shapes are apart, not how sure that is."`
	PCorrected        *float64 `json:"p_corrected" doc:"P-value of what the verdict is about, corrected for the comparisons asked together (Holm); null if there is no firm interval."`
	Windows           int      `json:"windows" doc:"Clock windows in which both were measured."`
	WindowSeconds     float64  `json:"window_seconds" doc:"Their length."`
	EnoughData        bool     `json:"enough_data"`
	Verdict           string   `json:"verdict" doc:"A sentence to quote."`
	Warnings          []string `json:"warnings" nullable:"false"`
}

// NewCompareResponse returns the wire form of a comparison.
func NewCompareResponse(c perigee.Comparison) CompareResponse {
	r := CompareResponse{
		Provenance: NewProvenance(c.Made),
		Metric:     string(c.Metric.Name), Unit: c.Metric.Unit, From: c.From.UTC(), To: c.To.UTC(), By: defined(string(c.By), c.By != ""),
		Quantile: defined(c.Quantile, c.Metric.Kind == perigee.KindDistribution),
		Links:    make([]LinkSummary, 0, len(c.Links)), Pairs: make([]Pair, 0, len(c.Pairs)),
		Warnings: append([]string{}, c.Warnings...),
	}
	r.BaselineFrom, r.BaselineTo = maybeTime(c.BaselineFrom), maybeTime(c.BaselineTo)
	for _, s := range c.Links {
		r.Links = append(r.Links, newLinkSummary(s, c))
	}
	for _, p := range c.Pairs {
		r.Pairs = append(r.Pairs, Pair{
			A: string(p.A), B: string(p.B), Target: string(p.Target), Group: defined(p.Group, c.By != ""),
			MedianDifference: newInterval(p.MedianDifference), P95Difference: newInterval(p.P95Difference), P99Difference: newInterval(p.P99Difference),
			ProbabilityALower: defined(p.ProbabilityALower, p.ProbabilityDefined), Distance: maybeSeconds(p.Distance, p.DistanceDefined),
			PCorrected: maybeP(p.PCorrected, p.PDefined), Windows: p.Windows, WindowSeconds: p.Grid.Seconds(), EnoughData: p.EnoughData, Verdict: p.Verdict,
			Warnings: append([]string{}, p.Warnings...),
		})
	}
	return r
}

func newLinkSummary(s perigee.Summary, c perigee.Comparison) LinkSummary {
	l := LinkSummary{
		Link: string(s.Sample.Stream.Link), Site: s.Sample.Stream.Site, Orbit: maybeOrbit(s.Orbit), Group: defined(s.Group, c.By != ""), Baseline: s.Baseline,
		TargetSummary: NewTargetSummary(s), FloorSeconds: maybeSeconds(s.Floor, s.FloorDefined),
		Plan: newPlanKept(s.Plan),
	}
	least, median, ok := s.FloorExcess()
	l.ExcessSeconds = FloorExcess{Min: maybeSeconds(least, ok), Median: maybeSeconds(median, ok)}
	l.Rates = Rates{Transfers: s.Rates.Count, Unsteady: s.Unsteady, Distribution: newDistribution(s.Rates)}
	return l
}

func newPlanKept(k perigee.PlanKept) PlanKept {
	share := func(met, of int) *float64 { return defined(float64(met)/float64(max(of, 1)), of > 0) }
	return PlanKept{
		Down: PlanRate{BitsPerSecond: defined(k.Plan.Down, k.Plan.Down > 0), Transfers: k.Down, Met: k.DownMet, MetRatio: share(k.DownMet, k.Down)},
		Up:   PlanRate{BitsPerSecond: defined(k.Plan.Up, k.Plan.Up > 0), Transfers: k.Up, Met: k.UpMet, MetRatio: share(k.UpMet, k.Up)},
		Availability: PlanAvailability{Ratio: defined(k.Plan.Availability, k.Plan.Availability > 0), Days: k.Days, Met: k.DaysMet,
			MetRatio: share(k.DaysMet, k.Days)},
	}
}

func newInterval(i perigee.Interval) Interval {
	bounded := i.Defined && i.Bounded
	return Interval{
		Estimate: maybeSeconds(i.Estimate, i.Defined), Low: maybeSeconds(i.Low, bounded),
		High: maybeSeconds(i.High, bounded), Confidence: defined(i.Confidence, bounded),
		PValue: maybeP(i.P, bounded), Needs: maybeSeconds(i.Needs, i.Defined && !bounded && i.Needs > 0),
	}
}

// maybeP writes a p-value with three digits, of which nobody needs more.
func maybeP(p float64, ok bool) *float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(p, 'g', 3, 64), 64)
	return defined(rounded, ok && err == nil)
}
