package traces

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// tableReader reads rows of a CSV without line breaks in its cells, whose header names
// the columns.
type tableReader struct {
	columns map[string]int
	width   int // of a row; names may stand twice
	cells   [][]byte
}

// header takes the first row. It reports the first of the wanted columns that is missing.
func (t *tableReader) header(line []byte, wanted ...string) error {
	names := bytes.Split(line, []byte(","))
	t.columns, t.width = map[string]int{}, len(names)
	for i, name := range names {
		t.columns[strings.ToLower(string(unquoted(name)))] = i
	}
	for _, name := range wanted {
		if _, ok := t.columns[name]; !ok {
			t.columns = nil
			return fmt.Errorf("the header has no column %q; it must be %s", name, strings.Join(wanted, ","))
		}
	}
	return nil
}

// row takes the cells of a row.
func (t *tableReader) row(line []byte) error {
	t.cells = t.cells[:0]
	for more := true; more; {
		var cell []byte
		cell, line, more = bytes.Cut(line, []byte(","))
		t.cells = append(t.cells, unquoted(cell))
	}
	if len(t.cells) != t.width {
		return fmt.Errorf("it has %d cells, the header %d", len(t.cells), t.width)
	}
	return nil
}

func (t *tableReader) cell(column string) []byte { return t.cells[t.columns[column]] }

func unquoted(cell []byte) []byte {
	cell = bytes.TrimSpace(cell)
	if n := len(cell); n >= 2 && cell[0] == '"' && cell[n-1] == '"' {
		cell = cell[1 : n-1]
	}
	return cell
}

// parseInstant reads Unix seconds or RFC 3339.
func parseInstant(b []byte) (int64, error) {
	if ns, ok := parseDecimal(b, time.Second); ok {
		return ns, nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(clipped(b)))
	if err != nil {
		return 0, fmt.Errorf("%q is neither Unix seconds nor a time such as 2026-01-31T12:00:00Z", clipped(b))
	}
	if year := t.Year(); year < 1970 || year > 2116 {
		return 0, fmt.Errorf("its time is of the year %d", year)
	}
	return t.UnixNano(), nil
}

// readCSV reads rows of time, seq, rtt: when the probe was sent, its number, its
// round-trip time in seconds, empty if it was lost.
func readCSV(r io.Reader, c *collector) error {
	var t tableReader
	var stream *assembler
	return readLines(r, c, func(number int64, line []byte) error {
		if t.columns == nil {
			if err := t.header(line, "time", "seq", "rtt"); err != nil {
				return err
			}
			return errNothing
		}
		if err := t.row(line); err != nil {
			return err
		}
		at, err := parseInstant(t.cell("time"))
		if err != nil {
			return err
		}
		seq, err := strconv.ParseInt(string(t.cell("seq")), 10, 64)
		if err != nil {
			return fmt.Errorf("its seq, %q, is no whole number", clipped(t.cell("seq")))
		}
		o := observation{line: number, number: seq, at: at, fate: unanswered}
		if text := t.cell("rtt"); len(text) > 0 {
			rtt, ok := parseDecimal(text, time.Second)
			if !ok || rtt < 0 {
				return errors.New("its rtt is no number of seconds; leave it empty where there was no reply")
			}
			o.fate, o.rtt = replied, time.Duration(rtt)
		}
		if stream == nil {
			family := perigee.IPv4
			if a, err := netip.ParseAddr(string(c.options.Target)); err == nil {
				family = familyOf(a)
			}
			if stream, err = c.stream("", perigee.MethodICMP, family); err != nil {
				return err
			}
		}
		return stream.add(o)
	})
}
