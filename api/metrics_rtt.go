package api

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"perigee"
	"perigee/stats"
)

// rttBounds are the classic buckets of perigee_probe_rtt_seconds, for scrapers without
// native histograms: from fibre to a queue on a geostationary link, closest where links
// of one kind lie.
var rttBounds = [...]float64{
	0.001, 0.002, 0.005, 0.01, // terrestrial
	0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, // Starlink and LEO, idle and loaded
	0.5, 0.6, 0.7, 0.85, 1, // GEO
	2, 5, // queues, up to the loss timeout
}

const (
	// rttSchema is the resolution of native buckets: 2^4 to an octave, so that a
	// bucket ends 4.4 % above its beginning, and a quantile is as close.
	rttSchema = 4

	// rttBuckets bounds the native buckets of a stream: ten octaves, more than from
	// 5 ms to 5 s. A stream that needs more has each two neighbours made one, as often
	// as it takes.
	rttBuckets = 160
)

// octave has the upper bounds of the native buckets from 1/2 up to, not including, 1.
var octave = func() (bounds [1 << rttSchema]float64) {
	for i := range bounds {
		bounds[i] = math.Exp2(float64(i)/(1<<rttSchema)) / 2
	}
	return bounds
}()

// rttHistogram counts round trips, in native and in classic buckets. It takes 1.4 kB with
// the 34 native buckets of a Starlink link, a seventh of what the library's takes, and is
// copied in whole, so that a scrape's figures are of one instant. The zero value is empty.
type rttHistogram struct {
	coarser int // how often neighbours were made one
	native  map[int]int64
	zeros   int64                  // round trips of 0, which have no native bucket
	classic [len(rttBounds)]uint64 // not cumulative; what is above has none
	count   int64
}

// addSample counts what s received: each round trip, where the sample has its singletons
// with it, else the bins of its sketch, whose values are within stats.RelativeError.
func (h *rttHistogram) addSample(s perigee.Sample) {
	arrived := int64(0)
	for i := range s.Singletons {
		if s.Singletons[i].Outcome.Arrived() {
			arrived++
		}
	}
	if arrived != s.RTT.Count {
		h.addBins(s.RTT)
		return
	}
	for i := range s.Singletons {
		if s.Singletons[i].Outcome.Arrived() {
			h.add(s.Singletons[i].RTT.Seconds(), 1)
		}
	}
}

// addBins counts the bins of a sketch.
func (h *rttHistogram) addBins(d stats.Distribution) {
	d.Sketch.ForEach(func(v float64, n int64) bool {
		h.add(min(max(v, d.Min), d.Max), n)
		return true
	})
}

// add counts n round trips of v seconds.
func (h *rttHistogram) add(v float64, n int64) {
	h.count += n
	if i, _ := slices.BinarySearch(rttBounds[:], v); i < len(h.classic) {
		h.classic[i] += uint64(n)
	}
	if v <= 0 {
		h.zeros += n
		return
	}
	if h.native == nil {
		h.native = map[int]int64{}
	}
	// The bucket of index i ends at 2^(i/16), which belongs to it.
	fraction, exponent := math.Frexp(v)
	i, _ := slices.BinarySearch(octave[:], fraction)
	i += (exponent - 1) << rttSchema
	h.native[(i+1<<h.coarser-1)>>h.coarser] += n
	for len(h.native) > rttBuckets {
		h.coarsen()
	}
}

// coarsen makes each two neighbouring buckets one, of the upper's end.
func (h *rttHistogram) coarsen() {
	h.coarser++
	merged := make(map[int]int64, len(h.native)/2+1)
	for i, n := range h.native {
		merged[(i+1)>>1] += n
	}
	h.native = merged
}

// clone returns a copy that shares nothing with h.
func (h *rttHistogram) clone() rttHistogram {
	c := *h
	c.native = make(map[int]int64, len(h.native))
	for i, n := range h.native {
		c.native[i] = n
	}
	return c
}

// metric returns h for Prometheus. sum is that of all that h counts, in seconds; since is
// when it was empty.
func (h *rttHistogram) metric(desc *prometheus.Desc, sum float64, since time.Time, labels []string) prometheus.Metric {
	m := rttMetric{
		Metric: prometheus.MustNewConstNativeHistogram(desc, uint64(h.count), sum, h.native, nil, uint64(h.zeros),
			int32(rttSchema-h.coarser), prometheus.DefNativeHistogramZeroThreshold, since, labels...),
		buckets: make([]*dto.Bucket, len(rttBounds)),
	}
	below := uint64(0)
	for i, n := range h.classic {
		below += n
		m.buckets[i] = &dto.Bucket{UpperBound: &rttBounds[i], CumulativeCount: new(below)}
	}
	return m
}

// rttMetric is a native histogram with classic buckets beside it, which the library makes
// only of what it counted itself.
type rttMetric struct {
	prometheus.Metric
	buckets []*dto.Bucket
}

func (m rttMetric) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket = m.buckets
	return nil
}
