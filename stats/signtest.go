package stats

import (
	"math"
	"slices"
)

// SignTest makes intervals of a handful of differences.
type SignTest struct {
	Confidence float64

	// Widening is the share of its width by which an interval is moved out at
	// either end, and Margin the distance: for differences that are less
	// independent, or less exact, than the test takes them to be.
	Widening, Margin float64
}

// Interval returns the narrowest interval between order statistics of differences that
// covers their median with at least the confidence asked, whatever their distribution,
// provided they are independent (the inversion of the sign test; David & Nagaraja,
// "Order Statistics", 7.1). The interval from the k-th smallest to the k-th largest of
// n covers it with 1 - 2 P(B < k), B being binomial (n, 1/2). It is then widened, and
// extended to estimate. It is not Bounded if even the range from minimum to maximum
// covers less: at 95 %, below n = 6. P is 2 P(B < k) for the widest interval, widened,
// that excludes 0, so exact.
func (s SignTest) Interval(estimate float64, differences []float64) Interval {
	in := Interval{Estimate: estimate, Confidence: s.Confidence, Defined: true, P: 1}
	sorted := slices.Sorted(slices.Values(differences))
	n := len(sorted)
	tail := 0.0                    // P(B < k)
	term := math.Exp2(-float64(n)) // P(B = k - 1)
	for k := 1; k <= n/2; k++ {
		tail += term
		term *= float64(n-k+1) / float64(k)
		low, high := sorted[k-1], sorted[n-k]
		margin := s.Widening*(high-low) + s.Margin
		narrower := Interval{Low: min(low-margin, estimate), High: max(high+margin, estimate), Bounded: true}
		if 1-2*tail >= s.Confidence {
			in.Low, in.High, in.Bounded = narrower.Low, narrower.High, true
		}
		if narrower.excludesZero() {
			in.P = min(in.P, 2*tail)
		}
	}
	if !in.Bounded {
		in.P = 0
		in.Needs = signTestLeast(s.Confidence) / float64(max(n, 1))
	}
	return in
}

// signTestLeast returns the least number of differences that have an interval: their
// range covers the median but for 2^(1-n) of cases.
func signTestLeast(confidence float64) float64 {
	return math.Ceil(1 - math.Log2(1-confidence))
}
