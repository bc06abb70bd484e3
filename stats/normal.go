package stats

import "math"

// normalQuantile returns the p-quantile of the standard normal distribution.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// normalCDF returns the probability that a standard normal value is at most x.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// studentQuantile returns the p-quantile of Student's t distribution with df degrees
// of freedom by the expansion of Abramowitz & Stegun 26.7.5: within 0.001 for df >= 8
// and p within [0.005, 0.995].
func studentQuantile(p, df float64) float64 {
	z := normalQuantile(p)
	z2 := z * z
	g1 := z * (z2 + 1) / 4
	g2 := z * ((5*z2+16)*z2 + 3) / 96
	g3 := z * (((3*z2+19)*z2+17)*z2 - 15) / 384
	g4 := z * ((((79*z2+776)*z2+1482)*z2-1920)*z2 - 945) / 92160
	return z + (g1+(g2+(g3+g4/df)/df)/df)/df
}
