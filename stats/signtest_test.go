package stats

import (
	"math"
	"slices"
	"testing"
)

// The coverage of [x(k), x(n+1-k)] is 1 - 2 P(B < k), B binomial (n, 1/2):
//
//	n 5: 1 - 2/32 = 0.9375, below 0.95: none
//	n 6: k 1: 1 - 2/64 = 0.96875
//	n 8: k 1: 1 - 2/256 = 0.9922; k 2: 1 - 2*9/256 = 0.9297, too little
//	n 9: k 2: 1 - 2*10/512 = 0.9609
//	n 20: k 6: 1 - 2*21700/1048576 = 0.9586; k 7 would be 0.8847
func TestSignTest(t *testing.T) {
	for _, c := range []struct{ n, k int }{{6, 1}, {8, 1}, {9, 2}, {20, 6}} {
		var d []float64
		for i := range c.n {
			d = append(d, float64((i*7)%c.n)) // 0 to n-1 in another order
		}
		in := SignTest{Confidence: 0.95}.Interval(3, d)
		low, high := min(float64(c.k-1), 3), float64(c.n-c.k)
		if !in.Bounded || in.Low != low || in.High != high || in.Estimate != 3 {
			t.Errorf("n %d: %+v, want %g to %g", c.n, in, low, high)
		}
	}
	for n := range 6 {
		if in := (SignTest{Confidence: 0.95}).Interval(0, make([]float64, n)); in.Bounded || in.Needs != 6/float64(max(n, 1)) {
			t.Errorf("n %d: %+v, want no interval but with 6", n, in)
		}
	}
}

// P is twice the chance that as few differences lie on the other side: none of 8 is
// 2/256, one of 8 is 18/256; and it agrees with the interval, however widened.
func TestSignTestP(t *testing.T) {
	d := []float64{-1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		d    []float64
		test SignTest
		want float64
	}{
		{d, SignTest{}, 18.0 / 256},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, SignTest{}, 2.0 / 256},
		{[]float64{-1, -2, -3, -4, -5, -6, -7, -8}, SignTest{}, 2.0 / 256},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, SignTest{Margin: 1.5}, 18.0 / 256},
		// Widened by a quarter: 1 - 7/4 is below 0, and 2 - 5/4 is not.
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, SignTest{Widening: 0.25}, 18.0 / 256},
		{[]float64{0, 1, 1, 1, 1, 1, 1, 1}, SignTest{}, 18.0 / 256},
		{[]float64{-4, -3, -2, -1, 1, 2, 3, 4}, SignTest{}, 1},
	} {
		c.test.Confidence = 0.95
		in := c.test.Interval(c.d[len(c.d)-1], c.d)
		if math.Abs(in.P-c.want) > 1e-12 || (in.P <= 0.05) != in.excludesZero() {
			t.Errorf("%v by %+v: %+v, want P %g", c.d, c.test, in, c.want)
		}
	}
}

// The promise itself: the true median is covered at least as often as promised, here
// for a skewed distribution.
func TestSignTestCovers(t *testing.T) {
	r := seeded(1)
	for _, c := range []struct {
		n        int
		promised float64
	}{{6, 1 - 2.0/64}, {11, 1 - 2*12.0/2048}, {30, 0.957226}} {
		const trials = 40000
		covered := 0
		for range trials {
			d := make([]float64, c.n)
			for i := range d {
				d[i] = r.ExpFloat64() - math.Ln2 // median 0
			}
			slices.Sort(d)
			in := SignTest{Confidence: 0.95}.Interval(d[c.n/2], d)
			if in.Low <= 0 && 0 <= in.High {
				covered++
			}
		}
		// Three standard errors of a share of 40000.
		got := float64(covered) / trials
		if math.Abs(got-c.promised) > 3*math.Sqrt(c.promised*(1-c.promised)/trials) {
			t.Errorf("n %d: covered %.4f of the time, promised %.4f", c.n, got, c.promised)
		}
	}
}
