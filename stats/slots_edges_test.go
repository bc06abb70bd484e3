package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLossPeriodsOfSlots(t *testing.T) {
	const begin = 12 // phase 0
	lost, periods := func(p SlotPhase) int64 { return p.Lost }, func(p SlotPhase) int64 { return p.LossPeriods }
	for _, c := range []struct {
		name         string
		probes       []timed
		want         int64 // loss periods
		lost, period float64
	}{
		{"two_in_a_row", []timed{second(begin, 0.04), second(begin+1, -1), second(begin+2, -1), second(begin+3, 0.04)}, 1, 0, 0},
		{"parted_by_an_answer", []timed{second(begin, -1), second(begin+1, 0.04), second(begin+2, -1), second(begin+3, 0.04)}, 0, 0.5, 0},
		{"two_runs", []timed{second(begin, -1), second(begin+1, -1), second(begin+2, 0.04), second(begin+3, -1), second(begin+4, -1)}, 2, 0.25, 0.5},
		{"across_an_edge", []timed{second(begin-1, -1), second(begin, -1), second(begin+1, 0.04)}, 1, 1, 1},
		{"across_a_short_silence", []timed{second(begin, -1), second(begin+5, -1)}, 1, 0.5, 1},
		{"parted_by_a_gap", []timed{second(begin, -1), second(begin+60, -1)}, 0, 1, 0},
		{"parted_by_the_clock", []timed{second(begin+2, -1), second(begin, -1)}, 0, 0.5, 0},
	} {
		r := foldSlots(c.probes)
		var got int64
		for _, p := range r.Phases {
			got += p.LossPeriods
		}
		share, _, _ := r.AtEdge(lost)
		period, _, ok := r.AtEdge(periods)
		if got != c.want || share != c.lost || period != c.period || ok != (c.want > 0) {
			t.Errorf("%s: %d loss periods, %g of the losses and %g of the periods at edges, want %d, %g, %g", c.name, got, share, period, c.want, c.lost, c.period)
		}
	}
}

// The first 1024 arrivals make the level of a second, so that no stream fills memory.
func TestCrowdedSecondsAreBounded(t *testing.T) {
	var probes []timed
	for i := range int64(4000) {
		probes = append(probes, timed{12e9 + i*1e5, 0.010 + float64(i)/1e5})
	}
	r := foldSlots(probes)
	if want := 0.010 + 511.5/1e5; len(r.Slots) != 1 || math.Abs(r.Slots[0].Median-want) > 1e-9 || r.Phases[0].RTT.Count != 4000 {
		t.Errorf("slot %+v, want a median of %g of the first 1024", r.Slots, want)
	}
}

// levels are probes of a link whose level steps each second: the size of each step is
// asked for, its direction is chance.
func levels(seconds int64, size func(phase int, slot int64, r *rand.Rand) float64) []timed {
	r := rand.New(rand.NewPCG(3, 4))
	level := 0.5
	return every(seconds, func(s int64) float64 {
		slot, phase := StarlinkGrid(18).locate(s)
		step := size(phase, slot, r)
		if up := r.Float64() < 0.5; level+step < 1 && (up || level-step < 0.1) {
			level += step
		} else {
			level -= step
		}
		return level
	})
}

func TestVerdicts(t *testing.T) {
	noise := func(r *rand.Rand) float64 { return 0.004 + 0.002*r.Float64() }
	large := func(r *rand.Rand) float64 { return 0.030 + 0.010*r.Float64() }
	// mixed are edges of which a share, in no order, steps, and the others do not.
	mixed := func(share float64) func(int, int64, *rand.Rand) float64 {
		return func(phase int, slot int64, r *rand.Rand) float64 {
			switch {
			case phase != 0:
				return noise(r)
			case rand.New(rand.NewPCG(9, uint64(slot))).Float64() < share:
				return large(r)
			}
			return 0.001
		}
	}
	for _, c := range []struct {
		name    string
		seconds int64
		size    func(phase int, slot int64, r *rand.Rand) float64
		want    SlotVerdict
	}{
		{"always", 400, func(phase int, _ int64, r *rand.Rand) float64 {
			if phase == 0 {
				return large(r)
			}
			return noise(r)
		}, SlotsDetected},
		{"two_seconds_late", 1200, func(phase int, _ int64, r *rand.Rand) float64 {
			if phase == 2 {
				return large(r)
			}
			return noise(r)
		}, SlotsElsewhere},
		// Large in two of three of 23 slots, else none: chance does that.
		{"hardly_any_slots", 360, mixed(0.66), SlotsAbsent},
		// A majority is large, and yet they exceed what is around them little more
		// often than not.
		{"large_or_none", 40_000, mixed(0.56), SlotsWeak},
		{"steps_a_fifth_larger", 3600, func(phase int, _ int64, r *rand.Rand) float64 {
			if phase == 0 {
				return 1.2 * 0.006
			}
			return noise(r)
		}, SlotsWeak},
		{"in_one_slot_of_six", 100_000, func(phase int, slot int64, r *rand.Rand) float64 {
			if phase == 0 && rand.New(rand.NewPCG(9, uint64(slot))).Float64() < 1.0/6 {
				return large(r)
			}
			return noise(r)
		}, SlotsWeak},
		{"each_third_slot", 3600, func(phase int, slot int64, r *rand.Rand) float64 {
			if phase == 0 && slot%3 == 0 {
				return large(r)
			}
			return noise(r)
		}, SlotsWeak}, // the median step is none of them
		{"each_second_slot_twice", 7200, func(phase int, slot int64, r *rand.Rand) float64 {
			if phase == 0 && slot%4 != 1 {
				return large(r)
			}
			return noise(r)
		}, SlotsLonger},
		{"each_fifth_second", 3600, func(phase int, _ int64, r *rand.Rand) float64 {
			switch {
			case phase == 0:
				return 1.1 * large(r)
			case phase%5 == 0:
				return large(r)
			}
			return noise(r)
		}, SlotsShorter},
	} {
		r := foldSlots(levels(c.seconds, c.size))
		checkSlots(t, r)
		if r.Verdict != c.want {
			t.Errorf("%s: verdict %d, want %d (best %d, prominence %.3f, chance %.2g)", c.name, r.Verdict, c.want, r.Best, r.Phases[0].Prominence, r.Chance)
		}
		if small := r.Chance < 2e-4; small != (c.want != SlotsAbsent && c.want != SlotsElsewhere) {
			t.Errorf("%s: probability by chance %g", c.name, r.Chance)
		}
	}
}
