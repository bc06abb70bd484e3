package stats

import "math"

// BlockLength returns the length of blocks, in elements of series, that serves the
// circular block bootstrap of its mean best: Politis & White, "Automatic Block-Length
// Selection for the Dependent Bootstrap" (2004), with the correction of Patton,
// Politis & White (2009). It is at least 1 and at most 3 sqrt(n) and n/3. A series
// that does not vary, or of fewer than 10 elements, has length 1.
func BlockLength(series []float64) float64 {
	n := len(series)
	if n < 10 {
		return 1
	}
	// Names and constants are the paper's.
	kn := max(5, int(math.Ceil(math.Sqrt(math.Log10(float64(n))))))
	mMax := min(int(math.Ceil(math.Sqrt(float64(n))))+kn, n-1)
	r := autocovariances(series, mMax)
	if r[0] <= 0 {
		return 1
	}
	bound := 2 * math.Sqrt(math.Log10(float64(n))/float64(n))
	m := min(2*lastSignificant(r, bound, kn), mMax)
	if m == 0 {
		return 1
	}
	g, spectrum := 0.0, r[0]
	for k := 1; k <= m; k++ {
		weight := flatTop(float64(k) / float64(m))
		g += 2 * weight * float64(k) * r[k]
		spectrum += 2 * weight * r[k]
	}
	if spectrum <= 0 {
		return 1
	}
	d := 4.0 / 3 * spectrum * spectrum
	length := math.Cbrt(2 * g * g / d * float64(n))
	limit := math.Min(3*math.Sqrt(float64(n)), float64(n)/3)
	return math.Max(1, math.Min(math.Ceil(length), math.Ceil(limit)))
}

// lastSignificant returns the smallest m such that the kn autocorrelations after lag
// m are all within bound, or, if there is none, the last lag that is not.
func lastSignificant(r []float64, bound float64, kn int) int {
	last, quiet := 0, 0
	for k := 1; k < len(r); k++ {
		if math.Abs(r[k]/r[0]) < bound {
			if quiet++; quiet == kn {
				return k - kn
			}
			continue
		}
		last, quiet = k, 0
	}
	return last
}

// autocovariances returns those of lags 0 to most.
func autocovariances(series []float64, most int) []float64 {
	mean := 0.0
	for _, v := range series {
		mean += v / float64(len(series))
	}
	r := make([]float64, most+1)
	for lag := range r {
		for i := lag; i < len(series); i++ {
			r[lag] += (series[i] - mean) * (series[i-lag] - mean)
		}
		r[lag] /= float64(len(series))
	}
	return r
}

// flatTop is the trapezoidal lag window of Politis & Romano (1995).
func flatTop(x float64) float64 {
	switch x = math.Abs(x); {
	case x <= 0.5:
		return 1
	case x <= 1:
		return 2 * (1 - x)
	default:
		return 0
	}
}
