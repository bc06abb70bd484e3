package perigee_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

func distributions(t *testing.T, store perigee.Store, q perigee.DistributionQuery) perigee.Distributions {
	t.Helper()
	d, err := perigee.DistributionsOf(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// remembered returns l, and what its probes of the windows that begin in a range took, in
// order, as it was asked for them.
func remembered(l fakeLink) (fakeLink, func(from, to time.Duration) []float64) {
	type probe struct {
		at  time.Duration
		rtt float64
	}
	var all []probe
	inner := l.rtt
	l.rtt = func(at time.Duration, r *rand.Rand) float64 {
		v := inner(at, r)
		if v >= 0 {
			all = append(all, probe{at, v})
		}
		return v
	}
	return l, func(from, to time.Duration) (list []float64) {
		for _, p := range all {
			if start := p.at.Truncate(10 * time.Second); start >= from && start < to {
				list = append(list, p.rtt)
			}
		}
		slices.Sort(list)
		return list
	}
}

// exactQuantile is the q-quantile of sorted values by linear interpolation between order
// statistics (type 7).
func exactQuantile(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	k := int(rank)
	if k+1 >= len(sorted) {
		return sorted[k]
	}
	return sorted[k] + (rank-float64(k))*(sorted[k+1]-sorted[k])
}

// Every point is that of all single probes, sorted, within the sketch's error, and the
// ends are exact; pdv is the same above the smallest. A range of nine hours is read from
// rollups in its middle.
func TestDistributionIsThatOfEveryProbe(t *testing.T) {
	store := storagetest.NewMemory()
	a, everyA := remembered(fakeLink{id: "a", orbit: perigee.OrbitGEO, interval: 2 * time.Second, rtt: func(_ time.Duration, r *rand.Rand) float64 {
		if r.Float64() < 0.01 {
			return -1
		}
		return 0.6 + 0.03*r.ExpFloat64()
	}})
	b, everyB := remembered(fakeLink{id: "b", interval: 2 * time.Second, rtt: steady(0.02, 0.001)})
	record(t, store, 1, 0, 9*time.Hour+17*time.Minute, a, b)
	const from, to = 11 * time.Minute, 9*time.Hour + 3*time.Minute
	every := map[perigee.LinkID][]float64{"a": everyA(from, to), "b": everyB(from, to)}
	for _, metric := range []perigee.MetricName{perigee.MetricRTT, perigee.MetricPDV} {
		d := distributions(t, store, perigee.DistributionQuery{Links: []perigee.LinkID{"b", "a"}, Metric: metric, From: epoch.Add(from), To: epoch.Add(to)})
		if len(d.Links) != 2 || d.Links[0].Stream.Link != "b" || d.Links[1].Stream.Link != "a" || d.Metric.Name != metric {
			t.Fatalf("%+v, want b and a in the order asked", d)
		}
		for _, link := range d.Links {
			all := every[link.Stream.Link]
			if link.Counts.Received != int64(len(all)) || link.Stream.Target != "far" {
				t.Errorf("%s: received %d of %s, want %d of far", link.Stream.Link, link.Counts.Received, link.Stream.Target, len(all))
			}
			if len(link.Quantiles) != len(perigee.DistributionShares) || len(link.Quantiles) > 220 {
				t.Fatalf("%d points", len(link.Quantiles))
			}
			reference := 0.0
			if metric == perigee.MetricPDV {
				reference = all[0]
			}
			last := math.Inf(-1)
			for i, p := range link.Quantiles {
				want, tolerance := exactQuantile(all, p.P), stats.RelativeError*exactQuantile(all, p.P)*1.0001
				if p.P == 0 || p.P == 1 {
					tolerance = 0
				}
				if got := p.Value + reference; math.Abs(got-want) > tolerance+1e-12 || p.P != perigee.DistributionShares[i] {
					t.Errorf("%s %s at %g: %g, want %g within %g", metric, link.Stream.Link, p.P, got, want, tolerance)
				}
				if p.Value < last {
					t.Errorf("%s %s falls at %g", metric, link.Stream.Link, p.P)
				}
				last = p.Value
			}
		}
		if geo := d.Links[1]; geo.Orbit != perigee.OrbitGEO || !geo.FloorDefined {
			t.Errorf("%+v, want the orbit and the floor of a stationary link", geo)
		}
	}
}

// The target is one that both links measured, although one of them measured another more,
// and of a link that measured nothing there is a line without points.
func TestDistributionTakesTheCommonTarget(t *testing.T) {
	store := storagetest.NewMemory()
	a, b := fakeLink{id: "a", interval: time.Second, rtt: steady(0.05, 0.001)}, fakeLink{id: "b", interval: time.Second, rtt: steady(0.02, 0.001)}
	record(t, store, 1, 0, 2*time.Minute, a, b, fakeLink{id: "silent", interval: time.Second, rtt: func(time.Duration, *rand.Rand) float64 { return -1 }})
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "never", Orbit: perigee.OrbitLEO}}); err != nil {
		t.Fatal(err)
	}
	for _, other := range []perigee.TargetID{"near", perigee.FirstHop} {
		more := windows(fakeLink{id: "a", rtt: steady(0.01, 0.001)}, rand.New(rand.NewPCG(2, 2)), 0, 2*time.Minute)
		for i := range more {
			more[i].Stream.Target = other
		}
		if err := store.Append(t.Context(), perigee.Batch{Samples: more}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		q    perigee.DistributionQuery
		want map[perigee.LinkID]perigee.TargetID
	}{
		"the common one":   {perigee.DistributionQuery{}, map[perigee.LinkID]perigee.TargetID{"a": "far", "b": "far", "silent": "far", "never": ""}},
		"the one asked":    {perigee.DistributionQuery{Target: "near"}, map[perigee.LinkID]perigee.TargetID{"a": "near", "b": "", "silent": "", "never": ""}},
		"the first hop":    {perigee.DistributionQuery{Target: perigee.FirstHop, Links: []perigee.LinkID{"a"}}, map[perigee.LinkID]perigee.TargetID{"a": perigee.FirstHop}},
		"under load, none": {perigee.DistributionQuery{Load: perigee.LoadDown, Links: []perigee.LinkID{"a"}}, map[perigee.LinkID]perigee.TargetID{"a": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			d := distributions(t, store, c.q)
			if len(d.Links) != len(c.want) {
				t.Fatalf("%d links, want %d", len(d.Links), len(c.want))
			}
			for _, link := range d.Links {
				id := link.Stream.Link
				if link.Stream.Target != c.want[id] {
					t.Errorf("%s at %q, want %q", id, link.Stream.Target, c.want[id])
				}
				wantPoints := c.want[id] != "" && id != "silent"
				if (len(link.Quantiles) > 0) != wantPoints {
					t.Errorf("%s has %d points", id, len(link.Quantiles))
				}
				if c.want[id] == "" && (link.Stream.Method != "" || link.Stream.Family != "" || link.Counts != perigee.Counts{}) {
					t.Errorf("%s was not measured: %+v", id, link)
				}
			}
		})
	}
}

func TestDistributionRefusals(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute, fakeLink{id: "a", rtt: steady(0.05, 0.001)})
	for name, c := range map[string]struct {
		q    perigee.DistributionQuery
		code perigee.Code
	}{
		"a ratio":          {perigee.DistributionQuery{Metric: perigee.MetricLossRatio}, perigee.CodeInvalid},
		"under load by it": {perigee.DistributionQuery{Metric: perigee.MetricRTTLoaded}, perigee.CodeInvalid},
		"unknown link":     {perigee.DistributionQuery{Links: []perigee.LinkID{"x"}}, perigee.CodeNotFound},
		"backwards":        {perigee.DistributionQuery{From: epoch.Add(1), To: epoch}, perigee.CodeInvalid},
	} {
		if _, err := perigee.DistributionsOf(t.Context(), store, c.q); perigee.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %s", name, err, c.code)
		}
	}
	if d, err := perigee.DistributionsOf(t.Context(), storagetest.NewMemory(), perigee.DistributionQuery{}); err != nil || len(d.Links) > 0 {
		t.Errorf("of an empty store: %+v, %v", d, err)
	}
}
