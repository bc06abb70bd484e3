package perigee

import (
	"time"

	"perigee/stats"
)

// provisional makes the intervals from less data than firm ones need: those
// of the sign test for the median of the windows' differences. It takes windows as
// independent, which the caller is warned of; to make that less untrue, neighbouring
// windows are put together as far as leastWindows groups remain and blockTime allows.
// It returns the number of groups; below leastWindows there are estimates but no
// bounds.
func (w *pairing) provisional(p *Pair) int {
	a, b, length := w.group()
	widening := 0.0
	if length < slotTime {
		widening = slotWidening
	}
	p.MedianDifference = w.signInterval(0.5, a, b, widening)
	if w.metric.Kind == KindDistribution {
		p.P95Difference = w.signInterval(0.95, a, b, widening)
	}
	return len(w.differences(0.5, a, b))
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
	size := max(min(w.blockWindows, len(a)/leastWindows), 1)
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

// signInterval returns the estimate over all windows with the interval of the groups,
// each end moved out by widening times its width.
func (w *pairing) signInterval(q float64, a, b []window, widening float64) Interval {
	estimate, resolution, ok := w.estimate(q)
	if !ok {
		return Interval{}
	}
	if w.metric.Kind == KindRatio && w.constant() {
		return Interval{Estimate: estimate, Confidence: confidence, Defined: true}
	}
	test := stats.SignTest{Confidence: confidence, Widening: widening, Margin: resolution}
	return test.Interval(estimate, w.differences(q, a, b))
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

// constant reports whether neither link's ratio ever changed: nothing was lost, for
// example. That bounds nothing.
func (w *pairing) constant() bool {
	differences := w.differences(0, w.a, w.b)
	for _, d := range differences {
		if d != differences[0] {
			return false
		}
	}
	return len(differences) == 0 || differences[0] == 0
}
