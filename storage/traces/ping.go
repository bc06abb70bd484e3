package traces

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"perigee"
)

// pingInterval is ping's own, where nothing tells otherwise.
const pingInterval = time.Second

// pingReader reads what ping prints, a line at a time. With -D a line is stamped when it
// is printed, which for a reply is when it came; the probe was sent its round trip before.
type pingReader struct {
	c      *collector
	stream *assembler

	target string
	family perigee.Family

	runs    int
	told    bool  // a line told of a probe of this run, whether it could be used or not
	stamped bool  // a line had a stamp
	start   int64 // of a run without stamps, when probe first was sent
	first   int64 // number of the first probe of the run
	wraps   int64 // of the numbers of a run without stamps
	before  int64 // the number before, likewise
}

func readPing(r io.Reader, c *collector) error {
	p := &pingReader{c: c, first: 1}
	if !c.options.Start.IsZero() {
		p.start = c.options.Start.UnixNano()
		if c.options.Interval == 0 {
			c.options.Interval = pingInterval
		}
	}
	return readLines(r, c, p.line)
}

func (p *pingReader) line(number int64, line []byte) error {
	stamp, rest, err := cutStamp(line)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(rest, []byte("PING ")):
		return p.header(rest)
	case bytes.Contains(rest, []byte(" packets transmitted, ")):
		return p.statistics(rest)
	case bytes.Contains(rest, []byte("sendmsg: ")) || bytes.Contains(rest, []byte("sendto: ")):
		return p.refused(rest)
	case bytes.Contains(rest, []byte("seq=")) || bytes.Contains(rest, []byte("icmp_seq ")):
		return p.probe(number, stamp, rest)
	case stamp == 0 && isDigit(rest[0]):
		return p.row(number, rest)
	}
	return errNothing
}

// cutStamp cuts off what -D puts before a line.
func cutStamp(line []byte) (ns int64, rest []byte, err error) {
	if line[0] != '[' {
		return 0, line, nil
	}
	text, rest, found := bytes.Cut(line[1:], []byte("] "))
	if !found {
		return 0, nil, errors.New("its stamp has no end")
	}
	ns, ok := parseDecimal(text, time.Second)
	if !ok || ns <= 0 || len(rest) == 0 {
		return 0, nil, fmt.Errorf("%q is no stamp of ping -D", clipped(text))
	}
	return ns, rest, nil
}

// header begins a run: PING name (address) 56(84) bytes of data.
func (p *pingReader) header(line []byte) error {
	name, _, _ := bytes.Cut(line[len("PING "):], []byte(" "))
	name, inner, glued := bytes.Cut(name, []byte("(")) // ping -6 leaves no space
	address := inner
	if !glued {
		_, address, _ = bytes.Cut(line, []byte("("))
	}
	if i := bytes.LastIndexByte(address, '('); i >= 0 && glued {
		address = address[i+1:]
	}
	address, _, _ = bytes.Cut(address, []byte(")"))
	p.target, p.family = string(name), perigee.IPv4
	if a, err := netip.ParseAddr(string(address)); err == nil {
		p.family = familyOf(a)
	}
	// The pings of BSD and busybox, which write a colon, count from 0.
	p.first = 1
	if bytes.Contains(line, []byte("): ")) {
		p.first = 0
	}
	p.runs, p.told = p.runs+1, false
	p.wraps, p.before = 0, 0
	p.stream = nil
	s, err := p.assembler()
	if err == nil {
		s.announced(p.first)
		err = errNothing
	}
	return err
}

func familyOf(a netip.Addr) perigee.Family {
	if a.Unmap().Is6() {
		return perigee.IPv6
	}
	return perigee.IPv4
}

// assembler returns that of the target of the current run.
func (p *pingReader) assembler() (*assembler, error) {
	if p.stream != nil {
		return p.stream, nil
	}
	family := p.family
	if family == "" {
		family = perigee.IPv4
		if a, err := netip.ParseAddr(string(p.c.options.Target)); err == nil {
			family = familyOf(a)
		}
	}
	s, err := p.c.stream(p.target, perigee.MethodICMP, family)
	if err == nil {
		p.stream = s
	}
	return s, err
}

// statistics end a run: they tell of probes after the last line that were lost.
func (p *pingReader) statistics(line []byte) error {
	text, _, _ := bytes.Cut(line, []byte(" "))
	total, err := strconv.ParseInt(string(text), 10, 40)
	if err != nil || p.stream == nil {
		return errNothing
	}
	if !p.told && total > 0 {
		return fmt.Errorf("nothing was answered, and no line says when these %d probes were sent: use ping -O to have it said", total)
	}
	p.stream.transmitted(total)
	return errNothing
}

// refused takes the word that the system did not send, such as
// "ping: sendmsg: Network is unreachable", which has no number.
func (p *pingReader) refused(line []byte) error {
	s, err := p.assembler()
	if err != nil {
		return err
	}
	i := bytes.LastIndex(line, []byte(": "))
	cause := bytes.ToLower(bytes.TrimSpace(line[i+2:]))
	s.led()
	s.failure(string(clipped(cause)))
	return nil
}

// probe takes a line about a numbered probe.
func (p *pingReader) probe(number, stamp int64, line []byte) error {
	p.told = true
	seq, ok := numberAfter(line, "seq=", "icmp_seq ")
	if !ok {
		return errors.New("its sequence number cannot be read")
	}
	o := observation{line: number, number: seq, fate: unanswered}
	if text, found := fieldAfter(line, "time="); found {
		text, unit, _ := bytes.Cut(text, []byte(" "))
		rtt, ok := parseDecimal(text, time.Millisecond)
		if !ok || !bytes.HasPrefix(unit, []byte("ms")) {
			return errors.New("its round-trip time cannot be read, or is not in ms")
		}
		o.fate, o.rtt = replied, time.Duration(rtt)
		o.duplicate = bytes.Contains(unit, []byte("DUP!"))
	} else if bytes.Contains(line, []byte("bytes from ")) {
		return errors.New("it ends before the round-trip time")
	}
	s, err := p.assembler()
	if err != nil {
		return err
	}
	switch {
	case stamp != 0 && o.fate == replied:
		p.stamped = true
		o.at, o.heard = stamp-int64(o.rtt), true
	case stamp != 0:
		// It is said when the next probe is sent, or when the bad news came.
		p.stamped = true
		o.at, o.overdue = stamp, true
	case p.start == 0:
		return errors.New("it has no time: record with ping -D, or say when the first probe was sent with --start")
	case p.runs > 1:
		return errors.New("it is of a second run, whose time is not known: record with ping -D, or import each run from a file of its own")
	default:
		o.number = p.count(seq)
		o.at = p.start + (o.number-p.first)*int64(p.c.options.Interval)
	}
	return s.add(o)
}

// count unwraps the numbers of a run without stamps, in which nothing else tells them
// apart.
func (p *pingReader) count(seq int64) int64 {
	switch {
	case seq >= wrap:
	case seq-p.before < -wrap/2:
		p.wraps++
	case seq-p.before > wrap/2 && p.wraps > 0:
		return (p.wraps-1)*wrap + seq // a late reply to a probe before the wrap
	}
	p.before = seq
	return p.wraps*wrap + seq
}

// row takes a row of the tables that people make of ping's output: Unix time, sequence
// number, milliseconds, which are negative where there was no reply.
func (p *pingReader) row(number int64, line []byte) error {
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return fmt.Errorf("it has %d columns; a table has three: Unix time, sequence number, round-trip time in ms (-1: lost)", len(fields))
	}
	at, timeOK := parseDecimal(fields[0], time.Second)
	seq, err := strconv.ParseInt(string(fields[1]), 10, 64)
	rtt, rttOK := parseDecimal(fields[2], time.Millisecond)
	if !timeOK || err != nil || !rttOK {
		return errors.New("it is no row of Unix time, sequence number, round-trip time in ms (-1: lost)")
	}
	o := observation{line: number, number: seq, at: at, fate: unanswered}
	if rtt >= 0 {
		o.fate, o.rtt = replied, time.Duration(rtt)
	}
	s, err := p.assembler()
	if err != nil {
		return err
	}
	return s.add(o)
}

// fieldAfter returns what follows the first of the given keys.
func fieldAfter(line []byte, keys ...string) ([]byte, bool) {
	for _, key := range keys {
		if _, rest, found := bytes.Cut(line, []byte(key)); found {
			return rest, true
		}
	}
	return nil, false
}

// numberAfter returns the whole number that follows the first of the given keys.
func numberAfter(line []byte, keys ...string) (int64, bool) {
	rest, found := fieldAfter(line, keys...)
	if !found {
		return 0, false
	}
	end := 0
	for end < len(rest) && isDigit(rest[end]) {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	return n, err == nil
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// clipped bounds what is quoted of a trace.
func clipped(b []byte) []byte { return b[:min(len(b), 80)] }
