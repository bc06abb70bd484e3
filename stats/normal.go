package stats

import "math"

// normalQuantile returns the p-quantile of the standard normal distribution.
func normalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// normalCDF returns the probability that a standard normal value is at most x.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// studentCDF returns the probability that a value of Student's t distribution with df
// degrees of freedom is at most t, by the incomplete beta function (Abramowitz &
// Stegun 26.7.1).
func studentCDF(t, df float64) float64 {
	tail := betaCDF(df/(df+t*t), df/2, 0.5) / 2
	if t > 0 {
		return 1 - tail
	}
	return tail
}

// studentQuantile returns the p-quantile of Student's t distribution with df degrees
// of freedom.
func studentQuantile(p, df float64) float64 {
	if p > 0.5 {
		return -studentQuantile(1-p, df)
	}
	low := -1.0
	for studentCDF(low, df) > p {
		low *= 2
	}
	return crossing(low, 0, func(t float64) float64 { return studentCDF(t, df) - p })
}
