package perigee

import (
	"fmt"
	"math"
	"time"
)

// The methods of transfers.
const (
	// MethodTransfer is a transfer to or from a far end of our own, which counts
	// what arrived there.
	MethodTransfer Method = "perigee"

	// MethodOokla is a transfer to or from a public server that speaks the HTTP
	// protocol of speedtest.net. What arrived there is not known.
	MethodOokla Method = "ookla"
)

// Throughput is one transfer over one link in one direction. It is identified by its
// Stream and Start and never changes once it is stored.
//
// Rates are bits per second of payload, counted where it was received: at the site going
// down, at the far end going up. Where that cannot be had, ReceiverCounted is false.
type Throughput struct {
	// Stream is what was measured; its Load is the direction, LoadDown or LoadUp,
	// and its Target the far end's name in the configuration, or the public server's.
	Stream Stream

	Start  time.Time     // wall time at which the first payload was asked for
	Length time.Duration // from then to the last payload counted

	Proof      Proof
	Server     string // who was at the other end: host and port, or the public server's name and number
	Streams    int    // connections at once
	Congestion string // congestion control of the sender; empty if not known

	Stop StopReason // why the transfer ended

	// ReceiverCounted tells that the receiver counted the bytes that rates are made of.
	ReceiverCounted bool

	// Rate is the mean of the steady part. If Steady is false no steady part was
	// reached and Rate is the mean of what there is after Ramp, or of the whole.
	Rate   float64
	Steady bool

	// Error is the half-width of Rate's confidence interval as a share of Rate;
	// negative if it cannot be told.
	Error      float64
	Confidence float64 // of that interval, such as 0.95

	// Rate5, Rate50 and Rate95 are percentiles of the rates of whole seconds of the
	// steady part; meaningful if RateSeconds, the number of those, is not 0.
	Rate5, Rate50, Rate95 float64
	RateSeconds           int

	// WholeRate is payload over the whole time, ramp included: what a naive test says.
	WholeRate float64

	Ramp time.Duration // from Start to the steady part

	Bytes         int64 // payload received
	WireBytes     int64 // moved over the link in both directions, headers and retransmissions included, by our own count
	Retransmitted int64 // bytes that the sender sent again; negative if not known

	Connect Connect

	// Idle and Loaded are round trips of the link's latency probes before and during
	// the transfer.
	Idle, Loaded Latency

	// Series is what the receiver counted in each interval of SeriesStep from Start.
	SeriesStep time.Duration
	Series     []int64 // payload bytes

	// ByArrival tells that Series has payload where it arrived at the receiver's system, in
	// whatever order. Otherwise it stands where a program got it, which is in order: what a
	// lost segment held back then stands where that had been sent again.
	ByArrival bool

	// TCP is the state of the sender's connections along the test, TCPReceiver that of the
	// same connections at their other end, oldest first.
	TCP         []TCPState
	TCPReceiver []TCPReceiverState
}

// StopReason says why a transfer ended.
type StopReason string

// The reasons.
const (
	StoppedAtTime      StopReason = "time"      // it took as long as it was to take
	StoppedAtPrecision StopReason = "precision" // its rate was known to the asked error
	StoppedAtCap       StopReason = "cap"       // it moved as many bytes as it might
	StoppedByUser      StopReason = "cancelled"
	StoppedByFailure   StopReason = "failed" // the connection broke; what was measured until then stands
)

// Connect is how long connections took to come about, in the order of events; 0 is not
// measured. A proxy that splits connections (RFC 3135) shows here: it accepts at once
// what has yet to cross the satellite.
type Connect struct {
	TCP       time.Duration // SYN to SYN-ACK
	TLS       time.Duration // handshake
	FirstByte time.Duration // request to the first byte of its answer
}

// Latency sums up the round trips of probes, in seconds.
type Latency struct {
	Sent, Received     int64
	Min, P50, P95, P99 float64 // meaningful if Received is not 0
	Mean               float64
}

// TCPState sums up the sender's connections at one time: RTTs are means over
// connections, the least of them for MinRTT, the rest are sums.
type TCPState struct {
	At            time.Duration // since Start
	RTT           time.Duration // smoothed
	MinRTT        time.Duration
	Window        int64   // congestion window in bytes
	Retransmitted int64   // bytes sent again so far
	DeliveryRate  float64 // bits per second, the kernel's estimate
}

// TCPReceiverState sums up the receiving ends of the connections at one time. They have
// no congestion window and no retransmissions to speak of: they send acknowledgements.
// RTT is the mean over connections that have one, MinRTT the least of them, the rest are
// sums. Counts are since the connections came about.
type TCPReceiverState struct {
	At time.Duration // since Start

	// RTT is how long the receivers take a round trip to be, by which they size their
	// buffers: from a segment that left to the first that answers it, so with the time
	// that the sender waits. 0 is not known.
	RTT time.Duration

	// MinRTT is the least round trip of what the receivers sent themselves, which is
	// hardly more than their handshakes; 0 is not known.
	MinRTT time.Duration

	Space    int64 // bytes that the receivers expect in one round trip
	Received int64 // bytes that arrived in order or were put in order

	// Segments is how many segments with payload arrived, those that came twice included;
	// OutOfOrder how many of them while one before them was missing. Negative is not
	// known.
	Segments, OutOfOrder int64
}

// End returns the wall time of the last payload counted.
func (t Throughput) End() time.Time { return t.Start.Add(t.Length) }

// Check reports what cannot be true of t, or nil.
func (t Throughput) Check() error {
	var counted int64
	for _, n := range t.Series {
		if n < 0 {
			return &Error{Code: CodeInternal, Message: "throughput: an interval has a negative count"}
		}
		counted += n
	}
	switch {
	case t.Stream.Load != LoadDown && t.Stream.Load != LoadUp:
		return &Error{Code: CodeInternal, Message: fmt.Sprintf("throughput: %q is no direction", t.Stream.Load)}
	case len(t.Series) > 0 && (counted != t.Bytes || t.SeriesStep <= 0):
		return &Error{Code: CodeInternal, Message: fmt.Sprintf("throughput: the series counts %d bytes, the transfer %d", counted, t.Bytes)}
	case t.Bytes < 0 || t.Length < 0 || t.Ramp < 0 || t.Ramp > t.Length:
		return &Error{Code: CodeInternal, Message: fmt.Sprintf("throughput: %d bytes in %v, of which %v ramp", t.Bytes, t.Length, t.Ramp)}
	case !t.finite():
		return &Error{Code: CodeInternal, Message: "throughput: a rate or a round trip is not a finite number"}
	}
	return nil
}

// finite reports whether all numbers of t that may have a fraction are numbers.
func (t *Throughput) finite() bool {
	rates, idle, loaded := t.rates(), t.Idle.numbers(), t.Loaded.numbers()
	for _, list := range [][]*float64{rates[:], idle[:], loaded[:]} {
		for _, v := range list {
			if math.IsNaN(*v) || math.IsInf(*v, 0) {
				return false
			}
		}
	}
	for i := range t.TCP {
		if v := t.TCP[i].DeliveryRate; math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
