package probes

import (
	"time"

	"perigee"
)

// line is one stream being measured: what is known of its probes, and the outages in
// them. Its prober serves several lines, see feed.
//
// decide and duplicate are called from the prober's goroutines, current from any, the
// rest from the runner's loop. Spans belong to the loop: what the prober calls does not
// read them.
type line struct {
	streamConfig
	feed        *feed
	onSingleton func(perigee.Stream, perigee.Singleton)

	tracker tracker // of the loop alone

	// What follows is guarded by feed.mu.
	builder      *builder
	answered     perigee.Seq // one past the latest probe that was answered
	decided      time.Duration
	lastDecided  time.Time
	lastReceived time.Time
}

func newLine(f *feed, c streamConfig, outageAfter time.Duration, onSingleton func(perigee.Stream, perigee.Singleton)) *line {
	return &line{
		streamConfig: c, feed: f, onSingleton: onSingleton,
		tracker: tracker{stream: c.key, after: outageAfter},
		builder: newBuilder(c),
	}
}

// current reports whether probes go to this line now.
func (l *line) current() bool { return l.feed.current == l }

// decide takes the outcome of a probe.
func (l *line) decide(s perigee.Singleton) {
	now := l.feed.clock()
	l.feed.mu.Lock()
	// The prober knows no lines: to it, probes of other loads have an order too.
	s.Reordered = s.Reordered && s.Seq+1 < l.answered
	kept, ok := l.builder.decide(s)
	if ok {
		l.note(kept, now)
	}
	l.feed.mu.Unlock()
	if ok && l.onSingleton != nil {
		l.onSingleton(l.key, kept)
	}
}

// note updates the status with an outcome. feed.mu is held.
func (l *line) note(s perigee.Singleton, now perigee.Reading) {
	l.decided = now.Mono
	l.lastDecided = now.Wall
	switch s.Outcome {
	case perigee.Received:
		l.lastReceived = now.Wall
		l.feed.lastError = ""
	case perigee.SendFailed:
		l.feed.lastError = s.Cause
	}
	if s.Outcome == perigee.Received || s.Outcome == perigee.Late {
		l.answered = max(l.answered, s.Seq+1)
	}
}

func (l *line) duplicate(seq perigee.Seq) {
	l.feed.mu.Lock()
	l.builder.duplicate(seq)
	l.feed.mu.Unlock()
}

// plan adds a probe that is due and returns its number.
func (l *line) plan(s *span, at time.Duration) perigee.Seq {
	l.feed.mu.Lock()
	wanting := l.builder.begins(s) && !l.builder.newestProven()
	l.feed.mu.Unlock()
	if wanting {
		l.prove() // the window before has seen its last probe
	}
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	return l.builder.plan(s, at)
}

// prove stores the proof of link of the newest window.
func (l *line) prove() {
	proof := l.feed.proof()
	l.feed.mu.Lock()
	l.builder.prove(proof)
	l.feed.mu.Unlock()
}

// pause tells that probes go to another line from the given instant in s on. The newest
// window is proven now: when it is closed, the link may be another.
func (l *line) pause(s *span, at time.Duration) {
	l.prove()
	l.feed.mu.Lock()
	l.builder.pause(s, at)
	l.feed.mu.Unlock()
}

// send has the prober send a planned probe.
func (l *line) send(seq perigee.Seq) {
	if cause := l.feed.send(seq); cause != "" {
		l.skip(seq, cause)
	}
}

// skip decides that a planned probe was not measured.
func (l *line) skip(seq perigee.Seq, cause string) {
	l.decide(perigee.Singleton{Seq: seq, Outcome: perigee.Skipped, Cause: cause})
}

// interrupt tells that the monitor stopped measuring at the given instant.
func (l *line) interrupt(from time.Duration, cause string) {
	l.feed.mu.Lock()
	l.builder.interrupt(from, cause)
	l.feed.mu.Unlock()
}

// undecided returns how many probes are undecided, and when the last was decided.
func (l *line) undecided() (int, time.Duration) {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	return l.builder.undecided, l.decided
}

// collect adds what can be recorded by now to b.
func (l *line) collect(now time.Duration, b *perigee.Batch) {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	l.builder.expire(now)
	l.judge()
	closed := len(b.Samples)
	for l.builder.due(now) {
		l.closeOldest(b)
	}
	if len(b.Samples) > closed {
		l.tracker.renew()
	}
	b.Outages = append(b.Outages, l.tracker.take()...)
}

// flush adds all that is left to b: nothing more will be sent or heard.
func (l *line) flush(b *perigee.Batch) {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	l.builder.abandon("the monitor was stopped")
	l.judge()
	for len(l.builder.windows) > 0 {
		l.closeOldest(b)
	}
	l.tracker.renew()
	b.Outages = append(b.Outages, l.tracker.take()...)
}

// judge tells the tracker what was decided, and the pauses in between. feed.mu is held.
func (l *line) judge() {
	for {
		l.builder.judge(l.tracker.judge)
		p, ok := l.builder.takePause()
		if !ok {
			return
		}
		l.tracker.pause(p.span, p.at)
	}
}

// closeOldest closes the oldest window. feed.mu is held, but given up to ask the prober
// for its proof if the window is still the newest one.
func (l *line) closeOldest(b *perigee.Batch) {
	if !l.builder.oldestProven() {
		l.feed.mu.Unlock()
		l.prove()
		l.feed.mu.Lock()
	}
	b.Samples = append(b.Samples, l.builder.close())
}
