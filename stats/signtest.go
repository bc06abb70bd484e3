package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// SignInterval returns the narrowest interval between order statistics of
// differences that covers their median with at least the given confidence, whatever
// their distribution, provided they are independent (the inversion of the sign test).
// The interval from the k-th smallest to the k-th largest of n covers it with
// 1 - 2 P(B < k), B being binomial (n, 1/2); attained is that coverage. It reports
// false if even the range from minimum to maximum covers less: at 95 %, below n = 6.
func SignInterval(differences []float64, confidence float64) (low, high, attained float64, ok bool) {
	n := len(differences)
	k := 0
	tail := 0.0                    // P(B < k+1)
	term := math.Exp2(-float64(n)) // P(B = k)
	for k < n/2 && 1-2*(tail+term) >= confidence {
		tail += term
		attained = 1 - 2*tail
		k++
		term *= float64(n-k+1) / float64(k)
	}
	if k == 0 {
		return 0, 0, 0, false
	}
	sorted := slices.Sorted(slices.Values(differences))
	return sorted[k-1], sorted[n-k], attained, true
}

// SignFlip returns how often a sum as far from 0 as that of differences comes about
// if each of them could as well have had the other sign: the p-value of Fisher's
// randomization test for pairs, exact whatever the distribution if pairs are
// independent and neither side is special. Up to 12 differences that are not 0 all
// signs are tried, beyond that 4096 at random. With m of them, all of one sign, it is
// 2^(1-m).
func SignFlip(differences []float64, random *rand.Rand) float64 {
	var d []float64
	sum := 0.0
	for _, v := range differences {
		if v != 0 {
			d = append(d, v)
			sum += v
		}
	}
	// Sums that differ by rounding alone are equal.
	observed := math.Abs(sum) * (1 - 1e-9)
	const exactly = 12
	trials := 1 << min(len(d), exactly)
	reached := 0
	for trial := range trials {
		signs := uint64(trial)
		total := 0.0
		for i, v := range d {
			if len(d) > exactly && i%64 == 0 {
				signs = random.Uint64()
			}
			if signs>>(i%64)&1 == 1 {
				v = -v
			}
			total += v
		}
		if math.Abs(total) >= observed {
			reached++
		}
	}
	if len(d) > exactly {
		return float64(reached+1) / float64(trials+1)
	}
	return float64(reached) / float64(trials)
}
