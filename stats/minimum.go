package stats

import (
	"math"
	"slices"
)

// A minimum varies from range to range, but no resample holds a value below it, and
// the bootstrap of an extreme value is known to fail (Bickel & Freedman 1981). Its
// error is estimated from the spacings of the smallest values of blocks instead.

// lowest is how many spacings of block minima are used.
const lowest = 5

// minimumError returns the error of the difference of a's and b's minima at the
// confidence asked, each minimum being taken as normal with minimumScale as its
// standard deviation. (That of a Gumbel distribution, to which minima of unbounded
// values tend, is 1.28 times the scale; delays have a floor and vary less: in
// simulation 95 % of differences are within 2.0 to 2.9 scales, and this gives 2.8.)
func (s Bootstrap) minimumError(a, b []Histogram, block int) float64 {
	return normalQuantile((1+s.Confidence)/2) * math.Hypot(minimumScale(a, block), minimumScale(b, block))
}

// minimumScale returns the scale of the distribution that the minimum of windows comes
// from: the i-th spacing of the ordered minima of blocks, times i, has it as its mean
// (Weissman 1978). It is 0 if there are fewer than two blocks with values.
func minimumScale(windows []Histogram, block int) float64 {
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

// addError widens a bounded interval by an independent error.
func (i *Interval) addError(e float64) {
	i.Low = i.Estimate - math.Hypot(i.Estimate-i.Low, e)
	i.High = i.Estimate + math.Hypot(i.High-i.Estimate, e)
}
