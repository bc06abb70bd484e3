package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"perigee"
)

// Words that several panels say.
const (
	ofWindows     = "Points are medians of the windows' values; the exact percentile of a range, and how sure a difference is, tell the page's comparison and `perigee compare`. Where nothing was measured no line is drawn."
	colours       = "Colours go by the link's orbit."
	onlyIdle      = "While no transfer of our own ran."
	jitterIs      = "This is the RFC 3550 estimator, not a deviation; links that are probed at different intervals do not compare. "
	forEachResult = "One point for each transfer. "
)

// comparison is the dashboard that answers how links of a site compare.
func comparison() *board {
	b := newBoard("perigee-compare", "perigee: Link comparison", "How the links of a site compare, at a target that all of them probe at the same instants.",
		siteVariable(false), linkVariable(true), targetVariable(), baselineVariable(), detail(), zone())
	chosen := []string{ofSite, ofLink, ofTarget, idle}

	b.row("The whole range")
	b.add(
		panel{title: "Median RTT", metrics: named(perigee.MetricRTT), note: "Median of the windows' medians. " + colours, width: 6, height: 7, kind: bars(), unit: units.Seconds, name: nameOfLink,
			low: zero(), overrides: byOrbit(medianLimits), route: routeCompare + "&metric=rtt",
			queries: []query{{total(from(windows, []string{"rtt_p50_seconds"}, chosen...), "median"), delays}}},
		panel{title: "95th percentile of RTT", metrics: named(perigee.MetricRTT), note: "Median of the windows' 95th percentiles. " + colours, width: 6, height: 7, kind: bars(), unit: units.Seconds, name: nameOfLink,
			low: zero(), overrides: byOrbit(p95Limits), route: routeCompare + "&metric=rtt",
			queries: []query{{total(from(windows, []string{"rtt_p95_seconds"}, chosen...), "median"), delays}}},
		panel{title: "Loss", metrics: named(perigee.MetricLossRatio), note: "Of all probes sent in the range. " + colours, width: 6, height: 7, kind: bars(), unit: units.PercentUnit, name: nameOfLink,
			low: zero(), overrides: byOrbit(lossLimits), route: routeCompare + "&metric=loss_ratio",
			queries: []query{{lossOf("start: v.timeRangeStart, stop: v.timeRangeStop", windows, chosen...), ratios}}},
		panel{title: "Jitter (RFC 3550)", metrics: named(perigee.MetricJitter), note: jitterIs + "Mean over the windows. " + colours, width: 6, height: 7, kind: bars(), unit: units.Seconds, name: nameOfLink,
			low: zero(), overrides: byOrbit(jitterLimits), route: routeCompare + "&metric=jitter",
			queries: []query{{total(from(windows, []string{"jitter_mean_seconds"}, chosen...), "mean"), variations}}},
		panel{title: "Data age", metrics: named(perigee.MetricDataAge), note: "Up to two minutes is usual.", width: 6, height: 7, kind: number(), unit: units.Seconds, name: nameOfLink,
			thresholds: at(180, 300), route: routeNow, queries: []query{{ageOf(ofSite, ofLink), ages}}},
		panel{title: "Budget used", metrics: named(perigee.MetricBudgetUsedRatio, perigee.MetricBudgetUsed, perigee.MetricBudgetAllowance), note: "Of the present billing period; links without a budget are not shown.",
			width: 18, height: 7, kind: dial(), unit: units.PercentUnit, name: nameOfLink, low: zero(), high: one(), thresholds: at(0.9, 1),
			queries: []query{{lastOf("budget", "used_ratio", ofSite, ofLink), values(0, 1.5)}}},
	)

	b.row("Round trips")
	b.add(
		panel{title: "RTT, median", metrics: named(perigee.MetricRTT), note: onlyIdle + " " + ofWindows, width: 12, height: 9, kind: curve(), unit: units.Seconds, name: nameOfLink,
			route: routeCompare + "&metric=rtt", queries: []query{{lines("rtt_p50_seconds", "median", chosen...), delays}}},
		panel{title: "RTT, 95th percentile", metrics: named(perigee.MetricRTT), note: onlyIdle + " " + ofWindows, width: 12, height: 9, kind: curve(), unit: units.Seconds, name: nameOfLink,
			route: routeCompare + "&metric=rtt", queries: []query{{lines("rtt_p95_seconds", "median", chosen...), delays}}},
		panel{title: "RTT, median, less that of the baseline", metrics: named(perigee.MetricRTT),
			note:  "Of each link minus that of the link chosen as baseline, where both were measured: probes of all links leave at the same instants, so that what the target does cancels out. Below 0 the link is faster. The interval of the difference tells the page.",
			width: 12, height: 9, kind: curve(), unit: units.Seconds, name: nameOfLink, route: routeCompare + "&metric=rtt",
			queries: []query{{differenceFromBaseline(), values(-1, 1)}}},
		panel{title: "Share of windows with a median RTT at or below", metrics: named(perigee.MetricRTT),
			note:  "Distribution of the windows' medians, in steps of 5 %. The distribution of all packets tells the page.",
			width: 12, height: 9, kind: distribution(), unit: units.PercentUnit, low: zero(), high: one(), route: routeCompare + "&metric=rtt",
			overrides: columns(shownIn("le", units.Seconds)), queries: []query{{distributionOfWindows(), map[string]span{"le": {0.0005, 20}, "/\\(/": {0, 1}}}}},
	)

	b.row("Loss and jitter")
	b.add(
		panel{title: "Loss ratio", metrics: named(perigee.MetricLossRatio), note: "Mean of the windows' ratios. Where nothing was measured, or nothing could be sent, no line is drawn.", width: 12, height: 8, kind: curve(), unit: units.PercentUnit, name: nameOfLink,
			low: zero(), route: routeCompare + "&metric=loss_ratio", queries: []query{{lines("loss_ratio", "mean", chosen...), ratios}}},
		panel{title: "Jitter (RFC 3550) over time", metrics: named(perigee.MetricJitter), note: jitterIs + "Mean over the windows. Where nothing was measured no line is drawn.", width: 12, height: 8, kind: curve(), unit: units.Seconds, name: nameOfLink,
			low: zero(), route: routeCompare + "&metric=jitter", queries: []query{{lines("jitter_mean_seconds", "mean", chosen...), variations}}},
	)

	b.row("Transfers")
	b.add(
		panel{title: "Throughput, down", metrics: named(perigee.MetricThroughputDown), note: forEachResult + "Compare only what was made alike: see the page.", width: 8, height: 9, kind: dots(), unit: units.BitsPerSecondSI, name: nameOfLink,
			low: zero(), route: routeCompare + "&metric=throughput_down", queries: []query{{transfers("throughput_bits_per_second", "down"), bitRates}}},
		panel{title: "Throughput, up", metrics: named(perigee.MetricThroughputUp), note: forEachResult + "Compare only what was made alike: see the page.", width: 8, height: 9, kind: dots(), unit: units.BitsPerSecondSI, name: nameOfLink,
			low: zero(), route: routeCompare + "&metric=throughput_up", queries: []query{{transfers("throughput_bits_per_second", "up"), bitRates}}},
		panel{title: "RTT under load, median", metrics: named(perigee.MetricRTTLoaded), note: forEachResult + "Transfers down and up.", width: 8, height: 9, kind: dots(), unit: units.Seconds, name: nameOfLink + " ${__field.labels.load}",
			low: zero(), route: routeCompare + "&metric=rtt_loaded", queries: []query{{pipe(from("throughput", []string{"loaded_rtt_p50_seconds"}, ofSite, ofLink), group(series+`, "load"`), keepLine(`, "load"`)), delays}}},
	)

	b.row("Outages, and the hours of the day")
	b.add(outageTimeline(routeOutages+thisLink, 24))
	b.add(hours())
	return b
}
