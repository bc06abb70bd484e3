package stats

import "math"

// Variation accumulates the packet delay variation of one stream in send order:
// IPDV (RFC 3393: D(i) - D(i-1), defined only where both packets arrived) and the
// RFC 3550 jitter estimator J += (|D| - J)/16 (appendix A.8), which is carried
// over losses and from window to window.
//
// Use one Variation for the life of a stream and take a VariationSummary of each
// window with Cut. The zero value is ready.
type Variation struct {
	last    float64 // delay of the previous packet
	arrived bool    // whether the previous packet arrived

	jitter  float64
	started bool // whether jitter has had its first update

	window VariationSummary
}

// VariationSummary is what a Variation saw over one interval. It is mergeable in
// time order.
type VariationSummary struct {
	// IPDV holds the absolute values |D(i) - D(i-1)| in seconds.
	IPDV Distribution

	// Jitter is the RFC 3550 estimator at the end of the interval, in
	// seconds; JitterDefined is false until a stream's first pair.
	Jitter        float64
	JitterDefined bool

	// JitterSum is the sum of the estimator after each of the interval's
	// pairs; over IPDV.Count it is the interval's mean jitter.
	JitterSum float64
}

// Arrived tells that the next packet in send order arrived with the given delay.
func (v *Variation) Arrived(delay float64) {
	if v.arrived {
		d := math.Abs(delay - v.last)
		v.window.IPDV.Add(d)
		v.jitter += (d - v.jitter) / 16
		v.started = true
		v.window.JitterSum += v.jitter
	}
	v.last, v.arrived = delay, true
}

// Missed tells that the next packet in send order has no delay: it was lost, late,
// not sent or not planned. The next arrival then forms no pair.
func (v *Variation) Missed() { v.arrived = false }

// Cut returns the summary since the last Cut and begins the next interval.
func (v *Variation) Cut() VariationSummary {
	s := v.window
	s.Jitter, s.JitterDefined = v.jitter, v.started
	v.window = VariationSummary{}
	return s
}

// Merge appends o, which must be the later interval.
func (s *VariationSummary) Merge(o VariationSummary) {
	s.IPDV.Merge(o.IPDV)
	s.JitterSum += o.JitterSum
	if o.JitterDefined {
		s.Jitter, s.JitterDefined = o.Jitter, true
	}
}

// MeanJitter returns the mean of the RFC 3550 estimator over the interval's pairs.
// It reports false if there were none.
func (s VariationSummary) MeanJitter() (float64, bool) {
	if s.IPDV.Count == 0 {
		return 0, false
	}
	return s.JitterSum / float64(s.IPDV.Count), true
}
