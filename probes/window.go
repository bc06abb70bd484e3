package probes

import (
	"time"

	"perigee"
	"perigee/stats"
)

// window is what one stream planned in one span and what is known of it so far.
type window struct {
	span      *span
	first     perigee.Seq
	probes    []perigee.Singleton // in send order; At on the monotonic clock; Outcome 0 while undecided
	undecided int

	proof  perigee.Proof
	proven bool

	// doubt is set when the monitor stopped measuring while probes of this
	// window could still be answered: see builder.interrupt.
	doubt doubt
}

// doubt says from when on the outcomes of a window's probes tell more of the monitor
// than of the link. The zero value is none.
type doubt struct {
	set   bool
	from  time.Duration // on the monotonic clock
	cause string
}

// spoils reports whether outcome s was, or would have been, heard after the monitor
// stopped listening. horizon is the stream's late horizon.
func (d doubt) spoils(s perigee.Singleton, horizon time.Duration) bool {
	if !d.set {
		return false
	}
	switch s.Outcome {
	case perigee.Received, perigee.Late:
		return s.At+s.RTT > d.from
	case perigee.Lost:
		return s.At+horizon > d.from
	default:
		return false
	}
}

// skipped returns s with the outcome Skipped for the given cause.
func skipped(s perigee.Singleton, cause string) perigee.Singleton {
	return perigee.Singleton{Seq: s.Seq, At: s.At, Outcome: perigee.Skipped, Cause: cause}
}

// sample turns a window whose probes are all decided into a sample and gives its
// probes away with it. v carries the delay variation over from the windows before.
func (w *window) sample(c streamConfig, v *stats.Variation) perigee.Sample {
	s := perigee.Sample{
		Stream:      c.key,
		Start:       w.span.start.Add(time.Duration(w.span.epoch)),
		Length:      w.span.length,
		Interval:    c.interval,
		LossTimeout: c.lossTimeout,
		Proof:       w.proof,
		Singletons:  w.probes,
	}
	var causes tally
	for i := range w.probes {
		p := &w.probes[i]
		s.Counts.Add(*p)
		if p.Outcome.Arrived() {
			delay := p.RTT.Seconds()
			s.RTT.Add(delay)
			v.Arrived(delay)
		} else {
			v.Missed()
		}
		if p.Outcome.Sent() {
			s.LossRuns.Add(!p.Outcome.Arrived(), c.interval.Seconds())
		}
		if p.Outcome == perigee.SendFailed {
			causes.add(p.Cause)
		}
		p.At -= w.span.mono
	}
	s.Cause, _ = causes.commonest()
	s.Variation = v.Cut()
	w.probes = nil
	return s
}
