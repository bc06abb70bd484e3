package api

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

func budgetDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_budget_"+name, help, append([]string{"site", "link"}, labels...), nil)
}

// The metrics of a Budget. Those of the period begin at 0 with each.
var (
	descBudget       = budgetDesc("bytes", "What may be moved over a link in its billing period; absent without a budget.")
	descBudgetLeft   = budgetDesc("left_bytes", "What is left of it; absent without a budget.")
	descBudgetUsed   = budgetDesc("used_bytes", "What was moved in the period, by purpose.", "purpose")
	descBudgetDevice = budgetDesc("device_bytes", "All that the link's device moved in the period; absent if not known.")
	descBudgetEnd    = budgetDesc("period_end_timestamp_seconds", "When the period ends, Unix time.")
)

// budgetCollector tells Prometheus of a Budget, and nothing if it cannot be asked.
type budgetCollector struct{ budget Budget }

func (c budgetCollector) Describe(chan<- *prometheus.Desc) {}

func (c budgetCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
	defer cancel()
	states, err := c.budget.Budgets(ctx)
	if err != nil {
		return
	}
	for _, b := range states {
		labels := []string{validLabel(b.Site), validLabel(string(b.Link))}
		gauge := func(d *prometheus.Desc, v float64, extra ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append(labels[:2:2], extra...)...)
		}
		if b.Allowance > 0 {
			gauge(descBudget, float64(b.Allowance))
			gauge(descBudgetLeft, float64(b.Left))
		}
		for purpose, bytes := range b.Used {
			gauge(descBudgetUsed, float64(bytes), string(purpose))
		}
		if b.Device >= 0 {
			gauge(descBudgetDevice, float64(b.Device))
		}
		gauge(descBudgetEnd, float64(b.End.Unix()))
	}
}
