package perigee_test

import (
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

// reliabilityOf returns the only answer of a house.
func reliabilityOf(t *testing.T, store perigee.Store, q perigee.ReliabilityQuery) perigee.LinkReliability {
	t.Helper()
	list, err := perigee.ReliabilityOf(t.Context(), store, q)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d answers, %v, want 1", len(list), err)
	}
	return list[0]
}

// Two hours around midnight: 60 s of a link that is down begin before it and end after
// it; 100 s of a target that is down, and a gap, are not the link's.
func TestReliabilityByDay(t *testing.T) {
	h := newHouse(1, 2)
	h.from, h.minutes = epoch.Add(23*time.Hour), 120
	h.fail("", "", 3570, 3630).fail("", "far-1", 600, 700).fail("", "", 5400, 5410).gap(5405, 5500, perigee.GapStalled)
	store := h.store(t)
	r := reliabilityOf(t, store, perigee.ReliabilityQuery{})
	check := func(name string, r perigee.Reliability, planned, down time.Duration, failures int, longest time.Duration) {
		t.Helper()
		if r.Planned != planned || r.Down != down || r.Failures != failures || r.Longest != longest {
			t.Errorf("%s: planned %s, down %s, %d failures, longest %s, want %s, %s, %d, %s", name, r.Planned, r.Down, r.Failures, r.Longest, planned, down, failures, longest)
		}
	}
	check("total", r.Total, 2*time.Hour, 65*time.Second, 2, time.Minute)
	if len(r.Periods) != 2 || !r.Periods[0].To.Equal(epoch.Add(24*time.Hour)) {
		t.Fatalf("periods %+v, want two that meet at midnight", r.Periods)
	}
	check("first day", r.Periods[0], time.Hour, 30*time.Second, 1, time.Minute)
	check("second day", r.Periods[1], time.Hour, 35*time.Second, 1, 5*time.Second)
	if e := r.Total.Excused[perigee.BlameTarget]; e.Count != 1 || e.Down != 100*time.Second {
		t.Errorf("excused %+v, want the target's 100 s", r.Total.Excused)
	}
	if mtbf, ok := r.Total.MTBF(); !ok || mtbf != (2*time.Hour-65*time.Second)/2 {
		t.Errorf("MTBF %s, %v", mtbf, ok)
	}
	if mttr, ok := r.Total.MTTR(); !ok || mttr != 32500*time.Millisecond {
		t.Errorf("MTTR %s, %v", mttr, ok)
	}

	// In a zone that is half an hour and some off, midnight is elsewhere.
	adelaide, err := time.LoadLocation("Australia/Adelaide")
	if err != nil {
		t.Skip(err)
	}
	r = reliabilityOf(t, store, perigee.ReliabilityQuery{Location: adelaide})
	if len(r.Periods) != 1 {
		t.Errorf("periods %+v, want one", r.Periods)
	}
	r = reliabilityOf(t, store, perigee.ReliabilityQuery{By: perigee.ByMonth})
	if len(r.Periods) != 1 || !r.Periods[0].From.Equal(h.from) {
		t.Errorf("periods %+v, want one, cut to the range", r.Periods)
	}
	if _, err := perigee.ReliabilityOf(t.Context(), store, perigee.ReliabilityQuery{By: "week"}); perigee.CodeOf(err) != perigee.CodeInvalid {
		t.Errorf("by week: %v", err)
	}
}

// Loss periods that are too short to be outages are counted apart: of the four that the
// windows know of far-1, one is told as an outage; far-2 lost fewer.
func TestShortLossesAreCountedApart(t *testing.T) {
	h := newHouse(1, 2).fail("", "", 600, 602)
	for i, target := range h.targets {
		var runs stats.LossRuns
		for k := range 300 {
			runs.Add(k%(100*(i+1)) == 0 || k >= 290, 0.2)
		}
		h.batch.Samples = append(h.batch.Samples, perigee.Sample{Stream: h.stream("link-1", target), Start: h.at(600), Length: time.Minute, Interval: 200 * time.Millisecond,
			LossTimeout: 3 * time.Second, Counts: perigee.Counts{Planned: 300, Sent: 300, Received: 286, Lost: 14}, LossRuns: runs})
	}
	r := reliabilityOf(t, h.store(t), perigee.ReliabilityQuery{})
	if r.Total.ShortLosses != 2 || r.Total.Failures != 1 || r.Periods[0].ShortLosses != 2 {
		t.Errorf("%d short losses and %d failures, want 2 and 1", r.Total.ShortLosses, r.Total.Failures)
	}
}

// Without a failure the mean time between failures is not known but from below.
func TestReliabilityWithoutFailures(t *testing.T) {
	h := newHouse(1, 1)
	r := reliabilityOf(t, h.store(t), perigee.ReliabilityQuery{})
	if mtbf, ok := r.Total.MTBF(); ok || mtbf != time.Hour {
		t.Errorf("MTBF %s, %v, want more than an hour", mtbf, ok)
	}
	if _, ok := r.Total.MTTR(); ok {
		t.Error("MTTR without a failure")
	}
	if list, err := perigee.ReliabilityOf(t.Context(), storagetest.NewMemory(), perigee.ReliabilityQuery{}); err != nil || len(list) != 0 {
		t.Errorf("empty store: %v, %v", list, err)
	}
}
