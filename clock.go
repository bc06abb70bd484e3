package perigee

import (
	"slices"
	"time"
)

// Reading is one look at the machine's clocks.
type Reading struct {
	// Wall is the time of day, or provisional until that is known. It may step;
	// durations are never taken from it.
	Wall time.Time

	// Mono is the monotonic clock: it never steps, and stands still while the
	// machine is suspended. Its zero is arbitrary but fixed for the process.
	Mono time.Duration

	// Suspended is the total time that the machine has been suspended, so far
	// as the system tells; differences alone have a meaning.
	Suspended time.Duration
}

// undated is when times stop being provisional: ten years after the machine's boot.
var undated = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Provisional reports whether t only tells how long after the machine's boot something
// was, as time since 1970 began: the clock had not been set by then. Nothing that was
// measured is as old as that. Batch.Dated gives such times their place.
func Provisional(t time.Time) bool { return t.Before(undated) && !t.IsZero() }

// Dated returns b with boot, the time of day at which the machine's boot would have been,
// added to its provisional times. All else of it is as before; b is not changed.
func (b Batch) Dated(boot time.Time) Batch {
	shift := boot.Sub(time.Unix(0, 0))
	date := func(times ...*time.Time) {
		for _, t := range times {
			if Provisional(*t) {
				*t = t.Add(shift)
			}
		}
	}
	b.Samples, b.Throughputs = slices.Clone(b.Samples), slices.Clone(b.Throughputs)
	b.Outages, b.Gaps, b.Events = slices.Clone(b.Outages), slices.Clone(b.Gaps), slices.Clone(b.Events)
	for i := range b.Samples {
		date(&b.Samples[i].Start)
	}
	for i := range b.Throughputs {
		date(&b.Throughputs[i].Start)
	}
	for i := range b.Outages {
		date(&b.Outages[i].Start, &b.Outages[i].End)
	}
	for i := range b.Gaps {
		date(&b.Gaps[i].Start, &b.Gaps[i].End)
	}
	for i := range b.Events {
		date(&b.Events[i].Time)
	}
	return b
}

// Clock reads the clocks. It is the seam through which tests step the wall clock.
type Clock func() Reading
