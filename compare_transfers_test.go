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

// transfersOf returns one transfer an hour at a random minute, for so many days; rate
// gives its rate in bits per second.
func transfersOf(link perigee.LinkID, direction perigee.Load, days int, seed uint64, rate func(at time.Duration, r *rand.Rand) float64) []perigee.Throughput {
	r := rand.New(rand.NewPCG(seed, 9))
	var list []perigee.Throughput
	for hour := range days * 24 {
		at := time.Duration(hour)*time.Hour + time.Duration(r.Int64N(int64(59*time.Minute)))
		bits := rate(at, r)
		list = append(list, perigee.Throughput{
			Stream: perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodTransfer, Family: perigee.IPv4, Load: direction},
			Start:  epoch.Add(at), Length: 10 * time.Second, Streams: 8, Congestion: "cubic", Stop: perigee.StoppedAtTime, ReceiverCounted: true,
			Rate: bits, Steady: true, WholeRate: bits, Bytes: int64(bits / 8 * 10), Retransmitted: -1,
			SeriesStep: 10 * time.Second, Series: []int64{int64(bits / 8 * 10)},
		})
	}
	return list
}

// busyEvenings is a rate with a daily cycle and a lognormal spread.
func busyEvenings(mean float64) func(time.Duration, *rand.Rand) float64 {
	return func(at time.Duration, r *rand.Rand) float64 {
		cycle := 1 - 0.3*math.Sin(2*math.Pi*at.Hours()/24)
		return mean * cycle * math.Exp(0.2*r.NormFloat64()-0.02)
	}
}

func storeTransfers(t *testing.T, store perigee.Store, lists ...[]perigee.Throughput) {
	t.Helper()
	known, err := store.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		if id := list[0].Stream.Link; !slices.ContainsFunc(known, func(r perigee.LinkRecord) bool { return r.Link.ID == id }) {
			if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: id}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Append(t.Context(), perigee.Batch{Throughputs: list}); err != nil {
			t.Fatal(err)
		}
	}
}

// Transfers of two links are never at one time; they are compared by the hour.
func TestCompareThroughput(t *testing.T) {
	store := storagetest.NewMemory()
	storeTransfers(t, store, transfersOf("a", perigee.LoadDown, 4, 1, busyEvenings(80e6)), transfersOf("b", perigee.LoadDown, 4, 2, busyEvenings(120e6)),
		transfersOf("a", perigee.LoadUp, 4, 3, busyEvenings(20e6)), transfersOf("b", perigee.LoadUp, 4, 4, busyEvenings(20e6)))
	q := perigee.CompareQuery{Metric: perigee.MetricThroughputDown, From: epoch, To: epoch.Add(4 * 24 * time.Hour)}
	c := compare(t, store, q)
	p := c.Pairs[0]
	if p.Grid != time.Hour || p.Windows != 96 || !p.EnoughData || p.MedianDifference.Low < -55e6 || p.MedianDifference.High > -25e6 || !strings.HasPrefix(p.Verdict, "a is lower by ") || !strings.Contains(p.Verdict, "Mbit/s") {
		t.Errorf("down: %+v", p)
	}
	if l := c.Links[0]; l.Rates.Count != 96 || math.Abs(l.Rates.Mean-80e6) > 8e6 || l.Sample.Stream.Load != perigee.LoadDown {
		t.Errorf("down: %+v", l)
	}
	q.Metric = perigee.MetricThroughputUp
	if p := compare(t, store, q).Pairs[0]; !strings.HasPrefix(p.Verdict, "no difference shown (estimate ") || !p.EnoughData {
		t.Errorf("up: %+v", p)
	}
	// By weekday, and this half of the time against the other.
	q.Metric, q.By = perigee.MetricThroughputDown, perigee.ByWeekday
	if c := compare(t, store, q); len(c.Pairs) != 4 || !strings.HasPrefix(c.Pairs[0].Verdict, "on Mondays a is lower by ") {
		t.Errorf("by weekday: %+v", c.Pairs)
	}
	q.By, q.From, q.BaselineFrom = "", epoch.Add(48*time.Hour), epoch
	if c := compare(t, store, q); len(c.Pairs) != 2 || c.Pairs[0].Windows != 48 || !strings.HasPrefix(c.Pairs[0].Verdict, "no difference shown (estimate ") {
		t.Errorf("against earlier: %+v", c.Pairs)
	}
}

func TestCompareThroughputOfFewTransfers(t *testing.T) {
	store := storagetest.NewMemory()
	few := func(id perigee.LinkID, rate float64) []perigee.Throughput {
		return transfersOf(id, perigee.LoadDown, 1, 5, busyEvenings(rate))[:4]
	}
	storeTransfers(t, store, few("a", 10e6), few("b", 100e6))
	p := compare(t, store, perigee.CompareQuery{Metric: perigee.MetricThroughputDown, From: epoch, To: epoch.Add(24 * time.Hour)}).Pairs[0]
	if p.EnoughData || p.MedianDifference.Bounded || !strings.HasPrefix(p.Verdict, "not enough data: ") {
		t.Errorf("four transfers each: %+v", p)
	}
}

// Only transfers made alike are compared.
func TestCompareTransfersMadeAlike(t *testing.T) {
	a, b := transfersOf("a", perigee.LoadDown, 4, 1, busyEvenings(100e6)), transfersOf("b", perigee.LoadDown, 4, 2, busyEvenings(100e6))
	for i := range a {
		if i%3 == 0 { // one connection gets half
			a[i].Streams, a[i].Rate = 1, a[i].Rate/2
		}
		if i%3 != 0 {
			b[i].Streams, b[i].Rate = 1, b[i].Rate/2
		}
	}
	q := perigee.CompareQuery{Metric: perigee.MetricThroughputDown, From: epoch, To: epoch.Add(4 * 24 * time.Hour)}
	store := storagetest.NewMemory()
	storeTransfers(t, store, a, b)
	p := compare(t, store, q).Pairs[0]
	if !strings.HasPrefix(p.Verdict, "no difference shown (estimate ") {
		t.Errorf("mixed: %+v", p)
	}
	wantWarning(t, p, "transfers with 8 connections of cubic are compared, others are left out")

	store = storagetest.NewMemory()
	for i := range b {
		b[i].Streams, b[i].Congestion = 2, "bbr"
		a[i].Steady = i%4 != 0
	}
	storeTransfers(t, store, a, b)
	p = compare(t, store, q).Pairs[0]
	wantWarning(t, p, "transfers were not made alike: 8 connections of cubic over a, 2 connections of bbr over b")
	wantWarning(t, p, "24 of 96 transfers over a reached no steady rate and are left out")
}

// Round trips under load are of other minutes on each link, and never mixed with idle ones.
func TestCompareUnderLoad(t *testing.T) {
	store := storagetest.NewMemory()
	a, b := fakeLink{id: "a", rtt: steady(0.040, 0.002)}, fakeLink{id: "b", rtt: steady(0.040, 0.002)}
	record(t, store, 1, 0, 24*time.Hour, fakeLink{id: "a", interval: 10 * time.Second, rtt: a.rtt}, fakeLink{id: "b", interval: 10 * time.Second, rtt: b.rtt})
	load := func(l fakeLink, minute time.Duration, extra float64) {
		for hour := range time.Duration(24) {
			at := hour*time.Hour + minute*time.Minute
			loaded := windows(fakeLink{id: l.id, interval: 50 * time.Millisecond, rtt: steady(0.040+extra, 0.010)}, rand.New(rand.NewPCG(uint64(hour), uint64(minute))), at, at+20*time.Second)
			for i := range loaded {
				loaded[i].Stream.Load = perigee.LoadDown
			}
			if err := store.Append(t.Context(), perigee.Batch{Samples: loaded}); err != nil {
				t.Fatal(err)
			}
		}
	}
	load(a, 7, 0.100)
	load(b, 33, 0.020)
	for name, q := range map[string]perigee.CompareQuery{"rtt_loaded": {Metric: perigee.MetricRTTLoaded}, "rtt with load": {Load: perigee.LoadDown}} {
		p := compare(t, store, q).Pairs[0]
		if p.Grid != time.Hour || p.Windows != 24 || !p.EnoughData || math.Abs(p.MedianDifference.Estimate-0.080) > 0.003 || !strings.HasPrefix(p.Verdict, "a is higher by ") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	c := compare(t, store, perigee.CompareQuery{By: perigee.ByLoad})
	if len(c.Pairs) != 2 || !strings.HasPrefix(c.Pairs[0].Verdict, "without load no difference shown") || !strings.HasPrefix(c.Pairs[1].Verdict, "with load going down a is higher by ") {
		t.Errorf("by load: %+v", c.Pairs)
	}
}

// What was promised is held against what was measured.
func TestComparePlans(t *testing.T) {
	store := storagetest.NewMemory()
	dsl := fakeLink{id: "dsl", interval: 30 * time.Second, window: 10 * time.Minute, rtt: steady(0.02, 0.001)}
	record(t, store, 1, 0, 10*24*time.Hour, dsl, fakeLink{id: "other", interval: 30 * time.Second, window: 10 * time.Minute, rtt: steady(0.02, 0.001)})
	plan := perigee.Plan{Down: 100e6, Up: 20e6, Availability: 0.99}
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "dsl", Interface: "dsl", Plan: plan}}); err != nil {
		t.Fatal(err)
	}
	half := func(at time.Duration, _ *rand.Rand) float64 {
		if at < 5*24*time.Hour {
			return 100e6
		}
		return 99e6
	}
	list := transfersOf("dsl", perigee.LoadDown, 10, 1, half)
	list[0].Steady = false
	storeTransfers(t, store, list)
	// An hour down on two days; ten minutes on a third leave more than 99 %.
	if err := store.Append(t.Context(), perigee.Batch{Outages: []perigee.Outage{
		{Stream: dsl.stream(), Start: epoch.Add(30 * time.Hour), End: epoch.Add(31 * time.Hour)},
		{Stream: dsl.stream(), Start: epoch.Add(60 * time.Hour), End: epoch.Add(61 * time.Hour)},
		{Stream: dsl.stream(), Start: epoch.Add(100 * time.Hour), End: epoch.Add(100*time.Hour + 10*time.Minute)},
	}}); err != nil {
		t.Fatal(err)
	}
	c := compare(t, store, perigee.CompareQuery{From: epoch, To: epoch.Add(10 * 24 * time.Hour)})
	want := perigee.PlanKept{Plan: plan, Down: 239, DownMet: 119, Days: 10, DaysMet: 8}
	if got := c.Links[0].Plan; got != want {
		t.Errorf("dsl: %+v, want %+v", got, want)
	}
	if got := c.Links[1].Plan; got != (perigee.PlanKept{}) {
		t.Errorf("other: %+v, want nothing", got)
	}
}
