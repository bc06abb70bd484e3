package transfer

import (
	"time"

	"perigee/probes/transfer/wire"
)

// watch looks after what a transfer moves over the wire, and tells when that is over: the
// cap is reached, or all payload that may be sent has arrived.
type watch struct {
	r     *run
	timer *time.Timer

	sent bool // all payload has been handed to the sockets
	last int64
	at   time.Time
}

// newWatch returns a watch whose timer never fires if there is nothing to look after.
func newWatch(r *run) *watch {
	w := &watch{r: r, at: r.counts.start, timer: time.NewTimer(2 * wire.MaxDuration)}
	if r.o.MaxBytes > 0 {
		w.timer.Reset(watchful(r.o.MaxBytes, 0, 0))
	}
	return w
}

// sentAll tells w that there is no more payload to send.
func (w *watch) sentAll() {
	w.sent = true
	w.timer.Reset(0)
}

// over reports whether the transfer has to end, and sets the timer if not.
func (w *watch) over() bool {
	t := w.r.account.look()
	if !t.known { // going down the far end keeps to its allowance, going up budget does
		return w.sent
	}
	if w.sent && t.arrived() {
		return true
	}
	left := int64(wire.MaxDuration)
	if limit := w.r.o.MaxBytes; limit > 0 {
		if left = limit - limit/margin - w.moved(t) - w.coming(t); left <= 0 {
			return true
		}
	}
	now := time.Now()
	pause := watchful(left, t.wire-w.last, now.Sub(w.at))
	if w.sent {
		pause = min(pause, 10*time.Millisecond)
	}
	w.last, w.at = t.wire, now
	w.timer.Reset(pause)
	return false
}

const (
	// margin is the part of a cap, one in so many bytes, that is left for what moves
	// between two looks.
	margin = 200

	// uncounted is the most that the sockets' own count may lack, one in so many bytes.
	uncounted = 33

	// afterwards is what each segment under way still costs when its stream is reset:
	// where segments were lost, an acknowledgement with selective ones for each, and
	// the system's answer to it.
	afterwards = 28 + headerReset

	headerReset = 40
)

// moved returns what has moved over the wire. What the sockets do not tell, which are
// selective acknowledgements and payload that came twice, the link's device does; but it
// counts the traffic of others too, so its word is taken for a small part only.
func (w *watch) moved(t tally) int64 {
	if !w.r.deviceKnown {
		return t.wire
	}
	device, err := w.r.o.Binder.Counters(w.r.remote)
	if err != nil {
		return t.wire
	}
	return min(max(t.wire, device.IPBytes()-w.r.deviceBase), t.wire+t.wire/uncounted)
}

// coming returns what would still move over the wire if the streams were reset now.
func (w *watch) coming(t tally) int64 {
	p := w.r.budget.price
	if !w.r.o.down() {
		return t.unacked * int64(p.header+afterwards)
	}
	// What the far end has sent and not heard back about; never more than it may send.
	elapsed := time.Since(w.r.counts.start).Seconds()
	flying := int64(float64(t.received) / max(elapsed, 0.1) * w.r.rtt.Seconds())
	return p.segments(max(0, min(flying, w.r.granted.MaxBytes-t.received)))
}
