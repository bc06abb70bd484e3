package stats

import "math"

// quantile is a quantile of many windows and what is known of it.
type quantile struct {
	whole             Histogram
	q                 float64
	value, resolution float64

	// scores are, for each window, how many of its values are at or below the
	// quantile, less how many should be.
	scores []float64

	// worth is how many independent values tell as much of the quantile.
	worth float64
}

func newQuantile(whole Histogram, windows []Histogram, q float64) *quantile {
	x := &quantile{whole: whole, q: q, scores: make([]float64, len(windows))}
	x.value, x.resolution, _ = whole.Quantile(q)
	rank := q * float64(whole.count-1)
	i, at := whole.find(int64(rank))
	index := whole.bins[i].index
	// The values of the quantile's own bin lie evenly over it.
	inBin := min((float64(at)+0.5+rank-math.Floor(rank))/float64(whole.bins[i].count), 1)
	for w, h := range windows {
		x.scores[w] = -q * float64(h.count)
		for _, b := range h.bins {
			if b.index >= index {
				if b.index == index {
					x.scores[w] += inBin * float64(b.count)
				}
				break
			}
			x.scores[w] += float64(b.count)
		}
	}
	return x
}

// weigh sets what the values are worth from the variance of the sum of scores: as many
// independent ones as would have their share at or below the quantile vary as much.
func (x *quantile) weigh(variance float64) {
	n := float64(x.whole.count)
	x.worth = n
	if variance > 0 {
		x.worth = min(n, n*n*x.q*(1-x.q)/variance)
	}
}

// needs returns how many times as much data an interval takes, variances being known
// with df degrees of freedom.
func (x *quantile) needs(df, confidence float64) float64 {
	l := levelOf(-studentQuantile((1-confidence)/2, df), df)
	return leastWorth(x.q, l.alpha) / (x.worth * l.counted())
}

// margin returns how far below or above the quantile its interval ends.
func (x *quantile) margin(l level, s side) (distance float64, ok bool) {
	p, ok := enclosingLevel(x.q, x.worth*l.counted(), l.alpha, s)
	if !ok {
		return 0, false
	}
	end, _, _ := x.whole.Quantile(p)
	if s == below {
		return max(x.value-end, 0), true
	}
	return max(end-x.value, 0), true
}

// leastWorth returns how many independent values a quantile's interval takes at least:
// enough for the largest of them, or the smallest, to lie beyond it.
func leastWorth(q, alpha float64) float64 { return math.Log(alpha/2) / math.Log(max(q, 1-q)) }

// enclosingLevel returns the level of the order statistic of n independent values that
// lies below (above) the q-quantile but for alpha/2 of cases, n and ranks taken as real
// numbers. The level of the k-th is (k - 1/2)/n. It reports false if even the smallest and
// the largest value enclose the quantile less often.
func enclosingLevel(q, n, alpha float64, s side) (float64, bool) {
	if !(n >= 2) || n < leastWorth(q, alpha) {
		return 0, false
	}
	chance := alpha / 2
	if s == below {
		chance = 1 - alpha/2
	}
	// The chance that the k-th of n lies below the q-quantile falls with k.
	k := crossing(1, n, func(k float64) float64 { return chance - betaCDF(q, k, n+1-k) })
	return (k - 0.5) / n, true
}

// QuantileOfSorted returns the q-quantile, 0 <= q <= 1, of at least one value in ascending
// order (type 7).
func QuantileOfSorted(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	k := int(rank)
	if k+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[k] + (rank-float64(k))*(sorted[k+1]-sorted[k])
}
