package perigee

import "time"

// Reading is one look at the machine's clocks.
type Reading struct {
	// Wall is the time of day. It may step; durations are never taken from it.
	Wall time.Time

	// Mono is the monotonic clock: it never steps, and stands still while the
	// machine is suspended. Its zero is arbitrary but fixed for the process.
	Mono time.Duration

	// Suspended is the total time that the machine has been suspended, so far
	// as the system tells; differences alone have a meaning.
	Suspended time.Duration
}

// Clock reads the clocks. It is the seam through which tests step the wall clock.
type Clock func() Reading
