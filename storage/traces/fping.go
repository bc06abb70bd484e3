package traces

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"perigee"
)

// fpingReader reads what fping prints, a line at a time: with -D each result stamped when
// it is printed, with -C a summary of all results at the end, without times.
type fpingReader struct {
	c      *collector
	single map[*assembler]bool // streams whose results stood in lines of their own
}

func readFping(r io.Reader, c *collector) error {
	if !c.options.Start.IsZero() && c.options.Interval == 0 {
		c.options.Interval = time.Second // fping's own, counting
	}
	f := &fpingReader{c: c, single: map[*assembler]bool{}}
	return readLines(r, c, f.line)
}

func (f *fpingReader) line(number int64, line []byte) error {
	stamp, rest, err := cutStamp(line)
	if err != nil {
		return err
	}
	host, rest, found := bytes.Cut(rest, []byte(" : "))
	host = bytes.TrimSpace(host)
	if !found || len(host) == 0 || bytes.HasPrefix(rest, []byte("xmt/rcv")) {
		return errNothing // an ICMP error, or an account
	}
	numbered := bytes.HasPrefix(rest, []byte("[")) || bytes.HasPrefix(rest, []byte("duplicate for ["))
	if !numbered && !bytes.Contains(digitsAnd, rest[:1]) {
		return errNothing
	}
	family := perigee.IPv4
	if a, err := netip.ParseAddr(string(host)); err == nil {
		family = familyOf(a)
	}
	s, err := f.c.stream(string(host), perigee.MethodICMP, family)
	if err != nil {
		return err
	}
	if !numbered {
		return f.summary(number, s, rest)
	}
	f.single[s] = true
	return f.probe(number, stamp, s, rest)
}

// digitsAnd are the bytes that a summary may begin with.
var digitsAnd = []byte("0123456789-")

// probe takes "[3], 64 bytes, 0.046 ms (…)", "[3], timed out (…)" or
// "duplicate for [3], 64 bytes, 0.1 ms".
func (f *fpingReader) probe(number, stamp int64, s *assembler, text []byte) error {
	seq, ok := numberAfter(text, "[")
	if !ok {
		return errors.New("its sequence number cannot be read")
	}
	o := observation{line: number, number: seq, fate: unanswered, at: stamp, overdue: true, duplicate: bytes.HasPrefix(text, []byte("duplicate"))}
	if rest, answered := fieldAfter(text, " bytes, "); answered {
		value, unit, _ := bytes.Cut(rest, []byte(" "))
		rtt, ok := parseDecimal(value, time.Millisecond)
		if !ok || !bytes.HasPrefix(unit, []byte("ms")) {
			return errors.New("its round-trip time cannot be read, or is not in ms")
		}
		o.fate, o.rtt, o.at, o.heard, o.overdue = replied, time.Duration(rtt), stamp-rtt, true, false
	} else if !bytes.Contains(text, []byte("timed out")) {
		return errors.New("it ends before its result")
	}
	if stamp == 0 {
		if f.c.options.Start.IsZero() {
			return errNoTimes
		}
		o.at, o.heard, o.overdue = f.c.options.Start.UnixNano()+min(seq, 1<<40)*int64(f.c.options.Interval), false, false
	}
	return s.add(o)
}

var errNoTimes = errors.New("it has no time: record with fping -D, or say when the first probe was sent with --start")

// summary takes what -C prints at the end, the round-trip times in ms in order of
// sending, "-" where there was none. Where they stood in lines of their own it tells
// nothing new.
func (f *fpingReader) summary(number int64, s *assembler, text []byte) error {
	if f.single[s] {
		return errNothing
	}
	if f.c.options.Start.IsZero() {
		return errNoTimes
	}
	var list []observation
	for i, value := range bytes.Fields(text) {
		o := observation{line: number, number: int64(i), at: f.c.options.Start.UnixNano() + int64(i)*int64(f.c.options.Interval), fate: unanswered}
		if string(value) != "-" {
			rtt, ok := parseDecimal(value, time.Millisecond)
			if !ok || rtt < 0 {
				return fmt.Errorf("%q is no round-trip time", clipped(value))
			}
			o.fate, o.rtt = replied, time.Duration(rtt)
		}
		list = append(list, o)
	}
	s.announced(0)
	for _, o := range list {
		if err := s.add(o); err != nil {
			return err
		}
	}
	return nil
}
