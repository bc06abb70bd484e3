package stats

import (
	"math"
	"testing"
)

func TestDistributionMoments(t *testing.T) {
	// 2 4 4 4 5 5 7 9: mean 40/8 = 5, squared deviations 9+1+1+1+0+0+4+16 = 32,
	// standard deviation sqrt(32/7).
	var d Distribution
	for _, v := range []float64{2, 4, 4, 4, 5, 5, 7, 9} {
		d.Add(v)
	}
	sd, ok := d.Stddev()
	if d.Count != 8 || d.Min != 2 || d.Max != 9 || d.Mean != 5 || !ok || math.Abs(sd-math.Sqrt(32.0/7)) > 1e-12 {
		t.Errorf("got %+v, stddev %g, %v", d, sd, ok)
	}
}

func TestDistributionUndefined(t *testing.T) {
	var d Distribution
	if v, ok := d.Quantile(0.5); ok {
		t.Errorf("Quantile of nothing = %g, true", v)
	}
	d.Add(1)
	if v, ok := d.Stddev(); ok {
		t.Errorf("Stddev of one value = %g, true", v)
	}
	if v, ok := d.Quantile(0.3); !ok || v != 1 {
		t.Errorf("Quantile of one value = %g, %v, want the value", v, ok)
	}
}

// Merging parts in any grouping gives what adding all values to one gives.
func TestDistributionMerge(t *testing.T) {
	r := seeded(1)
	for name, draw := range delays {
		var whole, merged Distribution
		parts := make([]Distribution, 5)
		for range 2000 {
			v := draw(r)
			whole.Add(v)
			parts[r.IntN(4)].Add(v) // the last stays empty
		}
		var tail Distribution
		tail.Merge(parts[4])
		tail.Merge(parts[2])
		tail.Merge(parts[3])
		before := parts[0].Count
		merged.Merge(parts[0])
		merged.Merge(parts[1])
		merged.Merge(tail)
		if parts[0].Count != before || parts[0].Sketch.Count() != before {
			t.Errorf("%s: merging changed what was merged", name)
		}
		if merged.Count != whole.Count || merged.Min != whole.Min || merged.Max != whole.Max ||
			math.Abs(merged.Mean-whole.Mean) > 1e-12*whole.Mean || math.Abs(merged.M2-whole.M2) > 1e-9*whole.M2+1e-18 {
			t.Errorf("%s: merged %+v, want %+v", name, merged, whole)
		}
		for _, q := range probabilities {
			got, _ := merged.Quantile(q)
			if want, _ := whole.Quantile(q); got != want {
				t.Errorf("%s: Quantile(%g) = %g, want %g", name, q, got, want)
			}
		}
	}
}

// Quantiles never leave the exact extremes, though a bin's middle may.
func TestDistributionQuantileWithinExtremes(t *testing.T) {
	r := seeded(2)
	for name, draw := range delays {
		var d Distribution
		for range 100 {
			d.Add(draw(r))
		}
		low, _ := d.Quantile(0)
		high, _ := d.Quantile(1)
		if low < d.Min || high > d.Max {
			t.Errorf("%s: quantiles from %g to %g, values from %g to %g", name, low, high, d.Min, d.Max)
		}
	}
}
