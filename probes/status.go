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

	// Paused reports that probes of the link go to its stream of another load,
	// see Runner.SetLoad. Running, Restarts and LastError are of the prober, which
	// streams of all loads share.
	Paused bool

	LastSingleton time.Time // wall time of the last outcome; zero if there was none
	LastReceived  time.Time // wall time of the last reply in time; zero if there was none
	Undecided     int       // probes whose outcome is not known yet
}

// Status returns the status of every stream in the order of Options.Streams, then of the
// streams under load that have been measured.
func (r *Runner) Status() []Status {
	r.mu.RLock()
	lines := r.lines
	r.mu.RUnlock()
	all := make([]Status, 0, len(lines))
	for _, l := range lines {
		if s, ok := l.status(); ok {
			all = append(all, s)
		}
	}
	return all
}

// status returns the stream's status. It reports false for a stream under load that was
// never measured.
func (l *line) status() (Status, bool) {
	f := l.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	return Status{
		Stream: l.key, Running: f.running, Restarts: f.restarts, LastError: f.lastError, Paused: !l.current(),
		LastSingleton: l.lastDecided, LastReceived: l.lastReceived, Undecided: l.builder.undecided,
	}, l == f.lines[0] || l.current() || l.builder.next > 0
}

// StoreError returns why Options.Record did not take results when it was last tried,
// nil if it took them. Measuring goes on meanwhile.
func (r *Runner) StoreError() error { return r.recorder.failure() }

// Recording says how results get to Options.Record.
type Recording struct {
	Waiting int   // samples that were not taken yet, those being tried included
	GivenUp int64 // samples since the start that waited too long, or were refused for good
}

// Recording tells how results get to Options.Record.
func (r *Runner) Recording() Recording {
	r.recorder.mu.Lock()
	defer r.recorder.mu.Unlock()
	return Recording{Waiting: r.recorder.waiting + r.recorder.inHand, GivenUp: r.recorder.gone}
}
