package probes

import (
	"time"

	"perigee"
)

// stepThreshold is how far the wall clock must move against the monotonic clock
// between two looks to have been set rather than slewed: 128 ms, the difference up to
// which ntpd slews and above which it steps by default (ntpd(8), tinker step).
const stepThreshold = 128 * time.Millisecond

// stallThreshold returns how late the loop may wake before the time is a gap: twice
// the interval, but at least 1 s, the least outage that is told by default.
func stallThreshold(interval time.Duration) time.Duration { return max(time.Second, 2*interval) }

// change is what a look at the clocks found to have happened since the look before.
// The zero value is nothing.
type change struct {
	// stopped is set if the monitor was not measuring from the look before's
	// cut to now: its reason.
	stopped perigee.GapReason
	cut     time.Duration // the monotonic clock when measuring stopped
	asleep  time.Duration // of the time since cut, how long the machine was suspended

	// step is by how much the wall clock was set, 0 if it was not.
	step time.Duration
}

// compare tells what happened between two looks. wanted is when the loop meant to look
// again, after before.Mono.
func compare(before, now perigee.Reading, wanted, interval time.Duration) change {
	var c change
	ran := now.Mono - before.Mono
	asleep := now.Suspended - before.Suspended
	if asleep <= stepThreshold {
		asleep = 0
	}
	if step := now.Wall.Sub(before.Wall) - ran - asleep; step.Abs() > stepThreshold {
		c.step = step
	}
	late := now.Mono - wanted
	switch {
	case asleep > 0 && asleep >= late:
		c.stopped = perigee.GapSuspended
	case late > stallThreshold(interval):
		c.stopped = perigee.GapStalled
	case asleep > 0:
		c.stopped = perigee.GapSuspended
	default:
		return c
	}
	c.asleep = asleep
	c.cut = min(wanted, now.Mono)
	return c
}
