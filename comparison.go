package perigee

import (
	"time"

	"perigee/stats"
)

// Summary is what one stream did over a range: a merged sample and what the outages
// say of it.
type Summary struct {
	Sample Sample // merged over the range; Singletons is nil
	Orbit  Orbit

	// Availability is 1 - the share of planned time inside outages;
	// meaningful if AvailabilityDefined.
	Availability        float64
	AvailabilityDefined bool

	// Floor is the least RTT that physics allows on this link, in seconds;
	// meaningful if FloorDefined.
	Floor        float64
	FloorDefined bool

	// Group is the part of a grouped comparison that this is of, and Baseline
	// tells that it is of the earlier period.
	Group    string
	Baseline bool

	// Rates are those of the steady transfers of a comparison by throughput, in
	// bits per second, and Unsteady is how many others there were.
	Rates    stats.Distribution
	Unsteady int

	Plan PlanKept
}

// FloorExcess returns by how much the smallest and the median RTT exceed the floor, in
// seconds. It reports false if there is no floor or no RTT.
func (s Summary) FloorExcess() (least, median float64, ok bool) {
	median, ok = s.Sample.RTT.Quantile(0.5)
	if !ok || !s.FloorDefined {
		return 0, 0, false
	}
	return s.Sample.RTT.Min - s.Floor, median - s.Floor, true
}

// Interval is an estimated difference with its confidence interval and p-value.
type Interval = stats.Interval

// Pair compares link A with link B: differences are A minus B. Where a period is compared
// with an earlier one, A and B are the same link, B in the earlier period.
type Pair struct {
	A, B   LinkID
	Target TargetID
	Group  string // the part of a grouped comparison that this is of

	MedianDifference Interval // of the metric's per-range median (mean for ratios and estimates)
	P95Difference    Interval // Defined only for distributions
	P99Difference    Interval // likewise

	// ProbabilityALower is the probability that a value of A, drawn at
	// random, is lower than one of B, ties counting half (Vargha & Delaney
	// 2000). Meaningful if ProbabilityDefined.
	ProbabilityALower  float64
	ProbabilityDefined bool

	// Distance is Kolmogorov's between the two distributions: the largest
	// difference of the shares of values at or below any value. Meaningful if
	// DistanceDefined.
	Distance        float64
	DistanceDefined bool

	// PCorrected is the p-value of the difference that the verdict is about,
	// corrected for the comparisons asked together (Holm 1979). Meaningful if
	// PDefined.
	PCorrected float64
	PDefined   bool

	Windows int           // clock windows in which both links were measured
	Grid    time.Duration // their length

	// EnoughData reports whether the interval that the verdict is about comes
	// from resampling blocks, which takes 10 min of common windows, and more for
	// high quantiles. If not, intervals are provisional or not Bounded: see
	// Compare.
	EnoughData bool
	Verdict    string // a sentence a person can quote
	Warnings   []string
}

// Comparison answers how links compare by one metric.
type Comparison struct {
	Metric   Metric
	Quantile float64 // of a distribution that verdicts are about
	From, To time.Time
	By       Grouping // empty if the range is compared as one

	// BaselineFrom and BaselineTo are the earlier period that each link is
	// compared with, zero if links are compared with each other.
	BaselineFrom, BaselineTo time.Time

	// Made says what made the results of the range, and before it of the earlier
	// period, if there is one.
	Made []Provenance

	Links    []Summary
	Pairs    []Pair
	Warnings []string // of links, if the comparison is grouped; of pairs otherwise
}

// Grouping tells by what a comparison is divided.
type Grouping string

// The groupings.
const (
	ByHour    Grouping = "hour"    // of the day
	ByWeekday Grouping = "weekday" // Monday to Sunday
	ByDate    Grouping = "day"
	ByPhase   Grouping = "phase" // second of Starlink's slots; needs single probes
	ByLoad    Grouping = "load"
	ByTarget  Grouping = "target"
	ByFamily  Grouping = "family"
)

// Groupings lists every Grouping.
var Groupings = []Grouping{ByHour, ByWeekday, ByDate, ByPhase, ByLoad, ByTarget, ByFamily}

// CompareQuery asks for a Comparison.
type CompareQuery struct {
	Site     string
	Links    []LinkID // all if empty
	Metric   MetricName
	From, To time.Time
	Target   TargetID // empty: the target that all the links share
	Family   Family   // empty: ipv4 if measured, else ipv6
	Load     Load     // empty: idle, and down for rtt_loaded

	// Quantile is that of a distribution which verdicts are about: 0.5, 0.95 or
	// 0.99; 0.5 if 0.
	Quantile float64

	By          Grouping       // empty: the range as one
	Zone        *time.Location // that hours, weekdays and days are of; UTC if nil
	LeapSeconds int            // that phases are counted with; LeapSeconds if 0

	// Baseline is the link that all others are compared with; each with every
	// other if empty.
	Baseline LinkID

	// BaselineFrom begins an earlier period that each link is compared with, of
	// links compared with each other if zero. BaselineTo ends it; if zero it is as
	// long as the range, but ends before it.
	BaselineFrom, BaselineTo time.Time
}
