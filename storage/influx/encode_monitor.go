package influx

import (
	"time"

	"perigee"
)

// monitorEvery is the distance of the points of monitor and budget: later states of the
// same minute replace earlier ones, so that a bucket has no more of them.
const monitorEvery = time.Minute

// appendMonitor appends a line of monitor, and one of budget for each link.
func appendMonitor(b []byte, m *perigee.MonitorState, instance string) []byte {
	at := m.At.Truncate(monitorEvery).UnixNano()
	f := fields{b: appendTags(b, measurementMonitor, tag{"instance", instance}, tag{"site", m.Site})}
	for i := range monitorFields {
		monitorFields[i].append(&f, m)
	}
	b = f.end(at)
	for i := range m.Budgets {
		use := &m.Budgets[i]
		f := fields{b: appendTags(b, measurementBudget, tag{"instance", instance}, tag{"link", string(use.Link)}, tag{"orbit", string(use.Orbit)}, tag{"site", m.Site})}
		for j := range budgetFields {
			budgetFields[j].append(&f, use)
		}
		b = f.end(at)
	}
	return b
}

// monitorFields are the fields of monitor in the order they are written.
var monitorFields = []field[perigee.MonitorState]{
	{name: "pending", unit: "results", metric: perigee.MetricOutboxPending, integer: always(func(m *perigee.MonitorState) int64 { return m.Pending })},
	{name: "oldest_seconds", unit: "seconds", metric: perigee.MetricOutboxOldest,
		float: func(m *perigee.MonitorState) (float64, bool) {
			return max(0, m.At.Sub(m.Oldest).Seconds()), !m.Oldest.IsZero()
		}},
	{name: "dead_letters", unit: "results", metric: perigee.MetricDeadLetters, integer: always(func(m *perigee.MonitorState) int64 { return m.DeadLetters })},
	{name: "version", definition: "of perigee, that measures", text: func(m *perigee.MonitorState) string { return m.Maker.Version }},
	{name: "configuration_hash", definition: "of the configuration that it measures by, empty if there is none", text: func(m *perigee.MonitorState) string { return m.Maker.Configuration }},
	{name: "since_ns", unit: "nanoseconds", definition: "when it was started or reloaded to do so, since 1970; absent if not known",
		integer: func(m *perigee.MonitorState) (int64, bool) { return m.Since.UnixNano(), !m.Since.IsZero() }},
}

// budgeted is a number of bytes that there is only where a link has a budget.
func budgeted(value func(*perigee.BudgetUse) int64) func(*perigee.BudgetUse) (int64, bool) {
	return func(b *perigee.BudgetUse) (int64, bool) { return value(b), b.Allowance > 0 }
}

// budgetFields are the fields of budget in the order they are written.
var budgetFields = []field[perigee.BudgetUse]{
	{name: "used_bytes", unit: "bytes", metric: perigee.MetricBudgetUsed, integer: always(func(b *perigee.BudgetUse) int64 { return b.Used })},
	{name: "allowance_bytes", unit: "bytes", metric: perigee.MetricBudgetAllowance, integer: budgeted(func(b *perigee.BudgetUse) int64 { return b.Allowance })},
	{name: "left_bytes", unit: "bytes", metric: perigee.MetricBudgetLeft, integer: budgeted(func(b *perigee.BudgetUse) int64 { return max(0, b.Allowance-b.Used) })},
	{name: "used_ratio", unit: "ratio", metric: perigee.MetricBudgetUsedRatio,
		float: func(b *perigee.BudgetUse) (float64, bool) {
			return float64(b.Used) / float64(b.Allowance), b.Allowance > 0
		}},
	{name: "device_bytes", unit: "bytes", metric: perigee.MetricDeviceBytes,
		integer: func(b *perigee.BudgetUse) (int64, bool) { return b.Device, b.Device >= 0 }},
	{name: "period_start_ns", unit: "nanoseconds", definition: "when the billing period began, since 1970", integer: always(func(b *perigee.BudgetUse) int64 { return b.Start.UnixNano() })},
	{name: "period_end_ns", unit: "nanoseconds", definition: "when it ends", integer: always(func(b *perigee.BudgetUse) int64 { return b.End.UnixNano() })},
}
