package api

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"perigee"
	"perigee/stats"
)

// roundTrips are sets of round trips in seconds, as links have them and as they are worst.
func roundTrips() map[string][]float64 {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func(n int, one func() float64) []float64 {
		all := make([]float64, n)
		for i := range all {
			all[i] = max(0, time.Duration(one()*1e9).Seconds())
		}
		return all
	}
	edges := []float64{0}
	for i := -160; i <= 48; i++ {
		edge := math.Exp2(float64(i) / 16) // a number in full for powers of two alone
		if edges = append(edges, edge*(1-1e-12), edge*(1+1e-12)); i%16 == 0 {
			edges = append(edges, edge, math.Nextafter(edge, 0), math.Nextafter(edge, 9))
		}
	}
	return map[string][]float64{
		"fibre":        draw(5000, func() float64 { return 0.009 + 0.002*random.ExpFloat64() }),
		"starlink":     draw(5000, func() float64 { return 0.022 + 0.030*random.Float64() + 0.006*random.ExpFloat64() }),
		"geo":          draw(5000, func() float64 { return 0.590 + 0.030*random.ExpFloat64() }),
		"loaded_geo":   draw(5000, func() float64 { return 0.6 + 1.5*random.ExpFloat64() }),
		"one":          {0.618},
		"nothing":      {},
		"immeasurable": {0, 0, 1e-9},
		"edges":        edges, // 13 octaves: neighbours are made one
		"everything":   draw(5000, func() float64 { return math.Exp2(-23 + 28*random.Float64()) }),
	}
}

// written returns what h tells Prometheus.
func written(t *testing.T, h *rttHistogram, sum float64) *dto.Histogram {
	t.Helper()
	var m dto.Metric
	if err := h.metric(prometheus.NewDesc("rtt", "help", nil, nil), sum, epoch, nil).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram()
}

// buckets returns the upper bound of each native bucket that holds something, with its
// count.
func buckets(h *dto.Histogram) map[int]int64 {
	all := map[int]int64{}
	at, count, delta := 0, int64(0), 0
	for _, span := range h.GetPositiveSpan() {
		at += int(span.GetOffset())
		for range span.GetLength() {
			count += h.GetPositiveDelta()[delta]
			if count > 0 {
				all[at] = count
			}
			delta++
			at++
		}
	}
	return all
}

// The buckets are those that the library's own histogram puts the same values into, and
// those that counting by hand does, whatever the values.
func TestRTTBucketsAreTheLibrarys(t *testing.T) {
	for name, values := range roundTrips() {
		reference := prometheus.NewHistogram(prometheus.HistogramOpts{
			Buckets: rttBounds[:], NativeHistogramBucketFactor: 1.05, NativeHistogramMaxBucketNumber: rttBuckets,
		})
		var h rttHistogram
		sum := 0.0
		for _, v := range values {
			reference.Observe(v)
			h.add(v, 1)
			sum += v
		}
		var m dto.Metric
		if err := reference.Write(&m); err != nil {
			t.Fatal(err)
		}
		got, want := written(t, &h, sum), m.GetHistogram()
		if got.GetSchema() != want.GetSchema() || got.GetSampleCount() != want.GetSampleCount() || got.GetZeroCount() != want.GetZeroCount() || got.GetZeroThreshold() != want.GetZeroThreshold() {
			t.Errorf("%s: %v\nwant %v", name, got, want)
		}
		if g, w := buckets(got), buckets(want); fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("%s: native buckets\n%v, want\n%v", name, g, w)
		}
		counted := map[int]int64{}
		width := math.Exp2(-float64(got.GetSchema()))
		for _, v := range values {
			if v > prometheus.DefNativeHistogramZeroThreshold {
				i := int(math.Ceil(math.Log2(v)/width - 1e-9)) // what is a hair above an edge is told below
				counted[i]++
			}
		}
		if name != "edges" && fmt.Sprint(counted) != fmt.Sprint(buckets(got)) {
			t.Errorf("%s: native buckets\n%v, want by hand\n%v", name, buckets(got), counted)
		}
		for i, bound := range rttBounds {
			below := uint64(0)
			for _, v := range values {
				if v <= bound {
					below++
				}
			}
			if b := got.GetBucket()[i]; b.GetUpperBound() != bound || b.GetCumulativeCount() != below || want.GetBucket()[i].GetCumulativeCount() != below {
				t.Errorf("%s: classic bucket %v, want %d up to %v", name, b, below, bound)
			}
		}
		if len(h.native) > rttBuckets {
			t.Errorf("%s: %d buckets, at most %d are kept", name, len(h.native), rttBuckets)
		}
	}
}

// nativeQuantile is what Prometheus' histogram_quantile says: by exponential
// interpolation within the bucket that holds the rank q n.
func nativeQuantile(h *dto.Histogram, q float64) float64 {
	all := buckets(h)
	indexes := make([]int, 0, len(all))
	for i := range all {
		indexes = append(indexes, i)
	}
	sort.Ints(indexes)
	rank, width := q*float64(h.GetSampleCount()), math.Exp2(-float64(h.GetSchema()))
	for _, i := range indexes {
		n := float64(all[i])
		if rank <= n {
			return math.Exp2((float64(i-1) + rank/n) * width)
		}
		rank -= n
	}
	return math.NaN()
}

// A quantile asked of the native buckets is within one bucket, 4.4 %, of that of the
// values themselves; also where only sketches were at hand, which may put a value that
// lies near a bucket's edge, within 0.5 %, into the next.
func TestQuantilesOfNativeBuckets(t *testing.T) {
	bucket := math.Exp2(1.0/16) - 1
	for name, values := range roundTrips() {
		if !slices.Contains([]string{"fibre", "starlink", "geo", "loaded_geo", "one"}, name) {
			continue
		}
		var exact, sketched rttHistogram
		var d stats.Distribution
		sum := 0.0
		for _, v := range values {
			exact.add(v, 1)
			d.Add(v)
			sum += v
		}
		sketched.addBins(d)
		sorted := slices.Sorted(slices.Values(values))
		for _, q := range []float64{0.05, 0.5, 0.9, 0.95, 0.99} {
			truth := sorted[int(math.Ceil(q*float64(len(sorted))))-1]
			for kind, c := range map[string]struct {
				h     *rttHistogram
				error float64
			}{"singletons": {&exact, bucket}, "sketches": {&sketched, bucket + stats.RelativeError}} {
				got := nativeQuantile(written(t, c.h, sum), q)
				if off := got/truth - 1; math.Abs(off) > c.error {
					t.Errorf("%s of %s: quantile %v is %v, %.2f %% off %v", kind, name, q, got, 100*off, truth)
				} else {
					t.Logf("%s of %s: quantile %v off by %.2f %%", kind, name, q, 100*off)
				}
			}
		}
		if g, w := sketched.count, exact.count; g != w {
			t.Errorf("%s: %d by sketches, %d by singletons", name, g, w)
		}
	}
}

// A sample counts each of its round trips, or, if it has lost its singletons, as many by
// its sketch; late probes have none.
func TestSamplesAreCountedWithAndWithoutSingletons(t *testing.T) {
	values := []float64{0.0101, 0.0499, -1, 0.05, 0.0501, 0.3, -1, 0.6, 0.61, 4.9}
	n := -1
	whole := newSample(stream("geo"), epoch, func() float64 { n++; return values[n] })
	whole.Singletons[2].Outcome, whole.Singletons[2].RTT = perigee.Late, 4*time.Second
	stripped := whole
	stripped.Singletons = nil
	// In ms: 10.1; 49.9 and 50; 50.1; 300; 600; 610; 4900.
	want := map[float64]uint64{0.01: 0, 0.02: 1, 0.04: 1, 0.05: 3, 0.07: 4, 0.3: 5, 0.5: 5, 0.6: 6, 0.7: 7, 2: 7, 5: 8}
	for name, s := range map[string]perigee.Sample{"whole": whole, "stripped": stripped} {
		var totals streamTotals
		totals.add(s)
		h := written(t, &totals.rtt, totals.rttSum)
		if h.GetSampleCount() != 8 || math.Abs(h.GetSampleSum()-6.5701) > 1e-9 {
			t.Errorf("%s: count %d and sum %v, want 8 and 6.5701", name, h.GetSampleCount(), h.GetSampleSum())
		}
		for _, b := range h.GetBucket() {
			bound := b.GetUpperBound()
			if w, ok := want[bound]; ok && w != b.GetCumulativeCount() && (name == "whole" || !slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v/bound-1) <= stats.RelativeError })) {
				t.Errorf("%s: %d up to %v, want %d", name, b.GetCumulativeCount(), bound, w)
			}
		}
	}
}

// BenchmarkCountRTT counts a window of 50 probes, and tells how much a stream of Starlink's
// keeps.
func BenchmarkCountRTT(b *testing.B) {
	values := roundTrips()["starlink"]
	var h rttHistogram
	n := 0
	for b.Loop() {
		for range 50 {
			h.add(values[n%len(values)], 1)
			n++
		}
	}
	b.ReportMetric(float64(len(h.native)), "buckets")
}

// publish tells of round trips as windows of ten.
func publish(f *Feed, values []float64) {
	for i := 0; i+10 <= len(values); i += 10 {
		n := i - 1
		s := newSample(stream("geo"), epoch.Add(time.Duration(i)*time.Second), func() float64 { n++; return values[n] })
		f.Publish(perigee.Batch{Samples: []perigee.Sample{s}})
	}
}
