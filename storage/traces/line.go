package traces

import (
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"perigee"
)

// measurement is the name of samples in InfluxDB.
const measurement = "rtt"

// Orbits tells the orbit of a link, "" if it is not known.
type Orbits func(site string, link perigee.LinkID) perigee.Orbit

// WriteLineProtocol writes one line of InfluxDB line protocol for each sample: tags
// name its stream and orbit, the timestamp is the window's start in nanoseconds, counts
// are integers, quantities floats, sketch the RTT's quantile sketch in base64. The
// orbit is left out if orbits is nil. Lines of the same sample are always the same, so
// writing them twice is harmless.
//
// It returns the first error of samples or of w, and one with CodeInvalid for a name
// that line protocol cannot carry.
func WriteLineProtocol(w io.Writer, samples iter.Seq2[perigee.Sample, error], orbits Orbits) error {
	var line []byte
	var numbers []number
	out := buffered(w)
	return stream(samples, func(s *perigee.Sample) (err error) {
		if line, err = appendTags(append(line[:0], measurement...), s.Stream, orbits); err != nil {
			return err
		}
		numbers = appendNumbers(numbers[:0], s)
		separator := byte(' ')
		for _, n := range numbers {
			if !n.defined || math.IsNaN(n.f) || math.IsInf(n.f, 0) {
				continue
			}
			line = append(append(append(line, separator), n.name...), '=')
			if n.integer {
				line = append(strconv.AppendInt(line, n.i, 10), 'i')
			} else {
				line = appendFloat(line, n.f)
			}
			separator = ','
		}
		if sketch := s.RTT.Sketch.Encode(); sketch != nil {
			line = append(line, `,sketch="`...)
			line = append(base64.StdEncoding.AppendEncode(line, sketch), '"')
		}
		line = strconv.AppendInt(append(line, ' '), s.Start.UnixNano(), 10)
		_, err = out.Write(append(line, '\n'))
		return err
	}, out.Flush)
}

// appendTags appends the tags in the order of their keys, as InfluxDB likes them best;
// an empty value cannot be written and is left out.
func appendTags(line []byte, s perigee.Stream, orbits Orbits) ([]byte, error) {
	orbit := perigee.Orbit("")
	if orbits != nil {
		orbit = orbits(s.Site, s.Link)
	}
	for _, tag := range [...]struct{ key, value string }{
		{"family", string(s.Family)}, {"link", string(s.Link)}, {"load", string(s.Load)}, {"method", string(s.Method)},
		{"orbit", string(orbit)}, {"site", s.Site}, {"target", string(s.Target)},
	} {
		if tag.value == "" {
			continue
		}
		if !representable(tag.value) {
			return line, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(
				"%s %q cannot be written as line protocol, a backslash before a comma, an equals sign, white space or the end cannot be told from an escape: export csv or jsonl", tag.key, tag.value)}
		}
		line = append(append(append(line, ','), tag.key...), '=')
		line = append(line, tagEscapes.Replace(tag.value)...)
	}
	return line, nil
}

// tagEscapes are those of InfluxDB's own clients. What must not stand in a line at all
// becomes a backslash and a letter, which InfluxDB keeps as these two characters.
var tagEscapes = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`)

// representable reports whether every backslash in a tag's value stands before a
// character that is written as it is: the format has no escape for a backslash.
func representable(value string) bool {
	for i := range len(value) {
		if value[i] == '\\' && (i == len(value)-1 || strings.IndexByte(",= \n\r\t\f", value[i+1]) >= 0) {
			return false
		}
	}
	return true
}
