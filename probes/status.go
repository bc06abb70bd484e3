package probes

import (
	"time"

	"perigee"
)

// Status says how the measuring of one stream goes.
type Status struct {
	Stream perigee.Stream

	// Running reports whether the prober runs, that is, could open its socket
	// and has not failed since.
	Running  bool
	Restarts int // how often the prober ended and was started again

	// LastError is why the prober ended or a probe could not be sent, of the
	// two what came last; empty once a probe was answered again.
	LastError string

	LastSingleton time.Time // wall time of the last outcome; zero if there was none
	LastReceived  time.Time // wall time of the last reply in time; zero if there was none
	Undecided     int       // probes whose outcome is not known yet
}

// Status returns the status of every stream in the order of Options.Streams.
func (r *Runner) Status() []Status {
	all := make([]Status, len(r.lines))
	for i, l := range r.lines {
		all[i] = l.current()
	}
	return all
}

// StoreError returns why Options.Record did not take results when it was last tried,
// nil if it took them. Measuring goes on meanwhile.
func (r *Runner) StoreError() error { return r.recorder.failure() }
