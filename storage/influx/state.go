package influx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"perigee"
	"perigee/stats"
)

// The field state holds what a sample is beside its stream and the sketch of its RTT,
// as docs/influx.md draws it (version 1):
//
//	state        = 1 flags start length interval timeout proof cause counts distribution variation runs
//	proof        = index, name, local and remote address
//	counts       = planned sent send_failed skipped received late lost duplicates reordered
//	distribution = count [min max mean m2]
//	variation    = distribution sketch [jitter] jitter_sum
//	runs         = packets count [longest] [head] [tail], each: packets seconds
//
// What flags say is zero or undefined is left out. Numbers are varints as in
// encoding/binary, signed ones zigzag, times nanoseconds; statistics are IEEE 754
// doubles, little-endian; texts and sketches have their length before them.

const stateVersion = 1

// The flags of a state.
const (
	stateRTT     = 1 << iota // the RTT's min, max, mean and m2 are there
	stateIPDV                // the IPDV's likewise
	stateJitter              // jitter is defined
	stateLongest             // the longest loss run is there
	stateHead                // likewise the one at the beginning
	stateTail                // and at the end
	stateUnknown = 0xff &^ (1<<iota - 1)
)

// appendState appends the state of s.
func appendState(b []byte, s *perigee.Sample) []byte {
	v, l := &s.Variation, &s.LossRuns
	flags := byte(0)
	for _, part := range [...]struct {
		flag  byte
		there bool
	}{
		{stateRTT, !zero(&s.RTT)},
		{stateIPDV, !zero(&v.IPDV)},
		{stateJitter, v.JitterDefined},
		{stateLongest, l.Longest != stats.Run{}},
		{stateHead, l.Head != stats.Run{}},
		{stateTail, l.Tail != stats.Run{}},
	} {
		if part.there {
			flags |= part.flag
		}
	}
	b = append(b, stateVersion, flags)
	b = binary.AppendVarint(b, s.Start.UnixNano())
	for _, d := range [...]time.Duration{s.Length, s.Interval, s.LossTimeout} {
		b = binary.AppendVarint(b, int64(d))
	}

	b = binary.AppendVarint(b, int64(s.Proof.InterfaceIndex))
	b = appendText(b, s.Proof.InterfaceName)
	b = appendAddress(b, s.Proof.Local)
	b = appendAddress(b, s.Proof.Remote)
	b = appendText(b, s.Cause)

	for _, c := range counts(&s.Counts) {
		b = binary.AppendVarint(b, *c)
	}

	b = appendDistribution(b, &s.RTT, flags&stateRTT)
	b = appendDistribution(b, &v.IPDV, flags&stateIPDV)
	b = appendText(b, string(v.IPDV.Sketch.Encode()))
	if v.JitterDefined {
		b = appendFloats(b, v.Jitter)
	}
	b = appendFloats(b, v.JitterSum)

	b = binary.AppendVarint(b, l.Packets)
	b = binary.AppendVarint(b, l.Count)
	for i, r := range runs(l) {
		if flags&(stateLongest<<i) != 0 {
			b = binary.AppendVarint(b, r.Packets)
			b = appendFloats(b, r.Seconds)
		}
	}
	return b
}

// zero reports whether d's numbers are all those of an empty distribution.
func zero(d *stats.Distribution) bool {
	for _, v := range numbers(d) {
		if math.Float64bits(*v) != 0 {
			return false
		}
	}
	return true
}

// counts, numbers and runs list the parts of what they are named after in the order of
// the record, for writing and for reading.
func counts(c *perigee.Counts) [9]*int64 {
	return [...]*int64{&c.Planned, &c.Sent, &c.SendFailed, &c.Skipped, &c.Received, &c.Late, &c.Lost, &c.Duplicates, &c.Reordered}
}

func numbers(d *stats.Distribution) [4]*float64 {
	return [...]*float64{&d.Min, &d.Max, &d.Mean, &d.M2}
}

func runs(l *stats.LossRuns) [3]*stats.Run {
	return [...]*stats.Run{&l.Longest, &l.Head, &l.Tail}
}

func appendDistribution(b []byte, d *stats.Distribution, there byte) []byte {
	b = binary.AppendVarint(b, d.Count)
	if there != 0 {
		for _, v := range numbers(d) {
			b = appendFloats(b, *v)
		}
	}
	return b
}

func appendFloats(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendAddress appends 0 bytes for no address, 4 or 16 for one, and more for one with
// a zone.
func appendAddress(b []byte, a netip.Addr) []byte {
	raw, _ := a.MarshalBinary() // never fails
	return appendText(b, string(raw))
}

var (
	errStateShort   = errors.New("it ends too early")
	errStateLong    = errors.New("something follows it")
	errStateVersion = errors.New("its version is unknown")
	errStateFlags   = errors.New("a flag is unknown")
	errStateVarint  = errors.New("a number is malformed")
	errStateFloat   = errors.New("a statistic is not a finite number")
)

// decodeState reads what appendState wrote into s, and nothing else: s keeps its stream
// and the sketch of its RTT. It fails on anything but the whole of a state, whatever
// the bytes, and takes no more memory than they do.
func decodeState(b []byte, s *perigee.Sample) error {
	d := stateDecoder{rest: b}
	out := perigee.Sample{Stream: s.Stream, RTT: stats.Distribution{Sketch: s.RTT.Sketch}}
	d.sample(&out)
	if d.err == nil && len(d.rest) > 0 {
		d.err = errStateLong
	}
	if d.err != nil {
		return fmt.Errorf("decode state of %d bytes, at %d: %w", len(b), len(b)-len(d.rest), d.err)
	}
	*s = out
	return nil
}

// stateDecoder reads parts of a state until the first error, and zeros from then on.
type stateDecoder struct {
	rest []byte
	err  error
}

func (d *stateDecoder) sample(s *perigee.Sample) {
	if version := d.u8(); d.err == nil && version != stateVersion {
		d.fail(errStateVersion)
	}
	flags := d.u8()
	if flags&stateUnknown != 0 {
		d.fail(errStateFlags)
	}
	s.Start = time.Unix(0, d.varint()).UTC()
	for _, v := range [...]*time.Duration{&s.Length, &s.Interval, &s.LossTimeout} {
		*v = time.Duration(d.varint())
	}

	s.Proof.InterfaceIndex = int(d.varint())
	s.Proof.InterfaceName = string(d.text())
	s.Proof.Local = d.address()
	s.Proof.Remote = d.address()
	s.Cause = string(d.text())

	for _, c := range counts(&s.Counts) {
		*c = d.varint()
	}

	v, l := &s.Variation, &s.LossRuns
	d.distribution(&s.RTT, flags&stateRTT)
	d.distribution(&v.IPDV, flags&stateIPDV)
	sketch, err := stats.DecodeSketch(d.text())
	if err != nil {
		d.fail(err)
	}
	v.IPDV.Sketch = sketch
	if flags&stateJitter != 0 {
		v.Jitter, v.JitterDefined = d.float(), true
	}
	v.JitterSum = d.float()

	l.Packets = d.varint()
	l.Count = d.varint()
	for i, r := range runs(l) {
		if flags&(stateLongest<<i) != 0 {
			r.Packets = d.varint()
			r.Seconds = d.float()
		}
	}
}

func (d *stateDecoder) distribution(to *stats.Distribution, there byte) {
	to.Count = d.varint()
	if there != 0 {
		for _, v := range numbers(to) {
			*v = d.float()
		}
	}
}

func (d *stateDecoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// take returns the next n bytes.
func (d *stateDecoder) take(n uint64) []byte {
	if d.err == nil && n > uint64(len(d.rest)) {
		d.err = errStateShort
	}
	if d.err != nil {
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *stateDecoder) u8() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *stateDecoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.rest)
	switch {
	case n == 0:
		d.err = errStateShort
		return 0
	case n < 0, n > 1 && d.rest[n-1] == 0: // overflows, or is longer than it needs to be
		d.err = errStateVarint
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *stateDecoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *stateDecoder) float() float64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if math.IsNaN(v) || math.IsInf(v, 0) {
		d.fail(errStateFloat)
	}
	return v
}

func (d *stateDecoder) text() []byte { return d.take(d.uvarint()) }

func (d *stateDecoder) address() netip.Addr {
	var a netip.Addr
	if err := a.UnmarshalBinary(d.text()); err != nil {
		d.fail(err)
	}
	return a
}
