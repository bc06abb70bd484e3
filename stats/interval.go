package stats

import "math"

// Interval is an estimated difference with its confidence interval.
type Interval struct {
	Estimate   float64
	Low, High  float64 // meaningful if Bounded
	Confidence float64 // e.g. 0.95

	// P is the two-sided p-value of there being no difference, meaningful if
	// Bounded: the smallest 1 - confidence at which the interval excludes 0.
	// It is at most 1 - Confidence just where this interval does.
	P float64

	// Needs is how many times as long must be measured for an interval, by
	// what the data at hand say: above 1 if Defined but not Bounded for want
	// of data, 0 if Bounded or if it cannot be told (nothing ever varied).
	Needs float64

	Defined bool // whether Estimate means anything
	Bounded bool
}

// excludesZero reports whether a bounded interval says that there is a difference.
func (i Interval) excludesZero() bool { return i.Bounded && (i.Low > 0 || i.High < 0) }

// level is how seldom an interval may miss the truth.
type level struct {
	alpha float64 // the share of cases in which it may
	t     float64 // Student's t, of given degrees of freedom, that alpha/2 lie beyond
	z     float64 // the normal quantile that alpha/2 lie beyond
}

func levelOf(t, df float64) level {
	alpha := 2 * studentCDF(-t, df)
	return level{alpha, t, -normalQuantile(alpha / 2)}
}

// counted returns the share of what dependent values are worth that counts if their
// variance is known with few degrees of freedom: intervals grow as Student's t over
// the normal quantile (Korn & Graubard, "Confidence intervals for proportions with
// small expected number of positive counts", Survey Methodology 24, 1998).
func (l level) counted() float64 { return l.z / l.t * l.z / l.t }

// margins are how far an interval reaches below and above its estimate. It reports
// false if the data allow no interval of the level.
type margins func(level) (below, above float64, ok bool)

// bound sets i's interval and p-value from m, whose errors are known with df degrees
// of freedom.
//
// The p-value is found by asking for intervals until one ends at 0. Where the data
// allow none so wide, the widest is extrapolated: its margin is taken to grow as
// Student's t.
func (i *Interval) bound(m margins, df float64) {
	asked := -studentQuantile((1-i.Confidence)/2, df)
	below, above, ok := m(levelOf(asked, df))
	if !ok {
		return
	}
	i.Low, i.High, i.Bounded = i.Estimate-below, i.Estimate+above, true

	// excess is how far the interval for t reaches beyond 0.
	excess := func(t float64) float64 {
		below, above, ok := m(levelOf(t, df))
		if !ok {
			return math.Inf(1)
		}
		if i.Estimate < 0 {
			below = above
		}
		return below - math.Abs(i.Estimate)
	}
	low, high := 1e-6, asked
	if i.excludesZero() {
		low = asked
		for high = 2 * asked; excess(high) < 0 && high < 1000; high *= 2 {
			low = high
		}
	}
	if excess(low) >= 0 {
		i.P = 1
		return
	}
	t := crossing(low, high, excess)
	if math.IsInf(excess(t*(1+1e-6)), 1) {
		t *= 1 - 1e-6
		t *= math.Abs(i.Estimate) / (excess(t) + math.Abs(i.Estimate))
	}
	i.P = 2 * studentCDF(-t, df)
	if i.excludesZero() {
		i.P = min(i.P, 1-i.Confidence) // whatever rounding says
	}
}
