package fleet

import (
	"time"

	"perigee"
)

// noReplies is the reason of an outage in which probes were sent and not answered.
const noReplies = "no replies"

// tracker finds a link's outages by the daemon's rule: a run of at least two unanswered
// probes that lasts for outageAfter, from the sending of the first to that of the next
// answered one.
type tracker struct {
	stream perigee.Stream
	told   []perigee.Outage // of the window; its owner's

	probes      int64 // of the run; 0 is none
	first, last int64 // when its first and last probe were sent
	declared    bool  // it is an outage
}

// judge takes the outcome of the next probe into account.
func (t *tracker) judge(at int64, answered bool) {
	switch {
	case !answered:
		if t.probes == 0 {
			t.first = at
		}
		t.probes++
		t.last = at
		t.declared = t.declared || t.long(at)
	case t.probes > 0:
		if t.declared || t.long(at) {
			t.tell(at, false)
		}
		t.probes, t.declared = 0, false
	}
}

// long reports whether the run, if it goes on until at, is an outage.
func (t *tracker) long(at int64) bool { return t.probes >= 2 && at-t.first >= int64(outageAfter) }

// cut ends the run at the given time.
func (t *tracker) cut(at int64) {
	if t.declared {
		t.tell(at, false)
	}
	t.probes, t.declared = 0, false
}

// renew ends a window: an outage that lasts is told as open. It returns what was told.
func (t *tracker) renew() []perigee.Outage {
	if t.declared {
		t.tell(t.last, true)
	}
	told := t.told
	t.told = nil
	return told
}

func (t *tracker) tell(end int64, open bool) {
	t.told = append(t.told, perigee.Outage{
		Stream: t.stream, Start: time.Unix(0, t.first).UTC(), End: time.Unix(0, end).UTC(),
		Open: open, Probes: t.probes, Reason: noReplies,
	})
}
