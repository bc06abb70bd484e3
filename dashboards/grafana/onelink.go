package grafana

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/units"

	"perigee"
)

// oneLink is the dashboard of a single link.
func oneLink() *board {
	b := newBoard("perigee-link", "perigee: One link", "Everything that was measured of one link.",
		siteVariable(false), linkVariable(false), targetVariable(), detail(), zone())
	chosen := []string{ofSite, ofLink, ofTarget, idle}
	whole := "start: v.timeRangeStart, stop: v.timeRangeStop"

	b.row("The whole range")
	b.add(
		panel{title: "Median RTT", metrics: named(perigee.MetricRTT), note: "Median of the windows' medians. " + colours, width: 4, height: 5, kind: number(), unit: units.Seconds, name: nameOfLink,
			overrides: byOrbit(medianLimits), route: routeCompare + "&metric=rtt", queries: []query{{total(from(windows, []string{"rtt_p50_seconds"}, chosen...), "median"), delays}}},
		panel{title: "95th percentile of RTT", metrics: named(perigee.MetricRTT), note: "Median of the windows' 95th percentiles. " + colours, width: 4, height: 5, kind: number(), unit: units.Seconds, name: nameOfLink,
			overrides: byOrbit(p95Limits), queries: []query{{total(from(windows, []string{"rtt_p95_seconds"}, chosen...), "median"), delays}}},
		panel{title: "Loss", metrics: named(perigee.MetricLossRatio), note: "Of all probes sent in the range. " + colours, width: 4, height: 5, kind: number(), unit: units.PercentUnit, name: nameOfLink,
			overrides: byOrbit(lossLimits), queries: []query{{lossOf(whole, windows, chosen...), ratios}}},
		panel{title: "Jitter (RFC 3550)", metrics: named(perigee.MetricJitter), note: jitterIs + "Mean over the windows. " + colours, width: 4, height: 5, kind: number(), unit: units.Seconds, name: nameOfLink,
			overrides: byOrbit(jitterLimits), queries: []query{{total(from(windows, []string{"jitter_mean_seconds"}, chosen...), "mean"), variations}}},
		panel{title: "Data age", metrics: named(perigee.MetricDataAge), note: "Up to two minutes is usual.", width: 4, height: 5, kind: number(), unit: units.Seconds, name: nameOfLink,
			thresholds: at(180, 300), route: routeNow, queries: []query{{ageOf(ofSite, ofLink), ages}}},
		panel{title: "Budget used", metrics: named(perigee.MetricBudgetUsedRatio, perigee.MetricBudgetUsed, perigee.MetricBudgetAllowance), note: "Of the present billing period; empty if the link has no budget.",
			width: 4, height: 5, kind: dial(), unit: units.PercentUnit, name: nameOfLink, low: zero(), high: one(), thresholds: at(0.9, 1),
			queries: []query{{lastOf("budget", "used_ratio", ofSite, ofLink), values(0, 1.5)}}},
	)

	b.row("Round trips")
	b.add(
		panel{title: "RTT: smallest and percentiles", metrics: named(perigee.MetricRTT), note: onlyIdle + " Medians of the windows' values. Where nothing was measured no line is drawn.",
			width: 16, height: 10, kind: curve(), unit: units.Seconds, name: "${__field.labels.of}", route: routeCompare + "&metric=rtt",
			queries: []query{{fieldLines(map[string]string{
				"rtt_min_seconds": "smallest", "rtt_p5_seconds": "5 %", "rtt_p50_seconds": "median", "rtt_p95_seconds": "95 %", "rtt_p99_seconds": "99 %"}, "median", chosen...), delays}}},
		panel{title: "How often a window's median was", metrics: named(perigee.MetricRTT), note: "Histogram of the windows' medians. That of all packets tells the page.", width: 8, height: 10, kind: shares(), unit: units.Seconds, name: nameOfLink,
			points: 100000, queries: []query{{pipe(from(windows, []string{"rtt_p50_seconds"}, chosen...), group(series), `sort(columns: ["_time"])`, keepLine("")), delays}}},
		panel{title: "Jitter (RFC 3550), IPDV and PDV", metrics: named(perigee.MetricJitter, "ipdv", perigee.MetricPDV), note: jitterIs + "Means of the windows' values: the estimator's mean, the mean of IPDV, and the 95th percentile of PDV.",
			width: 12, height: 8, kind: curve(), unit: units.Seconds, name: "${__field.labels.of}", low: zero(),
			queries: []query{{fieldLines(map[string]string{"jitter_mean_seconds": "jitter (RFC 3550)", "ipdv_mean_abs_seconds": "IPDV, mean", "pdv_p95_seconds": "PDV, 95 %"}, "mean", chosen...), variations}}},
		panel{title: "RTT by hour of the day", metrics: named(perigee.MetricRTT), note: hours().note, width: 12, height: 8, kind: cells(), unit: units.Seconds, lately: "30d", route: routeHeatmap + thisLink, queries: hours().queries},
	)

	b.row("Probes")
	b.add(
		panel{title: "Loss ratio", metrics: named(perigee.MetricLossRatio), note: "Mean of the windows' ratios.", width: 12, height: 8, kind: curve(), unit: units.PercentUnit, name: nameOfLink, low: zero(),
			queries: []query{{lines("loss_ratio", "mean", chosen...), ratios}}},
		panel{title: "Probes that were not answered in time", metrics: named("late", "lost", "send_failed", "skipped"), note: "All loads.", width: 12, height: 8, kind: stack(), unit: units.Short, name: "${__field.labels.of}", low: zero(),
			queries: []query{{fieldLines(map[string]string{"late": "late", "lost": "lost", "send_failed": "not sent", "skipped": "skipped"}, "sum", ofSite, ofLink, ofTarget), values(0, 1e5)}}},
	)

	b.row("Transfers")
	b.add(
		panel{title: "Throughput", metrics: named(perigee.MetricThroughputDown, perigee.MetricThroughputUp), note: forEachResult, width: 8, height: 8, kind: dots(), unit: units.BitsPerSecondSI, name: "${__field.labels.load}", low: zero(),
			route: routeThroughput + thisLink, queries: []query{{transfersOf("throughput_bits_per_second"), bitRates}}},
		panel{title: "RTT, idle and under load", metrics: named(perigee.MetricRTT, perigee.MetricRTTLoaded), note: forEachResult + "Of the probes just before and during it.", width: 8, height: 8, kind: dots(), unit: units.Seconds, name: "${__field.labels.of} ${__field.labels.load}", low: zero(),
			route: routeThroughput + thisLink, queries: []query{{pipe(from("throughput", []string{"idle_rtt_p50_seconds", "loaded_rtt_p50_seconds", "loaded_rtt_p95_seconds"}, ofSite, ofLink),
				group(series+`, "load", "_field"`), called(map[string]string{"idle_rtt_p50_seconds": "before, median", "loaded_rtt_p50_seconds": "during, median", "loaded_rtt_p95_seconds": "during, 95 %"}, "load: r.load, "), group(series+`, "load", "of"`), `sort(columns: ["_time"])`), delays}}},
		panel{title: "How sure, and how long the ramp", metrics: named(perigee.MetricThroughputError, perigee.MetricThroughputRamp), note: "The newest transfers.", width: 8, height: 8, kind: rows("start"),
			overrides: columns(shownIn("start", units.DatetimeISO), shownIn("throughput_bits_per_second", units.BitsPerSecondSI), shownIn("error_ratio", units.PercentUnit), shownIn("ramp_seconds", units.Seconds)),
			queries: []query{{pipe(from("throughput", []string{"throughput_bits_per_second", "error_ratio", "ramp_seconds"}, ofSite, ofLink),
				`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, "group()", `keep(columns: ["_time", "load", "throughput_bits_per_second", "error_ratio", "ramp_seconds"])`, `rename(columns: {_time: "start"})`, `sort(columns: ["start"], desc: true)`, "limit(n: 50)"),
				map[string]span{"start": {}, "load": {}, "throughput_bits_per_second": {1e5, 2e9}, "error_ratio": {0, 1}, "ramp_seconds": {0, 60}}}}},
	)

	b.row("Outages and gaps")
	b.add(
		outageTimeline(routeOutages+thisLink, 24),
		panel{title: "List of outages", metrics: named(perigee.MetricOutage), note: "The newest first; one that lasts counts up to the last unanswered probe known.", width: 14, height: 9, kind: rows("start"), route: routeOutages + thisLink,
			overrides: columns(shownIn("start", units.DatetimeISO), shownIn("seconds", units.Seconds)),
			queries: []query{{pipe(from("outage", []string{"seconds", "open", "probes", "reason"}, ofSite, ofLink, ofTarget),
				`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, "group()", `keep(columns: ["_time", "seconds", "open", "probes", "reason", "load", "family"])`, `rename(columns: {_time: "start"})`, `sort(columns: ["start"], desc: true)`, "limit(n: 200)"),
				map[string]span{"start": {}, "seconds": {1, 1e6}, "open": {}, "probes": {2, 1e6}, "reason": {}, "load": {}, "family": {}}}}},
		panel{title: "List of gaps", metrics: named(perigee.MetricGap), note: "Of this link or of all links of the site.", width: 10, height: 9, kind: rows("start"),
			overrides: columns(shownIn("start", units.DatetimeISO), shownIn("seconds", units.Seconds)),
			queries: []query{{pipe(from("gap", []string{"seconds", "detail"}, ofSite, "(not exists r.link or "+ofLink+")"),
				`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, "group()", `keep(columns: ["_time", "seconds", "reason", "detail"])`, `rename(columns: {_time: "start"})`, `sort(columns: ["start"], desc: true)`, "limit(n: 200)"),
				map[string]span{"start": {}, "seconds": {0, 1e7}, "reason": {}, "detail": {}}}}},
	)

	b.row("Bytes")
	b.add(panel{title: "Bytes of the billing period", metrics: named(perigee.MetricBudgetUsed, perigee.MetricBudgetLeft, perigee.MetricDeviceBytes), note: "Means of what was told each minute. There is no line of what is left where the link has no budget.", width: 24, height: 8, kind: curve(), unit: units.BytesSI, name: "${__field.labels.of}", low: zero(),
		queries: []query{{pipe(from("budget", []string{"used_bytes", "left_bytes", "device_bytes"}, ofSite, ofLink), group(series+`, "_field"`),
			`aggregateWindow(every: if int(v: v.windowPeriod) < int(v: 1m) then 1m else v.windowPeriod, fn: mean, createEmpty: true)`,
			called(map[string]string{"used_bytes": "used by perigee", "left_bytes": "left", "device_bytes": "moved by the device"}, ""), group(series+`, "of"`)), byteCounts}}})
	return b
}

// called names lines by their field, in a column of its own, and keeps what a line needs.
// Further columns are given as they stand in a record.
func called(names map[string]string, further string) string {
	choice := `r._field`
	for _, field := range sortedKeys(names) {
		choice = `if r._field == "` + field + `" then "` + names[field] + `" else ` + choice
	}
	return "map(fn: (r) => ({_time: r._time, site: r.site, link: r.link, orbit: r.orbit, " + further + "of: " + choice + ", _value: r._value}))"
}

// fieldLines is a query for one line for each field, under the names given.
func fieldLines(names map[string]string, fn string, conditions ...string) string {
	text := every + pipe(from(windows, sortedKeys(names), conditions...), group(series+`, "_field"`), overTime(fn), called(names, ""), group(series+`, "of"`))
	return strings.TrimSpace(text)
}

// transfersOf is a query for a field of every transfer, a line for each direction.
func transfersOf(field string) string {
	return pipe(from("throughput", []string{field}, ofSite, ofLink), group(series+`, "load"`), `sort(columns: ["_time"])`, keepLine(`, "load"`))
}
