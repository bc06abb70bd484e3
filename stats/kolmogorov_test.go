package stats

import (
	"math"
	"slices"
	"testing"
)

// The distance of the values themselves, by trying every one of them, must lie between
// what the bins say for certain and what they allow.
func TestKolmogorovDistanceAgainstBruteForce(t *testing.T) {
	r := seeded(4)
	for trial := range 200 {
		draw := func(shift float64) []float64 {
			v := make([]float64, 1+r.IntN(300))
			for i := range v {
				v[i] = delays["exponential"](r) + delays["with_zeros"](r)*float64(trial%2) + shift
			}
			return v
		}
		a, b := draw(0), draw(0.02*r.Float64())
		referenceA, referenceB := 0.0, 0.0
		if trial%3 == 0 {
			referenceA, referenceB = slices.Min(a), slices.Min(b)
		}
		atMost := func(v []float64, reference, x float64) float64 {
			n := 0
			for _, y := range v {
				if y-reference <= x {
					n++
				}
			}
			return float64(n) / float64(len(v))
		}
		want := 0.0
		for _, x := range slices.Concat(a, b) {
			for _, reference := range []float64{referenceA, referenceB} {
				want = max(want, math.Abs(atMost(a, referenceA, x-reference)-atMost(b, referenceB, x-reference)))
			}
		}
		got, resolution, ok := KolmogorovDistance(distributionOf(a).Histogram(), distributionOf(b).Histogram(), referenceA, referenceB)
		if !ok || got > want+1e-9 || got+resolution < want-1e-9 {
			t.Errorf("trial %d: distance %g, up to %g more; values %g", trial, got, resolution, want)
		}
	}
}

func TestKolmogorovDistanceByHand(t *testing.T) {
	one := func(values ...float64) Histogram { return distributionOf(values).Histogram() }
	for _, c := range []struct {
		name string
		a, b Histogram
		want float64
	}{
		{"apart", one(0.01, 0.02), one(0.5, 0.6), 1},
		{"half", one(0.01, 0.5), one(0.5, 0.5), 0.5},
		{"alike", one(0.01, 0.5), one(0.01, 0.5), 0},
	} {
		got, _, ok := KolmogorovDistance(c.a, c.b, 0, 0)
		if !ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
		if back, _, _ := KolmogorovDistance(c.b, c.a, 0, 0); back != got {
			t.Errorf("%s: %g the one way, %g the other", c.name, got, back)
		}
	}
	if _, _, ok := KolmogorovDistance(Histogram{}, one(1), 0, 0); ok {
		t.Error("a distance from nothing")
	}
}
