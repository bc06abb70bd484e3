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
}

// Interval is an estimated difference with its confidence interval and p-value.
type Interval = stats.Interval

// Pair compares link A with link B: differences are A minus B.
type Pair struct {
	A, B   LinkID
	Target TargetID

	MedianDifference Interval // of the metric's per-range median (mean for ratios and estimates)
	P95Difference    Interval // Defined only for distributions

	// ProbabilityALower is the probability that a value of A, drawn at
	// random, is lower than one of B, ties counting half (Vargha & Delaney
	// 2000). Meaningful if ProbabilityDefined.
	ProbabilityALower  float64
	ProbabilityDefined bool

	Windows int // clock windows in which both links were measured

	// EnoughData reports whether there are 10 min of common windows. If not,
	// intervals are provisional or not Bounded: see Compare.
	EnoughData bool
	Verdict    string // a sentence a person can quote
	Warnings   []string
}

// Comparison answers how links compare by one metric.
type Comparison struct {
	Metric   Metric
	From, To time.Time
	Links    []Summary
	Pairs    []Pair
}

// CompareQuery asks for a Comparison.
type CompareQuery struct {
	Site     string
	Links    []LinkID // all if empty
	Metric   MetricName
	From, To time.Time
	Target   TargetID // empty: the target that all the links share
	Family   Family   // empty: ipv4 if measured, else ipv6
	Load     Load     // idle if empty
}
