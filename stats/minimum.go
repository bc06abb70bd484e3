package stats

import (
	"math"
	"slices"
)

// A minimum varies from range to range, but no resample holds a value below it, and
// the bootstrap of an extreme value is known to fail (Bickel & Freedman 1981). Its
// error is estimated from the spacings of the smallest values of blocks instead.

const (
	// lowest is how many spacings of block minima are used.
	lowest = 5

	// minimumBlocks is how many blocks a range is parted in, if it has as many
	// windows.
	minimumBlocks = 60
)

// minimumError returns the standard error of the difference of a's and b's minima,
// each minimum being taken as normal with minimumScale as its standard deviation. (That
// of a Gumbel distribution, to which minima of unbounded values tend, is 1.28 times the
// scale; delays have a floor and vary less: in simulation 95 % of differences are within
// 2.0 to 2.9 scales, and this gives 2.8.)
func minimumError(a, b []Histogram) float64 {
	return math.Hypot(minimumScale(a), minimumScale(b))
}

// minimumScale returns the scale of the distribution that the minimum of windows comes
// from: the i-th spacing of the ordered minima of blocks, times i, has it as its mean
// (Weissman 1978). It is 0 if there are fewer than two blocks with values.
func minimumScale(windows []Histogram) float64 {
	block := max(1, len(windows)/minimumBlocks)
	var minima []float64
	for part := range slices.Chunk(windows, block) {
		least := math.Inf(1)
		for _, h := range part {
			if v, ok := h.Min(); ok {
				least = min(least, v)
			}
		}
		if !math.IsInf(least, 1) {
			minima = append(minima, least)
		}
	}
	slices.Sort(minima)
	n := min(lowest, len(minima)-1)
	sum := 0.0
	for i := range n {
		sum += float64(i+1) * (minima[i+1] - minima[i])
	}
	if n < 1 {
		return 0
	}
	return sum / float64(n)
}
