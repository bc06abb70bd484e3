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
	resumed   []int // which of the probes are the first after a pause of the stream

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

// series is what a stream's windows carry over to the next.
type series struct {
	variation stats.Variation

	// apart is set between a pause of the stream and the next probe that was
	// sent: that one belongs to no loss run of before.
	apart bool
}

// resume tells that the next probe is the first after a pause.
func (s *series) resume() {
	s.variation.Missed()
	s.apart = true
}

// sample turns a window whose probes are all decided into a sample and gives its
// probes away with it.
func (w *window) sample(c streamConfig, of *series) perigee.Sample {
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
	v := &of.variation
	for i := range w.probes {
		p := &w.probes[i]
		if len(w.resumed) > 0 && w.resumed[0] == i {
			w.resumed = w.resumed[1:]
			of.resume()
		}
		s.Counts.Add(*p)
		if p.Outcome.Arrived() {
			delay := p.RTT.Seconds()
			s.RTT.Add(delay)
			v.Arrived(delay)
		} else {
			v.Missed()
		}
		if p.Outcome.Sent() {
			var one stats.LossRuns
			one.Add(!p.Outcome.Arrived(), c.interval.Seconds())
			if of.apart {
				s.LossRuns.Separate(one)
			} else {
				s.LossRuns.Append(one)
			}
			of.apart = false
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
