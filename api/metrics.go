package api

import (
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"perigee"
)

var streamLabels = []string{"site", "link", "target", "method", "family", "load"}

func streamDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_"+name, help, append(append([]string{}, streamLabels...), labels...), nil)
}

// The metrics of a Feed's streams. Counters begin at 0 when the process starts.
var (
	descProbes      = streamDesc("probes_total", "Probes due, by what became of them; sent are received, late and lost.", "outcome")
	descDuplicates  = streamDesc("probe_duplicates_total", "Replies to a probe beyond the first.")
	descReordered   = streamDesc("probe_reordered_total", "First replies that came after the reply to a later probe.")
	descPlanned     = streamDesc("planned_seconds_total", "Time that probes were due for, down or not; gaps are no part of it.")
	descProbeRTT    = streamDesc("probe_rtt_seconds", "Round-trip time of received probes since the start.")
	descRTT         = streamDesc("rtt_seconds", "Round-trip time of received probes: quantiles of the last window (NaN if none was received), sum and count since the start.")
	descRTTMin      = streamDesc("rtt_min_seconds", "Smallest round-trip time of the last window; absent if none was received.")
	descIPDV        = streamDesc("ipdv_seconds", "Absolute difference of the round-trip times of consecutive probes (RFC 3393): quantile of the last window (NaN if there was none), sum and count since the start.")
	descPDV         = streamDesc("pdv_seconds", "Round-trip time less the smallest of its window (RFC 5481): quantiles of the last window (NaN if none was received), sum and count since the start.")
	descJitter      = streamDesc("jitter_seconds", "Running estimator of RFC 3550 at the end of the last window; absent until two consecutive probes arrived.")
	descLoss        = streamDesc("loss_ratio", "(lost + late) / sent in the last window; absent if nothing was sent.")
	descLossPeriods = streamDesc("loss_periods_total", "Runs of consecutive lost or late probes (RFC 3357).")
	descLossTimeout = streamDesc("loss_timeout_seconds", "Waiting time after which a probe of the last window counts as late.")
	descLast        = streamDesc("last_sample_timestamp_seconds", "When the last sample ended, Unix time.")
	descOutage      = streamDesc("outage_open", "Whether an outage lasts: 1 or 0.")
	descOutages     = streamDesc("outages_total", "Outages that began.")
	descOutageTime  = streamDesc("outage_seconds_total", "Time inside outages, of one that lasts up to its last unanswered probe known.")
)

// The metrics of the process.
var (
	descBuild   = prometheus.NewDesc("perigee_build_info", "Always 1; the version is in the labels.", []string{"version", "goversion"}, nil)
	descClients = prometheus.NewDesc("perigee_live_clients", "Clients that listen to /api/v1/live.", nil, nil)
	descDropped = prometheus.NewDesc("perigee_live_clients_dropped_total", "Clients of /api/v1/live that did not keep up.", nil, nil)
)

// collector tells Prometheus of a Feed. It is unchecked: its streams come with their first
// sample. They do not go while the process runs, and are no more than the configuration
// has: links by targets by loads.
type collector struct {
	feed    *Feed
	version string
}

func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	send := sender(ch)
	send.gauge(descBuild, 1, c.version, runtime.Version())
	if c.feed == nil {
		return
	}
	state := c.feed.state()
	send.gauge(descClients, float64(state.clients))
	send.counter(descDropped, float64(state.dropped))
	for s, t := range state.last {
		send.throughput(s, t)
	}
	for s, t := range state.streams {
		send.stream(s, t)
	}
	send.monitor(state.monitor)
}

// sender is where metrics go.
type sender chan<- prometheus.Metric

func (ch sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (ch sender) counter(d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// maybe sends a gauge, nothing if v is nil.
func (ch sender) maybe(d *prometheus.Desc, v *float64, labels ...string) {
	if v != nil {
		ch.gauge(d, *v, labels...)
	}
}

// flag sends 1 or 0.
func (ch sender) flag(d *prometheus.Desc, is bool, labels ...string) {
	v := 0.0
	if is {
		v = 1
	}
	ch.gauge(d, v, labels...)
}

// stream sends what is known of a stream. Before its first sample those are counts of 0.
func (ch sender) stream(s perigee.Stream, t streamTotals) {
	labels := streamValues(s)
	count := func(d *prometheus.Desc, n int64, extra ...string) {
		ch.counter(d, float64(n), append(labels[:len(labels):len(labels)], extra...)...)
	}
	for outcome, n := range map[perigee.Outcome]int64{
		perigee.Received: t.counts.Received, perigee.Late: t.counts.Late, perigee.Lost: t.counts.Lost,
		perigee.SendFailed: t.counts.SendFailed, perigee.Skipped: t.counts.Skipped,
	} {
		count(descProbes, n, outcome.String())
	}
	count(descDuplicates, t.counts.Duplicates)
	count(descReordered, t.counts.Reordered)
	ch.counter(descPlanned, t.planned.Seconds(), labels...)
	count(descLossPeriods, t.lossRuns.Count)
	count(descOutages, t.outages)
	ch.counter(descOutageTime, t.outageTime.Seconds(), labels...)
	ch.flag(descOutage, t.outage, labels...)
	if t.since.IsZero() {
		return // no window yet
	}
	ch <- t.rtt.metric(descProbeRTT, t.rttSum, t.since, labels)
	summary := func(d *prometheus.Desc, of totalled, quantiles map[float64]float64) {
		ch <- prometheus.MustNewConstSummary(d, uint64(of.count), of.sum, quantiles, labels...)
	}
	summary(descRTT, totalled{t.counts.Received, t.rttSum}, t.quantiles)
	summary(descIPDV, t.ipdv, t.ipdvTail)
	summary(descPDV, t.pdv, t.pdvTail)
	ch.maybe(descRTTMin, t.rttMin, labels...)
	ch.maybe(descJitter, t.jitter, labels...)
	ch.maybe(descLoss, t.lastLoss, labels...)
	ch.gauge(descLossTimeout, t.lossTimeout.Seconds(), labels...)
	ch.gauge(descLast, float64(t.lastEnd.UnixMilli())/1000, labels...)
}

// streamValues are the values of streamLabels, and of throughputLabels.
func streamValues(s perigee.Stream) []string {
	labels := []string{s.Site, string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load)}
	for i, label := range labels {
		labels[i] = validLabel(label)
	}
	return labels
}

// validLabel is a name as a label's value, which must be UTF-8.
func validLabel(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// newMetrics returns the handler of /metrics over a registry of its own.
func (s *server) newMetrics(o Options) http.Handler {
	// Native histograms go to those who ask for protobuf; others get text.
	return promhttp.HandlerFor(s.newRegistry(o), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

func (s *server) newRegistry(o Options) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{feed: o.Feed, version: o.Version},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.outbox != nil {
		registry.MustRegister(outboxCollector{s.outbox, s.now})
	}
	if s.budget != nil {
		registry.MustRegister(budgetCollector{s.budget})
	}
	registry.MustRegister(accessCollector{s})
	registry.MustRegister(o.Collectors...)
	return registry
}
