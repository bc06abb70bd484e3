package stats

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// wideWindows are as of a year: each holds a day or so of a link whose RTT spreads over
// hundreds of bins.
func wideWindows(n int, seed uint64) []Histogram {
	r := seeded(seed)
	list := make([]Histogram, n)
	values := make([]float64, 2000)
	for i := range list {
		level := 0.030 * math.Exp(0.3*r.NormFloat64())
		for j := range values {
			values[j] = level * math.Exp(0.8*r.NormFloat64())
		}
		list[i] = distributionOf(values).Histogram()
	}
	return list
}

// Median and 95th percentile of the six pairs of four links: what a comparison takes.
func BenchmarkCompareFourLinks(b *testing.B) {
	for _, n := range []int{365, 1000} {
		b.Run(fmt.Sprintf("%d_windows", n), func(b *testing.B) {
			var links [4][]Histogram
			for i := range links {
				links[i] = wideWindows(n, uint64(i))
			}
			bins := 0
			for _, h := range links[0] {
				bins += len(h.bins)
			}
			b.ReportAllocs()
			for b.Loop() {
				for i, x := range links {
					for _, y := range links[i+1:] {
						QuantileDifferences(x, y, time.Duration(n)*24*time.Hour, []float64{0.5, 0.95}, FromZero, 0.95)
					}
				}
			}
			b.ReportMetric(float64(bins)/float64(n), "bins/window")
		})
	}
}
