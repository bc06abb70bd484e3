package stats

import (
	"slices"
	"time"
)

// SecondRates returns the rates, in bytes per second, of the whole seconds after the
// first ramp counts, oldest first. A step that does not divide a second makes the seconds as much
// longer as need be.
func SecondRates(counts []float64, step time.Duration, ramp int) []float64 {
	if step <= 0 || ramp < 0 || ramp >= len(counts) {
		return nil
	}
	length := int((time.Second + step - 1) / step)
	var rates []float64
	for second := range slices.Chunk(counts[ramp:], length) {
		if len(second) < length {
			break
		}
		sum := 0.0
		for _, c := range second {
			sum += c
		}
		rates = append(rates, sum/(float64(length)*step.Seconds()))
	}
	return rates
}

// Percentiles returns the quantiles at 0.05, 0.5 and 0.95 of values (type 7 of Hyndman
// & Fan 1996); false if there are none.
func Percentiles(values []float64) (p5, p50, p95 float64, ok bool) {
	if len(values) == 0 {
		return 0, 0, 0, false
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return QuantileOfSorted(sorted, 0.05), QuantileOfSorted(sorted, 0.5), QuantileOfSorted(sorted, 0.95), true
}
