package influx

import (
	"time"

	"perigee"
)

func appendThroughput(b []byte, t *perigee.Throughput, orbit perigee.Orbit, instance string) []byte {
	f := fields{b: appendTags(b, measurementThroughput, streamTags(t.Stream, orbit, instance)...)}
	for i := range throughputFields {
		throughputFields[i].append(&f, t)
	}
	return f.end(t.Start.UnixNano())
}

// known is a count that may be negative, which says that it is not known.
func known(value func(*perigee.Throughput) int64) func(*perigee.Throughput) (int64, bool) {
	return func(t *perigee.Throughput) (int64, bool) { v := value(t); return v, v >= 0 }
}

// seconds is a length of time.
func seconds(value func(*perigee.Throughput) time.Duration) func(*perigee.Throughput) (float64, bool) {
	return func(t *perigee.Throughput) (float64, bool) { return value(t).Seconds(), true }
}

// measured is a length of time that is 0 where it was not measured.
func measured(value func(*perigee.Throughput) time.Duration) func(*perigee.Throughput) (float64, bool) {
	return func(t *perigee.Throughput) (float64, bool) { d := value(t); return d.Seconds(), d > 0 }
}

// wholeSeconds is a percentile of the rates of seconds, undefined if there are none.
func wholeSeconds(value func(*perigee.Throughput) float64) func(*perigee.Throughput) (float64, bool) {
	return func(t *perigee.Throughput) (float64, bool) { return value(t), t.RateSeconds > 0 }
}

// idle and loaded are round trips, undefined if no probe was answered.
func idle(value func(perigee.Latency) float64) func(*perigee.Throughput) (float64, bool) {
	return func(t *perigee.Throughput) (float64, bool) { return value(t.Idle), t.Idle.Received > 0 }
}

func loaded(value func(perigee.Latency) float64) func(*perigee.Throughput) (float64, bool) {
	return func(t *perigee.Throughput) (float64, bool) { return value(t.Loaded), t.Loaded.Received > 0 }
}

// throughputFields are the fields of throughput in the order they are written.
var throughputFields = []field[perigee.Throughput]{
	{name: "throughput_bits_per_second", unit: "bits_per_second", definition: "payload, of the steady part",
		float: always(func(t *perigee.Throughput) float64 { return t.Rate })},
	{name: "steady", definition: "whether a steady part was reached; if not, the rate is of what there is",
		boolean: func(t *perigee.Throughput) bool { return t.Steady }},
	{name: "error_ratio", unit: "ratio", definition: "half of the rate's confidence interval over the rate; absent if it cannot be told",
		float: func(t *perigee.Throughput) (float64, bool) { return t.Error, t.Error >= 0 }},
	{name: "confidence_ratio", unit: "ratio", definition: "of that interval, such as 0.95; absent with it",
		float: func(t *perigee.Throughput) (float64, bool) { return t.Confidence, t.Error >= 0 }},
	{name: "whole_bits_per_second", unit: "bits_per_second", definition: "payload over the whole time, ramp included",
		float: always(func(t *perigee.Throughput) float64 { return t.WholeRate })},
	{name: "p5_bits_per_second", unit: "bits_per_second", definition: "5th percentile of the rates of whole seconds of the steady part",
		float: wholeSeconds(func(t *perigee.Throughput) float64 { return t.Rate5 })},
	{name: "p50_bits_per_second", unit: "bits_per_second", definition: "their median",
		float: wholeSeconds(func(t *perigee.Throughput) float64 { return t.Rate50 })},
	{name: "p95_bits_per_second", unit: "bits_per_second", definition: "their 95th percentile",
		float: wholeSeconds(func(t *perigee.Throughput) float64 { return t.Rate95 })},
	{name: "rate_seconds", unit: "seconds", definition: "number of those seconds",
		integer: always(func(t *perigee.Throughput) int64 { return int64(t.RateSeconds) })},
	{name: "length_seconds", unit: "seconds", definition: "from asking for the first payload to the last that was counted",
		float: seconds(func(t *perigee.Throughput) time.Duration { return t.Length })},
	{name: "ramp_seconds", unit: "seconds", definition: "from its beginning to the steady part",
		float: seconds(func(t *perigee.Throughput) time.Duration { return t.Ramp })},

	{name: "bytes", unit: "bytes", definition: "payload received", integer: always(func(t *perigee.Throughput) int64 { return t.Bytes })},
	{name: "wire_bytes", unit: "bytes", definition: "moved over the link in both directions, headers and repeats included",
		integer: always(func(t *perigee.Throughput) int64 { return t.WireBytes })},
	{name: "retransmitted_bytes", unit: "bytes", definition: "sent again by the sender; absent if not known",
		integer: known(func(t *perigee.Throughput) int64 { return t.Retransmitted })},
	{name: "receiver_counted", definition: "whether the receiver counted the bytes that rates are made of",
		boolean: func(t *perigee.Throughput) bool { return t.ReceiverCounted }},
	{name: "streams", unit: "connections", definition: "at once", integer: always(func(t *perigee.Throughput) int64 { return int64(t.Streams) })},
	{name: "congestion", definition: "congestion control of the sender, empty if not known", text: func(t *perigee.Throughput) string { return t.Congestion }},
	{name: "server", definition: "who was at the other end", text: func(t *perigee.Throughput) string { return t.Server }},
	{name: "stop", definition: "why it ended: `time`, `precision`, `cap`, `cancelled` or `failed`", text: func(t *perigee.Throughput) string { return string(t.Stop) }},

	{name: "connect_tcp_seconds", unit: "seconds", definition: "SYN to SYN-ACK; absent if not measured, as are the next two",
		float: measured(func(t *perigee.Throughput) time.Duration { return t.Connect.TCP })},
	{name: "connect_tls_seconds", unit: "seconds", definition: "TLS handshake",
		float: measured(func(t *perigee.Throughput) time.Duration { return t.Connect.TLS })},
	{name: "first_byte_seconds", unit: "seconds", definition: "request to the first byte of its answer",
		float: measured(func(t *perigee.Throughput) time.Duration { return t.Connect.FirstByte })},

	{name: "idle_sent", unit: "packets", definition: "latency probes sent just before", integer: always(func(t *perigee.Throughput) int64 { return t.Idle.Sent })},
	{name: "idle_received", unit: "packets", definition: "those of them that were answered", integer: always(func(t *perigee.Throughput) int64 { return t.Idle.Received })},
	{name: "idle_rtt_min_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its minimum before; absent, as are the next, if no probe was answered",
		float: idle(func(l perigee.Latency) float64 { return l.Min })},
	{name: "idle_rtt_mean_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its mean", float: idle(func(l perigee.Latency) float64 { return l.Mean })},
	{name: "idle_rtt_p50_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its median", float: idle(func(l perigee.Latency) float64 { return l.P50 })},
	{name: "idle_rtt_p95_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 95th percentile", float: idle(func(l perigee.Latency) float64 { return l.P95 })},
	{name: "idle_rtt_p99_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 99th percentile", float: idle(func(l perigee.Latency) float64 { return l.P99 })},
	{name: "loaded_sent", unit: "packets", definition: "latency probes sent during it", integer: always(func(t *perigee.Throughput) int64 { return t.Loaded.Sent })},
	{name: "loaded_received", unit: "packets", definition: "those of them that were answered", integer: always(func(t *perigee.Throughput) int64 { return t.Loaded.Received })},
	{name: "loaded_rtt_min_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its minimum during it; absent, as are the next, if no probe was answered",
		float: loaded(func(l perigee.Latency) float64 { return l.Min })},
	{name: "loaded_rtt_mean_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its mean", float: loaded(func(l perigee.Latency) float64 { return l.Mean })},
	{name: "loaded_rtt_p50_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its median", float: loaded(func(l perigee.Latency) float64 { return l.P50 })},
	{name: "loaded_rtt_p95_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 95th percentile", float: loaded(func(l perigee.Latency) float64 { return l.P95 })},
	{name: "loaded_rtt_p99_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 99th percentile", float: loaded(func(l perigee.Latency) float64 { return l.P99 })},

	{name: "state", unit: "base64", definition: "all of it, with its series and the state of both ends, as [store.md](store.md#packed-throughputs) draws it",
		binary: func(t *perigee.Throughput) []byte { return t.Pack(nil) }},
}
