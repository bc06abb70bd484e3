package sqlite_test

import (
	"testing"
	"time"

	"perigee"
)

// BenchmarkScreensOfYear asks a store with a year of four links, windows of 10 s every ten
// minutes, what screens show of the whole of it, and what is usual of its last week. Hours
// and days are as many as if every window had been measured.
func BenchmarkScreensOfYear(b *testing.B) {
	store := benchOpen(b)
	newYearly(200*time.Millisecond).fillWeek(b, store, 10*time.Minute, false)
	repeatWeek(b, store)
	end := yearStart.Add(yearDays * 24 * time.Hour)
	if err := store.Roll(b.Context(), end.Add(24*time.Hour)); err != nil {
		b.Fatal(err)
	}
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ask  func() (int64, error)
		want int64
	}{
		{"distribution", func() (int64, error) {
			d, err := perigee.DistributionsOf(b.Context(), store, perigee.DistributionQuery{From: yearStart, To: end})
			return d.Links[0].Counts.Planned, err
		}, yearDays * 144 * 50},
		{"heatmap", func() (int64, error) {
			h, err := perigee.HeatmapOf(b.Context(), store, perigee.HeatmapQuery{Link: "geo", From: yearStart, To: end, Zone: sydney})
			return int64(len(h.Cells)), err
		}, 168},
		{"series", func() (int64, error) {
			s, err := perigee.Series(b.Context(), store, perigee.SeriesQuery{Link: "geo", From: yearStart, To: end})
			return int64(len(s.Points)), err
		}, yearDays},
		{"series of 3 h", func() (int64, error) {
			s, err := perigee.Series(b.Context(), store, perigee.SeriesQuery{Link: "geo", From: yearStart, To: end, Step: 3 * time.Hour})
			return int64(len(s.Points)), err
		}, yearDays * 8},
		{"usual", func() (int64, error) {
			u, err := perigee.UsualOf(b.Context(), store, perigee.UsualQuery{Link: "geo", To: end})
			return int64(u.Streams[0].Measured / time.Second), err
		}, 7 * 144 * 10},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if n, err := c.ask(); err != nil || n != c.want {
					b.Fatalf("%d, %v, want %d", n, err, c.want)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/answer")
		})
	}
}
