package grafana

import "perigee"

// fieldMetrics tells of every field that a query uses which metric it is, or serves to
// tell. The keys are of docs/influx.md, measurement and field.
var fieldMetrics = map[string]perigee.MetricName{
	"rtt.rtt_min_seconds": perigee.MetricRTT, "rtt.rtt_p5_seconds": perigee.MetricRTT, "rtt.rtt_p50_seconds": perigee.MetricRTT,
	"rtt.rtt_p95_seconds": perigee.MetricRTT, "rtt.rtt_p99_seconds": perigee.MetricRTT,
	"rtt.loss_ratio": perigee.MetricLossRatio, "rtt.sent": "sent", "rtt.received": "received",
	"rtt.late": "late", "rtt.lost": "lost", "rtt.send_failed": "send_failed", "rtt.skipped": "skipped", "rtt.planned": "planned",
	"rtt.jitter_mean_seconds": perigee.MetricJitter, "rtt.ipdv_mean_abs_seconds": "ipdv", "rtt.pdv_p95_seconds": perigee.MetricPDV,
	"rtt.length_seconds": perigee.MetricGap, // where windows are not

	"throughput.throughput_bits_per_second": perigee.MetricThroughputDown, // and _up, by the tag load
	"throughput.idle_rtt_p50_seconds":       perigee.MetricRTT,
	"throughput.loaded_rtt_p50_seconds":     perigee.MetricRTTLoaded, "throughput.loaded_rtt_p95_seconds": perigee.MetricRTTLoaded,
	"throughput.ramp_seconds": perigee.MetricThroughputRamp, "throughput.error_ratio": perigee.MetricThroughputError,

	"outage.seconds": perigee.MetricOutage, "outage.end_ns": perigee.MetricOutage, "outage.open": perigee.MetricOutage,
	"outage.probes": perigee.MetricOutage, "outage.reason": perigee.MetricOutage,
	"gap.seconds": perigee.MetricGap, "gap.detail": perigee.MetricGap,
	"link.last_ns": perigee.MetricDataAge,

	"monitor.pending": perigee.MetricOutboxPending, "monitor.oldest_seconds": perigee.MetricOutboxOldest, "monitor.dead_letters": perigee.MetricDeadLetters,
	"budget.used_bytes": perigee.MetricBudgetUsed, "budget.left_bytes": perigee.MetricBudgetLeft, "budget.used_ratio": perigee.MetricBudgetUsedRatio,
	"budget.device_bytes": perigee.MetricDeviceBytes, "budget.period_start_ns": perigee.MetricBudgetUsedRatio, "budget.period_end_ns": perigee.MetricBudgetUsedRatio,
}

// describe returns the text of a panel: of every metric its definition, source and
// undefined case, in the words of the catalogue, and what else is to be known.
func describe(metrics []perigee.MetricName, note string) string {
	text := ""
	for _, name := range metrics {
		m, ok := perigee.LookupMetric(name)
		if !ok {
			panic("grafana: no metric is called " + name) // a mistake of this package
		}
		text += "**" + string(m.Name) + "** (" + m.Unit + "): " + m.Definition + ". Undefined if " + m.Undefined + ". Source: " + m.Source + ".\n\n"
	}
	return text + note
}
