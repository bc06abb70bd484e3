package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is an estimate with its confidence interval.
type Interval struct {
	Estimate   float64
	Low, High  float64 // meaningful if Bounded
	Confidence float64 // e.g. 0.95
	Defined    bool    // whether Estimate means anything
	Bounded    bool
}

// Bootstrap sets how differences are resampled.
//
// The method is the circular block bootstrap (Künsch 1989; Liu & Singh 1992; Politis
// & Romano 1992): the paired windows of the two links are laid in a circle, runs of
// Block windows are drawn from it at random until as many windows are drawn as there
// were, and the difference is computed from these; both links always get the same
// windows, so that what hit them together stays together. Blocks carry the dependence
// of neighbouring windows (15 s slots, rain) into the resamples. The interval is
// between the percentiles of the resamples, taken wider by Student's t for as many
// blocks as there are (the expanded percentile interval of Hesterberg 2015), because
// the plain one is too narrow for few blocks.
type Bootstrap struct {
	Block      int     // windows per block; at least 1
	Confidence float64 // 0.95 if 0
	Resamples  int     // 1000 if 0
	Rand       *rand.Rand
}

// Reference says from what a distribution's values are counted.
type Reference int

// The references.
const (
	FromZero    Reference = iota
	FromMinimum           // the smallest value: packet delay variation (RFC 5481)
)

// QuantileDifferences returns, for each of qs, the difference between the q-quantile
// of all of a's windows together and that of b's, with its interval. a[i] and b[i]
// are the same clock window; windows without values are allowed. An estimate is not
// Defined if a or b has no values at all, and not Bounded below two blocks.
//
// The interval includes the resolution of both quantiles (see Histogram.Quantile).
func (s Bootstrap) QuantileDifferences(a, b []Histogram, qs []float64, reference Reference) []Interval {
	s = s.withDefaults()
	n := len(a)
	intervals := make([]Interval, len(qs))
	if n == 0 || n != len(b) {
		return intervals
	}
	block := min(s.Block, n)
	p := tables{a: newTable(a, block), b: newTable(b, block)}
	if reference == FromMinimum {
		p.referenceA, p.referenceB = p.a.minimum(), p.b.minimum()
	}
	whole := []run{{0, n}}
	if !p.defined(whole) {
		return intervals
	}
	resolutions := make([]float64, len(qs))
	for i, q := range qs {
		estimate, resolution := p.difference(whole, q)
		intervals[i] = Interval{Estimate: estimate, Confidence: s.Confidence, Defined: true}
		resolutions[i] = resolution
	}
	drawn := make([][]float64, len(qs))
	s.resample(n, block, func(runs []run) {
		if !p.defined(runs) {
			return
		}
		for i, q := range qs {
			d, _ := p.difference(runs, q)
			drawn[i] = append(drawn[i], d)
		}
	})
	for i := range intervals {
		s.bound(&intervals[i], drawn[i], n, block, resolutions[i])
		if reference == FromMinimum {
			intervals[i].addError(s.minimumError(a, b, block))
		}
	}
	return intervals
}

// tables are the windows of two links, and what their values are counted from.
type tables struct {
	a, b                   *table
	referenceA, referenceB float64
}

func (p tables) defined(runs []run) bool { return p.a.count(runs) > 0 && p.b.count(runs) > 0 }

func (p tables) difference(runs []run, q float64) (value, resolution float64) {
	va, ra := p.a.quantile(runs, q)
	vb, rb := p.b.quantile(runs, q)
	return (va - p.referenceA) - (vb - p.referenceB), ra + rb
}

// Ratio is a part and its whole, e.g. lost and sent.
type Ratio struct{ Part, Whole float64 }

// RatioDifference returns the difference between the ratio of sums (all parts over
// all wholes) of a and that of b, with its interval. a[i] and b[i] are the same clock
// window. It is not Defined if a whole is nothing, and not Bounded below two blocks or
// if neither ratio varies: never having lost anything says nothing of how sure that is.
//
// Rare events fool a bootstrap: four losses against none would exclude 0, although
// chance puts four of four on one side once in eight times. So the interval includes
// 0 unless a randomization test over the blocks (see SignFlip) rejects it too.
func (s Bootstrap) RatioDifference(a, b []Ratio) Interval {
	s = s.withDefaults()
	n := len(a)
	if n == 0 || n != len(b) {
		return Interval{}
	}
	block := min(s.Block, n)
	sumsA, sumsB := newSums(a, block), newSums(b, block)
	difference := func(runs []run) (float64, bool) {
		ra, rb := sumsA.over(runs), sumsB.over(runs)
		return ra.Part/ra.Whole - rb.Part/rb.Whole, ra.Whole > 0 && rb.Whole > 0
	}
	whole := []run{{0, n}}
	estimate, ok := difference(whole)
	if !ok {
		return Interval{}
	}
	interval := Interval{Estimate: estimate, Confidence: s.Confidence, Defined: true}
	if constant(a) && constant(b) {
		return interval
	}
	var drawn []float64
	s.resample(n, block, func(runs []run) {
		if d, ok := difference(runs); ok {
			drawn = append(drawn, d)
		}
	})
	s.bound(&interval, drawn, n, block, 0)
	if interval.Bounded && (interval.Low > 0 || interval.High < 0) {
		allA, allB := sumsA.over(whole), sumsB.over(whole)
		var parts []float64
		for start := 0; start < n; start += block {
			r := []run{{start, min(block, n-start)}}
			parts = append(parts, sumsA.over(r).Part/allA.Whole-sumsB.over(r).Part/allB.Whole)
		}
		if SignFlip(parts, s.Rand) > 1-s.Confidence {
			interval.Low, interval.High = min(interval.Low, 0), max(interval.High, 0)
		}
	}
	return interval
}

// constant reports whether all windows have the same ratio.
func constant(ratios []Ratio) bool {
	first, seen := 0.0, false
	for _, r := range ratios {
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

// sums holds the sums of ratios before each window, the first windows repeated.
type sums []Ratio

func newSums(windows []Ratio, repeated int) sums {
	s := make(sums, len(windows)+repeated+1)
	for i := range len(s) - 1 {
		w := windows[i%len(windows)]
		s[i+1] = Ratio{s[i].Part + w.Part, s[i].Whole + w.Whole}
	}
	return s
}

func (s sums) over(runs []run) Ratio {
	var total Ratio
	for _, r := range runs {
		total.Part += s[r.start+r.length].Part - s[r.start].Part
		total.Whole += s[r.start+r.length].Whole - s[r.start].Whole
	}
	return total
}

func (s Bootstrap) withDefaults() Bootstrap {
	if s.Confidence == 0 {
		s.Confidence = 0.95
	}
	if s.Resamples == 0 {
		s.Resamples = 1000
	}
	s.Block = max(s.Block, 1)
	return s
}

// resample draws n of n windows in runs of block from the circle, Resamples times.
// The runs are only valid during the call.
func (s Bootstrap) resample(n, block int, use func([]run)) {
	if n < 2*block {
		return
	}
	runs := make([]run, (n+block-1)/block)
	for range s.Resamples {
		left := n
		for i := range runs {
			runs[i] = run{s.Rand.IntN(n), min(block, left)}
			left -= block
		}
		use(runs)
	}
}

// bound sets the interval from what the resamples gave, widened by resolution.
func (s Bootstrap) bound(interval *Interval, drawn []float64, n, block int, resolution float64) {
	blocks := float64(n) / float64(block)
	if blocks < 2 || 2*len(drawn) < s.Resamples {
		return
	}
	slices.Sort(drawn)
	tail := expandedTail(s.Confidence, blocks)
	interval.Low = min(quantileOfSorted(drawn, tail), interval.Estimate) - resolution
	interval.High = max(quantileOfSorted(drawn, 1-tail), interval.Estimate) + resolution
	interval.Bounded = true
}

// expandedTail returns the share of resamples to leave out on either side: what a
// normal distribution leaves beyond Student's t times sqrt(n/(n-1)) for n blocks
// (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 3.4.2).
func expandedTail(confidence, blocks float64) float64 {
	t := studentQuantile((1+confidence)/2, max(blocks-1, 1))
	return normalCDF(-t * math.Sqrt(blocks/(blocks-1)))
}

// quantileOfSorted returns the q-quantile (type 7).
func quantileOfSorted(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	k := int(rank)
	if k+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[k] + (rank-float64(k))*(sorted[k+1]-sorted[k])
}
