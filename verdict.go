package perigee

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// judged is a comparison that waits for its verdict.
type judged struct {
	pair      Pair
	w         *pairing // nil if there was nothing to compare
	words     string   // how the verdict begins, of a group
	than      string   // what a is higher or lower than, if that is not b
	corrected float64  // p-value corrected for the comparisons asked together
	together  int      // how many those are
}

// firm reports whether the verdict rests on an interval that allows for dependence.
func (j *judged) firm() bool {
	return j.w != nil && j.pair.EnoughData && j.pair.about(j.w.quantile).Bounded
}

// verdict puts the difference that was asked for into a sentence.
//
// A difference is claimed only if the interval excludes 0, and, of several comparisons,
// if that is unlikely for all of them together.
func (j *judged) verdict(metric Metric, quantile float64) string {
	p, d := j.pair, *j.pair.about(quantile)
	if lack := j.lack(metric, quantile); lack != "" {
		if j.words != "" {
			return strings.TrimSpace(j.words) + ": " + lack
		}
		return lack
	}
	suffix := ""
	if !p.EnoughData {
		suffix = fmt.Sprintf("; provisional, %s measured", shortDuration(j.w.measuredTime))
		if j.w.sparse {
			suffix = fmt.Sprintf("; provisional, %d windows of %s", p.Windows, p.Grid)
		}
	}
	u := unitFor(metric, d)
	interval := func(low, high float64) string {
		return fmt.Sprintf("%s %% CI %s to %s %s", strconv.FormatFloat(d.Confidence*100, 'f', -1, 64), u.number(low), u.number(high), u.name)
	}
	name := string(p.A)
	if quantile != 0.5 {
		name += fmt.Sprintf("'s p%.0f", quantile*100)
	}
	differs := d.Low > 0 || d.High < 0
	switch {
	case differs && p.EnoughData && j.corrected >= 1-confidence:
		return fmt.Sprintf("%sno difference shown among %d comparisons (estimate %s %s; alone %s, but p = %.2g when corrected for their number)",
			j.words, j.together, u.number(d.Estimate), u.name, interval(d.Low, d.High), j.corrected)
	case d.High < 0:
		return fmt.Sprintf("%s%s is lower by %s %s%s (%s%s)", j.words, name, u.number(-d.Estimate), u.name, j.than, interval(-d.High, -d.Low), suffix)
	case d.Low > 0:
		return fmt.Sprintf("%s%s is higher by %s %s%s (%s%s)", j.words, name, u.number(d.Estimate), u.name, j.than, interval(d.Low, d.High), suffix)
	default:
		return fmt.Sprintf("%sno difference shown (estimate %s %s, %s%s)", j.words, u.number(d.Estimate), u.name, interval(d.Low, d.High), suffix)
	}
}

// lack says why there is no interval; empty if there is one.
func (j *judged) lack(metric Metric, quantile float64) string {
	p, d := j.pair, j.pair.about(quantile)
	windows, window := "common windows", "no common window has"
	if j.than != "" {
		windows, window = "windows in each period", "no window of one period has"
	}
	switch {
	case d.Bounded:
		return ""
	case j.w.same() && p.Windows >= leastWindows:
		return fmt.Sprintf("no difference shown (%s of both was the same throughout)", metric.Name)
	case !d.Defined && p.Windows >= leastWindows:
		return fmt.Sprintf("not enough data: %s a value of %s for both", window, metric.Name)
	case d.Defined && d.Needs > 1 && p.Windows >= leastWindows:
		return fmt.Sprintf("not enough data: %s needs about %s, %s", j.subject(metric, quantile), j.needed(d.Needs), j.had())
	case j.than != "" && !j.w.enough():
		return fmt.Sprintf("not enough data: %d of at least %d windows in each period", p.Windows, j.w.enoughWindows())
	default:
		return fmt.Sprintf("not enough data: %d of at least %d %s", p.Windows, leastWindows, windows)
	}
}

// subject names what was asked for.
func (j *judged) subject(metric Metric, quantile float64) string {
	if metric.Kind == KindDistribution && quantile != 0.5 {
		return fmt.Sprintf("p%.0f", quantile*100)
	}
	return "this"
}

// needed says how much must be measured, times as much as was.
func (j *judged) needed(times float64) string {
	if j.w.sparse {
		return fmt.Sprintf("%.0f windows of %s", math.Ceil(times*float64(j.pair.Windows)), j.w.grid)
	}
	return longDuration(time.Duration(times * float64(j.w.measuredTime)))
}

// had says how much was measured.
func (j *judged) had() string {
	if j.w.sparse {
		return fmt.Sprintf("%d were measured", j.pair.Windows)
	}
	return longDuration(j.w.measuredTime) + " was measured"
}

// longDuration writes d as a person would say it, rounded up to a figure or two.
func longDuration(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", math.Ceil(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", math.Ceil(d.Hours()))
	default:
		return fmt.Sprintf("%.0f days", math.Ceil(d.Hours()/24))
	}
}

// unit is how numbers of a verdict are written.
type unit struct {
	name     string
	scale    float64 // of the base unit
	decimals int
}

// unitFor chooses the unit and the decimals for an interval: seconds from one second
// on, else milliseconds, points of a percentage for ratios, Mbit/s for rates; decimals so that a
// digit is at most half of the interval's half-width, and so that no bound other than 0 is
// written as 0.
func unitFor(metric Metric, d Interval) unit {
	u := unit{name: "ms", scale: 1000}
	largest := max(math.Abs(d.Estimate), math.Abs(d.Low), math.Abs(d.High))
	switch {
	case metric.Unit == "ratio":
		u = unit{name: "% points", scale: 100}
	case metric.Unit == "bits_per_second":
		u = unit{name: "Mbit/s", scale: 1e-6}
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
