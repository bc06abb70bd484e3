package stats

import (
	"math"
	"testing"
)

// The coverage of [x(k), x(n+1-k)] is 1 - 2 P(B < k), B binomial (n, 1/2):
//
//	n 5: 1 - 2/32 = 0.9375, below 0.95: none
//	n 6: k 1: 1 - 2/64 = 0.96875
//	n 8: k 1: 1 - 2/256 = 0.9922; k 2: 1 - 2*9/256 = 0.9297, too little
//	n 9: k 2: 1 - 2*10/512 = 0.9609
//	n 20: k 6: 1 - 2*21700/1048576 = 0.9586; k 7 would be 0.8847
func TestSignInterval(t *testing.T) {
	for _, c := range []struct {
		n, k     int
		attained float64
	}{{6, 1, 0.96875}, {8, 1, 1 - 2.0/256}, {9, 2, 1 - 20.0/512}, {20, 6, 1 - 2*21700.0/1048576}} {
		var d []float64
		for i := range c.n {
			d = append(d, float64((i*7)%c.n)) // 0 to n-1 in another order
		}
		if c.n == 7 || c.n == 14 {
			t.Fatal("7 divides n")
		}
		low, high, attained, ok := SignInterval(d, 0.95)
		if !ok || low != float64(c.k-1) || high != float64(c.n-c.k) || math.Abs(attained-c.attained) > 1e-9 {
			t.Errorf("n %d: %g to %g, coverage %g, %v, want %d to %d, %g", c.n, low, high, attained, ok, c.k-1, c.n-c.k, c.attained)
		}
	}
	for n := range 6 {
		if _, _, _, ok := SignInterval(make([]float64, n), 0.95); ok {
			t.Errorf("n %d: an interval, want none", n)
		}
	}
}

// The promise itself: the true median is covered at least as often as attained, here
// for a skewed distribution.
func TestSignIntervalCovers(t *testing.T) {
	r := seeded(1)
	for _, n := range []int{6, 11, 30} {
		const trials = 40000
		covered, promised := 0, 0.0
		for range trials {
			d := make([]float64, n)
			for i := range d {
				d[i] = r.ExpFloat64() - math.Ln2 // median 0
			}
			low, high, attained, _ := SignInterval(d, 0.95)
			if low <= 0 && 0 <= high {
				covered++
			}
			promised = attained
		}
		// Three standard errors of a share of 40000.
		got := float64(covered) / trials
		if math.Abs(got-promised) > 3*math.Sqrt(promised*(1-promised)/trials) {
			t.Errorf("n %d: covered %.4f of the time, promised %.4f", n, got, promised)
		}
	}
}

// With all m differences of one sign and equal, 2 of 2^m sign patterns reach the sum;
// zeros say nothing.
func TestSignFlipByHand(t *testing.T) {
	for _, c := range []struct {
		d    []float64
		want float64
	}{
		{nil, 1},
		{[]float64{0, 0}, 1},
		{[]float64{1, 0, 1, 1, 1}, 2.0 / 16},
		{[]float64{-1, -1, -1, -1, -1, -1}, 2.0 / 64},
		// Sums of 3 ± 1 ± 1: 5 3 3 1 and their negatives; |sum| >= 3 in 6 of 8.
		{[]float64{3, 1, -1}, 6.0 / 8},
	} {
		if got := SignFlip(c.d, nil); got != c.want {
			t.Errorf("SignFlip(%v) = %g, want %g", c.d, got, c.want)
		}
	}
}

// Beyond 12 differences signs are drawn: of independent noise the p-value is below
// 0.05 about one time in twenty, and of a clear shift always.
func TestSignFlipByDrawing(t *testing.T) {
	r := seeded(2)
	const trials = 200
	alarms := 0
	for range trials {
		d := make([]float64, 40)
		for i := range d {
			d[i] = r.NormFloat64()
		}
		if SignFlip(d, r) <= 0.05 {
			alarms++
		}
		for i := range d {
			d[i] += 2
		}
		if p := SignFlip(d, r); p > 0.01 {
			t.Errorf("p = %g for a shift of two deviations", p)
		}
	}
	// 10 expected, standard deviation 3.1.
	if alarms < 1 || alarms > 20 {
		t.Errorf("%d of %d p-values below 0.05, want about 10", alarms, trials)
	}
}
