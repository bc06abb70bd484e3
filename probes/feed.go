package probes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"perigee"
)

// feed is one prober, the lines that it measures for, one for each load of its link,
// and the Emitter that it reports to. Probes go to one line at a time, the current one.
//
// Each line numbers its own probes without a break. The prober sees the numbers of all
// its lines as one sequence that grows, as it was promised; stints tell which is which.
//
// The prober calls Singleton, Duplicate and Event from its goroutines, the runner's
// loop calls the rest.
type feed struct {
	prober perigee.Prober
	clock  perigee.Clock
	rng    *rand.Rand // of the supervisor alone
	lines  []*line    // the one without load comes first

	// unheard counts from the first probe that the prober was told to send since it
	// last reported one; it rests if there is none.
	unheard *pulse

	end context.CancelFunc // ends the prober for good; of the loop alone

	mu      sync.Mutex // guards all that follows and what lines say that it guards
	current *line      // written by the loop alone, which therefore reads it without mu
	stints  []stint    // in order; the last one is of current
	events  []perigee.Event

	running   bool
	restarts  int
	lastError string // see Status

	// broken is set from a panic of the prober to its next start: it is not
	// called in between.
	broken string
	stop   context.CancelCauseFunc // ends the current Run of the prober; nil if there is none
}

// stint is the probes of one line between two changes of load.
type stint struct {
	line  *line
	first perigee.Seq // the prober's number of its first probe
	own   perigee.Seq // the line's number of that probe
}

// eventLimit bounds the events of one prober that wait to be recorded: they are taken
// several times a second, so only a prober gone wild meets it.
const eventLimit = 1000

// key returns the stream measured without load.
func (f *feed) key() perigee.Stream { return f.lines[0].key }

// line returns the line for a load, the first for one that is not known.
func (f *feed) line(load perigee.Load) *line {
	for _, l := range f.lines {
		if l.key.Load == load {
			return l
		}
	}
	return f.lines[0]
}

// turn has the probes from now on go to another line. The current one has been paused.
func (f *feed) turn(to *line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.stints[len(f.stints)-1]
	next := last.first + last.line.builder.next - last.own
	f.stints = append(f.stints, stint{line: to, first: next, own: to.builder.next})
	f.forget()
	f.current = to
}

// forget drops the oldest stints if the windows of all their probes are closed. f.mu is
// held.
func (f *feed) forget() {
	n := 0
	for n+1 < len(f.stints) {
		s := f.stints[n]
		if end := s.own + f.stints[n+1].first - s.first; s.line.builder.oldest() < end {
			break
		}
		n++
	}
	f.stints = append(f.stints[:0], f.stints[n:]...)
}

// locate returns whose probe the prober's seq is and that line's number of it, nil if
// the prober was not given it or it is long forgotten.
func (f *feed) locate(seq perigee.Seq) (*line, perigee.Seq) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.stints) - 1; i >= 0; i-- {
		if s := f.stints[i]; seq >= s.first {
			return s.line, s.own + seq - s.first
		}
	}
	return nil, 0
}

// Singleton implements perigee.Emitter.
func (f *feed) Singleton(s perigee.Singleton) {
	f.unheard.rest()
	l, seq := f.locate(s.Seq)
	if l == nil {
		return
	}
	s.Seq = seq
	l.decide(s)
}

// Duplicate implements perigee.Emitter.
func (f *feed) Duplicate(seq perigee.Seq) {
	if l, seq := f.locate(seq); l != nil {
		l.duplicate(seq)
	}
}

// Event implements perigee.Emitter.
func (f *feed) Event(kind perigee.EventKind, detail string) {
	now := f.clock().Wall
	f.mu.Lock()
	f.addEvent(now, kind, detail)
	f.mu.Unlock()
}

// addEvent keeps an event until it is taken. f.mu is held.
func (f *feed) addEvent(now time.Time, kind perigee.EventKind, detail string) {
	if len(f.events) < eventLimit {
		key := f.key()
		f.events = append(f.events, perigee.Event{Site: key.Site, Link: key.Link, Time: now, Kind: kind, Detail: f.name() + ": " + detail})
	}
}

// takeEvents returns the events there are and forgets them.
func (f *feed) takeEvents() []perigee.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

// name tells the prober apart from others of its link.
func (f *feed) name() string {
	key := f.key()
	return fmt.Sprintf("%s to %s over %s", key.Method, key.Target, key.Family)
}

// proof asks the prober for its proof of link.
func (f *feed) proof() perigee.Proof {
	proof, err := f.tryProof()
	if err != nil {
		f.fail(err)
	}
	return proof
}

func (f *feed) tryProof() (proof perigee.Proof, err error) {
	defer recovered(&err)
	return f.prober.Proof(), nil
}

// send has the prober send a probe of the current line, seq by that line's count. It
// returns why the prober could not be asked, or "".
func (f *feed) send(seq perigee.Seq) (cause string) {
	f.mu.Lock()
	broken := f.broken
	s := f.stints[len(f.stints)-1]
	f.mu.Unlock()
	if broken != "" {
		return broken
	}
	if err := f.trySend(s.first + seq - s.own); err != nil {
		f.fail(err)
		return err.Error()
	}
	return ""
}

func (f *feed) trySend(seq perigee.Seq) (err error) {
	defer recovered(&err)
	f.unheard.begin(f.clock().Mono)
	f.prober.Send(seq, f)
	return nil
}

// fail ends the current Run of a prober that panicked in another of its methods.
func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err.Error()
	if f.stop != nil {
		f.stop(err)
	}
}

// recovered turns a panic into an error.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{value: v}
	}
}

// panicError is a panic of a prober.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("the prober panicked: %v", e.value) }
