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

// side is one of an interval's.
type side int

const (
	below side = iota
	above
)

// other returns the other side.
func (s side) other() side { return 1 - s }

// margin is how far an interval of a level reaches below or above its estimate. It reports
// false if the data allow no interval of the level.
type margin func(level, side) (distance float64, ok bool)

// bound sets i's interval and p-value from m, whose errors are known with df degrees
// of freedom.
//
// The p-value is found by asking for intervals until one ends at 0. From twice the margin
// on it is extrapolated, as where the data allow no interval so wide: margins are taken to
// grow as Student's t.
func (i *Interval) bound(m margin, df float64) {
	asked := -studentQuantile((1-i.Confidence)/2, df)
	low, okLow := m(levelOf(asked, df), below)
	high, okHigh := m(levelOf(asked, df), above)
	if !okLow || !okHigh {
		return
	}
	i.Low, i.High, i.Bounded = i.Estimate-low, i.Estimate+high, true

	towardsZero, distance := below, math.Abs(i.Estimate)
	if i.Estimate < 0 {
		towardsZero = above
	}
	excludes := func(t float64) bool {
		reach, ok := m(levelOf(t, df), towardsZero)
		return ok && distance > reach
	}
	least, most := 0.0, asked
	if i.excludesZero() {
		least, most = asked, 2*asked
	}
	t := most
	if !i.excludesZero() || !excludes(most) {
		t = bisect(least, most, excludes)
	}
	if t == 0 {
		i.P = 1
		return
	}
	if reach, ok := m(levelOf(t, df), towardsZero); ok && reach > 0 {
		t *= distance / reach
	}
	i.P = 2 * studentCDF(-t, df)
	if i.excludesZero() {
		i.P = min(i.P, 1-i.Confidence) // whatever rounding says
	} else {
		i.P = max(i.P, 1-i.Confidence)
	}
}

// rounding is what ratios may vary by, relatively, without varying at all.
const rounding = 1e-12

// boundBy sets i's interval and p-value from the variance of its estimate, by Student's t; size is that of the
// ratios it is made of. What does not vary bounds nothing.
func (i *Interval) boundBy(variance, df, size float64) {
	deviation := math.Sqrt(variance)
	if deviation <= rounding*size {
		return
	}
	t := -studentQuantile((1-i.Confidence)/2, df)
	i.Low, i.High, i.Bounded = i.Estimate-t*deviation, i.Estimate+t*deviation, true
	i.P = 2 * studentCDF(-math.Abs(i.Estimate)/deviation, df)
}

// bisect returns where holds ceases to between low, where it does, and high, to a
// hundredth of their distance.
func bisect(low, high float64, holds func(float64) bool) float64 {
	for range 7 {
		if middle := (low + high) / 2; holds(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
