package stats_test

import (
	"math"
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
		{"growth_without_end", counts(minute, func(s float64) float64 { return s }), false, 489, 544, false},
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
