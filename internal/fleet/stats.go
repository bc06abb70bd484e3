package fleet

import (
	"sync"
	"time"

	"perigee"
)

// Stats is what a fleet has done so far.
type Stats struct {
	Homes   int
	Windows int64 // samples that Append has acknowledged
	Batches int64
	Counts  perigee.Counts // of these samples
	Outages int64          // acknowledged, each counted once

	// Behind is by how much the oldest window that is due and not acknowledged is
	// late: not more than 100 ms and a commit while Run keeps pace, 0 while it does
	// not run. Due is how many homes have such a window, each counted.
	Behind time.Duration
	Due    int64

	Retries int64 // failed calls of Append and Describe that were or will be repeated
	Err     error // why the last call failed; nil once one succeeds
}

// LinkCount is what a store must hold of one link if nothing was lost.
type LinkCount struct {
	Site string
	Link perigee.LinkID

	Windows     int64
	Counts      perigee.Counts
	Outages     int64     // by their start, each counted once
	First, Last time.Time // starts of the first and last window; zero if none
}

// Stats returns what was done so far.
func (f *Fleet) Stats() Stats {
	now := f.options.Now()
	f.ledger.mu.Lock()
	defer f.ledger.mu.Unlock()
	s := f.ledger.total
	s.Homes = len(f.homes)
	if due := f.due(f.ledger.next); f.ledger.running && due.Before(now) {
		s.Behind = now.Sub(due)
		s.Due = f.firstAfter(now) - f.ledger.next
	}
	return s
}

// Counts returns the exact counts of every link, ordered by home and then as homes have
// them.
func (f *Fleet) Counts() []LinkCount {
	f.ledger.mu.Lock()
	defer f.ledger.mu.Unlock()
	counts := make([]LinkCount, 0, len(f.homes)*len(kinds))
	for _, h := range f.homes {
		for _, l := range h.links {
			counts = append(counts, l.count)
		}
	}
	return counts
}

// ledger counts what was acknowledged.
type ledger struct {
	mu      sync.Mutex // guards all that follows, and link.count of all links
	total   Stats
	running bool  // Run runs
	next    int64 // its next turn
}

// entry is what a batch adds to the ledger. The batch itself is Append's.
type entry struct {
	samples []sampleEntry
	outages []outageEntry
}

type sampleEntry struct {
	link   *link
	start  time.Time
	counts perigee.Counts
}

type outageEntry struct {
	link  *link
	start time.Time
}

// add notes what one link adds.
func (e *entry) add(l *link, s perigee.Sample, outages []perigee.Outage) {
	e.samples = append(e.samples, sampleEntry{l, s.Start, s.Counts})
	for _, o := range outages {
		e.outages = append(e.outages, outageEntry{l, o.Start})
	}
}

// post counts what was acknowledged; next is the turn after it.
func (l *ledger) post(e entry, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Batches++
	for _, s := range e.samples {
		l.total.Windows++
		l.total.Counts.Merge(s.counts)
		c := &s.link.count
		c.Windows++
		c.Counts.Merge(s.counts)
		if c.First.IsZero() {
			c.First = s.start
		}
		c.Last = s.start
	}
	for _, o := range e.outages {
		if o.start.Equal(o.link.lastOutage) {
			continue // it was open, and is told again
		}
		o.link.lastOutage = o.start
		o.link.count.Outages++
		l.total.Outages++
	}
	l.next = next
}

// run notes that Run begins at turn next, or ends.
func (l *ledger) run(running bool, next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running, l.next = running, next
}

// tried notes how a call of Append or Describe ended.
func (l *ledger) tried(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Err = err
	if perigee.CodeOf(err) == perigee.CodeUnavailable {
		l.total.Retries++
	}
}
