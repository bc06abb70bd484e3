package api

import (
	"maps"
	"math"
	"time"

	"perigee"
	"perigee/stats"
)

// streamTotals is what /metrics says of a stream: counts since the process started, and
// the last window.
type streamTotals struct {
	since    time.Time // start of the first sample; zero if there is none yet
	counts   perigee.Counts
	planned  time.Duration // that probes were due for
	rtt      rttHistogram
	rttSum   float64 // seconds
	ipdv     totalled
	pdv      totalled // each round trip less the smallest of its window
	lossRuns stats.LossRuns

	outages      int64
	outageTime   time.Duration // in all of them
	outage       bool          // whether one is open
	outageStart  time.Time     // of the newest
	outageLength time.Duration // of the newest, as far as it was counted

	lastEnd     time.Time
	lastLoss    *float64            // nil if nothing was sent
	quantiles   map[float64]float64 // of RTT, seconds; never changed, only replaced, as the next two
	ipdvTail    map[float64]float64
	pdvTail     map[float64]float64
	rttMin      *float64 // seconds; nil if nothing was received
	jitter      *float64 // seconds; nil until two consecutive probes arrived
	lossTimeout time.Duration
}

// totalled is a number of values and their sum, in seconds.
type totalled struct {
	count int64
	sum   float64
}

// The quantiles of the last window that are told.
var (
	rttQuantiles  = []float64{0.05, 0.5, 0.9, 0.95, 0.99}
	ipdvQuantiles = []float64{0.95}
	pdvQuantiles  = []float64{0.95, 0.99}
)

// quantilesOf asks for each of qs. What is undefined is NaN, which is what the Prometheus
// format says for it.
func quantilesOf(quantile func(float64) (float64, bool), qs []float64) map[float64]float64 {
	all := map[float64]float64{}
	for _, q := range qs {
		v, ok := quantile(q)
		if !ok {
			v = math.NaN()
		}
		all[q] = v
	}
	return all
}

// add counts a sample.
func (t *streamTotals) add(s perigee.Sample) {
	switch gap := s.Start.Sub(t.lastEnd); {
	case t.since.IsZero():
		t.since, t.lossRuns = s.Start, s.LossRuns
	case gap.Abs() <= perigee.Adjacency:
		t.lossRuns.Append(s.LossRuns)
	default:
		t.lossRuns.Separate(s.LossRuns)
	}
	t.counts.Merge(s.Counts)
	t.planned += time.Duration(s.Counts.Planned) * s.Interval
	t.rtt.addSample(s)
	received := float64(s.RTT.Count)
	t.rttSum += s.RTT.Mean * received
	t.ipdv.count += s.Variation.IPDV.Count
	t.ipdv.sum += s.Variation.IPDV.Mean * float64(s.Variation.IPDV.Count)
	t.pdv.count += s.RTT.Count
	if s.RTT.Count > 0 {
		t.pdv.sum += max(0, s.RTT.Mean-s.RTT.Min) * received
	}

	t.lastEnd, t.lossTimeout = s.End(), s.LossTimeout
	t.lastLoss = defined(s.Counts.LossRatio())
	t.quantiles = quantilesOf(s.RTT.Quantile, rttQuantiles)
	t.ipdvTail = quantilesOf(s.Variation.IPDV.Quantile, ipdvQuantiles)
	t.pdvTail = quantilesOf(s.PDV, pdvQuantiles)
	t.rttMin = defined(s.RTT.Min, s.RTT.Count > 0)
	t.jitter = defined(s.Variation.Jitter, s.Variation.JitterDefined)
}

// addOutage counts an outage that begins, goes on or ends: it is told each time.
func (t *streamTotals) addOutage(o perigee.Outage) {
	if t.outages == 0 || !o.Start.Equal(t.outageStart) {
		t.outages++
		t.outageStart, t.outageLength = o.Start, 0
	}
	if length := o.End.Sub(o.Start); length > t.outageLength {
		t.outageTime += length - t.outageLength
		t.outageLength = length
	}
	t.outage = o.Open
}

// clone returns a copy that shares nothing that changes.
func (t *streamTotals) clone() streamTotals {
	c := *t
	c.rtt = t.rtt.clone()
	return c
}

// linkOf names a link among those of all sites; its link is empty for gaps of all links.
type linkOf struct {
	site string
	link perigee.LinkID
}

// gapKind tells gaps apart that are counted apart.
type gapKind struct {
	linkOf
	reason perigee.GapReason
}

// gapTotals is what is counted of gaps.
type gapTotals struct {
	count int64
	time  time.Duration
}

// transferKind tells transfers apart that are counted apart.
type transferKind struct {
	linkOf
	direction perigee.Load
	outcome   string
}

// The outcomes of transfers, as /metrics counts them.
const (
	transferCompleted = "completed" // it ended at its time, precision or cap
	transferCancelled = "cancelled"
	transferFailed    = "failed"
	transferSkipped   = "skipped" // it was due, and not made
)

var transferOutcomes = []string{transferCompleted, transferCancelled, transferFailed, transferSkipped}

// monitorTotals counts what the monitor did and did not do since the process started.
type monitorTotals struct {
	gaps      map[gapKind]gapTotals
	transfers map[transferKind]int64
}

func (m *monitorTotals) addGap(g perigee.Gap) {
	if m.gaps == nil {
		m.gaps = map[gapKind]gapTotals{}
	}
	kind := gapKind{linkOf{g.Site, g.Link}, g.Reason}
	t := m.gaps[kind]
	t.count++
	t.time += max(0, g.End.Sub(g.Start))
	m.gaps[kind] = t
}

// addTransfers counts the transfers that b tells of: results, and events of those without
// one. One that failed half-way is told by both and counts once.
func (m *monitorTotals) addTransfers(b perigee.Batch) {
	failed := map[transferKind]int64{}
	for _, e := range b.Events {
		_, direction, ok := perigee.ParseTransferDetail(e.Detail)
		kind := transferKind{linkOf{e.Site, e.Link}, direction, transferFailed}
		switch {
		case !ok:
		case e.Kind == perigee.EventTransferFailed:
			failed[kind]++
		case e.Kind == perigee.EventTransferSkipped:
			kind.outcome = transferSkipped
			m.countTransfers(kind, 1)
		}
	}
	for _, t := range b.Throughputs {
		kind := transferKind{linkOf{t.Stream.Site, t.Stream.Link}, t.Stream.Load, transferFailed}
		switch {
		case failed[kind] > 0:
			continue // the event counts
		case t.Stop == perigee.StoppedByUser:
			kind.outcome = transferCancelled
		case t.Stop != perigee.StoppedByFailure:
			kind.outcome = transferCompleted
		}
		m.countTransfers(kind, 1)
	}
	for kind, n := range failed {
		m.countTransfers(kind, n)
	}
}

func (m *monitorTotals) countTransfers(kind transferKind, n int64) {
	if m.transfers == nil {
		m.transfers = map[transferKind]int64{}
	}
	m.transfers[kind] += n
}

// clone returns a copy that shares nothing.
func (m *monitorTotals) clone() monitorTotals {
	return monitorTotals{maps.Clone(m.gaps), maps.Clone(m.transfers)}
}
