package stats

import (
	"math"
	"slices"
	"testing"
)

// The block length that theory gives for the mean of a first-order autoregression is
// (2 g^2 / d)^(1/3) n^(1/3) with g = sum |k| R(k) and d = 4/3 (sum R(k))^2, so for
// correlation c: cube root of 6 (c / (1 - c^2))^2 n. The estimate must be of that size.
func TestBlockLengthOfAutoregression(t *testing.T) {
	r := seeded(1)
	const n = 2000
	for _, c := range []float64{0, 0.5, 0.8} {
		want := math.Max(1, math.Cbrt(6*math.Pow(c/(1-c*c), 2)*n))
		var lengths []float64
		for range 30 {
			series := make([]float64, n)
			level := r.NormFloat64()
			for i := range series {
				level = c*level + math.Sqrt(1-c*c)*r.NormFloat64()
				series[i] = level
			}
			lengths = append(lengths, BlockLength(series))
		}
		slices.Sort(lengths)
		if got := lengths[len(lengths)/2]; got < want*0.6 || got > want*1.6+1 {
			t.Errorf("correlation %g: median length %g, want about %.1f", c, got, want)
		}
	}
}

func TestBlockLengthWithoutVariation(t *testing.T) {
	for _, series := range [][]float64{nil, {1, 2}, make([]float64, 100)} {
		if got := BlockLength(series); got != 1 {
			t.Errorf("BlockLength of %d equal values = %g, want 1", len(series), got)
		}
	}
}
