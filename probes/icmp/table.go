package icmp

import (
	"time"

	"perigee"
)

// table remembers the probes of one run until the late horizon and decides what
// became of them. It is pure: times are given, on one monotonic clock, and seqs grow.
// Its memory is fixed. Not safe for concurrent use.
type table struct {
	lossTimeout time.Duration
	horizon     time.Duration

	// slots is a ring, a power of two long, that seq falls into by its low bits.
	slots []slot

	first    perigee.Seq // no probe before it is undecided
	end      perigee.Seq // one past the latest probe
	waiting  int         // how many are undecided
	answered perigee.Seq // one past the latest probe that was answered
}

// slot is one probe.
type slot struct {
	seq   perigee.Seq
	at    time.Duration
	state slotState
}

type slotState uint8

const (
	empty slotState = iota
	undecided
	replied
)

// Bounds of the ring. The upper one is about 20,000 probes a second at the default
// loss timeout, in 3 MB.
const (
	minSlots = 64
	maxSlots = 1 << 17
)

// newTable returns a table for probes sent every interval on average. It has room for
// more than twice as many as can be undecided at once, so that probes at random times
// find room too.
func newTable(lossTimeout, interval time.Duration) *table {
	horizon := perigee.LateHorizon(lossTimeout)
	want := int64(maxSlots)
	if interval > 0 {
		want = min(want, 2*int64(horizon/interval)+minSlots)
	}
	size := minSlots
	for int64(size) < want {
		size *= 2
	}
	return &table{lossTimeout: lossTimeout, horizon: horizon, slots: make([]slot, size)}
}

func (t *table) slot(seq perigee.Seq) *slot { return &t.slots[uint64(seq)&uint64(len(t.slots)-1)] }

// add remembers that probe seq is sent at at. It reports false if there is no room.
func (t *table) add(seq perigee.Seq, at time.Duration) bool {
	s := t.slot(seq)
	if s.state == undecided {
		return false
	}
	*s = slot{seq: seq, at: at, state: undecided}
	if t.waiting == 0 {
		t.first = seq
	}
	t.waiting++
	t.end = seq + 1
	return true
}

// remove forgets probe seq, which was not sent after all. It reports false if its
// outcome was decided meanwhile.
func (t *table) remove(seq perigee.Seq) bool {
	s := t.slot(seq)
	if s.state != undecided || s.seq != seq {
		return false
	}
	s.state = empty
	t.waiting--
	return true
}

// verdict says what a reply is.
type verdict uint8

const (
	stray     verdict = iota // to no probe remembered
	first                    // the first one to its probe
	duplicate                // a further one
)

// reply tells what the reply to probe seq that came at at is, and the outcome if it
// decides one.
func (t *table) reply(seq perigee.Seq, at time.Duration) (perigee.Singleton, verdict) {
	s := t.slot(seq)
	rtt := at - s.at
	switch {
	case s.state == empty || s.seq != seq || rtt > t.horizon:
		return perigee.Singleton{}, stray
	case s.state == replied:
		return perigee.Singleton{}, duplicate
	}
	s.state = replied
	t.waiting--
	out := perigee.Singleton{
		Seq:       seq,
		At:        s.at,
		Outcome:   perigee.Received,
		RTT:       max(rtt, 0),
		Reordered: seq+1 < t.answered,
	}
	if rtt > t.lossTimeout {
		out.Outcome = perigee.Late
	}
	t.answered = max(t.answered, seq+1)
	return out, first
}

// expire emits as lost what has had no reply at now, a late horizon after it was
// sent.
func (t *table) expire(now time.Duration, emit func(perigee.Singleton)) {
	for s := t.oldest(); s != nil && now-s.at > t.horizon; s = t.oldest() {
		t.decide(s, perigee.Lost, "", emit)
	}
}

// abandon emits all undecided probes as skipped because of cause.
func (t *table) abandon(cause string, emit func(perigee.Singleton)) {
	for s := t.oldest(); s != nil; s = t.oldest() {
		t.decide(s, perigee.Skipped, cause, emit)
	}
}

func (t *table) decide(s *slot, o perigee.Outcome, cause string, emit func(perigee.Singleton)) {
	s.state = empty
	t.waiting--
	emit(perigee.Singleton{Seq: s.seq, At: s.at, Outcome: o, Cause: cause})
}

// next returns from when on the oldest undecided probe has expired. It reports false if
// there is none.
func (t *table) next() (time.Duration, bool) {
	s := t.oldest()
	if s == nil {
		return 0, false
	}
	return s.at + t.horizon + 1, true
}

// oldest returns the undecided probe that was sent first, or nil.
func (t *table) oldest() *slot {
	if t.waiting == 0 {
		return nil
	}
	for ; t.first < t.end; t.first++ {
		if s := t.slot(t.first); s.state == undecided && s.seq == t.first {
			return s
		}
	}
	return nil
}
