package traces

import (
	"encoding/json"
	"io"
	"iter"

	"perigee"
)

// The types below are the promised shape of JSON lines. Fields may be added; none
// changes its name, type or meaning.

type streamJSON struct {
	Site   string `json:"site"`
	Link   string `json:"link"`
	Target string `json:"target"`
	Method string `json:"method"`
	Family string `json:"family"`
	Load   string `json:"load"`
}

type sampleJSON struct {
	Start            string      `json:"start"`
	StartUnixSeconds json.Number `json:"start_unix_seconds"`
	streamJSON
	LengthSeconds      float64        `json:"length_seconds"`
	IntervalSeconds    float64        `json:"interval_seconds"`
	LossTimeoutSeconds float64        `json:"loss_timeout_seconds"`
	Counts             countsJSON     `json:"counts"`
	LossRatio          *float64       `json:"loss_ratio"`
	RTTSeconds         rttJSON        `json:"rtt_seconds"`
	JitterSeconds      *float64       `json:"jitter_seconds"`
	JitterMeanSeconds  *float64       `json:"jitter_mean_seconds"`
	IPDVSeconds        ipdvJSON       `json:"ipdv_seconds"`
	PDVSeconds         pdvJSON        `json:"pdv_seconds"`
	LossPeriod         lossPeriodJSON `json:"loss_period"`
	Proof              proofJSON      `json:"proof"`
	Cause              string         `json:"cause"`
	Sketch             string         `json:"sketch"`
	State              string         `json:"state"`
	makerJSON
}

type countsJSON struct {
	Planned    int64 `json:"planned"`
	Sent       int64 `json:"sent"`
	SendFailed int64 `json:"send_failed"`
	Skipped    int64 `json:"skipped"`
	Received   int64 `json:"received"`
	Late       int64 `json:"late"`
	Lost       int64 `json:"lost"`
	Duplicates int64 `json:"duplicates"`
	Reordered  int64 `json:"reordered"`
}

type rttJSON struct {
	Min       *float64            `json:"min"`
	Mean      *float64            `json:"mean"`
	Stddev    *float64            `json:"stddev"`
	Max       *float64            `json:"max"`
	Quantiles map[string]*float64 `json:"quantiles"`
}

type ipdvJSON struct {
	Count   int64    `json:"count"`
	MeanAbs *float64 `json:"mean_abs"`
	P95Abs  *float64 `json:"p95_abs"`
}

type pdvJSON struct {
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

type lossPeriodJSON struct {
	Count          int64   `json:"count"`
	LongestPackets int64   `json:"longest_packets"`
	LongestSeconds float64 `json:"longest_seconds"`
}

type proofJSON struct {
	InterfaceIndex int    `json:"interface_index"`
	Interface      string `json:"interface"`
	Local          string `json:"local"`
	Remote         string `json:"remote"`
}

type singletonJSON struct {
	Time            string      `json:"time"`
	TimeUnixSeconds json.Number `json:"time_unix_seconds"`
	streamJSON
	Seq                uint64   `json:"seq"`
	Outcome            string   `json:"outcome"`
	RTTSeconds         *float64 `json:"rtt_seconds"`
	LossTimeoutSeconds float64  `json:"loss_timeout_seconds"`
	Reordered          bool     `json:"reordered"`
	Duplicates         int      `json:"duplicates"`
	Cause              string   `json:"cause"`
	makerJSON
}

// JSONL writes one JSON object and a newline for each sample. It returns the first
// error of samples or of w.
func (x Writer) JSONL(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	out := buffered(w)
	encoder := newEncoder(out)
	return stream(samples, func(s *perigee.Sample) error {
		return encoder.Encode(newSampleJSON(s, x.maker(s.Stream, s.Start)))
	}, out.Flush)
}

// SingletonsJSONL writes one JSON object and a newline for each singleton of each
// sample. It returns the first error of samples or of w.
func (x Writer) SingletonsJSONL(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	out := buffered(w)
	encoder := newEncoder(out)
	return stream(samples, func(s *perigee.Sample) error {
		by := x.maker(s.Stream, s.Start)
		for _, one := range s.Singletons {
			at := s.Start.Add(one.At)
			object := singletonJSON{
				Time:               text(appendTime(nil, at)),
				TimeUnixSeconds:    json.Number(appendUnix(nil, at)),
				streamJSON:         newStreamJSON(s.Stream),
				Seq:                uint64(one.Seq),
				Outcome:            one.Outcome.String(),
				RTTSeconds:         optional(one.RTT.Seconds(), answered(one.Outcome)),
				LossTimeoutSeconds: s.LossTimeout.Seconds(),
				Reordered:          one.Reordered,
				Duplicates:         one.Duplicates,
				Cause:              one.Cause,
				makerJSON:          by,
			}
			if err := encoder.Encode(object); err != nil {
				return err
			}
		}
		return nil
	}, out.Flush)
}

func newEncoder(w io.Writer) *json.Encoder {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // names stay readable
	return encoder
}

func newStreamJSON(s perigee.Stream) streamJSON {
	return streamJSON{s.Site, string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load)}
}

func newSampleJSON(s *perigee.Sample, by makerJSON) sampleJSON {
	received := s.RTT.Count > 0
	rtt := rttJSON{
		Min:       optional(s.RTT.Min, received),
		Mean:      optional(s.RTT.Mean, received),
		Stddev:    optional(s.RTT.Stddev()),
		Max:       optional(s.RTT.Max, received),
		Quantiles: make(map[string]*float64, len(quantiles)),
	}
	for _, p := range quantiles {
		rtt.Quantiles[p.key] = optional(s.RTT.Quantile(p.q))
	}
	ipdv := &s.Variation.IPDV
	sketch, state := encoded(s)
	return sampleJSON{
		Start:              text(appendTime(nil, s.Start)),
		StartUnixSeconds:   json.Number(appendUnix(nil, s.Start)),
		streamJSON:         newStreamJSON(s.Stream),
		LengthSeconds:      s.Length.Seconds(),
		IntervalSeconds:    s.Interval.Seconds(),
		LossTimeoutSeconds: s.LossTimeout.Seconds(),
		Counts:             countsJSON(s.Counts),
		LossRatio:          optional(s.Counts.LossRatio()),
		RTTSeconds:         rtt,
		JitterSeconds:      optional(s.Variation.Jitter, s.Variation.JitterDefined),
		JitterMeanSeconds:  optional(s.Variation.MeanJitter()),
		IPDVSeconds:        ipdvJSON{Count: ipdv.Count, MeanAbs: optional(ipdv.Mean, ipdv.Count > 0), P95Abs: optional(ipdv.Quantile(0.95))},
		PDVSeconds:         pdvJSON{P95: optional(s.PDV(0.95)), P99: optional(s.PDV(0.99))},
		LossPeriod:         lossPeriodJSON{s.LossRuns.Count, s.LossRuns.Longest.Packets, s.LossRuns.Longest.Seconds},
		Proof:              proofJSON{s.Proof.InterfaceIndex, s.Proof.InterfaceName, address(s.Proof.Local), address(s.Proof.Remote)},
		Cause:              s.Cause,
		Sketch:             sketch,
		State:              state,
		makerJSON:          by,
	}
}

// optional returns v, or nil, which is null, if it is not defined.
func optional(v float64, defined bool) *float64 {
	if !defined {
		return nil
	}
	return &v
}
