package lab

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strconv"
	"time"
)

// appendJSON appends r as one line of the truth log.
func (r *Record) appendJSON(b []byte) []byte {
	b = append(b, `{"link":`...)
	b = strconv.AppendQuote(b, r.Link)
	b = append(b, `,"way":"`...)
	b = append(b, r.Way.String()...)
	b = appendInt(b, `","wall_ns":`, r.Wall)
	b = appendInt(b, `,"mono_ns":`, r.Mono)
	b = appendInt(b, `,"protocol":`, int64(r.Protocol))
	b = append(b, `,"src":"`...)
	b = r.Src.AppendTo(b)
	b = append(b, `","dst":"`...)
	b = r.Dst.AppendTo(b)
	b = appendInt(b, `","bytes":`, int64(r.Length))
	if r.SrcPort != 0 || r.DstPort != 0 {
		b = appendInt(b, `,"src_port":`, int64(r.SrcPort))
		b = appendInt(b, `,"dst_port":`, int64(r.DstPort))
	}
	if r.Echo.Present {
		b = appendInt(b, `,"icmp_type":`, int64(r.Echo.Type))
		b = appendInt(b, `,"icmp_id":`, int64(r.Echo.ID))
		b = appendInt(b, `,"icmp_seq":`, int64(r.Echo.Seq))
		b = append(b, `,"icmp_data":"`...)
		b = hex.AppendEncode(b, r.Echo.Data[:r.Echo.DataLen])
		b = append(b, '"')
	}
	b = append(b, `,"fate":"`...)
	b = append(b, r.Fate.String()...)
	b = append(b, '"')
	if r.Fate.planned() {
		b = appendInt(b, `,"planned_ns":`, int64(r.Planned))
	}
	if r.Fate == Delivered {
		b = appendInt(b, `,"actual_ns":`, int64(r.Actual))
	}
	b = appendInt(b, `,"copies":`, int64(r.Copies))
	b = append(b, `,"reordered":`...)
	b = strconv.AppendBool(b, r.Reordered)
	return append(b, "}\n"...)
}

func appendInt(b []byte, key string, v int64) []byte {
	return strconv.AppendInt(append(b, key...), v, 10)
}

// wireRecord is a line of the truth log as encoding/json reads it.
type wireRecord struct {
	Link     string     `json:"link"`
	Way      string     `json:"way"`
	Wall     int64      `json:"wall_ns"`
	Mono     int64      `json:"mono_ns"`
	Protocol uint8      `json:"protocol"`
	Src      netip.Addr `json:"src"`
	Dst      netip.Addr `json:"dst"`
	Length   int        `json:"bytes"`
	SrcPort  uint16     `json:"src_port"`
	DstPort  uint16     `json:"dst_port"`
	EchoType *uint8     `json:"icmp_type"`
	EchoID   uint16     `json:"icmp_id"`
	EchoSeq  uint16     `json:"icmp_seq"`
	EchoData string     `json:"icmp_data"`
	Fate     string     `json:"fate"`
	Planned  int64      `json:"planned_ns"`
	Actual   int64      `json:"actual_ns"`
	Copies   int        `json:"copies"`
	Reorder  bool       `json:"reordered"`
}

// ParseRecord reads one line of the truth log. Unknown fields are passed over.
func ParseRecord(line []byte) (Record, error) {
	var w wireRecord
	if err := json.Unmarshal(line, &w); err != nil {
		return Record{}, fmt.Errorf("lab: truth log: %w", err)
	}
	r := Record{
		Link: w.Link, Wall: w.Wall, Mono: w.Mono, Protocol: w.Protocol, Src: w.Src, Dst: w.Dst, Length: w.Length,
		SrcPort: w.SrcPort, DstPort: w.DstPort, Planned: time.Duration(w.Planned), Actual: time.Duration(w.Actual),
		Copies: w.Copies, Reordered: w.Reorder,
	}
	switch w.Way {
	case "up":
		r.Way = Up
	case "down":
		r.Way = Down
	default:
		return Record{}, fmt.Errorf("lab: truth log: unknown way %q", w.Way)
	}
	for f := Delivered; int(f) < len(fateNames); f++ {
		if fateNames[f] == w.Fate {
			r.Fate = f
		}
	}
	if r.Fate == 0 {
		return Record{}, fmt.Errorf("lab: truth log: unknown fate %q", w.Fate)
	}
	if w.EchoType != nil {
		data, err := hex.DecodeString(w.EchoData)
		if err != nil || len(data) > len(r.Echo.Data) {
			return Record{}, fmt.Errorf("lab: truth log: icmp_data %q is not up to %d bytes in hexadecimal", w.EchoData, len(r.Echo.Data))
		}
		r.Echo = Echo{Type: *w.EchoType, Present: true, ID: w.EchoID, Seq: w.EchoSeq}
		r.Echo.DataLen = uint8(copy(r.Echo.Data[:], data))
	}
	return r, nil
}

// ReadTruth reads a truth log. It ends with the first error, which for a line that
// cannot be read tells its number.
func ReadTruth(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lines := bufio.NewScanner(r)
		for n := 1; lines.Scan(); n++ {
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			record, err := ParseRecord(line)
			if err != nil {
				yield(Record{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(record, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Record{}, fmt.Errorf("lab: truth log: %w", err))
		}
	}
}
