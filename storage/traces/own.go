package traces

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"perigee"
)

// ownReader reads what perigee export writes as CSV and JSON lines: windows and transfers
// exactly, from their state, or single probes, of which windows are made anew.
type ownReader struct {
	c       *collector
	columns []string          // of CSV; nil: JSON lines
	cells   map[string]string // of the row
	partial []byte            // of a row with line breaks in its cells
	started bool

	streams map[perigee.Stream]*ownStream
}

// ownStream is a stream of single probes.
type ownStream struct {
	*assembler
	last int64
	seq  int64
}

func readOwn(r io.Reader, c *collector) error {
	o := &ownReader{c: c, cells: map[string]string{}, streams: map[perigee.Stream]*ownStream{}}
	err := readLines(r, c, o.line)
	if err == nil && len(o.partial) > 0 {
		c.line(c.report.Lines, errors.New("it ends within a quoted cell"))
	}
	return err
}

func (o *ownReader) line(number int64, line []byte) error {
	if !o.started {
		o.started = true
		if line[0] != '{' {
			columns, _, err := splitRecord(line)
			o.columns = columns
			if err == nil {
				err = errNothing
			}
			return err
		}
	}
	clear(o.cells)
	if o.columns == nil {
		return o.object(number, line)
	}
	if len(o.partial) > 0 {
		line = append(append(o.partial, '\n'), line...)
		o.partial = nil
	}
	cells, whole, err := splitRecord(line)
	switch {
	case err != nil:
		return err
	case !whole && len(line) < lineLimit:
		o.partial = bytes.Clone(line)
		return errNothing
	case len(cells) != len(o.columns):
		return fmt.Errorf("it has %d cells, the header %d", len(cells), len(o.columns))
	}
	for i, name := range o.columns {
		o.cells[name] = cells[i]
	}
	return o.row(number)
}

// splitRecord splits a row of CSV (RFC 4180). It reports whether its last quote is
// closed.
func splitRecord(line []byte) (cells []string, whole bool, err error) {
	for {
		if len(line) == 0 || line[0] != '"' {
			cell, rest, more := bytes.Cut(line, []byte(","))
			cells = append(cells, string(cell))
			if !more {
				return cells, true, nil
			}
			line = rest
			continue
		}
		var cell []byte
		for line = line[1:]; ; {
			i := bytes.IndexByte(line, '"')
			if i < 0 {
				return nil, false, nil
			}
			cell = append(cell, line[:i]...)
			line = line[i+1:]
			if len(line) == 0 || line[0] != '"' {
				break
			}
			cell, line = append(cell, '"'), line[1:]
		}
		cells = append(cells, string(cell))
		if len(line) == 0 {
			return cells, true, nil
		}
		if line[0] != ',' {
			return nil, true, errors.New("something follows the closing quote of a cell")
		}
		line = line[1:]
	}
}

// object takes a JSON object: its members that are texts, numbers and truth values are
// the cells of CSV.
func (o *ownReader) object(number int64, line []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil {
		return fmt.Errorf("it is no JSON object: %w", err)
	}
	for name, raw := range members {
		switch raw[0] {
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return err
			}
			o.cells[name] = text
		case '{', '[', 'n':
			o.cells[name] = ""
		default:
			o.cells[name] = string(raw)
		}
	}
	return o.row(number)
}

func (o *ownReader) row(number int64) error {
	load, direction := o.cells["load"], ""
	if d, there := o.cells["direction"]; there {
		load, direction = d, d
	}
	stream, err := o.c.ownStream(o.cells["site"], o.cells["link"], o.cells["target"], o.cells["method"], o.cells["family"], load)
	if err != nil {
		return err
	}
	by := madeBy{version: o.cells["version"], configuration: o.cells["configuration_hash"], source: o.cells["source"]}
	state, exact := o.cells["state"]
	_, single := o.cells["outcome"]
	switch {
	case single:
		return o.singleton(number, stream, by)
	case !exact:
		return errors.New(`it has no "state", by which a result is read back exactly: export again with this version of perigee`)
	case direction != "":
		start, err := time.Parse(time.RFC3339Nano, o.cells["start"])
		if err != nil {
			return errors.New("its start is no time")
		}
		if err := o.c.exactThroughput(stream, start.UnixNano(), state); err != nil {
			return err
		}
		o.c.made(stream, by, start, start)
		return nil
	}
	s := perigee.Sample{Stream: stream}
	if err := decodeSample([]byte(o.cells["sketch"]), []byte(state), &s); err != nil {
		return err
	}
	if err := o.c.exact(s); err != nil {
		return err
	}
	o.c.made(s.Stream, by, s.Start, s.End())
	return nil
}

// singleton takes a single probe; they stand in order of sending within a stream.
func (o *ownReader) singleton(number int64, key perigee.Stream, by madeBy) error {
	at, err := time.Parse(time.RFC3339Nano, o.cells["time"])
	if err != nil || at.Year() < 1970 || at.Year() > 2116 {
		return errors.New("its time is none")
	}
	ns := at.UnixNano()
	if err := o.c.plausible(ns); err != nil {
		return err
	}
	one := perigee.Singleton{Reordered: o.cells["reordered"] == "true", Cause: o.cells["cause"]}
	seq, err := strconv.ParseInt(o.cells["seq"], 10, 64)
	if err != nil || seq < 0 {
		return errors.New("its seq is no whole number")
	}
	outcome, known := perigee.ParseOutcome(o.cells["outcome"])
	if !known {
		return fmt.Errorf("its outcome, %q, is not known", clipped([]byte(o.cells["outcome"])))
	}
	one.Outcome = outcome
	if duplicates, err := strconv.ParseUint(o.cells["duplicates"], 10, 31); err == nil {
		one.Duplicates = int(duplicates)
	}
	if text := o.cells["rtt_seconds"]; text != "" {
		rtt, ok := parseDecimal([]byte(text), time.Second)
		if !ok || rtt < 0 || rtt > int64(time.Hour) {
			return errors.New("its rtt_seconds is no round-trip time")
		}
		one.RTT = time.Duration(rtt)
	} else if answered(outcome) {
		return errors.New("it was answered but has no rtt_seconds")
	}
	timeout, ok := parseDecimal([]byte(o.cells["loss_timeout_seconds"]), time.Second)
	if !ok || timeout < 0 || timeout > int64(time.Hour) {
		return errors.New("its loss_timeout_seconds is no time")
	}
	s, known := o.streams[key]
	if !known {
		if len(o.streams) >= streamLimit {
			return errStreams
		}
		s = &ownStream{assembler: newAssembler(o.c, key), seq: -1}
		s.bypass(0) // until two neighbours tell it
		s.w.lossTimeout = time.Duration(timeout)
		o.streams[key] = s
		o.c.order = append(o.c.order, s.assembler)
	}
	if err := s.told(number, ns, seq, one); err != nil {
		return err
	}
	o.c.made(key, by, at, at)
	return nil
}

// told takes the next probe of a stream, whose outcome was decided when it was measured.
func (s *ownStream) told(number, at, seq int64, one perigee.Singleton) error {
	switch {
	case seq == s.seq && at == s.last:
		return errRepeated
	case s.seq >= 0 && at < s.last-int64(time.Minute):
		return errors.New("it is earlier than the probe before; sort the rows by time")
	}
	if s.w.interval == 0 && s.seq >= 0 && seq == s.seq+1 && at > s.last {
		// Probes are evenly spaced within a life of the daemon.
		s.w.interval = min(time.Duration(at-s.last), 24*time.Hour)
		if s.w.interval > 10*time.Millisecond {
			s.w.interval = s.w.interval.Round(time.Millisecond)
		}
	}
	if s.seq >= 0 && (seq != s.seq+1 || at-s.last > max(int64(silence), 10*int64(s.w.interval)) || at < s.last) {
		s.w.interrupt(at, perigee.GapStopped)
	}
	s.seq, s.last = seq, at
	s.w.add(at, one, false)
	return nil
}
