package stats

import (
	"math"
	"slices"
	"testing"
)

// Student's t from tables: 0.975 with 9 degrees of freedom is 2.2622, with 59 2.0010;
// 0.995 with 9 is 3.2498. The normal's 0.975 is 1.959964.
func TestQuantilesOfTables(t *testing.T) {
	for _, c := range []struct{ p, df, want, within float64 }{
		{0.975, 9, 2.2622, 0.0005}, {0.975, 59, 2.0010, 0.0001}, {0.995, 9, 3.2498, 0.003}, {0.025, 9, -2.2622, 0.0005},
		{0.975, 4, 2.7764, 0.01},
	} {
		if got := studentQuantile(c.p, c.df); math.Abs(got-c.want) > c.within {
			t.Errorf("studentQuantile(%g, %g) = %g, want %g", c.p, c.df, got, c.want)
		}
	}
	if got := normalQuantile(0.975); math.Abs(got-1.959964) > 1e-6 {
		t.Errorf("normalQuantile(0.975) = %g", got)
	}
	if got := normalCDF(-1.959964); math.Abs(got-0.025) > 1e-6 {
		t.Errorf("normalCDF(-1.96) = %g", got)
	}
}

// For 10 blocks: 2.2622 sqrt(10/9) = 2.3846, beyond which a normal has 0.00855; for
// many it is 0.025.
func TestExpandedTail(t *testing.T) {
	if got := expandedTail(0.95, 10); math.Abs(got-0.00855) > 0.0001 {
		t.Errorf("expandedTail(0.95, 10) = %g, want 0.00855", got)
	}
	if got := expandedTail(0.95, 1e6); math.Abs(got-0.025) > 1e-5 {
		t.Errorf("expandedTail(0.95, 1e6) = %g, want 0.025", got)
	}
}

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

func drawWindows(p process, seed uint64, n int) []Histogram {
	next := p(seeded(seed))
	list := make([]Histogram, n)
	for i := range list {
		list[i] = next()
	}
	return list
}

// The same question has the same answer, and asked the other way round the opposite.
func TestBootstrapIsReproducibleAndAntisymmetric(t *testing.T) {
	a, b := drawWindows(slots(0.040, 0.008, 0.006), 1, 90), drawWindows(slots(0.042, 0.008, 0.006), 2, 90)
	ask := func(a, b []Histogram, reference Reference) []Interval {
		return Bootstrap{Block: 6, Rand: seeded(9)}.QuantileDifferences(a, b, simulatedQuantiles, reference)
	}
	for _, reference := range []Reference{FromZero, FromMinimum} {
		forward, again, back := ask(a, b, reference), ask(a, b, reference), ask(b, a, reference)
		for i := range forward {
			if forward[i] != again[i] {
				t.Errorf("asked twice: %+v and %+v", forward[i], again[i])
			}
			f, o := forward[i], back[i]
			if math.Abs(f.Estimate+o.Estimate) > 1e-12 || math.Abs(f.Low+o.High) > 1e-12 || math.Abs(f.High+o.Low) > 1e-12 {
				t.Errorf("a against b %+v, b against a %+v", f, o)
			}
			if !(f.Low <= f.Estimate && f.Estimate <= f.High) {
				t.Errorf("estimate outside its interval: %+v", f)
			}
		}
	}
}

// What hits both links at once cancels out: with a common level that wanders by 8 ms,
// the interval of paired windows is as narrow as without.
func TestBootstrapPairsWindows(t *testing.T) {
	level := slots(0.060, 0.008, 0.0001)
	a, b := drawWindows(level, 1, 120), drawWindows(level, 1, 120)
	in := Bootstrap{Block: 6, Rand: seeded(9)}.QuantileDifferences(a, b, []float64{0.5}, FromZero)[0]
	if in.Estimate != 0 || in.High-in.Low > 0.0015 {
		t.Errorf("the same windows twice: %+v, want 0 within half a millisecond", in)
	}
}

func TestBootstrapUndefined(t *testing.T) {
	full := drawWindows(slots(0.040, 0.008, 0.006), 1, 60)
	boot := Bootstrap{Block: 6, Rand: seeded(9)}
	for name, c := range map[string]struct{ a, b []Histogram }{
		"no_windows":        {nil, nil},
		"no_values_of_b":    {full, make([]Histogram, 60)},
		"different_lengths": {full, full[:59]},
	} {
		if in := boot.QuantileDifferences(c.a, c.b, simulatedQuantiles, FromZero); in[0].Defined || in[0].Bounded {
			t.Errorf("%s: %+v, want undefined", name, in[0])
		}
	}
	if in := boot.QuantileDifferences(full[:8], full[:8], simulatedQuantiles, FromZero)[0]; !in.Defined || in.Bounded {
		t.Errorf("less than two blocks: %+v, want an estimate without bounds", in)
	}
	if in := boot.RatioDifference(nil, nil); in.Defined {
		t.Errorf("no ratios: %+v, want undefined", in)
	}
	nothing := make([]Ratio, 60)
	if in := boot.RatioDifference(nothing, nothing); in.Defined {
		t.Errorf("nothing sent: %+v, want undefined", in)
	}
	for i := range nothing {
		nothing[i].Whole = 50
	}
	if in := boot.RatioDifference(nothing, nothing); !in.Defined || in.Bounded {
		t.Errorf("nothing lost: %+v, want an estimate without bounds", in)
	}
}

// Windows in which one link has no values count for the other.
func TestBootstrapAllowsEmptyWindows(t *testing.T) {
	a, b := drawWindows(slots(0.040, 0.008, 0.006), 1, 120), drawWindows(slots(0.140, 0.008, 0.006), 2, 120)
	for i := range a {
		if i%3 == 0 {
			a[i] = Histogram{}
		}
	}
	in := Bootstrap{Block: 6, Rand: seeded(9)}.QuantileDifferences(a, b, []float64{0.5}, FromZero)[0]
	if !in.Bounded || in.High > -0.09 || in.Low < -0.11 {
		t.Errorf("%+v, want about -0.1", in)
	}
}

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

// Four events against none could be chance (2^-3 = 0.125); ten are not (2^-9).
func TestRatioDifferenceOfRareEvents(t *testing.T) {
	none := lostIn(0, 12)
	four := Bootstrap{Block: 6, Rand: seeded(1)}.RatioDifference(lostIn(4, 12), none)
	if !four.Bounded || four.Low > 0 {
		t.Errorf("four events against none: %+v, want an interval with 0", four)
	}
	ten := Bootstrap{Block: 6, Rand: seeded(1)}.RatioDifference(lostIn(10, 12), none)
	if !ten.Bounded || ten.Low <= 0 || math.Abs(ten.Estimate-10.0/6000) > 1e-12 {
		t.Errorf("ten events against none: %+v, want 10/6000 and an interval without 0", ten)
	}
}

func BenchmarkCompareHour(b *testing.B) {
	x, y := drawWindows(slots(0.040, 0.008, 0.006), 1, 360), drawWindows(slots(0.600, 0.008, 0.02), 2, 360)
	for b.Loop() {
		Bootstrap{Block: 6, Resamples: 1000, Rand: seeded(1)}.QuantileDifferences(x, y, simulatedQuantiles, FromZero)
	}
}
