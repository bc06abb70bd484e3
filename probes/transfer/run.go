package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/transfer/arrival"
	"perigee/probes/transfer/wire"
	"perigee/stats"
)

// run is one transfer.
type run struct {
	o Options

	// Set by setUp.
	control *connection
	data    []*connection
	granted wire.Granted
	connect perigee.Connect
	proof   perigee.Proof
	rtt     time.Duration
	price   price
	warned  sync.Once
	sender  string // congestion control of it; empty if not known
	remote  netip.Addr

	// deviceBase is what the link's device had counted before the transfer.
	deviceBase  int64
	deviceKnown bool

	account account
	counts  *counts
	budget  *budget
	far     farSide
	wall    time.Time // of the start

	ended   chan error    // what became of each stream, in the order of their ends
	stop    chan struct{} // closed when no more payload is to be sent
	stopped sync.Once
	streams sync.WaitGroup

	// Of supervise alone:
	steady      stats.Steady
	judged      time.Duration
	judgedSteps int                        // that steady is of
	arrivals    arrival.Record             // of what comes, going down
	tcpReceiver []perigee.TCPReceiverState // of our sockets, going down
	tcp         []perigee.TCPState         // of our sockets, going up
	trips       trips                      // likewise
}

// Run transfers payload as o says. When payload has begun to move, the result is what was
// measured, whatever ended it: if that was a failure the error names it, and if ctx was
// cancelled there is none. A transfer that never began yields an error alone.
func Run(ctx context.Context, o Options) (perigee.Throughput, error) {
	o, err := o.check()
	if err != nil {
		return perigee.Throughput{}, err
	}
	o.MaxBytes -= int64(capMargin * float64(o.MaxBytes))
	r := &run{o: o, stop: make(chan struct{}), ended: make(chan error, o.Streams)}
	r.far.done = make(chan struct{})
	defer r.close()
	o.OnProgress(Progress{Phase: PhaseConnect, ErrorRatio: -1})
	if err := r.setUp(ctx); err != nil {
		return perigee.Throughput{}, err
	}
	if err := r.begin(); err != nil {
		return perigee.Throughput{}, r.failed("beginning", err)
	}
	reason, err := r.supervise(ctx)
	then := time.Since(r.counts.start)
	return r.finish(ctx, reason, then, err)
}

// begin asks for the first payload and starts all that moves it.
func (r *run) begin() error {
	r.counts = newCounts(r.o.MaxDuration + wire.Step)
	before := r.account.look()
	r.budget = &budget{cap: r.o.MaxBytes, account: &r.account, price: r.price.orAssumed(), left: wire.NewAllowance(r.granted.MaxBytes), base: before.sent}
	if before.mss > 0 {
		r.budget.price.mss, r.budget.price.header = before.mss, before.header
	}
	r.sender = r.senderCongestion()
	r.observe(0)
	r.wall = r.o.Clock().Wall
	r.counts.start = time.Now()
	if err := wire.WriteFrame(r.control, wire.Go{}); err != nil {
		return err
	}
	r.streams.Go(func() { r.far.hear(r.control) })
	block := []byte(nil)
	if !r.o.down() {
		block = newBlock()
	}
	for _, c := range r.data {
		r.streams.Go(func() {
			if r.o.down() {
				r.ended <- r.counts.receive(c)
			} else {
				r.ended <- r.budget.send(c, block, r.stop)
			}
		})
	}
	return nil
}

// close ends everything that r began.
func (r *run) close() {
	r.stopSending()
	if r.control != nil {
		r.control.abort()
	}
	for _, c := range r.data {
		if c != nil {
			c.abort()
		}
	}
	r.streams.Wait()
}

func (r *run) stopSending() { r.stopped.Do(func() { close(r.stop) }) }

// patience is how long to wait for the other end when it should have spoken.
func (r *run) patience() time.Duration { return 3*time.Second + 4*r.rtt }

// supervise waits until the transfer is to end, and says why. The error says what broke.
func (r *run) supervise(ctx context.Context) (perigee.StopReason, error) {
	tick := time.NewTicker(wire.Step)
	defer tick.Stop()
	limit := time.NewTimer(r.o.MaxDuration)
	defer limit.Stop()
	silence := time.NewTimer(wire.MaxDuration * 2) // armed when the far end should say why streams ended
	defer silence.Stop()
	watch := newWatch(r)
	defer watch.timer.Stop()
	var broken error
	open, word := len(r.data), r.far.done
	for {
		select {
		case <-ctx.Done():
			return perigee.StoppedByUser, nil
		case <-limit.C:
			return perigee.StoppedAtTime, nil
		case <-silence.C:
			return perigee.StoppedByFailure, broken
		case <-word:
			reason, err := r.far.ending()
			// Going down, payload may still be on its way after the last word.
			if err != nil || !r.o.down() || open == 0 {
				return reason, err
			}
			word = nil
		case err := <-r.ended:
			open--
			switch {
			case err != nil:
				broken = errors.Join(broken, fmt.Errorf("a stream broke: %w", err))
				silence.Reset(r.patience())
			case open > 0:
			case word == nil:
				return r.far.ending()
			case r.o.down() && r.counts.sum() == r.granted.MaxBytes:
				return perigee.StoppedAtCap, nil
			case r.o.down():
				broken = errors.Join(broken, io.ErrUnexpectedEOF)
				silence.Reset(r.patience())
			default:
				watch.sentAll()
			}
			if open == 0 && word == nil {
				return r.far.ending()
			}
		case <-watch.timer.C:
			if watch.over() {
				return perigee.StoppedAtCap, nil
			}
		case <-tick.C:
			if r.look() {
				return perigee.StoppedAtPrecision, nil
			}
		}
	}
}

// received returns what the receiver has counted in the steps that are over.
func (r *run) received() []int64 {
	then := time.Since(r.counts.start)
	if !r.o.down() {
		return r.far.counted(then)
	}
	steps, _ := r.counts.until(then)
	return steps[:min(len(steps), whole(then))]
}

// judgeEvery is how often the rate's precision is looked at: whoever looks more often
// stops sooner at a moment that only looks good.
const judgeEvery = time.Second

// look tells of the progress, and reports whether the rate is known well enough.
func (r *run) look() (enough bool) {
	elapsed := time.Since(r.counts.start)
	steps := r.received()
	r.observe(elapsed)
	if elapsed-r.judged >= judgeEvery {
		r.judged, r.judgedSteps = elapsed, len(steps)
		r.steady = r.judge(r.place(steps))
		enough = r.o.Precision > 0 && elapsed >= r.o.MinDuration && r.steady.Precise(r.o.Precision) && r.slotOver(len(steps))
	}
	r.tell(elapsed, steps)
	return enough
}

// slotOver reports whether the steady part of a transfer of so many steps has just got
// another slot full. Parts of slots would give the phases of a slot unequal weights.
func (r *run) slotOver(steps int) bool {
	if r.o.Slot <= 0 {
		return true
	}
	steady := time.Duration(steps-r.steady.Ramp) * wire.Step
	return steady >= r.o.Slot && steady%r.o.Slot < judgeEvery
}

// judge finds the steady part of what arrived.
func (r *run) judge(p placed) stats.Steady {
	o := stats.SteadyOptions{RTT: r.rtt, Confidence: r.o.Confidence, Full: r.full(len(p.steps))}
	if p.known {
		o.InOrder = make([]float64, len(p.counted))
		for i, n := range p.counted {
			o.InOrder[i] = float64(n)
		}
	}
	if r.sender == "bbr" {
		o.Period = bbrPeriod
	}
	if r.o.Slot > 0 {
		o.Slot, o.SlotStart = r.o.Slot, untilSlot(r.wall, r.o.Slot, r.o.SlotLeap)
	}
	return stats.SteadyState(p.values(), wire.Step, o)
}

// bbrPeriod is how often BBR lets its rate drop to see the round trip time.
const bbrPeriod = 10 * time.Second

// untilSlot returns how long after t the next slot begins.
func untilSlot(t time.Time, slot, leap time.Duration) time.Duration {
	into := (time.Duration(t.UnixNano()) + leap) % slot
	return (slot - into) % slot
}

func (r *run) tell(elapsed time.Duration, steps []int64) {
	p := Progress{Phase: PhaseRamp, Elapsed: elapsed, Bytes: sum(steps), ErrorRatio: -1}
	if r.steady.Found {
		p.Phase, p.Rate = PhaseSteady, r.steady.Mean*8
		p.Ramp = time.Duration(r.steady.Ramp) * wire.Step
		if e, ok := r.steady.Error(); ok {
			p.ErrorRatio = e
		}
	} else if last := steps[max(0, len(steps)-int(time.Second/wire.Step)):]; len(last) > 0 {
		p.Rate = float64(sum(last)) * 8 / (time.Duration(len(last)) * wire.Step).Seconds()
	}
	r.o.OnProgress(p)
}

// recordTCP records the state of our sockets.
func (r *run) recordTCP(at time.Duration, t tally) {
	if t.known {
		t.state.At = at
		r.tcp = append(r.tcp, t.state)
	}
}

// senderCongestion returns the congestion control of who sends; empty if not known.
func (r *run) senderCongestion() string {
	if r.o.down() {
		return r.granted.Congestion
	}
	name, err := bind.Congestion(r.data[0].raw)
	if err != nil {
		return r.o.Congestion
	}
	return name
}
