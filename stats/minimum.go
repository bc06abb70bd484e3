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
// confidence asked: see minimumScale. For the error's distribution the two minima are
// taken as Gumbel, so that their difference is logistic, with the quantile
// ln((1+c)/(1-c)) times the scale, 3.66 for 95 %; that the scale itself comes from few
// spacings adds a sixth.
func (s Bootstrap) minimumError(a, b []Histogram, block int) float64 {
	scale := math.Sqrt((square(minimumScale(a, block)) + square(minimumScale(b, block))) / 2)
	return 7.0 / 6 * math.Log((1+s.Confidence)/(1-s.Confidence)) * scale
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

func square(x float64) float64 { return x * x }
