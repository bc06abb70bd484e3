package perigee_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

func series(t *testing.T, store perigee.Store, q perigee.SeriesQuery) perigee.TimeSeries {
	t.Helper()
	s, err := perigee.Series(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Steps of a minute: the counts are those of the minute, and what was not measured has
// no point.
func TestSeriesLeavesGapsOut(t *testing.T) {
	link := fakeLink{id: "a", rtt: steady(0.05, 0.001)}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 3*time.Minute, link)
	record(t, store, 2, 5*time.Minute+30*time.Second, 8*time.Minute, link)
	s := series(t, store, perigee.SeriesQuery{Link: "a", Metric: perigee.MetricRTT, Step: time.Minute})
	want := map[int]int64{0: 300, 1: 300, 2: 300, 5: 150, 6: 300, 7: 300}
	if len(s.Points) != len(want) || s.Step != time.Minute || s.Stream != link.stream() {
		t.Fatalf("%d points of %s of %+v, want %d", len(s.Points), s.Step, s.Stream, len(want))
	}
	for _, p := range s.Points {
		minute := int(p.Start.Sub(epoch) / time.Minute)
		if n, ok := want[minute]; !ok || p.Counts.Planned != n || p.Length != time.Minute {
			t.Errorf("minute %d: %d planned in %s, want %d", minute, p.Counts.Planned, p.Length, n)
		}
		if !p.Defined || !p.QuantilesDefined || p.Value != p.P50 || math.Abs(p.P50-0.05) > 0.0005 || !(p.P5 < p.P50 && p.P50 < p.P95) {
			t.Errorf("minute %d: %+v", minute, p)
		}
		if !p.LossDefined || p.LossRatio != 0 {
			t.Errorf("minute %d: loss %g, %v", minute, p.LossRatio, p.LossDefined)
		}
	}
}

// A link that answers nothing has points without a value: that is no gap.
func TestSeriesOfSilentLink(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute, fakeLink{id: "a", rtt: func(time.Duration, *rand.Rand) float64 { return -1 }})
	s := series(t, store, perigee.SeriesQuery{Link: "a", Metric: perigee.MetricRTT})
	if len(s.Points) != 6 {
		t.Fatalf("%d points, want 6", len(s.Points))
	}
	for _, p := range s.Points {
		if p.Defined || p.QuantilesDefined || !p.LossDefined || p.LossRatio != 1 {
			t.Errorf("%+v, want no value and a loss of 1", p)
		}
	}
}

// Without a step there are at most MaxSeriesPoints points, whatever the range, and
// steps of hours come from rollups with the same counts.
func TestSeriesChoosesStep(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 40*time.Hour, fakeLink{id: "a", interval: 10 * time.Second, rtt: steady(0.05, 0.001)})
	for length, want := range map[time.Duration]time.Duration{
		time.Hour: 10 * time.Second, 40 * time.Hour: 5 * time.Minute, 60 * 24 * time.Hour: 3 * time.Hour,
	} {
		s := series(t, store, perigee.SeriesQuery{Link: "a", From: epoch.Add(-time.Second), To: epoch.Add(length - time.Second)})
		var planned int64
		for _, p := range s.Points {
			planned += p.Counts.Planned
		}
		if s.Step != want || len(s.Points) > perigee.MaxSeriesPoints || planned != int64(min(length, 40*time.Hour)/(10*time.Second)) {
			t.Errorf("%s: %d points of %s with %d probes, want steps of %s", length, len(s.Points), s.Step, planned, want)
		}
	}
}

func TestSeriesOfEachMetric(t *testing.T) {
	link := fakeLink{id: "a", rtt: lossy(0.1, steady(0.05, 0.002))}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 10*time.Minute, link)
	if err := store.Append(t.Context(), perigee.Batch{Outages: []perigee.Outage{
		{Stream: link.stream(), Start: epoch.Add(4*time.Minute + 30*time.Second), End: epoch.Add(5*time.Minute + 15*time.Second)}}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		metric       perigee.MetricName
		want, within float64
	}{
		{perigee.MetricPDV, 0.0056, 0.0025}, // the least of 270 normals is 2.8 deviations below the median, give or take one
		{perigee.MetricJitter, 1.128 * 0.002, 0.0005},
		{perigee.MetricLossRatio, 0.1, 0.06},
		{perigee.MetricAvailability, 1, 0},
	} {
		s := series(t, store, perigee.SeriesQuery{Link: "a", Metric: c.metric, Step: time.Minute})
		if len(s.Points) != 10 || s.Metric.Name != c.metric {
			t.Fatalf("%s: %d points", c.metric, len(s.Points))
		}
		for i, p := range s.Points {
			want := c.want
			if c.metric == perigee.MetricAvailability && (i == 4 || i == 5) {
				want = []float64{4: 0.5, 5: 0.75}[i] // 30 s and 15 s of a minute
			}
			if !p.Defined || math.Abs(p.Value-want) > c.within+1e-12 {
				t.Errorf("%s, minute %d: %g, %v, want %g within %g", c.metric, i, p.Value, p.Defined, want, c.within)
			}
		}
	}
}

func TestSeriesRefusals(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Hour, fakeLink{id: "a", rtt: steady(0.05, 0.001)})
	for name, c := range map[string]struct {
		q    perigee.SeriesQuery
		code perigee.Code
	}{
		"unknown_link":   {perigee.SeriesQuery{Link: "b"}, perigee.CodeNotFound},
		"unknown_metric": {perigee.SeriesQuery{Link: "a", Metric: "ping"}, perigee.CodeInvalid},
		"count":          {perigee.SeriesQuery{Link: "a", Metric: "sent"}, perigee.CodeInvalid},
		"negative_step":  {perigee.SeriesQuery{Link: "a", Step: -time.Second}, perigee.CodeInvalid},
		"tiny_step":      {perigee.SeriesQuery{Link: "a", Step: time.Millisecond}, perigee.CodeInvalid},
		"range":          {perigee.SeriesQuery{Link: "a", From: epoch.Add(time.Hour), To: epoch}, perigee.CodeInvalid},
	} {
		if _, err := perigee.Series(t.Context(), store, c.q); perigee.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	// A range or target without data is no error.
	for name, q := range map[string]perigee.SeriesQuery{
		"range":  {Link: "a", From: epoch.Add(48 * time.Hour), To: epoch.Add(49 * time.Hour)},
		"target": {Link: "a", Target: "moon"},
	} {
		if s := series(t, store, q); len(s.Points) != 0 {
			t.Errorf("%s without data: %d points", name, len(s.Points))
		}
	}
}
