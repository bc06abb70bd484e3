package transfer_test

import (
	"fmt"
	"math"
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

// TestStoppingEarlyKeepsThePromiseInTheLab makes each test twice, in labs of the same
// seed: it stops when its rate is known to 5 %, or takes a minute in full. The bound of
// the first is to hold the rate of the second.
func TestStoppingEarlyKeepsThePromiseInTheLab(t *testing.T) {
	long(t)
	needCongestion(t, "bbr")
	const labs, rate, precision = 5, 4e6, 0.05
	links := []lab.Profile{lab.Fibre(), lab.LEO(), lab.GEO()}
	var profiles []lab.Profile
	for range len(stopWays) {
		for _, p := range links {
			profiles = append(profiles, narrow(p, rate))
		}
	}
	type tally struct{ tests, bounds, held, stopped, stoppedHeld, early, full int64 }
	kinds, order := map[string]*tally{}, []string{}
	var all tally
	for seed := range uint64(labs) {
		measure := func(precision float64) [][]perigee.Throughput {
			l := copies(t, 100+seed, profiles...)
			defer l.Close()
			return abreast(t, l, func(i int) []transfer.Options {
				o := by(t, l, i, stopWays[i/len(links)], time.Minute)
				o.Precision = precision
				return []transfer.Options{o}
			})
		}
		stopped, full := measure(precision), measure(0)
		for i := range profiles {
			early, truth := stopped[i][0], full[i][0]
			kind := fmt.Sprintf("%s, %s", profiles[i].Name, early.Congestion)
			if kinds[kind] == nil {
				kinds[kind], order = new(tally), append(order, kind)
			}
			off := math.Abs(early.Rate/truth.Rate - 1)
			for _, k := range []*tally{kinds[kind], &all} {
				k.tests++
				k.early += early.Bytes
				k.full += truth.Bytes
				if early.Error < 0 {
					continue
				}
				k.bounds++
				holds := math.Abs(early.Rate-truth.Rate) <= early.Error*early.Rate
				if holds {
					k.held++
				}
				if early.Stop == perigee.StoppedAtPrecision {
					k.stopped++
					if holds {
						k.stoppedHeld++
					}
				}
			}
			if early.Error >= 0 && off > early.Error {
				t.Logf("missed: seed %d, %s, %v: %.3f Mbit/s +- %.1f %% after %.0f s (%s), %.3f in full +- %.1f %%", seed, profiles[i].Name, stopWays[i/len(links)],
					early.Rate/1e6, 100*early.Error, early.Length.Seconds(), early.Stop, truth.Rate/1e6, 100*truth.Error)
			}
		}
	}
	for _, kind := range append(order, "") {
		k, name := &all, "all"
		if kind != "" {
			k, name = kinds[kind], kind
		}
		t.Logf("%-14s %3d tests, %3d with a bound, which held in %3d; %3d stopped early, of which in %3d; %.0f %% of the bytes saved",
			name, k.tests, k.bounds, k.held, k.stopped, k.stoppedHeld, 100*(1-float64(k.early)/float64(k.full)))
	}
	if all.bounds < 100 {
		t.Errorf("%d tests with a bound, want 100", all.bounds)
	}
	if float64(all.held) < 0.93*float64(all.bounds) {
		t.Errorf("the bound held in %d of %d, want 93 %%", all.held, all.bounds)
	}
	if float64(all.stoppedHeld) < 0.93*float64(all.stopped) {
		t.Errorf("the bound of those that stopped held in %d of %d, want 93 %%", all.stoppedHeld, all.stopped)
	}
}
