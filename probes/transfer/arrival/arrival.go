// Package arrival tells when payload arrived at a receiver's system, from what the kernel
// counts for its sockets.
//
// A program receives payload in order: a lost segment holds back all that came after it
// until it has been sent again, over a geostationary satellite for seconds, and then all
// comes at once. What the program counts in a step of time is then not what the link
// carried in it. The kernel also counts the segments that arrived, in whatever order.
// A Record makes of both when the payload that was handed over had arrived; payload that
// came twice is not in it.
//
// Sizes are bytes of TCP payload, with TLS where that is spoken. A Record is not safe for
// concurrent use. The receiving ends of a transfer have one each.
package arrival

import (
	"sort"
	"time"

	"perigee/probes/bind"
)

// memory is for how many looks a segment may be missing before what follows it is taken to
// have come twice instead. At ten looks a second it is far longer than any loss holds back.
const memory = 100

// patience is for how many looks after the last segment out of order one is taken to be
// missing still.
const patience = 10

// Record is what arrived, as told by looks at the connections. The zero Record has seen
// nothing.
type Record struct {
	lines []line
	looks []look
	blind bool

	// Of Changed: the steps that were returned, and the first look that has changed since.
	told, first int
}

// look is the sum over connections at one time, since the first look.
type look struct {
	at      time.Duration
	inOrder int64 // arrived by then, and in order by now
	waiting int64 // arrived by then, and still held back
}

// line is one connection.
type line struct {
	last     bind.TCPInfo
	arrived  int64 // since the first look, full segments assumed
	received int64 // in order, since the first look
	twice    int64 // of arrived, what came twice, as far as is known
	size     int64 // of a full segment

	missing bool     // a segment is, since the first of past
	quiet   int      // looks with segments since one came out of order
	before  int64    // segments out of order until then
	past    []moment // the looks since, oldest first
}

// moment is what is known of a line at one look.
type moment struct {
	number           int // of the look
	arrived          int64
	surplus          int64 // of arrived over received
	twice            int64 // at least so much of it: more than came out of order
	inOrder, waiting int64 // as in look
}

// Look adds what the kernel says of all connections, always in the same order, at a time
// after the last look. The first look is where counting begins. An unknown state, of a
// connection that has ended, is told by ok.
func (r *Record) Look(at time.Duration, infos []bind.TCPInfo, ok []bool) {
	if r.lines == nil {
		r.lines = make([]line, len(infos))
		for i := range r.lines {
			r.lines[i].last = infos[i]
			r.blind = r.blind || !ok[i] || !tells(infos[i])
		}
		r.looks = append(r.looks, look{at: at})
		return
	}
	if r.blind {
		return
	}
	number := len(r.looks)
	r.looks = append(r.looks, look{at: at})
	for i := range r.lines {
		l := &r.lines[i]
		info := l.last
		if ok[i] {
			info = infos[i]
		}
		r.add(l, number, info)
	}
}

// tells reports whether the kernel counts what a Record needs.
func tells(i bind.TCPInfo) bool { return i.DataSegsIn >= 0 && i.BytesReceived >= 0 }

// add adds what the kernel says of l at a look.
//
// What arrived is handed over nearly in the order of its arrival, but for segments that
// were sent again. So of two looks the first one's payload is in order first, and what waits
// now is what arrived last.
func (r *Record) add(l *line, number int, info bind.TCPInfo) {
	segments, outOfOrder := info.DataSegsIn-l.last.DataSegsIn, info.RcvOutOfOrder-l.last.RcvOutOfOrder
	l.size = max(l.size, int64(info.RcvMSS)) // the kernel's estimate falls after short ones
	l.received += info.BytesReceived - l.last.BytesReceived
	// Segments may be longer than the kernel knows yet: what is in order has arrived.
	l.arrived = max(l.arrived+segments*l.size, l.received)
	surplus := l.arrived - l.received
	switch {
	case outOfOrder > 0:
		if !l.missing {
			l.before = l.last.RcvOutOfOrder
		}
		l.missing, l.quiet = true, 0
	case segments > 0:
		l.quiet++
	}
	l.last = info
	l.twice = min(l.twice, surplus)
	m := moment{number: number, arrived: l.arrived, surplus: surplus, twice: surplus}
	if l.missing { // no more waits than came out of order
		m.twice -= (info.RcvOutOfOrder - l.before) * l.size
	}
	l.past = append(l.past, m)
	over := !l.missing || surplus <= l.twice || l.quiet > patience
	if !over && len(l.past) > memory {
		l.twice = max(l.twice, l.leastSurplus())
		r.place(l, &l.past[0], true)
		l.past = append(l.past[:0], l.past[1:]...)
	}
	for i := range l.past {
		r.place(l, &l.past[i], over)
	}
	if over {
		l.missing, l.twice, l.past = false, surplus, l.past[:0]
	}
}

// leastSurplus returns the least that was surplus at any look of the past: no more than
// that came twice before them all.
func (l *line) leastSurplus() int64 {
	least := l.arrived - l.received
	for _, m := range l.past {
		least = min(least, m.surplus)
	}
	return least
}

// place says what is known now of a moment of l. over tells that nothing waits any more.
func (r *Record) place(l *line, m *moment, over bool) {
	came := m.arrived - max(l.twice, m.twice)
	inOrder, waiting := min(came, l.received), max(0, came-l.received)
	if over {
		waiting = 0
	}
	if inOrder == m.inOrder && waiting == m.waiting {
		return
	}
	at := &r.looks[m.number]
	at.inOrder += inOrder - m.inOrder
	at.waiting += waiting - m.waiting
	m.inOrder, m.waiting = inOrder, waiting
	r.first = min(r.first, m.number)
}

// Known reports whether the looks tell when payload arrived.
func (r *Record) Known() bool { return !r.blind && len(r.looks) > 1 }

// Steps returns what arrived in each of the steps of time from zero on that were over at
// the last look: payload that has come in order since, and payload that is held back still.
func (r *Record) Steps(step time.Duration) (inOrder, waiting []int64) { return r.from(0, step) }

// Changed is Steps of those steps that are new or have changed since the last call; the
// first of them has the number from. waiting is nil if there is nothing in it.
func (r *Record) Changed(step time.Duration) (from int, inOrder, waiting []int64) {
	if !r.Known() {
		return 0, nil, nil
	}
	from = r.told
	if r.first < len(r.looks) {
		from = min(from, int(r.looks[max(0, r.first-1)].at/step))
	}
	inOrder, waiting = r.from(from, step)
	r.told, r.first = from+len(inOrder), len(r.looks)
	for _, n := range waiting {
		if n > 0 {
			return from, inOrder, waiting
		}
	}
	return from, inOrder, nil
}

// from is Steps from a step on.
func (r *Record) from(first int, step time.Duration) (inOrder, waiting []int64) {
	if !r.Known() {
		return nil, nil
	}
	n := int(r.looks[len(r.looks)-1].at/step) - first
	if n <= 0 {
		return nil, nil
	}
	inOrder, waiting = make([]int64, n), make([]int64, n)
	before := r.at(time.Duration(first) * step)
	for i := range n {
		now := r.at(time.Duration(first+i+1) * step)
		// What turns out to have come twice only later would leave less than there was.
		now.inOrder, now.waiting = max(now.inOrder, before.inOrder), max(now.waiting, before.waiting)
		inOrder[i], waiting[i] = now.inOrder-before.inOrder, now.waiting-before.waiting
		before = now
	}
	return inOrder, waiting
}

// at returns the sums at a time, in proportion between two looks.
func (r *Record) at(t time.Duration) look {
	i := sort.Search(len(r.looks), func(i int) bool { return r.looks[i].at >= t })
	switch {
	case i == 0:
		return r.looks[0]
	case i == len(r.looks):
		return r.looks[i-1]
	}
	a, b := r.looks[i-1], r.looks[i]
	share := float64(t-a.at) / float64(b.at-a.at)
	part := func(a, b int64) int64 { return a + int64(share*float64(b-a)) }
	return look{t, part(a.inOrder, b.inOrder), part(a.waiting, b.waiting)}
}
