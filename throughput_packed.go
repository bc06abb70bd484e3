package perigee

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Stores keep a Throughput packed, as docs/store.md draws it (version 2; version 1 lacks
// the last part):
//
//	packed = 2 flags length proof server streams congestion stop rates sizes connect latency latency series tcp receiver
//
// Numbers are varints as in encoding/binary, signed ones zigzag, times nanoseconds;
// rates and statistics are IEEE 754 doubles, little-endian; texts and lists have their
// length before them. Series and states are differences from the one before.

const throughputVersion = 2

// The flags of a packed throughput.
const (
	throughputReceiverCounted = 1 << iota
	throughputSteady
	throughputByArrival // since version 2
	throughputUnknown   = 0xff &^ (1<<iota - 1)
)

// leastTCPState and leastReceiverState are how many bytes a packed state takes at least,
// which bounds what is allocated for a list of them.
const (
	leastTCPState      = 5 + 8
	leastReceiverState = 7
)

// Pack appends all of t but its Stream and Start to b.
func (t *Throughput) Pack(b []byte) []byte {
	flags := byte(0)
	if t.ReceiverCounted {
		flags |= throughputReceiverCounted
	}
	if t.Steady {
		flags |= throughputSteady
	}
	if t.ByArrival {
		flags |= throughputByArrival
	}
	b = append(b, throughputVersion, flags)
	b = binary.AppendVarint(b, int64(t.Length))
	b = binary.AppendVarint(b, int64(t.Proof.InterfaceIndex))
	b = packText(b, t.Proof.InterfaceName)
	for _, a := range [...]netip.Addr{t.Proof.Local, t.Proof.Remote} {
		raw, _ := a.MarshalBinary() // never fails
		b = packText(b, string(raw))
	}
	b = packText(b, t.Server)
	b = binary.AppendVarint(b, int64(t.Streams))
	b = packText(b, t.Congestion)
	b = packText(b, string(t.Stop))
	for _, v := range t.rates() {
		b = packFloat(b, *v)
	}
	b = binary.AppendVarint(b, int64(t.RateSeconds))
	for _, v := range t.sizes() {
		b = binary.AppendVarint(b, *v)
	}
	for _, d := range t.times() {
		b = binary.AppendVarint(b, int64(*d))
	}
	for _, l := range [...]*Latency{&t.Idle, &t.Loaded} {
		b = binary.AppendVarint(b, l.Sent)
		b = binary.AppendVarint(b, l.Received)
		for _, v := range l.numbers() {
			b = packFloat(b, *v)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(t.Series)))
	before := int64(0)
	for _, n := range t.Series {
		b = binary.AppendVarint(b, n-before)
		before = n
	}
	b = binary.AppendUvarint(b, uint64(len(t.TCP)))
	previous := TCPState{}
	for _, s := range t.TCP {
		was := previous.integers()
		for i, v := range s.integers() {
			b = binary.AppendVarint(b, v-was[i])
		}
		b = packFloat(b, s.DeliveryRate)
		previous = s
	}
	b = binary.AppendUvarint(b, uint64(len(t.TCPReceiver)))
	received := TCPReceiverState{}
	for _, s := range t.TCPReceiver {
		was := received.integers()
		for i, v := range s.integers() {
			b = binary.AppendVarint(b, v-was[i])
		}
		received = s
	}
	return b
}

// rates, sizes, times and numbers list the parts of what they are named after in the
// order in which they are packed, for writing and for reading.
func (t *Throughput) rates() [7]*float64 {
	return [...]*float64{&t.Rate, &t.Error, &t.Confidence, &t.Rate5, &t.Rate50, &t.Rate95, &t.WholeRate}
}

func (t *Throughput) sizes() [3]*int64 { return [...]*int64{&t.Bytes, &t.WireBytes, &t.Retransmitted} }

func (t *Throughput) times() [5]*time.Duration {
	return [...]*time.Duration{&t.Ramp, &t.Connect.TCP, &t.Connect.TLS, &t.Connect.FirstByte, &t.SeriesStep}
}

func (l *Latency) numbers() [5]*float64 {
	return [...]*float64{&l.Min, &l.P50, &l.P95, &l.P99, &l.Mean}
}

func (s TCPState) integers() [5]int64 {
	return [...]int64{int64(s.At), int64(s.RTT), int64(s.MinRTT), s.Window, s.Retransmitted}
}

func (s TCPReceiverState) integers() [7]int64 {
	return [...]int64{int64(s.At), int64(s.RTT), int64(s.MinRTT), s.Space, s.Received, s.Segments, s.OutOfOrder}
}

func packText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func packFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

var (
	errPackedShort   = errors.New("it ends too early")
	errPackedLong    = errors.New("something follows it")
	errPackedVersion = errors.New("its version is unknown")
	errPackedFlags   = errors.New("a flag is unknown")
	errPackedVarint  = errors.New("a number is malformed")
	errPackedFloat   = errors.New("a statistic is not a finite number")
)

// Unpack reads what Pack wrote into t, which keeps its Stream and Start. It fails on
// anything but the whole of it, whatever the bytes, leaves t as it is then, and takes
// no more memory than some times theirs.
func (t *Throughput) Unpack(b []byte) error {
	r := unpacker{rest: b}
	out := Throughput{Stream: t.Stream, Start: t.Start}
	r.throughput(&out)
	if r.err == nil && len(r.rest) > 0 {
		r.err = errPackedLong
	}
	if r.err != nil {
		return fmt.Errorf("packed throughput of %d bytes, at %d: %w", len(b), len(b)-len(r.rest), r.err)
	}
	*t = out
	return nil
}

// unpacker reads parts off a byte string until the first error, and zeros from then on.
type unpacker struct {
	rest []byte
	err  error
}

func (r *unpacker) throughput(t *Throughput) {
	head := r.take(2)
	switch {
	case head == nil:
		return
	case head[0] == 0 || head[0] > throughputVersion:
		r.err = errPackedVersion
		return
	case head[1]&throughputUnknown != 0, head[0] == 1 && head[1]&throughputByArrival != 0:
		r.err = errPackedFlags
		return
	}
	t.ReceiverCounted = head[1]&throughputReceiverCounted != 0
	t.Steady = head[1]&throughputSteady != 0
	t.ByArrival = head[1]&throughputByArrival != 0
	t.Length = time.Duration(r.varint())
	t.Proof.InterfaceIndex = int(r.varint())
	t.Proof.InterfaceName = r.text()
	for _, a := range [...]*netip.Addr{&t.Proof.Local, &t.Proof.Remote} {
		if err := a.UnmarshalBinary([]byte(r.text())); err != nil && r.err == nil {
			r.err = err
		}
	}
	t.Server = r.text()
	t.Streams = int(r.varint())
	t.Congestion = r.text()
	t.Stop = StopReason(r.text())
	for _, v := range t.rates() {
		*v = r.float()
	}
	t.RateSeconds = int(r.varint())
	for _, v := range t.sizes() {
		*v = r.varint()
	}
	for _, d := range t.times() {
		*d = time.Duration(r.varint())
	}
	for _, l := range [...]*Latency{&t.Idle, &t.Loaded} {
		l.Sent, l.Received = r.varint(), r.varint()
		for _, v := range l.numbers() {
			*v = r.float()
		}
	}
	if n := r.length(1); n > 0 {
		t.Series = make([]int64, n)
		before := int64(0)
		for i := range t.Series {
			before += r.varint()
			t.Series[i] = before
		}
	}
	if n := r.length(leastTCPState); n > 0 {
		t.TCP = make([]TCPState, n)
		previous := TCPState{}
		for i := range t.TCP {
			v := previous.integers()
			for j := range v {
				v[j] += r.varint()
			}
			previous = TCPState{At: time.Duration(v[0]), RTT: time.Duration(v[1]), MinRTT: time.Duration(v[2]), Window: v[3], Retransmitted: v[4], DeliveryRate: r.float()}
			t.TCP[i] = previous
		}
	}
	if head[0] == 1 {
		return
	}
	if n := r.length(leastReceiverState); n > 0 {
		t.TCPReceiver = make([]TCPReceiverState, n)
		v := TCPReceiverState{}.integers()
		for i := range t.TCPReceiver {
			for j := range v {
				v[j] += r.varint()
			}
			t.TCPReceiver[i] = TCPReceiverState{At: time.Duration(v[0]), RTT: time.Duration(v[1]), MinRTT: time.Duration(v[2]), Space: v[3], Received: v[4], Segments: v[5], OutOfOrder: v[6]}
		}
	}
}

// take returns the next n bytes.
func (r *unpacker) take(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = errPackedShort
	}
	if r.err != nil {
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *unpacker) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	switch {
	case n == 0:
		r.err = errPackedShort
		return 0
	case n < 0, n > 1 && r.rest[n-1] == 0: // overflows, or is longer than it needs to be
		r.err = errPackedVarint
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *unpacker) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *unpacker) float() float64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.err = errPackedFloat
		return 0
	}
	return v
}

func (r *unpacker) text() string { return string(r.take(r.uvarint())) }

// length reads how many things follow that take so many bytes each at least.
func (r *unpacker) length(least int) int {
	n := r.uvarint()
	if r.err == nil && n > uint64(len(r.rest)/least) {
		r.err = errPackedShort
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}
