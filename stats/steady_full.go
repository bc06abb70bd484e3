package stats

import "math"

// A test of a few round trips cannot tell by its counts whether the sender has filled the
// link or has stopped growing before: CUBIC keeps a window that is too small for many round
// trips. The sender's round trips tell, for what a full link cannot carry at once waits in
// its queue. And a full link carries always the same, so that few round trips suffice.
const (
	// provenRTTs is how long a steady part must be that proves itself.
	provenRTTs = 4

	// fullShare is for how much of it the link must have been full: a burst of losses may
	// leave a window that just fills the link, with nothing to queue.
	fullShare = 0.5

	// even is the greatest standard error of its mean, as a share of that, as if its round
	// trips were independent: half of the 5 % that anyone asks for. Those of a full link
	// differ by less than a per cent; one that lost a burst and ran half empty for a
	// second exceeds it. The mean may be below that of the full link by as much.
	even = 0.025
)

// mustProve reports whether it is known of a long path when it was full.
func (t *transfer) mustProve() bool { return t.o.Full != nil && t.rtt >= windowCounts }

// filled returns the first moment after the ramp's end at start at which the link is full
// for a round trip, if that comes soon and what is before it is slower; else start.
func (t *transfer) filled(start int) int {
	if !t.mustProve() {
		return start
	}
	latest := min(start+t.steps(repairRTTs*t.o.RTT), t.n-t.steps(provenRTTs*t.o.RTT))
	for d := start; d <= latest; d++ {
		if t.full(d, d+t.rtt) < 1 {
			continue
		}
		if d > start && t.mean(start, d) < t.mean(d, t.n) {
			return d
		}
		return start
	}
	return start
}

// full returns in which share of the counts from to until the link was full.
func (t *transfer) full(from, until int) float64 {
	n := 0
	for i := from; i < min(until, len(t.o.Full)); i++ {
		if t.o.Full[i] {
			n++
		}
	}
	return float64(n) / float64(until-from)
}

// proven reports whether what follows start is steady though it is short. A sender that
// leaves its rate by its own habit must have done so in it.
func (t *transfer) proven(start int) bool {
	least := max(t.steps(steadyTime), t.steps(provenRTTs*t.o.RTT), t.steps(t.o.MinSteady), t.steps(t.o.Period))
	return t.n-start >= least && t.full(start, t.n) >= fullShare && t.mean(start, t.n) >= (1-even)*t.meanFull(start) && t.unevenness(start) <= even
}

// meanFull returns the mean of those counts from start on in which the link was full, of
// which there must be some.
func (t *transfer) meanFull(start int) float64 {
	sum, n := 0.0, 0
	for i := start; i < min(t.n, len(t.o.Full)); i++ {
		if t.o.Full[i] {
			sum, n = sum+t.mean(i, i+1), n+1
		}
	}
	return sum / float64(n)
}

// unevenness returns the standard error of the mean of what follows start, as a share of
// it, as if round trips were independent.
func (t *transfer) unevenness(start int) float64 {
	k := (t.n - start) / t.rtt
	if k < 3 {
		return math.Inf(1)
	}
	variance, _ := t.batches(t.n-k*t.rtt, t.rtt)
	return math.Sqrt(variance/float64(k)) / t.mean(start, t.n)
}
