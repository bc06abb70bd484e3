package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// untorn is how far apart two looks at the monotonic clock may lie to be taken as not
// interrupted by the scheduler.
const untorn = 50 * time.Microsecond

// suspended returns how long the machine has been suspended since it booted. The two
// clocks cannot be read at once: the boot clock is read between two looks at the
// monotonic clock, again if the process was interrupted meanwhile, and the tightest
// of three attempts counts.
func suspended() time.Duration {
	var best, narrowest time.Duration
	for attempt := range 3 {
		before := read(unix.CLOCK_MONOTONIC)
		boot := read(unix.CLOCK_BOOTTIME)
		after := read(unix.CLOCK_MONOTONIC)
		width := after - before
		if attempt == 0 || width < narrowest {
			best, narrowest = boot-before-width/2, width
		}
		if width <= untorn {
			break
		}
	}
	return best
}

// SinceBoot returns how long ago the machine was booted, time asleep included: the same
// clock for every process until the next boot. It reports false where the system has none.
func SinceBoot() (time.Duration, bool) { return read(unix.CLOCK_BOOTTIME), true }

// read returns a clock that every Linux since 2.6.39 has, so it cannot fail.
func read(clock int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
