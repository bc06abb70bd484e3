package lab

import (
	"errors"
	"fmt"
	"time"
)

// Walk tells what would become of echo requests sent over a link, without a packet and
// without time passing: the same model decides that decides in a Lab. What is missing
// is what a real machine adds, the far host's answering and late timers.
//
// A Walk is not safe for concurrent use.
type Walk struct {
	up, down *model
	begin    int64         // Unix time in nanoseconds
	last     time.Duration // when the last probe was sent
}

// Trip is what becomes of one echo request of a Walk.
type Trip struct {
	// Fate is Delivered if a reply comes home, else what becomes of the first
	// packet that does not arrive; Way is then its way.
	Fate Fate
	Way  Way

	RTT     time.Duration // to the first reply, if Fate is Delivered
	Replies int           // 2 or more mean duplicates
}

// NewWalk returns the walk over a link of profile p that begins at begin, a wall time,
// since slots lie on a grid of wall time. The same profile, seed, beginning and probes
// give the same trips. It returns an error if p is not valid or reorders packets: a
// walk learns of a reply before the next request is sent.
func NewWalk(p Profile, seed uint64, begin time.Time) (*Walk, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Up.Reorder > 0 || p.Down.Reorder > 0 {
		return nil, fmt.Errorf("lab: profile %q: %w", p.Name, errWalkReorders)
	}
	w := &Walk{begin: begin.UnixNano()}
	now := instant{wall: w.begin}
	w.up, w.down = newModel(p, Up, seed, now), newModel(p, Down, seed, now)
	return w, nil
}

var errWalkReorders = errors.New("packets that overtake each other need a lab with packets")

// Probe tells of an echo request whose IP packet has size bytes, sent so long after the
// beginning. It panics if that is before the last one was sent.
func (w *Walk) Probe(at time.Duration, size int) Trip {
	if at < w.last {
		panic(fmt.Sprintf("lab: walk: a probe at %v after one at %v", at, w.last))
	}
	w.last = at
	now := instant{mono: int64(at), wall: w.begin + int64(at)}
	up := w.up.plan(now, size)
	if up.fate != Delivered {
		return Trip{Fate: up.fate, Way: Up}
	}
	arrived := now.add(int64(up.delay))
	var trip Trip
	for range up.copies { // the far host answers each
		down := w.down.plan(arrived, size)
		switch rtt := up.delay + down.delay; {
		case down.fate == Delivered:
			if trip.Replies == 0 || rtt < trip.RTT {
				trip.RTT = rtt
			}
			trip.Fate, trip.Way = Delivered, 0
			trip.Replies += down.copies
		case trip.Replies == 0:
			trip.Fate, trip.Way = down.fate, Down
		}
	}
	return trip
}
