package storagetest

import (
	"fmt"
	"math"
	"time"

	"perigee"
	"perigee/stats"
)

// Tolerances are how far a sample may be from another and still count as the same.
// The zero value asks for equality.
type Tolerances struct {
	Singletons time.Duration // of a singleton's At and RTT
	Sums       float64       // relative, of mean, squared deviations and mean jitter
}

// Diff returns how got differs from want, in words, or "" if it does not. Sketches are
// compared by what they have counted.
func Diff(got, want perigee.Sample, t Tolerances) string {
	type scalars struct {
		Stream                        perigee.Stream
		Start                         int64
		Length, Interval, LossTimeout time.Duration
		Proof                         perigee.Proof
		Cause                         string
		Counts                        perigee.Counts
		LossRuns                      stats.LossRuns
		Jitter                        float64
		JitterDefined                 bool
	}
	of := func(s perigee.Sample) scalars {
		return scalars{s.Stream, s.Start.UnixNano(), s.Length, s.Interval, s.LossTimeout, s.Proof, s.Cause, s.Counts, s.LossRuns, s.Variation.Jitter, s.Variation.JitterDefined}
	}
	a, b := of(got), of(want)
	if t.Sums > 0 && near(a.LossRuns.Longest.Seconds, b.LossRuns.Longest.Seconds, t.Sums) && near(a.LossRuns.Head.Seconds, b.LossRuns.Head.Seconds, t.Sums) &&
		near(a.LossRuns.Tail.Seconds, b.LossRuns.Tail.Seconds, t.Sums) {
		a.LossRuns.Longest.Seconds, a.LossRuns.Head.Seconds, a.LossRuns.Tail.Seconds = b.LossRuns.Longest.Seconds, b.LossRuns.Head.Seconds, b.LossRuns.Tail.Seconds
	}
	if a != b {
		return fmt.Sprintf("got %+v, want %+v", a, b)
	}
	if !near(got.Variation.JitterSum, want.Variation.JitterSum, t.Sums) {
		return fmt.Sprintf("sum of jitter: got %v, want %v", got.Variation.JitterSum, want.Variation.JitterSum)
	}
	if d := diffDistribution(got.RTT, want.RTT, t.Sums); d != "" {
		return "RTT: " + d
	}
	if d := diffDistribution(got.Variation.IPDV, want.Variation.IPDV, t.Sums); d != "" {
		return "IPDV: " + d
	}
	return diffSingletons(got.Singletons, want.Singletons, t.Singletons)
}

func diffDistribution(got, want stats.Distribution, sums float64) string {
	if got.Count != want.Count || got.Min != want.Min || got.Max != want.Max || !near(got.Mean, want.Mean, sums) || !near(got.M2, want.M2, sums) {
		return fmt.Sprintf("got %+v, want %+v", got, want)
	}
	a, b := bins(got.Sketch), bins(want.Sketch)
	if len(a) != len(b) {
		return fmt.Sprintf("sketch: got %d bins, want %d", len(a), len(b))
	}
	for value, count := range a {
		if b[value] != count {
			return fmt.Sprintf("sketch at %v: got %d, want %d", value, count, b[value])
		}
	}
	return ""
}

func bins(s stats.Sketch) map[float64]int64 {
	m := map[float64]int64{}
	s.ForEach(func(value float64, count int64) bool {
		m[value] += count
		return true
	})
	return m
}

func diffSingletons(got, want []perigee.Singleton, tolerance time.Duration) string {
	if len(got) != len(want) {
		return fmt.Sprintf("got %d singletons, want %d", len(got), len(want))
	}
	for i := range got {
		a, b := got[i], want[i]
		if (a.At-b.At).Abs() <= tolerance && (a.RTT-b.RTT).Abs() <= tolerance {
			a.At, a.RTT = b.At, b.RTT
		}
		if a != b {
			return fmt.Sprintf("singleton %d: got %+v, want %+v", i, a, b)
		}
	}
	return ""
}

// near reports whether a and b differ by at most a part of the greater.
func near(a, b, part float64) bool {
	return math.Abs(a-b) <= part*max(math.Abs(a), math.Abs(b))
}
