package perigee

import (
	"fmt"
	"time"

	"perigee/stats"
)

// Counts is the loss taxonomy of a sample. Check states its invariants.
type Counts struct {
	Planned    int64 // probes due
	Sent       int64 // probes that left the machine
	SendFailed int64
	Skipped    int64
	Received   int64 // answered within the loss timeout
	Late       int64 // answered between loss timeout and late horizon
	Lost       int64 // not answered
	Duplicates int64 // replies beyond the first
	Reordered  int64 // first replies that came after a later probe's
}

// Add counts s and its duplicates.
func (c *Counts) Add(s Singleton) {
	c.Planned++
	switch s.Outcome {
	case Received:
		c.Sent++
		c.Received++
	case Late:
		c.Sent++
		c.Late++
	case Lost:
		c.Sent++
		c.Lost++
	case SendFailed:
		c.SendFailed++
	default:
		c.Skipped++
	}
	if s.Reordered {
		c.Reordered++
	}
	c.Duplicates += int64(s.Duplicates)
}

// Merge adds o.
func (c *Counts) Merge(o Counts) {
	c.Planned += o.Planned
	c.Sent += o.Sent
	c.SendFailed += o.SendFailed
	c.Skipped += o.Skipped
	c.Received += o.Received
	c.Late += o.Late
	c.Lost += o.Lost
	c.Duplicates += o.Duplicates
	c.Reordered += o.Reordered
}

// Check reports a violation of planned = sent + send failed + skipped or of
// sent = received + late + lost, or nil.
func (c Counts) Check() error {
	if c.Planned != c.Sent+c.SendFailed+c.Skipped || c.Sent != c.Received+c.Late+c.Lost {
		return &Error{Code: CodeInternal, Message: fmt.Sprintf("counts do not add up: %+v", c)}
	}
	return nil
}

// LossRatio returns (lost + late) / sent. It reports false if nothing was sent.
func (c Counts) LossRatio() (float64, bool) {
	if c.Sent == 0 {
		return 0, false
	}
	return float64(c.Lost+c.Late) / float64(c.Sent), true
}

// Sample is what one stream measured over one window, or over an hour or a day of
// merged windows. It is identified by its Stream, Start and Resolution, and never
// changes once it is stored.
type Sample struct {
	Stream Stream

	// Start is the wall time of the window's beginning. Windows lie on a grid
	// of their length since the Unix epoch; the first after a start or a clock
	// step begins between grid points, at a whole millisecond. Start is unique
	// within a stream although a clock that was set back shows times twice: it
	// is moved by as many nanoseconds as the clock was ever seen to be set back
	// (see docs/store.md).
	Start time.Time

	// Length is the time measured, up to the next grid point unless the
	// monitor stopped before; of merged samples the time from the first's
	// start to the last's end, gaps included.
	Length time.Duration

	Interval    time.Duration // nominal time between probes
	LossTimeout time.Duration
	Proof       Proof
	Cause       string // the commonest cause of failed sends, or empty

	Counts     Counts
	RTT        stats.Distribution // seconds, of the received
	Variation  stats.VariationSummary
	LossRuns   stats.LossRuns // over sent probes
	Singletons []Singleton    // in send order, At relative to Start; nil if not asked for or expired
}

// End returns the wall time of the sample's end.
func (s Sample) End() time.Time { return s.Start.Add(s.Length) }

// Adjacency is how far apart two samples may lie and still be joined without a
// break: a loss run that crosses the boundary is then one run.
const Adjacency = 10 * time.Millisecond

// Merge appends o, a later sample of the same stream; time between the two stays
// unmeasured. Singletons are not merged.
func (s *Sample) Merge(o Sample) {
	if s.Counts.Planned == 0 && s.Length == 0 {
		*s = o
		s.Singletons = nil
		s.RTT.Sketch = o.RTT.Sketch.Clone()
		s.Variation.IPDV.Sketch = o.Variation.IPDV.Sketch.Clone()
		return
	}
	if gap := o.Start.Sub(s.End()); gap.Abs() <= Adjacency {
		s.LossRuns.Append(o.LossRuns)
	} else {
		s.LossRuns.Separate(o.LossRuns)
	}
	s.Counts.Merge(o.Counts)
	s.RTT.Merge(o.RTT)
	s.Variation.Merge(o.Variation)
	s.Length = o.End().Sub(s.Start)
	s.Proof = o.Proof
	s.LossTimeout = max(s.LossTimeout, o.LossTimeout)
	s.Interval = o.Interval
	if o.Cause != "" {
		s.Cause = o.Cause
	}
}

// PDV returns the q-quantile of packet delay variation D - min(D) (RFC 5481) over
// the sample, in seconds. It reports false if nothing was received.
func (s Sample) PDV(q float64) (float64, bool) {
	v, ok := s.RTT.Quantile(q)
	return v - s.RTT.Min, ok
}
