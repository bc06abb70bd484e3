package grafana

import (
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/units"

	"perigee"
)

func zero() *float64 { v := 0.0; return &v }
func one() *float64  { v := 1.0; return &v }

// keepLine leaves what a line needs, and further columns.
func keepLine(further string) string {
	return `keep(columns: ["_time", "_value", ` + series + further + `])`
}

// lastOf is a query for the newest value of a measurement of links, within a day.
func lastOf(measurement, field string, conditions ...string) string {
	return pipe(within("start: -1d", measurement, []string{field}, conditions...), group(series), `sort(columns: ["_time"])`, "last()", keepLine(""))
}

// transfers is a query for a field of each transfer in a direction.
func transfers(field, direction string) string {
	return pipe(from("throughput", []string{field}, ofSite, ofLink, `r.load == "`+direction+`"`), group(series), `sort(columns: ["_time"])`, keepLine(""))
}

// differenceFromBaseline is a query for the median RTT of each link less that of the
// baseline, at the same times. A null of either leaves a gap.
func differenceFromBaseline() string {
	side := func(name, of, columns string) string {
		return name + " = " + pipe(from(windows, []string{"rtt_p50_seconds"}, ofSite, of, ofTarget, idle), group(columns), overTime("median"), `drop(columns: ["_start", "_stop"])`) + "\n"
	}
	return every + side("links", ofLink, series) + side("baseline", `r.link =~ /^${baseline:regex}$/`, `"site"`) +
		pipe(`join(tables: {a: links, b: baseline}, on: ["_time", "site"])`,
			"map(fn: (r) => ({_time: r._time, site: r.site, link: r.link, orbit: r.orbit, _value: r._value_a - r._value_b}))")
}

// distributionOfWindows is a query for the share of windows at or below each of 200
// delays from 1 ms on, one column for each link.
func distributionOfWindows() string {
	return pipe(from(windows, []string{"rtt_p50_seconds"}, ofSite, ofLink, ofTarget, idle), group(series),
		"histogram(bins: logarithmicBins(start: 0.001, factor: 1.05, count: 200, infinity: false), normalize: true)",
		`map(fn: (r) => ({le: r.le, name: r.link + " (" + r.orbit + ")", _value: r._value}))`,
		"group()", `pivot(rowKey: ["le"], columnKey: ["name"], valueColumn: "_value")`, `sort(columns: ["le"])`)
}

// outageTimeline is what was known of links at any time: measured, in an outage, or not
// measured. A break between windows of more than a minute is time not measured, whatever
// the reason; so is what follows the last window, after two minutes.
func outageTimeline(route string, width uint32) panel {
	state := func(name, source, at, value string) string {
		return name + " = " + pipe(source, "map(fn: (r) => ({_time: "+at+", site: r.site, link: r.link, orbit: r.orbit, _value: "+value+".0}))") + "\n"
	}
	text := "since = int(v: v.timeRangeStart)\nuntil = int(v: v.timeRangeStop)\n" +
		"windows = " + pipe(from(windows, []string{"length_seconds"}, ofSite, ofLink, ofTarget), group(series), `sort(columns: ["_time"])`) + "\n" +
		"longest = if \"" + windows + "\" == \"rtt_hour\" then 3660 else 60\n" +
		"breaks = " + pipe("windows", "elapsed(unit: 1s)", "filter(fn: (r) => r.elapsed > longest)") + "\n" +
		"outages = " + pipe(within("start: time(v: since - 604800000000000), stop: v.timeRangeStop", "outage", []string{"end_ns", "open"}, ofSite, ofLink, ofTarget),
		`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, "filter(fn: (r) => r.open or r.end_ns > since)") + "\n" +
		state("began", "windows |> first()", "r._time", stateMeasured) +
		state("ended", "windows |> last() |> filter(fn: (r) => until - int(v: r._time) > longest * 1000000000 + 60000000000)", "time(v: int(v: r._time) + int(v: r._value) * 1000000000)", stateNotMeasured) +
		state("resumed", "breaks", "r._time", stateMeasured) +
		state("stopped", "breaks", "time(v: int(v: r._time) - r.elapsed * 1000000000 + int(v: r._value) * 1000000000)", stateNotMeasured) +
		state("down", "outages", "if int(v: r._time) < since then time(v: since) else r._time", stateOutage) +
		state("up", "outages |> filter(fn: (r) => not r.open)", "time(v: r.end_ns)", stateMeasured) +
		pipe("union(tables: [began, ended, resumed, stopped, down, up])", group(series), `sort(columns: ["_time"])`)
	return panel{title: "Outages", metrics: named(perigee.MetricOutage, perigee.MetricGap),
		note:  "Grey is time in which nothing was measured: it says nothing of the link. An outage that lasts is red to the end. Outages shorter than a pixel are in the list of outages.",
		width: width, height: 8, kind: timeline(), name: nameOfLink, mappings: stateMappings(), route: route, points: 10000,
		queries: []query{{text, states}}}
}

// hours is a heat map of the median RTT of every hour of a month, one for each link: days
// from left to right, hours of the day upwards.
func hours() panel {
	text := "import \"date\"\n" + pipe(from("rtt_hour", []string{"rtt_p50_seconds"}, ofSite, ofLink, ofTarget, idle), "group()",
		"timeShift(duration: ${zone}h)",
		"map(fn: (r) => ({_time: date.truncate(t: r._time, unit: 1d), hour: date.hour(t: r._time), _value: r._value}))",
		`sort(columns: ["hour"])`,
		`map(fn: (r) => ({_time: r._time, hour: if r.hour < 10 then "0" + string(v: r.hour) else string(v: r.hour), _value: r._value}))`,
		`pivot(rowKey: ["_time"], columnKey: ["hour"], valueColumn: "_value")`, `sort(columns: ["_time"])`)
	return panel{title: "RTT by hour of the day: ${link}", metrics: named(perigee.MetricRTT),
		note:  "Median of all packets of the hour, of the last 30 days; the present hour is not there yet. Each link has colours of its own. Hours are those of UTC and as many more as the variable says.",
		width: 12, height: 9, kind: cells(), unit: units.Seconds, lately: "30d", repeat: "link", each: 2, route: routeHeatmap + thisLink,
		queries: []query{{text, map[string]span{"/^\\d\\d$/": {0.001, 5}}}}}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
