package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"perigee"
)

// figure is a number as it is shown, with the number itself in base units beside it for
// whoever reads the document by program.
type figure struct {
	Metric perigee.MetricName
	Stat   string // which statistic of the metric, such as "p95"; empty for the metric itself
	Value  string // in base units with all digits; empty if undefined
	Text   string
}

// noValue stands where a statistic has no value.
const noValue = "–"

// figures makes figures and remembers of which metrics, so that the definitions given
// are those of the numbers shown.
type figures struct {
	used map[perigee.MetricName]bool
}

func (f *figures) show(metric perigee.MetricName, stat string, value float64, defined bool, text func(float64) string) figure {
	f.used[metric] = true
	if !defined {
		return figure{Metric: metric, Stat: stat, Text: noValue}
	}
	return figure{metric, stat, strconv.FormatFloat(value, 'g', -1, 64), text(value)}
}

func (f *figures) count(metric perigee.MetricName, n int64) figure {
	f.used[metric] = true
	return figure{metric, "", strconv.FormatInt(n, 10), grouped(n)}
}

// space joins a number and its unit: they stay on one line.
const space = "\u00a0"

// milliseconds writes seconds with three figures or so.
func milliseconds(seconds float64) string {
	ms := seconds * 1000
	switch size := math.Abs(ms); {
	case size >= 10_000:
		return fmt.Sprintf("%.1f"+space+"s", seconds)
	case size >= 100:
		return fmt.Sprintf("%.0f"+space+"ms", ms)
	case size >= 1:
		return fmt.Sprintf("%.1f"+space+"ms", ms)
	default:
		return fmt.Sprintf("%.2f"+space+"ms", ms)
	}
}

// percent writes a ratio.
func percent(ratio float64) string {
	p := ratio * 100
	if p == 0 {
		return "0" + space + "%"
	}
	if p > 0 && p < 0.01 {
		return fmt.Sprintf("%.1g"+space+"%%", p)
	}
	return fmt.Sprintf("%.2f"+space+"%%", p)
}

// availability writes a ratio near 1, cut off and never rounded up: what was down is not
// written as 100 %.
func availability(ratio float64) string { return availabilityDigits(ratio) + space + "%" }

func availabilityDigits(ratio float64) string {
	if ratio >= 1 {
		return "100"
	}
	for decimals := 2; decimals <= 5; decimals++ {
		cut := math.Pow10(decimals)
		if p := math.Floor(ratio*100*cut+1e-6) / cut; p < 100 {
			return strconv.FormatFloat(p, 'f', decimals, 64)
		}
	}
	return "99.99999"
}

// megabits writes bits per second.
func megabits(bps float64) string {
	switch {
	case bps >= 1e9:
		return fmt.Sprintf("%.2f"+space+"Gbit/s", bps/1e9)
	case bps >= 100e6:
		return fmt.Sprintf("%.0f"+space+"Mbit/s", bps/1e6)
	case bps >= 1e6:
		return fmt.Sprintf("%.1f"+space+"Mbit/s", bps/1e6)
	default:
		return fmt.Sprintf("%.0f"+space+"kbit/s", bps/1e3)
	}
}

// byteSize writes bytes in decimal units, as data plans do.
func byteSize(bytes float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if bytes >= u.size {
			return fmt.Sprintf("%.1f"+space+"%s", bytes/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f"+space+"B", bytes)
}

// duration writes d to two units, as people say it.
func duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return trimZero(fmt.Sprintf("%.1f", d.Seconds())) + space + "s"
	case d < time.Hour:
		return two(d.Round(time.Second), time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return two(d.Round(time.Minute), time.Hour, "h", time.Minute, "min")
	default:
		return two(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
	}
}

func two(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d"+space+"%s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(space+"%d"+space+"%s", rest, smallName)
	}
	return text
}

func seconds(s float64) string { return duration(time.Duration(s * float64(time.Second))) }

func trimZero(s string) string {
	if n := len(s); n > 2 && s[n-2:] == ".0" {
		return s[:n-2]
	}
	return s
}

// grouped writes n with a space between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// plural writes n with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1" + space + noun
	}
	return grouped(int64(n)) + space + noun + "s"
}
