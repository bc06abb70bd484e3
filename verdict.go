package perigee

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// verdict puts p's median difference into a sentence. windows is how many the
// interval rests on, measured how long both links were.
//
// A difference is claimed only if the interval excludes 0.
func verdict(p Pair, metric Metric, windows int, measured time.Duration) string {
	d := p.MedianDifference
	switch {
	case !d.Defined && p.Windows >= leastWindows:
		return "not enough data: no common window has a value of " + string(metric.Name) + " for both"
	case !p.EnoughData && windows < leastWindows:
		return fmt.Sprintf("not enough data: %d of at least %d common windows", windows, leastWindows)
	case !d.Bounded && d.Defined && metric.Kind == KindRatio:
		return fmt.Sprintf("no difference shown (%s of both was the same throughout)", metric.Name)
	case !d.Bounded:
		return "not enough data: too few windows have a value for both"
	}
	suffix := ""
	if !p.EnoughData {
		suffix = fmt.Sprintf("; provisional, %s measured", shortDuration(measured))
	}
	u := unitFor(metric, d)
	level := strconv.FormatFloat(d.Confidence*100, 'f', -1, 64)
	switch {
	case d.High < 0:
		return fmt.Sprintf("%s is lower by %s %s (%s %% CI %s to %s %s%s)", p.A, u.number(-d.Estimate), u.name, level, u.number(-d.High), u.number(-d.Low), u.name, suffix)
	case d.Low > 0:
		return fmt.Sprintf("%s is higher by %s %s (%s %% CI %s to %s %s%s)", p.A, u.number(d.Estimate), u.name, level, u.number(d.Low), u.number(d.High), u.name, suffix)
	default:
		return fmt.Sprintf("no difference shown (estimate %s %s, %s %% CI %s to %s %s%s)", u.number(d.Estimate), u.name, level, u.number(d.Low), u.number(d.High), u.name, suffix)
	}
}

// unit is how numbers of a verdict are written.
type unit struct {
	name     string
	scale    float64 // of the base unit
	decimals int
}

// unitFor chooses the unit and the decimals for an interval: seconds from one second
// on, else milliseconds, and points of a percentage for ratios; decimals so that a
// digit is at most half of the interval's half-width, and so that no bound other than 0 is
// written as 0.
func unitFor(metric Metric, d Interval) unit {
	u := unit{name: "ms", scale: 1000}
	largest := max(math.Abs(d.Estimate), math.Abs(d.Low), math.Abs(d.High))
	switch {
	case metric.Unit == "ratio":
		u = unit{name: "% points", scale: 100}
	case largest >= 1:
		u = unit{name: "s", scale: 1}
	}
	const most = 6
	width := (d.High - d.Low) / 2 * u.scale
	if width > 0 {
		u.decimals = min(max(-int(math.Floor(math.Log10(width/2))), 0), most)
	} else {
		u.decimals = 1
	}
	if u.name == "s" {
		u.decimals = max(u.decimals, 2)
	}
	for _, v := range []float64{d.Low, d.High} {
		for v != 0 && u.decimals < most && math.Abs(v)*u.scale < 0.5*math.Pow10(-u.decimals) {
			u.decimals++
		}
	}
	return u
}

// number writes v, given in base units.
func (u unit) number(v float64) string {
	s := strconv.FormatFloat(v*u.scale, 'f', u.decimals, 64)
	if zero, err := strconv.ParseFloat(s, 64); err == nil && zero == 0 {
		return strconv.FormatFloat(0, 'f', u.decimals, 64) // no "-0"
	}
	return s
}

// shortDuration writes d to the second up to two minutes, and in minutes beyond.
func shortDuration(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
