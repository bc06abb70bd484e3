package traces

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// point is a line of line protocol. Values are as they stand, strings without quotes and
// escapes.
type point struct {
	measurement string
	tags        map[string]string
	fields      map[string]string
	timestamp   int64 // nanoseconds; the precision is told from the magnitude
}

var errPoint = errors.New("it is no line of line protocol with a timestamp: measurement,tag=value field=value 1700000000000000000")

// parsePoint reads a line.
func parsePoint(line []byte) (point, error) {
	p := point{tags: map[string]string{}, fields: map[string]string{}}
	head, rest, ok := cutPlain(line, ' ')
	if !ok {
		return p, errPoint
	}
	body, stamp, ok := cutPlain(bytes.TrimLeft(rest, " "), ' ')
	if !ok {
		return p, errPoint
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(stamp)), 10, 64)
	if err != nil {
		return p, errPoint
	}
	p.timestamp = inNanoseconds(n)

	name, tags, _ := cutPlain(head, ',')
	p.measurement = unescaped(name)
	if err := pairs(tags, p.tags); err != nil {
		return p, err
	}
	if err := pairs(body, p.fields); err != nil {
		return p, err
	}
	if p.measurement == "" || len(p.fields) == 0 {
		return p, errPoint
	}
	return p, nil
}

// pairs reads key=value,key=value into m.
func pairs(text []byte, m map[string]string) error {
	for more := len(text) > 0; more; {
		var pair []byte
		pair, text, more = cutPlain(text, ',')
		key, value, ok := cutPlain(pair, '=')
		if !ok || len(key) == 0 || len(value) == 0 {
			return errPoint
		}
		if n := len(value); value[0] == '"' {
			if n < 2 || value[n-1] != '"' {
				return errPoint
			}
			m[unescaped(key)] = quotes.Replace(string(value[1 : n-1]))
			continue
		}
		m[unescaped(key)] = unescaped(value)
	}
	return nil
}

var quotes = strings.NewReplacer(`\"`, `"`, `\\`, `\`)

// cutPlain cuts at the first separator that is neither escaped nor in a quoted string.
func cutPlain(b []byte, separator byte) (before, after []byte, found bool) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b):
			i++
		case b[i] == '"' && (quoted || i > 0 && b[i-1] == '='):
			quoted = !quoted
		case b[i] == separator && !quoted:
			return b[:i], b[i+1:], true
		}
	}
	return b, nil, false
}

// unescaped undoes the escapes of names and tag values. A backslash before anything else
// is itself.
func unescaped(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && strings.IndexByte(`, =`, b[i+1]) >= 0 {
			i++
		}
		out = append(out, b[i])
	}
	return string(out)
}

// inNanoseconds takes a timestamp in seconds, milliseconds, microseconds or nanoseconds,
// told apart by magnitude: from 1973 to 2286 they do not overlap.
func inNanoseconds(n int64) int64 {
	for _, limit := range []struct{ below, unit int64 }{{1e10, 1e9}, {1e13, 1e6}, {1e16, 1e3}} {
		if n >= 0 && n < limit.below {
			return n * limit.unit
		}
	}
	return n
}

// held returns the text that our own exports hold in the form of a tag: % and two
// upper-case hexadecimal digits are a byte.
func held(text string) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && isUpperHex(text[i+1]) && isUpperHex(text[i+2]) {
			v, _ := strconv.ParseUint(text[i+1:i+3], 16, 8) // it is one
			b = append(b, byte(v))
			i += 2
			continue
		}
		b = append(b, text[i])
	}
	return string(b)
}

func isUpperHex(c byte) bool { return isDigit(c) || c >= 'A' && c <= 'F' }
