package api

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"perigee"
)

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
	descSuccess     = outboxDesc("last_success_timestamp_seconds", "When results were acknowledged last, Unix time; absent if not since the start.")
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
	send := sender(ch)
	send.gauge(descPending, float64(o.Pending))
	send.gauge(descOldest, outboxAge(o, c.now()).Seconds())
	send.gauge(descDeadLetters, float64(o.DeadLetters))
	send.counter(descSent, float64(o.Sent))
	send.counter(descWrites, float64(o.Writes))
	send.counter(descFailures, float64(o.Failures))
	if o.LastSuccess != nil {
		send.gauge(descSuccess, float64(o.LastSuccess.UnixMilli())/1000)
	}
	for link, bytes := range o.BytesSent {
		send.counter(descBytes, float64(bytes), validLabel(string(link)))
	}
	var reason perigee.RefusalReason
	if o.State == OutboxBlocked {
		reason = "other"
		if o.Problem != nil && slices.Contains(refusals, o.Problem.Reason) {
			reason = o.Problem.Reason
		}
	}
	for _, r := range refusals {
		send.flag(descBlocked, r == reason, string(r))
	}
}
