package stats

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// foldSlots folds probes onto Starlink's grid.
func foldSlots(probes []timed) SlotStatistics {
	f := NewSlotFold(StarlinkGrid(18))
	feed(f, probes)
	return f.Result()
}

func feed(f *SlotFold, probes []timed) {
	for _, p := range probes {
		if p.rtt < 0 {
			f.Missed(p.at)
		} else {
			f.Arrived(p.at, p.rtt)
		}
	}
}

// second is a probe in the middle of a Unix second.
func second(s int64, rtt float64) timed { return timed{s*1e9 + 5e8, rtt} }

func TestSlotsBeginAtSecond12(t *testing.T) {
	// 2026-03-01T12:00:12Z: GPS time is 18 s ahead, and a whole multiple of 15 s.
	const noon = 1772366400
	grid := StarlinkGrid(18)
	for offset, want := range map[int64]int{12: 0, 27: 0, 42: 0, 57: 0, 13: 1, 11: 14, 0: 3} {
		if slot, phase := grid.locate(noon + offset); phase != want || grid.Start(slot) != noon+offset-int64(want) {
			t.Errorf("second %d of a minute lies in phase %d of the slot that begins at %d, want phase %d", offset, phase, grid.Start(slot), want)
		}
	}
	// Before 1970 as after, and with another number of leap seconds.
	if slot, phase := grid.locate(-19); slot != -1 || phase != 14 {
		t.Errorf("a second before the grid's origin is phase %d of slot %d, want 14 of -1", phase, slot)
	}
	if _, phase := StarlinkGrid(19).locate(noon + 11); phase != 0 {
		t.Errorf("with 19 leap seconds, second 11 has phase %d, want 0", phase)
	}
}

func TestSlotFoldCountsByPhase(t *testing.T) {
	// Slot 1 of the grid is 12 s after the Unix epoch plus 15 s less 15: from -3 on.
	const begin = 12 // phase 0
	r := foldSlots([]timed{
		second(begin, 0.040), {begin*1e9 + 6e8, 0.050}, // level 45 ms
		second(begin+1, 0.030),                                              // 30: a step of 15
		second(begin+2, -1), {(begin+2)*1e9 + 6e8, -1}, second(begin+3, -1), // nothing arrived: no step in or out
		second(begin+4, 0.060),
		second(begin+15, 0.070), // a gap, and the next slot
		second(begin+16, 0.090),
	})
	for phase, want := range map[int]SlotPhase{
		0: {Sent: 3}, 1: {Sent: 2}, 2: {Sent: 2, Lost: 2, LossPeriods: 1}, 3: {Sent: 1, Lost: 1}, 4: {Sent: 1}, 5: {},
	} {
		if got := r.Phases[phase]; got.Sent != want.Sent || got.Lost != want.Lost || got.LossPeriods != want.LossPeriods {
			t.Errorf("phase %d: sent %d, lost %d, loss periods %d, want %d, %d, %d", phase, got.Sent, got.Lost, got.LossPeriods, want.Sent, want.Lost, want.LossPeriods)
		}
	}
	if s := r.Phases[1].Steps; s.Count != 2 || math.Abs(s.Min-0.015) > 1e-12 || math.Abs(s.Max-0.020) > 1e-12 {
		t.Errorf("steps at phase 1 are %d of %g to %g, want 2 of 15 and 20 ms", s.Count, s.Min, s.Max)
	}
	for phase, p := range r.Phases {
		if phase != 1 && p.Steps.Count != 0 {
			t.Errorf("there is a step at phase %d, across seconds without arrivals", phase)
		}
	}
	want := []Slot{{Number: 2, Sent: 7, Lost: 3, Min: 0.030, Median: 0.045}, {Number: 3, Sent: 2, Min: 0.070, Median: 0.080}}
	if !slices.Equal(r.Slots, want) {
		t.Errorf("slots are %+v, want %+v", r.Slots, want)
	}
	share, chance, ok := r.AtEdge(func(p SlotPhase) int64 { return p.Lost })
	if share != 0 || math.Abs(chance-3.0/9) > 1e-12 || !ok {
		t.Errorf("AtEdge = %g, %g, %v, want none of the losses where 3 of 9 probes were", share, chance, ok)
	}
}

func TestSlotFoldOfLittle(t *testing.T) {
	onePhase := []timed{}
	for slot := range int64(100) {
		onePhase = append(onePhase, second(12+15*slot, 0.04))
	}
	for name, probes := range map[string][]timed{
		"nothing":                    nil,
		"one_probe":                  {second(12, 0.04)},
		"one_lost":                   {second(12, -1)},
		"one_phase_only":             onePhase,
		"days_between":               {second(0, 0.04), second(1e6, 0.05), second(2e9, 0.01)},
		"backwards":                  {second(100, 0.04), second(99, 0.05), second(98, 0.04), second(97, 0.05)},
		"the_ends_of_time":           {{math.MinInt64, 0.01}, {math.MaxInt64, 0.02}, {math.MinInt64, -1}, {math.MaxInt64, -1}},
		"everything_in_one_instant":  slices.Repeat([]timed{second(12, 0.04)}, 5000),
		"only_losses_for_an_hour":    every(3600, func(int64) float64 { return -1 }),
		"always_the_same_round_trip": every(3600, func(int64) float64 { return 0.04 })[:200],
	} {
		r := foldSlots(probes)
		checkSlots(t, r)
		if r.Verdict != SlotsUnknown && name != "always_the_same_round_trip" {
			t.Errorf("%s: verdict %d, want none", name, r.Verdict)
		}
		var sent int64
		for _, p := range r.Phases {
			sent += p.Sent
		}
		if sent != int64(len(probes)) {
			t.Errorf("%s: %d of %d probes were counted", name, sent, len(probes))
		}
	}
	if r := foldSlots(every(3600, func(int64) float64 { return 0.04 })); r.Verdict != SlotsAbsent || r.Phases[0].Prominence != 0.5 {
		t.Errorf("a link that never changes has verdict %d and prominence %g, want none and 1/2", r.Verdict, r.Phases[0].Prominence)
	}
}

// every sends a probe a second for a while.
func every(seconds int64, rtt func(s int64) float64) []timed {
	var probes []timed
	for s := range seconds {
		probes = append(probes, second(s, rtt(s)))
	}
	return probes
}

// checkSlots reports what must hold whatever was folded.
func checkSlots(t *testing.T, r SlotStatistics) {
	t.Helper()
	if !(r.Chance >= 0 && r.Chance <= 1) {
		t.Errorf("chance %g is no probability", r.Chance)
	}
	if ratio, ok := r.StepRatio(); ok && !(ratio >= 0 && ratio <= math.MaxFloat64) {
		t.Errorf("step ratio %g", ratio)
	}
	for i, p := range r.Phases {
		if p.Lost > p.Sent || p.RTT.Count != p.Sent-p.Lost || p.LossPeriods*leastLossPeriod > r.lost() {
			t.Errorf("phase %d does not add up: %+v", i, p)
		}
		if !(p.Prominence >= 0 && p.Prominence <= 1) {
			t.Errorf("phase %d has a prominence of %g", i, p.Prominence)
		}
	}
	for _, s := range r.Slots {
		if s.Sent == 0 || s.Lost > s.Sent || s.Lost < s.Sent && !(s.Min <= s.Median) {
			t.Errorf("slot %+v does not add up", s)
		}
	}
}

func (s SlotStatistics) lost() (n int64) {
	for _, p := range s.Phases {
		n += p.Lost
	}
	return n
}

// recountSteps computes steps and prominence by their definitions, with all of it in memory.
func recountSteps(probes []timed, grid SlotGrid) (steps [][]float64, prominence [][]float64) {
	levels := map[int64][]float64{}
	for _, p := range probes {
		if p.rtt >= 0 {
			levels[floorDiv(p.at, 1e9)] = append(levels[floorDiv(p.at, 1e9)], p.rtt)
		}
	}
	step := map[int64]float64{}
	for s := range levels {
		if levels[s-1] != nil {
			a, _ := median(levels[s-1])
			b, _ := median(levels[s])
			step[s] = math.Abs(b - a)
		}
	}
	steps, prominence = make([][]float64, grid.Period), make([][]float64, grid.Period)
	for s, size := range step {
		_, phase := grid.locate(s)
		steps[phase] = append(steps[phase], size)
		others, exceeded := 0, 0.0
		for away := int64(-grid.Period / 2); away <= int64(grid.Period/2); away++ {
			if other, ok := step[s+away]; ok && (away < -1 || away > 1) {
				others++
				if size > other {
					exceeded++
				} else if size == other {
					exceeded += 0.5
				}
			}
		}
		if others >= 3 {
			prominence[phase] = append(prominence[phase], exceeded/float64(others))
		}
	}
	return steps, prominence
}

func TestSlotFoldAgreesWithARecount(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		grid := SlotGrid{Period: 6 + random.IntN(20), Leap: random.IntN(40)}
		var probes []timed
		at := random.Int64N(1e15)
		for range 3000 {
			at += random.Int64N(8e8)
			if random.Float64() < 0.01 {
				at += random.Int64N(60e9) // a gap
			}
			rtt := math.Round(40+10*random.NormFloat64()) / 1000 // ties are frequent
			if random.Float64() < 0.2 {
				rtt = -1
			}
			probes = append(probes, timed{at, rtt})
		}
		f := NewSlotFold(grid)
		feed(f, probes)
		r := f.Result()
		checkSlots(t, r)
		steps, prominence := recountSteps(probes, grid)
		for i, p := range r.Phases {
			if int(p.Steps.Count) != len(steps[i]) || math.Abs(p.Steps.Mean-mean(steps[i])) > 1e-9 ||
				int(p.Compared) != len(prominence[i]) || math.Abs(p.Prominence-mean(prominence[i])) > 1e-9 {
				t.Fatalf("%+v phase %d: %d steps of %g on average, %d compared, prominence %g; by recount %d, %g, %d, %g", grid, i,
					p.Steps.Count, p.Steps.Mean, p.Compared, p.Prominence, len(steps[i]), mean(steps[i]), len(prominence[i]), mean(prominence[i]))
			}
		}
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / max(1, float64(len(values)))
}

func TestClockSetBackIsABreak(t *testing.T) {
	level := func(s int64) float64 {
		return 0.02 + 0.04*rand.New(rand.NewPCG(7, uint64(floorDiv(s+18, 15)))).Float64()
	}
	before := every(900, level)
	var after []timed
	for _, p := range before {
		after = append(after, timed{p.at - 300e9, p.rtt + 1}) // a step of a second, if it were one
	}
	r := foldSlots(slices.Concat(before, after))
	checkSlots(t, r)
	for i, p := range r.Phases {
		if p.Steps.Max > 0.5 {
			t.Errorf("phase %d has a step of %g s, from before the clock was set to after", i, p.Steps.Max)
		}
	}
	if r.Verdict != SlotsDetected {
		t.Errorf("verdict %d, want the slots found on either side", r.Verdict)
	}
}

func FuzzSlotFold(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Add(slices.Repeat([]byte{0x80, 0, 0, 0, 3, 0x7f}, 300))
	f.Fuzz(func(t *testing.T, data []byte) {
		g := NewSlotFold(StarlinkGrid(18))
		at, probes := int64(0), int64(0)
		for ; len(data) >= 6; data = data[6:] {
			at += int64(int32(binary.LittleEndian.Uint32(data))) << (data[5] & 31) // either way, nanoseconds to centuries
			switch v := data[4]; {
			case v < 32:
				g.Missed(at)
			case v == 255:
				g.Break()
				continue
			default:
				g.Arrived(at, float64(v)/1000)
			}
			probes++
		}
		r := g.Result()
		checkSlots(t, r)
		sent := int64(0)
		for _, p := range r.Phases {
			sent += p.Sent
		}
		for _, s := range r.Slots {
			sent -= s.Sent
		}
		if sent != 0 || len(r.Slots) > int(probes) {
			t.Errorf("phases and slots differ by %d probes", sent)
		}
	})
}

func BenchmarkSlotFold(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	rtt := make([]float64, 1000)
	for i := range rtt {
		rtt[i] = 0.04 + 0.005*random.ExpFloat64()
	}
	f := NewSlotFold(StarlinkGrid(18))
	b.ReportAllocs()
	for i := range b.N {
		f.Arrived(int64(i)*200e6, rtt[i%len(rtt)])
	}
}
