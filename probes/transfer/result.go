package transfer

import (
	"context"
	"errors"
	"time"

	"perigee"
	"perigee/probes/transfer/wire"
	"perigee/stats"
)

// finish ends the transfer and returns its result. then is how long it took.
func (r *run) finish(ctx context.Context, reason perigee.StopReason, then time.Duration, broken error) (perigee.Throughput, error) {
	// What comes from here on does not count.
	steps, last := r.counts.until(then)
	if r.o.down() {
		r.observe(then)
	}
	graceful := reason != perigee.StoppedByUser && reason != perigee.StoppedByFailure
	if graceful {
		r.o.OnProgress(Progress{Phase: PhaseEnd, Elapsed: then, Bytes: sum(r.received()), Rate: r.steady.Mean * 8, ErrorRatio: -1})
		if err := r.part(ctx, reason, then); err != nil {
			reason, broken = perigee.StoppedByFailure, err
		}
	}
	if !r.o.down() {
		steps, last = r.farCounts(reason, then)
	}
	length := then
	// Steps without payload at the end are a silence of the link, unless all payload had
	// been moved, or the connection is why.
	over := reason == perigee.StoppedAtCap || reason == perigee.StoppedByFailure
	if over || !r.o.down() {
		length = last
	}
	if over {
		steps = steps[:min(len(steps), whole(last)+1)]
	}
	p := r.place(steps)
	for over && len(p.steps) > 1 && p.steps[len(p.steps)-1] == 0 { // it had arrived before
		p = p.first(len(p.steps) - 1)
		length = min(length, time.Duration(len(p.steps))*wire.Step)
	}
	t := perigee.Throughput{
		Stream:          r.o.Stream,
		Start:           r.wall,
		Length:          length,
		Proof:           r.proof,
		Server:          r.o.Address,
		Streams:         r.o.Streams,
		Congestion:      r.sender,
		Stop:            reason,
		ReceiverCounted: true,
		Confidence:      r.o.Confidence,
		Connect:         r.connect,
		SeriesStep:      wire.Step,
		Series:          p.steps,
		Bytes:           sum(p.steps),
		ByArrival:       p.known,
	}
	if t.Stream.Family == "" {
		t.Stream.Family = perigee.IPv4
		if r.control.six {
			t.Stream.Family = perigee.IPv6
		}
	}
	r.addRates(&t, p)
	r.addTCP(&t)
	if broken != nil {
		broken = r.failed("transferring", broken)
	}
	return t, broken
}

// part ends the session with the far end, and waits for its last word, as long as ctx
// lasts. The error says that none came.
func (r *run) part(ctx context.Context, reason perigee.StopReason, then time.Duration) error {
	var drain time.Duration
	if !r.o.down() {
		r.recordTCP(then, r.account.look())
		r.stopSending()
		if all := r.account.look(); reason == perigee.StoppedAtCap && all.arrived() {
			// All that was sent has arrived, and need only be read there.
			drain = r.patience() / 2
			for _, c := range r.data {
				c.tcp.CloseWrite()
			}
		}
	}
	if result, _ := r.far.word(); result != nil {
		return nil
	}
	r.control.tcp.SetWriteDeadline(time.Now().Add(r.patience()))
	err := wire.WriteFrame(r.control, wire.Stop{Drain: wire.Seconds(drain)})
	if !r.o.down() && drain == 0 {
		r.account.look()
		for _, c := range r.data {
			c.abort()
		}
	}
	// For as long as it has been silent, it has been waited for.
	limit := time.NewTimer(max(0, r.patience()-r.silent(then)))
	defer limit.Stop()
	select {
	case <-r.far.done:
	case <-ctx.Done():
		return nil // what is there will do
	case <-limit.C:
		return errors.Join(errors.New("the far end does not answer any more"), err)
	}
	if result, err := r.far.word(); result == nil {
		return errors.Join(errors.New("the far end did not tell its result"), err)
	}
	if r.o.down() {
		r.awaitStreams(ctx, limit)
	}
	return nil
}

// silent returns for how long nothing had come from the far end at then.
func (r *run) silent(then time.Duration) time.Duration {
	if r.o.down() {
		return then - time.Duration(r.counts.last.Load())
	}
	return then - time.Duration(len(r.far.counted(then)))*wire.Step
}

// awaitStreams lets what is under way come in, so that it is in the account of bytes on
// the wire.
func (r *run) awaitStreams(ctx context.Context, limit *time.Timer) {
	ended := make(chan struct{})
	go func() { defer close(ended); r.streams.Wait() }()
	select {
	case <-ended:
	case <-ctx.Done():
	case <-limit.C:
	}
}

// farCounts returns what the far end has counted, and when its last payload came. Of a
// transfer that did not end by itself, what came after its end does not count.
func (r *run) farCounts(reason perigee.StopReason, then time.Duration) (steps []int64, last time.Duration) {
	result, _ := r.far.word()
	if reason == perigee.StoppedAtCap && result != nil {
		return result.Steps, result.Length.Duration()
	}
	steps = r.far.counted(then)
	if reason == perigee.StoppedByFailure {
		for len(steps) > 0 && steps[len(steps)-1] == 0 {
			steps = steps[:len(steps)-1]
		}
	} else if result != nil { // it leaves out empty steps at the end
		steps = append(steps, make([]int64, whole(then)-len(steps))...)
	}
	return steps, time.Duration(len(steps)) * wire.Step
}

// addRates works out what the counts say.
func (r *run) addRates(t *perigee.Throughput, p placed) {
	if t.Bytes == 0 || t.Length <= 0 {
		t.Error = -1
		return
	}
	t.WholeRate = float64(t.Bytes) * 8 / t.Length.Seconds()
	// A step that had only begun at the end would look like a fall of the rate.
	p = p.first(min(len(t.Series), whole(t.Length)))
	if len(p.steps) == 0 {
		t.Rate, t.Error = t.WholeRate, -1
		return
	}
	s := r.steady
	if t.Stop == perigee.StoppedAtPrecision {
		p = p.first(r.judgedSteps) // what made it end is what it says
	} else {
		s = r.judge(p)
	}
	t.Rate, t.Steady, t.Error = s.Mean*8, s.Found, -1
	if e, ok := s.Error(); ok {
		t.Error = e
	}
	t.Ramp = min(time.Duration(s.Ramp)*wire.Step, t.Length)
	values := p.values()
	for i := range values {
		values[i] *= 8
	}
	seconds := stats.SecondRates(values[:len(values)-s.Held], wire.Step, s.Ramp)
	if p5, p50, p95, ok := stats.Percentiles(seconds); ok && s.Found {
		t.Rate5, t.Rate50, t.Rate95, t.RateSeconds = p5, p50, p95, len(seconds)
	}
}

// addTCP works out what the sockets say.
func (r *run) addTCP(t *perigee.Throughput) {
	moved := r.account.look()
	price := r.budget.price.orAssumed()
	arrived := price.stream(t.Bytes)
	// What arrived was sent, also in the moment between the last look and the end.
	t.WireBytes = max(moved.wire, arrived+price.acks(arrived))
	if !moved.known {
		t.WireBytes = price.segments(arrived)
	}
	t.Retransmitted = -1
	if !r.o.down() {
		t.TCP = r.tcp
		r.far.mu.Lock()
		t.TCPReceiver = r.far.tcpReceiver
		r.far.mu.Unlock()
		if moved.known {
			t.Retransmitted = moved.retransmitted
		}
		return
	}
	r.far.mu.Lock()
	defer r.far.mu.Unlock()
	t.TCP, t.TCPReceiver = append(t.TCP, r.far.tcp...), r.tcpReceiver
	if r.far.latest != nil {
		t.Retransmitted = r.far.latest.Retransmitted
	}
}
