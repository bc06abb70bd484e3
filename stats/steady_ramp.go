package stats

import (
	"iter"
	"math"
	"time"
)

// The rule that separates a transfer's ramp from its steady part.
const (
	// reached is the share of the mean of all that follows at which a sender has
	// reached its rate. With less the end of slow start counts as steady, with more
	// noise and a slow rise count as ramp.
	reached = 0.9

	// A rate is taken over windowRTTs round trips, because on a long path the counts
	// of slow start come in one burst each; and over windowCounts at least.
	windowRTTs   = 2
	windowCounts = 3

	// For so long after reaching its rate a sender may still repair what it lost by
	// going too far.
	repairRTTs = 20
	repairTime = time.Second

	// repairGain is what leaving out the repair must make of the squared standard
	// error: what changes it less is chance. Of all cuts that come near the best, to
	// nearlyLeast times its squared error, the earliest is taken: where the best lies
	// among the rest is chance too.
	repairGain  = 0.5
	nearlyLeast = 1.5

	// growth is by how much the later half of what follows a long ramp may be faster
	// than the earlier. It is 1.1 for a rate that grows for ever in proportion to time.
	growth = 1.05
)

// ramp returns how many counts come before the steady part; all of them if the rate is
// never reached.
//
// First, a ramp is a rise: it ends at the first window whose rate is nine tenths of
// the mean of all that comes from there on, the reverse of a cumulative mean. What
// falls, slowly or at once, is no ramp; and where growth does not end, the point runs
// away to the end.
//
// Second, what slow start lost by overshooting is repaired before the rate is steady.
// It is left out as White's MSER (Simulation 69, 1997) leaves out a transient: the cut
// is where the standard error of the rest is least, as if its round trips were
// independent; but only if what is cut off is slower than the rest, and near.
//
// With slots the mean to be reached is that of the same slot: a slow one that comes
// first is no ramp.
func (t *transfer) ramp() int {
	for d := 0; d+t.window <= t.n; d++ {
		level := reached * t.mean(d, t.slotEnd(d, 2*t.window))
		if rate := t.mean(d, d+t.window); rate == 0 || rate < level {
			continue
		}
		// A window may pass on the strength of its end: its first round trip can
		// still be a step of slow start.
		start := d
		for i := d; i < d+t.rtt; i++ {
			if t.mean(i, i+1) < level {
				start = i + 1
			}
		}
		return t.paid(t.repaired(start))
	}
	return t.n
}

// repaired returns where the repair of an overshoot ends that may follow the ramp's
// end at start; start itself if there is none.
func (t *transfer) repaired(start int) int {
	whole, least := 0.0, math.Inf(1)
	for d, score := range t.cuts(start) {
		whole = score // the last is that of next to no cut
		if d > start && t.mean(start, d) < t.mean(d, t.n) {
			least = min(least, score)
		}
	}
	end := start
	if least <= repairGain*whole {
		for d, score := range t.cuts(start) {
			if d > start && score <= nearlyLeast*least && t.mean(start, d) < t.mean(d, t.n) {
				end = d
			}
		}
	}
	return end
}

// cuts yields the places where a repair may end that began at start, the latest first,
// with the squared standard error of what comes behind. The last is less than a round
// trip after start. If there is a steady part, the cuts leave one.
func (t *transfer) cuts(start int) iter.Seq2[int, float64] {
	rest := t.least
	if t.n-start < rest {
		rest = 2 * t.window
	}
	latest := min(start+max(t.steps(repairRTTs*t.o.RTT), t.steps(repairTime)), t.n-rest)
	// Round trips are laid from the end of the series, and the squares of their means
	// are taken around the mean of all.
	center := t.mean(start, t.n)
	return func(yield func(int, float64) bool) {
		squares, number := 0.0, 0.0
		for d := t.n - t.rtt; d >= start; d -= t.rtt {
			v := t.mean(d, d+t.rtt) - center
			squares, number = squares+v*v, number+1
			off := t.mean(d, t.n) - center
			if d <= latest && !yield(d, max(0, squares-number*off*off)/(number*number)) {
				return
			}
		}
	}
}

// grows reports whether what follows a long ramp is still part of it. A short ramp
// needs no such proof: a rate of which most has the same level is steady.
func (t *transfer) grows(ramp int) bool {
	middle := (ramp + t.n) / 2
	return ramp > t.n-ramp && t.mean(middle, t.n) > growth*t.mean(ramp, middle)
}
