package arrival_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/arrival"
)

const (
	step    = 100 * time.Millisecond
	segment = 1448
)

// receiver counts segments as the kernel does, and knows better: which came for the first
// time.
type receiver struct {
	next  int // segment that is missing
	ahead map[int]bool

	segments, outOfOrder int64
	fresh                int64 // that had not come before

	step  int   // now
	steps []int // in which each segment first came
}

func (r *receiver) arrive(number int) {
	r.segments++
	switch {
	case number < r.next:
		return
	case number > r.next:
		r.outOfOrder++
		if !r.ahead[number] {
			r.fresh++
			r.cameNow(number)
		}
		r.ahead[number] = true
		return
	}
	r.fresh++
	r.cameNow(number)
	for r.next++; r.ahead[r.next]; r.next++ {
		delete(r.ahead, r.next)
	}
}

func (r *receiver) cameNow(number int) {
	for len(r.steps) <= number {
		r.steps = append(r.steps, 0)
	}
	r.steps[number] = r.step
}

func (r *receiver) info() bind.TCPInfo {
	return bind.TCPInfo{DataSegsIn: r.segments, BytesReceived: int64(r.next) * segment, RcvOutOfOrder: r.outOfOrder, RcvMSS: segment}
}

// path carries segments to a receiver: what it loses is sent again after a while, and now
// and then what it has not lost as well.
type path struct {
	random           *rand.Rand
	lose, twice      float64
	sent             int
	again            map[int][]int // by the tick of their sending
	receiver         receiver
	tick, repeatedIn int
}

// carry carries up to count segments that are new, and those that are due.
func (p *path) carry(count int) {
	p.tick++
	due := p.again[p.tick]
	delete(p.again, p.tick)
	for range count {
		due = append(due, p.sent)
		p.sent++
	}
	for _, number := range due {
		if p.random.Float64() < p.lose {
			later := p.tick + p.repeatedIn + p.random.IntN(3)
			p.again[later] = append(p.again[later], number)
			continue
		}
		p.receiver.arrive(number)
		if p.random.Float64() < p.twice {
			later := p.tick + p.repeatedIn
			p.again[later] = append(p.again[later], number)
		}
	}
}

// watched is a Record of some paths, what it should say, and what somebody knows who is
// told its changes alone.
type watched struct {
	record            arrival.Record
	paths             []*path
	truth             []int64 // of each step
	told, toldWaiting []int64
	before            int64
}

func watch(seed uint64, lines int, lose, twice float64) *watched {
	w := &watched{}
	for i := range lines {
		w.paths = append(w.paths, &path{random: rand.New(rand.NewPCG(seed, uint64(i))), lose: lose, twice: twice,
			again: map[int][]int{}, receiver: receiver{ahead: map[int]bool{}}, repeatedIn: 6})
	}
	w.look(0)
	return w
}

func (w *watched) look(at time.Duration) {
	var infos []bind.TCPInfo
	for _, p := range w.paths {
		infos = append(infos, p.receiver.info())
	}
	w.record.Look(at, infos, slices.Repeat([]bool{true}, len(infos)))
}

// carry lets a step pass.
func (w *watched) carry(count int) {
	var all int64
	for _, p := range w.paths {
		p.receiver.step = len(w.truth)
		p.carry(count)
		all += p.receiver.fresh * segment
	}
	w.truth = append(w.truth, all-w.before)
	w.before = all
	w.look(time.Duration(len(w.truth)) * step)
	from, inOrder, waiting := w.record.Changed(step)
	w.told = append(w.told[:from], inOrder...)
	w.toldWaiting = append(append(w.toldWaiting[:from], waiting...), make([]int64, len(inOrder)-len(waiting))...)
}

// inOrder returns how much of what first came in each step is in order now.
func (w *watched) inOrder() []int64 {
	steps := make([]int64, len(w.truth))
	for _, p := range w.paths {
		for number := range p.receiver.next {
			steps[p.receiver.steps[number]] += segment
		}
	}
	return steps
}

// astray returns how much of what has is not where want has it.
func astray(has, want []int64) int64 {
	var so, most int64
	for i := range has {
		so += has[i] - want[i]
		most = max(most, so, -so)
	}
	return most
}

func (w *watched) received() int64 {
	var all int64
	for _, p := range w.paths {
		all += int64(p.receiver.next) * segment
	}
	return all
}

func total(steps []int64) int64 {
	var all int64
	for _, n := range steps {
		all += n
	}
	return all
}

// What was held back stands where it arrived, at any time and in the end: exactly, as long
// as nothing comes twice.
func TestArrivalsAreThoseOfTheWire(t *testing.T) {
	for seed := range uint64(50) {
		w := watch(seed, 3, 0.02, 0)
		held := 0
		for i := range 120 {
			count := 10
			if i >= 100 { // nothing new, so that all holes are filled
				count = 0
			}
			w.carry(count)
			inOrder, waiting := w.record.Steps(step)
			if total(inOrder) != w.received() {
				t.Fatalf("seed %d, step %d: %d bytes in order, want %d", seed, i, total(inOrder), w.received())
			}
			for k := range inOrder {
				if inOrder[k] < 0 || waiting[k] < 0 || inOrder[k]+waiting[k] != w.truth[k] {
					t.Fatalf("seed %d: after step %d, step %d: %d bytes in order and %d waiting; %d arrived", seed, i, k, inOrder[k], waiting[k], w.truth[k])
				}
			}
			// What was sent again comes later than what it was before.
			if off := astray(inOrder, w.inOrder()); off > 8*segment {
				t.Fatalf("seed %d: after step %d payload that is in order is off by %d bytes", seed, i, off)
			}
			if total(waiting) > 0 {
				held++
			}
			if !slices.Equal(w.told, inOrder) || !slices.Equal(w.toldWaiting, waiting) {
				t.Fatalf("seed %d: after step %d the changes add up to\n%v, %v, want\n%v, %v", seed, i, w.told, w.toldWaiting, inOrder, waiting)
			}
		}
		if held < 50 {
			t.Errorf("seed %d: something was held back after %d of 120 steps only: it does not test what it is for", seed, held)
		}
	}
}

// What comes twice is counted once. Where it came is known to the round trips that a loss
// holds back.
func TestWhatComesTwiceIsCountedOnce(t *testing.T) {
	for seed := range uint64(50) {
		w := watch(seed, 3, 0.01, 0.02)
		var twice int64
		for i := range 130 {
			if i == 100 { // from here on all is well
				for _, p := range w.paths {
					p.lose, p.twice = 0, 0
				}
			}
			w.carry(10)
			inOrder, waiting := w.record.Steps(step)
			twice = 0
			for _, p := range w.paths {
				twice += (p.receiver.segments - p.receiver.fresh) * segment
			}
			if total(inOrder) != w.received() {
				t.Fatalf("seed %d, step %d: %d bytes in order, want %d", seed, i, total(inOrder), w.received())
			}
			if more := total(inOrder) + total(waiting) - total(w.truth); more > twice || more < -twice {
				t.Fatalf("seed %d, step %d: %d bytes more than arrived, %d came twice", seed, i, more, twice)
			}
		}
		inOrder, waiting := w.record.Steps(step)
		var off int64
		for k := range inOrder {
			off += max(inOrder[k]-w.truth[k], w.truth[k]-inOrder[k])
		}
		if total(inOrder) != total(w.truth) || total(waiting) != 0 || twice == 0 || off > 2*twice {
			t.Errorf("seed %d: in all %d bytes and %d waiting where %d arrived, %d of them twice; steps are off by %d", seed, total(inOrder), total(waiting), total(w.truth), twice, off)
		}
	}
}

// Between two looks payload is spread evenly.
func TestStepsBetweenLooks(t *testing.T) {
	var r arrival.Record
	info := bind.TCPInfo{RcvMSS: segment, RcvOutOfOrder: -1}
	at := func(t time.Duration, segments int64) {
		info.DataSegsIn, info.BytesReceived = segments, segments*segment
		r.Look(t, []bind.TCPInfo{info}, []bool{true})
	}
	at(0, 7) // before the first payload
	if r.Known() {
		t.Error("one look is enough to know something")
	}
	at(150*time.Millisecond, 10)
	at(450*time.Millisecond, 22)
	inOrder, _ := r.Steps(step)
	if want := []int64{2 * segment, 3 * segment, 4 * segment, 4 * segment}; !slices.Equal(inOrder, want) {
		t.Errorf("steps %v, want %v", inOrder, want)
	}
}

// A Record that cannot know says so.
func TestUnknownArrivals(t *testing.T) {
	good := bind.TCPInfo{DataSegsIn: 10, BytesReceived: 10 * segment, RcvMSS: segment}
	for name, c := range map[string]struct {
		first, second bind.TCPInfo
		ok            bool
	}{
		"an_older_kernel":       {bind.TCPInfo{DataSegsIn: -1, RcvMSS: segment}, bind.TCPInfo{DataSegsIn: -1, BytesReceived: segment, RcvMSS: segment}, true},
		"a_connection_unknown":  {bind.TCPInfo{}, good, false},
		"bytes_not_counted_yet": {bind.TCPInfo{BytesReceived: -1}, good, true},
	} {
		var r arrival.Record
		r.Look(0, []bind.TCPInfo{c.first}, []bool{c.ok})
		r.Look(step, []bind.TCPInfo{c.second}, []bool{true})
		r.Look(2*step, []bind.TCPInfo{c.second}, []bool{true})
		from, inOrder, waiting := r.Changed(step)
		if steps, _ := r.Steps(step); r.Known() || steps != nil || from != 0 || inOrder != nil || waiting != nil {
			t.Errorf("%s: steps %v, changes %v and %v from %d, want nothing", name, steps, inOrder, waiting, from)
		}
	}
}

// The kernel learns how long segments are, and forgets it after short ones. What is in order
// has arrived, whatever it says.
func TestSegmentsOfUnknownLength(t *testing.T) {
	var r arrival.Record
	look := func(at time.Duration, segments, received, outOfOrder int64, size int) {
		r.Look(at, []bind.TCPInfo{{DataSegsIn: segments, BytesReceived: received, RcvOutOfOrder: outOfOrder, RcvMSS: size}}, []bool{true})
	}
	look(0, 0, 0, 0, 536)
	look(step, 10, 10*segment, 0, 536)          // full ones
	look(2*step, 20, 20*segment, 0, segment)    // which it has learned
	look(3*step, 30, 20*segment, 10, 100)       // and forgotten, while they wait
	look(4*step, 31, 31*segment, 10, segment)   // for this one
	look(5*step, 41, 36*segment, 10, segment/2) // some are short
	inOrder, waiting := r.Steps(step)
	want := []int64{10 * segment, 10 * segment, 10 * segment, 1 * segment, 5 * segment}
	if !slices.Equal(inOrder, want) || total(waiting) != 0 {
		t.Errorf("steps %v and %v waiting, want %v", inOrder, waiting, want)
	}
}

// A connection that has ended keeps what it had.
func TestEndedConnectionsKeepWhatCame(t *testing.T) {
	var r arrival.Record
	r.Look(0, make([]bind.TCPInfo, 2), []bool{true, true})
	info := bind.TCPInfo{DataSegsIn: 10, BytesReceived: 10 * segment, RcvMSS: segment}
	r.Look(step, []bind.TCPInfo{info, info}, []bool{true, true})
	more := info
	more.DataSegsIn, more.BytesReceived = 15, 15*segment
	r.Look(2*step, []bind.TCPInfo{more, {}}, []bool{true, false})
	if inOrder, _ := r.Steps(step); !slices.Equal(inOrder, []int64{20 * segment, 5 * segment}) {
		t.Errorf("steps %v, want 20 segments and 5", inOrder)
	}
}
