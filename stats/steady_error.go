package stats

import (
	"math"
	"time"
)

// The error of a steady mean is found by batch means (Law & Kelton 1984): the means of
// batches that are long enough hardly depend on each other, whatever the counts do.
const (
	// The shortest batches, by which dependence is judged, are shortestRTTs round
	// trips long and shortestTime at least. Those that tell the error are also
	// batchRTTs long: what a lost packet held back arrives in one burst, some round
	// trips after it was due, and must fall into the same batch.
	shortestRTTs = 2
	shortestTime = 500 * time.Millisecond
	batchRTTs    = 5

	// Batches are made longer until fewer than fewestBatches would remain, and the
	// widest interval counts: dependence over a long time shows in long batches only.
	fewestBatches = 5

	// A test may stop when there are settledBatches that do not depend on each other:
	// whose von Neumann deviate is at most dependent.
	settledBatches = 20
	dependent      = 0.5

	// fewestSlots is how many slots, weighed by their share of time, must be seen to
	// know how much slots differ, and settledSlots before a test may stop.
	fewestSlots  = 2.5
	settledSlots = 4

	// Arrivals over a full link are so even that the batches of a short test hardly differ.
	// A test says nothing of what it has not met: an interruption of unseenRTTs round
	// trips, or unseenTime, that comes as often as once in its steady part may come next.
	unseenRTTs = 1
	unseenTime = 250 * time.Millisecond

	// seenPeriods is how much of the sender's period must be seen before a test may
	// stop: one with what interrupts it.
	seenPeriods = 1.2
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
	e := meanError{half: math.NaN()}
	widest := 0.0 // the variance that half comes from
	include := func(variance, degrees float64) {
		half := studentQuantile((1+confidence)/2, degrees) * math.Sqrt(variance)
		if math.IsNaN(e.half) || half > e.half {
			e.half, widest = half, variance
		}
	}
	independent := false
	shortest := max(t.steps(shortestRTTs*t.o.RTT), t.steps(shortestTime))
	for length := shortest; n/length >= fewestBatches; length = max(length+1, length*3/2) {
		k := n / length
		variance, dependence := t.batches(t.n-k*length, length)
		if length >= t.steps(batchRTTs*t.o.RTT) {
			include(variance/float64(k), float64(k-1))
		}
		independent = independent || k >= settledBatches && dependence <= dependent
	}
	if math.IsNaN(e.half) {
		return e
	}
	if t.o.Slot > 0 {
		variance, slots := t.slotVariance(start)
		if slots < fewestSlots {
			return meanError{half: math.NaN()}
		}
		include(variance, slots-1)
		independent = slots >= settledSlots // slots depend on nothing, and batches on slots
	}
	e.effective = float64(n)
	if widest > 0 {
		variance, _ := t.batches(start, 1)
		e.effective = min(e.effective, variance/widest)
	}
	e.settled = independent && float64(n) >= seenPeriods*float64(t.steps(t.o.Period))
	return e
}

// orWorse returns the error of the mean of arrivals from start on, which is e as far as they
// tell. They do not show what losses a link has; when a program got the payload does, and
// losses make senders slower for longer than a short test sees.
func (t *transfer) orWorse(e meanError, start int) meanError {
	o := t.o
	o.InOrder = nil
	program := newTransfer(t.o.InOrder[:min(t.n, len(t.o.InOrder))], t.step, o)
	if start >= program.n {
		return e
	}
	program.n = program.caughtUp(start)
	p := program.errorOf(start, t.o.Confidence)
	lost := max(unseenTime, unseenRTTs*t.o.RTT).Seconds() / (float64(t.n-start) * t.step.Seconds())
	e.half = max(e.half, p.half, lost*t.mean(start, t.n))
	e.settled = e.settled && p.settled
	return e
}

// batches returns the variance of the means of batches of length counts from start to
// the end, at least three, and how much each resembles the one before: von Neumann's
// ratio (1941) as a deviate that is about standard normal if they do not depend on
// each other, and large if they do.
func (t *transfer) batches(start, length int) (variance, dependence float64) {
	mean, squares, steps, k, before := t.mean(start, t.n), 0.0, 0.0, 0.0, 0.0
	for i := start; i+length <= t.n; i += length {
		v := t.mean(i, i+length) - mean
		squares += v * v
		if k > 0 {
			steps += (v - before) * (v - before)
		}
		before = v
		k++
	}
	if squares > 0 {
		dependence = (1 - steps/squares/2) * math.Sqrt((k*k-1)/(k-2))
	}
	return squares / (k - 1), dependence
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
