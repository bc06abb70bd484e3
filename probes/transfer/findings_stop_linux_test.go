package transfer_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/transfer"
)

// narrow returns p with another rate both ways, and queues that are as long in time.
func narrow(p lab.Profile, rate int64) lab.Profile {
	for _, d := range []*lab.Direction{&p.Up, &p.Down} {
		if d.Rate > rate {
			d.Queue = max(30e3, d.Queue*rate/d.Rate)
			d.Rate = rate
		}
	}
	return p
}

// stopWays are the transfers that may stop early.
var stopWays = []way{
	{perigee.LoadDown, "cubic", 8}, {perigee.LoadUp, "cubic", 8},
	{perigee.LoadDown, "bbr", 1}, {perigee.LoadUp, "bbr", 1},
	{perigee.LoadDown, "cubic", 2}, {perigee.LoadUp, "cubic", 2},
	{perigee.LoadDown, "bbr", 4}, {perigee.LoadUp, "bbr", 4},
}

// tally counts what became of tests that might stop early.
type tally struct {
	tests, bounds, held  int
	stopped, stoppedHeld int
	early, full          int64 // bytes
}

// add counts a test that might stop early and the same in full, and reports whether the
// first one's bound, if it has one, holds the rate of the second.
func (k *tally) add(early, full perigee.Throughput) bool {
	k.tests++
	k.early += early.Bytes
	k.full += full.Bytes
	if early.Error < 0 {
		return true
	}
	k.bounds++
	holds := math.Abs(early.Rate-full.Rate) <= early.Error*early.Rate
	if holds {
		k.held++
	}
	if early.Stop == perigee.StoppedAtPrecision {
		k.stopped++
		if holds {
			k.stoppedHeld++
		}
	}
	return holds
}

func (k *tally) String() string {
	return fmt.Sprintf("%3d tests, %3d with a bound, which held in %3d; %3d stopped early, of which in %3d; %.0f %% of the bytes saved",
		k.tests, k.bounds, k.held, k.stopped, k.stoppedHeld, 100*(1-float64(k.early)/float64(k.full)))
}

// even reports whether a transfer over a link that does nothing to packets but carry them
// at a rate went evenly. If not, the machine stood still.
func even(r perigee.Throughput) bool {
	for second := range slices.Chunk(r.Series[int(r.Ramp/r.SeriesStep):], 20) {
		var sum int64
		for _, n := range second {
			sum += n
		}
		if len(second) == 20 && float64(sum)*8/2 < 0.7*r.Rate {
			return false
		}
	}
	return r.Steady
}

// TestStoppingEarlyKeepsThePromiseInTheLab makes each test twice, in labs of the same
// seed: it stops when its rate is known to 5 %, or takes a minute in full. The bound of
// the first is to hold the rate of the second.
//
// One more link shows whether the machine carried all that: if not, the round is made
// again.
func TestStoppingEarlyKeepsThePromiseInTheLab(t *testing.T) {
	long(t)
	needCongestion(t, "bbr")
	const rounds, again, rate, precision = 5, 5, 4e6, 0.05
	links := []lab.Profile{lab.Fibre(), lab.LEO(), lab.GEO()}
	var profiles []lab.Profile
	for range stopWays {
		for _, p := range links {
			profiles = append(profiles, narrow(p, rate))
		}
	}
	control := len(profiles)
	measure := func(seed uint64, precision float64) ([][]perigee.Throughput, bool) {
		l := copies(t, seed, append(profiles, plain("control", 500e3, 10*time.Millisecond, 30e3))...)
		defer l.Close()
		results, err := abreast(t, l, func(i int) []transfer.Options {
			if i == control {
				return []transfer.Options{by(t, l, i, way{perigee.LoadDown, "cubic", 1}, time.Minute)}
			}
			o := by(t, l, i, stopWays[i/len(links)], time.Minute)
			o.Precision = precision
			return []transfer.Options{o}
		})
		if err != nil || !even(results[control][0]) {
			t.Logf("seed %d: the machine stood still (%v)", seed, err)
			return nil, false
		}
		return results, true
	}
	kinds, order, all := map[string]*tally{}, []string{}, new(tally)
	made := 0
	for seed := uint64(100); made < rounds; seed++ {
		if seed == 100+rounds+again {
			t.Skipf("the machine stood still in %d of %d rounds: run this on one that has nothing else to do", again, rounds+again)
		}
		stopped, calm := measure(seed, precision)
		if !calm {
			continue
		}
		full, calm := measure(seed, 0)
		if !calm {
			continue
		}
		made++
		for i := range profiles {
			a, b := stopped[i][0], full[i][0]
			kind := fmt.Sprintf("%s, %s", profiles[i].Name, a.Congestion)
			if kinds[kind] == nil {
				kinds[kind], order = new(tally), append(order, kind)
			}
			kinds[kind].add(a, b)
			if !all.add(a, b) {
				t.Logf("seed %d, %s, %v: %.3f Mbit/s +- %.1f %% after %.0f s (%s), %.3f in full +- %.1f %%", seed, profiles[i].Name, stopWays[i/len(links)],
					a.Rate/1e6, 100*a.Error, a.Length.Seconds(), a.Stop, b.Rate/1e6, 100*b.Error)
			}
		}
		t.Logf("after %d rounds: %v", made, all)
	}
	for _, kind := range order {
		t.Logf("%-14s %v", kind, kinds[kind])
	}
	if all.bounds < 100 {
		t.Errorf("%d tests with a bound, want 100", all.bounds)
	}
	if all.held*100 < all.bounds*93 {
		t.Errorf("the bound held in %d of %d, want 93 %%", all.held, all.bounds)
	}
	if all.stoppedHeld*100 < all.stopped*93 {
		t.Errorf("the bound of those that stopped held in %d of %d, want 93 %%", all.stoppedHeld, all.stopped)
	}
}
