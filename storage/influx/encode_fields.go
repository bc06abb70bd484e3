package influx

import (
	"math"

	"perigee"
)

// A field is one of a measurement that holds a T. It has exactly one of the functions,
// and with it its type, for ever: InfluxDB refuses a field whose type changes. Those
// without a value are left out.
type field[T any] struct {
	name       string
	unit       string             // as docs/influx.md states it
	metric     perigee.MetricName // of perigee.Metrics, which defines it; empty if none does
	definition string             // what it is of that metric, or at all

	integer func(*T) (int64, bool)
	float   func(*T) (float64, bool)
	boolean func(*T) bool
	text    func(*T) string
	binary  func(*T) []byte
}

// kind returns the field's type in InfluxDB's words.
func (f *field[T]) kind() string {
	switch {
	case f.integer != nil:
		return "integer"
	case f.float != nil:
		return "float"
	case f.boolean != nil:
		return "boolean"
	}
	return "string"
}

func (f *field[T]) append(to *fields, of *T) {
	switch {
	case f.integer != nil:
		if v, ok := f.integer(of); ok {
			to.integer(f.name, v)
		}
	case f.float != nil:
		if v, ok := f.float(of); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			to.float(f.name, v)
		}
	case f.boolean != nil:
		to.boolean(f.name, f.boolean(of))
	case f.text != nil:
		to.text(f.name, f.text(of))
	default:
		if v := f.binary(of); len(v) > 0 {
			to.binary(f.name, v)
		}
	}
}

// always is a value that is never undefined.
func always[T, V any](value func(*T) V) func(*T) (V, bool) {
	return func(of *T) (V, bool) { return value(of), true }
}

// answered is a value that is undefined if no probe was answered in time.
func answered(value func(*perigee.Sample) float64) func(*perigee.Sample) (float64, bool) {
	return func(s *perigee.Sample) (float64, bool) { return value(s), s.RTT.Count > 0 }
}

func rttQuantile(q float64) func(*perigee.Sample) (float64, bool) {
	return func(s *perigee.Sample) (float64, bool) { return s.RTT.Quantile(q) }
}

func pdvQuantile(q float64) func(*perigee.Sample) (float64, bool) {
	return func(s *perigee.Sample) (float64, bool) { return s.PDV(q) }
}

// sampleFields are the fields of rtt and rtt_hour in the order they are written.
var sampleFields = []field[perigee.Sample]{
	{name: "length_seconds", unit: "seconds", definition: "time measured; of an hour from its first window's start to its last one's end",
		float: always(func(s *perigee.Sample) float64 { return s.Length.Seconds() })},
	{name: "interval_seconds", unit: "seconds", definition: "nominal time between probes",
		float: always(func(s *perigee.Sample) float64 { return s.Interval.Seconds() })},
	{name: "loss_timeout_seconds", unit: "seconds", definition: "waiting time after which a probe counts as late or lost",
		float: always(func(s *perigee.Sample) float64 { return s.LossTimeout.Seconds() })},

	{name: "planned", unit: "packets", metric: "planned", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Planned })},
	{name: "sent", unit: "packets", metric: "sent", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Sent })},
	{name: "send_failed", unit: "packets", metric: "send_failed", integer: always(func(s *perigee.Sample) int64 { return s.Counts.SendFailed })},
	{name: "skipped", unit: "packets", metric: "skipped", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Skipped })},
	{name: "received", unit: "packets", metric: "received", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Received })},
	{name: "late", unit: "packets", metric: "late", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Late })},
	{name: "lost", unit: "packets", metric: "lost", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Lost })},
	{name: "duplicates", unit: "packets", metric: "duplicates", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Duplicates })},
	{name: "reordered", unit: "packets", metric: "reordered", integer: always(func(s *perigee.Sample) int64 { return s.Counts.Reordered })},
	{name: "loss_ratio", unit: "ratio", metric: perigee.MetricLossRatio, float: func(s *perigee.Sample) (float64, bool) { return s.Counts.LossRatio() }},

	{name: "rtt_min_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its minimum", float: answered(func(s *perigee.Sample) float64 { return s.RTT.Min })},
	{name: "rtt_mean_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its mean", float: answered(func(s *perigee.Sample) float64 { return s.RTT.Mean })},
	{name: "rtt_stddev_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its standard deviation (n-1)", float: func(s *perigee.Sample) (float64, bool) { return s.RTT.Stddev() }},
	{name: "rtt_max_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its maximum", float: answered(func(s *perigee.Sample) float64 { return s.RTT.Max })},
	{name: "rtt_p5_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 5th percentile, within 0.5 %", float: rttQuantile(0.05)},
	{name: "rtt_p50_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its median, within 0.5 %", float: rttQuantile(0.5)},
	{name: "rtt_p90_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 90th percentile, within 0.5 %", float: rttQuantile(0.9)},
	{name: "rtt_p95_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 95th percentile, within 0.5 %", float: rttQuantile(0.95)},
	{name: "rtt_p99_seconds", unit: "seconds", metric: perigee.MetricRTT, definition: "its 99th percentile, within 0.5 %", float: rttQuantile(0.99)},

	{name: "jitter_seconds", unit: "seconds", metric: perigee.MetricJitter, definition: "the estimator at the end",
		float: func(s *perigee.Sample) (float64, bool) { return s.Variation.Jitter, s.Variation.JitterDefined }},
	{name: "jitter_mean_seconds", unit: "seconds", metric: perigee.MetricJitter, definition: "the estimator's mean over all pairs",
		float: func(s *perigee.Sample) (float64, bool) { return s.Variation.MeanJitter() }},
	{name: "ipdv_count", unit: "packets", metric: "ipdv", definition: "pairs that it was taken of", integer: always(func(s *perigee.Sample) int64 { return s.Variation.IPDV.Count })},
	{name: "ipdv_mean_abs_seconds", unit: "seconds", metric: "ipdv", definition: "its mean",
		float: func(s *perigee.Sample) (float64, bool) { return s.Variation.IPDV.Mean, s.Variation.IPDV.Count > 0 }},
	{name: "ipdv_p95_abs_seconds", unit: "seconds", metric: "ipdv", definition: "its 95th percentile, within 0.5 %",
		float: func(s *perigee.Sample) (float64, bool) { return s.Variation.IPDV.Quantile(0.95) }},
	{name: "pdv_p95_seconds", unit: "seconds", metric: perigee.MetricPDV, definition: "its 95th percentile", float: pdvQuantile(0.95)},
	{name: "pdv_p99_seconds", unit: "seconds", metric: perigee.MetricPDV, definition: "its 99th percentile", float: pdvQuantile(0.99)},

	{name: "loss_period_count", unit: "packets", metric: "loss_period", definition: "their count", integer: always(func(s *perigee.Sample) int64 { return s.LossRuns.Count })},
	{name: "loss_period_longest_packets", unit: "packets", metric: "loss_period", definition: "the longest", integer: always(func(s *perigee.Sample) int64 { return s.LossRuns.Longest.Packets })},
	{name: "loss_period_longest_seconds", unit: "seconds", metric: "loss_period", definition: "the longest",
		float: always(func(s *perigee.Sample) float64 { return s.LossRuns.Longest.Seconds })},

	{name: "sketch", unit: "base64", definition: "DDSketch of the round-trip times with its mapping; none if no probe was answered in time",
		binary: func(s *perigee.Sample) []byte { return s.RTT.Sketch.Encode() }},
	{name: "state", unit: "base64", definition: "all else that the sample is made of, as below",
		binary: func(s *perigee.Sample) []byte { return appendState(nil, s) }},
}
