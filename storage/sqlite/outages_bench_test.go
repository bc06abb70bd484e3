package sqlite_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// BenchmarkYearOfOutages asks for the disruptions of a year and for availability by day:
// three links to three targets and their first hops, one of which fails 50 times a day.
// Windows are an hour long, so that making the year takes minutes and not days; what is
// read, rollups and outages, is as many as of a real year.
func BenchmarkYearOfOutages(b *testing.B) {
	if os.Getenv("PERIGEE_LONG") == "" {
		b.Skip("takes some minutes, most of them to make the year; set PERIGEE_LONG=1")
	}
	const days = 365
	store := benchOpen(b)
	links := []perigee.LinkID{"dish", "fibre", "geo"}
	targets := []perigee.TargetID{"x", "y", "z", perigee.FirstHop}
	g := storagetest.NewGenerator(1)
	var samples []perigee.Sample
	for hour := range days * 24 {
		for _, link := range links {
			for _, target := range targets {
				s := g.Sample(storagetest.Stream(link, target), benchStart.Add(time.Duration(hour)*time.Hour))
				s.Length, s.Interval, s.Singletons = time.Hour, time.Hour/time.Duration(s.Counts.Planned), nil
				samples = append(samples, s)
			}
		}
	}
	fill(b, store, samples, 5000)
	if err := store.Roll(b.Context(), benchStart.Add(2*days*24*time.Hour)); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	var batch perigee.Batch
	for day := range days {
		for range 50 {
			start := benchStart.Add(time.Duration(day)*24*time.Hour + time.Duration(r.Int64N(int64(24*time.Hour))))
			length := time.Duration(1+r.ExpFloat64()*5) * time.Second
			for _, target := range targets[:3] {
				batch.Outages = append(batch.Outages, perigee.Outage{Stream: storagetest.Stream("dish", target), Start: start, End: start.Add(length), Probes: 6, Reason: perigee.NoReplies})
			}
		}
	}
	if err := store.Append(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	if err := store.Describe(b.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "dish", Orbit: perigee.OrbitStarlink, Mark: 1}}); err != nil {
		b.Fatal(err)
	}
	b.Run("disruptions", func(b *testing.B) {
		for b.Loop() {
			list, err := perigee.Disruptions(b.Context(), store, perigee.DisruptionQuery{})
			if err != nil || len(list) < 10_000 {
				b.Fatal(len(list), err)
			}
			b.ReportMetric(float64(len(list)), "disruptions")
		}
	})
	b.Run("availability_by_day", func(b *testing.B) {
		for b.Loop() {
			if list, err := perigee.ReliabilityOf(b.Context(), store, perigee.ReliabilityQuery{}); err != nil || len(list) != 3 || len(list[0].Periods) != days {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("availability_in_another_zone", func(b *testing.B) {
		for b.Loop() {
			if _, err := perigee.ReliabilityOf(b.Context(), store, perigee.ReliabilityQuery{Location: time.FixedZone("east", 3600)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("disruptions_of_a_day", func(b *testing.B) {
		from := benchStart.Add(200 * 24 * time.Hour)
		for b.Loop() {
			if _, err := perigee.Disruptions(b.Context(), store, perigee.DisruptionQuery{From: from, To: from.Add(24 * time.Hour)}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
