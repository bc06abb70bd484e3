package stats

import (
	"math"
	"testing"
	"time"
)

const windowTime = 10 * time.Second

func lasting(windows []Histogram) time.Duration { return time.Duration(len(windows)) * windowTime }

func drawWindows(l link, seed uint64, n int) []Histogram {
	windows, _ := measure(l, seeded(seed), n, 10)
	return windows
}

var medianAndP95 = []float64{0.5, 0.95}

// By hand: with 6 values the median lies between the smallest and the largest but for
// 2/64 of cases; with 20 between the 6th and the 15th but for 2 * 21700/2^20; the 0.9
// quantile of 22 below the largest but for 0.9^22 of them.
func TestEnclosingLevelsByHand(t *testing.T) {
	for _, c := range []struct{ q, n, alpha, low, high float64 }{
		{0.5, 6, 2.0 / 64, 0.5 / 6, 5.5 / 6},
		{0.5, 20, 2 * 21700.0 / (1 << 20), 5.5 / 20, 14.5 / 20},
		{0.9, 22, 2 * math.Pow(0.9, 22), math.NaN(), 21.5 / 22},
	} {
		low, ok := enclosingLevel(c.q, c.n*(1+1e-12), c.alpha, below)
		high, _ := enclosingLevel(c.q, c.n*(1+1e-12), c.alpha, above)
		if !ok || math.Abs(low-c.low) > 1e-6 || math.Abs(high-c.high) > 1e-6 {
			t.Errorf("enclosingLevel(%g, %g, %g) = %g, %g, %v, want %g, %g", c.q, c.n, c.alpha, low, high, ok, c.low, c.high)
		}
	}
	if _, ok := enclosingLevel(0.99, 366, 0.05, above); ok {
		t.Error("366 values enclose a 99th percentile in 95 % of cases, but 2 0.99^366 is 0.0505")
	}
}

// Asked the other way round the answer is the opposite, P the same; and P is below 0.05
// just where the interval excludes 0.
func TestQuantileDifferencesAgreeWithThemselves(t *testing.T) {
	different := 0
	for trial := range uint64(60) {
		shift := 0.0005 * float64(trial%7)
		a, b := drawWindows(steps(0.040, 0.008, 0.006), 2*trial, 120), drawWindows(steps(0.040+shift, 0.008, 0.006), 2*trial+1, 120)
		for _, reference := range []Reference{FromZero, FromMinimum} {
			forward := QuantileDifferences(a, b, lasting(a), medianAndP95, reference, 0.95)
			back := QuantileDifferences(b, a, lasting(a), medianAndP95, reference, 0.95)
			for i, f := range forward {
				o := back[i]
				if math.Abs(f.Estimate+o.Estimate) > 1e-12 || math.Abs(f.Low+o.High) > 1e-12 || math.Abs(f.High+o.Low) > 1e-12 || math.Abs(f.P-o.P) > 1e-7 {
					t.Errorf("a against b %+v, b against a %+v", f, o)
				}
				if !f.Bounded {
					continue // 20 min are just enough for most
				}
				if !(f.Low <= f.Estimate && f.Estimate <= f.High) || f.excludesZero() != (f.P < 0.05) {
					t.Errorf("trial %d: %+v", trial, f)
				}
				if f.excludesZero() {
					different++
				}
			}
		}
	}
	if different < 20 || different > 220 {
		t.Errorf("%d of 240 intervals exclude 0: too one-sided a test", different)
	}
}

// The p-value is where an interval asked for with that confidence ends at 0.
func TestPValueIsWhereTheIntervalEnds(t *testing.T) {
	a, b := drawWindows(steps(0.040, 0.005, 0.003), 1, 360), drawWindows(steps(0.0412, 0.005, 0.003), 2, 360)
	one := []float64{0.5}
	p := QuantileDifferences(a, b, lasting(a), one, FromZero, 0.95)[0].P
	in := QuantileDifferences(a, b, lasting(a), one, FromZero, 1-p)[0]
	if p < 1e-6 || p > 0.5 || math.Abs(max(in.Low, -in.High)) > 1e-3*(in.High-in.Low) {
		t.Errorf("with confidence 1 - %g: %+v, want one that ends at 0", p, in)
	}
	// Links apart have the smallest p-values that the data allow, and beyond.
	far := QuantileDifferences(a, drawWindows(steps(0.6, 0.008, 0.006), 2, 360), lasting(a), []float64{0.5, 0.95}, FromZero, 0.95)
	for _, in := range far {
		if !(in.P >= 0 && in.P < 1e-8) {
			t.Errorf("links 560 ms apart: %+v, want a p-value near 0", in)
		}
	}
}

// What hits both links at once cancels out: with a common level that wanders by 8 ms,
// the interval of paired windows is as narrow as without.
func TestQuantileDifferencesPairWindows(t *testing.T) {
	level := steps(0.060, 0.008, 0.0001)
	a, b := drawWindows(level, 1, 120), drawWindows(level, 1, 120)
	in := QuantileDifferences(a, b, lasting(a), []float64{0.5}, FromZero, 0.95)[0]
	if in.Estimate != 0 || in.High-in.Low > 0.0015 || in.P != 1 {
		t.Errorf("the same windows twice: %+v, want 0 within half a millisecond", in)
	}
}

func TestQuantileDifferencesUndefined(t *testing.T) {
	full := drawWindows(steps(0.040, 0.008, 0.006), 1, 60)
	for name, c := range map[string]struct{ a, b []Histogram }{
		"no_windows":        {nil, nil},
		"no_values_of_b":    {full, make([]Histogram, 60)},
		"different_lengths": {full, full[:59]},
	} {
		if in := QuantileDifferences(c.a, c.b, lasting(c.a), medianAndP95, FromZero, 0.95); in[0].Defined || in[0].Bounded {
			t.Errorf("%s: %+v, want undefined", name, in[0])
		}
	}
}

// A 95th percentile takes 20 min, a 99th 100: of an hour there is an estimate, and what
// a bound would need.
func TestQuantileDifferencesSayWhatTheyNeed(t *testing.T) {
	a, b := drawWindows(steps(0.040, 0.005, 0.003), 1, 360), drawWindows(steps(0.042, 0.005, 0.003), 2, 360)
	in := QuantileDifferences(a, b, lasting(a), []float64{0.5, 0.95, 0.99}, FromZero, 0.95)
	if !in[0].Bounded || in[0].Needs != 0 || !in[1].Bounded {
		t.Errorf("median and 95th percentile of an hour: %+v", in[:2])
	}
	if in[2].Bounded || !in[2].Defined || math.Abs(in[2].Needs-100.0/60) > 1e-9 {
		t.Errorf("99th percentile of an hour: %+v, want none, but from 100 min", in[2])
	}
	// Time alone is not enough: six windows have one cosine.
	if in := QuantileDifferences(a[:6], b[:6], time.Hour, []float64{0.5}, FromZero, 0.95)[0]; in.Bounded || !(in.Needs > 1) {
		t.Errorf("six windows: %+v, want no interval", in)
	}
}

// Windows in which one link has no values count for the other.
func TestQuantileDifferencesAllowEmptyWindows(t *testing.T) {
	a, b := drawWindows(steps(0.040, 0.008, 0.006), 1, 120), drawWindows(steps(0.140, 0.008, 0.006), 2, 120)
	for i := range a {
		if i%3 == 0 {
			a[i] = Histogram{}
		}
	}
	in := QuantileDifferences(a, b, lasting(a), []float64{0.5}, FromZero, 0.95)[0]
	if !in.Bounded || in.High > -0.09 || in.Low < -0.11 {
		t.Errorf("%+v, want about -0.1", in)
	}
}
