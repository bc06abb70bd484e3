package stats

import (
	"math"
	"slices"
	"testing"
)

func distributionOf(values []float64) Distribution {
	var d Distribution
	for _, v := range values {
		d.Add(v)
	}
	return d
}

// An interpolated quantile is in the same bin as the exact one, so within 1.01 %, and
// never outside the extremes.
func TestHistogramQuantile(t *testing.T) {
	for name, draw := range delays {
		r := seeded(1)
		for _, n := range []int{1, 2, 50, 5000} {
			var values []float64
			for range n {
				values = append(values, draw(r))
			}
			h := distributionOf(values).Histogram()
			for _, q := range probabilities {
				got, resolution, ok := h.Quantile(q)
				want := exactQuantile(values, q)
				if !ok || math.Abs(got-want) > 0.0101*want || got < slices.Min(values) || got > slices.Max(values) {
					t.Errorf("%s, n %d: Quantile(%g) = %g, %v, want %g", name, n, q, got, ok, want)
				}
				if resolution < 0 || resolution > 0.00503*want {
					t.Errorf("%s, n %d: resolution %g of %g, want at most half a bin", name, n, resolution, want)
				}
			}
		}
	}
}

// If all values lie in one bin, the resolution is half of their range, whatever the
// bin: 20.00 to 20.02 ms spans 0.02 ms.
func TestHistogramResolutionWithinOneBin(t *testing.T) {
	h := distributionOf([]float64{0.02000, 0.02001, 0.02002}).Histogram()
	if len(h.bins) != 1 {
		t.Skip("the values are not in one bin")
	}
	if _, resolution, _ := h.Quantile(0.5); math.Abs(resolution-0.00001) > 1e-12 {
		t.Errorf("resolution %g, want 0.00001", resolution)
	}
}

// Interpolation moves smoothly where a bin's middle would jump by 1 %: of a uniform
// distribution over 0.5 to 0.7 s, with bins of 5 to 7 ms, every percentile is within
// 0.3 ms of the exact one (0.2 s / 20000 values: 0.01 ms apart).
func TestHistogramQuantileIsSmooth(t *testing.T) {
	var values []float64
	for i := range 20000 {
		values = append(values, 0.5+0.2*(float64(i)+0.5)/20000)
	}
	h := distributionOf(values).Histogram()
	for p := range 101 {
		q := float64(p) / 100
		got, _, _ := h.Quantile(q)
		if want := exactQuantile(values, q); math.Abs(got-want) > 0.0003 {
			t.Errorf("Quantile(%g) = %g, want %g", q, got, want)
		}
	}
}

func TestHistogramMerge(t *testing.T) {
	r := seeded(2)
	var all []float64
	var merged, empty Histogram
	for range 20 {
		var part []float64
		for range r.IntN(40) {
			part = append(part, delays["with_zeros"](r)+delays["two_levels"](r)*float64(r.IntN(2)))
		}
		all = append(all, part...)
		h := distributionOf(part).Histogram()
		before := slices.Clone(h.bins)
		merged.Merge(h)
		merged.Merge(empty)
		if !slices.Equal(h.bins, before) {
			t.Fatal("merging changed what was merged")
		}
	}
	want := distributionOf(all).Histogram()
	least, ok := merged.Min()
	if !slices.Equal(merged.bins, want.bins) || merged.Count() != want.Count() || !ok || least != want.min || merged.max != want.max {
		t.Errorf("merged %+v, want %+v", merged, want)
	}
	if _, ok := empty.Min(); ok {
		t.Error("Min of nothing is defined")
	}
	if _, _, ok := empty.Quantile(0.5); ok {
		t.Error("Quantile of nothing is defined")
	}
}

// Merging many at once is merging them one by one.
func TestMergeHistogramsAgreesWithMerge(t *testing.T) {
	r := seeded(3)
	for trial := range 200 {
		windows := make([]Histogram, r.IntN(12))
		var merged Histogram
		for i := range windows {
			var values []float64
			for range r.IntN(30) {
				values = append(values, delays["with_zeros"](r)+delays["wide"](r)*float64(r.IntN(2)))
			}
			windows[i] = distributionOf(values).Histogram()
			merged.Merge(windows[i])
		}
		got := MergeHistograms(windows)
		if got.count != merged.count || got.count > 0 && (got.min != merged.min || got.max != merged.max) || !slices.Equal(got.bins, merged.bins) {
			t.Fatalf("trial %d: %+v, want %+v", trial, got, merged)
		}
	}
}

// By hand: of the nine pairs of {1, 2, 3} and {2, 3, 9} six have a lower than b (1<2,
// 1<3, 1<9, 2<3, 2<9, 3<9), two are ties: (6 + 2/2)/9 = 7/9.
func TestProbabilityLowerByHand(t *testing.T) {
	a := distributionOf([]float64{1, 2, 3}).Histogram()
	b := distributionOf([]float64{2, 3, 9}).Histogram()
	if got, ok := ProbabilityLower(a, b, 0, 0); !ok || math.Abs(got-7.0/9) > 1e-12 {
		t.Errorf("ProbabilityLower = %g, %v, want 7/9", got, ok)
	}
	if got, _ := ProbabilityLower(b, a, 0, 0); math.Abs(got-2.0/9) > 1e-12 {
		t.Errorf("ProbabilityLower the other way = %g, want 2/9", got)
	}
	// From their own minima a is {0, 1, 2} and b {0, 1, 7}: lower in 0<1, 0<7,
	// 1<7, 2<7, ties 0 and 1: (4 + 1)/9.
	if got, _ := ProbabilityLower(a, b, 1, 2); math.Abs(got-5.0/9) > 0.12 {
		t.Errorf("ProbabilityLower of variation = %g, want about 5/9", got)
	}
	if _, ok := ProbabilityLower(a, Histogram{}, 0, 0); ok {
		t.Error("ProbabilityLower of nothing is defined")
	}
}

// Against counting all pairs; ties within a bin make the difference.
func TestProbabilityLowerAgreesWithCounting(t *testing.T) {
	r := seeded(4)
	for trial := range 50 {
		var a, b []float64
		for range 1 + r.IntN(60) {
			a = append(a, delays["exponential"](r))
		}
		for range 1 + r.IntN(60) {
			b = append(b, delays["exponential"](r)+0.01)
		}
		score, near := 0.0, 0.0
		for _, x := range a {
			for _, y := range b {
				if x < y {
					score++
				}
				if math.Abs(x-y) < 0.0101*x {
					near++
				}
			}
		}
		n := float64(len(a) * len(b))
		got, ok := ProbabilityLower(distributionOf(a).Histogram(), distributionOf(b).Histogram(), 0, 0)
		if !ok || math.Abs(got-score/n) > near/2/n+1e-9 {
			t.Errorf("trial %d: ProbabilityLower = %g, want %g within %g", trial, got, score/n, near/2/n)
		}
	}
}
