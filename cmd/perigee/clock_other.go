//go:build !linux

package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"perigee"
)

// clockQuality says that it is not known: this system is not asked.
func clockQuality() perigee.ClockQuality { return perigee.ClockQuality{} }

// checkClock says that this system is not asked.
func checkClock() finding {
	return finding{Check: "clock", State: stateWarning, Message: "how good the clock is can be asked on Linux alone, this is " + runtime.GOOS}
}

// freeBytes returns the space that an unprivileged user can still fill.
func freeBytes(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("ask for free space in %s: %w", dir, err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}
