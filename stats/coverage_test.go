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
// most of them apart. Links that wander for long are told apart more often, as stated in
// docs/metrics.md, and links whose packets fill few bins more rarely.
func TestAlikeLinksAreRarelyToldApart(t *testing.T) {
	slotted := losing(steps(0.040, 0.005, 0.003), 0.001, 0.1)
	for _, c := range []struct {
		name    string
		link    link
		minutes int
		most    float64
		slow    bool // only with PERIGEE_LONG
	}{
		{"steps", slotted, 20, 0.07, false},
		{"steps", slotted, 60, 0.07, false},
		{"steps", slotted, 180, 0.07, true},
		{"GEO", losing(wander(0.620, 0, 0.015, 1), 0.005, 0), 60, 0.07, true},
		{"fibre", losing(wander(0.014, 0, 0.00003, 1), 0.0005, 0), 60, 0.07, true},
		{"wander of 14 s", losing(wander(0.040, 0.004, 0.004, 14), 0.005, 0), 60, 0.07, true},
		{"wander of 45 s", losing(wander(0.040, 0.004, 0.004, 45), 0.005, 0), 60, 0.09, true},
		{"wander of 195 s", losing(wander(0.040, 0.004, 0.004, 195), 0.005, 0), 60, 0.27, true},
		{"wander of 195 s", losing(wander(0.040, 0.004, 0.004, 195), 0.005, 0), 360, 0.10, true},
	} {
		if c.slow && os.Getenv("PERIGEE_LONG") == "" {
			continue
		}
		trials := long(400, 60)
		told := map[string]int{}
		for trial := range trials {
			r := rand.New(rand.NewPCG(uint64(trial), 1))
			n, seconds := windowsOf(c.minutes)
			a, lostA := measure(c.link, r, n, seconds)
			b, lostB := measure(c.link, r, n, seconds)
			count := func(name string, different bool) {
				if different {
					told[name]++
				}
			}
			measured := time.Duration(c.minutes) * time.Minute
			rtt := QuantileDifferences(a, b, measured, medianAndP95, FromZero, 0.95)
			pdv := QuantileDifferences(a, b, measured, medianAndP95, FromMinimum, 0.95)
			count("median", rtt[0].excludesZero())
			count("p95", rtt[1].excludesZero())
			count("PDV median", pdv[0].excludesZero())
			count("PDV p95", pdv[1].excludesZero())
			count("loss", ShareDifference(lostA, lostB, 0.95).excludesZero())
			wholeA, wholeB := MergeHistograms(a), MergeHistograms(b)
			count("raw Mann-Whitney", mannWhitneyP(wholeA, wholeB) < 0.05)
			count("raw Kolmogorov-Smirnov", kolmogorovSmirnovP(wholeA, wholeB) < 0.05)
		}
		alarms := map[string]float64{}
		for name, n := range told {
			alarms[name] = float64(n) / float64(trials)
		}
		said := fmt.Sprintf("%s, %d min, %d pairs told apart:", c.name, c.minutes, trials)
		for _, name := range []string{"median", "p95", "PDV median", "PDV p95", "loss"} {
			said += fmt.Sprintf(" %s %.1f %%,", name, 100*alarms[name])
			if !within(alarms[name], 0, c.most, trials) {
				t.Errorf("%s, %d min: %s told %.1f %% of alike pairs apart, want %.0f %% at most", c.name, c.minutes, name, 100*alarms[name], 100*c.most)
			}
		}
		t.Logf("%s raw Mann-Whitney %.1f %%, raw Kolmogorov-Smirnov %.1f %%", said, 100*alarms["raw Mann-Whitney"], 100*alarms["raw Kolmogorov-Smirnov"])
		if c.name == "steps" && (alarms["raw Mann-Whitney"] < 0.5 || alarms["raw Kolmogorov-Smirnov"] < 0.5) {
			t.Errorf("%s, %d min: raw tests told too few apart: %v", c.name, c.minutes, alarms)
		}
	}
}

// The raw tests are right where their assumption is: of independent packets, one pair in
// twenty is told apart, ties of bins or not.
func TestRawTestsAreRightForIndependentPackets(t *testing.T) {
	const trials = 600
	for name, l := range map[string]link{"many bins": wander(0.1, 0, 0.04, 1), "ties": wander(0.620, 0, 0.006, 1)} {
		mannWhitney, kolmogorovSmirnov := 0, 0
		for trial := range uint64(trials) {
			r := seeded(trial)
			a, _ := measure(l, r, 1, 100)
			b, _ := measure(l, r, 1, 100)
			if mannWhitneyP(a[0], b[0]) < 0.05 {
				mannWhitney++
			}
			if kolmogorovSmirnovP(a[0], b[0]) < 0.05 {
				kolmogorovSmirnov++
			}
		}
		// 30 expected, standard deviation 5.3; with ties the second is too careful.
		if mannWhitney < 14 || mannWhitney > 46 || kolmogorovSmirnov > 46 || name == "many bins" && kolmogorovSmirnov < 14 {
			t.Errorf("%s: of %d alike, Mann-Whitney told apart %d, Kolmogorov-Smirnov %d, want about 30", name, trials, mannWhitney, kolmogorovSmirnov)
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
}

// scenarios returns those that need no file, and the replay of a trace if it is there.
func scenarios(t *testing.T) []scenario {
	list := []scenario{
		{"steps", losing(steps(0.040, 0.005, 0.003), 0.002, 0.15), stepsBelow(0.040, 0.005, 0.003), lossOf(0.002, 0.15)},
		{"large steps", losing(steps(0.060, 0.012, 0.006), 0, 0.05), stepsBelow(0.060, 0.012, 0.006), lossOf(0, 0.05)},
		{"wander of 45 s", losing(wander(0.040, 0.004, 0.004, 45), 0.01, 0), wanderBelow(0.040, 0.004, 0.004), lossOf(0.01, 0)},
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
	return append(list, scenario{"slots of a trace", replay(trace), below, 1 - float64(len(arrived))/float64(len(trace))})
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
			if c.ours[i].bounded < trials || !within(held/100, 0.92, 0.97, trials) {
				t.Errorf("%s: %s holds in %.1f %% of %d (%d bounded), want 92 to 97 %%", s.name, name, held, trials, c.ours[i].bounded)
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
		t.Run(s.name, func(t *testing.T) {
			for _, c := range []struct{ minutes, trials, bootstraps int }{
				{10, 400, 200}, {30, 400, 0}, {60, 400, 200}, {180, 200, 0}, {360, 200, 25}, {1440, 100, 0},
			} {
				got := s.simulate(c.minutes, c.trials, c.bootstraps)
				t.Logf("| %d min | %s |", c.minutes, row(got.ours))
				if c.bootstraps > 0 {
					t.Logf("| by block bootstrap | %s |", row(got.bootstrap))
				}
				least, bounded := 90.0, 90 // percent
				if c.minutes == 10 {
					least, bounded = 87, 60 // just enough for a 90th percentile
				}
				for i, q := range coverageQuantiles {
					ours := got.ours[i]
					if ours.bounded > 0 && (ours.held100() < least || 100*ours.bounded < bounded*ours.made) {
						t.Errorf("%d min, p%g: holds in %.1f %%, %d of %d bounded", c.minutes, 100*q, ours.held100(), ours.bounded, ours.made)
					}
				}
			}
		})
	}
}

func row(cells [6]cell) string {
	var list []string
	for _, c := range cells {
		list = append(list, c.String())
	}
	return strings.Join(list, " | ")
}

// Transfers are few, their rates lognormal with a daily cycle: the difference of means
// holds in 92 to 97 % of cases from 16 windows on, one in six hours.
func TestCoverageOfTransferRates(t *testing.T) {
	trials := long(2000, 200)
	for _, c := range []struct{ deviation, cycle, correlation, least float64 }{
		{0.3, 0, 0, 0.92}, {0.3, 0.3, 0, 0.92}, {0.6, 0.3, 0, 0.92}, {0.6, 0.3, 0.3, 0.92},
		{0.6, 0.3, 0.7, 0.89}, // few cosines are slower than that
	} {
		for _, n := range []int{16, 24, 48, 168} {
			held := 0
			for trial := range trials {
				r := rand.New(rand.NewPCG(uint64(trial), 6))
				a, b := make([]Ratio, n), make([]Ratio, n)
				x, y, phase := r.NormFloat64(), r.NormFloat64(), r.Float64()
				next := func(level float64) float64 {
					return c.correlation*level + math.Sqrt(1-c.correlation*c.correlation)*r.NormFloat64()
				}
				for i := range n {
					x, y = next(x), next(y)
					hour := math.Sin(2 * math.Pi * ((float64(i)+r.Float64())/4 + phase))
					// Of mean 1.
					spread := func(z float64) float64 { return math.Exp(c.deviation*z - c.deviation*c.deviation/2) }
					a[i] = Ratio{150e6 * (1 + c.cycle*hour) * spread(x), 1}
					b[i] = Ratio{50e6 * (1 + c.cycle/3*hour) * spread(y), 1}
				}
				if in := MeanDifference(a, b, 0.95); in.Low <= 100e6 && 100e6 <= in.High {
					held++
				}
			}
			share := float64(held) / float64(trials)
			t.Logf("deviation of logarithms %.1f, daily cycle ±%.0f %%, correlation %.1f, %d windows: holds in %.1f %%", c.deviation, 100*c.cycle, c.correlation, n, 100*share)
			if !within(share, c.least, 0.97, trials) {
				t.Errorf("%+v, %d windows: holds in %.1f %%, want %.0f to 97 %%", c, n, 100*share, 100*c.least)
			}
		}
	}
}

// Where an hour has a handful of losses, alone or in bursts, intervals hold at least as
// often as promised: four against none are no proof.
func TestCoverageOfRareLosses(t *testing.T) {
	trials := long(1000, 100)
	silent := func(*rand.Rand) func() float64 { return func() float64 { return 0.04 } }
	for _, c := range []struct{ aloneA, burstA, aloneB, burstB float64 }{
		{0.0002, 0, 0.0002, 0}, {0.0002, 0, 0.001, 0}, {0, 0.02, 0, 0.02}, {0, 0.05, 0, 0.01},
	} {
		held, bounded := 0, 0
		for trial := range trials {
			r := rand.New(rand.NewPCG(uint64(trial), 7))
			_, a := measure(losing(silent, c.aloneA, c.burstA), r, 360, 10)
			_, b := measure(losing(silent, c.aloneB, c.burstB), r, 360, 10)
			truth := lossOf(c.aloneA, c.burstA) - lossOf(c.aloneB, c.burstB)
			if in := ShareDifference(a, b, 0.95); in.Bounded {
				bounded++
				if in.Low <= truth && truth <= in.High {
					held++
				}
			}
		}
		share := float64(held) / float64(bounded)
		t.Logf("%+v: holds in %.1f %% of %d", c, 100*share, bounded)
		if bounded < trials*9/10 || !within(share, 0.93, 1, trials) {
			t.Errorf("%+v: holds in %.1f %% of %d", c, 100*share, bounded)
		}
	}
}
