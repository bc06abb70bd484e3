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

// resample calls use with how often each of n windows is drawn, 1000 times.
func (s blockBootstrap) resample(n, block int, use func(times []int64)) {
	times := make([]int64, n)
	for range 1000 {
		clear(times)
		for drawn := 0; drawn < n; {
			for i, at := 0, s.random.IntN(n); i < block && drawn < n; i, drawn = i+1, drawn+1 {
				times[(at+i)%n]++
			}
		}
		use(times)
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
		Estimate: estimate, Low: min(quantileOfSorted(drawn, tail), estimate) - resolution,
		High: max(quantileOfSorted(drawn, 1-tail), estimate) + resolution, Defined: true, Bounded: true,
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
	drawA, drawB := newDrawing(a, wholeA), newDrawing(b, wholeB)
	s.resample(n, block, func(times []int64) {
		x, y := drawA.of(times), drawB.of(times)
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
	s.resample(len(a), block, func(times []int64) {
		var sumA, sumB Ratio
		for i, n := range times {
			sumA.Part, sumA.Whole = sumA.Part+float64(n)*a[i].Part, sumA.Whole+float64(n)*a[i].Whole
			sumB.Part, sumB.Whole = sumB.Part+float64(n)*b[i].Part, sumB.Whole+float64(n)*b[i].Whole
		}
		drawn = append(drawn, sumA.Part/sumA.Whole-sumB.Part/sumB.Whole)
	})
	return s.interval(x.ratio-y.ratio, 0, drawn, float64(len(a))/float64(block))
}

// drawing merges windows, each so many times.
type drawing struct {
	whole Histogram
	place []int32 // of each window's bins in whole, one window after another
	count []int64
	until []int // where each window's bins end
}

func newDrawing(windows []Histogram, whole Histogram) *drawing {
	d := &drawing{whole: whole}
	for _, h := range windows {
		for _, b := range h.bins {
			i, _ := slices.BinarySearchFunc(whole.bins, b, func(x, y bin) int { return x.index - y.index })
			d.place, d.count = append(d.place, int32(i)), append(d.count, b.count)
		}
		d.until = append(d.until, len(d.place))
	}
	d.whole.bins = slices.Clone(whole.bins)
	return d
}

// of returns a histogram that is valid until the next call.
func (d *drawing) of(times []int64) Histogram {
	for i := range d.whole.bins {
		d.whole.bins[i].count = 0
	}
	d.whole.count = 0
	at := 0
	for w, n := range times {
		for ; at < d.until[w]; at++ {
			if n > 0 {
				d.whole.bins[d.place[at]].count += n * d.count[at]
				d.whole.count += n * d.count[at]
			}
		}
	}
	return d.whole
}
