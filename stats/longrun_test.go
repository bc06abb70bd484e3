package stats

import (
	"math"
	"testing"
)

// The sum of n values of a first-order autoregression of correlation c and variance 1
// has variance n (1+c)/(1-c) for large n; and what two series share is their covariance.
func TestLongRunOfAutoregressions(t *testing.T) {
	const n, trials = 1000, 400
	for _, c := range []float64{0, 0.5, -0.3} {
		r := seeded(5)
		var varianceA, correlation float64
		for range trials {
			a, b := make([]float64, n), make([]float64, n)
			x, y, common := r.NormFloat64(), r.NormFloat64(), 0.0
			for i := range a {
				x = c*x + math.Sqrt(1-c*c)*r.NormFloat64()
				y = c*y + math.Sqrt(1-c*c)*r.NormFloat64()
				common = c*common + math.Sqrt(1-c*c)*r.NormFloat64()
				a[i], b[i] = x+common+100, y+common-7 // a constant is no variation
			}
			l := newLongRun(a, b)
			varianceA += l.varianceA / trials
			correlation += l.correlation() / trials
		}
		// Sums of two, each of variance n (1+c)/(1-c); half of it is common. An
		// average of 400 estimates with 40 degrees of freedom is within
		// 3 sqrt(2/40/400) = 3.4 % of the truth; 5 % with a small bias.
		want := 2 * n * (1 + c) / (1 - c)
		if math.Abs(varianceA/want-1) > 0.05 || math.Abs(correlation-0.5) > 0.03 {
			t.Errorf("correlation %g: variance %g, want %g; correlation of sums %.3f, want 0.5", c, varianceA, want, correlation)
		}
	}
}

func TestLongRunCountsItsCosines(t *testing.T) {
	for n, want := range map[int]float64{1: 1, 6: 1, 60: 6, 360: 20, 1000: 40} {
		if got := newLongRun(make([]float64, n), make([]float64, n)).df; got != want {
			t.Errorf("%d windows: %g degrees of freedom, want %g", n, got, want)
		}
	}
	if got := newLongRun(make([]float64, 9), []float64{1, 2, 3, 1, 2, 3, 1, 2, 3}).correlation(); got != 0 {
		t.Errorf("correlation with what does not vary = %g, want 0", got)
	}
}
