package traces

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"perigee"
)

// streamName tells the streams of one trace apart.
type streamName struct {
	target perigee.TargetID
	method perigee.Method
	family perigee.Family
}

// streamLimit bounds how many streams one trace may have, and so the memory of them.
const streamLimit = 1000

// collector takes what a reader finds, makes windows of it and hands them over.
type collector struct {
	options Options
	put     func(perigee.Batch) error
	report  Report

	streams map[streamName]*assembler
	order   []*assembler
	renamed perigee.TargetID // what the trace calls the target that Options.Target names
	named   bool

	relinked perigee.LinkID // likewise the link, of our own exports
	linked   bool

	untold int64 // probes that no line told of

	makers map[linkName]*makerSpan // of the link's newest result

	batch      perigee.Batch
	singletons int
	failed     error // of put; nothing more is handed over
}

var errStreams = fmt.Errorf("it names more than %d targets", streamLimit)

// stream returns the assembler of a stream that the trace names.
func (c *collector) stream(target string, method perigee.Method, family perigee.Family) (*assembler, error) {
	name, err := c.name(perigee.TargetID(target))
	if err != nil {
		return nil, err
	}
	key := streamName{name, method, family}
	if a, ok := c.streams[key]; ok {
		return a, nil
	}
	if len(c.streams) >= streamLimit {
		return nil, errStreams
	}
	a := newAssembler(c, perigee.Stream{Site: c.options.Site, Link: c.options.Link, Target: name, Method: method, Family: family, Load: perigee.LoadIdle})
	c.streams[key] = a
	c.order = append(c.order, a)
	return a, nil
}

// name returns the target's name in the results.
func (c *collector) name(target perigee.TargetID) (perigee.TargetID, error) {
	if c.options.Target == "" {
		if target == "" {
			target = "imported"
		}
		return target, nil
	}
	if target == "" {
		return c.options.Target, nil
	}
	if !c.named {
		c.renamed, c.named = target, true
	}
	if target != c.renamed {
		return "", fmt.Errorf("it is of target %q, the trace began with %q: leave --target away to import both", target, c.renamed)
	}
	return c.options.Target, nil
}

// credit reports whether the trace may leave out n more probes, and counts them.
func (c *collector) credit(n int64) bool {
	if c.untold+n > lostCredit+lostCreditPerLine*c.report.Lines {
		return false
	}
	c.untold += n
	return true
}

// line counts a line of the trace, numbered from 1, and what came of it.
func (c *collector) line(number int64, err error) {
	switch {
	case err == nil:
		c.report.Results++
	case errors.Is(err, errNothing):
	case errors.Is(err, errRepeated):
		c.report.Repeated++
	default:
		c.report.Bad++
		if c.options.Bad != nil {
			c.options.Bad(number, err)
		}
	}
}

// What a reader may say of a line that is neither a result nor bad.
var (
	errNothing  = errors.New("it tells of no probe")
	errRepeated = errors.New("it was told before")
)

// note tells what a reader of the results must know.
func (c *collector) note(text string) {
	if !slices.Contains(c.report.Notes, text) {
		c.report.Notes = append(c.report.Notes, text)
	}
}

// futureMargin is by how much the clock of a trace may be ahead of this machine's.
const futureMargin = time.Minute

// plausible refuses times that no trace can hold, in nanoseconds since the Unix epoch.
func (c *collector) plausible(ns int64) error {
	switch {
	case ns <= 0:
		return errors.New("its time is not after 1970")
	case c.options.Now != nil && ns > c.options.Now().Add(futureMargin).UnixNano():
		return fmt.Errorf("its time, %s, lies in the future", time.Unix(0, ns).UTC().Format(time.RFC3339))
	case ns > 1<<62:
		return errors.New("its time is after 2116")
	}
	return nil
}

// sample takes a window.
func (c *collector) sample(s perigee.Sample) {
	c.report.Windows++
	c.report.Counts.Merge(s.Counts)
	c.spans(s.Stream, s.Start, s.End())
	c.singletons += len(s.Singletons)
	c.batch.Samples = append(c.batch.Samples, s)
	if len(c.batch.Samples) >= batchSamples || c.singletons >= batchSingletons {
		c.flush()
	}
}

// throughput takes a transfer.
func (c *collector) throughput(t perigee.Throughput) {
	c.report.Throughputs++
	c.spans(t.Stream, t.Start, t.End())
	c.batch.Throughputs = append(c.batch.Throughputs, t)
	if len(c.batch.Throughputs) >= batchSamples {
		c.flush()
	}
}

func (c *collector) outage(o perigee.Outage) {
	c.report.Outages++
	c.batch.Outages = append(c.batch.Outages, o)
}

func (c *collector) gap(g perigee.Gap) {
	c.report.Gaps++
	c.batch.Gaps = append(c.batch.Gaps, g)
}

// spans extends the time and the streams of the report.
func (c *collector) spans(s perigee.Stream, from, to time.Time) {
	if c.report.First.IsZero() || from.Before(c.report.First) {
		c.report.First = from
	}
	if to.After(c.report.Last) {
		c.report.Last = to
	}
	if !slices.Contains(c.report.Streams, s) {
		c.report.Streams = append(c.report.Streams, s)
	}
}

// flush hands over what there is.
func (c *collector) flush() {
	if c.failed == nil && !c.batch.Empty() {
		c.failed = c.put(c.batch)
	}
	c.batch, c.singletons = perigee.Batch{}, 0
}

// finish ends all streams: the trace is over.
func (c *collector) finish() {
	for _, a := range c.order {
		a.finish()
	}
	for _, name := range slices.SortedFunc(maps.Keys(c.makers), linkName.compare) {
		c.toldMaker(name, c.makers[name])
	}
	c.flush()
}
