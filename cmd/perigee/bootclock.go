package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"perigee"
	"perigee/internal/clock"
)

// oldestTime is before everything that was ever measured with this program: a clock that
// shows an earlier time has not been set.
var oldestTime = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

const (
	// clockPatience is how long a clock that is merely behind what is known is doubted if
	// nobody sets it: then it may be right, and was wrong when it ran ahead.
	clockPatience = time.Hour

	// lookAtClock is how often a doubted clock is looked at.
	lookAtClock = time.Second
)

// systemClock and clockSynchronised are the machine's clock and what the kernel thinks of
// it; tests replace them, as they cannot set a machine's clock.
var (
	systemClock       = clock.System
	clockSynchronised = func() bool { return clockQuality().Synchronised }
)

// A bootClock is the machine's clock for those that stamp results. Until the time of day
// is known it shows provisional times, see perigee.Provisional: how long ago the machine
// was booted, which no setting of the clock changes.
type bootClock struct {
	real  perigee.Clock
	floor clockFloor
	begun perigee.Reading // the first look
	boot  time.Duration   // time since the boot at begun

	known   atomic.Bool
	settled chan struct{} // closed when known becomes true
}

// clockFloor is what the time of day cannot be before.
type clockFloor struct {
	built time.Time // when this program's source was; zero if not known
	last  time.Time // the end of the last sample of a link that is measured; zero if there is none
}

// newBootClock looks at the clock and at what store knows of earlier times.
func newBootClock(ctx context.Context, store perigee.Store, p plan) (*bootClock, error) {
	links, err := p.measured(ctx, store)
	if err != nil {
		return nil, err
	}
	c := &bootClock{real: systemClock(), floor: clockFloor{built: builtAt()}, settled: make(chan struct{})}
	for _, l := range links {
		if l.Last.After(c.floor.last) {
			c.floor.last = l.Last
		}
	}
	c.begun = c.real()
	c.boot, _ = clock.SinceBoot()
	if c.doubt() == nil {
		c.settle()
	}
	return c, nil
}

// builtAt returns when the source of this program was committed; zero if that is not known.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, _ := time.Parse(time.RFC3339, s.Value) // zero if it is none
			return t
		}
	}
	return time.Time{}
}

// read implements perigee.Clock.
func (c *bootClock) read() perigee.Reading {
	r := c.real()
	if !c.known.Load() {
		r.Wall = time.Unix(0, 0).UTC().Add(c.sinceBoot(r))
	}
	return r
}

// sinceBoot returns how long after the machine's boot r was.
func (c *bootClock) sinceBoot(r perigee.Reading) time.Duration {
	return c.boot + r.Mono - c.begun.Mono + r.Suspended - c.begun.Suspended
}

// booted returns the time of day at which the machine's boot would have been by what the
// clock shows now, rounded down to what starts of windows are rounded to.
func (c *bootClock) booted() time.Time {
	r := c.real()
	return r.Wall.Add(-c.sinceBoot(r)).Truncate(time.Millisecond)
}

// guess returns the time of day; while it is not known one that is not before it could be.
func (c *bootClock) guess() time.Time {
	r := c.real()
	if c.known.Load() {
		return r.Wall
	}
	latest := oldestTime
	for _, t := range []time.Time{c.floor.built, c.floor.last} {
		if t.After(latest) {
			latest = t
		}
	}
	return latest.Add(r.Mono - c.begun.Mono + r.Suspended - c.begun.Suspended)
}

// guessed implements perigee.Clock for those that stamp nothing before the time of day is
// known.
func (c *bootClock) guessed() perigee.Reading {
	r := c.read()
	r.Wall = c.guess()
	return r
}

// doubt says why the clock's time of day cannot be right, nil if it can.
func (c *bootClock) doubt() error {
	now := c.real()
	shows := now.Wall.UTC().Format(time.RFC3339)
	why := func(format string, args ...any) error {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("the clock shows %s, ", shows) + fmt.Sprintf(format, args...)}
	}
	if now.Wall.Before(oldestTime) {
		return why("so it was not set since the machine was switched on")
	}
	if now.Mono-c.begun.Mono >= clockPatience || clockSynchronised() {
		return nil
	}
	if now.Wall.Before(c.floor.built) {
		return why("which is before this program was written (%s)", c.floor.built.UTC().Format(time.RFC3339))
	}
	if now.Wall.Before(c.floor.last) {
		return why("which is before the last result (%s)", c.floor.last.UTC().Format(time.RFC3339))
	}
	return nil
}

// doubted says why results are held, nil if they are not.
func (c *bootClock) doubted() error {
	if c.known.Load() {
		return nil
	}
	return c.doubt()
}

// settle has the time of day shown from now on.
func (c *bootClock) settle() {
	c.known.Store(true)
	close(c.settled)
}

// await waits until the time of day is known. It reports false if ctx ends before.
func (c *bootClock) await(ctx context.Context) bool {
	select {
	case <-c.settled:
		return true
	case <-ctx.Done():
		return false
	}
}
