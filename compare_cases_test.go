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

// compareTwo compares links by metric and returns the one pair.
func compareTwo(t *testing.T, store perigee.Store, metric perigee.MetricName, a, b perigee.LinkID) perigee.Pair {
	t.Helper()
	c, err := perigee.Compare(t.Context(), store, perigee.CompareQuery{Links: []perigee.LinkID{a, b}, Metric: metric})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Pairs) != 1 {
		t.Fatalf("%d pairs, want 1", len(c.Pairs))
	}
	return c.Pairs[0]
}

func wantWarning(t *testing.T, p perigee.Pair, text string) {
	t.Helper()
	for _, w := range p.Warnings {
		if strings.Contains(w, text) {
			return
		}
	}
	t.Errorf("%s/%s: warnings %q, want one with %q", p.A, p.B, p.Warnings, text)
}

// The same question has the same answer, and the other way round the opposite.
func TestCompareIsReproducible(t *testing.T) {
	for _, minutes := range []time.Duration{2, 30} {
		store := storagetest.NewMemory()
		record(t, store, 1, 0, minutes*time.Minute, demoLinks...)
		for _, metric := range []perigee.MetricName{perigee.MetricRTT, perigee.MetricPDV, perigee.MetricJitter} {
			first := compareTwo(t, store, metric, "starlink", "leo")
			again := compareTwo(t, store, metric, "starlink", "leo")
			if first.MedianDifference != again.MedianDifference || first.P95Difference != again.P95Difference || first.Verdict != again.Verdict {
				t.Errorf("%s asked twice: %+v and %+v", metric, first, again)
			}
			back := compareTwo(t, store, metric, "leo", "starlink")
			f, b := first.MedianDifference, back.MedianDifference
			if math.Abs(f.Estimate+b.Estimate)+math.Abs(f.Low+b.High)+math.Abs(f.High+b.Low) > 1e-9 {
				t.Errorf("%s: %+v one way, %+v the other", metric, f, b)
			}
			if metric != perigee.MetricJitter && math.Abs(first.ProbabilityALower+back.ProbabilityALower-1) > 1e-9 {
				t.Errorf("%s: probabilities %g and %g, want a sum of 1", metric, first.ProbabilityALower, back.ProbabilityALower)
			}
		}
	}
}

func TestCompareRefusals(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute, demoLinks...)
	for name, c := range map[string]struct {
		q    perigee.CompareQuery
		code perigee.Code
		text string
	}{
		"unknown_link":   {perigee.CompareQuery{Links: []perigee.LinkID{"geo", "fiber"}}, perigee.CodeNotFound, "link fiber is not known: known links are fibre, geo, leo, starlink"},
		"one_link":       {perigee.CompareQuery{Links: []perigee.LinkID{"geo"}}, perigee.CodeInvalid, "geo alone cannot be compared"},
		"twice":          {perigee.CompareQuery{Links: []perigee.LinkID{"geo", "leo", "geo"}}, perigee.CodeInvalid, "geo is named twice"},
		"count":          {perigee.CompareQuery{Metric: "sent"}, perigee.CodeInvalid, "rtt, loss_ratio, jitter, pdv, availability, throughput_down, throughput_up, rtt_loaded"},
		"unknown_metric": {perigee.CompareQuery{Metric: "ping"}, perigee.CodeInvalid, `metric "ping"`},
		"range":          {perigee.CompareQuery{From: epoch, To: epoch}, perigee.CodeInvalid, "is not before"},
	} {
		_, err := perigee.Compare(t.Context(), store, c.q)
		if perigee.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v (%s), want %q (%s)", name, err, perigee.CodeOf(err), c.text, c.code)
		}
	}
	_, err := perigee.Compare(t.Context(), storagetest.NewMemory(), perigee.CompareQuery{Links: []perigee.LinkID{"a", "b"}})
	if err == nil || !strings.Contains(err.Error(), "there are none yet") {
		t.Errorf("empty store: %v", err)
	}
	if c, err := perigee.Compare(t.Context(), storagetest.NewMemory(), perigee.CompareQuery{}); err != nil || len(c.Pairs) != 0 {
		t.Errorf("empty store, all links: %+v, %v", c, err)
	}
}

func TestCompareSeveralSites(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute, demoLinks...)
	if err := store.Describe(t.Context(), perigee.Site{Name: "boat"}, []perigee.Link{{ID: "leo"}, {ID: "geo"}}); err != nil {
		t.Fatal(err)
	}
	q := perigee.CompareQuery{Links: []perigee.LinkID{"leo", "geo"}}
	if _, err := perigee.Compare(t.Context(), store, q); perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), "boat, home") {
		t.Errorf("no site given: %v, want the sites named", err)
	}
	q.Site = "home"
	if c, err := perigee.Compare(t.Context(), store, q); err != nil || c.Pairs[0].Windows != 6 {
		t.Errorf("site given: %+v, %v", c, err)
	}
}

// Windows of only one link are left out: b was off for the middle third, in which a
// was slow.
func TestCompareUsesCommonWindowsOnly(t *testing.T) {
	slowInTheMiddle := func(at time.Duration, r *rand.Rand) float64 {
		if at >= 20*time.Minute && at < 40*time.Minute {
			return 0.2 + 0.002*r.NormFloat64()
		}
		return 0.05 + 0.002*r.NormFloat64()
	}
	a := fakeLink{id: "a", rtt: slowInTheMiddle}
	b := fakeLink{id: "b", rtt: steady(0.06, 0.002)}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Hour, a)
	record(t, store, 2, 0, 20*time.Minute, b)
	record(t, store, 3, 40*time.Minute, time.Hour, b)
	p := compareTwo(t, store, perigee.MetricRTT, "a", "b")
	if p.Windows != 240 || math.Abs(p.P95Difference.Estimate+0.01) > 0.001 {
		t.Errorf("%d windows, p95 difference %g; want 240 and -0.010", p.Windows, p.P95Difference.Estimate)
	}
	wantWarning(t, p, "120 of 360 windows in which a was measured are left out, because b was not")
}

// Windows that begin between grid points, or are moved by nanoseconds because the
// clock was once set back, are paired by the clock window they lie in.
func TestComparePairsByClockWindow(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 3*time.Second, 5*time.Minute, fakeLink{id: "a", rtt: steady(0.05, 0.002)})
	late := windows(fakeLink{id: "b", rtt: steady(0.07, 0.002)}, rand.New(rand.NewPCG(2, 2)), 8*time.Second, 5*time.Minute)
	for i := range late {
		late[i].Start = late[i].Start.Add(2)
	}
	if err := store.Append(t.Context(), perigee.Batch{Samples: late}); err != nil {
		t.Fatal(err)
	}
	p := compareTwo(t, store, perigee.MetricRTT, "a", "b")
	if p.Windows != 30 {
		t.Errorf("%d windows, want 30", p.Windows)
	}
	for _, w := range p.Warnings {
		if strings.Contains(w, "left out") {
			t.Errorf("warning %q, want none left out", w)
		}
	}
}

// Windows longer than those that comparisons begin with are paired as they are.
func TestCompareLongWindows(t *testing.T) {
	store := storagetest.NewMemory()
	for i, l := range []fakeLink{{id: "a", rtt: steady(0.05, 0.002)}, {id: "b", rtt: steady(0.07, 0.002)}} {
		var minutes []perigee.Sample
		for i, s := range windows(l, rand.New(rand.NewPCG(1, uint64(i))), 0, 30*time.Minute) {
			if i%6 == 0 {
				minutes = append(minutes, perigee.Sample{})
			}
			minutes[len(minutes)-1].Merge(s)
		}
		if err := store.Append(t.Context(), perigee.Batch{Samples: minutes}); err != nil {
			t.Fatal(err)
		}
	}
	if p := compareTwo(t, store, perigee.MetricRTT, "a", "b"); p.Windows != 30 || !p.EnoughData || !strings.HasPrefix(p.Verdict, "a is lower by ") {
		t.Errorf("%+v, want 30 windows of a minute and a lower", p)
	}
}

func TestCompareNotEnoughData(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 50*time.Second, demoLinks[0], demoLinks[3])
	p := compareTwo(t, store, perigee.MetricRTT, "fibre", "geo")
	if p.EnoughData || p.MedianDifference.Bounded || !p.MedianDifference.Defined || p.Verdict != "not enough data: 5 of at least 6 common windows" {
		t.Errorf("50 s: %+v", p)
	}
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "unplugged"}}); err != nil {
		t.Fatal(err)
	}
	p = compareTwo(t, store, perigee.MetricRTT, "fibre", "unplugged")
	if p.Windows != 0 || p.MedianDifference.Defined || p.Verdict != "not enough data: 0 of at least 6 common windows" {
		t.Errorf("a link without data: %+v", p)
	}
}

func TestCompareTargets(t *testing.T) {
	store := storagetest.NewMemory()
	at := func(target perigee.TargetID, family perigee.Family, seed uint64, l fakeLink) {
		samples := windows(l, rand.New(rand.NewPCG(seed, 0)), 0, time.Minute)
		for i := range samples {
			samples[i].Stream.Target, samples[i].Stream.Family = target, family
		}
		if err := store.Append(t.Context(), perigee.Batch{Samples: samples}); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c := fakeLink{id: "a", rtt: steady(0.05, 0.002)}, fakeLink{id: "b", rtt: steady(0.07, 0.002)}, fakeLink{id: "c", rtt: steady(0.09, 0.002)}
	at("near", perigee.IPv4, 1, a)
	at("near", perigee.IPv6, 2, a)
	at("near", perigee.IPv6, 3, b)
	at("hop", perigee.IPv4, 4, b)
	at("far", perigee.IPv4, 5, c)
	comparison, err := perigee.Compare(t.Context(), store, perigee.CompareQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if p := comparison.Pairs[0]; p.Target != "near" || p.Windows != 6 {
		t.Errorf("a/b: %+v, want the target near, which both probed by IPv6", p)
	}
	for _, p := range comparison.Pairs[1:] {
		if p.Verdict != "not comparable: no common target" || p.EnoughData || p.MedianDifference.Defined {
			t.Errorf("%s/%s: %+v, want no common target", p.A, p.B, p)
		}
		wantWarning(t, p, "no target in common")
	}
	for i, want := range []perigee.Family{perigee.IPv6, perigee.IPv6, perigee.IPv4} {
		if got := comparison.Links[i].Sample.Stream.Family; got != want {
			t.Errorf("link %s is shown by %s, want %s", comparison.Links[i].Sample.Stream.Link, got, want)
		}
	}
}

// Each metric is compared by what it is.
func TestCompareByEachMetric(t *testing.T) {
	calm := fakeLink{id: "calm", rtt: lossy(0.002, steady(0.05, 0.001))}
	rough := fakeLink{id: "rough", rtt: lossy(0.03, steady(0.05, 0.006))}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 30*time.Minute, calm, rough)
	// 90 s of rough's 1800 s in an outage of two parts: availability 0.95.
	if err := store.Append(t.Context(), perigee.Batch{Outages: []perigee.Outage{
		{Stream: rough.stream(), Start: epoch.Add(5 * time.Minute), End: epoch.Add(5*time.Minute + 30*time.Second)},
		{Stream: rough.stream(), Start: epoch.Add(20 * time.Minute), End: epoch.Add(21 * time.Minute)},
	}}); err != nil {
		t.Fatal(err)
	}
	// Of a normal distribution with deviation s, the mean absolute difference
	// of two values is 2 s/sqrt(pi) = 1.128 s: jitter 1.13 and 6.77 ms.
	for _, c := range []struct {
		metric           perigee.MetricName
		want, within     float64
		verdict, warning string
	}{
		{perigee.MetricRTT, 0, 0.0005, "no difference shown", "rough had 2 outages of 90.0 s in all"},
		{perigee.MetricPDV, -0.0165, 0.006, "calm is lower by ", "2 outages"},
		{perigee.MetricJitter, -0.00564, 0.0002, "calm is lower by 5.", "2 outages"},
		{perigee.MetricLossRatio, -0.028, 0.006, "calm is lower by ", "2 outages"},
		{perigee.MetricAvailability, 0.05, 1e-9, "", ""},
	} {
		p := compareTwo(t, store, c.metric, "calm", "rough")
		if d := p.MedianDifference; !d.Bounded || math.Abs(d.Estimate-c.want) > c.within || !strings.HasPrefix(p.Verdict, c.verdict) {
			t.Errorf("%s: %+v, %q, want %g and %q", c.metric, d, p.Verdict, c.want, c.verdict)
		}
		if c.warning != "" {
			wantWarning(t, p, c.warning)
		}
		distribution := c.metric == perigee.MetricRTT || c.metric == perigee.MetricPDV
		if p.P95Difference.Defined != distribution || p.ProbabilityDefined != distribution {
			t.Errorf("%s: p95 defined %v, probability defined %v", c.metric, p.P95Difference.Defined, p.ProbabilityDefined)
		}
	}
}

// Nothing lost on either is no evidence of how sure that is.
func TestCompareNothingLost(t *testing.T) {
	for _, minutes := range []time.Duration{1, 30} {
		store := storagetest.NewMemory()
		record(t, store, 1, 0, minutes*time.Minute, demoLinks[0], demoLinks[3])
		p := compareTwo(t, store, perigee.MetricLossRatio, "fibre", "geo")
		if p.MedianDifference.Bounded || !strings.HasPrefix(p.Verdict, "no difference shown (loss_ratio of both was the same throughout)") {
			t.Errorf("%d min: %+v", minutes, p)
		}
	}
}

func TestCompareWarnsOfImplausibleLabels(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute,
		fakeLink{id: "geo", orbit: perigee.OrbitGEO, rtt: steady(0.031, 0.001)},
		fakeLink{id: "starlink", orbit: perigee.OrbitStarlink, rtt: steady(0.62, 0.01)},
		fakeLink{id: "leo", orbit: perigee.OrbitLEO, rtt: steady(0.012, 0.0005)},
		fakeLink{id: "fibre", orbit: perigee.OrbitTerrestrial, rtt: steady(0.003, 0.0001)})
	p := compareTwo(t, store, perigee.MetricRTT, "geo", "starlink")
	wantWarning(t, p, "geo is called geo, but its smallest RTT")
	wantWarning(t, p, "below the 477.5 ms that light needs")
	wantWarning(t, p, "starlink is called starlink, but its smallest RTT")
	for _, w := range compareTwo(t, store, perigee.MetricRTT, "leo", "fibre").Warnings {
		if strings.Contains(w, "is called") {
			t.Errorf("warning %q, want none: 12 ms is possible at 550 km", w)
		}
	}
}

func TestCompareWarnsOfGaps(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 10*time.Minute, demoLinks[0], demoLinks[3])
	record(t, store, 2, 20*time.Minute, 30*time.Minute, demoLinks[0], demoLinks[3])
	if err := store.Append(t.Context(), perigee.Batch{Gaps: []perigee.Gap{{Site: "home", Start: epoch.Add(10 * time.Minute), End: epoch.Add(20 * time.Minute), Reason: perigee.GapStopped}}}); err != nil {
		t.Fatal(err)
	}
	p := compareTwo(t, store, perigee.MetricRTT, "fibre", "geo")
	wantWarning(t, p, "the monitor itself was not measuring for 10 min")
	if !p.EnoughData || p.Windows != 120 {
		t.Errorf("%+v, want 120 windows and enough data", p)
	}
}

// More than two days are compared by the hour, also what lies at the ends of the range;
// the differences are those of all packets.
func TestCompareLongRange(t *testing.T) {
	a := fakeLink{id: "a", interval: 5 * time.Second, rtt: slotted(0.040, 0.004, 0.004)}
	b := fakeLink{id: "b", interval: 5 * time.Second, rtt: slotted(0.045, 0.004, 0.004)}
	store := storagetest.NewMemory()
	record(t, store, 1, 30*time.Minute, 50*time.Hour, a, b)
	p := compareTwo(t, store, perigee.MetricRTT, "a", "b")
	if p.Windows != 50 || !p.EnoughData || math.Abs(p.MedianDifference.Estimate+0.005) > 0.0003 || !strings.HasPrefix(p.Verdict, "a is lower by 5") {
		t.Errorf("%+v, want 50 windows of an hour and a difference of -5 ms", p)
	}
}

// A minute of two links that are alike rarely tells them apart, although steps of 15 s
// make its windows alike in pairs: 300 others gave 6 %; the limit is three standard
// errors above.
func TestCompareProvisionalFalseAlarms(t *testing.T) {
	const trials = 200
	alarms := 0
	for seed := range uint64(trials) {
		store := storagetest.NewMemory()
		record(t, store, seed, 3*time.Second, 63*time.Second,
			fakeLink{id: "a", rtt: slotted(0.040, 0.008, 0.006)}, fakeLink{id: "b", rtt: slotted(0.040, 0.008, 0.006)})
		if p := compareTwo(t, store, perigee.MetricRTT, "a", "b"); !strings.HasPrefix(p.Verdict, "no difference shown") {
			alarms++
		}
	}
	t.Logf("%d of %d pairs told apart", alarms, trials)
	if alarms > trials*11/100 {
		t.Errorf("%d of %d pairs told apart, want at most 11 %%", alarms, trials)
	}
}
