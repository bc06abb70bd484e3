package stats

import (
	"math"
	"slices"
	"sort"
)

// A run is a sequence of windows: the length ones from start.
type run struct{ start, length int }

// table answers quantiles of any union of runs of windows without merging them: it
// holds, for each bin, how many values lie in it or below in the windows before each
// one, so that a run costs a difference and a quantile a binary search. Memory is
// windows times bins; a resample's cost depends on its runs alone.
type table struct {
	indexes   []int
	low, high []float64 // the bins' bounds, held within the extremes of all windows
	windows   int       // with those repeated behind the end
	below     []uint32  // below[bin*(windows+1)+w]; differences hold modulo 2^32
	least     float64   // smallest value
	hint      int       // bin that find found last
}

// newTable lays out windows, the first repeated of them once more behind the end, so
// that runs may go round.
func newTable(windows []Histogram, repeated int) *table {
	t := &table{windows: len(windows) + repeated}
	least, most := math.Inf(1), math.Inf(-1)
	seen := map[int]bool{}
	for _, h := range windows {
		for _, b := range h.bins {
			if !seen[b.index] {
				seen[b.index] = true
				t.indexes = append(t.indexes, b.index)
			}
		}
		if h.count > 0 {
			least, most = min(least, h.min), max(most, h.max)
		}
	}
	slices.Sort(t.indexes)
	row := make(map[int]int, len(t.indexes))
	for i, index := range t.indexes {
		low, high := bounds(index)
		t.low = append(t.low, min(max(low, least), most))
		t.high = append(t.high, max(min(high, most), least))
		row[index] = i
	}
	stride := t.windows + 1
	t.below = make([]uint32, len(t.indexes)*stride)
	t.least = least
	for w := range t.windows {
		for _, b := range windows[w%len(windows)].bins {
			t.below[row[b.index]*stride+w+1] = uint32(b.count)
		}
	}
	// From counts to sums over windows, then over bins.
	for i := range t.indexes {
		line := t.below[i*stride : (i+1)*stride]
		for w := 1; w < stride; w++ {
			line[w] += line[w-1]
		}
		if i > 0 {
			for w, n := range t.below[(i-1)*stride : i*stride] {
				line[w] += n
			}
		}
	}
	return t
}

// atMost returns how many values of runs lie in bin i or below.
func (t *table) atMost(i int, runs []run) int64 {
	line := t.below[i*(t.windows+1) : (i+1)*(t.windows+1)]
	var sum int64
	for _, r := range runs {
		sum += int64(line[r.start+r.length] - line[r.start])
	}
	return sum
}

// count returns how many values runs hold.
func (t *table) count(runs []run) int64 {
	if len(t.indexes) == 0 {
		return 0
	}
	return t.atMost(len(t.indexes)-1, runs)
}

// minimum returns the smallest value of all windows, which must not be empty.
func (t *table) minimum() float64 { return t.least }

// quantile returns the q-quantile of runs, which must not be empty, and its
// resolution, as Histogram.Quantile defines them.
func (t *table) quantile(runs []run, q float64) (value, resolution float64) {
	n := t.count(runs)
	rank := q * float64(n-1)
	k := int64(rank)
	i := t.find(runs, k)
	var before int64
	if i > 0 {
		before = t.atMost(i-1, runs)
	}
	count := t.atMost(i, runs) - before
	value = spread(t.low[i], t.high[i], k-before, count)
	if fraction := rank - float64(k); fraction > 0 && k+1 < n {
		next, at, inside := i, k+1-before, count
		if at >= count {
			next = t.find(runs, k+1)
			at, inside = 0, t.atMost(next, runs)-t.atMost(next-1, runs)
		}
		value += fraction * (spread(t.low[next], t.high[next], at, inside) - value)
	}
	return value, (t.high[i] - t.low[i]) / 2 * binShare(count, n, q)
}

// find returns the bin that holds the k-th smallest value, counted from 0. It looks
// near where it found the last, in steps that double: resamples differ little.
func (t *table) find(runs []run, k int64) int {
	last := len(t.indexes) - 1
	low, high := t.hint, t.hint // the bin is after low-1 and not after high
	for step := 1; high < last && t.atMost(high, runs) <= k; step *= 2 {
		low, high = high+1, min(high+step, last)
	}
	for step := 1; low > 0 && t.atMost(low-1, runs) > k; step *= 2 {
		low, high = max(low-step, 0), low-1
	}
	t.hint = low + sort.Search(high-low, func(i int) bool { return t.atMost(low+i, runs) > k })
	return t.hint
}
