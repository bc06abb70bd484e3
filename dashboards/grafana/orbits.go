package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"perigee"
)

// limits are the values from which on a link deserves a look, and from which on something
// is wrong.
type limits struct{ notable, bad float64 }

// Limits by orbit, for what is normal on one is a fault on another. They stand above what
// idle links of the orbit show in public measurements; docs/grafana.md gives the figures.
var (
	medianLimits = map[perigee.Orbit]limits{ // of the median RTT, seconds
		perigee.OrbitStarlink: {0.06, 0.1}, perigee.OrbitLEO: {0.12, 0.2}, perigee.OrbitMEO: {0.2, 0.3},
		perigee.OrbitGEO: {0.75, 1}, perigee.OrbitCellular: {0.08, 0.15}, perigee.OrbitTerrestrial: {0.03, 0.06},
	}
	p95Limits = map[perigee.Orbit]limits{ // of the 95th percentile of RTT, seconds
		perigee.OrbitStarlink: {0.12, 0.2}, perigee.OrbitLEO: {0.2, 0.4}, perigee.OrbitMEO: {0.3, 0.5},
		perigee.OrbitGEO: {1, 1.5}, perigee.OrbitCellular: {0.2, 0.4}, perigee.OrbitTerrestrial: {0.06, 0.12},
	}
	lossLimits = map[perigee.Orbit]limits{ // of the loss ratio
		perigee.OrbitStarlink: {0.025, 0.05}, perigee.OrbitLEO: {0.02, 0.05}, perigee.OrbitMEO: {0.02, 0.05},
		perigee.OrbitGEO: {0.01, 0.03}, perigee.OrbitCellular: {0.02, 0.05}, perigee.OrbitTerrestrial: {0.002, 0.01},
	}
	jitterLimits = map[perigee.Orbit]limits{ // of the RFC 3550 estimator, seconds
		perigee.OrbitStarlink: {0.015, 0.03}, perigee.OrbitLEO: {0.02, 0.04}, perigee.OrbitMEO: {0.02, 0.04},
		perigee.OrbitGEO: {0.03, 0.06}, perigee.OrbitCellular: {0.02, 0.05}, perigee.OrbitTerrestrial: {0.003, 0.01},
	}
)

// nameOfLink is how panels name a link: overrides by orbit go by the word in brackets.
const nameOfLink = "${__field.labels.link} (${__field.labels.orbit})"

// nameInFleet is the same where links of many sites are.
const nameInFleet = "${__field.labels.site} " + nameOfLink

// steps returns thresholds: green, from notable on orange, from bad on red.
func steps(l limits) *dashboard.ThresholdsConfig {
	return &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: []dashboard.Threshold{
		{Color: "green"}, {Color: "orange", Value: &l.notable}, {Color: "red", Value: &l.bad},
	}}
}

// byOrbit returns the overrides that give each link the thresholds of its orbit. A panel
// has but one set of thresholds otherwise, whatever it shows.
func byOrbit(all map[perigee.Orbit]limits) []dashboard.DashboardFieldConfigSourceOverrides {
	var overrides []dashboard.DashboardFieldConfigSourceOverrides
	for _, orbit := range perigee.Orbits {
		overrides = append(overrides, override(`/\(`+string(orbit)+`\)/`, property{"thresholds", steps(all[orbit])}))
	}
	return overrides
}

// property is what an override sets.
type property struct {
	id    string
	value any
}

// override applies to fields whose name matches a regular expression, or is it if that is
// not between slashes.
func override(name string, properties ...property) dashboard.DashboardFieldConfigSourceOverrides {
	matcher := "byName"
	if len(name) > 2 && name[0] == '/' {
		matcher = "byRegexp"
	}
	o := dashboard.DashboardFieldConfigSourceOverrides{Matcher: dashboard.MatcherConfig{Id: matcher, Options: name}}
	for _, p := range properties {
		o.Properties = append(o.Properties, dashboard.DynamicConfigValue{Id: p.id, Value: p.value})
	}
	return o
}

// columns are the overrides of a table's columns.
func columns(all ...dashboard.DashboardFieldConfigSourceOverrides) []dashboard.DashboardFieldConfigSourceOverrides {
	return all
}

// shownIn is the override that shows a column in a unit of Grafana's.
func shownIn(column, unit string) dashboard.DashboardFieldConfigSourceOverrides {
	return override(column, property{"unit", unit})
}
