package traces

import (
	"math"
	"time"

	"perigee"
	"perigee/stats"
)

// windowLength is the grid that windows lie on, since the Unix epoch: the daemon's.
const windowLength = int64(10 * time.Second)

// windowSingletons is how many probes a window may have and keep them one by one.
const windowSingletons = 100_000

// outageAfter is how long nothing may be answered before it is an outage; the daemon's.
const outageAfter = int64(time.Second)

// windower makes samples, outages and gaps of the probes of one stream, told in send
// order, by the rules of the run loop: see docs/metrics.md.
type windower struct {
	c           *collector
	key         perigee.Stream
	interval    time.Duration
	lossTimeout time.Duration

	seq       perigee.Seq
	variation stats.Variation

	open   bool           // sample is being filled
	sample perigee.Sample // the window, without Start and Length
	start  int64          // of the window, nanoseconds since the Unix epoch
	border int64          // of the grid, at which it ends
	causes map[string]int
	summed bool // some of its probes are not known one by one

	joined bool  // a part is going on: the next window begins where this one ends
	last   int64 // when the last probe was sent
	latest int64 // the end of the last of all windows
	epoch  int64 // how often the trace's clock was set back

	waits   bool // between two runs: what follows is after a gap
	stopped int64

	run outageRun
}

// outageRun is a run of unanswered probes.
type outageRun struct {
	active      bool
	first, last int64 // when its first and last probes were sent
	probes      int64
	failed      int64
	cause       string // of the last that could not be sent
}

// add takes the next probe. apart tells that its place among its neighbours is not
// known, so that it forms no pair and belongs to no run.
func (w *windower) add(at int64, s perigee.Singleton, apart bool) {
	w.reach(at)
	s.Seq, s.At = w.seq, time.Duration(at-w.start)
	w.seq++
	n := &w.sample
	n.Counts.Add(s)
	if s.Outcome.Arrived() {
		delay := s.RTT.Seconds()
		n.RTT.Add(delay)
		if apart {
			w.variation.Missed()
		}
		w.variation.Arrived(delay)
	}
	if apart || !s.Outcome.Arrived() {
		w.variation.Missed()
	}
	switch {
	case !s.Outcome.Sent():
	case apart:
		n.LossRuns.Separate(stats.LossRuns{})
	default:
		n.LossRuns.Add(!s.Outcome.Arrived(), w.interval.Seconds())
	}
	if s.Outcome == perigee.SendFailed {
		w.cause(s.Cause)
	}
	if len(n.Singletons) < windowSingletons {
		n.Singletons = append(n.Singletons, s)
	}
	if !apart || s.Outcome.Arrived() {
		w.judge(at, s.Outcome, s.Cause)
	}
}

// reach makes the window that the instant lies in the open one.
func (w *windower) reach(at int64) {
	w.rejoin(at)
	if w.open && at >= w.border {
		w.close(w.border)
	}
	if !w.open {
		w.begin(at)
	}
	w.last = max(w.last, at)
}

// begin opens a window: the first of a part where it begins, others on the grid.
func (w *windower) begin(at int64) {
	w.start = floor(at, windowLength)
	w.border = w.start + windowLength
	if !w.joined {
		w.start = floor(at, int64(time.Millisecond))
		w.last = w.start
	}
	w.joined, w.open = true, true
	w.sample, w.summed = perigee.Sample{}, false
	clear(w.causes)
}

// floor returns the last multiple of unit that is not after at, be that before 1970.
func floor(at, unit int64) int64 { return at - ((at%unit)+unit)%unit }

// close ends the open window at an instant.
func (w *windower) close(end int64) {
	s := w.sample
	w.open = false
	if w.summed {
		s.Singletons = nil
	}
	if s.Counts.Planned > windowSingletons && s.Singletons != nil {
		s.Singletons = nil
		w.c.note("windows of more than 100000 probes are kept without their single probes")
	}
	s.Stream, s.Interval, s.LossTimeout = w.key, w.interval, w.lossTimeout
	s.Start = time.Unix(0, w.start+w.epoch).UTC()
	s.Length = (time.Duration(end-w.start) + time.Millisecond - 1).Truncate(time.Millisecond)
	s.Variation = w.variation.Cut()
	most := 0
	for cause, n := range w.causes {
		if n > most || n == most && cause < s.Cause {
			most, s.Cause = n, cause
		}
	}
	w.latest = max(w.latest, w.start+int64(s.Length))
	w.c.sample(s)
}

// causesKept bounds the different causes of one window.
const causesKept = 16

func (w *windower) cause(text string) {
	if w.causes == nil {
		w.causes = map[string]int{}
	}
	if _, known := w.causes[text]; known || len(w.causes) < causesKept {
		w.causes[text]++
	}
}

// partEnd returns when measuring ended, at most next.
func (w *windower) partEnd(next int64) int64 {
	end := w.last + int64(w.interval)
	if w.open {
		end = min(end, w.border)
	}
	return max(min(end, next), w.last+1)
}

// pause tells that a run of the tool ended; what comes next belongs to another.
func (w *windower) pause() {
	if !w.joined {
		return
	}
	w.breakOff(w.partEnd(math.MaxInt64))
	w.waits = true
}

// rejoin records the time between two runs as a gap, now that the second begins.
func (w *windower) rejoin(at int64) {
	if w.waits {
		w.waits = false
		w.gap(w.stopped, at, perigee.GapStopped)
	}
}

// interrupt tells that nothing was measured any more until next, when a part begins.
func (w *windower) interrupt(next int64, reason perigee.GapReason) {
	if !w.joined {
		return
	}
	bound := next
	if next <= w.last {
		bound = math.MaxInt64 // the clock was set back, or an earlier part follows
	}
	end := w.partEnd(bound)
	w.breakOff(end)
	w.gap(end, next, reason)
}

// breakOff ends the part.
func (w *windower) breakOff(end int64) {
	if w.open {
		w.close(end)
	}
	if r := &w.run; r.active && r.probes >= 2 && r.last-r.first >= outageAfter {
		w.outage(end)
	}
	w.run.active = false
	w.variation.Missed()
	w.joined, w.stopped = false, end
}

// gap records what lies between two parts. A part that begins before the last one ended
// was measured by a clock that was set back, if by little; else it is an earlier one
// that stands later in the trace.
func (w *windower) gap(end, next int64, reason perigee.GapReason) {
	g := perigee.Gap{Site: w.key.Site, Link: w.key.Link, Start: time.Unix(0, end).UTC(), End: time.Unix(0, next).UTC(), Reason: reason, Detail: "no probes in the imported trace"}
	switch {
	case next > end:
	case w.latest-next > disorder:
		w.latest = next
		return
	default:
		w.epoch++
		g.Start, g.Reason, g.Detail = g.End, perigee.GapClockStep, "the clock of the imported trace was set back"
	}
	w.c.gap(g)
}

// judge follows runs of unanswered probes.
func (w *windower) judge(at int64, o perigee.Outcome, cause string) {
	r := &w.run
	switch o {
	case perigee.Received:
		if r.active && r.probes >= 2 && at-r.first >= outageAfter {
			w.outage(at)
		}
		r.active = false
	case perigee.Lost, perigee.Late, perigee.SendFailed:
		if !r.active {
			*r = outageRun{active: true, first: at}
		}
		r.probes++
		r.last = at
		if o == perigee.SendFailed {
			r.failed++
			r.cause = cause
		}
	}
}

func (w *windower) outage(end int64) {
	r := &w.run
	reason := perigee.NoReplies
	if 2*r.failed > r.probes {
		reason = r.cause
	}
	w.c.outage(perigee.Outage{Stream: w.key, Start: time.Unix(0, r.first).UTC(), End: time.Unix(0, end).UTC(), Probes: r.probes, Reason: reason})
}

// finish ends the last part: the trace is over.
func (w *windower) finish() { w.pause() }
