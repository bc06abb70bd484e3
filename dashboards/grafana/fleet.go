package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"perigee"
)

// fleetBoard is the dashboard of all sites. It reads hours, not windows: a thousand homes
// have as many of them as one home has windows in three hours.
func fleetBoard() *board {
	b := newBoard("perigee-fleet", "perigee: Fleet", "All sites and their links: which of them need a look.", siteVariable(true))
	count := func(source string) string {
		return pipe(source, "group()", "count()", "map(fn: (r) => ({_time: now(), _value: r._value}))")
	}
	counted := func(title, note, source string, metrics []perigee.MetricName, thresholds *dashboard.ThresholdsConfig) panel {
		return panel{title: title, metrics: metrics, note: note, width: 6, height: 4, kind: number(), thresholds: thresholds, unit: units.Short, route: routeNow,
			queries: []query{{source, values(0, 1e6)}}}
	}

	b.row("Now")
	b.add(
		counted("Links measured within a week", "Number of links.", count(ageOf(ofSite)), named(perigee.MetricDataAge), nil),
		counted("Links that are silent", "Number of links of which nothing was heard for 5 minutes.", sumOf(ageOf(ofSite), "r._value > 300.0"), named(perigee.MetricDataAge), at(1, 2)),
		counted("Outages that last", "Number of streams in an outage that began within a day and has not ended.", openOutages(), named(perigee.MetricOutage), at(1, 2)),
		panel{title: "Results that wait", metrics: named(perigee.MetricOutboxPending), note: "Of all monitors. A few are usual: those of the last seconds.", width: 6, height: 4, kind: number(), unit: units.Short, thresholds: at(1000, 100000),
			queries: []query{{pipe(within("start: -10m", "monitor", []string{"pending"}, ofSiteOrNone), group(`"instance", "site"`), `sort(columns: ["_time"])`, "last()", "group()", "sum()", "map(fn: (r) => ({_time: now(), _value: r._value}))"), values(0, 1e9)}}},
	)

	b.row("Links")
	b.add(panel{title: "All links", metrics: named(perigee.MetricRTT, perigee.MetricLossRatio, perigee.MetricOutage, perigee.MetricThroughputDown, perigee.MetricThroughputUp, perigee.MetricDataAge),
		note:  "Of the hours of the range that are complete: median of the hours' medians and 95th percentiles, loss of all probes. Outages of all targets, the first hop aside: their number and longest. The newest transfers. Of links in this table no colour can go by orbit; compare within one.",
		width: 24, height: 14, kind: rows("loss"), rowLinks: []dashboard.DashboardLink{link("One link", "/d/perigee-link?var-site=${__data.fields.site}&var-link=${__data.fields.link}&${__url_time_range}"),
			link("On the monitor's page", "${page}/#/outages?link=${__data.fields.link}&site=${__data.fields.site}&from=${__from:date:iso}&to=${__to:date:iso}")},
		overrides: columns(shownIn("median", units.Seconds), shownIn("p95", units.Seconds), shownIn("loss", units.PercentUnit), shownIn("longest_outage", units.Seconds), shownIn("outages", units.Short),
			shownIn("down", units.BitsPerSecondSI), shownIn("up", units.BitsPerSecondSI), shownIn("age", units.Seconds)),
		queries: []query{{fleetTable(), map[string]span{"site": {}, "link": {}, "orbit": {}, "median": {0.001, 5}, "p95": {0.001, 5}, "loss": {0, 1}, "outages": {1, 1e6}, "longest_outage": {1, 1e6}, "down": {1e5, 2e9}, "up": {1e5, 2e9}, "age": {1, 3600}}}}})
	b.add(
		panel{title: "Longest outages", metrics: named(perigee.MetricOutage), note: "The 50 longest that began in the range, the first hop aside.", width: 12, height: 10, kind: rows("seconds"),
			overrides: columns(shownIn("start", units.DatetimeISO), shownIn("seconds", units.Seconds)),
			queries: []query{{pipe(from("outage", []string{"seconds"}, ofSite, anyone), "group()", `sort(columns: ["_value"], desc: true)`, "limit(n: 50)", `keep(columns: ["_time", "_value", "site", "link", "orbit", "target"])`, `rename(columns: {_time: "start", _value: "seconds"})`),
				map[string]span{"start": {}, "seconds": {1, 1e6}, "site": {}, "link": {}, "orbit": {}, "target": {}}}}},
		panel{title: "Loss by orbit", metrics: named(perigee.MetricLossRatio), note: "Mean of the hours' ratios of all links of an orbit.", width: 12, height: 10, kind: curve(), unit: units.PercentUnit, name: "${__field.labels.orbit}", low: zero(),
			queries: []query{{hourly + pipe(from("rtt_hour", []string{"loss_ratio"}, ofSite, anyone, idle), group(`"orbit"`), overTime("mean"), `drop(columns: ["_start", "_stop"])`), ratios}}},
	)

	b.row("Budgets and forwarding")
	b.add(
		panel{title: "Budgets used", metrics: named(perigee.MetricBudgetUsedRatio), note: "Of the present billing period; links without a budget are not shown.", width: 12, height: 9, kind: bars(), unit: units.PercentUnit, name: nameInFleet, low: zero(), high: one(), thresholds: at(0.9, 1),
			queries: []query{{lastOf("budget", "used_ratio", ofSite), values(0, 1.5)}}},
		panel{title: "Results that wait, over time", metrics: named(perigee.MetricOutboxPending), note: "By monitor; means. It is told while results are forwarded: a monitor that cannot reach the database is missing here.", width: 6, height: 9, kind: curve(), unit: units.Short, name: "${__field.labels.site} ${__field.labels.instance}", low: zero(),
			queries: []query{{pipe(from("monitor", []string{"pending"}, ofSiteOrNone), group(`"site", "instance"`), everyMinute("mean"), `drop(columns: ["_start", "_stop"])`), values(0, 1e9)}}},
		panel{title: "Age of the oldest result that waits", metrics: named(perigee.MetricOutboxOldest), note: "By monitor. Means.", width: 6, height: 9, kind: curve(), unit: units.Seconds, name: "${__field.labels.site} ${__field.labels.instance}", low: zero(),
			queries: []query{{pipe(from("monitor", []string{"oldest_seconds"}, ofSiteOrNone), group(`"site", "instance"`), everyMinute("mean"), `drop(columns: ["_start", "_stop"])`), values(0, 1e7)}}},
	)
	return b
}

// ofSiteOrNone also takes monitors of many sites, which have no tag of one.
const ofSiteOrNone = "(not exists r.site or " + ofSite + ")"

// hourly is every of what has a value an hour.
const hourly = "every = if int(v: v.windowPeriod) < int(v: 1h) then 1h else v.windowPeriod\n"

// everyMinute aggregates what has a value a minute.
func everyMinute(fn string) string {
	return "aggregateWindow(every: if int(v: v.windowPeriod) < int(v: 2m) then 2m else v.windowPeriod, fn: " + fn + ", createEmpty: true)"
}

// sumOf is a query for how many lines of a source fulfil a condition, 0 included.
func sumOf(source, condition string) string {
	return pipe(source, "group()", "map(fn: (r) => ({_value: if "+condition+" then 1 else 0}))", "sum()", "map(fn: (r) => ({_time: now(), _value: r._value}))")
}

// openOutages is a query for the number of outages that last, 0 included.
func openOutages() string {
	return pipe(within("start: -1d", "outage", []string{"open"}, ofSite, anyone), "group()", "map(fn: (r) => ({_value: if r._value then 1 else 0}))", "sum()", "map(fn: (r) => ({_time: now(), _value: r._value}))")
}

// fleetTable is a query for one row for each link.
func fleetTable() string {
	column := func(name, source string) string {
		return "of_" + name + " = " + pipe(source, `map(fn: (r) => ({site: r.site, link: r.link, orbit: r.orbit, name: "`+name+`", _value: float(v: r._value)}))`, "group()") + "\n"
	}
	hour := func(field string) string {
		return pipe(from("rtt_hour", []string{field}, ofSite, anyone, idle), group(series), "median()")
	}
	newest := func(direction string) string {
		return pipe(from("throughput", []string{"throughput_bits_per_second"}, ofSite, `r.load == "`+direction+`"`), group(series), `sort(columns: ["_time"])`, "last()")
	}
	outages := func(fn string) string {
		return pipe(from("outage", []string{"seconds"}, ofSite, anyone), group(series), fn)
	}
	return column("median", hour("rtt_p50_seconds")) + column("p95", hour("rtt_p95_seconds")) +
		column("loss", lossOf("start: v.timeRangeStart, stop: v.timeRangeStop", "rtt_hour", ofSite, anyone, idle)) +
		column("outages", outages("count()")) + column("longest_outage", outages("max()")) +
		column("down", newest("down")) + column("up", newest("up")) + column("age", ageOf(ofSite)) +
		pipe("union(tables: [of_median, of_p95, of_loss, of_outages, of_longest_outage, of_down, of_up, of_age])", "group()",
			`pivot(rowKey: ["site", "link", "orbit"], columnKey: ["name"], valueColumn: "_value")`, `sort(columns: ["site", "link"])`)
}
