package stats

import (
	"math"
	"time"
)

// SteadyOptions is what is known of a transfer beside its counts. Fields that are 0
// are not known, or not there.
type SteadyOptions struct {
	// RTT is the link's idle round trip. A sender changes its rate no faster, so it
	// is the measure of how long anything must last to mean something.
	RTT time.Duration

	// MinSteady is how long a steady part must be, if that is more than RTT demands.
	MinSteady time.Duration

	// Period is how often the sender leaves its rate by its own habit: 10 s for BBR,
	// which stops for a moment then to see the round trip. A mean is not precise
	// before it holds one such moment.
	Period time.Duration

	// Slot is how long the link keeps a capacity before it gets another, 15 s on
	// Starlink; SlotStart is when, after the beginning of the counts, one begins. With
	// them, what one slot carries says nothing of the next.
	Slot, SlotStart time.Duration

	// InOrder is when a program got the payload, if the counts tell when it arrived: no loss
	// holds any of it back then. If nil, the counts are of a program.
	InOrder []float64

	// Full tells of each count whether the link was seen to be full, as by a queue; nil if
	// nobody looked. Over a long path, of which a round trip takes several counts, a steady
	// part that is too short to tell its error must prove itself by it, and may be shorter.
	Full []bool

	Confidence float64 // of the interval; 0.95 if 0
}

// Steady is where the steady part of a transfer begins, its mean, and how sure that is.
//
// The interval is for what the transfer would have carried on average, had it gone on
// and on as it went. The steady mean of a test of the planned length lies within it all
// the more: it contains the same counts, and varies less.
type Steady struct {
	// Found tells that there is a steady part. If not, Ramp is where it may begin, and
	// Mean that of what there is behind, or of everything if nothing is.
	Found bool

	Ramp int     // counts before the steady part
	Held int     // counts behind it, left out because what they lack is still held back by a loss
	Mean float64 // of the steady part, bytes per second

	// HalfWidth is that of Mean's confidence interval, in bytes per second; NaN if
	// it cannot be told. See Error.
	HalfWidth  float64
	Confidence float64

	// Effective is how many independent counts would tell Mean as well as the counts
	// of the steady part, which depend on each other, do; 0 if HalfWidth is NaN.
	Effective float64

	settled bool // HalfWidth may be relied on while the test still runs
}

// Error returns HalfWidth as a share of Mean; false if it cannot be told.
func (s Steady) Error() (float64, bool) {
	if !s.Found || math.IsNaN(s.HalfWidth) || s.Mean <= 0 {
		return 0, false
	}
	return s.HalfWidth / s.Mean, true
}

// Precise reports whether Mean is known to relative, such as 0.05, so that a test that
// looks every second may stop.
//
// Whoever looks often and stops at the first good moment, often stops at one that only
// looks good. Stopping at a fixed width keeps the confidence as that width shrinks
// (Chow & Robbins 1965); for widths that people ask for it must be held back. So
// Precise demands a least number of batches, that they do not depend on each other (as
// Law & Carson 1979 do), which a trend makes them, and an error of at most
// relative/(1+relative), which is relative to the true mean (Law & Kelton 1982).
func (s Steady) Precise(relative float64) bool {
	e, ok := s.Error()
	return ok && s.settled && e <= relative/(1+relative)
}

// A steady part is at least so long. Over fewer round trips a pause in slow start, or
// what one lost packet held back, looks like any rate.
const (
	steadyRTTs = 8
	steadyTime = time.Second
)

// SteadyState finds the steady part of a transfer, of which counts are the bytes that
// its receiver got in each step of time. It costs time in proportion to len(counts),
// and can be called again and again while the transfer runs.
//
// docs/metrics.md states the rules, and how far to trust them.
func SteadyState(counts []float64, step time.Duration, o SteadyOptions) Steady {
	if o.Confidence == 0 {
		o.Confidence = 0.95
	}
	s := Steady{HalfWidth: math.NaN(), Confidence: o.Confidence}
	if len(counts) == 0 || step <= 0 {
		return s
	}
	t := newTransfer(counts, step, o)
	s.Ramp = t.ramp()
	if end := t.caughtUp(s.Ramp); end < t.n {
		s.Held, t.n = t.n-end, end
		s.Ramp = t.ramp()
	}
	s.Ramp = t.filled(s.Ramp)
	n := t.n
	perSecond := 1 / step.Seconds()
	if s.Ramp == n {
		s.Mean = t.mean(0, n) * perSecond
		return s
	}
	s.Mean = t.mean(s.Ramp, n) * perSecond
	e := t.errorOf(s.Ramp, o.Confidence)
	switch {
	case t.grows(s.Ramp):
	case t.mustProve() && math.IsNaN(e.half):
		s.Found = t.proven(s.Ramp)
	default:
		// What is held back was waited for all the same; half of the least must remain.
		s.Found = n+s.Held-s.Ramp >= t.least && 2*(n-s.Ramp) >= t.least
	}
	if !s.Found {
		return s
	}
	if o.InOrder != nil {
		e = t.orWorse(e, s.Ramp)
	}
	s.HalfWidth, s.Effective, s.settled = e.half*perSecond, e.effective, e.settled
	return s
}

// transfer is a series of counts with its sums, so that the mean of any part is one
// subtraction.
type transfer struct {
	n      int
	sums   []float64 // of the counts before each
	step   time.Duration
	o      SteadyOptions
	least  int // counts of the shortest steady part
	rtt    int // counts in a round trip, at least 1
	window int // counts over which a rate is taken
}

func newTransfer(counts []float64, step time.Duration, o SteadyOptions) *transfer {
	t := &transfer{n: len(counts), sums: make([]float64, len(counts)+1), step: step, o: o}
	for i, c := range counts {
		t.sums[i+1] = t.sums[i] + c
	}
	t.rtt = max(1, t.steps(o.RTT))
	t.window = max(windowCounts, t.steps(windowRTTs*o.RTT))
	t.least = max(t.steps(steadyTime), t.steps(steadyRTTs*o.RTT), t.steps(o.MinSteady))
	return t
}

// steps returns how many counts it takes to cover d.
func (t *transfer) steps(d time.Duration) int { return int((d + t.step - 1) / t.step) }

// mean returns that of counts from to until, which must be after from.
func (t *transfer) mean(from, until int) float64 {
	return (t.sums[until] - t.sums[from]) / float64(until-from)
}

// slotEnd returns the first slot's edge that is at least some counts after i, or the
// end; without slots the end.
func (t *transfer) slotEnd(i, some int) int {
	slot := t.o.Slot
	if slot <= 0 {
		return t.n
	}
	after := time.Duration(i+some)*t.step - t.o.SlotStart
	slots := after / slot
	if after > slots*slot { // also if after is negative, where division rounds up
		slots++
	}
	edge := t.o.SlotStart + slots*slot
	return min(t.n, int((edge+t.step/2)/t.step))
}
