package api

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"perigee"
)

// metricQuantiles are the quantiles of perigee_rtt_seconds.
var metricQuantiles = []float64{0.05, 0.5, 0.9, 0.95, 0.99}

var streamLabels = []string{"site", "link", "target", "method", "family", "load"}

func streamDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_"+name, help, append(append([]string{}, streamLabels...), labels...), nil)
}

// The metrics of a Feed. Counters begin at 0 when the process starts.
var (
	descBuild      = prometheus.NewDesc("perigee_build_info", "Always 1; the version is in the labels.", []string{"version", "goversion"}, nil)
	descProbes     = streamDesc("probes_total", "Probes due, by what became of them; sent are received, late and lost.", "outcome")
	descDuplicates = streamDesc("probe_duplicates_total", "Replies to a probe beyond the first.")
	descReordered  = streamDesc("probe_reordered_total", "First replies that came after the reply to a later probe.")
	descRTT        = streamDesc("rtt_seconds", "Round-trip time of received probes: quantiles of the last window (NaN if none was received), sum and count since the start.")
	descLoss       = streamDesc("loss_ratio", "(lost + late) / sent in the last window; absent if nothing was sent.")
	descLast       = streamDesc("last_sample_timestamp_seconds", "When the last sample ended, Unix time.")
	descOutage     = streamDesc("outage_open", "Whether an outage lasts: 1 or 0.")
	descClients    = prometheus.NewDesc("perigee_live_clients", "Clients that listen to /api/v1/live.", nil, nil)
	descDropped    = prometheus.NewDesc("perigee_live_clients_dropped_total", "Clients of /api/v1/live that did not keep up.", nil, nil)
)

// throughputLabels are those of a transfer: its load is its direction.
var throughputLabels = []string{"site", "link", "target", "method", "family", "direction"}

func throughputDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_throughput_"+name, help, throughputLabels, nil)
}

// The metrics of the last transfer since the start.
var (
	descRate       = throughputDesc("bits_per_second", "Payload of the last transfer in a second, of its steady part.")
	descRateTime   = throughputDesc("timestamp_seconds", "When it began, Unix time.")
	descRateError  = throughputDesc("error_ratio", "Half of its confidence interval, as a share of it; absent if it cannot be told.")
	descRateBytes  = throughputDesc("wire_bytes", "Bytes that it moved over the link, in both directions.")
	descRateIdle   = throughputDesc("idle_rtt_seconds", "Median round trip just before; absent if no probe was answered.")
	descRateLoaded = throughputDesc("loaded_rtt_seconds", "Median round trip while it ran; absent if no probe was answered.")
)

// collector tells Prometheus of a Feed. It is unchecked: its streams come and go.
type collector struct {
	feed    *Feed
	version string
}

func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descBuild, 1, c.version, runtime.Version())
	if c.feed == nil {
		return
	}
	state := c.feed.state()
	gauge(descClients, float64(state.clients))
	counter(descDropped, state.dropped)
	for s, t := range state.last {
		labels := streamValues(s)
		gauge(descRate, t.Rate, labels...)
		gauge(descRateTime, float64(t.Start.UnixMilli())/1000, labels...)
		gauge(descRateBytes, float64(t.WireBytes), labels...)
		if t.Error >= 0 {
			gauge(descRateError, t.Error, labels...)
		}
		if t.Idle.Received > 0 {
			gauge(descRateIdle, t.Idle.P50, labels...)
		}
		if t.Loaded.Received > 0 {
			gauge(descRateLoaded, t.Loaded.P50, labels...)
		}
	}
	for s, t := range state.streams {
		labels := streamValues(s)
		with := func(extra string) []string { return append(labels[:len(labels):len(labels)], extra) }
		counter(descProbes, t.counts.Received, with("received")...)
		counter(descProbes, t.counts.Late, with("late")...)
		counter(descProbes, t.counts.Lost, with("lost")...)
		counter(descProbes, t.counts.SendFailed, with("send_failed")...)
		counter(descProbes, t.counts.Skipped, with("skipped")...)
		counter(descDuplicates, t.counts.Duplicates, labels...)
		counter(descReordered, t.counts.Reordered, labels...)
		outage := 0.0
		if t.outage {
			outage = 1
		}
		gauge(descOutage, outage, labels...)
		if t.lastEnd.IsZero() {
			continue // only an outage so far
		}
		ch <- prometheus.MustNewConstSummary(descRTT, uint64(t.rttCount), t.rttSum, t.quantiles, labels...)
		gauge(descLast, float64(t.lastEnd.UnixMilli())/1000, labels...)
		if t.lastLoss != nil {
			gauge(descLoss, *t.lastLoss, labels...)
		}
	}
}

// streamValues are the values of streamLabels, and of throughputLabels.
func streamValues(s perigee.Stream) []string {
	labels := []string{s.Site, string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load)}
	for i, label := range labels {
		labels[i] = strings.ToValidUTF8(label, "\uFFFD")
	}
	return labels
}

func outboxDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_outbox_"+name, help, labels, nil)
}

// The metrics of an Outbox. Counters begin at 0 when the process starts.
var (
	descPending     = outboxDesc("pending", "Results that wait to be forwarded to InfluxDB.")
	descOldest      = outboxDesc("oldest_seconds", "How long ago the oldest of them was measured; 0 if none waits.")
	descDeadLetters = outboxDesc("dead_letters", "Results that InfluxDB will never take as they are, set aside.")
	descSent        = outboxDesc("sent_total", "Results that InfluxDB has acknowledged.")
	descWrites      = outboxDesc("writes_total", "Requests to InfluxDB.")
	descFailures    = outboxDesc("failures_total", "Those of them that failed.")
	descBytes       = outboxDesc("bytes_total", "Bytes that forwarding has moved over a link, of the empty name where the system chose the way.", "link")
	descBlocked     = outboxDesc("blocked", "Whether a person must act before results are forwarded: 1 at the reason, else 0.", "reason")
)

// refusals are the values of the label reason: those of the domain, and one for all
// that may follow.
var refusals = []perigee.RefusalReason{
	perigee.RefusedUnreachable, perigee.RefusedBusy, perigee.RefusedSetup, perigee.RefusedTooLarge, perigee.RefusedContent, reasonStore, "other",
}

// stateTimeout is how long /metrics waits for an Outbox or a Budget to tell its state.
const stateTimeout = 5 * time.Second

// outboxCollector tells Prometheus of an Outbox, and nothing if it cannot be asked.
type outboxCollector struct {
	outbox Outbox
	now    func() time.Time
}

func (c outboxCollector) Describe(chan<- *prometheus.Desc) {}

func (c outboxCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
	defer cancel()
	o, err := c.outbox.OutboxStatus(ctx)
	if err != nil {
		return
	}
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	send(descPending, prometheus.GaugeValue, float64(o.Pending))
	send(descOldest, prometheus.GaugeValue, outboxAge(o, c.now()).Seconds())
	send(descDeadLetters, prometheus.GaugeValue, float64(o.DeadLetters))
	send(descSent, prometheus.CounterValue, float64(o.Sent))
	send(descWrites, prometheus.CounterValue, float64(o.Writes))
	send(descFailures, prometheus.CounterValue, float64(o.Failures))
	for link, bytes := range o.BytesSent {
		send(descBytes, prometheus.CounterValue, float64(bytes), strings.ToValidUTF8(string(link), "\uFFFD"))
	}
	var reason perigee.RefusalReason
	if o.State == OutboxBlocked {
		reason = "other"
		if o.Problem != nil && slices.Contains(refusals, o.Problem.Reason) {
			reason = o.Problem.Reason
		}
	}
	for _, r := range refusals {
		blocked := 0.0
		if r == reason {
			blocked = 1
		}
		send(descBlocked, prometheus.GaugeValue, blocked, string(r))
	}
}

// newMetrics returns the handler of /metrics over a registry of its own.
func (s *server) newMetrics(o Options) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{feed: o.Feed, version: o.Version},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.outbox != nil {
		registry.MustRegister(outboxCollector{s.outbox, s.now})
	}
	if s.budget != nil {
		registry.MustRegister(budgetCollector{s.budget})
	}
	registry.MustRegister(o.Collectors...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}
