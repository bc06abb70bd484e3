package fleet

import (
	"context"
	"fmt"
	"time"

	"perigee"
)

// The defaults of Options.
const (
	DefaultWindow   = 10 * time.Second
	DefaultInterval = time.Second
)

// maxHomes bounds a fleet: each home takes about 10 kB.
const maxHomes = 100_000

// outageAfter is how long a run of unanswered probes must be to be an outage; the
// daemon's default.
const outageAfter = time.Second

// Options configures a Fleet.
type Options struct {
	Homes int    // 1 to 100,000
	Seed  uint64 // decides everything that is random

	Window   time.Duration // whole milliseconds; DefaultWindow if 0
	Interval time.Duration // between probes of a link, at most Window; DefaultInterval if 0

	Now func() time.Time // the wall clock; time.Now if nil

	// Append stores a batch; required. It is called from the goroutine of Run or
	// Backfill, in order, and again with the same batch after an error with
	// CodeUnavailable. Any other error ends the fleet. The batch and its
	// sketches are Append's to keep.
	Append func(context.Context, perigee.Batch) error

	// Describe records a home and its links, if set. It is called for each home
	// before its first window, from the same goroutine and on the same terms.
	Describe func(context.Context, perigee.Site, []perigee.Link) error
}

// withDefaults fills in what is zero and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	invalid := func(format string, args ...any) (Options, error) {
		return o, &perigee.Error{Code: perigee.CodeInvalid, Message: "fleet: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case o.Homes < 1 || o.Homes > maxHomes:
		return invalid("%d homes: must be 1 to %d", o.Homes, maxHomes)
	case o.Window < time.Millisecond || o.Window > time.Hour || o.Window%time.Millisecond != 0:
		return invalid("a window of %v: must be 1ms to 1h, in whole milliseconds", o.Window)
	case o.Interval < time.Millisecond || o.Interval > o.Window:
		return invalid("probes every %v: must be 1ms to the window's %v", o.Interval, o.Window)
	case o.Append == nil:
		return invalid("nowhere to append to")
	}
	return o, nil
}
