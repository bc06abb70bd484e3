package stats

import (
	"math"
	"time"
)

// The error of a steady mean is found by batch means (Law & Kelton 1984): the means of
// batches that are long enough hardly depend on each other, whatever the counts do.
const (
	// A batch is no shorter than batchRTTs round trips, and batchTime.
	batchRTTs = 5
	batchTime = 500 * time.Millisecond

	// Batches are made longer until fewer than fewestBatches would remain, and the
	// widest interval counts: dependence beyond a batch's length only shows in longer ones.
	fewestBatches = 5

	// settledBatches of the shortest length must be there before a test may stop.
	settledBatches = 10

	// fewestSlots is how many slots, counted by their share of time, must be seen to
	// know how much slots differ.
	fewestSlots = 2.5
)

// meanError is how well a mean is known, in bytes per count.
type meanError struct {
	half      float64 // NaN if not known
	effective float64
	settled   bool
}

// errorOf returns the error of the mean of the counts from start on.
func (t *transfer) errorOf(start int, confidence float64) meanError {
	n := t.n - start
	shortest := max(t.steps(batchRTTs*t.o.RTT), t.steps(batchTime))
	e := meanError{half: math.NaN()}
	var widest float64 // variance of the mean where half is widest
	wider := func(variance, degrees float64) {
		half := studentQuantile((1+confidence)/2, degrees) * math.Sqrt(variance)
		if math.IsNaN(e.half) || half > e.half {
			e.half, widest = half, variance
		}
	}
	for length := shortest; n/length >= fewestBatches; length = max(length+1, length*3/2) {
		k := n / length
		wider(t.batchVariance(t.n-k*length, length)/float64(k), float64(k-1))
	}
	if math.IsNaN(e.half) {
		return e
	}
	if t.o.Slot > 0 {
		variance, slots := t.slotVariance(start)
		if slots < fewestSlots {
			e.half = math.NaN()
			return e
		}
		wider(variance, slots-1)
	}
	e.effective = float64(n)
	if widest > 0 {
		e.effective = t.batchVariance(start, 1) / widest
	}
	middle := start + n/2
	drift := math.Abs(t.mean(middle, t.n) - t.mean(start, middle))
	e.settled = n/shortest >= settledBatches && n > t.steps(t.o.Period+t.o.Period/5) && drift <= 2*e.half
	return e
}

// batchVariance returns the variance of the means of batches of length counts, from
// start to the end, of which there must be at least two.
func (t *transfer) batchVariance(start, length int) float64 {
	mean, squares, k := t.mean(start, t.n), 0.0, 0
	for i := start; i+length <= t.n; i += length {
		v := t.mean(i, i+length) - mean
		squares += v * v
		k++
	}
	return squares / float64(k-1)
}

// slotVariance returns the variance of the mean from start on, slots being clusters of
// unequal length (the ratio estimator of Cochran 1977, section 6.3), and how many
// slots of equal length would weigh as these do.
func (t *transfer) slotVariance(start int) (variance, slots float64) {
	mean, k, shares := t.mean(start, t.n), 0.0, 0.0
	for i := start; i < t.n; {
		edge := t.slotEnd(i, 1)
		share := float64(edge-i) / float64(t.n-start)
		v := share * (t.mean(i, edge) - mean)
		variance += v * v
		shares += share * share
		k++
		i = edge
	}
	return variance * k / max(1, k-1), 1 / shares
}
