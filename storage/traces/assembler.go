package traces

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"perigee"
)

// fate is what a line of a trace says of a probe.
type fate uint8

const (
	unmentioned fate = iota // no line: lost, if its neighbours are there
	unanswered              // "no answer yet": an answer may still come
	replied
	failed // the system refused to send
)

// observation is one line about one probe.
type observation struct {
	line      int64
	number    int64 // as it stands in the trace, where it may wrap at 65536
	at        int64 // nanoseconds since the Unix epoch at which it was sent
	fate      fate
	rtt       time.Duration // if replied
	duplicate bool          // the trace calls it a further reply
	overdue   bool          // at is when it was given up, later than when it was sent
	heard     bool          // at and rtt say when the reply came, and so in which order replies did
	apart     bool          // its order among its neighbours is not known
	cause     string        // if failed
}

const (
	// leadSize is how many observations the interval is told from.
	leadSize = 64

	// pendingLimit bounds the probes of which more may be told; beyond it the
	// oldest are decided early.
	pendingLimit = 1 << 16

	// silence is how long nothing may be sent, if it is also ten intervals,
	// before the monitor is taken to have stood still.
	silence = 10 * time.Second

	// lostLimit is the longest run of numbers without a line that is taken for
	// lost probes.
	lostLimit = 1_000_000

	// A trace may leave out that many probes, and so many more a line, before
	// further runs of them are taken for pauses: no file of a few lines may keep
	// a machine busy.
	lostCredit        = 100_000
	lostCreditPerLine = 1000

	// wrap is where ping's numbers begin again, being of 16 bits.
	wrap = 1 << 16

	// disorder is how far back the clock of a trace may step; what lies further
	// back is an earlier part of the trace that stands later.
	disorder = int64(time.Minute)
)

// assembler puts the observations of one stream in send order, gives each probe one
// outcome, those that no line tells of among them, and finds where measuring broke off.
type assembler struct {
	c        *collector
	w        windower
	interval time.Duration
	first    int64 // number of the first probe of a run that was announced
	counted  bool  // a run was announced: its numbers are counted from first
	announce bool  // likewise, and none of its probes has been seen

	lead    []observation
	leading bool

	begun bool
	wraps bool     // all numbers of this part fit in 16 bits
	base  int64    // number of slots[0], unwrapped
	slots []slot   // in order of number, not decided yet
	floor int64    // when the last that was decided was sent
	top   int64    // when the newest was sent
	fails []string // causes of failures told without a number, whose place is not found yet
}

// slot is what is known of one probe.
type slot struct {
	at         int64
	fate       fate
	rtt        time.Duration
	duplicates int
	heard      bool
	apart      bool
	cause      string
}

func newAssembler(c *collector, key perigee.Stream) *assembler {
	a := &assembler{c: c, interval: c.options.Interval, leading: c.options.Interval == 0}
	a.w = windower{c: c, key: key, lossTimeout: c.options.LossTimeout, interval: a.interval}
	return a
}

// bypass has the probes go to the windower at once: the trace says their order.
func (a *assembler) bypass(interval time.Duration) *windower {
	if a.c.options.Interval != 0 {
		interval = a.c.options.Interval
	}
	a.leading, a.interval, a.w.interval = false, interval, interval
	return &a.w
}

// hold is how long after sending a probe more may be told of it.
func (a *assembler) hold() int64 { return int64(perigee.LateHorizon(a.c.options.LossTimeout)) }

// add takes a line. What is wrong with it may show later, and is told then.
func (a *assembler) add(o observation) error {
	if err := a.c.plausible(o.at); err != nil {
		return err
	}
	if o.number < 0 || o.number > 1<<40 {
		return errors.New("its sequence number is not between 0 and 2^40")
	}
	if o.rtt < 0 || o.rtt > time.Hour {
		return errors.New("its round-trip time is not between 0 and 1 h")
	}
	if a.leading {
		a.lead = append(a.lead, o)
		if len(a.lead) >= leadSize {
			a.led()
		}
		return nil
	}
	return a.process(o)
}

// led ends the lead: the interval is told from it.
func (a *assembler) led() {
	if !a.leading {
		return
	}
	a.leading = false
	var spacings []int64
	for i := 1; i < len(a.lead); i++ {
		p, o := a.lead[i-1], a.lead[i]
		if n := o.number - p.number; n > 0 && n <= 100 && o.at > p.at {
			spacings = append(spacings, (o.at-p.at)/n)
		}
	}
	switch {
	case len(spacings) > 0:
		slices.Sort(spacings)
		a.interval = time.Duration(spacings[len(spacings)/2])
		if a.interval > 10*time.Millisecond {
			a.interval = a.interval.Round(time.Millisecond)
		}
		a.interval = min(max(a.interval, time.Microsecond), 24*time.Hour)
	case a.interval == 0:
		a.interval = time.Second
	}
	a.w.interval = a.interval
	lead := a.lead
	a.lead = nil
	for _, o := range lead {
		if err := a.process(o); err != nil {
			a.c.report.Results-- // it was counted when it came
			a.c.line(o.line, err)
		}
	}
}

func (a *assembler) process(o observation) error {
	if !a.begun {
		if o.overdue {
			o.at = max(1, o.at-int64(min(a.interval, time.Second)))
		}
		a.begin(o)
		return nil
	}
	n := a.unwrap(o)
	if o.overdue {
		// The clock says only that it was sent before; the neighbours say when.
		steps := n - (a.base + int64(len(a.slots)) - 1)
		o.at = min(o.at, a.top+int64(a.interval)*min(max(steps, 0), lostLimit))
	}
	switch next := a.base + int64(len(a.slots)); {
	case n >= next:
		return a.advance(n, o)
	case n >= a.base && (n == next-1 || o.at <= a.top+int64(a.interval)/2):
		return a.revise(&a.slots[n-a.base], o)
	case o.at > a.top-int64(a.interval)/2 || a.top-o.at > disorder:
		a.restart(o, perigee.GapStopped)
		return nil
	default:
		return fmt.Errorf("it stands %v out of order, more than can be put right", time.Duration(a.top-o.at).Round(time.Millisecond))
	}
}

// unwrap returns the number of o in a sequence that does not wrap: of those that it may
// stand for, the nearest to the newest, or, after a long silence, the one that the time
// speaks for.
func (a *assembler) unwrap(o observation) int64 {
	a.wraps = a.wraps && o.number < wrap
	if !a.wraps {
		return o.number
	}
	newest := a.base + int64(len(a.slots)) - 1
	nearest := func(to int64) int64 {
		return o.number + int64(math.Round(float64(to-o.number)/wrap))*wrap
	}
	elapsed := float64(o.at-a.top) / float64(a.interval)
	if elapsed > wrap/4 && elapsed < lostLimit {
		n := nearest(newest + int64(elapsed))
		if math.Abs(float64(n-newest)-elapsed) < 8+elapsed/200 {
			return n
		}
	}
	return nearest(newest)
}

// begin starts a part with its first probe.
func (a *assembler) begin(o observation) {
	a.begun, a.wraps, a.base = true, o.number < wrap, o.number
	a.slots, a.top, a.floor = a.slots[:0], math.MinInt64, math.MinInt64
	if missing := o.number - a.first; a.announce && missing > 0 && missing <= 1000 && o.at > missing*int64(a.interval) {
		a.base = a.first
		for i := missing; i > 0; i-- {
			a.push(slot{at: o.at - i*int64(a.interval)})
		}
	}
	a.announce = false
	a.push(slotOf(o))
}

// advance takes a probe that comes after all others.
func (a *assembler) advance(n int64, o observation) error {
	newest := a.base + int64(len(a.slots)) - 1
	steps, elapsed := n-newest, o.at-a.top
	each := float64(elapsed) / float64(steps)
	switch {
	case elapsed < -max(int64(time.Second), int64(a.interval)),
		steps > 10 && each < float64(a.interval)/8: // numbers that time had no room for
		a.restart(o, perigee.GapStopped)
		return nil
	case each > float64(max(silence, 10*a.interval)) || steps > lostLimit || !a.c.credit(steps-1):
		a.restart(o, perigee.GapSuspended)
		return nil
	}
	from := a.top
	for i := int64(1); i < steps; i++ {
		lost := slot{at: from + int64(each*float64(i))}
		// Failures were told in order, between the lines around them.
		if left := steps - i; left <= int64(len(a.fails)) {
			lost.fate, lost.cause = failed, a.fails[int64(len(a.fails))-left]
		}
		a.push(lost)
	}
	a.fails = a.fails[:0]
	a.push(slotOf(o))
	return nil
}

func slotOf(o observation) slot {
	return slot{at: o.at, fate: o.fate, rtt: o.rtt, heard: o.heard, apart: o.apart, cause: o.cause}
}

// push appends the next probe and decides those that are old enough.
func (a *assembler) push(s slot) {
	s.at = max(s.at, a.top) // numbers say the order; stamps may be off by a little
	a.top = s.at
	a.slots = append(a.slots, s)
	for len(a.slots) > 1 && (len(a.slots) > pendingLimit || a.slots[0].at < a.top-a.hold()) {
		a.decide()
	}
}

// revise takes a further line about a probe.
func (a *assembler) revise(s *slot, o observation) error {
	switch {
	case o.fate == replied && s.fate == replied:
		if !o.duplicate && o.rtt == s.rtt && o.at == s.at {
			return errRepeated
		}
		s.duplicates++
	case o.fate == replied || o.fate > s.fate:
		s.fate, s.rtt, s.heard, s.cause = o.fate, o.rtt, o.heard, o.cause
		if o.fate == replied && o.at <= a.top {
			s.at = o.at
		}
	default:
		return errRepeated
	}
	return nil
}

// failure takes the word that a probe could not be sent, without its number.
func (a *assembler) failure(cause string) {
	if len(a.fails) < pendingLimit {
		a.fails = append(a.fails, cause)
	}
}

// reorderReach is how many later probes are looked at for one that was answered first.
const reorderReach = 1000

// decide gives the oldest probe its outcome.
func (a *assembler) decide() {
	s := a.slots[0]
	s.at = max(s.at, a.floor)
	a.floor = s.at
	one := perigee.Singleton{Outcome: perigee.Lost, Duplicates: s.duplicates}
	switch {
	case s.fate == failed:
		one.Outcome, one.Cause = perigee.SendFailed, s.cause
	case s.fate == replied && s.rtt <= a.c.options.LossTimeout:
		one.Outcome, one.RTT = perigee.Received, s.rtt
	case s.fate == replied && int64(s.rtt) <= a.hold():
		one.Outcome, one.RTT = perigee.Late, s.rtt
	default:
		one.Duplicates = 0
	}
	if one.RTT > 0 && s.heard {
		back := s.at + int64(s.rtt)
		for i := 1; i < min(len(a.slots), reorderReach) && a.slots[i].at < back; i++ {
			if later := &a.slots[i]; later.fate == replied && later.heard && later.at+int64(later.rtt) < back {
				one.Reordered = true
				break
			}
		}
	}
	a.slots = a.slots[1:]
	a.base++
	a.w.add(s.at, one, s.apart)
}

// announced tells that a new run of the tool begins, with the given number.
func (a *assembler) announced(first int64) {
	a.led()
	a.end()
	a.first, a.counted, a.announce = first, true, true
	a.leading = a.c.options.Interval == 0
}

// transmitted tells that the run that ends sent the given number of probes.
func (a *assembler) transmitted(total int64) {
	a.led()
	if !a.begun || !a.counted {
		return
	}
	// After a break within the run only the lower bits of the count are known.
	newest := a.base + int64(len(a.slots)) - 1
	missing := (total + a.first - 1 - newest) % wrap
	if missing > 0 && a.c.credit(missing) {
		for range missing {
			a.push(slot{at: a.top + int64(a.interval)})
		}
	}
	a.counted = false
}

// restart ends the part and begins another with o.
func (a *assembler) restart(o observation, reason perigee.GapReason) {
	a.settle()
	a.w.interrupt(o.at, reason)
	a.begin(o)
}

// end ends the part; whatever comes next begins another.
func (a *assembler) end() {
	a.settle()
	a.begun = false
	a.w.pause()
}

// settle decides all that is left.
func (a *assembler) settle() {
	for len(a.slots) > 0 {
		a.decide()
	}
	a.fails = a.fails[:0]
}

// finish ends the stream.
func (a *assembler) finish() {
	a.led()
	a.settle()
	a.w.finish()
}
