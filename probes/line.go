package probes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"perigee"
)

// line is one stream being measured: its prober, what is known of its probes, and the
// Emitter that the prober reports to.
//
// The prober calls Singleton, Duplicate and Event from its goroutines, the runner's
// loop calls the rest. Spans belong to the loop: methods that the prober calls do not
// read them.
type line struct {
	streamConfig
	prober      perigee.Prober
	clock       perigee.Clock
	rng         *rand.Rand // of the supervisor alone
	onSingleton func(perigee.Stream, perigee.Singleton)

	tracker tracker // of the loop alone

	mu      sync.Mutex // guards all that follows
	builder *builder
	events  []perigee.Event
	status  Status
	decided time.Duration // monotonic clock at the last outcome

	// broken is set from a panic of the prober to its next start: it is not
	// called in between.
	broken string
	stop   context.CancelCauseFunc // ends the current Run of the prober; nil if there is none
}

// eventLimit bounds the events of one stream that wait to be recorded: they are taken
// several times a second, so only a prober gone wild meets it.
const eventLimit = 1000

// Singleton implements perigee.Emitter.
func (l *line) Singleton(s perigee.Singleton) {
	now := l.clock()
	l.mu.Lock()
	kept, ok := l.builder.decide(s)
	if ok {
		l.note(kept, now)
	}
	l.mu.Unlock()
	if ok && l.onSingleton != nil {
		l.onSingleton(l.key, kept)
	}
}

// note updates the status with an outcome. l.mu is held.
func (l *line) note(s perigee.Singleton, now perigee.Reading) {
	l.decided = now.Mono
	l.status.LastSingleton = now.Wall
	switch s.Outcome {
	case perigee.Received:
		l.status.LastReceived = now.Wall
		l.status.LastError = ""
	case perigee.SendFailed:
		l.status.LastError = s.Cause
	}
}

// Duplicate implements perigee.Emitter.
func (l *line) Duplicate(seq perigee.Seq) {
	l.mu.Lock()
	l.builder.duplicate(seq)
	l.mu.Unlock()
}

// Event implements perigee.Emitter.
func (l *line) Event(kind perigee.EventKind, detail string) {
	now := l.clock().Wall
	l.mu.Lock()
	l.addEvent(now, kind, detail)
	l.mu.Unlock()
}

// addEvent keeps an event until it is taken. l.mu is held.
func (l *line) addEvent(now time.Time, kind perigee.EventKind, detail string) {
	if len(l.events) < eventLimit {
		l.events = append(l.events, perigee.Event{Site: l.key.Site, Link: l.key.Link, Time: now, Kind: kind, Detail: l.name() + ": " + detail})
	}
}

// name tells the stream apart from others of its link.
func (l *line) name() string {
	return fmt.Sprintf("%s to %s over %s", l.key.Method, l.key.Target, l.key.Family)
}

// plan adds a probe that is due and returns its number.
func (l *line) plan(s *span, at time.Duration) perigee.Seq {
	l.mu.Lock()
	begins := l.builder.begins(s)
	l.mu.Unlock()
	if begins {
		l.prove() // the window before has seen its last probe
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.builder.plan(s, at)
}

// prove stores the proof of link of the newest window.
func (l *line) prove() {
	proof, err := l.proof()
	if err != nil {
		l.fail(err)
	}
	l.mu.Lock()
	l.builder.prove(proof)
	l.mu.Unlock()
}

func (l *line) proof() (proof perigee.Proof, err error) {
	defer recovered(&err)
	return l.prober.Proof(), nil
}

// send has the prober send a planned probe.
func (l *line) send(seq perigee.Seq) {
	l.mu.Lock()
	broken := l.broken
	l.mu.Unlock()
	if broken != "" {
		l.skip(seq, broken)
		return
	}
	if err := l.trySend(seq); err != nil {
		l.fail(err)
		l.skip(seq, err.Error())
	}
}

func (l *line) trySend(seq perigee.Seq) (err error) {
	defer recovered(&err)
	l.prober.Send(seq, l)
	return nil
}

// skip decides that a planned probe was not measured.
func (l *line) skip(seq perigee.Seq, cause string) {
	l.Singleton(perigee.Singleton{Seq: seq, Outcome: perigee.Skipped, Cause: cause})
}

// interrupt tells that the monitor stopped measuring at the given instant.
func (l *line) interrupt(from time.Duration, cause string) {
	l.mu.Lock()
	l.builder.interrupt(from, cause)
	l.mu.Unlock()
}

// undecided returns how many probes are undecided, and when the last was decided.
func (l *line) undecided() (int, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.builder.undecided, l.decided
}

// collect adds what can be recorded by now to b.
func (l *line) collect(now time.Duration, b *perigee.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.builder.expire(now)
	l.builder.judge(l.tracker.judge)
	closed := len(b.Samples)
	for l.builder.due(now) {
		l.closeOldest(b)
	}
	if len(b.Samples) > closed {
		l.tracker.renew()
	}
	b.Outages = append(b.Outages, l.tracker.take()...)
	b.Events = append(b.Events, l.events...)
	l.events = l.events[:0]
}

// flush adds all that is left to b: nothing more will be sent or heard.
func (l *line) flush(b *perigee.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.builder.abandon("the monitor was stopped")
	l.builder.judge(l.tracker.judge)
	for len(l.builder.windows) > 0 {
		l.closeOldest(b)
	}
	l.tracker.renew()
	b.Outages = append(b.Outages, l.tracker.take()...)
	b.Events = append(b.Events, l.events...)
	l.events = nil
}

// closeOldest closes the oldest window. l.mu is held, but given up to ask the prober
// for its proof if the window is still the newest one.
func (l *line) closeOldest(b *perigee.Batch) {
	if !l.builder.oldestProven() {
		l.mu.Unlock()
		l.prove()
		l.mu.Lock()
	}
	b.Samples = append(b.Samples, l.builder.close())
}

// current returns the stream's status.
func (l *line) current() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Undecided = l.builder.undecided
	return s
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
