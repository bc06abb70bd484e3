package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"perigee"
)

// readTimex asks the kernel how good it believes its clock to be, and for its bound.
func readTimex() (quality perigee.ClockQuality, worst time.Duration, err error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return perigee.ClockQuality{}, 0, err
	}
	const unsynchronised = 5 // TIME_ERROR, adjtimex(2)
	return perigee.ClockQuality{
		Known:        true,
		Synchronised: state != unsynchronised && t.Status&unix.STA_UNSYNC == 0,
		Error:        time.Duration(t.Esterror) * time.Microsecond,
	}, time.Duration(t.Maxerror) * time.Microsecond, nil
}

// clockQuality returns how good the kernel believes its clock to be, now.
func clockQuality() perigee.ClockQuality {
	quality, _, _ := readTimex() // not to know is an answer
	return quality
}

// checkClock says how good the kernel believes its clock to be.
func checkClock() finding {
	const check = "clock"
	quality, worst, err := readTimex()
	if err != nil {
		return finding{Check: check, State: stateWarning, Message: fmt.Sprintf("the kernel does not say how good its clock is: %v", err)}
	}
	if !quality.Synchronised {
		return finding{Check: check, State: stateWarning, Message: "not synchronised; round-trip times do not suffer, times of day do",
			Remedy: "run chrony or systemd-timesyncd"}
	}
	return finding{Check: check, State: stateOK, Message: fmt.Sprintf("synchronised, estimated error %s, at most %s", quality.Error, worst)}
}

// freeBytes returns the space that an unprivileged user can still fill.
func freeBytes(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("ask for free space in %s: %w", dir, err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}
