package stats

import (
	"math"
	"time"
)

// Reference says from what a distribution's values are counted.
type Reference int

// The references.
const (
	FromZero    Reference = iota
	FromMinimum           // the smallest value: packet delay variation (RFC 5481)
)

// QuantileDifferences returns, for each of qs, the difference between the q-quantile
// of all of a's windows together and that of b's, with its interval. a[i] and b[i] are
// the same clock window; windows without values are allowed. An estimate is not
// Defined if a or b has no values at all.
//
// The interval of one quantile is Woodruff's (1952): levels between which its own
// level lies, read from the distribution. The levels are those between which order
// statistics of independent values enclose a quantile (Clopper-Pearson's beta, as in
// David & Nagaraja, "Order Statistics", 7.1), of as many values as the dependent ones
// are worth: the variance of the share of values at or below the quantile says how
// many (Korn & Graubard 1998; see newLongRun for the dependence, within windows and
// between them). The two intervals are joined by MOVER (Zou & Donner 2008), with the
// correlation of the two shares, so that what hit both links together cancels out.
//
// An interval is not Bounded, and says what it Needs, unless leastBeyond of the time
// measured lies beyond the quantile on either side, and values worth enough. How much
// is enough is asked of the time, not of the data: ranges that happened to see few
// extremes look as if they knew the tail well.
//
// The interval includes the resolution of both quantiles (see Histogram.Quantile).
func QuantileDifferences(a, b []Histogram, measured time.Duration, qs []float64, reference Reference, confidence float64) []Interval {
	if len(a) != len(b) {
		return make([]Interval, len(qs))
	}
	return quantileDifferences(a, b, measured, qs, reference, confidence, newLongRun)
}

// quantileDifferences is QuantileDifferences with how windows depend on each other.
func quantileDifferences(a, b []Histogram, measured time.Duration, qs []float64, reference Reference, confidence float64, depend func(a, b []float64) longRun) []Interval {
	intervals := make([]Interval, len(qs))
	wholeA, wholeB := MergeHistograms(a), MergeHistograms(b)
	if wholeA.count == 0 || wholeB.count == 0 {
		return intervals
	}
	var originA, originB, originError float64
	if reference == FromMinimum {
		originA, originB, originError = wholeA.min, wholeB.min, minimumError(a, b)
	}
	for i, q := range qs {
		x, y := newQuantile(wholeA, a, q), newQuantile(wholeB, b, q)
		together := depend(x.scores, y.scores)
		x.weigh(together.varianceA)
		y.weigh(together.varianceB)
		in := Interval{Estimate: (x.value - originA) - (y.value - originB), Confidence: confidence, Defined: true}
		in.Needs = max(needs(q, measured), x.needs(together.df, confidence), y.needs(together.df, confidence))
		if in.Needs > 1+1e-9 {
			intervals[i] = in
			continue
		}
		in.Needs = 0
		in.bound(func(l level, s side) (distance float64, ok bool) {
			ofX, okX := x.margin(l, s)
			ofY, okY := y.margin(l, s.other())
			distance = math.Hypot(combined(ofX, ofY, together.correlation()), l.z*originError)
			return distance + x.resolution + y.resolution, okX && okY
		}, together.df)
		intervals[i] = in
	}
	return intervals
}

// leastBeyond is how much of the time measured must lie beyond a quantile: four of
// Starlink's slots. So a median takes 2 min, a 95th percentile 20, a 99th 100. With
// less, simulation shows intervals that hold in fewer than 92 % of cases
// (docs/metrics.md).
const leastBeyond = time.Minute

// needs returns how many times as long must be measured for the q-quantile.
func needs(q float64, measured time.Duration) float64 {
	return leastBeyond.Seconds() / (min(q, 1-q) * measured.Seconds())
}

// combined is the margin of a difference with margins x and y of its two sides, whose
// errors are correlated (Zou & Donner, "Construction of confidence limits about effect
// measures", Statistics in Medicine 27, 2008).
func combined(x, y, correlation float64) float64 {
	return math.Sqrt(max(x*x+y*y-2*correlation*x*y, 0))
}
