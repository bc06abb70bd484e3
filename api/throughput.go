package api

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"perigee"
)

// Throughput is the result of one transfer.
type Throughput struct {
	Site      string    `json:"site"`
	Link      string    `json:"link"`
	Target    string    `json:"target" doc:"The far end's name, or the public server's."`
	Time      time.Time `json:"time" doc:"When the first payload was asked for."`
	Direction string    `json:"direction" enum:"down,up"`
	Method    string    `json:"method" doc:"perigee: a far end of our own, which counts what arrives there; ookla: a public server, of which that is not known. Others may follow."`
	Family    string    `json:"family"`
	Server    string    `json:"server" doc:"Who was at the other end."`

	BitsPerSecond      float64        `json:"bits_per_second" doc:"Payload, of the steady part; where none was reached, of what there is after the ramp, or of all."`
	Steady             bool           `json:"steady" doc:"Whether a steady part was reached."`
	ErrorRatio         *float64       `json:"error_ratio" doc:"Half of the confidence interval of bits_per_second, as a share of it; null if it cannot be told."`
	Confidence         *float64       `json:"confidence" doc:"Of that interval, such as 0.95; null with it."`
	PerSecond          RateQuantiles  `json:"per_second" doc:"Rates of the whole seconds of the steady part."`
	WholeBitsPerSecond float64        `json:"whole_bits_per_second" doc:"Payload over the whole time, ramp included: what a naive test says."`
	LengthSeconds      float64        `json:"length_seconds"`
	RampSeconds        float64        `json:"ramp_seconds" doc:"From the beginning to the steady part."`
	Stop               string         `json:"stop" doc:"Why it ended: time, precision, cap, cancelled or failed; others may follow."`
	Bytes              int64          `json:"bytes" doc:"Payload received."`
	WireBytes          int64          `json:"wire_bytes" doc:"Moved over the link in both directions, headers and what was sent again included."`
	Retransmitted      *int64         `json:"retransmitted_bytes" doc:"Sent again by the sender; null if not known."`
	ReceiverCounted    bool           `json:"receiver_counted" doc:"Whether the receiver counted the bytes that rates are made of."`
	Streams            int            `json:"streams" doc:"Connections at once."`
	Congestion         *string        `json:"congestion" doc:"Congestion control of the sender; null if not known."`
	RTTIdle            LatencySeconds `json:"rtt_idle_seconds" doc:"Round trips of latency probes just before."`
	RTTLoaded          LatencySeconds `json:"rtt_loaded_seconds" doc:"Round trips of latency probes during the transfer."`
	RTTIncrease        *float64       `json:"rtt_increase_seconds" doc:"Median loaded minus median idle; null unless both are known."`
	RPM                *float64       `json:"rpm" doc:"Round trips a minute under load: 60 over the mean loaded round trip; null if no probe was answered."`
	Connect            ConnectSeconds `json:"connect_seconds" doc:"How long the first connection took to come about."`
	PEPSuspected       *bool          `json:"pep_suspected" doc:"Whether a proxy on the way seems to split connections; null if it cannot be told."`
	PEPText            *string        `json:"pep_text" doc:"Why it seems so; null unless it does."`
	Warnings           []string       `json:"warnings" nullable:"false" doc:"What a reader of the rate must know, in words."`

	StepSeconds *float64              `json:"step_seconds" doc:"Length of the intervals of series; null if there are none."`
	Series      []SeriesRate          `json:"series" nullable:"false" doc:"What the receiver counted in each interval. Empty if it was not asked for, or not counted."`
	ByArrival   bool                  `json:"series_by_arrival" doc:"Whether series has payload where it arrived, in whatever order; otherwise where a program got it in order, after what was lost had come again."`
	TCP         []TCPSnapshot         `json:"tcp" nullable:"false" doc:"The sender's connections along the transfer; empty as series."`
	TCPReceiver []TCPReceiverSnapshot `json:"tcp_receiver" nullable:"false" doc:"The same connections at the receiver, likewise."`
	Maker
}

// RateQuantiles are percentiles of the rates of whole seconds.
type RateQuantiles struct {
	Count int      `json:"count"`
	P5    *float64 `json:"p5_bits_per_second" doc:"Null if count is 0, as the next two."`
	P50   *float64 `json:"p50_bits_per_second"`
	P95   *float64 `json:"p95_bits_per_second"`
}

// LatencySeconds sums up the round trips of probes.
type LatencySeconds struct {
	Sent  int64    `json:"sent" doc:"Probes sent."`
	Count int64    `json:"count" doc:"Those of them that were answered; if none, all else is null."`
	Min   *float64 `json:"min"`
	P50   *float64 `json:"p50"`
	P95   *float64 `json:"p95"`
	P99   *float64 `json:"p99"`
	Mean  *float64 `json:"mean"`
}

// ConnectSeconds is how long a connection took to come about; null is not measured.
type ConnectSeconds struct {
	TCP       *float64 `json:"tcp" doc:"SYN to SYN-ACK."`
	TLS       *float64 `json:"tls" doc:"TLS handshake."`
	FirstByte *float64 `json:"first_byte" doc:"Request to the first byte of its answer."`
}

// SeriesRate is one interval of a transfer.
type SeriesRate struct {
	T             float64 `json:"t" doc:"End of the interval, in seconds since the beginning."`
	BitsPerSecond float64 `json:"bits_per_second"`
}

// TCPSnapshot is the state of the sender's connections at one time: means for round
// trips, the least of them for min_rtt_seconds, sums for the rest.
type TCPSnapshot struct {
	T             float64 `json:"t" doc:"In seconds since the beginning."`
	RTT           float64 `json:"rtt_seconds" doc:"Smoothed."`
	MinRTT        float64 `json:"min_rtt_seconds"`
	WindowBytes   int64   `json:"window_bytes" doc:"Congestion window."`
	Retransmitted int64   `json:"retransmitted_bytes" doc:"Sent again so far."`
	DeliveryRate  float64 `json:"delivery_bits_per_second" doc:"The kernel's estimate."`
}

// TCPReceiverSnapshot is the state of the receiving ends of the connections at one time:
// means for round trips, the least of them for min_rtt_seconds, sums for the rest.
type TCPReceiverSnapshot struct {
	T             float64  `json:"t" doc:"In seconds since the beginning."`
	RTT           *float64 `json:"rtt_seconds" doc:"What the receivers take a round trip to be, the sender's waiting included; null if not known."`
	MinRTT        *float64 `json:"min_rtt_seconds" doc:"Least round trip of what the receivers sent themselves; null if not known."`
	SpaceBytes    int64    `json:"space_bytes" doc:"What the receivers expect in one round trip."`
	ReceivedBytes int64    `json:"received_bytes" doc:"Arrived, and put in order, since the connections came about."`
	Segments      *int64   `json:"segments" doc:"Segments with payload that arrived, those that came twice included; null if not known."`
	OutOfOrder    *int64   `json:"out_of_order_segments" doc:"Of these, those that came while one before them was missing; null if not known."`
}

// NewThroughput returns the wire form of a transfer, with its series.
func NewThroughput(t perigee.Throughput) Throughput {
	r := newThroughputScalars(t)
	r.StepSeconds = defined(t.SeriesStep.Seconds(), len(t.Series) > 0)
	for i, n := range t.Series {
		begin := time.Duration(i) * t.SeriesStep
		end := begin + t.SeriesStep
		if last := i == len(t.Series)-1; last && begin < t.Length && t.Length < end {
			end = t.Length
		}
		r.Series = append(r.Series, SeriesRate{T: seconds(end.Seconds()), BitsPerSecond: rate(float64(n) * 8 / (end - begin).Seconds())})
	}
	for _, c := range t.TCP {
		r.TCP = append(r.TCP, TCPSnapshot{T: seconds(c.At.Seconds()), RTT: seconds(c.RTT.Seconds()), MinRTT: seconds(c.MinRTT.Seconds()),
			WindowBytes: c.Window, Retransmitted: c.Retransmitted, DeliveryRate: rate(c.DeliveryRate)})
	}
	for _, c := range t.TCPReceiver {
		r.TCPReceiver = append(r.TCPReceiver, TCPReceiverSnapshot{T: seconds(c.At.Seconds()), RTT: maybeSeconds(c.RTT.Seconds(), c.RTT > 0), MinRTT: maybeSeconds(c.MinRTT.Seconds(), c.MinRTT > 0),
			SpaceBytes: c.Space, ReceivedBytes: c.Received, Segments: defined(c.Segments, c.Segments >= 0), OutOfOrder: defined(c.OutOfOrder, c.OutOfOrder >= 0)})
	}
	return r
}

// newThroughputScalars is NewThroughput without series.
func newThroughputScalars(t perigee.Throughput) Throughput {
	s, c := t.Stream, t.Connect
	known := t.Error >= 0
	percentile := func(v float64) *float64 { return defined(rate(v), t.RateSeconds > 0) }
	r := Throughput{
		Site: s.Site, Link: string(s.Link), Target: string(s.Target), Time: t.Start.UTC(), Direction: string(s.Load),
		Method: string(s.Method), Family: string(s.Family), Server: t.Server,
		BitsPerSecond: rate(t.Rate), Steady: t.Steady, ErrorRatio: defined(t.Error, known), Confidence: defined(t.Confidence, known),
		PerSecond:          RateQuantiles{Count: t.RateSeconds, P5: percentile(t.Rate5), P50: percentile(t.Rate50), P95: percentile(t.Rate95)},
		WholeBitsPerSecond: rate(t.WholeRate), LengthSeconds: seconds(t.Length.Seconds()), RampSeconds: seconds(t.Ramp.Seconds()),
		Stop: string(t.Stop), Bytes: t.Bytes, WireBytes: t.WireBytes, Retransmitted: defined(t.Retransmitted, t.Retransmitted >= 0),
		ReceiverCounted: t.ReceiverCounted, Streams: t.Streams, Congestion: defined(t.Congestion, t.Congestion != ""),
		RTTIdle: newLatency(t.Idle), RTTLoaded: newLatency(t.Loaded),
		RTTIncrease: maybeSeconds(t.Loaded.P50-t.Idle.P50, t.Idle.Received > 0 && t.Loaded.Received > 0),
		Connect: ConnectSeconds{TCP: maybeSeconds(c.TCP.Seconds(), c.TCP > 0), TLS: maybeSeconds(c.TLS.Seconds(), c.TLS > 0),
			FirstByte: maybeSeconds(c.FirstByte.Seconds(), c.FirstByte > 0)},
		Warnings: throughputWarnings(t), Series: []SeriesRate{}, ByArrival: t.ByArrival, TCP: []TCPSnapshot{}, TCPReceiver: []TCPReceiverSnapshot{},
	}
	if t.Loaded.Received > 0 && t.Loaded.Mean > 0 {
		r.RPM = defined(rate(60/t.Loaded.Mean), true)
	}
	r.PEPSuspected, r.PEPText = suspectPEP(t)
	return r
}

// rate rounds to a thousandth: what lies below is noise of arithmetic.
func rate(v float64) float64 { return math.Round(v*1e3) / 1e3 }

func newLatency(l perigee.Latency) LatencySeconds {
	any := l.Received > 0
	return LatencySeconds{Sent: l.Sent, Count: l.Received, Min: maybeSeconds(l.Min, any), P50: maybeSeconds(l.P50, any),
		P95: maybeSeconds(l.P95, any), P99: maybeSeconds(l.P99, any), Mean: maybeSeconds(l.Mean, any)}
}

// suspectPEP tells whether a proxy seems to split connections (RFC 3135): TCP connects
// in less than half of what the fastest probe takes to the same target and back. No packet
// can.
func suspectPEP(t perigee.Throughput) (suspected *bool, text *string) {
	split, known := t.SuspectPEP()
	if !split {
		return defined(false, known), nil
	}
	return defined(true, true), defined(fmt.Sprintf("TCP connects in %s where no probe takes less than %s: a proxy on the way seems to answer for the far end, and TCP's round trips and repeats are those up to it",
		milliseconds(t.Connect.TCP.Seconds()), milliseconds(t.Idle.Min)), true)
}

func milliseconds(s float64) string { return strconv.FormatFloat(s*1e3, 'f', 0, 64) + " ms" }

// throughputWarnings says what a reader of the rate must know.
func throughputWarnings(t perigee.Throughput) []string {
	warnings := []string{}
	warn := func(text string) { warnings = append(warnings, text) }
	switch {
	case t.Stop == perigee.StoppedByFailure && t.Bytes == 0:
		warn("the connection broke before anything arrived")
	case t.Stop == perigee.StoppedByFailure:
		warn("the connection broke: this is what was measured until then")
	case t.Stop == perigee.StoppedByUser:
		warn("somebody ended it: this is what was measured until then")
	}
	if !t.Steady && t.Bytes > 0 {
		text := "no steady part was reached: the rate is that of what there is"
		switch t.Stop {
		case perigee.StoppedAtCap:
			text += ", and it might move no more bytes"
		case perigee.StoppedAtTime:
			text += ", and a longer test may reach one"
		}
		warn(text)
	}
	if !t.ReceiverCounted && t.Bytes > 0 {
		warn("what arrived was not counted where it arrived: the rate may be too high")
	}
	if t.Error < 0 && t.Steady {
		warn("how sure the rate is cannot be told")
	}
	if t.Loaded.Sent > 0 && t.Loaded.Received == 0 {
		warn("no latency probe was answered during the transfer")
	}
	return warnings
}

// How many transfers one answer holds at most: a year of one an hour fits without
// series.
const (
	maxThroughputs          = 20_000
	maxThroughputsAndSeries = 1_000
)

type throughputInput struct {
	Link      string `query:"link" doc:"Name of the link; all if absent."`
	Site      string `query:"site" doc:"Name of the site; all if absent."`
	Target    string `query:"target" doc:"Name of the target; all if absent."`
	Direction string `query:"direction" enum:"down,up" doc:"Both if absent."`
	Method    string `query:"method" enum:"perigee,ookla,iperf3" doc:"All if absent; iperf3 is of imports."`
	Family    string `query:"family" enum:"ipv4,ipv6" doc:"IP version; both if absent."`
	RangeParams
	Limit  string `query:"limit" example:"20" doc:"Only so many, the newest of the range. If absent and there are more than 1000 (20000 without series), the question is refused."`
	Series string `query:"series" enum:"true,false" default:"true" doc:"Whether series, tcp and tcp_receiver are wanted; with false they are empty."`
}

type throughputOutput struct {
	Body []Throughput `nullable:"false"`
}

func (s *server) throughputs(ctx context.Context, in *throughputInput) (*throughputOutput, error) {
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	if err := oneOf("direction", in.Direction, "down", "up"); err != nil {
		return nil, err
	}
	if err := oneOf("method", in.Method, string(perigee.MethodTransfer), string(perigee.MethodOokla), "iperf3"); err != nil {
		return nil, err
	}
	if err := oneOf("series", in.Series, "true", "false"); err != nil {
		return nil, err
	}
	q, err := StreamParams{Site: in.Site, Target: in.Target, Family: in.Family, Load: in.Direction}.query(from, to, linkList(in.Link)...)
	if err != nil {
		return nil, err
	}
	q.Method = perigee.Method(in.Method)
	most, wire := maxThroughputsAndSeries, NewThroughput
	if in.Series == "false" {
		most, wire = maxThroughputs, newThroughputScalars
	}
	limit, err := parseLimit(in.Limit, most)
	if err != nil {
		return nil, err
	}
	if err := s.checkLinks(ctx, in.Site, "link", q.Links); err != nil {
		return nil, err
	}
	made, err := s.made(ctx, in.Site, from, to, q.Links...)
	if err != nil {
		return nil, err
	}
	out := &throughputOutput{Body: []Throughput{}}
	for t, err := range s.store.Throughputs(ctx, q) {
		if err != nil {
			return nil, err
		}
		if in.Limit == "" && len(out.Body) == most {
			return nil, badParameter("from", fmt.Sprintf("the range has more than %d transfers", most),
				"Ask for a shorter range, for limit=N of the newest, or without their series: series=false.")
		}
		one := wire(t)
		one.Maker = makerOf(made, t.Stream.Site, t.Stream.Link, t.Start)
		if out.Body = append(out.Body, one); len(out.Body) >= 2*limit { // now and then, so that it costs little
			out.Body = append(out.Body[:0], out.Body[len(out.Body)-limit:]...)
		}
	}
	out.Body = out.Body[max(0, len(out.Body)-limit):]
	return out, nil
}

// parseLimit reads how many at most are asked for; most if that is not said.
func parseLimit(s string, most int) (int, error) {
	if s == "" {
		return most, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || !digits(s) || n < 1 || n > most {
		return 0, badParameter("limit", fmt.Sprintf("limit: %q is not a number from 1 to %d", s, most), "Write it like 20; the newest are kept.")
	}
	return n, nil
}
