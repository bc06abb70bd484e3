package stats_test

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"perigee/stats"
)

// promise is what docs/metrics.md says of stopping early, by shape.
type promise struct {
	shape
	covered float64 // least share of the tests that stopped whose bound holds the mean of the whole test
	wrong   float64 // most share of all tests that stopped with a bound that does not
	saved   float64 // least share of time saved
}

// A test that looks every second and stops when its mean is known to 5 % reports a
// bound. It must hold the steady mean that the same test would have had in full.
func TestStoppingEarlyKeepsThePromise(t *testing.T) {
	trials := 100
	if os.Getenv("PERIGEE_LONG") != "" {
		trials = 2000
	}
	for _, c := range []promise{
		{fibre("fibre, noise of 8 %", 0.7, 0.08), 0.93, 0.05, 0.5},
		{fibre("fibre, noise of 25 %", 0.7, 0.25), 0.93, 0.05, 0},
		{fibre("fibre, wander within 2 s", 0.95, 0.08), 0.8, 0.05, 0},
		{fibre("fibre, wander within 10 s", 0.99, 0.08), 0, 0.05, 0},
		{starlink("starlink, slots differ by 20 %", 0.2, minute), 0, 0.01, 0},
		{starlink("starlink, slots differ by 5 %, 2 min", 0.05, 2*minute), 0.93, 0.05, 0.2},
		{starlink("starlink, slots differ by 2 %, 2 min", 0.02, 2*minute), 0.93, 0.05, 0.4},
		{geo("geo, queue of 30 %", 1.3, true), 0.93, 0.05, 0.3},
		{geo("geo, queue of 10 %", 1.1, true), 0.93, 0.05, 0},
		{geo("geo, no queue", 1, true), 0.93, 0.05, 0},
		{bbr("bbr, fibre", 14*time.Millisecond), 0.93, 0.05, 0.7},
		{bbr("bbr, starlink", 43*time.Millisecond), 0.93, 0.05, 0.7},
		{bbr("bbr, geo", 620*time.Millisecond), 0.93, 0.05, 0.2},
		{holding("geo, payload held back"), 0.93, 0.05, 0},
	} {
		stopped, held, saved, bound := 0.0, 0.0, 0.0, 0.0
		known, full := 0.0, 0.0
		for trial := range trials {
			r := rand.New(rand.NewPCG(uint64(trial), 5))
			long := c.draw(r, 4*c.length)
			test := long
			test.counts = long.counts[:c.length]
			whole := stats.SteadyState(test.counts, tenth, test.options)
			if _, ok := whole.Error(); ok {
				known++
				if math.Abs(whole.Mean-long.mean()) <= whole.HalfWidth {
					full++
				}
			}
			for n := 10; n < c.length; n += 10 {
				got := stats.SteadyState(test.counts[:n], tenth, test.options)
				if !got.Precise(0.05) {
					continue
				}
				e, _ := got.Error()
				if e > 0.05/1.05 {
					t.Errorf("%s: stopped with an error of %g", c.name, e)
				}
				stopped++
				bound += e
				saved += 1 - float64(n)/float64(c.length)
				if math.Abs(got.Mean-test.mean()) <= got.HalfWidth {
					held++
				}
				break
			}
		}
		n := float64(trials)
		covered, wrong := held/max(1, stopped), (stopped-held)/n
		t.Logf("%-36s %5.1f %% stopped, of which the bound held in %5.1f %%; wrong in %4.1f %% of all; time saved %2.0f %%; bound %.1f %%. In full: known in %3.0f %%, holds the mean of four times as long in %5.1f %%",
			c.name, 100*stopped/n, 100*covered, 100*wrong, 100*saved/n, 100*bound/max(1, stopped), 100*known/n, 100*full/max(1, known))
		if stopped >= 20 && covered < c.covered || wrong > c.wrong || saved/n < c.saved {
			t.Errorf("%s: bound held in %.3f of %g, wrong in %.3f of all, saved %.2f; want at least %g, at most %g, at least %g",
				c.name, covered, stopped, wrong, saved/n, c.covered, c.wrong, c.saved)
		}
	}
}

// On a geostationary link a mean over everything depends on how long the test was: of
// 10 s most is slow start. The steady mean does not.
func TestShortAndLongTestsAgreeOnGEO(t *testing.T) {
	const short = 100
	for seed := range uint64(100) {
		test := geo("", 1.3, false).draw(rand.New(rand.NewPCG(seed, 6)), minute)
		a := stats.SteadyState(test.counts[:short], tenth, test.options).Mean
		b := stats.SteadyState(test.counts, tenth, test.options).Mean
		if d := math.Abs(a/b - 1); d > 0.05 {
			t.Errorf("seed %d: steady means of 10 s and 60 s differ by %.1f %%, want 5 at most", seed, 100*d)
		}
		if d := 1 - naive(test.counts[:short])/naive(test.counts); d < 0.15 {
			t.Errorf("seed %d: the means of everything differ by %.1f %% only: the shape does not test what it is for", seed, 100*d)
		}
	}
}

// A short test may end while payload is held back, which its receiver counts when it comes.
// The steady mean does not lack it.
func TestHeldBackPayloadIsNotMissed(t *testing.T) {
	const trials, short = 1000, 100
	var off, naively []float64
	for seed := range uint64(trials) {
		test := holding("").draw(rand.New(rand.NewPCG(seed, 8)), short)
		got := stats.SteadyState(test.counts, tenth, test.options)
		if end := len(test.counts) - got.Held; got.Held < 0 || got.Ramp > end {
			t.Fatalf("seed %d: %d counts held back after a ramp of %d, of %d", seed, got.Held, got.Ramp, len(test.counts))
		}
		if !got.Found {
			continue
		}
		off = append(off, math.Abs(got.Mean/test.mean()-1))
		naively = append(naively, math.Abs(naive(test.counts[got.Ramp:])/test.mean()-1))
	}
	_, _, with, _ := stats.Percentiles(off)
	_, _, without, _ := stats.Percentiles(naively)
	t.Logf("%d of %d with a steady part, off by %.1f %% at the 95th percentile; by %.1f %% with what is held back", len(off), trials, 100*with, 100*without)
	if len(off) < trials*8/10 || with > 0.05 || without < 0.1 {
		t.Errorf("%d of %d with a steady part, off by %.3f at the 95th percentile, and %.3f if nothing is left out; want 8 of 10, 0.05 at most and 0.1 at least",
			len(off), trials, with, without)
	}
}

// Where the end of the ramp is known it is found within a round trip, or within two
// counts if that is longer. Noise may make it look later: by twelve counts at the most,
// for as long as anything counts as the repair of an overshoot.
func TestRampIsFoundWhereItEnds(t *testing.T) {
	for _, s := range []shape{
		fibre("fibre", 0.5, 0.05), starlink("starlink", 0.2, minute), geo("geo", 1.3, false), geo("geo with overshoot", 1.3, true),
		bbr("bbr, fibre", 14*time.Millisecond), bbr("bbr, leo", 80*time.Millisecond), bbr("bbr, geo", 620*time.Millisecond),
	} {
		var off []float64
		var trip float64
		for seed := range uint64(200) {
			test := s.draw(rand.New(rand.NewPCG(seed, 7)), s.length)
			off = append(off, math.Abs(float64(stats.SteadyState(test.counts, tenth, test.options).Ramp-test.ramp)))
			trip = math.Ceil(float64(test.options.RTT) / float64(tenth))
		}
		_, p50, p95, _ := stats.Percentiles(off)
		t.Logf("%s: off by %.0f counts in the median, %.0f at the 95th percentile, %.0f at most; a round trip has %.0f", s.name, p50, p95, slices.Max(off), trip)
		if p95 > max(2, trip) || slices.Max(off) > 12 {
			t.Errorf("%s: the ramp's end is off by %.0f counts at the 95th percentile and %.0f at most, want %.0f and 12", s.name, p95, slices.Max(off), max(2, trip))
		}
	}
}
