package grafana

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/expr"

	"perigee"
)

// alert is a rule: what is asked, when it fires, and what it says then. Rules choose by no
// variable: they watch every link of every site.
type alert struct {
	uid, title  string
	severity    string // critical: act now; warning: look at it
	pending     string // how long it must be so, Grafana's "for"
	queries     []alertQuery
	combine     string // of the queries' values, a math expression; empty: the only one's
	above       float64
	noData      alerting.RuleNoDataState // what silence means
	summary     string                   // with the value as {{ $values.V.Value }} in a form for people
	description string
	panel       string // dashboard with more of it
}

// alertQuery is a query over the last seconds, and what is expected of it.
type alertQuery struct {
	query
	seconds int64
}

// labelsOf name the link in texts.
const labelsOf = "{{ $labels.link }} ({{ $labels.orbit }}) at {{ $labels.site }}"

// alertGroup is a group of rules that are judged at one interval.
type alertGroup struct {
	name     string
	interval string
	alerts   []alert
}

// The silence in which a rule about values fires is the business of the rule "no data".
const (
	silenceIsNoNews = alerting.RuleNoDataStateOK
	silenceIsNews   = alerting.RuleNoDataStateAlerting
)

// alertGroups are all rules. docs/grafana.md gives the reasons of their thresholds.
func alertGroups() []alertGroup {
	links := []alert{
		{uid: "perigee-link-down", title: "Link down", severity: "critical", pending: "1m", noData: silenceIsNoNews, panel: "perigee-link",
			queries: []alertQuery{{query{silentShare(), ratios}, 180}}, above: 0.99,
			summary:     "Link " + labelsOf + " is down",
			description: "{{ humanizePercentage $values.V.Value }} of the probes of the last three minutes were not answered, of all targets together. The page and `perigee outages` tell who is to blame."},
		{uid: "perigee-latency", title: "Latency above the link's own month", severity: "warning", pending: "15m", noData: silenceIsNoNews, panel: "perigee-link",
			queries: []alertQuery{
				{query{recentMedian(), delays}, 900},
				{query{total(from("rtt_hour", []string{"rtt_p50_seconds"}, anyone, idle), "median"), delays}, 30 * 24 * 3600}},
			combine: "$X / $Y", above: 1.5,
			summary:     "RTT on link " + labelsOf + " is {{ humanize $values.V.Value }} times its usual",
			description: "The median round trip of the last 15 minutes is {{ humanizeDuration $values.X.Value }}; that of the link's last 30 days is {{ humanizeDuration $values.Y.Value }}."},
	}
	for _, orbit := range perigee.Orbits {
		limit := lossLimits[orbit].bad
		links = append(links, alert{uid: "perigee-loss-" + string(orbit), title: "Loss (" + string(orbit) + ")", severity: "warning", pending: "10m", noData: silenceIsNoNews, panel: "perigee-link",
			queries: []alertQuery{{query{lossOf("start: v.timeRangeStart, stop: v.timeRangeStop", "rtt", anyone, idle, `r.orbit == "`+string(orbit)+`"`), ratios}, 900}}, above: limit,
			summary:     "Link " + labelsOf + " loses {{ humanizePercentage $values.V.Value }}",
			description: fmt.Sprintf("{{ humanizePercentage $values.V.Value }} of the probes of the last 15 minutes were lost or late. More than %g %% is not normal for the orbit %s.", limit*100, orbit)})
	}
	return []alertGroup{
		{"perigee links", "1m", links},
		{"perigee budgets", "5m", []alert{
			{uid: "perigee-budget-passed", title: "Budget used up", severity: "critical", pending: "5m", noData: silenceIsNoNews, panel: "perigee-link",
				queries: []alertQuery{{query{lastOf("budget", "used_ratio"), values(0, 1.5)}, 900}}, above: 1,
				summary:     "The budget of link " + labelsOf + " is used up",
				description: "perigee moved {{ humanizePercentage $values.V.Value }} of what it may in this billing period. There are no scheduled transfers until the next; probing goes on."},
			{uid: "perigee-budget-ahead", title: "Budget used faster than the month passes", severity: "warning", pending: "1h", noData: silenceIsNoNews, panel: "perigee-link",
				queries: []alertQuery{{query{budgetAhead(), values(-1, 1.5)}, 900}}, above: 0.15,
				summary:     "The budget of link " + labelsOf + " is used faster than the month passes",
				description: "The share that is used is {{ humanizePercentage $values.V.Value }} ahead of the share of the billing period that has passed. Measurements by hand, or probing alone, need more than the budget has."},
		}},
		{"perigee monitor", "1m", []alert{
			{uid: "perigee-no-data", title: "No data", severity: "critical", pending: "2m", noData: silenceIsNews, panel: "perigee-fleet",
				queries: []alertQuery{{query{ageOf(), ages}, 7 * 24 * 3600}}, above: 300,
				summary:     "Nothing is heard of {{ if $labels.link }}link " + labelsOf + "{{ else }}any link{{ end }}",
				description: "{{ if $values.V }}The newest sample is {{ humanizeDuration $values.V.Value }} old.{{ else }}The database holds no sample of the last 7 days.{{ end }} The monitor does not run, does not reach the database, or the link was taken away."},
			{uid: "perigee-outbox", title: "Results wait to be forwarded", severity: "warning", pending: "15m", noData: silenceIsNoNews, panel: "perigee-fleet",
				queries: []alertQuery{{query{ofMonitor("oldest_seconds"), values(0, 1e7)}, 300}}, above: 1800,
				summary:     "Results of {{ if $labels.site }}{{ $labels.site }}{{ else }}monitor {{ $labels.instance }}{{ end }} wait to be forwarded",
				description: "The oldest result that waits is {{ humanizeDuration $values.V.Value }} old. New ones arrive. `perigee influx status` says what keeps the others."},
			{uid: "perigee-dead-letters", title: "Results were refused for good", severity: "warning", pending: "5m", noData: silenceIsNoNews, panel: "perigee-fleet",
				queries: []alertQuery{{query{ofMonitor("dead_letters"), values(0, 1e9)}, 300}}, above: 0,
				summary:     "The database refuses results of {{ if $labels.site }}{{ $labels.site }}{{ else }}monitor {{ $labels.instance }}{{ end }}",
				description: "{{ humanize $values.V.Value }} results were set aside. They are still in the monitor's store: `perigee influx status` says why, `perigee influx resend` sends them again."},
		}},
	}
}

// silentShare is a query for the share of planned probes that were not answered.
func silentShare() string {
	return pipe(from("rtt", []string{"planned", "received"}, anyone), group(series+`, "_stop", "_field"`), "sum()", `rename(columns: {_stop: "_time"})`,
		`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, "filter(fn: (r) => r.planned > 0)",
		"map(fn: (r) => ({_time: r._time, site: r.site, link: r.link, orbit: r.orbit, _value: float(v: r.planned - r.received) / float(v: r.planned)}))", group(series))
}

// recentMedian is a query for the median of the windows' medians.
func recentMedian() string {
	return pipe(total(from("rtt", []string{"rtt_p50_seconds"}, anyone, idle), "median"), keepLine(""))
}

// budgetAhead is a query for the share of the budget that is used, less the share of the
// billing period that has passed.
func budgetAhead() string {
	return pipe(within("start: v.timeRangeStart, stop: v.timeRangeStop", "budget", []string{"used_ratio", "period_start_ns", "period_end_ns"}),
		`pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, "filter(fn: (r) => exists r.used_ratio)",
		"map(fn: (r) => ({_time: r._time, site: r.site, link: r.link, orbit: r.orbit, _value: r.used_ratio - float(v: int(v: r._time) - r.period_start_ns) / float(v: r.period_end_ns - r.period_start_ns)}))",
		group(series), `sort(columns: ["_time"])`, "last()")
}

// ofMonitor is a query for the newest value of a field of each monitor.
func ofMonitor(field string) string {
	return pipe(from("monitor", []string{field}), group(`"instance", "site"`), `sort(columns: ["_time"])`, "last()",
		`keep(columns: ["_time", "_value", "instance", "site"])`)
}

// dashboard is where there is more to see, under Grafana's own address.
func (a alert) dashboard() string {
	if a.panel == "perigee-link" {
		return "/d/perigee-link?var-site={{ $labels.site }}&var-link={{ $labels.link }}"
	}
	return "/d/" + a.panel
}

// build returns the rule. Its steps are the queries, A and B; V, the value that counts, which
// is the newest of A or, of two queries, made of the newest of both, X and Y; and C, whether
// that is too much.
func (a alert) build(group, folder string) (alerting.Rule, error) {
	engine := sourceRef("__expr__")
	engine.Type = cog.ToPtr("__expr__")
	b := alerting.NewRuleBuilder(a.title).Uid(a.uid).RuleGroup(group).FolderUID(folder).For(a.pending).Condition("C").
		NoDataState(a.noData).ExecErrState(alerting.RuleExecErrStateError).
		Labels(map[string]string{"severity": a.severity, "service": "perigee"}).
		Annotations(map[string]string{"summary": a.summary, "description": a.description, "dashboard": a.dashboard()})
	step := func(ref string, e expr.Expr) {
		b.WithQuery(alerting.NewQueryBuilder(ref).DatasourceUid("__expr__").RelativeTimeRange(0, 0).Model(modelBuilder{e}))
	}
	newest := func(ref, of string) expr.Expr {
		return expr.Expr{TypeReduce: &expr.TypeReduce{Type: "reduce", RefId: &ref, Datasource: engine, Expression: of, Reducer: expr.TypeReduceReducerLast,
			Settings: &expr.ExprTypeReduceSettings{Mode: expr.ExprTypeReduceSettingsModeDropNN}}}
	}
	for i, q := range a.queries {
		ref := string(rune('A' + i))
		b.WithQuery(alerting.NewQueryBuilder(ref).DatasourceUid(sourceUID).RelativeTimeRange(alerting.Duration(q.seconds), 0).
			Model(fluxQuery{RefID: ref, Datasource: sourceRef(sourceUID), Query: q.flux, IntervalMs: 60000, MaxDataPoints: 1000}))
	}
	if a.combine == "" {
		step("V", newest("V", "A"))
	} else {
		for i := range a.queries {
			step(string(rune('X'+i)), newest(string(rune('X'+i)), string(rune('A'+i))))
		}
		step("V", expr.Expr{TypeMath: &expr.TypeMath{Type: "math", RefId: cog.ToPtr("V"), Datasource: engine, Expression: a.combine}})
	}
	step("C", expr.Expr{TypeThreshold: &expr.TypeThreshold{Type: "threshold", RefId: cog.ToPtr("C"), Datasource: engine, Expression: "V",
		Conditions: []expr.ExprTypeThresholdConditions{{Evaluator: expr.ExprTypeThresholdConditionsEvaluator{Type: expr.ExprTypeThresholdConditionsEvaluatorTypeGt, Params: []float64{a.above}}}}}})
	return b.Build()
}

// modelBuilder is a builder of an expression.
type modelBuilder struct{ model expr.Expr }

// Build returns the expression.
func (m modelBuilder) Build() (variants.Dataquery, error) { return m.model, nil }
