package perigee

import (
	"fmt"
	"time"

	"perigee/stats"
)

// pairing is what two links measured on one path: in the clock windows in which both
// were, or, of two periods of one link, in all windows of either.
type pairing struct {
	metric         Metric
	quantile       float64  // of a distribution that the verdict is about
	a, b           []window // if paired, a[i] and b[i] are the same clock window
	paired         bool
	onlyA, onlyB   int // windows in which one alone was measured
	grid           time.Duration
	measuredTime   time.Duration
	sparse         bool // measured now and then, so that time measured says nothing
	wholeA, wholeB stats.Histogram
	warnings       []string
}

// pair compares links a and b on path, or, if not both measured it, on the path that
// both did.
func (m *measured) pair(c *Comparison, a, b LinkRecord, path Stream) judged {
	p := Pair{A: a.Link.ID, B: b.Link.ID, Group: m.group.name}
	streamA, streamB := path.on(p.A), path.on(p.B)
	if m.streams[streamA] == nil || m.streams[streamB] == nil {
		path = m.commonPathOf(p.A, p.B)
		streamA, streamB = path.on(p.A), path.on(p.B)
	}
	p.Target = path.Target
	if p.Target == "" && m.measuredAny(p.A) && m.measuredAny(p.B) {
		p.Verdict = m.group.words + "not comparable: no common target"
		p.Warnings = []string{fmt.Sprintf("%s and %s have no target in common: name the same target for both", p.A, p.B)}
		return judged{pair: p}
	}
	w := &pairing{metric: c.Metric, quantile: c.Quantile, paired: true, grid: m.grid}
	w.sparse = c.Metric.transfers() || path.Load != LoadIdle || c.By == ByPhase
	windowsA, windowsB := m.record(streamA).windows, m.record(streamB).windows
	if c.Metric.transfers() {
		windowsA, windowsB, w.warnings = likeWithLike(m.record(streamA), m.record(streamB), p.A, p.B)
	}
	if w.sparse && c.By != ByPhase {
		w.grid = sharedGrid(windowsA, windowsB, m.grid)
		windowsA, windowsB = regrid(windowsA, m.grid, w.grid), regrid(windowsB, m.grid, w.grid)
	}
	w.pairUp(windowsA, windowsB)
	p.Windows, p.Grid = len(w.a), w.grid
	w.compare(&p)
	p.Warnings = append(w.warnings, m.warnings(p, w, streamA, streamB, c.By)...)
	if c.By == "" {
		p.Warnings = append(p.Warnings, m.implausible(streamA, a)...)
		p.Warnings = append(p.Warnings, m.implausible(streamB, b)...)
	}
	return judged{pair: p, w: w, words: m.group.words}
}

// pairUp finds the windows that a and b share.
func (w *pairing) pairUp(a, b []window) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].place < b[0].place:
			w.onlyA, a = w.onlyA+1, a[1:]
		case b[0].place < a[0].place:
			w.onlyB, b = w.onlyB+1, b[1:]
		default:
			w.a, w.b = append(w.a, a[0]), append(w.b, b[0])
			w.measuredTime += min(a[0].planned, b[0].planned)
			a, b = a[1:], b[1:]
		}
	}
	w.onlyA, w.onlyB = w.onlyA+len(a), w.onlyB+len(b)
}

// compare fills p's numbers in.
func (w *pairing) compare(p *Pair) {
	w.wholeA, w.wholeB = stats.MergeHistograms(histograms(w.a)), stats.MergeHistograms(histograms(w.b))
	if w.metric.Kind == KindDistribution {
		referenceA, referenceB := w.references()
		p.ProbabilityALower, p.ProbabilityDefined = stats.ProbabilityLower(w.wholeA, w.wholeB, referenceA, referenceB)
		p.Distance, _, p.DistanceDefined = stats.KolmogorovDistance(w.wholeA, w.wholeB, referenceA, referenceB)
	}
	if !w.enough() {
		w.provisional(p)
		return
	}
	if w.paired && !w.sparse && w.drifts() {
		w.warnings = append(w.warnings, "the difference between the links drifts so slowly that the range holds few independent stretches of it: the interval may be too narrow")
	}
	if w.metric.Kind != KindDistribution {
		p.MedianDifference = w.ratioDifference()
	} else {
		w.quantileDifferences(p)
	}
	p.EnoughData = p.about(w.quantile).Bounded || w.same()
}

// enough reports whether there are windows enough for intervals that allow for the
// dependence of neighbouring ones.
func (w *pairing) enough() bool {
	return min(len(w.a), len(w.b)) >= w.enoughWindows() && (w.sparse || w.measuredTime >= enoughTime*9/10)
}

// enoughWindows returns in how many windows must be measured.
func (w *pairing) enoughWindows() int {
	if w.sparse || w.grid >= blockTime {
		return enoughWindows
	}
	return int(enoughTime / w.grid)
}

// same reports whether the ratio was the same throughout on both links, so that there
// is no interval and no want of data either.
func (w *pairing) same() bool { return w.metric.Kind == KindRatio && w.constant() }

// references are what the values of either link are counted from.
func (w *pairing) references() (a, b float64) {
	if w.metric.Name == MetricPDV {
		a, _ = w.wholeA.Min()
		b, _ = w.wholeB.Min()
	}
	return a, b
}

// about returns the difference of the q-quantile, of a metric without quantiles that of
// the means.
func (p *Pair) about(q float64) *Interval {
	switch q {
	case 0.95:
		return &p.P95Difference
	case 0.99:
		return &p.P99Difference
	default:
		return &p.MedianDifference
	}
}

// comparedQuantiles are those that a comparison tells.
var comparedQuantiles = []float64{0.5, 0.95, 0.99}

// quantileDifferences makes the intervals of a distribution.
func (w *pairing) quantileDifferences(p *Pair) {
	reference := stats.FromZero
	if w.metric.Name == MetricPDV {
		reference = stats.FromMinimum
	}
	differences := stats.QuantileDifferences
	if !w.paired {
		differences = stats.UnpairedQuantileDifferences
	}
	for i, interval := range differences(histograms(w.a), histograms(w.b), w.measuredTime, comparedQuantiles, reference, confidence) {
		*p.about(comparedQuantiles[i]) = interval
	}
}

// ratioDifference makes the interval of a ratio or an estimate.
func (w *pairing) ratioDifference() Interval {
	a, b := ratios(w.metric, w.a), ratios(w.metric, w.b)
	switch {
	case w.metric.Kind == KindRatio && w.paired:
		return stats.ShareDifference(a, b, confidence)
	case w.metric.Kind == KindRatio:
		return stats.UnpairedShareDifference(a, b, confidence)
	case w.paired:
		return stats.MeanDifference(a, b, confidence)
	default:
		return stats.UnpairedMeanDifference(a, b, confidence)
	}
}

// drifts reports whether stretches as long as the differences depend on each other for
// (see stats.BlockLength) do not fit in the range often enough.
func (w *pairing) drifts() bool {
	length := max(int((blockTime+w.grid-1)/w.grid), int(stats.BlockLength(w.differences(0.5, w.a, w.b))))
	return length*int(enoughTime/blockTime) > len(w.a)
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
		case MetricThroughputDown, MetricThroughputUp:
			list[i] = stats.Ratio{Part: w.rates, Whole: float64(w.transfers)}
		}
	}
	return list
}
