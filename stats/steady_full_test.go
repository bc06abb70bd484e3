package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"perigee/stats"
)

// A few round trips are steady if the link was seen to be full and carried the same all
// the time. Nobody having looked, they are taken for steady as they were.
func TestShortSteadyPartsProveThemselves(t *testing.T) {
	const trip = 620 * time.Millisecond
	after := func(seconds, rate float64, then func(float64) float64) func(float64) float64 {
		return func(s float64) float64 {
			switch {
			case s < 2.5:
				return math.Exp2(math.Floor(s/0.62) - 5)
			case s < seconds:
				return rate
			}
			return then(s)
		}
	}
	whole := func(float64) float64 { return 1 }
	dip := func(at float64) func(float64) float64 {
		return func(s float64) float64 {
			if s >= at && s < at+1 {
				return 0.3
			}
			return 1
		}
	}
	from := func(seconds float64) func(float64) bool { return func(s float64) bool { return s >= seconds } }
	never := func(float64) bool { return false }
	for _, c := range []struct {
		name     string
		counts   int
		rate     func(float64) float64
		full     func(float64) bool // nil: nobody looked
		found    bool
		from, to float64 // between which the ramp ends, in seconds
		mean     float64
	}{
		{"full_from_the_ramp_on", 100, after(2.5, 1, whole), from(2.5), true, 2.4, 2.6, 10},
		{"never_full", 100, after(9.5, 0.8, whole), never, false, 2.4, 2.6, 8.13},
		{"never_full_and_nobody_looked", 100, after(9.5, 0.8, whole), nil, true, 2.4, 2.6, 8.13},
		{"full_later", 100, after(5, 0.93, whole), from(5), true, 5, 5, 10},
		{"full_later_and_nobody_looked", 100, after(5, 0.93, whole), nil, true, 2.4, 2.6, 9.77},
		{"four_round_trips", 50, after(2.5, 1, whole), from(2.5), true, 2.4, 2.6, 10},
		{"three", 44, after(2.5, 1, whole), from(2.5), false, 2.4, 2.6, 10},
		{"full_for_less_than_half", 100, after(2.5, 1, whole), func(s float64) bool { return s > 2.4 && s < 6 }, false, 2.4, 2.6, 10},
		{"full_and_then_just_filled", 100, after(6.5, 1, func(float64) float64 { return 0.99 }), func(s float64) bool { return s > 2.4 && s < 6.5 }, true, 2.4, 2.6, 9.95},
		{"full_and_then_not", 100, after(6.5, 1, func(float64) float64 { return 0.93 }), func(s float64) bool { return s > 2.4 && s < 6.5 }, false, 2.4, 2.6, 9.67},
		{"a_burst_of_losses", 100, after(2.5, 1, dip(7)), from(2.5), false, 2.4, 2.6, 9.08},
		{"in_a_minute_that_may_be", 600, after(2.5, 1, dip(30)), from(2.5), true, 2.4, 2.6, 9.88},
		{"twenty_seconds_never_full", 200, after(70, 0.8, whole), never, false, 2.4, 2.6, 8},
		{"a_minute_needs_no_proof", 600, after(70, 0.8, whole), never, true, 2.4, 2.6, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := stats.SteadyOptions{RTT: trip, InOrder: counts(c.counts, c.rate)}
			if c.full != nil {
				o.Full = make([]bool, c.counts)
				for i := range o.Full {
					o.Full[i] = c.full(float64(i) / 10)
				}
			}
			s := stats.SteadyState(counts(c.counts, c.rate), tenth, o)
			if ramp := float64(s.Ramp) / 10; s.Found != c.found || ramp < c.from || ramp > c.to || math.Abs(s.Mean-c.mean) > 0.02*c.mean || s.Held != 0 {
				t.Errorf("got %+v, want found %v, a ramp of %v to %v s, mean %v", s, c.found, c.from, c.to, c.mean)
			}
		})
	}
}

// A sender that leaves its rate every ten seconds has not been seen in less.
func TestShortSteadyPartsHoldTheSendersPeriod(t *testing.T) {
	for length, want := range map[int]bool{90: false, 110: true} {
		full := make([]bool, length)
		for i := range full {
			full[i] = true
		}
		s := stats.SteadyState(counts(length, func(float64) float64 { return 1 }), tenth, stats.SteadyOptions{RTT: 620 * time.Millisecond, Full: full, Period: 10 * time.Second})
		if s.Found != want {
			t.Errorf("%d counts: steady %v, want %v", length, s.Found, want)
		}
	}
}

// Over a short path a queue comes and goes within a count: it moves no ramp.
func TestFullnessIsForLongPaths(t *testing.T) {
	next := noise(rand.New(rand.NewPCG(3, 1)), 0, 0.1)
	test := counts(minute, func(float64) float64 { return next() })
	o := stats.SteadyOptions{RTT: 14 * time.Millisecond}
	want := stats.SteadyState(test, tenth, o)
	o.Full = make([]bool, minute)
	for i := 5; i < minute; i++ {
		o.Full[i] = true
	}
	if got := stats.SteadyState(test, tenth, o); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What a test has not met may come next: the shorter it was, the less it may claim.
func TestEvenArrivalsClaimNoMoreThanTheyMet(t *testing.T) {
	for _, c := range []struct {
		seconds int
		rtt     time.Duration
		want    float64 // of the mean
	}{
		{10, 14 * time.Millisecond, 0.025}, // a quarter of a second
		{60, 14 * time.Millisecond, 0.25 / 60},
		{60, 600 * time.Millisecond, 0.01},
	} {
		test := counts(10*c.seconds, func(float64) float64 { return 1 })
		o := stats.SteadyOptions{RTT: c.rtt}
		if e, ok := stats.SteadyState(test, tenth, o).Error(); !ok || e != 0 {
			t.Errorf("%d s at %v of a program: an error of %v, %v, want 0", c.seconds, c.rtt, e, ok)
		}
		o.InOrder = test
		if e, ok := stats.SteadyState(test, tenth, o).Error(); !ok || math.Abs(e-c.want) > 1e-9 {
			t.Errorf("%d s at %v by arrival: an error of %v, %v, want %v", c.seconds, c.rtt, e, ok, c.want)
		}
	}
}

// Losses show in what a program got. The mean is that of what arrived, its error is no less
// than a program would tell.
func TestArrivalsAreNoSurerThanAProgram(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	got := holding("").draw(r, minute)
	next := noise(r, 0, 0.01)
	arrived := counts(minute, func(s float64) float64 { return next() * min(1, math.Exp2(10*s/6-5)) })
	program := stats.SteadyState(got.counts, tenth, got.options)
	o := got.options
	o.InOrder = got.counts
	s := stats.SteadyState(arrived, tenth, o)
	if s.Held != 0 || math.Abs(s.Mean-10) > 0.1 || s.HalfWidth < 0.8*program.HalfWidth || s.HalfWidth < 0.05 {
		t.Errorf("got %+v, want a mean of 10 and the error of %+v", s, program)
	}
}

// What a program gets late has arrived in time: with counts by arrival an outage at the end
// is one, and counts.
func TestArrivalsAreNotHeldBack(t *testing.T) {
	test := counts(200, func(s float64) float64 {
		if s >= 18 {
			return 0
		}
		return 1
	})
	o := stats.SteadyOptions{RTT: 620 * time.Millisecond}
	if s := stats.SteadyState(test, tenth, o); s.Held == 0 {
		t.Errorf("got %+v, want the silence left out: payload may be held back in it", s)
	}
	o.InOrder = test
	if s := stats.SteadyState(test, tenth, o); s.Held != 0 || math.Abs(s.Mean-9) > 1e-9 {
		t.Errorf("got %+v, want a mean of all 20 s, 9", s)
	}
}
