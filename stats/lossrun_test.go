package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// An interval is what was seen without a break: true is lost. broken tells that a gap
// lies before it.
type interval struct {
	lost   []bool
	broken bool
}

// spacing is the time between packets in these tests, a power of two, so that sums are
// exact.
const spacing = 0.25

func lossRunsOf(lost []bool) LossRuns {
	var l LossRuns
	for _, lost := range lost {
		l.Add(lost, spacing)
	}
	return l
}

// recount finds the runs of intervals by looking at every packet.
func recount(intervals []interval) (count, packets int64, longest Run) {
	var run Run
	for _, in := range intervals {
		if in.broken {
			run = Run{}
		}
		for _, lost := range in.lost {
			packets++
			if !lost {
				run = Run{}
				continue
			}
			if run.Packets == 0 {
				count++
			}
			run = Run{run.Packets + 1, run.Seconds + spacing}
			longest = Run{max(longest.Packets, run.Packets), max(longest.Seconds, run.Seconds)}
		}
	}
	return count, packets, longest
}

// fold joins intervals in a random order of joining.
func fold(intervals []interval, r *rand.Rand) LossRuns {
	if len(intervals) == 1 {
		return lossRunsOf(intervals[0].lost)
	}
	at := 1 + r.IntN(len(intervals)-1)
	left, right := fold(intervals[:at], r), fold(intervals[at:], r)
	if intervals[at].broken {
		left.Separate(right)
	} else {
		left.Append(right)
	}
	return left
}

// Joined in any order, intervals give what a look at all packets gives.
func TestLossRunsJoinAsRecounted(t *testing.T) {
	r := seeded(1)
	for trial := range 3000 {
		p := r.Float64()
		intervals := make([]interval, 1+r.IntN(8))
		for i := range intervals {
			intervals[i].broken = i > 0 && r.IntN(4) == 0
			for range 1 + r.IntN(6) {
				intervals[i].lost = append(intervals[i].lost, r.Float64() < p)
			}
		}
		count, packets, longest := recount(intervals)
		got := fold(intervals, r)
		if got.Count != count || got.Packets != packets || got.Longest != longest {
			t.Fatalf("trial %d: %+v: got %+v, want %d runs in %d packets, longest %+v", trial, intervals, got, count, packets, longest)
		}
	}
}

// In order of time intervals without packets may lie between: no probe was sent, and a
// run goes on across them, unless there was a gap.
func TestLossRunsJoinAcrossEmptyIntervals(t *testing.T) {
	r := seeded(2)
	for trial := range 3000 {
		intervals := make([]interval, 1+r.IntN(8))
		var got LossRuns
		for i := range intervals {
			intervals[i].broken = i > 0 && r.IntN(4) == 0
			for range r.IntN(4) {
				intervals[i].lost = append(intervals[i].lost, r.IntN(2) == 0)
			}
			if next := lossRunsOf(intervals[i].lost); intervals[i].broken {
				got.Separate(next)
			} else {
				got.Append(next)
			}
		}
		count, packets, longest := recount(intervals)
		if got.Count != count || got.Packets != packets || got.Longest != longest {
			t.Fatalf("trial %d: %+v: got %+v, want %d runs in %d packets, longest %+v", trial, intervals, got, count, packets, longest)
		}
	}
}

// Counted by hand with RFC 3357's definition of a loss period: packets 3-4, 7 and 9-11.
func TestLossRunsOfSequence(t *testing.T) {
	const received, lost = false, true
	l := lossRunsOf([]bool{received, received, lost, lost, received, received, lost, received, lost, lost, lost, received})
	want := LossRuns{Count: 3, Longest: Run{3, 3 * spacing}, Packets: 12}
	if l != want {
		t.Errorf("got %+v, want %+v", l, want)
	}
}

// The longest in seconds need not be the longest in packets: probes may be sent at
// other intervals.
func TestLossRunsLongestInSeconds(t *testing.T) {
	var l LossRuns
	l.Add(true, 10)
	l.Add(false, 10)
	l.Add(true, 0.5)
	l.Add(true, 0.5)
	if l.Longest.Packets != 2 || math.Abs(l.Longest.Seconds-10) > 1e-12 {
		t.Errorf("longest %+v, want 2 packets and 10 s", l.Longest)
	}
}
