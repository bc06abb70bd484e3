package stats

import (
	"math"
	"testing"
)

// lostIn returns 120 windows of 50 packets with one lost in each of the first n of
// every spacing-th.
func lostIn(n, spacing int) []Ratio {
	list := make([]Ratio, 120)
	for i := range list {
		list[i].Whole = 50
		if i%spacing == 0 && i/spacing < n {
			list[i].Part = 1
		}
	}
	return list
}

// Four events against none could be chance (2^-3 = 0.125), six hardly (2^-5 = 0.03): if
// each has its fate alone, and spread out as these are, nearly that many are needed.
func TestShareDifferenceOfRareEvents(t *testing.T) {
	none := lostIn(0, 9)
	four := ShareDifference(lostIn(4, 9), none, 0.95)
	if !four.Bounded || four.Low > 0 || four.P < 0.05 {
		t.Errorf("four events against none: %+v, want an interval with 0", four)
	}
	ten := ShareDifference(lostIn(13, 9), none, 0.95)
	if !ten.Bounded || ten.Low <= 0 || ten.P > 0.05 || math.Abs(ten.Estimate-13.0/6000) > 1e-12 {
		t.Errorf("13 events against none: %+v, want 13/6000 and an interval without 0", ten)
	}
	if back := ShareDifference(none, lostIn(13, 9), 0.95); math.Abs(back.High+ten.Low) > 1e-12 || math.Abs(back.P-ten.P) > 1e-9 {
		t.Errorf("the other way round: %+v, want the opposite of %+v", back, ten)
	}
}

// Clopper & Pearson for 3 of 10 and none of 10, from tables: 0.0667 to 0.6525, 0 to
// 0.3085.
func TestSharesMarginsOfTables(t *testing.T) {
	for _, c := range []struct{ ratio, low, high float64 }{{0.3, 0.06674, 0.65245}, {0, 0, 0.30850}, {1, 0.69150, 1}} {
		s := &shares{ratio: c.ratio, worth: 10}
		l := levelOf(-studentQuantile(0.025, 1e9), 1e9)
		low, high := c.ratio-s.margin(l, below), c.ratio+s.margin(l, above)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%g of 10: %g to %g, want %g to %g", c.ratio, low, high, c.low, c.high)
		}
	}
}

func TestRatioDifferencesUndefined(t *testing.T) {
	nothing, some := make([]Ratio, 60), lostIn(3, 9)[:60]
	for name, f := range map[string]func(a, b []Ratio, confidence float64) Interval{"share": ShareDifference, "mean": MeanDifference} {
		if in := f(nil, nil, 0.95); in.Defined {
			t.Errorf("%s: no ratios: %+v, want undefined", name, in)
		}
		if in := f(nothing, some, 0.95); in.Defined {
			t.Errorf("%s: nothing sent: %+v, want undefined", name, in)
		}
		if in := f(some, some[:59], 0.95); in.Defined {
			t.Errorf("%s: different lengths: %+v, want undefined", name, in)
		}
		if in := f(lostIn(0, 9), lostIn(0, 9), 0.95); !in.Defined || in.Bounded || in.Needs != 0 {
			t.Errorf("%s: nothing lost: %+v, want an estimate without bounds", name, in)
		}
	}
	if in := MeanDifference(some[:10], some[:10], 0.95); !in.Defined || in.Bounded || in.Needs != leastMeans/10.0 {
		t.Errorf("10 windows: %+v, want an estimate, and %g times as much asked for", in, leastMeans/10.0)
	}
}

// Student's t of the differences, whose projections are made by hand: with 16 windows
// there are two cosines.
func TestMeanDifferenceByHand(t *testing.T) {
	a, b := make([]Ratio, 16), make([]Ratio, 16)
	differences := []float64{3, -1, 4, 1, -5, 9, 2, 6, -5, 3, 5, 8, 9, 7, -9, 3}
	mean, sums := 0.0, [2]float64{}
	for i, d := range differences {
		a[i], b[i] = Ratio{10 + d, 1}, Ratio{10, 1}
		mean += d / 16
		for j := range sums {
			sums[j] += d * math.Cos(math.Pi*float64(j+1)*(float64(i)+0.5)/16)
		}
	}
	deviation := math.Sqrt(sums[0]*sums[0]+sums[1]*sums[1]) / 16
	in := MeanDifference(a, b, 0.95)
	// 4.302653 is Student's t for 0.975 and 2; its P is 1 - t/sqrt(2 + t^2).
	ratio := mean / deviation
	if math.Abs(in.Estimate-mean) > 1e-12 || math.Abs(in.High-mean-4.302653*deviation) > 1e-5 || math.Abs(in.P-(1-ratio/math.Sqrt(2+ratio*ratio))) > 1e-6 {
		t.Errorf("%+v, want %g, deviation %g", in, mean, deviation)
	}
}

// A ratio that is the same throughout but for rounding bounds nothing.
func TestRatioDifferencesSeeNoVariationInRounding(t *testing.T) {
	a, b := make([]Ratio, 100), make([]Ratio, 100)
	for i := range a {
		whole := 1 + float64(i)/7
		a[i], b[i] = Ratio{whole * 0.1, whole}, Ratio{whole * 0.3, whole}
	}
	for name, in := range map[string]Interval{"share": ShareDifference(a, b, 0.95), "mean": MeanDifference(a, b, 0.95)} {
		if !in.Defined || in.Bounded || math.Abs(in.Estimate+0.2) > 1e-12 {
			t.Errorf("%s: %+v, want -0.2 without bounds", name, in)
		}
	}
}
