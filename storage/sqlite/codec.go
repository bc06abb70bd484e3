package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"perigee"
)

// Singletons are packed as docs/store.md draws it (version 1):
//
//	packed  = 1 count texts first spacing runs ats rtts
//	texts   = count of causes, each: length, bytes
//	first   = sequence number of the first singleton
//	spacing = mean time between singletons, the prediction for ats
//	runs    = until they hold count singletons: kind [text] [duplicates] [skip] length
//	ats     = for each: signed difference of At from the previous At + spacing
//	rtts    = for each with an RTT: signed difference of RTT from the previous one
//
// Numbers are varints as in encoding/binary, signed ones zigzag, times whole
// microseconds.

const (
	codecVersion = 1

	// resolution is what At and RTT are rounded to. An RTT of 40 ms is kept to
	// 0.003 %, a hundredth of what sketches promise.
	resolution = time.Microsecond
)

// The bits of a run's kind.
const (
	kindOutcome    = 0b0000_0111 // perigee.Outcome
	kindReordered  = 0b0000_1000
	kindText       = 0b0001_0000 // a cause's index follows
	kindDuplicates = 0b0010_0000 // their number follows
	kindSkip       = 0b0100_0000 // the signed number of sequence numbers left out before follows
	kindUnknown    = 0b1000_0000
)

// pack encodes singletons, of which there is at least one. It fails on what it cannot
// give back: an unknown outcome or an absurd number of duplicates.
func pack(singletons []perigee.Singleton) ([]byte, error) {
	b := make([]byte, 0, 16+4*len(singletons))
	b = append(b, codecVersion)
	b = binary.AppendUvarint(b, uint64(len(singletons)))

	var texts []string
	index := map[string]int{}
	for _, s := range singletons {
		if s.Outcome < perigee.Received || s.Outcome > perigee.Skipped {
			return nil, fmt.Errorf("singleton %d: outcome %d is unknown", s.Seq, s.Outcome)
		}
		if s.Duplicates < 0 || s.Duplicates > math.MaxInt32 {
			return nil, fmt.Errorf("singleton %d: %d duplicates", s.Seq, s.Duplicates)
		}
		if _, known := index[s.Cause]; !known && s.Cause != "" {
			index[s.Cause] = len(texts)
			texts = append(texts, s.Cause)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, text := range texts {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}

	first, last := singletons[0], singletons[len(singletons)-1]
	b = binary.AppendUvarint(b, uint64(first.Seq))
	spacing := int64(0)
	if n := int64(len(singletons) - 1); n > 0 {
		spacing = (micros(last.At) - micros(first.At)) / n
	}
	b = binary.AppendVarint(b, spacing)

	next := first.Seq
	for i := 0; i < len(singletons); {
		s := singletons[i]
		length := 1
		for i+length < len(singletons) && follows(s, singletons[i+length], length) {
			length++
		}
		b = appendRun(b, s, index, int64(s.Seq-next), length)
		next = s.Seq + perigee.Seq(length)
		i += length
	}

	previous := -spacing
	for _, s := range singletons {
		at := micros(s.At)
		b = binary.AppendVarint(b, at-previous-spacing)
		previous = at
	}
	previous = 0
	for _, s := range singletons {
		if answered(s.Outcome) {
			rtt := micros(s.RTT)
			b = binary.AppendVarint(b, rtt-previous)
			previous = rtt
		}
	}
	return b, nil
}

// follows reports whether s can stand at place n of a run that begins with first.
func follows(first, s perigee.Singleton, n int) bool {
	return s.Seq == first.Seq+perigee.Seq(n) && s.Outcome == first.Outcome && s.Reordered == first.Reordered &&
		s.Duplicates == first.Duplicates && s.Cause == first.Cause
}

func appendRun(b []byte, s perigee.Singleton, index map[string]int, skip int64, length int) []byte {
	kind := byte(s.Outcome)
	if s.Reordered {
		kind |= kindReordered
	}
	if s.Cause != "" {
		kind |= kindText
	}
	if s.Duplicates != 0 {
		kind |= kindDuplicates
	}
	if skip != 0 {
		kind |= kindSkip
	}
	b = append(b, kind)
	if s.Cause != "" {
		b = binary.AppendUvarint(b, uint64(index[s.Cause]))
	}
	if s.Duplicates != 0 {
		b = binary.AppendUvarint(b, uint64(s.Duplicates))
	}
	if skip != 0 {
		b = binary.AppendVarint(b, skip)
	}
	return binary.AppendUvarint(b, uint64(length))
}

// answered reports whether an RTT is kept with outcome o.
func answered(o perigee.Outcome) bool { return o == perigee.Received || o == perigee.Late }

func micros(d time.Duration) int64 { return int64(d.Round(resolution) / resolution) }

// unpack is the inverse of pack, times rounded to resolution. It fails on bytes that
// pack did not write.
func unpack(b []byte) ([]perigee.Singleton, error) {
	r := &packed{rest: b}
	singletons := r.singletons()
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	if r.err != nil {
		return nil, fmt.Errorf("packed singletons: at byte %d of %d: %w", len(b)-len(r.rest), len(b), r.err)
	}
	return singletons, nil
}

// packed reads numbers off a byte string until the first error.
type packed struct {
	rest []byte
	err  error
}

func (r *packed) singletons() []perigee.Singleton {
	if version := r.byte(); r.err == nil && version != codecVersion {
		r.fail("version %d, want %d", version, codecVersion)
	}
	// Each singleton takes a byte at least, which bounds what is allocated.
	count := r.length("singletons")
	if r.err == nil && count == 0 {
		r.fail("no singletons")
	}
	texts := make([]string, r.length("causes"))
	for i := range texts {
		n := r.length("bytes of a cause")
		texts[i] = string(r.rest[:n])
		r.rest = r.rest[n:]
	}
	if r.err != nil {
		return nil
	}
	list := make([]perigee.Singleton, 0, count)
	next := perigee.Seq(r.uvarint())
	spacing := r.varint()
	for len(list) < count && r.err == nil {
		list, next = r.run(list, next, texts, count-len(list))
	}
	at := -spacing
	for i := range list {
		at += spacing + r.varint()
		list[i].At = r.duration(at)
	}
	rtt := int64(0)
	for i := range list {
		if answered(list[i].Outcome) {
			rtt += r.varint()
			list[i].RTT = r.duration(rtt)
		}
	}
	return list
}

// run appends the next run, of at most room singletons, and returns the sequence
// number after it.
func (r *packed) run(list []perigee.Singleton, next perigee.Seq, texts []string, room int) ([]perigee.Singleton, perigee.Seq) {
	kind := r.byte()
	s := perigee.Singleton{Outcome: perigee.Outcome(kind & kindOutcome), Reordered: kind&kindReordered != 0}
	if kind&kindUnknown != 0 || s.Outcome < perigee.Received || s.Outcome > perigee.Skipped {
		r.fail("kind %#x is unknown", kind)
	}
	if kind&kindText != 0 {
		if i := r.uvarint(); i < uint64(len(texts)) {
			s.Cause = texts[i]
		} else {
			r.fail("cause %d of %d", i, len(texts))
		}
	}
	if kind&kindDuplicates != 0 {
		n := r.uvarint()
		if n > math.MaxInt32 {
			r.fail("%d duplicates", n)
		}
		s.Duplicates = int(n)
	}
	if kind&kindSkip != 0 {
		next += perigee.Seq(r.varint())
	}
	length := r.uvarint()
	if length == 0 || length > uint64(room) {
		r.fail("run of %d, room for %d", length, room)
	}
	if r.err != nil {
		return list, next
	}
	for range length {
		s.Seq = next
		list = append(list, s)
		next++
	}
	return list, next
}

var errShort = errors.New("it ends too soon")

func (r *packed) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *packed) byte() byte {
	if r.err == nil && len(r.rest) == 0 {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *packed) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	return take(r, v, n)
}

func (r *packed) varint() int64 {
	v, n := binary.Varint(r.rest)
	return take(r, v, n)
}

// take accepts v, read from n bytes, n <= 0 telling that it could not be read.
func take[T int64 | uint64](r *packed, v T, n int) T {
	if r.err == nil && n <= 0 {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// length reads a number of things that take a byte each at least.
func (r *packed) length(what string) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail("%d %s in %d bytes", n, what, len(r.rest))
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// duration converts whole microseconds, refusing those beyond a time.Duration.
func (r *packed) duration(us int64) time.Duration {
	const most = math.MaxInt64 / int64(resolution)
	if us < -most || us > most {
		r.fail("a time of %d µs", us)
		return 0
	}
	return time.Duration(us) * resolution
}
