package stats

import "slices"

// KolmogorovDistance returns the largest difference between the shares of a and of b
// that are at or below any one value (Kolmogorov 1933): 0 if both are distributed
// alike, 1 if they do not overlap. It describes only: no p-value goes with it, because
// values depend on their neighbours. From each value the respective reference is taken
// first, as in ProbabilityLower.
//
// What is certain from the bins alone is returned; the true distance may be up to
// resolution larger, as much as lies within one bin. It reports false if either is
// empty.
func KolmogorovDistance(a, b Histogram, referenceA, referenceB float64) (distance, resolution float64, ok bool) {
	if a.count == 0 || b.count == 0 {
		return 0, 0, false
	}
	x, y := newCumulative(a, referenceA), newCumulative(b, referenceB)
	edges := slices.Concat(x.low, x.high, y.low, y.high)
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var possible float64
	at := func(value float64) {
		leastX, mostX := x.share(value)
		leastY, mostY := y.share(value)
		distance = max(distance, leastX-mostY, leastY-mostX)
		possible = max(possible, mostX-leastY, mostY-leastX)
	}
	for i, edge := range edges {
		if i > 0 {
			at((edges[i-1] + edge) / 2)
		}
		at(edge)
	}
	return distance, possible - distance, true
}

// cumulative is a histogram's distribution function, for values that rise.
type cumulative struct {
	low, high    []float64 // what the bins' values lie between
	count        []float64 // as shares of all
	certain, may int       // bins counted in least and most
	least, most  float64
}

func newCumulative(h Histogram, reference float64) *cumulative {
	s := &cumulative{}
	for i, b := range h.bins {
		low, high := h.bounds(i)
		s.low, s.high = append(s.low, low-reference), append(s.high, high-reference)
		s.count = append(s.count, float64(b.count)/float64(h.count))
	}
	return s
}

// share returns between what lies the share of values at or below value, which must
// not be below that of the call before.
func (s *cumulative) share(value float64) (least, most float64) {
	for ; s.certain < len(s.high) && s.high[s.certain] <= value; s.certain++ {
		s.least += s.count[s.certain]
	}
	// Where a bin begins, only the smallest value of all is known to lie.
	begins := func(i int) bool { return s.low[i] < value || s.high[i] <= value || i == 0 && s.low[i] == value }
	for ; s.may < len(s.low) && begins(s.may); s.may++ {
		s.most += s.count[s.may]
	}
	return s.least, s.most
}
