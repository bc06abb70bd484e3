package ookla

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"perigee"
	"perigee/stats"
)

// run is one Run: what the child has told so far.
type run struct {
	o       Options
	process *process

	start   time.Time // zero until the first payload was asked for
	server  started
	counts  []int64
	bytes   int64 // their sum
	tcp     []perigee.TCPState
	stopped perigee.StopReason // why the parent had the child end, if it did
}

// follow hears the child until it reports its end, has not done so in time, or dies.
func (r *run) follow(ctx context.Context) (perigee.Throughput, error) {
	// The child keeps to Setup and MaxDuration itself; this is for one that does not.
	limit := time.NewTimer(r.o.Setup + r.o.MaxDuration + grace)
	defer limit.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case m, ok := <-r.process.messages:
			if !ok {
				return perigee.Throughput{}, r.died(nil)
			}
			switch {
			case m.Failed != nil && ctx.Err() != nil:
				return perigee.Throughput{}, ctx.Err()
			case m.Failed != nil:
				return perigee.Throughput{}, &perigee.Error{Code: cmp.Or(m.Failed.Code, perigee.CodeInternal), Message: "ookla: " + m.Failed.Message}
			case m.Ended != nil:
				return r.result(*m.Ended)
			}
			r.hear(m)
		case <-cancelled:
			cancelled = nil
			r.order(perigee.StoppedByUser)
			limit.Reset(grace)
		case <-limit.C:
			r.process.end()
			if err := ctx.Err(); err != nil {
				return perigee.Throughput{}, err
			}
			return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeInternal,
				Message: fmt.Sprintf("ookla: the child did not end within %v and was killed", r.o.Setup+r.o.MaxDuration+grace)}
		}
	}
}

// hear takes note of a message that is not the last.
func (r *run) hear(m message) {
	switch {
	case m.Started != nil:
		r.start, r.server = r.o.Clock().Wall, *m.Started
	case m.Progress != nil:
		r.add(m.Progress.Counts)
		if m.Progress.TCP != nil {
			r.tcp = append(r.tcp, *m.Progress.TCP)
		}
		if r.o.OnProgress != nil {
			r.o.OnProgress(r.progress())
		}
		if r.stopped == "" && r.precise() {
			r.order(perigee.StoppedAtPrecision)
		}
	}
}

func (r *run) add(counts []int64) {
	r.counts = append(r.counts, counts...)
	for _, n := range counts {
		r.bytes += n
	}
}

// order has the child end, for the given reason.
func (r *run) order(why perigee.StopReason) {
	r.stopped = why
	// If the child has gone, its messages tell why.
	_ = r.process.send(order{Stop: true})
}

func (r *run) progress() Progress {
	p := Progress{Server: r.server.Server, At: time.Duration(len(r.counts)) * step, Bytes: r.bytes}
	last := r.counts[max(0, len(r.counts)-int(time.Second/step)):]
	sum := int64(0)
	for _, n := range last {
		sum += n
	}
	if len(last) > 0 {
		p.Rate = 8 * float64(sum) / (time.Duration(len(last)) * step).Seconds()
	}
	return p
}

// precise reports whether the rate is known well enough to end. It looks once a second.
func (r *run) precise() bool {
	if r.o.Precision == 0 || len(r.counts) == 0 || len(r.counts)%int(time.Second/step) != 0 {
		return false
	}
	return stats.SteadyState(floats(r.counts), step, r.o.Steady).Precise(r.o.Precision)
}

// died is the error of a child that ended without a last message.
func (r *run) died(cause error) error {
	exit := r.process.end()
	for range r.process.messages { // what stands behind the last one heard is of no use
	}
	err := &perigee.Error{Code: perigee.CodeInternal, Message: "ookla: the child ended without a result"}
	if first := r.process.stderr.String(); first != "" {
		err.Message += " (" + first + ")"
	}
	for _, err.Err = range []error{cause, r.process.garbage, exit} { // the first is what the others follow from
		if err.Err != nil {
			break
		}
	}
	return err
}

// result is the measurement that the child's end completes.
func (r *run) result(e ended) (perigee.Throughput, error) {
	if e.Length < 0 {
		return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeInternal, Message: fmt.Sprintf("ookla: the child tells of a transfer of %v", e.Length)}
	}
	r.add(e.Counts)
	if e.Stop == perigee.StoppedByUser && r.stopped != "" {
		e.Stop = r.stopped
	}
	t := perigee.Throughput{
		Stream: r.o.Stream, Start: r.start, Length: e.Length,
		Proof: e.Proof, Server: r.server.Server, Streams: r.o.Streams, Congestion: e.Congestion,
		Stop:            e.Stop,
		ReceiverCounted: r.o.Stream.Load == perigee.LoadDown,
		Bytes:           r.bytes, WireBytes: e.WireBytes, Retransmitted: e.Retransmitted,
		Connect:    e.Connect,
		SeriesStep: step, Series: r.counts,
		TCP: r.tcp,
	}
	if t.Stream.Target == "" {
		t.Stream.Target = r.server.Target
	}
	if t.Stream.Family == "" && e.Proof.Remote.IsValid() {
		t.Stream.Family = perigee.IPv6
		if e.Proof.Remote.Is4() {
			t.Stream.Family = perigee.IPv4
		}
	}
	r.rates(&t)
	if err := t.Check(); err != nil {
		return perigee.Throughput{}, err
	}
	return t, nil
}

// rates computes what follows from the series. Its last count is left out of the steady
// part if it is of less than a step.
func (r *run) rates(t *perigee.Throughput) {
	if t.Length > 0 {
		t.WholeRate = 8 * float64(t.Bytes) / t.Length.Seconds()
	}
	whole := floats(t.Series[:min(len(t.Series), int(t.Length/step))])
	s := stats.SteadyState(whole, step, r.o.Steady)
	t.Rate, t.Ramp = 8*s.Mean, time.Duration(s.Ramp)*step
	t.Error, t.Confidence = -1, s.Confidence
	if len(whole) == 0 {
		t.Rate = t.WholeRate
	}
	// What broke was not steady, whatever it was until then.
	if t.Steady = s.Found && t.Stop != perigee.StoppedByFailure; !t.Steady {
		return
	}
	if share, ok := s.Error(); ok {
		t.Error = share
	}
	seconds := stats.SecondRates(whole, step, s.Ramp)
	if p5, p50, p95, ok := stats.Percentiles(seconds); ok {
		t.Rate5, t.Rate50, t.Rate95, t.RateSeconds = 8*p5, 8*p50, 8*p95, len(seconds)
	}
}

func floats(counts []int64) []float64 {
	all := make([]float64, len(counts))
	for i, n := range counts {
		all[i] = float64(n)
	}
	return all
}
