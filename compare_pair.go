package perigee

import (
	"fmt"
	"time"

	"perigee/stats"
)

// pairing is the clock windows in which two links were both measured on one path.
type pairing struct {
	metric         Metric
	a, b           []window // a[i] and b[i] are the same clock window
	onlyA, onlyB   int      // windows in which one alone was measured
	grid           time.Duration
	blockWindows   int // windows that blockTime needs
	measuredTime   time.Duration
	wholeA, wholeB stats.Histogram
}

// pair compares links a and b on path, or, if not both measured it, on the path that
// both did.
func (m *measured) pair(metric Metric, a, b LinkRecord, path Stream) Pair {
	p := Pair{A: a.Link.ID, B: b.Link.ID}
	streamA, streamB := path.on(p.A), path.on(p.B)
	if m.streams[streamA] == nil || m.streams[streamB] == nil {
		path = m.commonPathOf(p.A, p.B)
		streamA, streamB = path.on(p.A), path.on(p.B)
	}
	p.Target = path.Target
	recordA, recordB := m.record(streamA), m.record(streamB)
	if p.Target == "" && m.measuredAny(p.A) && m.measuredAny(p.B) {
		p.Verdict = "not comparable: no common target"
		p.Warnings = []string{fmt.Sprintf("%s and %s have no target in common: name the same target for both", p.A, p.B)}
		return p
	}
	w := pairUp(metric, recordA.windows, recordB.windows, m.grid)
	p.Windows = len(w.a)
	usable := w.compare(&p)
	p.Verdict = verdict(p, metric, usable, w.measuredTime)
	p.Warnings = append(p.Warnings, m.warnings(p, w, streamA, streamB, a, b)...)
	return p
}

// pairUp finds the windows that a and b share.
func pairUp(metric Metric, a, b []window, grid time.Duration) *pairing {
	w := &pairing{metric: metric, grid: grid, blockWindows: int((blockTime + grid - 1) / grid)}
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].place < b[0].place:
			w.onlyA, a = w.onlyA+1, a[1:]
		case b[0].place < a[0].place:
			w.onlyB, b = w.onlyB+1, b[1:]
		default:
			w.a, w.b = append(w.a, a[0]), append(w.b, b[0])
			w.measuredTime += min(a[0].planned, b[0].planned)
			w.wholeA.Merge(a[0].rtt)
			w.wholeB.Merge(b[0].rtt)
			a, b = a[1:], b[1:]
		}
	}
	w.onlyA, w.onlyB = w.onlyA+len(a), w.onlyB+len(b)
	return w
}

// compare fills p's numbers in. It returns how many windows, or groups of them, the
// intervals rest on.
func (w *pairing) compare(p *Pair) int {
	referenceA, referenceB := w.references()
	if w.metric.Kind == KindDistribution {
		p.ProbabilityALower, p.ProbabilityDefined = stats.ProbabilityLower(w.wholeA, w.wholeB, referenceA, referenceB)
	}
	p.EnoughData = len(w.a) >= enoughBlocks*w.blockWindows && w.measuredTime >= enoughBlocks*blockTime*9/10
	if p.EnoughData {
		w.firm(p)
		return len(w.a)
	}
	return w.provisional(p)
}

// references are what the values of either link are counted from.
func (w *pairing) references() (a, b float64) {
	if w.metric.Name == MetricPDV {
		a, _ = w.wholeA.Min()
		b, _ = w.wholeB.Min()
	}
	return a, b
}

// firm makes the intervals that allow for whatever dependence the windows have.
func (w *pairing) firm(p *Pair) {
	if w.drifts() {
		p.Warnings = append(p.Warnings, "the difference between the links drifts so slowly that the range holds few independent stretches of it: the interval may be too narrow")
	}
	switch w.metric.Kind {
	case KindRatio:
		p.MedianDifference = stats.ShareDifference(ratios(w.metric, w.a), ratios(w.metric, w.b), confidence)
	case KindDistribution:
		reference := stats.FromZero
		if w.metric.Name == MetricPDV {
			reference = stats.FromMinimum
		}
		intervals := stats.QuantileDifferences(histograms(w.a), histograms(w.b), w.measuredTime, []float64{0.5, 0.95}, reference, confidence)
		p.MedianDifference, p.P95Difference = intervals[0], intervals[1]
	default:
		p.MedianDifference = stats.MeanDifference(ratios(w.metric, w.a), ratios(w.metric, w.b), confidence)
	}
}

// drifts reports whether stretches as long as the differences depend on each other
// for (see stats.BlockLength) do not fit in the range enoughBlocks times.
func (w *pairing) drifts() bool {
	length := max(w.blockWindows, int(stats.BlockLength(w.differences(0.5, w.a, w.b))))
	return length*enoughBlocks > len(w.a)
}

// differences returns the difference of the metric (of the q-quantile of a
// distribution) for each window in which both links have one.
func (w *pairing) differences(q float64, a, b []window) []float64 {
	var list []float64
	referenceA, referenceB := w.references()
	ratiosA, ratiosB := ratios(w.metric, a), ratios(w.metric, b)
	for i := range a {
		if w.metric.Kind == KindDistribution {
			va, _, okA := a[i].rtt.Quantile(q)
			vb, _, okB := b[i].rtt.Quantile(q)
			if okA && okB {
				list = append(list, (va-referenceA)-(vb-referenceB))
			}
			continue
		}
		if ra, rb := ratiosA[i], ratiosB[i]; ra.Whole > 0 && rb.Whole > 0 {
			list = append(list, ra.Part/ra.Whole-rb.Part/rb.Whole)
		}
	}
	return list
}

// histograms returns the windows' RTT.
func histograms(windows []window) []stats.Histogram {
	list := make([]stats.Histogram, len(windows))
	for i, w := range windows {
		list[i] = w.rtt
	}
	return list
}

// ratios returns, for each window, the two sums that metric is the ratio of.
func ratios(metric Metric, windows []window) []stats.Ratio {
	list := make([]stats.Ratio, len(windows))
	for i, w := range windows {
		switch metric.Name {
		case MetricLossRatio:
			list[i] = stats.Ratio{Part: float64(w.missed), Whole: float64(w.sent)}
		case MetricJitter:
			list[i] = stats.Ratio{Part: w.jitter, Whole: float64(w.pairs)}
		case MetricAvailability:
			planned := w.planned.Seconds()
			list[i] = stats.Ratio{Part: max(planned-w.down.Seconds(), 0), Whole: planned}
		}
	}
	return list
}
