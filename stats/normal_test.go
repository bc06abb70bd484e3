package stats

import (
	"math"
	"testing"
)

// Student's t from tables: 0.975 with 9 degrees of freedom is 2.2622, with 59 2.0010;
// 0.995 with 9 is 3.2498; with 1 it is Cauchy's, tan(pi (p - 1/2)). The normal's 0.975
// is 1.959964, and 1e-9 is -5.997807.
func TestQuantilesOfTables(t *testing.T) {
	for _, c := range []struct{ p, df, want float64 }{
		{0.975, 9, 2.26216}, {0.975, 59, 2.00100}, {0.995, 9, 3.24984}, {0.025, 9, -2.26216},
		{0.975, 4, 2.77645}, {0.975, 1, 12.70620}, {1e-4, 1, -3183.0988}, {0.5, 3, 0},
	} {
		if got := studentQuantile(c.p, c.df); math.Abs(got-c.want) > 1e-5*max(1, math.Abs(c.want)) {
			t.Errorf("studentQuantile(%g, %g) = %g, want %g", c.p, c.df, got, c.want)
		}
	}
	for _, c := range []struct{ p, want float64 }{{0.975, 1.959964}, {1e-9, -5.997807}, {0.5, 0}} {
		if got := normalQuantile(c.p); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("normalQuantile(%g) = %g, want %g", c.p, got, c.want)
		}
	}
	if got := normalCDF(-1.959964); math.Abs(got-0.025) > 1e-6 {
		t.Errorf("normalCDF(-1.96) = %g", got)
	}
}

// I_x(a, n-a+1) is the chance of at least a successes of n, for whole a, added up here
// term by term.
func TestBetaCDFIsTheBinomialTail(t *testing.T) {
	for _, n := range []int{1, 5, 60, 380} {
		for _, p := range []float64{0.003, 0.4, 0.99} {
			for _, a := range []int{1, n/3 + 1, n} {
				want := binomialTail(n, a, p)
				if got := betaCDF(p, float64(a), float64(n-a+1)); math.Abs(got-want) > 1e-9 {
					t.Errorf("betaCDF(%g, %d, %d) = %.12g, want %.12g", p, a, n-a+1, got, want)
				}
			}
		}
	}
	// The arcsine distribution: 2/pi asin(sqrt(x)).
	if got, want := betaCDF(0.2, 0.5, 0.5), 2/math.Pi*math.Asin(math.Sqrt(0.2)); math.Abs(got-want) > 1e-12 {
		t.Errorf("betaCDF(0.2, 1/2, 1/2) = %g, want %g", got, want)
	}
}

func TestCrossing(t *testing.T) {
	for name, c := range map[string]struct {
		low, high, want float64
		f               func(float64) float64
	}{
		"straight":       {0, 10, 3, func(x float64) float64 { return x - 3 }},
		"flat_then_step": {0, 1, 0.7, func(x float64) float64 { return math.Tanh(1e4 * (x - 0.7)) }},
		"cubic":          {-1, 2, 0, func(x float64) float64 { return x * x * x }},
		"all_above":      {1, 2, 1, func(x float64) float64 { return x }},
		"all_below":      {-2, -1, -1, func(x float64) float64 { return x }},
	} {
		if got := crossing(c.low, c.high, c.f); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %g, want %g", name, got, c.want)
		}
	}
}

// Where many values begin, the approximation and the exact function, as a sum of the
// binomial's terms, agree, far into the tails that p-values look at.
func TestBetaOfMany(t *testing.T) {
	for _, q := range []float64{0.5, 0.95, 0.99} {
		n := math.Ceil(manyValues / (1 - q) * 1.2)
		for deviations := -5.0; deviations <= 5; deviations += 0.5 {
			k := math.Round(q*n + deviations*math.Sqrt(n*q*(1-q)))
			want := binomialTail(int(n), int(k), q)
			if got := betaOfMany(q, k, n+1-k); math.Abs(got-want) > 3e-5 || math.Abs(got-want) > 0.05*min(want, 1-want)+1e-9 {
				t.Errorf("I_%g(%g, %g) = %g, want %g", q, k, n+1-k, got, want)
			}
		}
	}
}

// binomialTail is the chance of at least a successes of n, term by term.
func binomialTail(n, a int, p float64) float64 {
	sum := 0.0
	for k := a; k <= n; k++ {
		gn, _ := math.Lgamma(float64(n + 1))
		gk, _ := math.Lgamma(float64(k + 1))
		gr, _ := math.Lgamma(float64(n - k + 1))
		sum += math.Exp(gn - gk - gr + float64(k)*math.Log(p) + float64(n-k)*math.Log(1-p))
	}
	return sum
}
