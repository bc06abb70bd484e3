package traces

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"perigee"
	"perigee/stats"
)

// A state holds all that a sample is beside its stream, its singletons and the sketch of
// its RTT, so that an export can be read back exactly. docs/influx.md draws it (version
// 1); it is the same in line protocol, CSV and JSON lines.

const stateVersion = 1

// The flags of a state tell which parts that may be zero are there.
const (
	stateRTT = 1 << iota
	stateIPDV
	stateJitter
	stateLongest // the three runs, in this order
	stateHead
	stateTail
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
		{stateRTT, distributionNumbers(&s.RTT) != [4]float64{}},
		{stateIPDV, distributionNumbers(&v.IPDV) != [4]float64{}},
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
	for _, n := range [...]int64{s.Start.UnixNano(), int64(s.Length), int64(s.Interval), int64(s.LossTimeout), int64(s.Proof.InterfaceIndex)} {
		b = binary.AppendVarint(b, n)
	}
	local, _ := s.Proof.Local.MarshalBinary() // never fails
	remote, _ := s.Proof.Remote.MarshalBinary()
	for _, text := range [...]string{s.Proof.InterfaceName, string(local), string(remote), s.Cause} {
		b = appendStateText(b, text)
	}
	for _, n := range stateCounts(&s.Counts) {
		b = binary.AppendVarint(b, *n)
	}
	b = appendStateDistribution(b, &s.RTT, flags&stateRTT != 0)
	b = appendStateDistribution(b, &v.IPDV, flags&stateIPDV != 0)
	b = appendStateText(b, string(v.IPDV.Sketch.Encode()))
	if v.JitterDefined {
		b = appendStateFloats(b, v.Jitter)
	}
	b = appendStateFloats(b, v.JitterSum)
	b = binary.AppendVarint(b, l.Packets)
	b = binary.AppendVarint(b, l.Count)
	for i, r := range [...]stats.Run{l.Longest, l.Head, l.Tail} {
		if flags&(stateLongest<<i) != 0 {
			b = appendStateFloats(binary.AppendVarint(b, r.Packets), r.Seconds)
		}
	}
	return b
}

func distributionNumbers(d *stats.Distribution) [4]float64 {
	return [...]float64{d.Min, d.Max, d.Mean, d.M2}
}

func stateCounts(c *perigee.Counts) [9]*int64 {
	return [...]*int64{&c.Planned, &c.Sent, &c.SendFailed, &c.Skipped, &c.Received, &c.Late, &c.Lost, &c.Duplicates, &c.Reordered}
}

func appendStateDistribution(b []byte, d *stats.Distribution, there bool) []byte {
	b = binary.AppendVarint(b, d.Count)
	if there {
		numbers := distributionNumbers(d)
		b = appendStateFloats(b, numbers[:]...)
	}
	return b
}

func appendStateFloats(b []byte, values ...float64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func appendStateText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// encoded returns the sketch and the state of s as they stand in exports.
func encoded(s *perigee.Sample) (sketch, state string) {
	return base64.StdEncoding.EncodeToString(s.RTT.Sketch.Encode()), base64.StdEncoding.EncodeToString(appendState(nil, s))
}

// decodeSample fills s, of which the stream is known, from its sketch and state. It takes
// no more memory than they do by much, whatever they hold.
func decodeSample(sketch, state []byte, s *perigee.Sample) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, state)
	if err != nil {
		return fmt.Errorf("its state is no base64: %w", err)
	}
	d := stateReader{rest: raw}
	d.sample(s)
	if d.err == nil && len(d.rest) > 0 {
		d.err = errors.New("something follows it")
	}
	if d.err != nil {
		return fmt.Errorf("its state, at byte %d of %d: %w", len(raw)-len(d.rest), len(raw), d.err)
	}
	if raw, err = base64.StdEncoding.AppendDecode(nil, sketch); err != nil {
		return fmt.Errorf("its sketch is no base64: %w", err)
	}
	if s.RTT.Sketch, err = stats.DecodeSketch(raw); err != nil {
		return fmt.Errorf("its sketch: %w", err)
	}
	return consistent(s)
}

// consistent refuses what no sample can be.
func consistent(s *perigee.Sample) error {
	c := &s.Counts
	for _, n := range stateCounts(c) {
		if *n < 0 {
			return errors.New("a count is negative")
		}
	}
	if err := c.Check(); err != nil {
		return err
	}
	switch {
	case s.RTT.Count != c.Received || s.RTT.Sketch.Count() != c.Received:
		return fmt.Errorf("it has %d round-trip times of %d replies", s.RTT.Count, c.Received)
	case s.Variation.IPDV.Count != s.Variation.IPDV.Sketch.Count() || s.Variation.IPDV.Count < 0:
		return errors.New("its IPDV does not agree with its sketch")
	case s.Length < 0 || s.Length > 24*time.Hour || s.Interval < 0 || s.LossTimeout < 0:
		return errors.New("one of its durations cannot be")
	}
	return nil
}

// stateReader reads parts of a state until the first error, and zeros from then on.
type stateReader struct {
	rest []byte
	err  error
}

func (d *stateReader) sample(s *perigee.Sample) {
	head := d.take(2)
	if d.err != nil {
		return
	}
	flags := head[1]
	if head[0] != stateVersion || flags&stateUnknown != 0 {
		d.err = fmt.Errorf("its version, %d, or a flag is not known: update perigee", head[0])
		return
	}
	s.Start = time.Unix(0, d.varint()).UTC()
	for _, v := range [...]*time.Duration{&s.Length, &s.Interval, &s.LossTimeout} {
		*v = time.Duration(d.varint())
	}
	s.Proof.InterfaceIndex = int(d.varint())
	s.Proof.InterfaceName = string(d.text())
	for _, a := range [...]*netip.Addr{&s.Proof.Local, &s.Proof.Remote} {
		if err := a.UnmarshalBinary(d.text()); err != nil && d.err == nil {
			d.err = err
		}
	}
	s.Cause = string(d.text())
	for _, n := range stateCounts(&s.Counts) {
		*n = d.varint()
	}
	v, l := &s.Variation, &s.LossRuns
	d.distribution(&s.RTT, flags&stateRTT != 0)
	d.distribution(&v.IPDV, flags&stateIPDV != 0)
	sketch, err := stats.DecodeSketch(d.text())
	if err != nil && d.err == nil {
		d.err = err
	}
	v.IPDV.Sketch = sketch
	if flags&stateJitter != 0 {
		v.Jitter, v.JitterDefined = d.float(), true
	}
	v.JitterSum = d.float()
	l.Packets, l.Count = d.varint(), d.varint()
	for i, r := range [...]*stats.Run{&l.Longest, &l.Head, &l.Tail} {
		if flags&(stateLongest<<i) != 0 {
			r.Packets, r.Seconds = d.varint(), d.float()
		}
	}
}

func (d *stateReader) distribution(to *stats.Distribution, there bool) {
	to.Count = d.varint()
	if there {
		to.Min, to.Max, to.Mean, to.M2 = d.float(), d.float(), d.float(), d.float()
	}
}

// take returns the next n bytes.
func (d *stateReader) take(n uint64) []byte {
	if d.err == nil && n > uint64(len(d.rest)) {
		d.err = errors.New("it ends too early")
	}
	if d.err != nil {
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *stateReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 && d.err == nil {
		d.err = errors.New("a number is malformed")
	}
	d.take(uint64(max(n, 0)))
	if d.err != nil {
		return 0
	}
	return v
}

func (d *stateReader) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *stateReader) text() []byte { return d.take(d.uvarint()) }

func (d *stateReader) float() float64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if math.IsNaN(v) || math.IsInf(v, 0) {
		d.err = errors.New("a statistic is not a finite number")
		return 0
	}
	return v
}
