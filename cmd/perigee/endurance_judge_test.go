package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A flatness says how much of a quantity may be more in the last third of a run than it
// was in the second: a share of it, and an amount in its own unit for what comes and goes.
// The first third is for caches to fill. Medians are compared, so that neither a garbage
// collection that is due nor a client that just came decides; a leak lifts every value.
type flatness struct {
	quantity string
	share    float64
	amount   float64
}

// enduring are the quantities of a daemon that must not grow while it runs.
var enduring = []flatness{
	{"heap_live_bytes", 0.10, 1 << 20},
	{"heap_in_use_bytes", 0.15, 2 << 20},
	{"rss_bytes", 0.10, 4 << 20},
	{"pss_bytes", 0.10, 4 << 20},
	{"goroutines", 0.05, 3},
	{"descriptors", 0, 3},
	{"threads", 0, 2},
	{"wal_bytes", 0.10, 1 << 20},
	{"waiting_samples", 0, 4},
	{"singleton_rows", 0.10, 100},
}

// judged is what became of one quantity.
type judged struct {
	flatness
	second, last, most float64 // medians of two thirds of the run; the most of both
	grew               bool
}

// limit is the most that last may be.
func (j judged) limit() float64 { return j.second*(1+j.share) + j.amount }

// judge holds the last third of a series against the second. It is true of no series of
// less than six values.
func (f flatness) judge(values []float64) judged {
	n := len(values)
	if n < 6 {
		return judged{flatness: f, grew: true}
	}
	second, last := values[n/3:2*n/3], values[2*n/3:]
	j := judged{flatness: f, second: median(second), last: median(last), most: slices.Max(values[n/3:])}
	j.grew = j.last > j.limit()
	return j
}

// median is the middle of values in order, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// rate is how much a total grew in the last third of a run for each unit that another
// grew by. It reports false if that one did not grow.
func rate(total, by []float64) (perUnit float64, ok bool) {
	n := len(total)
	if n < 3 {
		return 0, false
	}
	first, last := 2*n/3, n-1
	if by[last] <= by[first] {
		return 0, false
	}
	return (total[last] - total[first]) / (by[last] - by[first]), true
}

// steadyRate is rate where what is kept falls now and then, as it expires: from the first
// fall in the last two thirds to the last one, so that neither end has more that is to
// expire than the other. It reports false unless there are two.
func steadyRate(total, by, kept []float64) (perUnit float64, ok bool) {
	first, last := -1, -1
	for i := max(1, len(kept)/3); i < len(kept); i++ {
		if kept[i] < kept[i-1]*0.95 {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	if first == last || by[last] <= by[first] {
		return 0, false
	}
	return (total[last] - total[first]) / (by[last] - by[first]), true
}

// tableOf writes what was judged, a line each.
func tableOf(all []judged) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %14s %14s %14s %14s\n", "quantity", "second third", "last third", "may be", "most")
	for _, j := range all {
		verdict := ""
		if j.grew {
			verdict = "  GREW"
		}
		fmt.Fprintf(&b, "%-20s %14.0f %14.0f %14.0f %14.0f%s\n", j.quantity, j.second, j.last, j.limit(), j.most, verdict)
	}
	return b.String()
}

// TestFlatnessSeesGrowth judges series that grow and series that do not, of an hour with
// a value each 10 s.
func TestFlatnessSeesGrowth(t *testing.T) {
	series := func(at func(i int) float64) []float64 {
		values := make([]float64, 360)
		for i := range values {
			values[i] = at(i)
		}
		return values
	}
	const mib = 1 << 20
	saw := func(i int) float64 { return 20*mib + float64(i%12)*mib } // what is collected every two minutes
	for name, test := range map[string]struct {
		quantity string
		values   []float64
		grew     bool
	}{
		"constant":                          {"goroutines", series(func(int) float64 { return 100 }), false},
		"garbage_that_comes_and_goes":       {"heap_in_use_bytes", series(saw), false},
		"caches_that_fill_at_first":         {"heap_live_bytes", series(func(i int) float64 { return 20 * mib * min(1, float64(i)/100) }), false},
		"a_burst_while_the_database_is_off": {"heap_live_bytes", series(func(i int) float64 { return 20*mib + 30*mib*one(i >= 165 && i < 195) }), false},
		"a_client_at_the_end":               {"descriptors", series(func(i int) float64 { return 30 + 20*one(i > 340) }), false},
		"shrinking":                         {"rss_bytes", series(func(i int) float64 { return 90*mib - float64(i)*mib/10 }), false},
		"a_goroutine_every_two_minutes":     {"goroutines", series(func(i int) float64 { return 100 + float64(i/12) }), true},
		"a_descriptor_every_four_minutes":   {"descriptors", series(func(i int) float64 { return 30 + float64(i/24) }), true},
		"a_leak_under_the_garbage":          {"heap_live_bytes", series(func(i int) float64 { return saw(i) + float64(i)*mib/20 }), true},
		"a_leak_that_begins_late":           {"heap_live_bytes", series(func(i int) float64 { return 20*mib + float64(max(0, i-240))*mib/10 }), true},
		"what_never_comes_back":             {"waiting_samples", series(func(i int) float64 { return 100 * one(i >= 240) }), true},
		"too_short_to_judge":                {"goroutines", []float64{1, 1, 1}, true},
	} {
		i := slices.IndexFunc(enduring, func(f flatness) bool { return f.quantity == test.quantity })
		if got := enduring[i].judge(test.values); got.grew != test.grew {
			t.Errorf("%s: grew %v, want %v: %+v", name, got.grew, test.grew, got)
		}
	}
}

// TestSteadyRateIsFromFallToFall has 100 rows come with each value, of 10 bytes that stay
// and 20 that expire, each ten values, ten values later.
func TestSteadyRateIsFromFallToFall(t *testing.T) {
	var total, by, kept []float64
	for i := range 58 {
		expired := max(0, i/10-1) * 1000
		rows := float64(i * 100)
		by, kept = append(by, rows), append(kept, rows-float64(expired))
		total = append(total, 10*rows+20*kept[i])
	}
	if got, ok := steadyRate(total, by, kept); !ok || got != 10 {
		t.Errorf("%v, %v, want the 10 bytes that stay", got, ok)
	}
	if got, _ := rate(total, by); got == 10 {
		t.Error("the last third alone tells the same: nothing was tested")
	}
	if _, ok := steadyRate(total[:25], by[:25], kept[:25]); ok {
		t.Error("a rate from one fall")
	}
}

// one is 1 if is, else 0.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// TestRateIsOfTheLastThird derives a rate where the first two thirds say something else.
func TestRateIsOfTheLastThird(t *testing.T) {
	total := []float64{0, 900, 901, 902, 903, 904, 905, 908, 911} // + 3 for each 10 from value 6 on
	by := []float64{0, 10, 20, 30, 40, 50, 60, 70, 80}
	if got, ok := rate(total, by); !ok || got != 0.3 {
		t.Errorf("%v, %v, want 0.3", got, ok)
	}
	if _, ok := rate(total, make([]float64, 9)); ok {
		t.Error("a rate by what did not grow")
	}
}
