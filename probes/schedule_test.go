package probes

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 0)) }

func TestPeriodicDoesNotDrift(t *testing.T) {
	p := Periodic{Phase: 37 * time.Millisecond, Interval: 100 * time.Millisecond}
	at := 5 * time.Second // the first instant after it is 5.037 s, k = 50
	for k := 50; k < 1_000_000; k++ {
		at = p.Next(at)
		if want := 37*time.Millisecond + time.Duration(k)*100*time.Millisecond; at != want {
			t.Fatalf("instant %d is at %v, want %v", k, at, want)
		}
	}
}

func TestPeriodicNext(t *testing.T) {
	p := Periodic{Phase: 30, Interval: 100}
	for _, c := range []struct{ after, want time.Duration }{
		{0, 30}, {29, 30},
		{30, 130}, // an instant is not after itself
		{31, 130}, {1000, 1030},
		{-1, 30}, {-70, 30}, {-71, -70}, // the monotonic clock may begin anywhere
	} {
		if got := p.Next(c.after); got != c.want {
			t.Errorf("Next(%d) = %d, want %d", c.after, got, c.want)
		}
	}
}

// RFC 3432: the start is uniform within the interval. Chi-square over 10
// bins of 10,000 phases: 9 degrees of freedom, 27.9 is exceeded once in a thousand.
func TestPeriodicPhaseIsUniform(t *testing.T) {
	rng := seeded(1)
	const n, bins = 10_000, 10
	var counts [bins]float64
	for range n {
		p := NewPeriodic(200*time.Millisecond, rng)
		if p.Phase < 0 || p.Phase >= p.Interval {
			t.Fatalf("phase %v outside [0, %v)", p.Phase, p.Interval)
		}
		counts[int(p.Phase*bins/p.Interval)]++
	}
	var chi2 float64
	for _, c := range counts {
		chi2 += (c - n/bins) * (c - n/bins) / (n / bins)
	}
	if chi2 > 27.9 {
		t.Errorf("chi-square of the phases is %.1f, want at most 27.9", chi2)
	}
}

// RFC 2330 section 11.1: distances are exponential, so their mean and their standard
// deviation are the interval; the standard errors over n = 100,000 are 1/sqrt(n) =
// 0.32 % and, for the deviation, sqrt(2)/sqrt(n) = 0.45 %. Four of them are allowed.
func TestPoissonDistancesAreExponential(t *testing.T) {
	const n, interval = 100_000, 200 * time.Millisecond
	p := NewPoisson(interval, seeded(2))
	var at time.Duration
	var sum, squares float64
	below := 0 // the median, interval * ln 2
	for range n {
		next := p.Next(at)
		if next <= at {
			t.Fatalf("Next(%v) = %v, want later", at, next)
		}
		d := float64(next-at) / float64(interval)
		sum += d
		squares += d * d
		if d < math.Ln2 {
			below++
		}
		at = next
	}
	mean := sum / n
	if math.Abs(mean-1) > 0.013 {
		t.Errorf("mean distance is %.4f intervals, want 1", mean)
	}
	if sd := math.Sqrt(squares/n - mean*mean); math.Abs(sd-1) > 0.018 {
		t.Errorf("standard deviation is %.4f intervals, want 1", sd)
	}
	// Binomial with p = 1/2: standard error 0.5/sqrt(n) = 0.16 %.
	if share := float64(below) / n; math.Abs(share-0.5) > 0.0064 {
		t.Errorf("share below the median is %.4f, want 0.5", share)
	}
}

// The counts of a Poisson process in disjoint seconds have a variance equal to their
// mean (5 at 200 ms). Over 20,000 seconds the standard error of the ratio is
// sqrt(2/n) = 1 %.
func TestPoissonCountsDisperseAsPoisson(t *testing.T) {
	const seconds = 20_000
	p := NewPoisson(200*time.Millisecond, seeded(3))
	counts := make([]float64, seconds)
	for at := p.Next(0); at < seconds*time.Second; at = p.Next(at) {
		counts[at/time.Second]++
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	mean := sum / seconds
	if ratio := (squares/seconds - mean*mean) / mean; math.Abs(ratio-1) > 0.04 {
		t.Errorf("variance over mean of the counts is %.3f, want 1", ratio)
	}
}

func TestSchedulesRepeatWithTheirSeed(t *testing.T) {
	a, b := NewPoisson(time.Second, seeded(7)), NewPoisson(time.Second, seeded(7))
	for range 100 {
		if x, y := a.Next(0), b.Next(0); x != y {
			t.Fatalf("same seed gave %v and %v", x, y)
		}
	}
}
