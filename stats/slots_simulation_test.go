package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"perigee/internal/lab"
)

// The figures stand beside the trace, from an independent computation.
func TestSlotsOfTheStarlinkTrace(t *testing.T) {
	r := foldSlots(readTimedTrace(t))
	checkSlots(t, r)
	edge, other := r.Edge.Mean*1000, r.Other.Mean*1000
	ratio, _ := r.StepRatio()
	t.Logf("edge steps %.2f ms, others %.2f ms, ratio %.2f, prominence %.3f, chance %.2g", edge, other, ratio, r.Phases[0].Prominence, r.Chance)
	if math.Abs(edge-17.2) > 0.03*17.2 || math.Abs(other-6.3) > 0.03*6.3 {
		t.Errorf("edge steps are %.2f ms and others %.2f, want 17.2 and 6.3 within 3 %%", edge, other)
	}
	if r.Best != 0 || r.Verdict != SlotsDetected {
		t.Errorf("best phase %d, verdict %d, want slots at phase 0", r.Best, r.Verdict)
	}
	for i, p := range r.Phases[1:] {
		if p.Steps.Mean >= r.Edge.Mean {
			t.Errorf("steps at phase %d are %.2f ms, more than at the edge", i+1, p.Steps.Mean*1000)
		}
	}
	// Each quarter of the trace (40 min) tells by itself.
	probes := readTimedTrace(t)
	for i := range 4 {
		if r := foldSlots(probes[i*9000 : (i+1)*9000]); r.Verdict != SlotsDetected {
			t.Errorf("quarter %d has verdict %d", i+1, r.Verdict)
		}
	}
}

func TestLeapSecondsMoveTheGrid(t *testing.T) {
	f := NewSlotFold(StarlinkGrid(16)) // as if GPS time were 16 s ahead
	feed(f, readTimedTrace(t))
	if r := f.Result(); r.Verdict != SlotsElsewhere || r.Best != 13 {
		t.Errorf("two seconds off, verdict %d and best phase %d, want slots elsewhere, at 13", r.Verdict, r.Best)
	}
}

// shuffled permutes the values over the times.
func shuffled(probes []timed, seed uint64) []timed {
	out := append([]timed{}, probes...)
	rand.New(rand.NewPCG(seed, 3)).Shuffle(len(out), func(i, j int) { out[i].rtt, out[j].rtt = out[j].rtt, out[i].rtt })
	return out
}

// walk is a link of the lab, probed from some moment on.
func walk(p lab.Profile, seed uint64, length, interval time.Duration) []timed {
	begin := time.Unix(1_770_000_000+int64(seed)*977, int64(seed)*1e6)
	w, err := lab.NewWalk(p, seed, begin)
	if err != nil {
		panic(err)
	}
	var probes []timed
	for at := time.Duration(0); at < length; at += interval {
		probe := timed{begin.Add(at).UnixNano(), -1}
		if trip := w.Probe(at, 84); trip.Fate == lab.Delivered {
			probe.rtt = trip.RTT.Seconds()
		}
		probes = append(probes, probe)
	}
	return probes
}

// queue is a wired line at 14 ms whose queue of up to 100 ms fills and drains with a
// period. At offset 0 periods begin at an edge of the grid.
func queue(shape string, period, offset float64, seed uint64, length time.Duration) []timed {
	random := rand.New(rand.NewPCG(seed, 9))
	begin := 1_770_000_000 + float64(random.Int64N(86400)) + random.Float64()
	var probes []timed
	for at := 0.0; at < length.Seconds(); at += 0.2 {
		t := begin + at
		whole, x := math.Modf((t + 18 + offset) / period)
		full := 0.0
		switch {
		case shape == "drains":
			full = 1 - x
		case shape == "fills":
			full = x
		case shape == "half of it" && x < 0.5, shape == "a second of it" && x*period < 1:
			full = 1
		case shape == "anew":
			full = rand.New(rand.NewPCG(seed, uint64(whole))).Float64()
		}
		probes = append(probes, timed{int64(t * 1e9), 0.014 + 0.1*full + 0.003*random.ExpFloat64()})
	}
	return probes
}

// How often streams of one kind were said to have slots, and to have them elsewhere.
type alarms struct{ detected, elsewhere, trials int }

func count(trials int, probes func(seed uint64) []timed) alarms {
	a := alarms{trials: trials}
	for seed := range uint64(trials) {
		switch foldSlots(probes(seed)).Verdict {
		case SlotsDetected:
			a.detected++
		case SlotsElsewhere:
			a.elsewhere++
		}
	}
	return a
}

// The rates that docs/metrics.md states come from 200 trials each, with PERIGEE_LONG=1.
func TestSlotsAreFoundWhereTheyAre(t *testing.T) {
	trials := 10
	if os.Getenv("PERIGEE_LONG") != "" {
		trials = 200
	}
	const often, sparse = 200 * time.Millisecond, time.Second
	for _, c := range []struct {
		profile  string
		interval time.Duration
		length   time.Duration
		low      float64 // share of trials with slots
		high     float64
	}{
		{"starlink", often, 6 * time.Minute, 0.65, 1},
		{"starlink", often, 12 * time.Minute, 0.9, 1},
		{"starlink", often, time.Hour, 0.99, 1},
		{"starlink", sparse, time.Hour, 0.95, 1},
		{"fibre", often, 6 * time.Minute, 0, 0.01},
		{"fibre", often, time.Hour, 0, 0.01},
		{"fibre", sparse, time.Hour, 0, 0.01},
		{"leo", often, 6 * time.Minute, 0, 0.01},
		{"leo", often, time.Hour, 0, 0.01},
		{"leo", sparse, time.Hour, 0, 0.01},
		{"geo", often, 6 * time.Minute, 0, 0.01},
		{"geo", often, time.Hour, 0, 0.01},
		{"geo", sparse, time.Hour, 0, 0.01},
	} {
		if trials < 100 && c.length == time.Hour && c.interval == often && c.profile != "starlink" {
			c.length = 20 * time.Minute
		}
		profile, _ := lab.ProfileNamed(c.profile)
		a := count(trials, func(seed uint64) []timed { return walk(profile, seed, c.length, c.interval) })
		t.Logf("%s for %v, a probe each %v: slots in %d of %d, elsewhere in %d", c.profile, c.length, c.interval, a.detected, a.trials, a.elsewhere)
		slack := 3 * math.Sqrt(c.low*(1-c.low)/float64(trials))
		if share := float64(a.detected) / float64(trials); share < c.low-slack || share > c.high || a.elsewhere > trials/100 {
			t.Errorf("%s for %v, a probe each %v: slots in %.3f, want %g to %g", c.profile, c.length, c.interval, share, c.low, c.high)
		}
	}
}

func TestShuffledTraceHasNoSlots(t *testing.T) {
	trials := 5
	if os.Getenv("PERIGEE_LONG") != "" {
		trials = 200
	}
	probes := readTimedTrace(t)
	a := count(trials, func(seed uint64) []timed { return shuffled(probes, seed) })
	t.Logf("slots in %d of %d, elsewhere in %d", a.detected, a.trials, a.elsewhere)
	if a.detected > trials/100 || a.elsewhere > trials/100 {
		t.Errorf("slots in %d of %d, elsewhere in %d", a.detected, a.trials, a.elsewhere)
	}
}

// A queue that fills with a period of its own is no Starlink, even if it always begins
// at an edge of the grid. A period of 15 s that begins there can be told only where its
// shape is not that of levels drawn anew.
func TestPeriodicQueuesHaveNoSlots(t *testing.T) {
	trials, offsets := 1, []float64{0, 4.3}
	if os.Getenv("PERIGEE_LONG") != "" {
		trials, offsets = 40, []float64{0, 1.7, 4.3, 7.5, 11.1}
	}
	var all alarms
	for _, shape := range []string{"drains", "fills", "half of it", "a second of it", "anew"} {
		for _, period := range []float64{1, 2, 2.5, 3, 5, 7, 7.5, 10, 12, 15, 20, 30, 45, 60, 75, 90, 120, 300} {
			for _, offset := range offsets {
				if shape == "anew" && period == 15 {
					continue // that is Starlink
				}
				a := count(trials, func(seed uint64) []timed { return queue(shape, period, offset, seed, 20*time.Minute) })
				all.detected += a.detected
				all.elsewhere += a.elsewhere
				all.trials += a.trials
				if a.detected > trials/20 {
					t.Errorf("a queue that %s each %g s, offset %g s: slots in %d of %d", shape, period, offset, a.detected, a.trials)
				}
			}
		}
	}
	t.Logf("slots in %d of %d, elsewhere in %d", all.detected, all.trials, all.elsewhere)
	if limit := max(1, all.trials/200); all.detected > limit || all.elsewhere > 4*limit {
		t.Errorf("slots in %d of %d, elsewhere in %d", all.detected, all.trials, all.elsewhere)
	}
}

func ExampleSlotFold() {
	f := NewSlotFold(StarlinkGrid(18))
	const begin = 1772366412 // 12 s past the minute
	random := rand.New(rand.NewPCG(1, 2))
	level := 0.0
	for s := range int64(1800) {
		if s%15 == 0 {
			level = 0.030 + 0.020*random.Float64()
		}
		f.Arrived((begin+s)*1e9, level+0.002*random.ExpFloat64())
	}
	r := f.Result()
	fmt.Println(r.Best, r.Verdict == SlotsDetected, len(r.Slots))
	// Output: 0 true 120
}
