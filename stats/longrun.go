package stats

import "math"

// longRun is how sums of two series vary together, from one stretch as long as theirs
// to another.
type longRun struct {
	varianceA, varianceB, covariance float64

	// df is the degrees of freedom with which they are known: what is divided
	// by their root has Student's t distribution.
	df float64
}

// correlation returns that of the two sums, 0 if one does not vary.
func (l longRun) correlation() float64 {
	if l.varianceA <= 0 || l.varianceB <= 0 {
		return 0
	}
	return l.covariance / math.Sqrt(l.varianceA*l.varianceB)
}

// newLongRun estimates the variances and the covariance of the sums of a and b, whose
// elements may depend on their neighbours, by equal-weighted cosines (EWC: Müller
// 2004; Lazarus, Lewis, Stock & Watson, "HAR Inference: Recommendations for Practice",
// JBES 36, 2018): a and b are projected on the slowest cosines of the second type,
// 0.4 n^(2/3) of them, which are orthogonal to the mean and to each other; the mean
// square of the projections is the variance of the sum so far as the series change
// more quickly than the quickest of the cosines, and Student's t allows for their
// number.
//
// Nothing needs to be known of the dependence: an hour of 10 s windows has 20 cosines,
// the quickest of 6 min, and links whose level holds for less are judged right.
func newLongRun(a, b []float64) longRun {
	n := len(a)
	root := math.Cbrt(float64(n))
	terms := max(1, int(0.4*root*root))
	l := longRun{df: float64(terms)}
	for j := 1; j <= terms; j++ {
		// cos(step (i + 1/2)) for each i by the recurrence of Chebyshev.
		step := math.Pi * float64(j) / float64(n)
		twice := 2 * math.Cos(step)
		before, now := math.Cos(step/2), math.Cos(step/2)
		var sumA, sumB float64
		for i := range a {
			sumA += now * a[i]
			sumB += now * b[i]
			before, now = now, twice*now-before
		}
		l.varianceA += sumA * sumA
		l.varianceB += sumB * sumB
		l.covariance += sumA * sumB
	}
	scale := 2 / float64(terms)
	l.varianceA *= scale
	l.varianceB *= scale
	l.covariance *= scale
	return l
}
