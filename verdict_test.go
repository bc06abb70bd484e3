package perigee

import (
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	rtt, _ := LookupMetric(MetricRTT)
	loss, _ := LookupMetric(MetricLossRatio)
	interval := func(estimate, low, high float64) Interval {
		return Interval{Estimate: estimate, Low: low, High: high, Confidence: 0.95, Defined: true, Bounded: true}
	}
	for name, c := range map[string]struct {
		metric  Metric
		d       Interval
		enough  bool
		windows int
		want    string
	}{
		"lower":           {rtt, interval(-0.551, -0.553, -0.549), true, 360, "a is lower by 551 ms (95 % CI 549 to 553 ms)"},
		"higher":          {rtt, interval(0.551, 0.549, 0.553), true, 360, "a is higher by 551 ms (95 % CI 549 to 553 ms)"},
		"no_difference":   {rtt, interval(0.0004, -0.0008, 0.0015), true, 360, "no difference shown (estimate 0.4 ms, 95 % CI -0.8 to 1.5 ms)"},
		"provisional":     {rtt, interval(-0.551, -0.553, -0.549), false, 6, "a is lower by 551 ms (95 % CI 549 to 553 ms; provisional, 60 s measured)"},
		"seconds":         {rtt, interval(1.25, 1.21, 1.30), true, 360, "a is higher by 1.25 s (95 % CI 1.21 to 1.30 s)"},
		"wide":            {rtt, interval(-0.4, -0.7, -0.1), true, 360, "a is lower by 400 ms (95 % CI 100 to 700 ms)"},
		"microseconds":    {rtt, interval(-0.000052, -0.000055, -0.000049), true, 360, "a is lower by 0.052 ms (95 % CI 0.049 to 0.055 ms)"},
		"bound_near_zero": {rtt, interval(0.004, 0.00003, 0.008), true, 360, "a is higher by 4.00 ms (95 % CI 0.03 to 8.00 ms)"},
		"zero_width":      {rtt, interval(0, 0, 0), true, 360, "no difference shown (estimate 0.0 ms, 95 % CI 0.0 to 0.0 ms)"},
		"bound_is_zero":   {loss, interval(0.002, 0, 0.004), true, 360, "no difference shown (estimate 0.2 % points, 95 % CI 0.0 to 0.4 % points)"},
		"minus_zero":      {rtt, interval(-0.00004, -0.004, 0.004), true, 360, "no difference shown (estimate 0 ms, 95 % CI -4 to 4 ms)"},
		"ratio":           {loss, interval(-0.013, -0.017, -0.009), true, 360, "a is lower by 1.3 % points (95 % CI 0.9 to 1.7 % points)"},
		"too_few":         {rtt, Interval{Estimate: -0.5, Confidence: 0.95, Defined: true}, false, 4, "not enough data: 4 of at least 6 common windows"},
		"nothing":         {rtt, Interval{}, false, 0, "not enough data: 0 of at least 6 common windows"},
		"link_was_down":   {rtt, Interval{}, false, 7, "not enough data: no common window has a value of rtt for both"},
		"no_values":       {rtt, Interval{}, true, 360, "not enough data: no common window has a value of rtt for both"},
		"nothing_lost":    {loss, Interval{Confidence: 0.95, Defined: true}, true, 360, "no difference shown (loss_ratio of both was the same throughout)"},
	} {
		j := judged{pair: Pair{A: "a", B: "b", MedianDifference: c.d, EnoughData: c.enough, Windows: c.windows}}
		j.w = &pairing{metric: c.metric, quantile: 0.5, paired: true, grid: 10 * time.Second, measuredTime: time.Minute}
		if got := j.verdict(c.metric, 0.5); got != c.want {
			t.Errorf("%s: verdict %q, want %q", name, got, c.want)
		}
	}
}

// What else was asked stands in the verdict: a quantile, a group, a period, many pairs.
func TestVerdictSaysWhatWasAsked(t *testing.T) {
	rtt, _ := LookupMetric(MetricRTT)
	rate, _ := LookupMetric(MetricThroughputDown)
	lower := Interval{Estimate: -0.551, Low: -0.553, High: -0.549, Confidence: 0.95, Defined: true, Bounded: true}
	slower := Interval{Estimate: -12e6, Low: -15e6, High: -9e6, Confidence: 0.95, Defined: true, Bounded: true}
	needs := Interval{Estimate: 0.1, Needs: 5.7, Confidence: 0.95, Defined: true}
	hour := &pairing{quantile: 0.5, paired: true, grid: 10 * time.Second, measuredTime: time.Hour}
	for name, c := range map[string]struct {
		j        judged
		metric   Metric
		quantile float64
		want     string
	}{
		"quantile": {judged{pair: Pair{P95Difference: lower}}, rtt, 0.95, "a's p95 is lower by 551 ms (95 % CI 549 to 553 ms)"},
		"rate":     {judged{pair: Pair{MedianDifference: slower}}, rate, 0.5, "a is lower by 12 Mbit/s (95 % CI 9 to 15 Mbit/s)"},
		"group":    {judged{pair: Pair{MedianDifference: lower}, words: "on Mondays "}, rtt, 0.5, "on Mondays a is lower by 551 ms (95 % CI 549 to 553 ms)"},
		"period":   {judged{pair: Pair{MedianDifference: lower}, than: " than last week"}, rtt, 0.5, "a is lower by 551 ms than last week (95 % CI 549 to 553 ms)"},
		"many": {judged{pair: Pair{MedianDifference: lower}, corrected: 0.12, together: 24}, rtt, 0.5,
			"no difference shown among 24 comparisons (estimate -551 ms; alone 95 % CI -553 to -549 ms, but p = 0.12 when corrected for their number)"},
		"many_and_clear": {judged{pair: Pair{MedianDifference: lower}, corrected: 0.01, together: 24}, rtt, 0.5, "a is lower by 551 ms (95 % CI 549 to 553 ms)"},
		"needs":          {judged{pair: Pair{P99Difference: needs}}, rtt, 0.99, "not enough data: p99 needs about 6 h, 60 min was measured"},
		"group_needs":    {judged{pair: Pair{P99Difference: needs}, words: "at far "}, rtt, 0.99, "at far: not enough data: p99 needs about 6 h, 60 min was measured"},
	} {
		c.j.pair.A, c.j.pair.B, c.j.pair.EnoughData, c.j.pair.Windows, c.j.w = "a", "b", true, 360, hour
		if got := c.j.verdict(c.metric, c.quantile); got != c.want {
			t.Errorf("%s: verdict %q, want %q", name, got, c.want)
		}
	}
}
