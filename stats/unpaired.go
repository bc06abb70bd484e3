package stats

import (
	"math"
	"time"
)

// UnpairedQuantileDifferences is QuantileDifferences for what was measured at different
// times, such as a link this week and the week before: a and b may be of different
// length, and vary independently of each other. Measured is how long the shorter of the
// two was measured.
func UnpairedQuantileDifferences(a, b []Histogram, measured time.Duration, qs []float64, reference Reference, confidence float64) []Interval {
	return quantileDifferences(a, b, measured, qs, reference, confidence, newApart)
}

// UnpairedMeanDifference is MeanDifference for what was measured at different times, by
// Welch's t (1947).
func UnpairedMeanDifference(a, b []Ratio, confidence float64) Interval {
	x, y := sharesOf(a), sharesOf(b)
	if x.whole <= 0 || y.whole <= 0 {
		return Interval{}
	}
	in := Interval{Estimate: x.ratio - y.ratio, Confidence: confidence, Defined: true}
	if n := min(len(a), len(b)); n < leastMeans {
		in.Needs = leastMeans / float64(n)
		return in
	}
	for i := range x.scores {
		x.scores[i] /= x.whole
	}
	for i := range y.scores {
		y.scores[i] /= y.whole
	}
	known := newApart(x.scores, y.scores)
	in.boundBy(known.varianceA+known.varianceB, known.df, max(math.Abs(x.ratio), math.Abs(y.ratio)))
	return in
}

// UnpairedShareDifference is ShareDifference for what was measured at different times.
func UnpairedShareDifference(a, b []Ratio, confidence float64) Interval {
	return shareDifference(a, b, confidence, newApart)
}

// newApart is newLongRun for two series that do not belong together. The degrees of
// freedom are those of the sum of both variances (Satterthwaite 1946).
func newApart(a, b []float64) longRun {
	x, y := newLongRun(a, a), newLongRun(b, b)
	l := longRun{varianceA: x.varianceA, varianceB: y.varianceA, df: min(x.df, y.df)}
	if sum := l.varianceA + l.varianceB; sum > 0 {
		shareA, shareB := l.varianceA/sum, l.varianceB/sum
		l.df = 1 / (shareA*shareA/x.df + shareB*shareB/y.df)
	}
	return l
}
