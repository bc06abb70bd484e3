package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// long returns how many trials to make: many with PERIGEE_LONG=1, few without.
func long(many, few int) int {
	if os.Getenv("PERIGEE_LONG") != "" {
		return many
	}
	return few
}

// within reports whether a share of trials, as measured, is credible if the true share
// lies between low and high: three standard errors are allowed to chance where there
// are few trials, none where there are as many as the promise is made for.
func within(share, low, high float64, trials int) bool {
	if trials < 400 {
		low -= 3 * math.Sqrt(low*(1-low)/float64(trials))
		high += 3 * math.Sqrt(high*(1-high)/float64(trials))
	}
	return low <= share && share <= high
}

// Two links that are alike, their level drawn anew every 15 s, each for itself, are
// told apart in 7 % of comparisons at most; tests that take packets as independent tell
// most of them apart.
func TestAlikeLinksAreRarelyToldApart(t *testing.T) {
	for _, minutes := range []int{20, 60, 180} {
		trials := long(400, 40)
		if minutes == 180 && trials < 400 {
			continue
		}
		var median, p95, loss, mannWhitney, kolmogorovSmirnov float64
		l := losing(steps(0.040, 0.005, 0.003), 0.001, 0.1)
		for trial := range trials {
			r := rand.New(rand.NewPCG(uint64(trial), 1))
			n, seconds := windowsOf(minutes)
			a, lostA := measure(l, r, n, seconds)
			b, lostB := measure(l, r, n, seconds)
			share := func(different bool) float64 {
				if different {
					return 1 / float64(trials)
				}
				return 0
			}
			in := QuantileDifferences(a, b, time.Duration(minutes)*time.Minute, medianAndP95, FromZero, 0.95)
			median += share(in[0].excludesZero())
			p95 += share(in[1].excludesZero())
			loss += share(ShareDifference(lostA, lostB, 0.95).excludesZero())
			wholeA, wholeB := MergeHistograms(a), MergeHistograms(b)
			mannWhitney += share(mannWhitneyP(wholeA, wholeB) < 0.05)
			kolmogorovSmirnov += share(kolmogorovSmirnovP(wholeA, wholeB) < 0.05)
		}
		t.Logf("%d min, %d pairs told apart: median %.1f %%, p95 %.1f %%, loss %.1f %%; raw Mann-Whitney %.1f %%, raw Kolmogorov-Smirnov %.1f %%",
			minutes, trials, 100*median, 100*p95, 100*loss, 100*mannWhitney, 100*kolmogorovSmirnov)
		for name, alarms := range map[string]float64{"median": median, "p95": p95, "loss": loss} {
			if !within(alarms, 0, 0.07, trials) {
				t.Errorf("%d min: %s told %.1f %% of alike pairs apart, want 7 %% at most", minutes, name, 100*alarms)
			}
		}
		if mannWhitney < 0.5 || kolmogorovSmirnov < 0.5 {
			t.Errorf("%d min: raw Mann-Whitney told %.1f %% apart, Kolmogorov-Smirnov %.1f %%: too easy a simulation", minutes, 100*mannWhitney, 100*kolmogorovSmirnov)
		}
	}
}

// windowsOf returns the windows that a comparison of so many minutes has, and their
// length in seconds.
func windowsOf(minutes int) (n, seconds int) {
	for _, seconds = range []int{10, 20, 30, 60, 120} {
		if n = minutes * 60 / seconds; n <= 1000 {
			break
		}
	}
	return n, seconds
}

// A shift of 2 ms on 40 ms is found in nine hours of ten.
func TestShiftIsFound(t *testing.T) {
	trials := long(400, 40)
	found, covered := 0, 0
	for trial := range trials {
		r := rand.New(rand.NewPCG(uint64(trial), 2))
		a, _ := measure(steps(0.042, 0.005, 0.003), r, 360, 10)
		b, _ := measure(steps(0.040, 0.005, 0.003), r, 360, 10)
		in := QuantileDifferences(a, b, time.Hour, []float64{0.5}, FromZero, 0.95)[0]
		if in.Low > 0 {
			found++
		}
		if in.Low <= 0.002 && 0.002 <= in.High {
			covered++
		}
	}
	t.Logf("2 ms found in %d of %d hours, the interval right in %d", found, trials, covered)
	if found*10 < trials*9 {
		t.Errorf("2 ms found in %d of %d hours, want 90 %%", found, trials)
	}
}

// Four links that are alike make six pairs that depend on each other: corrected by
// Holm, any is told apart in 7 % of questions at most.
func TestFamilyOfAlikeLinks(t *testing.T) {
	trials := long(500, 40)
	corrected, raw := 0, 0
	for trial := range trials {
		r := rand.New(rand.NewPCG(uint64(trial), 3))
		var links [4][]Histogram
		for i := range links {
			links[i], _ = measure(steps(0.040, 0.005, 0.003), r, 360, 10)
		}
		var p []float64
		for i, a := range links {
			for _, b := range links[i+1:] {
				p = append(p, QuantileDifferences(a, b, time.Hour, []float64{0.5}, FromZero, 0.95)[0].P)
			}
		}
		any := func(p []float64) int {
			for _, v := range p {
				if v < 0.05 {
					return 1
				}
			}
			return 0
		}
		raw += any(p)
		corrected += any(Holm(p))
	}
	t.Logf("of %d questions about four alike links, any pair was told apart in %.1f %%, uncorrected %.1f %%", trials, 100*float64(corrected)/float64(trials), 100*float64(raw)/float64(trials))
	if !within(float64(corrected)/float64(trials), 0, 0.07, trials) {
		t.Errorf("%d of %d, want 7 %% at most", corrected, trials)
	}
	if raw <= corrected {
		t.Errorf("uncorrected %d, corrected %d: too easy a simulation", raw, corrected)
	}
}

var coverageQuantiles = []float64{0.05, 0.5, 0.9, 0.95, 0.99}

// A scenario compares link a with another that differs, and with one that is alike.
type scenario struct {
	name   string
	a      link
	belowA func(x float64) float64
	loss   float64 // of a

	// floor is how often intervals must hold, where the range is long for
	// what goes on.
	floor float64
}

// scenarios returns those that need no file, and the replay of a trace if it is there.
func scenarios(t *testing.T) []scenario {
	list := []scenario{
		{"steps", losing(steps(0.040, 0.005, 0.003), 0.002, 0.15), stepsBelow(0.040, 0.005, 0.003), lossOf(0.002, 0.15), 0.92},
		{"large steps", losing(steps(0.060, 0.012, 0.006), 0, 0.05), stepsBelow(0.060, 0.012, 0.006), lossOf(0, 0.05), 0.92},
		{"wander of 45 s", losing(wander(0.040, 0.004, 0.004, 45), 0.01, 0), wanderBelow(0.040, 0.004, 0.004), lossOf(0.01, 0), 0.90},
	}
	trace, err := openTrace()
	if err != nil {
		t.Logf("without the Starlink trace: %v", err)
		return list
	}
	var arrived []float64
	for _, v := range trace {
		if v >= 0 {
			arrived = append(arrived, v)
		}
	}
	below := func(x float64) float64 {
		n := 0
		for _, v := range arrived {
			if v <= x {
				n++
			}
		}
		return float64(n) / float64(len(arrived))
	}
	return append(list, scenario{"slots of a trace", replay(trace), below, 1 - float64(len(arrived))/float64(len(trace)), 0.92})
}

// other is what scenarios' links are compared with.
var other = losing(steps(0.035, 0.003, 0.008), 0.001, 0.05)

// cell counts what became of intervals.
type cell struct{ made, bounded, held, alarms int }

func (c *cell) add(in Interval, truth float64) {
	c.made++
	if in.Bounded {
		c.bounded++
		if in.Low <= truth && truth <= in.High {
			c.held++
		}
	}
}

func (c *cell) addAlike(in Interval) {
	if in.excludesZero() {
		c.alarms++
	}
}

func (c cell) held100() float64 { return 100 * float64(c.held) / float64(max(c.bounded, 1)) }

// String gives the share that held, and the share of alike links told apart.
func (c cell) String() string {
	if c.bounded == 0 {
		return "–"
	}
	s := fmt.Sprintf("%.1f (%.1f)", c.held100(), 100*float64(c.alarms)/float64(c.made))
	if c.bounded < c.made {
		s += fmt.Sprintf(" of %d %%", 100*c.bounded/c.made)
	}
	return s
}

// columns are those of a scenario's table: quantiles and loss, ours and by bootstrap.
type columns struct {
	ours, bootstrap [6]cell
}

// simulate compares a scenario's link for so many minutes, trials times, the first few
// of them by bootstrap too.
func (s scenario) simulate(minutes, trials, bootstraps int) *columns {
	c := &columns{}
	belowOther := stepsBelow(0.035, 0.003, 0.008)
	truths := make([]float64, len(coverageQuantiles))
	for i, q := range coverageQuantiles {
		truths[i] = quantileOf(s.belowA, q, 0.001, 1) - quantileOf(belowOther, q, 0.001, 1)
	}
	lossTruth := s.loss - lossOf(0.001, 0.05)
	n, seconds := windowsOf(minutes)
	measured := time.Duration(minutes) * time.Minute
	for trial := range trials {
		r := rand.New(rand.NewPCG(uint64(trial), uint64(minutes)))
		a, lostA := measure(s.a, r, n, seconds)
		alike, lostAlike := measure(s.a, r, n, seconds)
		b, lostB := measure(other, r, n, seconds)
		for i, in := range QuantileDifferences(a, b, measured, coverageQuantiles, FromZero, 0.95) {
			c.ours[i].add(in, truths[i])
		}
		for i, in := range QuantileDifferences(a, alike, measured, coverageQuantiles, FromZero, 0.95) {
			c.ours[i].addAlike(in)
		}
		c.ours[5].add(ShareDifference(lostA, lostB, 0.95), lossTruth)
		c.ours[5].addAlike(ShareDifference(lostA, lostAlike, 0.95))
		if trial >= bootstraps {
			continue
		}
		boot := blockBootstrap{r, seconds}
		for i, in := range boot.quantileDifferences(a, b, coverageQuantiles) {
			c.bootstrap[i].add(in, truths[i])
		}
		for i, in := range boot.quantileDifferences(a, alike, coverageQuantiles) {
			c.bootstrap[i].addAlike(in)
		}
		c.bootstrap[5].add(boot.shareDifference(lostA, lostB), lossTruth)
		c.bootstrap[5].addAlike(boot.shareDifference(lostA, lostAlike))
	}
	return c
}

// Of an hour, intervals at 95 % hold in 92 to 97 % of cases: those of the median, the
// 95th percentile and the loss ratio.
func TestCoverageOfAnHour(t *testing.T) {
	trials := long(500, 30)
	for _, s := range scenarios(t) {
		c := s.simulate(60, trials, 0)
		for i, name := range map[int]string{1: "median", 3: "p95", 5: "loss"} {
			held := c.ours[i].held100()
			t.Logf("%s: %s holds in %.1f %% of %d", s.name, name, held, trials)
			if c.ours[i].bounded < trials || !within(held/100, s.floor, 0.97, trials) {
				t.Errorf("%s: %s holds in %.1f %% of %d (%d bounded), want %.0f to 97 %%", s.name, name, held, trials, c.ours[i].bounded, 100*s.floor)
			}
		}
	}
}

// The table of docs/metrics.md: what holds of which range, ours and by block bootstrap.
func TestCoverageByLength(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes minutes; set PERIGEE_LONG=1")
	}
	for _, s := range scenarios(t) {
		for _, c := range []struct{ minutes, trials, bootstraps int }{
			{10, 300, 150}, {30, 300, 0}, {60, 300, 150}, {180, 200, 0}, {360, 100, 50}, {1440, 60, 0},
		} {
			begun := time.Now()
			got := s.simulate(c.minutes, c.trials, c.bootstraps)
			row := func(cells [6]cell) string {
				var list []string
				for _, c := range cells {
					list = append(list, c.String())
				}
				return strings.Join(list, " | ")
			}
			t.Logf("| %s | %d min | %s |", s.name, c.minutes, row(got.ours))
			if c.bootstraps > 0 {
				t.Logf("| bootstrap | %d min | %s |", c.minutes, row(got.bootstrap))
			}
			t.Logf("%.0f s", time.Since(begun).Seconds())
		}
	}
}
