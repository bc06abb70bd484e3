package perigee_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

// epoch is on the grid of days, so that windows of it are whole.
var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// A fakeLink makes the samples of one link.
type fakeLink struct {
	id       perigee.LinkID
	orbit    perigee.Orbit
	interval time.Duration // 200 ms if 0
	window   time.Duration // 10 s if 0

	// rtt returns the round-trip time in seconds of a probe sent at t since
	// epoch, negative if it is lost.
	rtt func(t time.Duration, r *rand.Rand) float64
}

func (l fakeLink) stream() perigee.Stream {
	return perigee.Stream{Site: "home", Link: l.id, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
}

// record stores what links measure from epoch+from to epoch+to, in windows of 10 s, or as they say.
func record(t testing.TB, store perigee.Store, seed uint64, from, to time.Duration, links ...fakeLink) {
	t.Helper()
	site := perigee.Site{Name: "home"}
	var described []perigee.Link
	var batch perigee.Batch
	for i, l := range links {
		described = append(described, perigee.Link{ID: l.id, Orbit: l.orbit, Interface: string(l.id)})
		batch.Samples = append(batch.Samples, windows(l, rand.New(rand.NewPCG(seed, uint64(i))), from, to)...)
	}
	if err := store.Describe(context.Background(), site, described); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

func windows(l fakeLink, r *rand.Rand, from, to time.Duration) []perigee.Sample {
	length, interval := l.window, l.interval
	if length == 0 {
		length = 10 * time.Second
	}
	if interval == 0 {
		interval = 200 * time.Millisecond
	}
	var variation stats.Variation
	var samples []perigee.Sample
	for start := from; start < to; {
		end := min((start/length+1)*length, to)
		s := perigee.Sample{Stream: l.stream(), Start: epoch.Add(start), Length: end - start, Interval: interval, LossTimeout: 3 * time.Second}
		for at := start; at < end; at += interval {
			one := perigee.Singleton{At: at - start, Outcome: perigee.Lost}
			if v := l.rtt(at, r); v >= 0 {
				one.Outcome, one.RTT = perigee.Received, time.Duration(v*1e9)
				s.RTT.Add(v)
				variation.Arrived(v)
			} else {
				variation.Missed()
			}
			s.Counts.Add(one)
			s.LossRuns.Add(one.Outcome != perigee.Received, interval.Seconds())
		}
		s.Variation = variation.Cut()
		samples = append(samples, s)
		start = end
	}
	return samples
}

// steady returns RTTs of a normal distribution around base with deviation sd, in
// seconds.
func steady(base, sd float64) func(time.Duration, *rand.Rand) float64 {
	return func(_ time.Duration, r *rand.Rand) float64 { return max(base+sd*r.NormFloat64(), base/2) }
}

// slotted returns RTTs like Starlink's: the level is drawn anew every 15 s.
func slotted(base, step, sd float64) func(time.Duration, *rand.Rand) float64 {
	slot, level := int64(-1), 0.0
	return func(t time.Duration, r *rand.Rand) float64 {
		if s := int64(t / (15 * time.Second)); s != slot {
			slot, level = s, step*r.NormFloat64()
		}
		return max(base+level+sd*r.ExpFloat64(), base/3)
	}
}

func lossy(p float64, rtt func(time.Duration, *rand.Rand) float64) func(time.Duration, *rand.Rand) float64 {
	return func(t time.Duration, r *rand.Rand) float64 {
		if v := rtt(t, r); r.Float64() >= p {
			return v
		}
		return -1
	}
}

var demoLinks = []fakeLink{
	{id: "fibre", orbit: perigee.OrbitTerrestrial, rtt: steady(0.014, 0.0005)},
	{id: "starlink", orbit: perigee.OrbitStarlink, rtt: slotted(0.035, 0.006, 0.008)},
	{id: "leo", orbit: perigee.OrbitLEO, rtt: steady(0.085, 0.006)},
	{id: "geo", orbit: perigee.OrbitGEO, rtt: steady(0.620, 0.015)},
}

// The order of four links is right after a minute and after an hour.
func TestCompareOrdersLinks(t *testing.T) {
	for name, minutes := range map[string]int{"provisional": 1, "firm": 60} {
		t.Run(name, func(t *testing.T) {
			store := storagetest.NewMemory()
			from := 3 * time.Second // between grid points
			record(t, store, 1, from, from+time.Duration(minutes)*time.Minute, demoLinks...)
			c, err := perigee.Compare(t.Context(), store, perigee.CompareQuery{Links: ids(demoLinks), Metric: perigee.MetricRTT})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Pairs) != 6 || len(c.Links) != 4 {
				t.Fatalf("%d pairs of %d links, want 6 of 4", len(c.Pairs), len(c.Links))
			}
			for _, p := range c.Pairs {
				t.Logf("%s/%s: %s, p95 %+v, P(lower) %.4f, windows %d, warnings %q", p.A, p.B, p.Verdict, p.P95Difference, p.ProbabilityALower, p.Windows, p.Warnings)
				if !strings.HasPrefix(p.Verdict, string(p.A)+" is lower by ") {
					t.Errorf("%s/%s: verdict %q, want %s lower", p.A, p.B, p.Verdict, p.A)
				}
				if p.EnoughData != (minutes >= 10) {
					t.Errorf("%s/%s: EnoughData = %v after %d min", p.A, p.B, p.EnoughData, minutes)
				}
				if strings.Contains(p.Verdict, "provisional, 60 s measured") != (minutes == 1) {
					t.Errorf("%s/%s: verdict %q", p.A, p.B, p.Verdict)
				}
			}
		})
	}
}

func ids(links []fakeLink) []perigee.LinkID {
	var list []perigee.LinkID
	for _, l := range links {
		list = append(list, l.id)
	}
	return list
}
