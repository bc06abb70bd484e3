package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
)

// sourceType is what Grafana calls data sources of InfluxDB, of any version.
const sourceType = "influxdb"

// fluxQuery is a query as Grafana's InfluxDB data source keeps it; the SDK has none.
type fluxQuery struct {
	RefID         string                `json:"refId"`
	Datasource    *common.DataSourceRef `json:"datasource,omitempty"`
	Query         string                `json:"query"`
	IntervalMs    int64                 `json:"intervalMs,omitempty"`    // of alerts: v.windowPeriod
	MaxDataPoints int64                 `json:"maxDataPoints,omitempty"` // of alerts
}

var _ variants.Dataquery = fluxQuery{}

// ImplementsDataqueryVariant, Equals, DataqueryType and Validate implement variants.Dataquery.
func (fluxQuery) ImplementsDataqueryVariant() {}

// Equals reports whether other is the same query.
func (q fluxQuery) Equals(other variants.Dataquery) bool { return reflect.DeepEqual(q, other) }

// DataqueryType returns the type of its data source.
func (fluxQuery) DataqueryType() string { return sourceType }

// Validate refuses a query that Grafana could not run.
func (q fluxQuery) Validate() error {
	if q.RefID == "" || strings.TrimSpace(q.Query) == "" {
		return cog.MakeBuildErrors("query", fmt.Errorf("it has no name or no text"))
	}
	return nil
}

// Build makes it a builder of itself, as the SDK wants them.
func (q fluxQuery) Build() (variants.Dataquery, error) { return q, q.Validate() }

// register tells the SDK how to read a fluxQuery, strictly.
func register() {
	read := func(raw []byte) (variants.Dataquery, error) {
		var q fluxQuery
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&q)
		return q, err
	}
	cog.NewRuntime().RegisterDataqueryVariant(variants.DataqueryConfig{
		Identifier: sourceType, DataqueryUnmarshaler: read, StrictDataqueryUnmarshaler: read,
	})
}

// A query is one of a panel, and what its answer must look like.
type query struct {
	flux string

	// want holds for each column that the panel shows the range that values of it are
	// in, in base units, whatever the orbit. The tests hold real answers against it.
	want map[string]span
}

// span is a range of values. Columns of text have the zero span.
type span struct{ low, high float64 }

// values is the expectation of a query whose answers are in the column _value.
func values(low, high float64) map[string]span { return map[string]span{"_value": {low, high}} }

// The ranges that values of any orbit are in. What is beyond is a wrong unit: milliseconds,
// per cent, megabits.
var (
	delays     = values(0.001, 5)
	variations = values(0, 2)
	ratios     = values(0, 1)
	bitRates   = values(1e5, 2e9)
	ages       = values(1, 3600)
	byteCounts = values(0, 1e13)
	states     = values(0, 2)
)

// Conditions on the points of a query, as the variables of a dashboard choose.
const (
	ofSite   = `r.site =~ /^${site:regex}$/`
	ofLink   = `r.link =~ /^${link:regex}$/`
	ofTarget = `r.target =~ /^${target:regex}$/`
	idle     = `r.load == "idle"`
	anyone   = `r.target != "first-hop"` // which tells nothing of the link beyond the house
)

// windows is the measurement that the variable detail chooses, rtt or rtt_hour.
const windows = "${detail}"

// from begins a query for the points of fields of a measurement within the panel's range.
func from(measurement string, fields []string, conditions ...string) string {
	return within("start: v.timeRangeStart, stop: v.timeRangeStop", measurement, fields, conditions...)
}

// within is from with a range of its own. All conditions are in one filter, which every
// version applies where its files are.
func within(span, measurement string, fields []string, conditions ...string) string {
	var named []string
	for _, f := range fields {
		named = append(named, `r._field == "`+f+`"`)
	}
	field := strings.Join(named, " or ")
	if len(named) > 1 {
		field = "(" + field + ")"
	}
	all := append([]string{`r._measurement == "` + measurement + `"`, field}, conditions...)
	return "from(bucket: v.defaultBucket)\n  |> range(" + span + ")\n  |> filter(fn: (r) => " + strings.Join(all, " and ") + ")"
}

// pipe joins the steps of a query.
func pipe(source string, steps ...string) string {
	return strings.Join(append([]string{source}, steps...), "\n  |> ")
}

// series are the columns that tell one line of a panel from another, which become its labels.
const series = `"site", "link", "orbit"`

func group(columns string) string { return "group(columns: [" + columns + "])" }

// every is the distance of points: the panel's, but not less than that of the results.
const every = `every = if "` + windows + `" == "rtt_hour" and int(v: v.windowPeriod) < int(v: 1h) then 1h else v.windowPeriod` + "\n"

// overTime aggregates to points that the panel has room for. Where nothing was measured
// there is a point without a value, so that no line is drawn over it.
func overTime(fn string) string {
	return "aggregateWindow(every: every, fn: " + fn + ", createEmpty: true)"
}

// lines is a query for one line for each link: a field, aggregated by fn.
func lines(field, fn string, conditions ...string) string {
	return every + pipe(from(windows, []string{field}, conditions...), group(series), overTime(fn), `drop(columns: ["_start", "_stop"])`)
}

// total is a query for one value of the whole range for each line.
func total(source, fn string) string {
	return pipe(source, group(series+`, "_stop"`), fn+"()", `rename(columns: {_stop: "_time"})`)
}

// lossOf is a query for the share of probes that were lost or late in the whole range.
func lossOf(span, measurement string, conditions ...string) string {
	return pipe(within(span, measurement, []string{"sent", "received"}, conditions...),
		group(series+`, "_stop", "_field"`), "sum()", `rename(columns: {_stop: "_time"})`,
		`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`,
		"filter(fn: (r) => r.sent > 0)",
		"map(fn: (r) => ({_time: r._time, site: r.site, link: r.link, orbit: r.orbit, _value: float(v: r.sent - r.received) / float(v: r.sent)}))",
		group(series))
}

// ageOf is a query for the seconds since the end of the last sample of each link, of those
// that were measured within a week. The states of links tell it, one point an hour, so
// that the question costs as little after a month as after a day.
func ageOf(conditions ...string) string {
	return pipe(within("start: -7d", "link", []string{"last_ns"}, conditions...),
		group(series), "max()",
		"map(fn: (r) => ({_time: now(), site: r.site, link: r.link, orbit: r.orbit, _value: float(v: int(v: now()) - r._value) / 1000000000.0}))")
}
