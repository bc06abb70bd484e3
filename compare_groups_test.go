package perigee_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// compare asks, and fails the test if there is no answer.
func compare(t *testing.T, store perigee.Store, q perigee.CompareQuery) perigee.Comparison {
	t.Helper()
	c, err := perigee.Compare(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// groups returns the names of the groups in their order.
func groups(c perigee.Comparison) []string {
	var names []string
	for _, p := range c.Pairs {
		if n := len(names); n == 0 || names[n-1] != p.Group {
			names = append(names, p.Group)
		}
	}
	return names
}

// atNight is slower from 20 to 22 h UTC by extra.
func atNight(base, extra float64) func(time.Duration, *rand.Rand) float64 {
	return func(t time.Duration, r *rand.Rand) float64 {
		v := base + 0.001*r.NormFloat64()
		if hour := t / time.Hour % 24; hour == 20 || hour == 21 {
			v += extra
		}
		return v
	}
}

// Two links that differ in the evening only are told apart there and nowhere else, by the
// clock of the zone asked for, whichever resolution the range is read at.
func TestCompareByHour(t *testing.T) {
	for name, c := range map[string]struct {
		days     time.Duration
		zone     *time.Location
		slow     []string
		interval time.Duration
	}{
		"windows of two days":   {2, nil, []string{"20:00", "21:00"}, 5 * time.Second},
		"windows of four days":  {4, nil, []string{"20:00", "21:00"}, 10 * time.Second},
		"hours of two weeks":    {14, nil, []string{"20:00", "21:00"}, 10 * time.Second},
		"ten hours east of UTC": {4, time.FixedZone("AEST", 10*3600), []string{"06:00", "07:00"}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			store := storagetest.NewMemory()
			record(t, store, 1, 0, c.days*24*time.Hour,
				fakeLink{id: "a", window: 5 * time.Minute, interval: c.interval, rtt: atNight(0.040, 0.010)}, fakeLink{id: "b", window: 5 * time.Minute, interval: c.interval, rtt: atNight(0.040, 0)})
			got := compare(t, store, perigee.CompareQuery{By: perigee.ByHour, Zone: c.zone})
			if len(got.Pairs) != 24 || len(got.Links) != 48 || got.Pairs[0].Group != "00:00" {
				t.Fatalf("%d pairs and %d links, the first of %q; want 24 hours of one and two", len(got.Pairs), len(got.Links), got.Pairs[0].Group)
			}
			for _, p := range got.Pairs {
				hour := p.Group[:2]
				slow := slices.Contains(c.slow, p.Group)
				if claimed := strings.Contains(p.Verdict, "a is higher by "); claimed != slow || slow && math.Abs(p.MedianDifference.Estimate-0.010) > 0.0005 || !strings.HasPrefix(p.Verdict, "from "+hour+":00 to ") {
					t.Errorf("%s: %q, %d windows of %s, %+v", p.Group, p.Verdict, p.Windows, p.Grid, p.MedianDifference)
				}
				if !slow && strings.Contains(p.Verdict, "er by ") {
					t.Errorf("%s: %q, want no difference", p.Group, p.Verdict)
				}
				if !p.EnoughData || !p.PDefined || p.PCorrected < p.MedianDifference.P {
					t.Errorf("%s: enough %v, p %g, corrected %g", p.Group, p.EnoughData, p.MedianDifference.P, p.PCorrected)
				}
			}
		})
	}
}

// What a group holds is what the range holds, divided.
func TestGroupsAddUp(t *testing.T) {
	store := storagetest.NewMemory()
	a, b := demoLinks[0], demoLinks[3]
	a.interval, a.window, b.interval, b.window = 5*time.Second, time.Minute, 5*time.Second, time.Minute
	record(t, store, 1, 0, 40*time.Hour, a, b)
	whole := compare(t, store, perigee.CompareQuery{Links: []perigee.LinkID{"fibre", "geo"}})
	for _, by := range []perigee.Grouping{perigee.ByHour, perigee.ByWeekday, perigee.ByDate, perigee.ByLoad, perigee.ByTarget, perigee.ByFamily} {
		c := compare(t, store, perigee.CompareQuery{Links: []perigee.LinkID{"fibre", "geo"}, By: by})
		sum := map[perigee.LinkID]int64{}
		for _, l := range c.Links {
			sum[l.Sample.Stream.Link] += l.Sample.Counts.Received
		}
		for _, l := range whole.Links {
			if id := l.Sample.Stream.Link; sum[id] != l.Sample.Counts.Received {
				t.Errorf("by %s: groups of %s received %d, all of it %d", by, id, sum[id], l.Sample.Counts.Received)
			}
		}
		want := map[perigee.Grouping][]string{
			perigee.ByWeekday: {"Monday", "Sunday"}, perigee.ByDate: {"2026-03-01", "2026-03-02"}, // a Sunday
			perigee.ByLoad: {"idle"}, perigee.ByTarget: {"far"}, perigee.ByFamily: {"ipv4"},
		}
		if by != perigee.ByHour && !slices.Equal(groups(c), want[by]) {
			t.Errorf("by %s: groups %q, want %q", by, groups(c), want[by])
		}
	}
}

// Losses where slots meet show in the second of the slots in which they are.
func TestCompareByPhase(t *testing.T) {
	store := storagetest.NewMemory()
	edge := func(at time.Duration, r *rand.Rand) float64 {
		if (epoch.Add(at).Unix()+18)%15 == 0 && r.Float64() < 0.2 {
			return -1
		}
		return 0.040 + 0.002*r.NormFloat64()
	}
	links := []fakeLink{{id: "a", rtt: edge}, {id: "b", rtt: steady(0.040, 0.002)}}
	var batch perigee.Batch
	for i, l := range links {
		for _, s := range windows(l, rand.New(rand.NewPCG(3, uint64(i))), 0, time.Hour) {
			r := rand.New(rand.NewPCG(uint64(s.Start.Unix()), uint64(i)))
			again := perigee.Sample{Stream: s.Stream, Start: s.Start, Length: s.Length, Interval: s.Interval, LossTimeout: s.LossTimeout}
			for at := time.Duration(0); at < s.Length; at += s.Interval {
				one := perigee.Singleton{Seq: perigee.Seq(len(again.Singletons)), At: at, Outcome: perigee.Lost}
				if v := l.rtt(s.Start.Add(at).Sub(epoch), r); v >= 0 {
					one.Outcome, one.RTT = perigee.Received, time.Duration(v*1e9)
					again.RTT.Add(v)
				}
				again.Counts.Add(one)
				again.Singletons = append(again.Singletons, one)
			}
			batch.Samples = append(batch.Samples, again)
		}
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	c := compare(t, store, perigee.CompareQuery{Metric: perigee.MetricLossRatio, By: perigee.ByPhase})
	if len(c.Pairs) != 15 {
		t.Fatalf("%d pairs, want one for each second of slots", len(c.Pairs))
	}
	for i, p := range c.Pairs {
		if i == 0 != strings.HasPrefix(p.Verdict, "in second 0 of slots a is higher by ") || !p.EnoughData && i == 0 {
			t.Errorf("second %d: %q, %+v", i, p.Verdict, p)
		}
	}
	var planned int64
	for _, l := range c.Links {
		planned += l.Sample.Counts.Planned
	}
	if planned != 2*3600*5 {
		t.Errorf("phases hold %d probes, want %d", planned, 2*3600*5)
	}
	statistics := storagetest.NewMemory()
	record(t, statistics, 1, 0, time.Hour, links...)
	if _, err := perigee.Compare(t.Context(), statistics, perigee.CompareQuery{By: perigee.ByPhase}); perigee.CodeOf(err) != perigee.CodeNotEnoughData || !strings.Contains(err.Error(), "single probes") {
		t.Errorf("without single probes: %v", err)
	}
}

// With a baseline, others are compared with it alone.
func TestCompareWithABaseline(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 30*time.Minute, demoLinks...)
	for _, links := range [][]perigee.LinkID{nil, {"geo", "leo", "starlink"}} {
		c := compare(t, store, perigee.CompareQuery{Links: links, Baseline: "fibre"})
		var against []perigee.LinkID
		for _, p := range c.Pairs {
			against = append(against, p.A)
			if p.B != "fibre" || !strings.HasPrefix(p.Verdict, string(p.A)+" is higher by ") {
				t.Errorf("%s/%s: %q", p.A, p.B, p.Verdict)
			}
		}
		if !slices.Equal(against, []perigee.LinkID{"geo", "leo", "starlink"}) {
			t.Errorf("links %v: compared are %v", links, against)
		}
	}
}

// A link is compared with itself earlier; what did not change is not called different.
func TestCompareWithAnEarlierPeriod(t *testing.T) {
	store := storagetest.NewMemory()
	slower := func(at time.Duration, r *rand.Rand) float64 {
		v := 0.040 + 0.003*r.NormFloat64()
		if at >= 24*time.Hour {
			v += 0.005
		}
		return v
	}
	record(t, store, 1, 0, 27*time.Hour, fakeLink{id: "worse", interval: time.Second, rtt: slower}, fakeLink{id: "same", interval: time.Second, rtt: slotted(0.040, 0.005, 0.002)})
	q := perigee.CompareQuery{From: epoch.Add(24 * time.Hour), To: epoch.Add(27 * time.Hour), BaselineFrom: epoch}
	c := compare(t, store, q)
	if !c.BaselineTo.Equal(epoch.Add(3 * time.Hour)) {
		t.Errorf("the earlier period ends at %v, want as long as the range", c.BaselineTo)
	}
	if len(c.Pairs) != 2 || len(c.Links) != 4 || !c.Links[1].Baseline || c.Links[0].Baseline {
		t.Fatalf("%d pairs, links %+v", len(c.Pairs), c.Links)
	}
	for _, p := range c.Pairs {
		want := "no difference shown (estimate "
		if p.A == "worse" {
			want = "worse is higher by 5"
		}
		if p.A != p.B || !p.EnoughData || !strings.HasPrefix(p.Verdict, want) {
			t.Errorf("%s: %q, %+v", p.A, p.Verdict, p.MedianDifference)
		}
	}
	if v := c.Pairs[1].Verdict; !strings.Contains(v, "than from 2026-03-01T00:00:00Z to 2026-03-01T03:00:00Z") {
		t.Errorf("verdict %q does not say than when", v)
	}
	// A period of another length.
	q.BaselineTo = epoch.Add(20 * time.Hour)
	if p := compare(t, store, q).Pairs[1]; math.Abs(p.MedianDifference.Estimate-0.005) > 0.0005 || !strings.HasPrefix(p.Verdict, "worse is higher by 5") {
		t.Errorf("three hours against twenty: %q", p.Verdict)
	}
	q.Links, q.By = []perigee.LinkID{"worse"}, perigee.ByHour
	if c := compare(t, store, q); len(c.Pairs) != 3 || !strings.HasPrefix(c.Pairs[2].Verdict, "from 02:00 to 03:00 UTC worse is higher by 5") {
		t.Errorf("by hour: %+v", c.Pairs)
	}
}

func TestCompareRefusesWhatCannotBeAsked(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Hour, demoLinks...)
	half := epoch.Add(30 * time.Minute)
	for text, q := range map[string]perigee.CompareQuery{
		`by "month": use one of hour`:             {By: "month"},
		"single probes have no jitter":            {By: perigee.ByPhase, Metric: perigee.MetricJitter},
		"by phase: every probe":                   {By: perigee.ByPhase, From: epoch, To: epoch.Add(8 * 24 * time.Hour)},
		"rtt_loaded is of one load already":       {By: perigee.ByLoad, Metric: perigee.MetricRTTLoaded},
		"by load: load down alone":                {By: perigee.ByLoad, Load: perigee.LoadDown},
		"by day: an earlier period":               {By: perigee.ByDate, From: half, BaselineFrom: epoch},
		"baseline: give a link or an earlier":     {Baseline: "geo", From: half, BaselineFrom: epoch},
		"the period has an end and no beginning":  {From: half, BaselineTo: half},
		"a period that ends before the range beg": {From: half, BaselineFrom: half.Add(-time.Minute), BaselineTo: half.Add(time.Minute)},
		"quantile 0.9: use one of":                {Quantile: 0.9},
		"loss_ratio has no quantiles":             {Quantile: 0.99, Metric: perigee.MetricLossRatio},
		"says the direction already":              {Metric: perigee.MetricThroughputUp, Load: perigee.LoadUp},
		"rtt_loaded is of load down or up":        {Metric: perigee.MetricRTTLoaded, Load: perigee.LoadIdle},
		"are too much at once":                    {By: perigee.ByHour, From: epoch, To: epoch.Add(4 * 365 * 24 * time.Hour)},
	} {
		if _, err := perigee.Compare(t.Context(), store, q); perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if _, err := perigee.Compare(t.Context(), store, perigee.CompareQuery{Baseline: "moon"}); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("unknown baseline: %v", err)
	}
}

// Of many pairs of links that are alike some are told apart by chance; of all together
// that is claimed as seldom as of one.
func TestManyComparisonsAreCorrected(t *testing.T) {
	const trials = 60
	alone, claimed := 0, 0
	for seed := range uint64(trials) {
		store := storagetest.NewMemory()
		var links []fakeLink
		for _, id := range []perigee.LinkID{"a", "b", "c", "d"} {
			links = append(links, fakeLink{id: id, interval: time.Second, rtt: slotted(0.040, 0.005, 0.004)})
		}
		record(t, store, seed, 0, time.Hour, links...)
		someAlone, someClaimed := false, false
		for _, p := range compare(t, store, perigee.CompareQuery{}).Pairs {
			d := p.MedianDifference
			someAlone = someAlone || d.Low > 0 || d.High < 0
			someClaimed = someClaimed || strings.Contains(p.Verdict, "er by ")
		}
		if someAlone {
			alone++
		}
		if someClaimed {
			claimed++
		}
	}
	t.Logf("of %d questions of six pairs, %d had an interval without 0, %d a claim", trials, alone, claimed)
	if claimed > trials*15/100 || alone <= claimed {
		t.Errorf("%d of %d questions had a false claim, %d would have without correction; want 5 %% and more", claimed, trials, alone)
	}
}

// A high quantile takes longer than a median, and until then the answer is how long.
func TestCompareByHighQuantiles(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 3*time.Hour, fakeLink{id: "a", interval: time.Second, rtt: slotted(0.040, 0.005, 0.004)}, fakeLink{id: "b", interval: time.Second, rtt: slotted(0.050, 0.005, 0.012)})
	for _, c := range []struct {
		quantile float64
		length   time.Duration
		enough   bool
		verdict  string
	}{
		{0.99, time.Hour, false, "not enough data: p99 needs about 100 min, 60 min was measured"},
		{0.99, 3 * time.Hour, true, "a's p99 is lower by "},
		{0.95, 15 * time.Minute, false, "not enough data: p95 needs about 20 min, 15 min was measured"},
		{0.95, time.Hour, true, "a's p95 is lower by "},
		{0.5, 15 * time.Minute, true, "a is lower by "},
	} {
		p := compare(t, store, perigee.CompareQuery{Quantile: c.quantile, From: epoch, To: epoch.Add(c.length)}).Pairs[0]
		if p.EnoughData != c.enough || !strings.HasPrefix(p.Verdict, c.verdict) {
			t.Errorf("p%g of %s: enough %v, %q; want %v, %q", 100*c.quantile, c.length, p.EnoughData, p.Verdict, c.enough, c.verdict)
		}
		if !c.enough && (p.P99Difference.Bounded || !p.P99Difference.Defined) {
			t.Errorf("p%g of %s: %+v, want an estimate without bounds", 100*c.quantile, c.length, p.P99Difference)
		}
	}
}
