package stats

import (
	"math"
	"slices"
	"sort"
)

// Histogram is the content of a Distribution laid out for comparison: its sketch's
// bins in ascending order, which take a fraction of the memory, and its exact
// extremes. It is mergeable. The zero value is empty.
type Histogram struct {
	bins     []bin
	count    int64
	min, max float64
}

type bin struct {
	index int // of the mapping, or zeroBin
	count int64
}

// zeroBin is the index of the bin of zero, below all others.
const zeroBin = math.MinInt

// Histogram returns d's histogram, which shares nothing with d.
func (d Distribution) Histogram() Histogram {
	h := Histogram{count: d.Count, min: d.Min, max: d.Max}
	d.Sketch.forEachBin(func(index int, count int64) { h.bins = append(h.bins, bin{index, count}) })
	return h
}

// Count returns the number of values.
func (h Histogram) Count() int64 { return h.count }

// Min returns the smallest value. It reports false if h is empty.
func (h Histogram) Min() (float64, bool) { return h.min, h.count > 0 }

// Merge adds o's values.
func (h *Histogram) Merge(o Histogram) {
	switch {
	case o.count == 0:
		return
	case h.count == 0:
		*h = o
		h.bins = slices.Clone(o.bins)
		return
	}
	merged := make([]bin, 0, len(h.bins)+len(o.bins))
	a, b := h.bins, o.bins
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].index < b[0].index:
			merged, a = append(merged, a[0]), a[1:]
		case b[0].index < a[0].index:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, bin{a[0].index, a[0].count + b[0].count})
			a, b = a[1:], b[1:]
		}
	}
	h.bins = append(append(merged, a...), b...)
	h.count += o.count
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
}

// MergeHistograms returns all values of windows as one.
func MergeHistograms(windows []Histogram) Histogram {
	var whole Histogram
	lowest, highest := math.MaxInt, math.MinInt
	var zeros int64
	for _, h := range windows {
		if h.count == 0 {
			continue
		}
		if whole.count == 0 {
			whole.min, whole.max = h.min, h.max
		}
		whole.count += h.count
		whole.min, whole.max = min(whole.min, h.min), max(whole.max, h.max)
		bins := h.bins
		if bins[0].index == zeroBin {
			zeros += bins[0].count
			bins = bins[1:]
		}
		if len(bins) > 0 {
			lowest, highest = min(lowest, bins[0].index), max(highest, bins[len(bins)-1].index)
		}
	}
	if zeros > 0 {
		whole.bins = append(whole.bins, bin{zeroBin, zeros})
	}
	if lowest > highest {
		return whole
	}
	counts := make([]int64, highest-lowest+1)
	for _, h := range windows {
		for _, b := range h.bins {
			if b.index != zeroBin {
				counts[b.index-lowest] += b.count
			}
		}
	}
	for i, n := range counts {
		if n > 0 {
			whole.bins = append(whole.bins, bin{lowest + i, n})
		}
	}
	return whole
}

// Quantile returns the q-quantile (type 7, as Sketch.Quantile), the values of a bin
// taken to lie evenly over it. Unlike Sketch.Quantile, whose answers are the bins'
// middles and so jump by 1 %, it moves smoothly with the data, which comparison
// needs; within a bin it may err by resolution.
//
// Resolution is half the width of the bin times the share that the bin has of the
// values on the quantile's side (twice the share of all for the median): the whole
// half-width if all values lie in one bin, little if they spread over many. It
// reports false if h is empty or q is outside [0, 1].
func (h Histogram) Quantile(q float64) (value, resolution float64, ok bool) {
	if h.count == 0 || !(q >= 0 && q <= 1) {
		return 0, 0, false
	}
	rank := q * float64(h.count-1)
	k := int64(rank)
	i, at := h.find(k)
	low, high := h.bounds(i)
	value = spread(low, high, at, h.bins[i].count)
	if fraction := rank - float64(k); fraction > 0 {
		next, at := h.find(k + 1)
		low, high := h.bounds(next)
		value += fraction * (spread(low, high, at, h.bins[next].count) - value)
	}
	return value, (high - low) / 2 * binShare(h.bins[i].count, h.count, q), true
}

// find returns the bin that holds the k-th smallest value, counted from 0, and the
// value's rank within it.
func (h Histogram) find(k int64) (i int, at int64) {
	for i, b := range h.bins {
		if k < b.count {
			return i, k
		}
		k -= b.count
	}
	panic("stats: histogram holds fewer values than it counts")
}

// bounds returns what values bin i may hold, given the extremes.
func (h Histogram) bounds(i int) (low, high float64) {
	low, high = bounds(h.bins[i].index)
	return min(max(low, h.min), h.max), max(min(high, h.max), h.min)
}

// spread returns the place of the k-th of count values that lie evenly between low
// and high.
func spread(low, high float64, k, count int64) float64 {
	return low + (float64(k)+0.5)/float64(count)*(high-low)
}

// binShare returns the share that a bin of count values has of the values on the
// q-quantile's side of n, at most 1.
func binShare(count, n int64, q float64) float64 {
	side := 2 * min(q, 1-q) * float64(n)
	if side <= float64(count) {
		return 1
	}
	return float64(count) / side
}

// ProbabilityLower returns the probability that a value of a, drawn at random, is
// lower than one of b, ties counting half: Vargha & Delaney's A for b over a (2000),
// which is the Mann-Whitney U over n m. Values in the same bin (0.5 % of each other)
// are ties. From each value of a and b the respective reference is taken first: 0, or
// the minimum for delay variation. It reports false if either is empty.
func ProbabilityLower(a, b Histogram, referenceA, referenceB float64) (float64, bool) {
	if a.count == 0 || b.count == 0 {
		return 0, false
	}
	valuesB := make([]float64, len(b.bins))
	below := make([]int64, len(b.bins)+1) // values of b in bins before i
	for i, bin := range b.bins {
		valuesB[i] = b.middle(bin.index) - referenceB
		below[i+1] = below[i] + bin.count
	}
	var sum float64
	for _, bin := range a.bins {
		v := a.middle(bin.index) - referenceA
		first := sort.SearchFloat64s(valuesB, v)
		after := first
		for after < len(valuesB) && valuesB[after] == v {
			after++
		}
		higher, ties := b.count-below[after], below[after]-below[first]
		sum += float64(bin.count) * (float64(higher) + float64(ties)/2)
	}
	return sum / float64(a.count) / float64(b.count), true
}

// middle returns a value for a bin, the same for all histograms.
func (h Histogram) middle(index int) float64 {
	if index == zeroBin {
		return 0
	}
	return indexMapping.Value(index)
}

// bounds returns what values a bin of index may hold.
func bounds(index int) (low, high float64) {
	if index == zeroBin {
		return 0, 0
	}
	return indexMapping.LowerBound(index), indexMapping.LowerBound(index + 1)
}
