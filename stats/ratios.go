package stats

import "math"

// Ratio is a part and its whole, e.g. lost and sent.
type Ratio struct{ Part, Whole float64 }

// MeanDifference returns the difference between the ratio of sums (all parts over all
// wholes) of a and that of b, with its interval. a[i] and b[i] are the same clock
// window; parts may be any values, wholes say how much each counts. It is not Defined
// if a whole is nothing, and not Bounded if neither ratio varies or below leastMeans
// windows.
//
// The interval is Student's t of the linearized ratios (Cochran, "Sampling
// Techniques", 6.3), their variance and degrees of freedom by newLongRun.
func MeanDifference(a, b []Ratio, confidence float64) Interval {
	x, y, ok := newShares(a, b)
	if !ok {
		return Interval{}
	}
	in := Interval{Estimate: x.ratio - y.ratio, Confidence: confidence, Defined: true}
	if n := len(a); n < leastMeans {
		in.Needs = leastMeans / float64(n)
		return in
	}
	differences := make([]float64, len(a))
	for i := range differences {
		differences[i] = x.scores[i]/x.whole - y.scores[i]/y.whole
	}
	known := newLongRun(differences, differences)
	in.boundBy(known.varianceA, known.df, max(math.Abs(x.ratio), math.Abs(y.ratio)))
	return in
}

// leastMeans is the least number of windows that MeanDifference makes an interval of:
// simulated, fewer than two cosines give intervals that are right but say nothing.
const leastMeans = 16

// ShareDifference is MeanDifference for parts that are shares of their wholes, such as
// the lost of those sent: intervals then stay right where events are rare and come in
// bursts.
//
// The interval of one share is that of Clopper & Pearson (1934) for as many
// independent events as the dependent ones are worth (Korn & Graubard, "Confidence
// intervals for proportions with small expected number of positive counts", 1998; see
// newLongRun for the dependence). A link on which nothing happened is taken to have
// events as dependent as those of the other. The two are joined by MOVER (Newcombe
// 1998; Zou & Donner 2008). Never having lost anything on either link says nothing of
// how sure that is: the interval is then not Bounded.
func ShareDifference(a, b []Ratio, confidence float64) Interval {
	if len(a) != len(b) {
		return Interval{}
	}
	return shareDifference(a, b, confidence, newLongRun)
}

// shareDifference is ShareDifference with how windows depend on each other.
func shareDifference(a, b []Ratio, confidence float64, depend func(a, b []float64) longRun) Interval {
	x, y := sharesOf(a), sharesOf(b)
	if x.whole <= 0 || y.whole <= 0 {
		return Interval{}
	}
	in := Interval{Estimate: x.ratio - y.ratio, Confidence: confidence, Defined: true}
	together := depend(x.scores, y.scores)
	effect := max(x.designEffect(together.varianceA), y.designEffect(together.varianceB))
	if effect == 0 {
		return in
	}
	x.weigh(together.varianceA, effect)
	y.weigh(together.varianceB, effect)
	in.bound(func(l level, s side) (distance float64, ok bool) {
		return combined(x.margin(l, s), y.margin(l, s.other()), together.correlation()), true
	}, together.df)
	return in
}

// shares is a ratio of sums and what is known of it.
type shares struct {
	ratio, whole float64
	scores       []float64 // for each window, how much part is above the ratio
	worth        float64   // how many independent events tell as much
}

// newShares reports false if a or b has no whole, or they are not of equal length.
func newShares(a, b []Ratio) (x, y *shares, ok bool) {
	if len(a) != len(b) {
		return nil, nil, false
	}
	x, y = sharesOf(a), sharesOf(b)
	return x, y, x.whole > 0 && y.whole > 0
}

func sharesOf(windows []Ratio) *shares {
	s := &shares{scores: make([]float64, len(windows))}
	var part float64
	for _, w := range windows {
		part += w.Part
		s.whole += w.Whole
	}
	s.ratio = part / s.whole
	for i, w := range windows {
		s.scores[i] = w.Part - s.ratio*w.Whole
	}
	return s
}

// designEffect returns how many times as much the sum of parts varies as if each unit
// of the whole had its fate alone (Kish 1965), 0 if it does not vary at all.
func (s *shares) designEffect(variance float64) float64 {
	if s.ratio <= 0 || s.ratio >= 1 || math.Sqrt(variance) <= rounding*s.whole {
		return 0
	}
	return variance / (s.whole * s.ratio * (1 - s.ratio))
}

// weigh sets what the whole is worth; effect is taken where nothing varied.
func (s *shares) weigh(variance, effect float64) {
	if own := s.designEffect(variance); own > 0 {
		effect = own
	}
	s.worth = s.whole / effect
}

// margin returns how far below or above the ratio its interval ends.
func (s *shares) margin(l level, at side) float64 {
	n := s.worth * l.counted()
	k := n * s.ratio
	switch {
	case at == below && k > 0:
		return s.ratio - crossing(0, s.ratio, func(p float64) float64 { return betaCDF(p, k, n-k+1) - l.alpha/2 })
	case at == above && k < n:
		return crossing(s.ratio, 1, func(p float64) float64 { return betaCDF(p, k+1, n-k) - (1 - l.alpha/2) }) - s.ratio
	}
	return 0
}
