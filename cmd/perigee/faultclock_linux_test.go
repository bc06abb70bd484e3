package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"perigee"
	"perigee/internal/clock"
)

// clockFileEnv names a file by which another process sets the clock that the program sees,
// as nobody may set the machine's: eight bytes, by how many nanoseconds it is ahead.
const clockFileEnv = "PERIGEE_TEST_CLOCK"

// init gives the program the clock that the test which started it sets. It counts as
// synchronised, as that of a machine whose time is set by NTP would.
func init() {
	file := os.Getenv(clockFileEnv)
	if file == "" {
		return
	}
	c, err := openSteppedClock(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	clockSynchronised = func() bool { return true }
	systemClock = func() perigee.Clock {
		read := clock.System()
		return func() perigee.Reading {
			r := read()
			r.Wall = r.Wall.Add(c.ahead())
			return r
		}
	}
}

// A steppedClock is by how much a clock is ahead of the machine's, in memory that processes
// share.
type steppedClock struct{ nanoseconds *atomic.Int64 }

// newSteppedClock makes the file of a clock that is right.
func newSteppedClock(file string) (steppedClock, error) {
	if err := os.WriteFile(file, binary.NativeEndian.AppendUint64(nil, 0), 0o600); err != nil {
		return steppedClock{}, err
	}
	return openSteppedClock(file)
}

func openSteppedClock(file string) (steppedClock, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return steppedClock{}, err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return steppedClock{}, fmt.Errorf("%s: %w", file, err)
	}
	return steppedClock{(*atomic.Int64)(unsafe.Pointer(&b[0]))}, nil
}

func (c steppedClock) ahead() time.Duration { return time.Duration(c.nanoseconds.Load()) }

// step sets the clock forward, or back if by is negative.
func (c steppedClock) step(by time.Duration) { c.nanoseconds.Add(int64(by)) }

// now is the time of day that the clock shows.
func (c steppedClock) now() time.Time { return time.Now().Add(c.ahead()).Round(0) }
