package perigee_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// A summary is what all singletons of the range give, counted one by one.
func TestSummarizeAgreesWithCounting(t *testing.T) {
	link := fakeLink{id: "starlink", orbit: perigee.OrbitStarlink, rtt: lossy(0.02, slotted(0.040, 0.008, 0.006))}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 10*time.Minute, link)
	from, to := epoch.Add(2*time.Minute), epoch.Add(7*time.Minute)
	summaries, err := perigee.Summarize(t.Context(), store, perigee.Query{From: from, To: to})
	if err != nil || len(summaries) != 1 {
		t.Fatalf("%d summaries, %v, want 1", len(summaries), err)
	}
	var want perigee.Counts
	least, most := math.Inf(1), 0.0
	var sum float64
	for _, w := range windows(link, rand.New(rand.NewPCG(1, 0)), 0, 10*time.Minute) {
		if w.Start.Before(from) || !w.Start.Before(to) {
			continue
		}
		want.Merge(w.Counts)
		least, most = min(least, w.RTT.Min), max(most, w.RTT.Max)
		sum += w.RTT.Mean * float64(w.RTT.Count)
	}
	s := summaries[0]
	got := s.Sample
	if got.Counts != want || got.Counts.Planned != 1500 || got.RTT.Count != want.Received || got.LossRuns.Packets != 1500 {
		t.Errorf("counts %+v, want %+v", got.Counts, want)
	}
	if got.RTT.Min != least || got.RTT.Max != most || math.Abs(got.RTT.Mean-sum/float64(want.Received)) > 1e-12 {
		t.Errorf("RTT from %g to %g, mean %g, want %g, %g, %g", got.RTT.Min, got.RTT.Max, got.RTT.Mean, least, most, sum/float64(want.Received))
	}
	if !got.Start.Equal(from) || got.Length != 5*time.Minute || got.Stream != link.stream() {
		t.Errorf("sample of %+v from %s for %s", got.Stream, got.Start, got.Length)
	}
	if s.Orbit != perigee.OrbitStarlink || !s.FloorDefined || s.Availability != 1 || !s.AvailabilityDefined {
		t.Errorf("orbit %s, floor %v, availability %g", s.Orbit, s.FloorDefined, s.Availability)
	}
}

// Read from rollups, a summary is the same as read from windows, to the last count
// and quantile.
func TestSummarizeOfRollupsIsTheSame(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 30*time.Hour, fakeLink{id: "a", interval: 5 * time.Second, rtt: lossy(0.02, slotted(0.040, 0.008, 0.006))})
	q := perigee.Query{From: epoch.Add(25 * time.Minute), To: epoch.Add(29*time.Hour + 7*time.Minute)}
	rolled, err := perigee.Summarize(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	q.Resolution = perigee.Windows
	plain, err := perigee.Summarize(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	a, b := rolled[0].Sample, plain[0].Sample
	if a.Counts != b.Counts || a.Start != b.Start || a.Length != b.Length || a.RTT.Min != b.RTT.Min || a.Variation.Jitter != b.Variation.Jitter ||
		a.LossRuns.Count != b.LossRuns.Count || a.LossRuns.Longest.Packets != b.LossRuns.Longest.Packets {
		t.Errorf("from rollups %+v, from windows %+v", a, b)
	}
	for _, q := range []float64{0.05, 0.5, 0.95, 0.99} {
		va, _ := a.RTT.Quantile(q)
		if vb, _ := b.RTT.Quantile(q); va != vb {
			t.Errorf("Quantile(%g) = %g from rollups, %g from windows", q, va, vb)
		}
	}
}

// An outage counts by the time it has in the range, but not where the monitor itself
// was not measuring: 10 min planned, of which 60 s are in an outage that began before
// the range, and 30 s in one that has another 30 s in a gap.
func TestSummarizeAvailability(t *testing.T) {
	link := fakeLink{id: "a", rtt: steady(0.05, 0.001)}
	other := fakeLink{id: "b", rtt: steady(0.05, 0.001)}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 20*time.Minute, link, other)
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	err := store.Append(t.Context(), perigee.Batch{
		Outages: []perigee.Outage{
			{Stream: link.stream(), Start: at(9 * time.Minute), End: at(11 * time.Minute)},
			{Stream: link.stream(), Start: at(15 * time.Minute), End: at(16 * time.Minute)},
			{Stream: link.stream(), Start: at(2 * time.Minute), End: at(3 * time.Minute)},
		},
		Gaps: []perigee.Gap{{Site: "home", Start: at(15*time.Minute + 30*time.Second), End: at(17 * time.Minute), Reason: perigee.GapSuspended}},
	})
	if err != nil {
		t.Fatal(err)
	}
	summaries, err := perigee.Summarize(t.Context(), store, perigee.Query{From: at(10 * time.Minute), To: at(20 * time.Minute)})
	if err != nil || len(summaries) != 2 {
		t.Fatalf("%d summaries, %v", len(summaries), err)
	}
	if s := summaries[0]; !s.AvailabilityDefined || math.Abs(s.Availability-0.85) > 1e-12 {
		t.Errorf("availability %g, want 1 - 90/600", s.Availability)
	}
	if s := summaries[1]; s.Availability != 1 {
		t.Errorf("availability of the other link %g, want 1", s.Availability)
	}
}

func TestSummarizeUnknownAndEmpty(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute, demoLinks...)
	_, err := perigee.Summarize(t.Context(), store, perigee.Query{Links: []perigee.LinkID{"moon"}})
	if perigee.CodeOf(err) != perigee.CodeNotFound || !strings.Contains(err.Error(), "known links are fibre, geo, leo, starlink") {
		t.Errorf("unknown link: %v", err)
	}
	summaries, err := perigee.Summarize(t.Context(), store, perigee.Query{From: epoch.Add(time.Hour), To: epoch.Add(2 * time.Hour)})
	if err != nil || len(summaries) != 0 {
		t.Errorf("no data in the range: %d summaries, %v", len(summaries), err)
	}
	if summaries, err = perigee.Summarize(t.Context(), store, perigee.Query{}); err != nil || len(summaries) != 4 {
		t.Errorf("all there is: %d summaries, %v, want 4", len(summaries), err)
	}
	if summaries, err = perigee.Summarize(t.Context(), storagetest.NewMemory(), perigee.Query{}); err != nil || len(summaries) != 0 {
		t.Errorf("empty store: %d summaries, %v", len(summaries), err)
	}
}
