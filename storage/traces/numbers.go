package traces

import (
	"perigee"
)

// number is one count or statistic of a sample.
type number struct {
	name    string // with its unit
	integer bool   // a count, in i; else a quantity, in f
	i       int64
	f       float64
	defined bool
}

// quantiles are those of the RTT that are exported.
var quantiles = []struct {
	name string // of the column
	key  string // in JSON
	q    float64
}{
	{"rtt_p5_seconds", "0.05", 0.05},
	{"rtt_p50_seconds", "0.5", 0.5},
	{"rtt_p90_seconds", "0.9", 0.9},
	{"rtt_p95_seconds", "0.95", 0.95},
	{"rtt_p99_seconds", "0.99", 0.99},
}

// appendNumbers appends every count and statistic of s, always the same ones in the
// same order: they are the columns of CSV.
func appendNumbers(list []number, s *perigee.Sample) []number {
	count := func(name string, v int64) {
		list = append(list, number{name: name, integer: true, i: v, defined: true})
	}
	quantity := func(name string, v float64, defined bool) {
		list = append(list, number{name: name, f: v, defined: defined})
	}
	quantity("length_seconds", s.Length.Seconds(), true)
	quantity("interval_seconds", s.Interval.Seconds(), true)
	quantity("loss_timeout_seconds", s.LossTimeout.Seconds(), true)

	c := &s.Counts
	count("planned", c.Planned)
	count("sent", c.Sent)
	count("send_failed", c.SendFailed)
	count("skipped", c.Skipped)
	count("received", c.Received)
	count("late", c.Late)
	count("lost", c.Lost)
	count("duplicates", c.Duplicates)
	count("reordered", c.Reordered)
	loss, ok := c.LossRatio()
	quantity("loss_ratio", loss, ok)

	any := s.RTT.Count > 0
	quantity("rtt_min_seconds", s.RTT.Min, any)
	quantity("rtt_mean_seconds", s.RTT.Mean, any)
	deviation, ok := s.RTT.Stddev()
	quantity("rtt_stddev_seconds", deviation, ok)
	quantity("rtt_max_seconds", s.RTT.Max, any)
	for _, p := range quantiles {
		v, ok := s.RTT.Quantile(p.q)
		quantity(p.name, v, ok)
	}

	v := &s.Variation
	quantity("jitter_seconds", v.Jitter, v.JitterDefined)
	mean, ok := v.MeanJitter()
	quantity("jitter_mean_seconds", mean, ok)
	count("ipdv_count", v.IPDV.Count)
	quantity("ipdv_mean_abs_seconds", v.IPDV.Mean, v.IPDV.Count > 0)
	p95, ok := v.IPDV.Quantile(0.95)
	quantity("ipdv_p95_abs_seconds", p95, ok)
	p95, ok = s.PDV(0.95)
	quantity("pdv_p95_seconds", p95, ok)
	p99, ok := s.PDV(0.99)
	quantity("pdv_p99_seconds", p99, ok)

	count("loss_period_count", s.LossRuns.Count)
	count("loss_period_longest_packets", s.LossRuns.Longest.Packets)
	quantity("loss_period_longest_seconds", s.LossRuns.Longest.Seconds, true)
	return list
}
