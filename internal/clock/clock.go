// Package clock reads the clocks of the machine. It owns the one place where perigee
// asks the system for the time; everything else takes a perigee.Clock, so that tests
// can step, stall and suspend it.
//
// Times of flight come from Reading.Mono alone. The package is safe for concurrent use.
package clock

import (
	"time"

	"perigee"
)

// System returns the machine's clock: one look costs about a microsecond.
//
// Wall and Mono come from a single look at both clocks, so their difference changes
// only when the wall clock is stepped. On Linux Suspended is CLOCK_BOOTTIME -
// CLOCK_MONOTONIC (clock_gettime(2)); elsewhere the system does not tell and it stays
// 0, so a sleep shows as a wall clock set forward.
func System() perigee.Clock {
	base := time.Now()
	return func() perigee.Reading {
		asleep := suspended()
		now := time.Now()
		return perigee.Reading{
			Wall:      now.Round(0), // without its monotonic reading, or Sub would use that
			Mono:      now.Sub(base),
			Suspended: asleep,
		}
	}
}
