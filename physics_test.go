package perigee_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// between returns one link's round trips, from a moment on another's for some time.
func between(usual, other float64, from, to time.Duration) func(time.Duration, *rand.Rand) float64 {
	return func(at time.Duration, r *rand.Rand) float64 {
		base := usual
		if at >= from && at < to {
			base = other
		}
		return base * (1 + 0.01*r.Float64())
	}
}

// A link that behaves like another for a while is flagged, with the figures and when.
func TestCompareWarnsOfFailover(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Hour,
		fakeLink{id: "geo", orbit: perigee.OrbitGEO, rtt: between(0.62, 0.04, 20*time.Minute, 26*time.Minute)},
		fakeLink{id: "starlink", orbit: perigee.OrbitStarlink, rtt: between(0.04, 0.62, 10*time.Minute, 16*time.Minute)})
	p := compareTwo(t, store, perigee.MetricRTT, "geo", "starlink")
	wantWarning(t, p, "geo is called geo, but its smallest RTT of 40.0 ms is below the 477.5 ms that light needs (in 36 of 360 windows, from 2026-03-01T00:20:00Z to 2026-03-01T00:26:00Z)")
	wantWarning(t, p, "starlink is called starlink, but for 6 min no RTT was below 400 ms (in 36 of 360 windows, from 2026-03-01T00:10:00Z to 2026-03-01T00:16:00Z): failed over")
}

// Congestion alone is no other orbit.
func TestCompareDoesNotTakeAQueueForAnOrbit(t *testing.T) {
	store := storagetest.NewMemory()
	queue := func(at time.Duration, r *rand.Rand) float64 { return 0.04 + 0.8*r.Float64()*r.Float64() }
	record(t, store, 1, 0, time.Hour, fakeLink{id: "starlink", orbit: perigee.OrbitStarlink, rtt: queue}, fakeLink{id: "fibre", orbit: perigee.OrbitTerrestrial, rtt: steady(0.01, 0.001)})
	for _, w := range compareTwo(t, store, perigee.MetricRTT, "starlink", "fibre").Warnings {
		if strings.Contains(w, "is called") {
			t.Errorf("warning %q, want none", w)
		}
	}
}

// A proxy that answers for the far end is flagged, with the figures.
func TestCompareWarnsOfProxies(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Hour, fakeLink{id: "geo", orbit: perigee.OrbitGEO, rtt: steady(0.62, 0.01)}, fakeLink{id: "fibre", orbit: perigee.OrbitTerrestrial, rtt: steady(0.02, 0.001)})
	proxied, direct := transfersOf("geo", perigee.LoadDown, 1, 1, busyEvenings(20e6))[:1], transfersOf("fibre", perigee.LoadDown, 1, 1, busyEvenings(20e6))[:1]
	proxied[0].Connect.TCP, proxied[0].Idle = 20*time.Millisecond, perigee.Latency{Sent: 10, Received: 10, Min: 0.6, P50: 0.61, P95: 0.62, P99: 0.63, Mean: 0.61}
	direct[0].Connect.TCP, direct[0].Idle = 20*time.Millisecond, perigee.Latency{Sent: 10, Received: 10, Min: 0.019, P50: 0.02, P95: 0.02, P99: 0.02, Mean: 0.02}
	storeTransfers(t, store, proxied, direct)
	c := compare(t, store, perigee.CompareQuery{From: epoch, To: epoch.Add(time.Hour)})
	wantWarning(t, c.Pairs[0], "geo: TCP connects in 20 ms where no probe takes less than 600 ms, in 1 of 1 transfer of the last day: a proxy (PEP) seems to split connections")
	for _, w := range c.Pairs[0].Warnings {
		if strings.HasPrefix(w, "fibre: ") {
			t.Errorf("warning %q, want none of fibre", w)
		}
	}
	// Of a grouped comparison it is said once.
	if c := compare(t, store, perigee.CompareQuery{From: epoch, To: epoch.Add(time.Hour), By: perigee.ByHour}); len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "geo: TCP connects") {
		t.Errorf("by hour: %q", c.Warnings)
	}
}

func TestCompareWarnsOfClockSteps(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Hour, demoLinks[0], demoLinks[3])
	if err := store.Append(t.Context(), perigee.Batch{Gaps: []perigee.Gap{{Site: "home", Start: epoch.Add(time.Minute), End: epoch.Add(time.Minute), Reason: perigee.GapClockStep}}}); err != nil {
		t.Fatal(err)
	}
	wantWarning(t, compareTwo(t, store, perigee.MetricRTT, "fibre", "geo"), "the clock was set once")
}
