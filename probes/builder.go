package probes

import (
	"time"

	"perigee"
)

// streamConfig is what the builder must know of a stream.
type streamConfig struct {
	key         perigee.Stream
	interval    time.Duration
	lossTimeout time.Duration
}

func (c streamConfig) horizon() time.Duration { return perigee.LateHorizon(c.lossTimeout) }

// decisionGrace is how long after the late horizon a prober may still report what was
// due at the horizon. A window that is not complete by then is closed without it.
const decisionGrace = time.Second

// builder gathers the planned probes of one stream and their outcomes, in whatever
// order these come, into windows, and closes windows in order. Whatever it is told,
// each planned probe ends with exactly one outcome.
//
// It is pure and not safe for concurrent use. Memory is bounded by the probes of the
// windows that a late reply may still reach.
type builder struct {
	streamConfig
	next      perigee.Seq
	windows   []*window // open, in order, none empty
	undecided int
	capacity  int // probes of the fullest window of late

	judged perigee.Seq // every probe before it has been given to judge's caller
	pauses []pause     // not told yet, in order
	paused bool        // the next probe is the first after a pause

	series series // of the closed windows
	part   *part  // of the last closed window
}

// pause is when probes of a stream's link began to go to the stream of another load.
type pause struct {
	seq  perigee.Seq // the first probe after it, whenever that is
	span *span
	at   time.Duration
}

func newBuilder(c streamConfig) *builder { return &builder{streamConfig: c} }

// begins reports whether a probe planned in s would be the first of a window, so that
// the window before, if it is still open, needs its proof.
func (b *builder) begins(s *span) bool {
	return len(b.windows) == 0 || b.windows[len(b.windows)-1].span != s
}

// prove stores the evidence of link of the newest window.
func (b *builder) prove(p perigee.Proof) {
	if n := len(b.windows); n > 0 {
		b.windows[n-1].proof, b.windows[n-1].proven = p, true
	}
}

// plan adds the next probe, due or sent at the given instant in s. Neither instants
// nor spans ever go back.
func (b *builder) plan(s *span, at time.Duration) perigee.Seq {
	if b.begins(s) {
		b.windows = append(b.windows, &window{span: s, first: b.next, probes: make([]perigee.Singleton, 0, b.capacity)})
	}
	w := b.windows[len(b.windows)-1]
	w.proven = false // if it was, at a pause
	if b.paused {
		w.resumed, b.paused = append(w.resumed, len(w.probes)), false
	}
	seq := b.next
	w.probes = append(w.probes, perigee.Singleton{Seq: seq, At: at})
	w.undecided++
	b.undecided++
	b.next++
	return seq
}

// pause tells that the probes from the given instant in s on go to another stream, until
// the next one is planned. What lies on its two sides is no neighbour.
func (b *builder) pause(s *span, at time.Duration) {
	if b.paused || b.next == 0 {
		return // nothing was planned since the last time
	}
	b.paused = true
	b.pauses = append(b.pauses, pause{seq: b.next, span: s, at: at})
}

// decide takes the final outcome of a probe and returns what is kept of it. It reports
// false for a probe that was not planned, is decided already or closed, and for an
// outcome that is none.
func (b *builder) decide(s perigee.Singleton) (perigee.Singleton, bool) {
	w := b.find(s.Seq)
	if w == nil || s.Outcome < perigee.Received || s.Outcome > perigee.Skipped {
		return s, false
	}
	p := &w.probes[s.Seq-w.first]
	if p.Outcome != 0 {
		return s, false
	}
	s.Duplicates += p.Duplicates
	if !s.Outcome.Sent() {
		s.At = p.At
	}
	if w.doubt.spoils(s, b.horizon()) {
		s = skipped(*p, w.doubt.cause)
	}
	*p = s
	w.undecided--
	b.undecided--
	return s, true
}

// duplicate counts a further reply to a probe. One that comes after its window was
// closed is not counted.
func (b *builder) duplicate(seq perigee.Seq) {
	if w := b.find(seq); w != nil {
		w.probes[seq-w.first].Duplicates++
	}
}

// abandon skips all undecided probes: nobody is left to report them. It returns how
// many there were.
func (b *builder) abandon(cause string) int {
	n := b.undecided
	for _, w := range b.windows {
		b.skipUndecided(w, cause)
	}
	return n
}

// interrupt tells that the monitor stopped measuring from the given instant until now.
// A probe whose fate was open at that instant may have been answered unheard, or heard
// too late to be timed: it is skipped, unless its reply is known to have come before.
func (b *builder) interrupt(from time.Duration, cause string) {
	for _, w := range b.windows {
		if w.doubt.set {
			continue // the first interruption spoils more
		}
		w.doubt = doubt{set: true, from: from, cause: cause}
		for i := range w.probes {
			if w.doubt.spoils(w.probes[i], b.horizon()) {
				w.probes[i] = skipped(w.probes[i], cause)
			}
		}
	}
}

// expire skips the probes that should have been decided by now and were not.
func (b *builder) expire(now time.Duration) {
	for _, w := range b.windows {
		if now < w.span.end+b.horizon()+decisionGrace {
			return
		}
		b.skipUndecided(w, "no outcome was reported")
	}
}

// judge calls f for each probe that has not been judged yet, in send order, up to the
// first that is undecided or the end of the probes before a pause.
func (b *builder) judge(f func(*span, perigee.Singleton)) {
	for _, w := range b.windows {
		end := w.first + perigee.Seq(len(w.probes))
		for ; b.judged < end; b.judged++ {
			if len(b.pauses) > 0 && b.pauses[0].seq == b.judged {
				return
			}
			p := w.probes[b.judged-w.first]
			if p.Outcome == 0 {
				return
			}
			f(w.span, p)
		}
	}
}

// takePause returns the pause that follows what was judged, and forgets it. It reports
// false if there is none.
func (b *builder) takePause() (pause, bool) {
	if len(b.pauses) == 0 || b.pauses[0].seq != b.judged {
		return pause{}, false
	}
	p := b.pauses[0]
	b.pauses = append(b.pauses[:0], b.pauses[1:]...)
	return p, true
}

// due reports whether the oldest window may be closed: all its probes are decided, and
// no duplicate of them is waited for any longer.
func (b *builder) due(now time.Duration) bool {
	return len(b.windows) > 0 && b.windows[0].undecided == 0 && now >= b.windows[0].span.end+b.horizon()
}

// oldestProven reports whether the oldest window has its proof already; the newest one
// gets it when it ends.
func (b *builder) oldestProven() bool { return len(b.windows) > 0 && b.windows[0].proven }

// newestProven reports whether the newest window has its proof already, from a pause.
func (b *builder) newestProven() bool {
	return len(b.windows) > 0 && b.windows[len(b.windows)-1].proven
}

// oldest returns the first probe whose window is not closed.
func (b *builder) oldest() perigee.Seq {
	if len(b.windows) == 0 {
		return b.next
	}
	return b.windows[0].first
}

// close turns the oldest window into a sample. All its probes are decided and judged.
func (b *builder) close() perigee.Sample {
	w := b.windows[0]
	copy(b.windows, b.windows[1:])
	b.windows[len(b.windows)-1] = nil
	b.windows = b.windows[:len(b.windows)-1]
	if w.span.part != b.part {
		if b.part != nil && b.part.cause == breakGap {
			b.series.variation.Missed() // probes before and after a gap are no neighbours
		}
		b.part = w.span.part
	}
	b.capacity = max(len(w.probes), b.capacity-b.capacity/8)
	return w.sample(b.streamConfig, &b.series)
}

func (b *builder) skipUndecided(w *window, cause string) {
	if w.undecided == 0 {
		return
	}
	for i := range w.probes {
		if w.probes[i].Outcome == 0 {
			w.probes[i] = skipped(w.probes[i], cause)
		}
	}
	b.undecided -= w.undecided
	w.undecided = 0
}

// find returns the open window of a planned probe, or nil.
func (b *builder) find(seq perigee.Seq) *window {
	for i := len(b.windows) - 1; i >= 0; i-- {
		w := b.windows[i]
		if seq >= w.first {
			if seq < w.first+perigee.Seq(len(w.probes)) {
				return w
			}
			return nil
		}
	}
	return nil
}
