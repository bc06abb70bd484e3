package stats

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// A process makes the values of one link in one window after another.
type process func(r *rand.Rand) func() Histogram

const perWindow = 50 // values in a window of 10 s

// ar1 is a link whose level wanders with the given correlation from one window to the
// next.
func ar1(base, correlation, step, sd float64) process {
	return func(r *rand.Rand) func() Histogram {
		level := step * r.NormFloat64()
		return func() Histogram {
			level = correlation*level + math.Sqrt(1-correlation*correlation)*step*r.NormFloat64()
			var d Distribution
			for range perWindow {
				d.Add(max(base+level+sd*r.NormFloat64(), base/4))
			}
			return d.Histogram()
		}
	}
}

// slots is a link whose level is drawn anew every 15 s, its noise skewed.
func slots(base, step, sd float64) process {
	return func(r *rand.Rand) func() Histogram {
		packet, level := 0, 0.0
		return func() Histogram {
			var d Distribution
			for range perWindow {
				if packet%75 == 0 {
					level = step * r.NormFloat64()
				}
				packet++
				d.Add(max(base+level+sd*r.ExpFloat64(), base/4))
			}
			return d.Histogram()
		}
	}
}

// losses is a link on which probes are lost alone with probability p, and bursts of 10
// begin with probability q.
func losses(p, q float64) func(r *rand.Rand) func() Ratio {
	return func(r *rand.Rand) func() Ratio {
		burst := 0
		return func() Ratio {
			w := Ratio{Whole: perWindow}
			for range perWindow {
				if r.Float64() < q {
					burst = 10
				}
				if burst > 0 || r.Float64() < p {
					w.Part++
				}
				burst = max(burst-1, 0)
			}
			return w
		}
	}
}

var simulatedQuantiles = []float64{0.5, 0.95}

// rates are the shares of trials in which intervals excluded 0 and covered the truth.
type rates struct{ excludeZero, cover, width float64 }

// simulate compares two links for n windows, trials times, by the median and the 95th
// percentile, whose true differences are both truth.
func simulate(a, b process, n, trials int, truth float64, reference Reference) [2]rates {
	var sum [2]rates
	for trial := range trials {
		r := rand.New(rand.NewPCG(uint64(trial), 77))
		nextA, nextB := a(r), b(r)
		ha, hb, differences := make([]Histogram, n), make([]Histogram, n), make([]float64, n)
		for i := range n {
			ha[i], hb[i] = nextA(), nextB()
			ma, _, _ := ha[i].Quantile(0.5)
			mb, _, _ := hb[i].Quantile(0.5)
			differences[i] = ma - mb
		}
		boot := Bootstrap{Block: blockFor(differences), Rand: r}
		for i, in := range boot.QuantileDifferences(ha, hb, simulatedQuantiles, reference) {
			sum[i].add(in, truth, trials)
		}
	}
	return sum
}

// simulateRatios is simulate for ratios.
func simulateRatios(a, b func(*rand.Rand) func() Ratio, n, trials int, truth float64) rates {
	var sum rates
	for trial := range trials {
		r := rand.New(rand.NewPCG(uint64(trial), 78))
		nextA, nextB := a(r), b(r)
		ra, rb, differences := make([]Ratio, n), make([]Ratio, n), make([]float64, n)
		for i := range n {
			ra[i], rb[i] = nextA(), nextB()
			differences[i] = ra[i].Part/ra[i].Whole - rb[i].Part/rb[i].Whole
		}
		sum.add(Bootstrap{Block: blockFor(differences), Rand: r}.RatioDifference(ra, rb), truth, trials)
	}
	return sum
}

func (s *rates) add(in Interval, truth float64, trials int) {
	share := 1 / float64(trials)
	if in.Bounded && (in.Low > 0 || in.High < 0) {
		s.excludeZero += share
	}
	if !in.Bounded || in.Low <= truth && truth <= in.High {
		s.cover += share
	}
	s.width += (in.High - in.Low) * share
}

// blockFor chooses blocks as comparisons do: of 6 windows of 10 s at least, and of as
// many as the differences ask for, but not so many that fewer than 5 blocks remain.
func blockFor(differences []float64) int {
	return max(6, min(int(BlockLength(differences)), len(differences)/5))
}

// Two links that are alike must rarely be told apart: in 5 % of comparisons by
// definition, and never in much more. And what differs must be found.
//
// The rates of 1000 trials, which docs/metrics.md states, are logged with
// PERIGEE_LONG=1; without, fewer trials keep a grosser watch.
func TestIntervalsKeepTheirPromise(t *testing.T) {
	trials, long := 40, os.Getenv("PERIGEE_LONG") != ""
	if long {
		trials = 1000
	}
	// limit is three standard errors above a rate.
	limit := func(rate float64) float64 { return rate + 3*math.Sqrt(rate*(1-rate)/float64(trials)) }
	for _, c := range []struct {
		name  string
		link  process
		n     int
		alarm float64 // the largest of the four rates, as measured, at least 0.025
		slow  bool    // only with PERIGEE_LONG
	}{
		{"independent", ar1(0.040, 0, 0, 0.004), 60, 0.025, false},
		{"steps of 15 s", slots(0.040, 0.008, 0.006), 60, 0.059, false},
		{"steps of 15 s", slots(0.040, 0.008, 0.006), 120, 0.075, true},
		{"steps of 15 s", slots(0.040, 0.008, 0.006), 360, 0.058, true},
		{"wander of 14 s", ar1(0.040, 0.5, 0.004, 0.004), 60, 0.075, false},
		{"wander of 45 s", ar1(0.040, 0.8, 0.004, 0.004), 60, 0.159, true},
		{"wander of 45 s", ar1(0.040, 0.8, 0.004, 0.004), 360, 0.083, true},
		{"wander of 195 s", ar1(0.040, 0.95, 0.004, 0.004), 360, 0.177, true},
		{"geo", ar1(0.620, 0, 0, 0.015), 60, 0.025, false},
		{"fibre", ar1(0.014, 0, 0, 0.00003), 60, 0.025, false},
	} {
		if c.slow && !long {
			continue
		}
		rtt := simulate(c.link, c.link, c.n, trials, 0, FromZero)
		pdv := simulate(c.link, c.link, c.n, trials, 0, FromMinimum)
		t.Logf("%s, %d windows: false alarms by RTT median %.3f, p95 %.3f, by PDV median %.3f, p95 %.3f",
			c.name, c.n, rtt[0].excludeZero, rtt[1].excludeZero, pdv[0].excludeZero, pdv[1].excludeZero)
		for _, r := range []rates{rtt[0], rtt[1], pdv[0], pdv[1]} {
			if r.excludeZero > limit(c.alarm) {
				t.Errorf("%s, %d windows: %.3f false alarms, want at most %.3f", c.name, c.n, r.excludeZero, limit(c.alarm))
			}
		}
	}

	few := max(trials/2, 30)
	for _, c := range []struct {
		n     int
		shift float64
		power float64 // at least, for the median
	}{{60, 0.008, 0.7}, {360, 0.004, 0.9}} {
		got := simulate(slots(0.040+c.shift, 0.008, 0.006), slots(0.040, 0.008, 0.006), c.n, few, c.shift, FromZero)
		t.Logf("steps of 15 s, %d windows, shifted by %g ms: found by median %.3f, p95 %.3f; covered %.3f, %.3f; width %.2f, %.2f ms", c.n, c.shift*1e3,
			got[0].excludeZero, got[1].excludeZero, got[0].cover, got[1].cover, got[0].width*1e3, got[1].width*1e3)
		if got[0].excludeZero < c.power || 1-got[0].cover > limit(0.08) || 1-got[1].cover > limit(0.08) {
			t.Errorf("shift of %g ms in %d windows: %+v", c.shift*1e3, c.n, got)
		}
	}

	for _, c := range []struct {
		name         string
		a, b         func(*rand.Rand) func() Ratio
		n            int
		truth        float64
		alarm, power float64
	}{
		{"alone, 1 %", losses(0.01, 0), losses(0.01, 0), 60, 0, 0.025, 0},
		{"alone, 0.02 %", losses(0.0002, 0), losses(0.0002, 0), 120, 0, 0.025, 0},
		{"bursts, rare", losses(0, 0.0002), losses(0, 0.0002), 120, 0, 0.025, 0},
		{"bursts, often", losses(0, 0.002), losses(0, 0.002), 360, 0, 0.05, 0},
		{"0.5 % against 1.5 %", losses(0.005, 0), losses(0.015, 0), 120, -0.01, 1, 0.8},
	} {
		got := simulateRatios(c.a, c.b, c.n, trials, c.truth)
		t.Logf("loss %s, %d windows: told apart %.3f, covered %.3f", c.name, c.n, got.excludeZero, got.cover)
		if got.excludeZero > limit(c.alarm)+1e-9 || got.excludeZero < c.power || 1-got.cover > limit(0.08) {
			t.Errorf("loss %s: %+v", c.name, got)
		}
	}
}
