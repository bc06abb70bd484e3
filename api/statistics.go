package api

import (
	"time"

	"perigee"
	"perigee/stats"
)

// Counts is the loss taxonomy: planned = sent + send_failed + skipped and
// sent = received + late + lost, always.
type Counts struct {
	Planned    int64 `json:"planned" doc:"Probes due."`
	Sent       int64 `json:"sent" doc:"Probes that left the machine."`
	SendFailed int64 `json:"send_failed" doc:"Probes that the system refused to send."`
	Skipped    int64 `json:"skipped" doc:"Probes due that the monitor could not measure."`
	Received   int64 `json:"received" doc:"Probes answered within the loss timeout."`
	Late       int64 `json:"late" doc:"Probes answered after the loss timeout and within twice of it."`
	Lost       int64 `json:"lost" doc:"Probes not answered within twice the loss timeout."`
	Duplicates int64 `json:"duplicates" doc:"Replies to a probe beyond the first."`
	Reordered  int64 `json:"reordered" doc:"First replies that came after the reply to a later probe."`
}

// Quantiles are quantiles of received probes, each within 0.5 % of the true order
// statistic; null if nothing was received.
type Quantiles struct {
	Q05 *float64 `json:"0.05"`
	Q50 *float64 `json:"0.5"`
	Q90 *float64 `json:"0.9"`
	Q95 *float64 `json:"0.95"`
	Q99 *float64 `json:"0.99"`
}

// Distribution describes round-trip times; everything is null if nothing was received,
// stddev also if one probe was.
type Distribution struct {
	Min       *float64  `json:"min"`
	Mean      *float64  `json:"mean"`
	Stddev    *float64  `json:"stddev"`
	Max       *float64  `json:"max"`
	Quantiles Quantiles `json:"quantiles"`
}

// IPDV is the delay variation between consecutive probes that both arrived (RFC 3393),
// as absolute values.
type IPDV struct {
	MeanAbs *float64 `json:"mean_abs"`
	P95Abs  *float64 `json:"p95_abs"`
}

// PDV is the delay variation above the range's minimum (RFC 5481).
type PDV struct {
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

// LossPeriod describes the runs of consecutive losses (RFC 3357).
type LossPeriod struct {
	Count          int64   `json:"count"`
	LongestPackets int64   `json:"longest_packets"`
	LongestSeconds float64 `json:"longest_seconds" doc:"Plus or minus one probe interval."`
}

// Statistics are what is computed from a sample, with its counts.
type Statistics struct {
	Counts        Counts       `json:"counts"`
	LossRatio     *float64     `json:"loss_ratio" doc:"(lost + late) / sent; null if nothing was sent."`
	RTTSeconds    Distribution `json:"rtt_seconds" doc:"Round-trip time of the received probes (RFC 2681)."`
	JitterSeconds *float64     `json:"jitter_seconds" doc:"Running estimator of RFC 3550 at the end; null before the first pair of arrivals."`
	IPDVSeconds   IPDV         `json:"ipdv_seconds"`
	PDVSeconds    PDV          `json:"pdv_seconds"`
	LossPeriod    LossPeriod   `json:"loss_period"`
}

func newCounts(c perigee.Counts) Counts {
	return Counts{
		Planned: c.Planned, Sent: c.Sent, SendFailed: c.SendFailed, Skipped: c.Skipped, Received: c.Received,
		Late: c.Late, Lost: c.Lost, Duplicates: c.Duplicates, Reordered: c.Reordered,
	}
}

func newDistribution(d stats.Distribution) Distribution {
	some := d.Count > 0
	return Distribution{
		Min: maybeSeconds(d.Min, some), Mean: maybeSeconds(d.Mean, some), Stddev: maybeSeconds(d.Stddev()), Max: maybeSeconds(d.Max, some),
		Quantiles: Quantiles{
			Q05: maybeSeconds(d.Quantile(0.05)), Q50: maybeSeconds(d.Quantile(0.5)), Q90: maybeSeconds(d.Quantile(0.9)),
			Q95: maybeSeconds(d.Quantile(0.95)), Q99: maybeSeconds(d.Quantile(0.99)),
		},
	}
}

func newStatistics(s perigee.Sample) Statistics {
	ipdv := s.Variation.IPDV
	return Statistics{
		Counts:        newCounts(s.Counts),
		LossRatio:     defined(s.Counts.LossRatio()),
		RTTSeconds:    newDistribution(s.RTT),
		JitterSeconds: maybeSeconds(s.Variation.Jitter, s.Variation.JitterDefined),
		IPDVSeconds:   IPDV{MeanAbs: maybeSeconds(ipdv.Mean, ipdv.Count > 0), P95Abs: maybeSeconds(ipdv.Quantile(0.95))},
		PDVSeconds:    PDV{P95: maybeSeconds(s.PDV(0.95)), P99: maybeSeconds(s.PDV(0.99))},
		LossPeriod: LossPeriod{
			Count: s.LossRuns.Count, LongestPackets: s.LossRuns.Longest.Packets, LongestSeconds: seconds(s.LossRuns.Longest.Seconds),
		},
	}
}

// StreamName names what a stream measures on its link.
type StreamName struct {
	Target string `json:"target"`
	Method string `json:"method"`
	Family string `json:"family"`
	Load   string `json:"load"`
}

func newStreamName(s perigee.Stream) StreamName {
	return StreamName{Target: string(s.Target), Method: string(s.Method), Family: string(s.Family), Load: string(s.Load)}
}

// Proof is the evidence that a sample's probes left by their link.
type Proof struct {
	InterfaceIndex int     `json:"interface_index" doc:"0 if nothing could be sent."`
	InterfaceName  string  `json:"interface_name"`
	Local          *string `json:"local" doc:"Address the probes left from; null if nothing could be sent."`
	Remote         *string `json:"remote" doc:"Address of the target at the time."`
}

// Sample is what one stream measured over one window, as it stands in /live and as the
// last sample of a link.
type Sample struct {
	Site string `json:"site"`
	Link string `json:"link"`
	StreamName
	Start              time.Time `json:"start"`
	LengthSeconds      float64   `json:"length_seconds"`
	IntervalSeconds    float64   `json:"interval_seconds" doc:"Nominal time between probes."`
	LossTimeoutSeconds float64   `json:"loss_timeout_seconds" doc:"Waiting time after which a probe counts as lost; part of the metric."`
	Proof              Proof     `json:"proof"`
	Cause              *string   `json:"cause" doc:"Commonest cause of failed sends; null if none failed."`
	Statistics
	Maker
}

// NewSample returns the wire form of a sample.
func NewSample(s perigee.Sample) Sample {
	p := s.Proof
	return Sample{
		Site: s.Stream.Site, Link: string(s.Stream.Link), StreamName: newStreamName(s.Stream),
		Start: s.Start.UTC(), LengthSeconds: s.Length.Seconds(), IntervalSeconds: s.Interval.Seconds(), LossTimeoutSeconds: s.LossTimeout.Seconds(),
		Proof: Proof{
			InterfaceIndex: p.InterfaceIndex, InterfaceName: p.InterfaceName,
			Local: defined(p.Local.String(), p.Local.IsValid()), Remote: defined(p.Remote.String(), p.Remote.IsValid()),
		},
		Cause:      defined(s.Cause, s.Cause != ""),
		Statistics: newStatistics(s),
	}
}
