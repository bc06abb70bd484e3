package perigee

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"perigee/stats"
)

// transfer is what a comparison needs of a Throughput.
type transfer struct {
	at     time.Time
	rate   float64
	steady bool
	setup  setup
}

// setup is how a transfer was made: the same link has another rate for each.
type setup struct {
	streams    int
	congestion string
}

func (s setup) String() string {
	connections := plural(s.streams, "connection")
	if s.congestion == "" {
		return connections
	}
	return connections + " of " + s.congestion
}

// transferGrid is the shortest clock window that transfers are paired in. Links are not
// tested at once, and what makes them comparable is the time of day.
const transferGrid = 10 * time.Minute

// transfers reports whether m is measured by transfers.
func (m Metric) transfers() bool {
	return m.Name == MetricThroughputDown || m.Name == MetricThroughputUp
}

// direction returns that of the transfers that m is measured by.
func (m Metric) direction() Load {
	if m.Name == MetricThroughputUp {
		return LoadUp
	}
	return LoadDown
}

func (r *reading) readTransfers(ctx context.Context, store Store, metric Metric) error {
	r.grid = transferGrid
	r.q.Load = metric.direction()
	for t, err := range store.Throughputs(ctx, r.q) {
		if err != nil {
			return err
		}
		record := r.at(r.grouping.of(Sample{Stream: t.Stream, Start: t.Start})).of(t.Stream)
		record.transfers = append(record.transfers, transfer{at: t.Start, rate: t.Rate, steady: t.Steady, setup: setup{t.Streams, t.Congestion}})
	}
	return nil
}

// rates returns the rates of the steady transfers, and how many were not.
func (r *record) rates() (rates stats.Distribution, unsteady int) {
	for _, t := range r.transfers {
		if t.steady {
			rates.Add(t.rate)
		} else {
			unsteady++
		}
	}
	return rates, unsteady
}

// ofSetup returns clock windows of the steady transfers that were made with one setup.
func (r *record) ofSetup(s setup) []window {
	var windows []window
	for _, t := range r.transfers {
		if !t.steady || t.setup != s {
			continue
		}
		w := window{place: gridIndex(t.at, transferGrid), transfers: 1, rates: t.rate}
		if n := len(windows); n > 0 && windows[n-1].place == w.place {
			windows[n-1].merge(w)
			continue
		}
		windows = append(windows, w)
	}
	return windows
}

// setups counts the steady transfers by how they were made.
func (r *record) setups() map[setup]int {
	counts := map[setup]int{}
	for _, t := range r.transfers {
		if t.steady {
			counts[t.setup]++
		}
	}
	return counts
}

// likeWithLike returns the windows of the transfers of a and b that can be compared: of
// those made alike, of the setup with most of them; if none were, of each link's
// commonest, with a warning.
func likeWithLike(a, b *record, nameA, nameB LinkID) (windowsA, windowsB []window, warnings []string) {
	setupsA, setupsB := a.setups(), b.setups()
	both := map[setup]int{}
	for s, n := range setupsA {
		if m := setupsB[s]; m > 0 {
			both[s] = min(n, m)
		}
	}
	for _, one := range []struct {
		name   LinkID
		record *record
	}{{nameA, a}, {nameB, b}} {
		if _, unsteady := one.record.rates(); unsteady > 0 {
			warnings = append(warnings, fmt.Sprintf("%d of %d transfers over %s reached no steady rate and are left out", unsteady, len(one.record.transfers), one.name))
		}
	}
	if shared, ok := commonest(both); ok {
		if len(setupsA) > 1 || len(setupsB) > 1 {
			warnings = append(warnings, fmt.Sprintf("transfers with %s are compared, others are left out", shared))
		}
		return a.ofSetup(shared), b.ofSetup(shared), warnings
	}
	ownA, okA := commonest(setupsA)
	ownB, okB := commonest(setupsB)
	if okA && okB {
		warnings = append(warnings, fmt.Sprintf("transfers were not made alike: %s over %s, %s over %s; the difference may be theirs", ownA, nameA, ownB, nameB))
	}
	return a.ofSetup(ownA), b.ofSetup(ownB), warnings
}

// commonest returns the setup with the highest count, of equals the one with most
// connections, then the first by name.
func commonest(counts map[setup]int) (setup, bool) {
	if len(counts) == 0 {
		return setup{}, false
	}
	return slices.MaxFunc(slices.Collect(maps.Keys(counts)), func(a, b setup) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(a.streams, b.streams), cmp.Compare(b.congestion, a.congestion))
	}), true
}

// sharedGrid returns the length of windows, among steps up to a day, at which a and b
// have the most in common, the shortest of equals. It goes by when was measured, not by
// what.
func sharedGrid(a, b []window, grid time.Duration) time.Duration {
	best, most := grid, len(common(a, b))
	for _, step := range append(slices.Clone(steps), 24*time.Hour) {
		if step <= grid || step%grid != 0 {
			continue
		}
		if n := len(common(regridPlaces(a, grid, step), regridPlaces(b, grid, step))); n > most {
			best, most = step, n
		}
	}
	return best
}

// regridPlaces is regrid without content.
func regridPlaces(windows []window, from, to time.Duration) []window {
	bare := make([]window, len(windows))
	for i, w := range windows {
		bare[i].place = w.place
	}
	return regrid(bare, from, to)
}

// common returns the places that a and b share.
func common(a, b []window) []int64 {
	var places []int64
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].place < b[0].place:
			a = a[1:]
		case b[0].place < a[0].place:
			b = b[1:]
		default:
			places = append(places, a[0].place)
			a, b = a[1:], b[1:]
		}
	}
	return places
}
