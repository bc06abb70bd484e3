package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Methods that ours is shown beside, for tests only.

// mannWhitneyP is the p-value of the test that takes every packet as independent (Mann
// & Whitney 1947): normal approximation, corrected for ties, of which bins make many.
func mannWhitneyP(a, b Histogram) float64 {
	lower, _ := ProbabilityLower(a, b, 0, 0)
	n, m := float64(a.count), float64(b.count)
	both := a
	both.bins = slices.Clone(a.bins)
	both.Merge(b)
	var ties float64
	for _, bin := range both.bins {
		t := float64(bin.count)
		ties += t*t*t - t
	}
	total := n + m
	variance := n * m / 12 * (total + 1 - ties/(total*(total-1)))
	return 2 * normalCDF(-math.Abs(lower*n*m-n*m/2)/math.Sqrt(variance))
}

// kolmogorovSmirnovP is the p-value of the test of two samples that takes every packet
// as independent: Kolmogorov's asymptotic distribution.
func kolmogorovSmirnovP(a, b Histogram) float64 {
	distance, _, _ := KolmogorovDistance(a, b, 0, 0)
	n, m := float64(a.count), float64(b.count)
	x := distance * math.Sqrt(n*m/(n+m))
	if x < 0.2 {
		return 1 // the series converges slowly, to within 1e-12 of 1
	}
	p := 0.0
	for k := 1; k <= 100; k++ {
		p += 2 * (1 - 2*float64((k+1)%2)) * math.Exp(-2*float64(k*k)*x*x)
	}
	return min(max(p, 0), 1)
}

// blockBootstrap is the paired circular block bootstrap (Künsch 1989; Politis & Romano
// 1992) with blocks of at least 60 s, longer if the differences' correlation asks for
// it (Politis & White 2004), and intervals between percentiles of the differences of
// 1000 resamples, expanded for the number of blocks (Hesterberg 2015, section 3.4.2).
type blockBootstrap struct {
	random  *rand.Rand
	seconds int // in a window
}

// resample calls use with where the runs begin that are drawn of n windows, 1000 times.
func (s blockBootstrap) resample(n, block int, use func(begin []int)) {
	begin := make([]int, (n+block/2)/block)
	for range 1000 {
		for i := range begin {
			begin[i] = s.random.IntN(n)
		}
		use(begin)
	}
}

func (s blockBootstrap) block(differences []float64) int {
	least := (59 + s.seconds) / s.seconds
	return max(least, min(int(BlockLength(differences)), len(differences)/5))
}

func (s blockBootstrap) interval(estimate, resolution float64, drawn []float64, blocks float64) Interval {
	slices.Sort(drawn)
	t := -studentQuantile(0.025, max(blocks-1, 1))
	tail := normalCDF(-t * math.Sqrt(blocks/(blocks-1)))
	return Interval{
		Estimate: estimate, Low: min(QuantileOfSorted(drawn, tail), estimate) - resolution,
		High: max(QuantileOfSorted(drawn, 1-tail), estimate) + resolution, Defined: true, Bounded: true,
	}
}

func (s blockBootstrap) quantileDifferences(a, b []Histogram, qs []float64) []Interval {
	n := len(a)
	var differences []float64
	for i := range a {
		x, _, okA := a[i].Quantile(0.5)
		y, _, okB := b[i].Quantile(0.5)
		if okA && okB {
			differences = append(differences, x-y)
		}
	}
	block := s.block(differences)
	drawn := make([][]float64, len(qs))
	wholeA, wholeB := MergeHistograms(a), MergeHistograms(b)
	drawA, drawB := newDrawing(a, block, wholeA), newDrawing(b, block, wholeB)
	s.resample(n, block, func(begin []int) {
		x, y := drawA.of(begin), drawB.of(begin)
		for i, q := range qs {
			vx, _, _ := x.Quantile(q)
			vy, _, _ := y.Quantile(q)
			drawn[i] = append(drawn[i], vx-vy)
		}
	})
	intervals := make([]Interval, len(qs))
	for i, q := range qs {
		x, rx, _ := wholeA.Quantile(q)
		y, ry, _ := wholeB.Quantile(q)
		intervals[i] = s.interval(x-y, rx+ry, drawn[i], float64(n)/float64(block))
	}
	return intervals
}

func (s blockBootstrap) shareDifference(a, b []Ratio) Interval {
	x, y, _ := newShares(a, b)
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = a[i].Part/a[i].Whole - b[i].Part/b[i].Whole
	}
	block := s.block(differences)
	var drawn []float64
	s.resample(len(a), block, func(begin []int) {
		var sumA, sumB Ratio
		for _, at := range begin {
			for i := at; i < at+block; i++ {
				one, two := a[i%len(a)], b[i%len(a)]
				sumA.Part, sumA.Whole = sumA.Part+one.Part, sumA.Whole+one.Whole
				sumB.Part, sumB.Whole = sumB.Part+two.Part, sumB.Whole+two.Whole
			}
		}
		drawn = append(drawn, sumA.Part/sumA.Whole-sumB.Part/sumB.Whole)
	})
	return s.interval(x.ratio-y.ratio, 0, drawn, float64(len(a))/float64(block))
}

// drawing merges runs of windows laid in a circle.
type drawing struct {
	block  int
	before [][]int32 // how many values the windows before each one have in each bin
	sums   []int32
	merged Histogram
}

func newDrawing(windows []Histogram, block int, whole Histogram) *drawing {
	d := &drawing{block: block, sums: make([]int32, len(whole.bins)), merged: whole}
	d.merged.bins = slices.Clone(whole.bins)
	place := map[int]int{}
	for i, b := range whole.bins {
		place[b.index] = i
	}
	d.before = append(d.before, make([]int32, len(whole.bins)))
	for w := range len(windows) + block {
		next := slices.Clone(d.before[w])
		for _, b := range windows[w%len(windows)].bins {
			next[place[b.index]] += int32(b.count)
		}
		d.before = append(d.before, next)
	}
	return d
}

// of returns a histogram that is valid until the next call.
func (d *drawing) of(begin []int) Histogram {
	clear(d.sums)
	for _, at := range begin {
		from, to := d.before[at], d.before[at+d.block]
		for i := range d.sums {
			d.sums[i] += to[i] - from[i]
		}
	}
	d.merged.count = 0
	for i, n := range d.sums {
		d.merged.bins[i].count = int64(n)
		d.merged.count += int64(n)
	}
	return d.merged
}
