package influx

import (
	"strings"
	"unicode/utf8"
)

// encodeTag returns text in the form that InfluxDB holds: percent signs, backslashes,
// double quotes, dollar signs, control characters and bytes that are not UTF-8 become
// % and two hexadecimal digits. The result can stand in line protocol once commas,
// equals signs and spaces are escaped, and in a Flux string literal as it is; nothing
// in it ends either. decodeTag returns text from it, whatever that is.
func encodeTag(text string) string {
	i := plain(text)
	if i == len(text) {
		return text
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(text)+8)
	for {
		b = append(b, text[:i]...)
		if text = text[i:]; text == "" {
			return string(b)
		}
		b = append(b, '%', digits[text[0]>>4], digits[text[0]&15])
		text = text[1:]
		i = plain(text)
	}
}

// plain returns how many bytes at the beginning of text stand for themselves.
func plain(text string) int {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c < ' ', c == 0x7f, c == '%', c == '\\', c == '"', c == '$':
			return i
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 || r <= 0x9f { // the latter: control characters of 8-bit sets
				return i
			}
			i += size
		}
	}
	return len(text)
}

// decodeTag returns the text that encodeTag was given. A percent sign that does not
// begin two upper-case hexadecimal digits, as others may have written, is itself.
func decodeTag(held string) string {
	i := strings.IndexByte(held, '%')
	if i < 0 {
		return held
	}
	b := append(make([]byte, 0, len(held)), held[:i]...)
	for ; i < len(held); i++ {
		if held[i] == '%' && i+2 < len(held) {
			high, ok := hexadecimal(held[i+1])
			low, also := hexadecimal(held[i+2])
			if ok && also {
				b = append(b, high<<4|low)
				i += 2
				continue
			}
		}
		b = append(b, held[i])
	}
	return string(b)
}

func hexadecimal(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
