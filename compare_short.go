package perigee

import (
	"time"

	"perigee/stats"
)

// provisional makes the intervals from less data than dependence can be told from: those
// of the sign test for the median of the windows' differences. It takes windows as
// independent, which the caller is warned of; to make that less untrue, neighbouring
// windows are put together as far as leastWindows groups remain and blockTime allows.
// Below leastWindows groups there are estimates but no bounds, as there are of periods
// that are not paired, and of the 99th percentile.
func (w *pairing) provisional(p *Pair) {
	for _, q := range comparedQuantiles {
		if w.metric.Kind == KindDistribution || q == 0.5 {
			i := p.about(q)
			var resolution float64
			i.Estimate, resolution, i.Defined = w.estimate(q)
			if w.paired && i.Defined && q != 0.99 && !w.same() {
				*i = w.signInterval(*i, q, resolution)
			}
		}
	}
}

const (
	// slotTime is how long Starlink keeps a terminal's satellite. Differences
	// of shorter groups come in equal neighbours: a minute has four of them.
	slotTime = 15 * time.Second

	// slotWidening is the share of its width by which the interval of groups
	// shorter than slotTime is widened at either end. The range of four values
	// is centred on their mean within 0.5 of the range to either side, and
	// 95 % of means are within 0.717 (Lord, Biometrika 34, 1947):
	// told apart by chance falls from 14 % to 6 % of minutes.
	slotWidening = 0.25
)

// group puts neighbouring windows together and returns them with their length. A window of which less than half was
// measured, such as the first and the last, first joins its neighbour: the quantiles
// of a handful of packets would speak as loud as those of a whole window.
func (w *pairing) group() (a, b []window, length time.Duration) {
	var full time.Duration
	for i := range w.a {
		full = max(full, min(w.a[i].planned, w.b[i].planned))
	}
	for i := range w.a {
		n := len(a)
		short := min(w.a[i].planned, w.b[i].planned) < full/2
		joinsFirst := n == 1 && min(a[0].planned, b[0].planned) < full/2
		if n > 0 && (short || joinsFirst) {
			a[n-1].merge(w.a[i])
			b[n-1].merge(w.b[i])
			continue
		}
		a, b = append(a, w.a[i]), append(b, w.b[i])
	}
	size := max(min(int(blockTime/w.grid), len(a)/leastWindows), 1)
	length = time.Duration(size) * w.grid
	if size == 1 {
		return a, b, length
	}
	var groupsA, groupsB []window
	for i := range a {
		if n := len(groupsA); i%size != 0 || len(a)-i < size {
			groupsA[n-1].merge(a[i])
			groupsB[n-1].merge(b[i])
			continue
		}
		groupsA, groupsB = append(groupsA, a[i]), append(groupsB, b[i])
	}
	return groupsA, groupsB, length
}

// signInterval completes an estimate with the interval of groups of windows.
func (w *pairing) signInterval(estimate Interval, q, resolution float64) Interval {
	a, b, length := w.group()
	test := stats.SignTest{Confidence: confidence, Margin: resolution}
	if length < slotTime && !w.sparse {
		test.Widening = slotWidening
	}
	return test.Interval(estimate.Estimate, w.differences(q, a, b))
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

// estimate returns the difference over all windows together, and how far binning may
// move it.
func (w *pairing) estimate(q float64) (value, resolution float64, ok bool) {
	if w.metric.Kind == KindDistribution {
		va, ra, okA := w.wholeA.Quantile(q)
		vb, rb, okB := w.wholeB.Quantile(q)
		referenceA, referenceB := w.references()
		return (va - referenceA) - (vb - referenceB), ra + rb, okA && okB
	}
	a, b := total(ratios(w.metric, w.a)), total(ratios(w.metric, w.b))
	if a.Whole <= 0 || b.Whole <= 0 {
		return 0, 0, false
	}
	return a.Part/a.Whole - b.Part/b.Whole, 0, true
}

// total returns the sums of all windows.
func total(windows []stats.Ratio) stats.Ratio {
	var sum stats.Ratio
	for _, r := range windows {
		sum.Part += r.Part
		sum.Whole += r.Whole
	}
	return sum
}

// constant reports whether both links' ratio was the same throughout: nothing was lost,
// for example. That bounds nothing.
func (w *pairing) constant() bool {
	first, seen := 0.0, false
	for _, r := range append(ratios(w.metric, w.a), ratios(w.metric, w.b)...) {
		if r.Whole <= 0 {
			continue
		}
		if v := r.Part / r.Whole; !seen {
			first, seen = v, true
		} else if v != first {
			return false
		}
	}
	return true
}
