package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"perigee"
)

// throughputLabels are those of a transfer: its load is its direction.
var throughputLabels = []string{"site", "link", "target", "method", "family", "direction"}

func throughputDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_throughput_"+name, help, throughputLabels, nil)
}

// The metrics of the last transfer since the start.
var (
	descRate          = throughputDesc("bits_per_second", "Payload of the last transfer in a second, of its steady part.")
	descRateTime      = throughputDesc("timestamp_seconds", "When it began, Unix time.")
	descRateError     = throughputDesc("error_ratio", "Half of its confidence interval, as a share of it; absent if it cannot be told.")
	descRateSteady    = throughputDesc("steady", "Whether it reached a steady part: 1 or 0.")
	descRateRamp      = throughputDesc("ramp_seconds", "From its beginning to its steady part.")
	descRateBytes     = throughputDesc("wire_bytes", "Bytes that it moved over the link, in both directions.")
	descRatePayload   = throughputDesc("payload_bytes", "Payload that was received.")
	descRateResent    = throughputDesc("retransmitted_bytes", "Bytes that its sender sent again; absent if not known.")
	descRateIdle      = throughputDesc("idle_rtt_seconds", "Median round trip just before; absent if no probe was answered.")
	descRateLoaded    = throughputDesc("loaded_rtt_seconds", "Median round trip while it ran; absent if no probe was answered.")
	descRateLoadedP95 = throughputDesc("loaded_rtt_p95_seconds", "95th percentile of the round trips while it ran; absent if no probe was answered.")
	descRatePEP       = throughputDesc("pep_suspected", "Whether a proxy on the way seems to split connections: 1 or 0; absent if it cannot be told.")
)

// throughput sends what is known of the last transfer of a stream.
func (ch sender) throughput(s perigee.Stream, t perigee.Throughput) {
	labels := streamValues(s)
	ch.gauge(descRate, t.Rate, labels...)
	ch.gauge(descRateTime, float64(t.Start.UnixMilli())/1000, labels...)
	ch.maybe(descRateError, defined(t.Error, t.Error >= 0), labels...)
	ch.flag(descRateSteady, t.Steady, labels...)
	ch.gauge(descRateRamp, t.Ramp.Seconds(), labels...)
	ch.gauge(descRateBytes, float64(t.WireBytes), labels...)
	ch.gauge(descRatePayload, float64(t.Bytes), labels...)
	ch.maybe(descRateResent, defined(float64(t.Retransmitted), t.Retransmitted >= 0), labels...)
	ch.maybe(descRateIdle, defined(t.Idle.P50, t.Idle.Received > 0), labels...)
	ch.maybe(descRateLoaded, defined(t.Loaded.P50, t.Loaded.Received > 0), labels...)
	ch.maybe(descRateLoadedP95, defined(t.Loaded.P95, t.Loaded.Received > 0), labels...)
	if suspected, known := t.SuspectPEP(); known {
		ch.flag(descRatePEP, suspected, labels...)
	}
}
