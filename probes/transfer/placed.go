package transfer

import (
	"time"

	"perigee/probes/transfer/wire"
)

// placed are the receiver's counts, moved to where payload arrived at its system.
type placed struct {
	steps []int64 // the same payload in all

	// waiting is what arrived as well, and is not counted, because something before it was
	// still missing, or because the program had not read it yet.
	waiting []int64

	counted []int64 // when the program got it
	known   bool    // otherwise steps are as they were counted, and nothing is known to wait
}

// values returns all that arrived in each step, in bytes.
func (p placed) values() []float64 {
	values := make([]float64, len(p.steps))
	for i, n := range p.steps {
		values[i] = float64(n + p.waiting[i])
	}
	return values
}

// first returns the first n steps of p.
func (p placed) first(n int) placed {
	n = min(n, len(p.steps))
	return placed{p.steps[:n], p.waiting[:n], p.counted[:n], p.known}
}

// place moves what was counted in steps to where it arrived. arrived and waiting are what
// the kernel says, in sizes of TCP's payload, of as many steps as it has been asked about.
func place(counted, arrived, waiting []int64, secured bool) placed {
	all, came := sum(counted), sum(arrived)
	// On a machine that stands still the last looks are missing. Without more than that
	// the kernel has not told.
	if came <= 0 || len(arrived) < len(counted)-2*int(time.Second/wire.Step) {
		return placed{steps: counted, waiting: make([]int64, len(counted)), counted: counted}
	}
	p := placed{make([]int64, len(counted)), make([]int64, len(counted)), counted, true}
	copy(p.steps, arrived)
	copy(p.waiting, waiting)
	if secured { // what TLS adds is not payload
		share := min(1, float64(all)/float64(sum(p.steps)))
		scale(p.steps, share)
		scale(p.waiting, share)
	}
	rest := all - sum(p.steps)
	for i := len(p.steps) - 1; i >= 0 && rest < 0; i-- { // not read yet
		unread := min(-rest, p.steps[i])
		p.steps[i] -= unread
		p.waiting[i] += unread
		rest += unread
	}
	for i := len(p.steps) - 1; i >= 0 && rest > 0; i-- { // came since the kernel was asked
		late := min(rest, counted[i])
		if i == 0 {
			late = rest
		}
		p.steps[i] += late
		rest -= late
	}
	return p
}

// scale multiplies steps by share, without losing fractions on the way.
func scale(steps []int64, share float64) {
	var before, scaled int64
	for i, n := range steps {
		before += n
		now := int64(share * float64(before))
		steps[i] = now - scaled
		scaled = now
	}
}

// place returns what the receiver counted in steps, where it arrived.
func (r *run) place(counted []int64) placed {
	if r.o.down() {
		arrived, waiting := r.arrivals.Steps(wire.Step)
		return place(counted, arrived, waiting, r.price.secured)
	}
	r.far.mu.Lock()
	defer r.far.mu.Unlock()
	return place(counted, r.far.arrived, r.far.waiting, r.price.secured)
}

// observe asks the system about our ends of the connections.
func (r *run) observe(at time.Duration) {
	t := r.account.look()
	if r.o.down() {
		infos, known := r.account.dataLines()
		r.arrivals.Look(at, infos, known)
		if n := len(r.tcpReceiver); t.known && at > 0 && (n == 0 || at >= r.tcpReceiver[n-1].At+tcpEvery) {
			t.receiver.At = at
			r.tcpReceiver = append(r.tcpReceiver, t.receiver)
		}
		return
	}
	r.trips.add(at, t.state.RTT, t.state.MinRTT)
	if n := len(r.tcp); at > 0 && (n == 0 || at >= r.tcp[n-1].At+tcpEvery) {
		r.recordTCP(at, t)
	}
}

// trips are the sender's round trips in each step.
type trips struct {
	smoothed []time.Duration // 0 where nobody looked
	least    time.Duration   // of all; 0 if not known
}

// add adds what the sender knew at a time.
func (t *trips) add(at, smoothed, least time.Duration) {
	step := int(at / wire.Step)
	if step >= wire.MaxSteps {
		return
	}
	for len(t.smoothed) <= step {
		t.smoothed = append(t.smoothed, 0)
	}
	t.smoothed[step] = smoothed
	if least > 0 && (t.least == 0 || least < t.least) {
		t.least = least
	}
}

// queued is by how much a smoothed round trip is longer than the least one, as a share of
// it, if a queue stands in between. Jitter makes it longer by half of that over a
// geostationary satellite.
const queued = 0.15

// full returns in which of the first steps the link was full, as far as its sender tells.
func (r *run) full(steps int) []bool {
	if !r.o.down() {
		return r.trips.full(steps)
	}
	r.far.mu.Lock()
	defer r.far.mu.Unlock()
	return r.far.trips.full(steps)
}

// full returns in which of the first steps the link was full: packets queued for it. It is
// nil if round trips are not known. A step in which nobody looked is as the one before.
func (t *trips) full(steps int) []bool {
	if t.least == 0 {
		return nil
	}
	full, latest := make([]bool, steps), false
	for i := range full {
		if i < len(t.smoothed) && t.smoothed[i] > 0 {
			latest = float64(t.smoothed[i]) >= (1+queued)*float64(t.least)
		}
		full[i] = latest
	}
	return full
}
