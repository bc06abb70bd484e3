package fleet

import (
	"context"
	"testing"
	"time"

	"perigee"
)

// BenchmarkWindows makes windows of 100 homes, one at a time; Append does nothing.
func BenchmarkWindows(b *testing.B) {
	b.ReportAllocs()
	f := mustNew(b, Options{Homes: 100, Append: func(context.Context, perigee.Batch) error { return nil }})
	at := noon
	if err := f.Backfill(b.Context(), at, at.Add(10*time.Second)); err != nil { // finds into the eras
		b.Fatal(err)
	}
	b.ResetTimer()
	n := 0
	for ; b.Loop(); n += 400 {
		at = at.Add(10 * time.Second)
		if err := f.Backfill(b.Context(), at, at.Add(10*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "windows/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/window")
}

// BenchmarkStart is what finding the beginning costs: the first window of each link.
func BenchmarkStart(b *testing.B) {
	o := Options{Homes: 100, Append: func(context.Context, perigee.Batch) error { return nil }}
	n := 0
	for ; b.Loop(); n += 400 {
		f := mustNew(b, o)
		if err := f.Backfill(b.Context(), noon, noon.Add(10*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "us/link")
}
