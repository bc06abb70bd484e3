package storagetest

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"time"

	"perigee"
)

// Throughput makes the result of a transfer over the stream's link that began at start,
// for 5 s at about 100 Mbit/s: a ramp, a steady part, the state of both ends, and what the
// latency probes saw. The stream's load is the direction.
func (g *Generator) Throughput(stream perigee.Stream, start time.Time) perigee.Throughput {
	const step, ramp, length = 100 * time.Millisecond, 1200 * time.Millisecond, 5 * time.Second
	t := perigee.Throughput{
		Stream: stream, Start: start, Length: length, Ramp: ramp,
		Proof:  perigee.Proof{InterfaceIndex: 3, InterfaceName: "wan0", Local: netip.AddrFrom4([4]byte{198, 18, 0, 1}), Remote: netip.AddrFrom4([4]byte{198, 18, 0, 2})},
		Server: "far.example.net:4862", Streams: 1 + g.rand.IntN(8), Congestion: "cubic", Stop: perigee.StoppedAtTime,
		ReceiverCounted: true, Steady: true, Error: 0.04, Confidence: 0.95, RateSeconds: 3, SeriesStep: step, ByArrival: true,
		Connect: perigee.Connect{TCP: g.RTT, TLS: 2 * g.RTT, FirstByte: g.RTT + time.Millisecond},
		Idle:    g.latency(50, g.RTT.Seconds()),
		Loaded:  g.latency(25, 2*g.RTT.Seconds()),
	}
	steady := int64(0)
	for at := time.Duration(0); at < length; at += step {
		bytes := int64(1.25e6 * (0.9 + 0.2*g.rand.Float64()))
		if at < ramp {
			bytes = bytes * int64(at+step) / int64(ramp+step)
		} else {
			steady += bytes
		}
		t.Series = append(t.Series, bytes)
		t.Bytes += bytes
		t.Retransmitted += 1448 * g.rand.Int64N(3)
		t.TCP = append(t.TCP, perigee.TCPState{At: at + step, RTT: g.RTT + time.Duration(g.rand.Int64N(int64(g.RTT))), MinRTT: g.RTT,
			Window: 1448 * (10 + g.rand.Int64N(700)), Retransmitted: t.Retransmitted, DeliveryRate: float64(bytes) * 8 / step.Seconds()})
		t.TCPReceiver = append(t.TCPReceiver, perigee.TCPReceiverState{At: at + step, RTT: g.RTT + time.Duration(g.rand.Int64N(int64(g.RTT))), MinRTT: g.RTT,
			Space: 1448 * (10 + g.rand.Int64N(700)), Received: t.Bytes, Segments: t.Bytes / 1448, OutOfOrder: g.rand.Int64N(t.Bytes / 1448)})
	}
	t.Rate = float64(steady) * 8 / (length - ramp).Seconds()
	t.WholeRate = float64(t.Bytes) * 8 / length.Seconds()
	t.Rate5, t.Rate50, t.Rate95 = 0.95*t.Rate, t.Rate, 1.05*t.Rate
	t.WireBytes = t.Bytes + t.Bytes/20 + t.Retransmitted
	return t
}

// latency sums up probes whose least round trip is given in seconds.
func (g *Generator) latency(sent int64, least float64) perigee.Latency {
	spread := g.Jitter.Seconds() * (1 + g.rand.Float64())
	return perigee.Latency{Sent: sent, Received: sent - g.rand.Int64N(3), Min: least, P50: least + spread, P95: least + 3*spread, P99: least + 5*spread, Mean: least + spread*math.Sqrt2}
}

// Transfer returns a stream of transfers between site home and the target far.
func Transfer(link perigee.LinkID, direction perigee.Load) perigee.Stream {
	return perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodTransfer, Family: perigee.IPv4, Load: direction}
}

// DiffThroughput returns how got differs from want, in words, or "" if it does not.
func DiffThroughput(got, want perigee.Throughput) string {
	a, b := reflect.ValueOf(canonical(got)), reflect.ValueOf(canonical(want))
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			return fmt.Sprintf("%s: got %+v, want %+v", a.Type().Field(i).Name, x, y)
		}
	}
	return ""
}

// canonical returns t so that equal results are equal values.
func canonical(t perigee.Throughput) perigee.Throughput {
	t.Start = utc(t.Start)
	if len(t.Series) == 0 {
		t.Series = nil
	}
	if len(t.TCP) == 0 {
		t.TCP = nil
	}
	if len(t.TCPReceiver) == 0 {
		t.TCPReceiver = nil
	}
	return t
}
