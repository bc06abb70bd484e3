package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee/stats"
)

const (
	tenth  = 100 * time.Millisecond
	minute = 600 // counts
)

// counts makes n of them from a function of the time in seconds.
func counts(n int, rate func(seconds float64) float64) []float64 {
	c := make([]float64, n)
	for i := range c {
		c[i] = rate(float64(i) / 10)
	}
	return c
}

func TestSteadyStateOfPlainSeries(t *testing.T) {
	outage := func(from, length float64) func(float64) float64 {
		return func(s float64) float64 {
			if s >= from && s < from+length {
				return 0
			}
			return 100
		}
	}
	for _, c := range []struct {
		name   string
		counts []float64
		found  bool
		ramp   int
		mean   float64 // bytes per second
		known  bool    // whether the error is
	}{
		{"nothing", nil, false, 0, 0, false},
		{"constant", counts(minute, func(float64) float64 { return 100 }), true, 0, 1000, true},
		{"all_zero", counts(minute, func(float64) float64 { return 0 }), false, minute, 0, false},
		{"one_count", []float64{100}, false, 1, 1000, false},
		{"half_a_second", counts(5, func(float64) float64 { return 100 }), false, 0, 1000, false},
		{"two_seconds_have_too_few_batches", counts(20, func(float64) float64 { return 100 }), true, 0, 1000, false},
		{"outage_in_the_middle", counts(minute, outage(30, 5)), true, 0, 1000 * 55.0 / 60, true},
		{"step_down", counts(minute, func(s float64) float64 { return 100 - 50*math.Floor(s/30) }), true, 0, 750, true},
		{"slow_decline_is_no_ramp", counts(minute, func(s float64) float64 { return 100 - s }), true, 0, 1000 - 10*29.95, true},
		{"growth_without_end", counts(minute, func(s float64) float64 { return s }), false, 490, 544.5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stats.SteadyState(c.counts, tenth, stats.SteadyOptions{RTT: 40 * time.Millisecond})
			_, known := s.Error()
			if s.Found != c.found || s.Ramp != c.ramp || math.Abs(s.Mean-c.mean) > 1e-9*c.mean || known != c.known || math.IsNaN(s.HalfWidth) == c.known {
				t.Errorf("got %+v, error known %v; want found %v, ramp %d, mean %g, error known %v", s, known, c.found, c.ramp, c.mean, c.known)
			}
		})
	}
}

// Noise may hide where a ramp ends, but it is no ramp: hardly anything is cut off, even
// where the rate wanders for seconds.
func TestNoiseIsNoRamp(t *testing.T) {
	for _, c := range []struct{ correlation, sd float64 }{{0, 0.1}, {0, 0.5}, {0.9, 0.3}, {0.97, 0.2}} {
		var ramps []float64
		for seed := range uint64(200) {
			next := noise(rand.New(rand.NewPCG(seed, 1)), c.correlation, c.sd)
			s := stats.SteadyState(counts(minute, func(float64) float64 { return next() }), tenth, stats.SteadyOptions{})
			ramps = append(ramps, float64(s.Ramp))
		}
		if _, p50, p95, _ := stats.Percentiles(ramps); p50 > 2 || p95 > 0.1*minute {
			t.Errorf("correlation %g, deviation %g: of %d counts %g are cut off in the median and %g at the 95th percentile, want at most 2 and %g",
				c.correlation, c.sd, minute, p50, p95, 0.1*minute)
		}
	}
}

// The first of a link's slots may be a slow one. That is no ramp, and a reason not to
// trust what one slot or two tell.
func TestSlots(t *testing.T) {
	levels := []float64{60, 100, 110, 90, 105}
	start := 4 * time.Second
	test := counts(minute, func(s float64) float64 { return levels[int((s+11)/15)] }) // 4 s of the first, 11 of the last
	o := stats.SteadyOptions{RTT: 40 * time.Millisecond, Slot: 15 * time.Second, SlotStart: start}

	if s := stats.SteadyState(test, tenth, o); s.Ramp != 0 {
		t.Errorf("a slow slot that comes first is taken for a ramp of %d counts", s.Ramp)
	}
	o.Slot, o.SlotStart = 0, 0
	if s := stats.SteadyState(test, tenth, o); s.Ramp != 40 {
		t.Errorf("without knowing of slots the ramp has %d counts, want those of the slow one, 40", s.Ramp)
	}

	// Slot and SlotStart are the same grid whichever slot's beginning is named.
	for _, shift := range []time.Duration{-30 * time.Second, -15 * time.Second, 0, 15 * time.Second} {
		o := stats.SteadyOptions{RTT: 40 * time.Millisecond, Slot: 15 * time.Second, SlotStart: start + shift}
		for _, c := range []struct {
			seconds        int
			known, precise bool // 49 s weigh as 3.5 slots, 60 as 4.3
		}{{10, false, false}, {19, false, false}, {34, false, false}, {49, true, false}, {60, true, true}} {
			s := stats.SteadyState(test[:10*c.seconds], tenth, o)
			if _, known := s.Error(); known != c.known || s.Precise(0.5) != c.precise {
				t.Errorf("slots from %v: after %d s the error is known: %v, to a half: %v; want %v, %v",
					o.SlotStart, c.seconds, known, s.Precise(0.5), c.known, c.precise)
			}
		}

		// By hand: five clusters of 4, 15, 15, 15 and 11 s with the levels above. They
		// weigh as 4.34 equal ones, and Student's t for 3.34 degrees of freedom is 3.01,
		// of which the expansion used is 2 % short. Batches may make it wider.
		s := stats.SteadyState(test, tenth, o)
		mean, variance := 0.0, 0.0
		lengths := []float64{4, 15, 15, 15, 11}
		for i, l := range lengths {
			mean += l / 60 * levels[i]
		}
		for i, l := range lengths {
			d := l / 60 * (levels[i] - mean)
			variance += 5.0 / 4 * d * d
		}
		if least := 10 * 2.95 * math.Sqrt(variance); s.HalfWidth < least || s.HalfWidth > 1.5*least {
			t.Errorf("slots from %v: half-width %g, want %g to %g", o.SlotStart, s.HalfWidth, least, 1.5*least)
		}
	}
}

// A test may not stop before it has seen what its sender does once in a period, nor
// while its rate has a trend, nor before its steady part is as long as asked.
func TestPreciseIsHeldBack(t *testing.T) {
	even := func(float64) float64 { return 100 }
	for _, c := range []struct {
		name    string
		seconds int
		rate    func(float64) float64
		o       stats.SteadyOptions
		want    bool
	}{
		{"twenty_batches_of_half_a_second", 10, even, stats.SteadyOptions{}, true},
		{"fewer", 9, even, stats.SteadyOptions{}, false},
		{"twenty_batches_of_two_round_trips", 24, even, stats.SteadyOptions{RTT: 600 * time.Millisecond}, true},
		{"fewer_on_a_long_path", 23, even, stats.SteadyOptions{RTT: 600 * time.Millisecond}, false},
		{"a_period_and_a_fifth", 12, even, stats.SteadyOptions{Period: 10 * time.Second}, true},
		{"a_period", 11, even, stats.SteadyOptions{Period: 10 * time.Second}, false},
		{"too_short_to_be_steady", 12, even, stats.SteadyOptions{MinSteady: 20 * time.Second}, false},
		{"long_enough_to_be_steady", 20, even, stats.SteadyOptions{MinSteady: 20 * time.Second}, true},
		{"a_trend", 60, func(s float64) float64 { return 100 + s/30 }, stats.SteadyOptions{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stats.SteadyState(counts(10*c.seconds, c.rate), tenth, c.o)
			if got := s.Precise(0.05); got != c.want {
				t.Errorf("Precise = %v for %+v, want %v", got, s, c.want)
			}
		})
	}
}

// In slow start what a round trip carries comes in one burst, and queues can make the
// time between bursts longer than the idle round trip. A burst is no rate.
func TestBurstIsNoRate(t *testing.T) {
	const trip = 9
	bursts := []int{1, 2, 4, 7, trip} // counts at full rate in each
	test := make([]float64, minute)
	for i := range test {
		if i%trip < bursts[min(i/trip, len(bursts)-1)] {
			test[i] = 100
		}
	}
	if s := stats.SteadyState(test, tenth, stats.SteadyOptions{RTT: 620 * time.Millisecond}); s.Ramp != 4*trip {
		t.Errorf("the ramp has %d counts, want %d", s.Ramp, 4*trip)
	}
}

// Stalls after the ramp may look like the repair of an overshoot. They are not left out
// at the price of having no steady part.
func TestRepairLeavesASteadyPart(t *testing.T) {
	test := counts(200, func(s float64) float64 {
		switch {
		case s < 6:
			return math.Exp2(s - 6)
		case s < 8 || s >= 16:
			return 1
		}
		return []float64{0.2, 1.4}[int(s)%2]
	})
	if s := stats.SteadyState(test, tenth, stats.SteadyOptions{RTT: 600 * time.Millisecond}); !s.Found || s.Ramp < 58 {
		t.Errorf("got %+v, want a steady part that begins after the rise", s)
	}
}

// Four seconds are long for fibre, and nothing for a geostationary satellite.
func TestSteadyPartIsMeasuredInRoundTrips(t *testing.T) {
	test := counts(40, func(float64) float64 { return 100 })
	for _, c := range []struct {
		rtt  time.Duration
		want bool
	}{{14 * time.Millisecond, true}, {500 * time.Millisecond, true}, {600 * time.Millisecond, false}} {
		if s := stats.SteadyState(test, tenth, stats.SteadyOptions{RTT: c.rtt}); s.Found != c.want {
			t.Errorf("with a round trip of %v 4 s are steady: %v, want %v", c.rtt, s.Found, c.want)
		}
	}
}

// The more confidence, the wider; and dependent counts are worth fewer than they are.
func TestSteadyError(t *testing.T) {
	next := noise(rand.New(rand.NewPCG(1, 2)), 0.9, 0.2)
	test := counts(minute, func(float64) float64 { return next() })
	at := func(confidence float64) stats.Steady {
		return stats.SteadyState(test, tenth, stats.SteadyOptions{Confidence: confidence})
	}
	plain, ninety, more := at(0), at(0.9), at(0.99)
	if plain.Confidence != 0.95 || ninety.HalfWidth >= plain.HalfWidth || more.HalfWidth <= plain.HalfWidth {
		t.Errorf("half-widths %g, %g and %g at 0.9, %g and 0.99", ninety.HalfWidth, plain.HalfWidth, more.HalfWidth, plain.Confidence)
	}
	// AR(1) with correlation 0.9: one in (1+0.9)/(1-0.9) = 19 counts, 31 of 598; the
	// widest of several batch lengths says fewer.
	if plain.Effective < 8 || plain.Effective > 45 {
		t.Errorf("Effective = %g, want some 30 at most", plain.Effective)
	}
}

func TestSecondRates(t *testing.T) {
	series := counts(45, func(s float64) float64 { return math.Floor(s) }) // 0, 1, 2, 3 and half of 4
	for _, c := range []struct {
		name   string
		counts []float64
		step   time.Duration
		ramp   int
		want   []float64
	}{
		{"whole_seconds_only", series, tenth, 0, []float64{0, 10, 20, 30}},
		{"after_the_ramp", series, tenth, 15, []float64{15, 25, 35}},
		{"ramp_is_all", series, tenth, 45, nil},
		{"less_than_a_second", series[:9], tenth, 0, nil},
		{"a_step_that_does_not_divide_a_second", []float64{4, 8, 8, 4, 1}, 400 * time.Millisecond, 0, []float64{20 / 1.2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := stats.SecondRates(c.counts, c.step, c.ramp)
			if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
				t.Errorf("SecondRates = %v, want %v", got, c.want)
			}
		})
	}
}

func TestPercentiles(t *testing.T) {
	values := []float64{40, 10, 30, 20, 0}
	p5, p50, p95, ok := stats.Percentiles(values)
	if !ok || math.Abs(p5-2) > 1e-9 || p50 != 20 || math.Abs(p95-38) > 1e-9 {
		t.Errorf("Percentiles = %g, %g, %g, %v, want 2, 20, 38", p5, p50, p95, ok)
	}
	if values[0] != 40 {
		t.Error("Percentiles changed the order of what it was given")
	}
	if _, _, _, ok := stats.Percentiles(nil); ok {
		t.Error("there are percentiles of nothing")
	}
}

// Looking every second must not disturb what is looked at: the sums of the counts are
// all that is kept of them.
func TestSteadyStateAllocatesLittle(t *testing.T) {
	for _, s := range []shape{starlink("", 0.2, 10*minute), geo("", 1.3, true)} {
		test := s.draw(rand.New(rand.NewPCG(1, 1)), 10*minute)
		if got := testing.AllocsPerRun(10, func() { stats.SteadyState(test.counts, tenth, test.options) }); got > 12 {
			t.Errorf("%g allocations, want 12 at most", got)
		}
	}
}

// BenchmarkSteadyState of ten minutes, the longest transfer, against a plain mean.
func BenchmarkSteadyState(b *testing.B) {
	test := geo("", 1.3, true).draw(rand.New(rand.NewPCG(1, 1)), 10*minute)
	var plain time.Duration
	sum := 0.0
	for b.Loop() {
		begin := time.Now()
		sum += naive(test.counts)
		plain += time.Since(begin)
		stats.SteadyState(test.counts, tenth, test.options)
	}
	if sum == 0 {
		b.Fatal("no counts")
	}
	b.ReportMetric(float64(b.Elapsed()-plain)/float64(plain), "times-a-mean")
}
