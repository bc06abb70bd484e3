package grafana

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// sourceUID names the data source that is provisioned, for alerts and as the first choice
// of dashboards.
const sourceUID = "perigee-influxdb"

// chosenSource is the data source that a dashboard's variable names.
func chosenSource() *common.DataSourceRef { return sourceRef("${source}") }

func sourceRef(uid string) *common.DataSourceRef {
	kind := sourceType
	return &common.DataSourceRef{Type: &kind, Uid: &uid}
}

// option is a choice of a variable, shown as text.
func option(text, value string) dashboard.VariableOption {
	return dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{String: &text}, Value: dashboard.StringOrArrayOfString{String: &value}}
}

// everything is the choice of all values.
func everything() dashboard.VariableOption {
	return dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}}
}

// source chooses among data sources.
func source() cog.Builder[dashboard.VariableModel] {
	return dashboard.NewDatasourceVariableBuilder("source").Label("InfluxDB").Type(sourceType).Current(option("perigee", sourceUID))
}

// page is where the monitor's own page is, for links to it.
func page() cog.Builder[dashboard.VariableModel] {
	return dashboard.NewTextBoxVariableBuilder("page").Label("Page").Description("Where the monitor's own page is, for links to it.").
		DefaultValue(dashboard.StringOrMap{String: cog.ToPtr(defaultPage)}).Current(option(defaultPage, defaultPage))
}

const defaultPage = "http://127.0.0.1:8480"

// detail chooses what round trips are read of.
func detail() cog.Builder[dashboard.VariableModel] {
	const windows, hours = "windows (10 s)", "hours"
	return dashboard.NewCustomVariableBuilder("detail").Label("Detail").Description("Windows show most. Hours are complete, and answer faster for ranges of a week and more.").
		Values(dashboard.StringOrMap{String: cog.ToPtr(windows + " : rtt, " + hours + " : rtt_hour")}).
		Options([]dashboard.VariableOption{option(windows, "rtt"), option(hours, "rtt_hour")}).Current(option(windows, "rtt"))
}

// zone is how far the local clock is from UTC, for hours of the day: 1.8 knows no time zones.
func zone() cog.Builder[dashboard.VariableModel] {
	var values []string
	var options []dashboard.VariableOption
	for _, h := range strings.Fields("-12 -11 -10 -9 -8 -7 -6 -5 -4 -3 -2 -1 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14") {
		values, options = append(values, h), append(options, option(h, h))
	}
	return dashboard.NewCustomVariableBuilder("zone").Label("UTC + hours").Description("How far the clock on the wall is ahead of UTC, for hours of the day.").
		Values(dashboard.StringOrMap{String: cog.ToPtr(strings.Join(values, ","))}).Options(options).Current(option("0", "0"))
}

// tagValues is a variable with the values that a tag has in a measurement within 30 days.
func tagValues(name, label, measurement, tag string, many bool, conditions ...string) cog.Builder[dashboard.VariableModel] {
	condition := strings.Join(append([]string{`r._measurement == "` + measurement + `"`}, conditions...), " and ")
	flux := "import \"influxdata/influxdb/v1\"\nv1.tagValues(bucket: v.defaultBucket, tag: \"" + tag + "\", predicate: (r) => " + condition + ", start: -30d)"
	b := dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(*chosenSource()).
		Query(dashboard.StringOrMap{String: &flux}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
	if many {
		b.Multi(true).IncludeAll(true).Current(everything())
	}
	return b
}

// The variables that choose what is shown. Names of links come from their descriptions,
// so that one that was never probed can be chosen too.
func siteVariable(many bool) cog.Builder[dashboard.VariableModel] {
	return tagValues("site", "Site", "link", "site", many)
}

func linkVariable(many bool) cog.Builder[dashboard.VariableModel] {
	return tagValues("link", "Link", "link", "link", many, ofSite)
}

func baselineVariable() cog.Builder[dashboard.VariableModel] {
	return tagValues("baseline", "Baseline", "link", "link", false, ofSite)
}

// targetVariable has the targets of complete hours and, for who has none yet, of the last
// two; reading single windows of a month for their names would take 1.8 seconds.
func targetVariable() cog.Builder[dashboard.VariableModel] {
	of := func(measurement, since string) string {
		return within("start: "+since, measurement, []string{"planned"}, ofSite, anyone) + ` |> keep(columns: ["target"])`
	}
	flux := pipe("union(tables: ["+of("rtt_hour", "-30d")+", "+of("rtt", "-2h")+"])", "group()", `distinct(column: "target")`)
	return dashboard.NewQueryVariableBuilder("target").Label("Target").Datasource(*chosenSource()).
		Query(dashboard.StringOrMap{String: &flux}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}
