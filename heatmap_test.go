package perigee_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

func heatmap(t *testing.T, store perigee.Store, q perigee.HeatmapQuery) perigee.Heatmap {
	t.Helper()
	q.Link = "a"
	h, err := perigee.HeatmapOf(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hourOfWeek is a place in a heat map.
type hourOfWeek struct {
	weekday time.Weekday
	hour    int
}

// Each cell is of all the probes of the clock hours that begin in it, in local time,
// counted one by one; clocks go from summer to winter in the middle, and of one day
// nothing was measured. Adelaide is 9 or 10 hours and a half from UTC.
func TestHeatmapIsOfEveryHour(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 3, 25, 0, 0, 0, 0, time.UTC).Sub(epoch) // Wednesday; clocks are set back on 5 April
	link := fakeLink{id: "a", interval: time.Minute, window: 10 * time.Minute}
	type probe struct {
		at  time.Duration
		rtt float64
	}
	var all []probe
	link.rtt = func(at time.Duration, r *rand.Rand) float64 {
		v := 0.04 + 0.001*float64(at/time.Hour%24) + 0.002*r.ExpFloat64()
		if r.Float64() < 0.02 {
			v = -1
		}
		all = append(all, probe{at, v})
		return v
	}
	store := storagetest.NewMemory()
	record(t, store, 1, start, start+5*day, link)
	record(t, store, 2, start+6*day, start+16*day, link)
	from, to := start+25*time.Minute, start+15*day+7*time.Hour+40*time.Minute
	for _, name := range []string{"UTC", "Australia/Sydney", "Australia/Adelaide", "America/St_Johns"} {
		t.Run(name, func(t *testing.T) {
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			values, planned, hours := map[hourOfWeek][]float64{}, map[hourOfWeek]int64{}, map[hourOfWeek]map[time.Time]bool{}
			for _, p := range all {
				if window := p.at.Truncate(link.window); window < from || window >= to {
					continue
				}
				hour := epoch.Add(p.at).Truncate(time.Hour)
				local := hour.In(zone)
				cell := hourOfWeek{local.Weekday(), local.Hour()}
				planned[cell]++
				if hours[cell] == nil {
					hours[cell] = map[time.Time]bool{}
				}
				hours[cell][hour] = true
				if p.rtt >= 0 {
					values[cell] = append(values[cell], p.rtt)
				}
			}
			h := heatmap(t, store, perigee.HeatmapQuery{Metric: perigee.MetricRTT, From: epoch.Add(from), To: epoch.Add(to), Zone: zone})
			if len(h.Cells) != len(planned) || len(h.Cells) > 168 || h.Stream != link.stream() || h.Zone != zone {
				t.Fatalf("%d cells of %+v, want %d", len(h.Cells), h.Stream, len(planned))
			}
			last := -1
			for _, c := range h.Cells {
				cell := hourOfWeek{c.Weekday, c.Hour}
				if place := (int(c.Weekday)+6)%7*24 + c.Hour; place <= last {
					t.Errorf("%v comes after what it comes before", cell)
				} else {
					last = place
				}
				if c.Hours != len(hours[cell]) || c.Counts.Planned != planned[cell] || c.Counts.Received != int64(len(values[cell])) {
					t.Errorf("%v: %d hours, %+v; want %d, %d planned, %d received", cell, c.Hours, c.Counts, len(hours[cell]), planned[cell], len(values[cell]))
				}
				slices.Sort(values[cell])
				for q, got := range map[float64]float64{0.05: c.P5, 0.5: c.P50, 0.95: c.P95} {
					if want := exactQuantile(values[cell], q); !c.Defined || !c.QuantilesDefined || !near(got, want) || c.Value != c.P50 {
						t.Errorf("%v: %g at %g, want %g", cell, got, q, want)
					}
				}
				if want := 1 - float64(len(values[cell]))/float64(planned[cell]); !c.LossDefined || math.Abs(c.LossRatio-want) > 1e-12 {
					t.Errorf("%v: loss %g, want %g", cell, c.LossRatio, want)
				}
			}
		})
	}
}

// Two Mondays, of which one had an outage from 9:50 to 10:20 and the other a shorter one
// from 10:30 to 10:36: of the two hours from 9:00, 10 minutes of 120 were down, of the two
// from 10:00, 26.
func TestHeatmapOfAvailability(t *testing.T) {
	const week = 7 * 24 * time.Hour
	monday := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	link := fakeLink{id: "a", interval: 10 * time.Second, window: time.Minute, rtt: steady(0.05, 0.001)}
	store := storagetest.NewMemory()
	at := func(minutes int) time.Time { return monday.Add(time.Duration(minutes) * time.Minute) }
	for _, monday := range []time.Duration{monday.Sub(epoch), monday.Sub(epoch) + week} {
		record(t, store, 1, monday+8*time.Hour, monday+12*time.Hour, link)
	}
	outages := []perigee.Outage{
		{Stream: link.stream(), Start: at(9*60 + 50), End: at(10*60 + 20), Probes: 180},
		{Stream: link.stream(), Start: at(10*60 + 30).Add(week), End: at(10*60 + 36).Add(week), Probes: 36},
	}
	if err := store.Append(t.Context(), perigee.Batch{Outages: outages}); err != nil {
		t.Fatal(err)
	}
	h := heatmap(t, store, perigee.HeatmapQuery{Metric: perigee.MetricAvailability})
	want := map[int]float64{8: 1, 9: 1 - 10./120, 10: 1 - 26./120, 11: 1}
	if len(h.Cells) != len(want) {
		t.Fatalf("%d cells, want %d", len(h.Cells), len(want))
	}
	for _, c := range h.Cells {
		if w, ok := want[c.Hour]; !ok || c.Weekday != time.Monday || c.Hours != 2 || !c.Defined || math.Abs(c.Value-w) > 1e-12 || c.QuantilesDefined {
			t.Errorf("%s %d:00: %+v, want %g of 2 hours", c.Weekday, c.Hour, c, w)
		}
	}
}

func TestHeatmapOfNothing(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, time.Minute, fakeLink{id: "a", rtt: steady(0.05, 0.001)})
	if h := heatmap(t, store, perigee.HeatmapQuery{Load: perigee.LoadUp, Target: "far"}); len(h.Cells) > 0 || h.Stream.Target != "far" || h.Stream.Method != "" {
		t.Errorf("%+v, want no cells", h)
	}
	for name, q := range map[string]perigee.HeatmapQuery{
		"unknown link":    {Link: "x"},
		"of transfers":    {Link: "a", Metric: perigee.MetricThroughputDown},
		"backwards range": {Link: "a", From: epoch.Add(1), To: epoch},
	} {
		if _, err := perigee.HeatmapOf(t.Context(), store, q); err == nil || perigee.CodeOf(err) == perigee.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
}
