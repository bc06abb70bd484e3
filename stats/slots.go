package stats

import "slices"

// SlotGrid is a grid of time slots of one length on the wall clock: the slot of Unix
// second t is floor((t + Leap) / Period), and its phase the seconds since the slot began.
type SlotGrid struct {
	Period int // whole seconds, 6 at least
	Leap   int // seconds by which the clock of the grid is ahead of UTC
}

// StarlinkGrid is the grid on which every Starlink terminal is given a new way at the
// same instants: 15 s of GPS time, which is leap seconds (18 since 2017) ahead of UTC.
func StarlinkGrid(leap int) SlotGrid { return SlotGrid{Period: 15, Leap: leap} }

// locate returns the slot of a Unix second and its phase.
func (g SlotGrid) locate(second int64) (slot int64, phase int) {
	second += int64(g.Leap)
	slot = floorDiv(second, int64(g.Period))
	return slot, int(second - slot*int64(g.Period))
}

// Phase returns how many whole seconds before a Unix second its slot began.
func (g SlotGrid) Phase(second int64) int {
	_, phase := g.locate(second)
	return phase
}

// Start returns the Unix second at which a slot begins.
func (g SlotGrid) Start(slot int64) int64 { return slot*int64(g.Period) - int64(g.Leap) }

func floorDiv(n, d int64) int64 {
	q := n / d
	if n%d < 0 {
		q--
	}
	return q
}

const (
	nanoseconds = 1_000_000_000

	// disorder is how far a probe's time may lie before the last one's and still
	// be taken for as late as that: rounding where windows meet. Beyond it the
	// clock was set back.
	disorder = nanoseconds / 10

	// mostPerSecond bounds memory: of a second with more arrivals the first ones
	// make its level.
	mostPerSecond = 1024

	// adjacent is how many phases either side of an edge are not compared with it:
	// a link needs a moment to settle, and a clock is never quite right.
	adjacent = 1

	// leastCompared is how many other steps a step must at least be compared with.
	leastCompared = 3

	// leastLossPeriod is how many probes in a row must be lost for a loss period
	// to count as a short outage and not as a packet that was lost alone.
	leastLossPeriod = 2
)

// SlotFold folds the probes of one stream onto a grid of slots, probe by probe in the
// order of sending. Memory does not grow with them, but for 40 bytes a slot.
//
// The level of a second is the median of what arrived of the probes sent in it; a step
// is the absolute difference of the levels of two consecutive seconds, and its phase
// that of the later one. There is no step into or out of a second without arrivals, and
// so none across gaps or where the clock was set back.
//
// Each step is compared with those around it, from adjacent+1 to half a period away on
// either side: the share that it exceeds, equal ones counting half, is how prominent it
// is. Whatever the process, if it knows no grid (it is stationary), shares of one phase
// have a mean of 1/2: for each step that exceeds one later there is one that is exceeded
// by one earlier. Slow changes of the link's noise cancel out.
type SlotFold struct {
	grid   SlotGrid
	phases []phaseFold
	slots  []Slot

	begun  bool
	last   int64     // ns, when the last probe was sent
	second int64     // the Unix second of it
	values []float64 // what arrived in that second
	slot   Slot
	inSlot []float64 // what arrived in that slot

	level   float64 // of the last whole second
	levelOK bool
	recent  []step // the steps of the last seconds, a ring
	seconds int64  // whole seconds pushed into it since the last break
	lostRun int64
	runAt   int // phase in which the run of losses began
}

type step struct {
	size   float64 // signed
	ok     bool
	second int64
}

// phaseFold is what is known of one phase.
type phaseFold struct {
	sent, lost, lossPeriods int64
	rtt                     Distribution
	steps                   Distribution
	ups, downs              [2]int64 // by slot number modulo 2
	prominence              prominence
	classes                 [len(classModuli)][]prominence // by slot number modulo each of classModuli
}

// classModuli are the ways in which slots are divided to see whether all of them begin
// with a step. Something that comes every 30, 45, 60, 75 or 90 s, or every few minutes,
// leaves a class of one of them without.
var classModuli = [...]int{2, 3, 4, 5}

// prominence sums up shares of exceeded steps.
type prominence struct {
	count    int64
	sum      float64
	variance float64 // sum of what the variances would be if values were independent
}

func (p *prominence) add(share float64, others int) {
	p.count++
	p.sum += share
	m := float64(others)
	p.variance += (m + 2) / (12 * m) // of a rank among m others, over m
}

// mean returns the mean share. It reports false if nothing was compared.
func (p prominence) mean() (float64, bool) {
	if p.count == 0 {
		return 0, false
	}
	return p.sum / float64(p.count), true
}

// Slot is what happened in one slot.
type Slot struct {
	Number      int64 // as SlotGrid numbers them
	Sent, Lost  int64
	Min, Median float64 // seconds, meaningless unless Sent > Lost
}

// NewSlotFold returns the fold onto a grid. It panics if the period is below 6 s, in
// which a step has nothing to be compared with.
func NewSlotFold(grid SlotGrid) *SlotFold {
	if grid.Period < 6 {
		panic("stats: slots shorter than 6 s")
	}
	f := &SlotFold{grid: grid, phases: make([]phaseFold, grid.Period), recent: make([]step, 2*(grid.Period/2)+1)}
	for i := range f.phases {
		for j, m := range classModuli {
			f.phases[i].classes[j] = make([]prominence, m)
		}
	}
	return f
}

// Arrived counts a probe that was sent at a Unix time in nanoseconds and answered after
// rtt seconds, which must be finite.
func (f *SlotFold) Arrived(unix int64, rtt float64) {
	p := f.sent(unix)
	p.rtt.Add(rtt)
	if len(f.values) < mostPerSecond {
		f.values = append(f.values, rtt)
	}
	f.endRun()
}

// Missed counts a probe that was sent and not answered in time.
func (f *SlotFold) Missed(unix int64) {
	p := f.sent(unix)
	p.lost++
	f.slot.Lost++
	if f.lostRun == 0 {
		_, f.runAt = f.grid.locate(f.second)
	}
	f.lostRun++
}

// sent moves on to the time of a probe, counts it and returns its phase.
func (f *SlotFold) sent(unix int64) *phaseFold {
	if f.begun && unix < f.last {
		if unix >= f.last-disorder {
			unix = f.last
		} else {
			f.Break()
		}
	}
	second := floorDiv(unix, nanoseconds)
	slot, phase := f.grid.locate(second)
	switch {
	case !f.begun:
		f.begun, f.second, f.slot = true, second, Slot{Number: slot}
	case second != f.second:
		f.endSecond()
		if missing := second - f.second - 1; missing > 0 {
			f.levelOK = false
			for i := range min(missing, int64(len(f.recent))) {
				f.push(step{second: f.second + 1 + i})
			}
			if missing >= int64(len(f.recent)) {
				f.endRun()
				f.forget()
			}
		}
		f.second = second
		if slot != f.slot.Number {
			f.endSlot()
			f.slot = Slot{Number: slot}
		}
	}
	f.last = unix
	f.slot.Sent++
	p := &f.phases[phase]
	p.sent++
	return p
}

// Break tells that what follows does not continue what was before.
func (f *SlotFold) Break() {
	if !f.begun {
		return
	}
	f.endSecond()
	f.endSlot()
	f.endRun()
	for range f.recent { // what is still to be compared is compared with what there is
		f.push(step{})
	}
	f.forget()
	f.begun, f.levelOK = false, false
}

func (f *SlotFold) forget() {
	f.seconds = 0
	clear(f.recent)
}

// endRun ends a run of losses.
func (f *SlotFold) endRun() {
	if f.lostRun >= leastLossPeriod {
		f.phases[f.runAt].lossPeriods++
	}
	f.lostRun = 0
}

// endSecond takes the level of a whole second and the step that leads to it.
func (f *SlotFold) endSecond() {
	s := step{second: f.second}
	level, ok := median(f.values)
	if ok && f.levelOK {
		s.size, s.ok = level-f.level, true
	}
	f.level, f.levelOK = level, ok
	f.inSlot = append(f.inSlot, f.values...)
	f.values = f.values[:0]
	if s.ok {
		slot, phase := f.grid.locate(s.second)
		p := &f.phases[phase]
		p.steps.Add(abs(s.size))
		switch {
		case s.size > 0:
			p.ups[slot&1]++
		case s.size < 0:
			p.downs[slot&1]++
		}
	}
	f.push(s)
}

func (f *SlotFold) endSlot() {
	if m, ok := median(f.inSlot); ok {
		f.slot.Min, f.slot.Median = f.inSlot[0], m // median has sorted them
	}
	f.slots = append(f.slots, f.slot)
	f.inSlot = f.inSlot[:0]
}

// push appends the step of a second to the ring, and compares the one in its middle.
func (f *SlotFold) push(s step) {
	n := int64(len(f.recent))
	f.recent[f.seconds%n] = s
	f.seconds++
	half := n / 2
	if f.seconds <= half {
		return
	}
	at := func(back int64) step { return f.recent[((f.seconds-1-half-back)%n+n)%n] }
	centre := at(0)
	if !centre.ok {
		return
	}
	others, exceeded := 0, 0.0
	for back := -half; back <= half; back++ {
		o := at(back)
		if !o.ok || back >= -adjacent && back <= adjacent {
			continue
		}
		others++
		switch size, other := abs(centre.size), abs(o.size); {
		case size > other:
			exceeded++
		case size == other:
			exceeded += 0.5
		}
	}
	if others < leastCompared {
		return
	}
	slot, phase := f.grid.locate(centre.second)
	p, share := &f.phases[phase], exceeded/float64(others)
	p.prominence.add(share, others)
	for i, m := range classModuli {
		p.classes[i][slot-floorDiv(slot, int64(m))*int64(m)].add(share, others)
	}
}

// median sorts values and returns their median. It reports false if there are none.
func median(values []float64) (float64, bool) {
	n := len(values)
	if n == 0 {
		return 0, false
	}
	slices.Sort(values)
	if n%2 == 1 {
		return values[n/2], true
	}
	return (values[n/2-1] + values[n/2]) / 2, true
}

func abs(v float64) float64 {
	if v < 0 {
		return -v
	}
	return v
}
