package transfer_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/transfer"
)

// starlinkWays are what is compared over Starlink, in the order in which a link has them.
// Two links begin in the middle of it, so that what one link does at a time is not always
// what weighs on the machine the most.
var starlinkWays = []way{
	{perigee.LoadDown, "bbr", 1},
	{perigee.LoadDown, "reno", 1},
	{perigee.LoadDown, "cubic", 8},
	{perigee.LoadDown, "cubic", 1},
}

// TestSendersOverStarlinkComeOutAsUsersFindThem: losses at the edges of slots are no
// congestion. A sender that takes them for it (CUBIC, Reno) gets less, and what is lost by
// one connection is taken by others.
func TestSendersOverStarlinkComeOutAsUsersFindThem(t *testing.T) {
	long(t)
	for _, w := range starlinkWays {
		needCongestion(t, w.congestion)
	}
	const links, slots = 2, 4
	found := map[way][]perigee.Throughput{}
	for seed := range uint64(2) {
		l := copies(t, seed, slices.Repeat([]lab.Profile{lab.Starlink()}, links)...)
		results, err := abreast(t, l, func(i int) []transfer.Options {
			var tests []transfer.Options
			for k := range starlinkWays {
				o := by(t, l, i, starlinkWays[(k+2*i)%len(starlinkWays)], slots*slot)
				o.Slot, o.SlotLeap = slot, slotLeap
				tests = append(tests, o)
			}
			return tests
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, tests := range results {
			for k, r := range tests {
				w := starlinkWays[(k+2*i)%len(starlinkWays)]
				found[w] = append(found[w], r)
			}
		}
		l.Close()
	}
	rates := map[way]float64{}
	for _, w := range starlinkWays {
		rates[w] = mean(found[w], rate)
		edge, elsewhere := changes(found[w])
		var each []float64
		for _, r := range found[w] {
			each = append(each, math.Round(r.Rate/1e5)/10)
		}
		t.Logf("%-16v %6.1f Mbit/s, in single minutes %.1f; within a second the rate changes by %.0f %% at edges, by %.0f %% elsewhere, a ratio of %.1f",
			w, rates[w]/1e6, each, 100*edge, 100*elsewhere, edge/elsewhere)
		if edge/elsewhere < 1.5 {
			t.Errorf("%v: the rate changes %.2f times as much at the edges of slots as elsewhere, want 1.5 and more", w, edge/elsewhere)
		}
	}
	bbr, reno, eight, one := rates[starlinkWays[0]], rates[starlinkWays[1]], rates[starlinkWays[2]], rates[starlinkWays[3]]
	t.Logf("one CUBIC stream gets %.2f of eight", one/eight)
	if !(bbr > one && one > reno) {
		t.Errorf("bbr %.1f, cubic %.1f, reno %.1f Mbit/s, want them in this order", bbr/1e6, one/1e6, reno/1e6)
	}
	if !within(one/eight, 0.4, 0.6) {
		t.Errorf("one CUBIC stream gets %.2f of eight, want 0.4 to 0.6", one/eight)
	}
}

// Starlink's grid.
const (
	slot     = 15 * time.Second
	slotLeap = 18 * time.Second
)

// changes returns by how much the rate of the second after a moment differs from that of
// the second before, on average, as a share of the steady rate: at the moments of the first
// second of each slot, and at those that are more than two seconds away from an edge. The
// ramp is left out.
func changes(results []perigee.Throughput) (edge, elsewhere float64) {
	var sums, counts [2]float64
	for _, r := range results {
		second := int(time.Second / r.SeriesStep)
		for i := int(r.Ramp/r.SeriesStep) + second; i+second < len(r.Series); i++ {
			at := (time.Duration(r.Start.UnixNano()) + time.Duration(i)*r.SeriesStep + slotLeap) % slot
			k := 0
			if at >= time.Second {
				k = 1
				if at < 2*time.Second || at > slot-2*time.Second {
					continue
				}
			}
			var change int64
			for j := range second {
				change += r.Series[i+j] - r.Series[i-1-j]
			}
			sums[k] += math.Abs(float64(change)) * 8 / r.Rate
			counts[k]++
		}
	}
	return sums[0] / counts[0], sums[1] / counts[1]
}
