package probes

import (
	"time"

	"perigee"
)

// tracker finds the outages of one stream in the final outcomes of its probes, told in
// send order. Lost, late and failed probes are unanswered; skipped ones say nothing.
//
// An outage is a run of at least two unanswered probes that lasts, from the sending of
// the first, for at least the configured time. It ends with the sending of the next
// answered probe. A gap ends it too, at the gap's start, since nobody knows how it went
// on, and so does a change of load; a step of the wall clock divides it, so that each part is told by one clock.
//
// It is pure and not safe for concurrent use.
type tracker struct {
	stream perigee.Stream
	after  time.Duration
	part   *part

	run  outageRun
	told int64            // run.probes when the open outage was last told
	out  []perigee.Outage // to be recorded, in order
}

// outageRun is a run of unanswered probes. The zero value is none.
type outageRun struct {
	active   bool
	declared bool // it is an outage
	first    time.Duration
	start    time.Time // wall time of first
	last     time.Time // wall time of the last unanswered probe
	probes   int64
	causes   tally
}

func (t *tracker) judge(s *span, p perigee.Singleton) {
	if s.part != t.part {
		if t.part != nil && t.run.active {
			t.cross(t.part, s)
		}
		t.part = s.part
	}
	switch p.Outcome {
	case perigee.Received:
		t.answered(s, p.At)
	case perigee.Lost, perigee.Late:
		t.unanswered(s, p.At, perigee.NoReplies)
	case perigee.SendFailed:
		t.unanswered(s, p.At, p.Cause)
	}
}

func (t *tracker) unanswered(s *span, at time.Duration, cause string) {
	r := &t.run
	if !r.active {
		*r = outageRun{active: true, first: at, start: s.wall(at), causes: r.causes}
		r.causes.reset()
	}
	r.probes++
	r.last = s.wall(at)
	r.causes.add(cause)
	if !r.declared && t.long(at) {
		r.declared = true
		t.tell(r.last, true)
	} else if r.declared && r.probes == 1 {
		t.tell(r.last, true) // the part after a clock step
	}
}

func (t *tracker) answered(s *span, at time.Duration) {
	if t.run.active && t.run.probes > 0 && (t.run.declared || t.long(at)) {
		t.tell(s.wall(at), false)
	}
	t.run.active = false
}

// long reports whether the run, if it goes on until at, is an outage.
func (t *tracker) long(at time.Duration) bool {
	return t.run.probes >= 2 && at-t.run.first >= t.after
}

// cross takes the run over the end of a part; s is the first span after it.
func (t *tracker) cross(ended *part, s *span) {
	r := &t.run
	switch {
	case ended.cause == breakDated && r.declared:
		// It goes on under the name that it was told by.
	case ended.cause == breakGap:
		if r.declared && r.probes > 0 {
			t.tell(ended.wall, false)
		}
		r.active = false
	case r.declared:
		if r.probes > 0 {
			t.tell(ended.wall, false)
		}
		causes := r.causes
		causes.reset()
		*r = outageRun{active: true, declared: true, first: ended.end, start: s.wall(ended.end), causes: causes}
	default:
		r.start = s.wall(r.first) // too short yet: it is told by the new clock
	}
}

// pause ends the run at an instant in s, from which on the link's probes go to the
// stream of another load: like a gap, since nobody knows how this stream would have gone
// on.
func (t *tracker) pause(s *span, at time.Duration) {
	if t.run.active && s.part != t.part {
		t.cross(t.part, s)
		t.part = s.part
	}
	if r := &t.run; r.active && r.declared && r.probes > 0 {
		end := s.wall(at)
		if end.Before(r.last) {
			end = r.last
		}
		t.tell(end, false)
	}
	t.run.active = false
}

// renew tells an open outage again if it has grown since it was last told.
func (t *tracker) renew() {
	if t.run.active && t.run.declared && t.run.probes > t.told {
		t.tell(t.run.last, true)
	}
}

func (t *tracker) tell(end time.Time, open bool) {
	reason, _ := t.run.causes.commonest()
	t.told = t.run.probes
	t.out = append(t.out, perigee.Outage{
		Stream: t.stream, Start: t.run.start, End: end, Open: open, Probes: t.run.probes, Reason: reason,
	})
}

// take returns what there is to record and forgets it.
func (t *tracker) take() []perigee.Outage {
	out := t.out
	t.out = nil
	return out
}
