package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxQuoted bounds how much of a value is repeated in an error, in characters.
const maxQuoted = 64

// quote makes what the user wrote safe and short enough to print.
func quote(s string) string {
	if utf8.RuneCountInString(s) > maxQuoted {
		s = string([]rune(s)[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

// wrong reports what is wrong with the value v, which is repeated.
func (r *reader) wrong(v value, format string, args ...any) {
	r.problem(v.at, v.path, quote(v.text)+" "+fmt.Sprintf(format, args...))
}

// text returns the text of v. It reports false if v is not in the file, or, after
// reporting it, if v is not text.
func (r *reader) text(v value) (string, bool) {
	switch v.kind {
	case absent:
		return "", false
	case textual:
		if v.text == "" {
			r.problem(v.at, v.path, "is empty; give it a value or remove the key")
			return "", false
		}
		return v.text, true
	case numeric:
		r.problem(v.at, v.path, fmt.Sprintf("is the number %s where text is needed; put it in quotes", v.text))
	default:
		r.problem(v.at, v.path, fmt.Sprintf("is the truth value %s where text is needed; put it in quotes", v.text))
	}
	return "", false
}

// word is text for values that may look like a number or truth value to YAML: it
// returns what the user wrote.
func (r *reader) word(v value) (string, bool) {
	if v.given() {
		v.kind = textual
	}
	return r.text(v)
}

// maxName is how long the names of sites, links and targets may be, in characters.
const maxName = 64

// name returns v as the name of a site, link or target: printable text of any script.
// Commas and slashes are refused because the API lists names with commas and has them
// in paths.
func (r *reader) name(v value) (string, bool) {
	s, ok := r.text(v)
	if !ok {
		return "", false
	}
	if n := utf8.RuneCountInString(s); n > maxName {
		r.wrong(v, "has %d characters; a name has at most %d", n, maxName)
		return "", false
	}
	if strings.TrimFunc(s, func(c rune) bool { return unicode.IsSpace(c) || joiner(c) }) != s {
		r.wrong(v, "begins or ends with a space; remove it")
		return "", false
	}
	if s == "." || s == ".." {
		r.wrong(v, "cannot be a name, because names are parts of web addresses; use letters or digits")
		return "", false
	}
	for _, c := range s {
		switch {
		case c == ',' || c == '/':
			r.wrong(v, "holds a %q, which separates names in web addresses; use another character", c)
			return "", false
		case !unicode.IsPrint(c) && !joiner(c):
			r.wrong(v, "holds the unprintable character %U; remove it", c)
			return "", false
		}
	}
	return s, true
}

// joiner reports whether c is one of the invisible characters that words of some
// scripts need (ZWNJ in Persian, ZWJ in Sinhala).
func joiner(c rune) bool { return c == '\u200c' || c == '\u200d' }

// number returns v as a number between low and high.
func (r *reader) number(v value, low, high float64, meaning string) (float64, bool) {
	if !v.given() {
		return 0, false
	}
	n, err := strconv.ParseFloat(v.text, 64)
	if v.kind == boolean || err != nil || math.IsNaN(n) {
		r.wrong(v, "is not a number; write %s, such as %v", meaning, example(low, high))
		return 0, false
	}
	if n < low || n > high {
		r.problem(v.at, v.path, fmt.Sprintf("%s is out of range; write %s from %v to %v", v.text, meaning, low, high))
		return 0, false
	}
	return n, true
}

// example is a number between low and high that shows that fractions are allowed.
func example(low, high float64) float64 { return math.Round((low+(high-low)*0.6)*10)/10 + 0.5 }

// integer returns v as a whole number between low and high.
func (r *reader) integer(v value, low, high int64, meaning string) (int64, bool) {
	if !v.given() {
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if v.kind == boolean || err != nil {
		r.wrong(v, "is not a whole number; write %s, from %d to %d", meaning, low, high)
		return 0, false
	}
	if n < low || n > high {
		r.problem(v.at, v.path, fmt.Sprintf("%d is out of range; write %s, from %d to %d", n, meaning, low, high))
		return 0, false
	}
	return n, true
}

// oneOf returns v if it is one of the choices; noun names what they are.
func (r *reader) oneOf(v value, noun string, choices []string) (string, bool) {
	if !v.given() {
		return "", false
	}
	for _, choice := range choices {
		if v.kind == textual && v.text == choice {
			return choice, true
		}
	}
	if better := nearest(v.text, choices); better != "" {
		r.wrong(v, "is not %s; did you mean %s?", noun, better)
	} else {
		r.wrong(v, "is not %s; use one of %s", noun, strings.Join(choices, ", "))
	}
	return "", false
}

// duration returns v as a time between low and high. also is a word that may stand
// instead of a time, or empty.
func (r *reader) duration(v value, low, high time.Duration, also string) (time.Duration, bool) {
	if !v.given() {
		return 0, false
	}
	or := ""
	if also != "" {
		or = ", or " + also
	}
	if v.kind == numeric {
		r.problem(v.at, v.path, fmt.Sprintf("%s has no unit; write a time such as %s%s", v.text, sample(low, high), or))
		return 0, false
	}
	d, ok := parseDuration(v.text)
	switch {
	case v.kind == boolean || !ok:
		r.wrong(v, "is not a time; write a number with a unit (ms, s, m, h or d), such as %s%s", sample(low, high), or)
	case d < 0:
		r.wrong(v, "is negative; write a time from %s to %s%s", span(low), span(high), or)
	case d < low:
		r.wrong(v, "is too short; the least is %s", span(low))
	case d > high:
		r.wrong(v, "is too long; the most is %s%s", span(high), or)
	default:
		return d, true
	}
	return 0, false
}

// sample is a plausible time between low and high, for remedies.
func sample(low, high time.Duration) string {
	for _, d := range []time.Duration{200 * time.Millisecond, 10 * time.Second, time.Hour, 14 * day} {
		if low <= d && d <= high {
			return span(d)
		}
	}
	return span(low)
}

// parseDuration reads the syntax of time.ParseDuration with d for days of 24 hours
// before it: 14d, 1d12h, 200ms.
func parseDuration(s string) (time.Duration, bool) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || strings.ContainsAny(days, "eExXpPnN_") || math.Abs(n) > 100*365 {
		return 0, false
	}
	d := time.Duration(n * float64(day))
	if rest == "" {
		return d, true
	}
	more, err := time.ParseDuration(rest)
	if err != nil || strings.ContainsAny(rest[:1], "+-") || more > 365*day {
		return 0, false
	}
	if n < 0 {
		more = -more
	}
	return d + more, true
}

// span writes d as a user would: days if it is whole days, no zero parts.
func span(d time.Duration) string {
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// retention writes how long something is kept.
func retention(d time.Duration) string {
	if d == Forever {
		return "forever"
	}
	return span(d)
}

// sizes are the units of amounts of data.
var sizes = map[string]float64{
	"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// bytes returns v as an amount of data between low and high.
func (r *reader) bytes(v value, low, high int64) (int64, bool) {
	if !v.given() {
		return 0, false
	}
	if v.kind == numeric && (low > 0 || v.text != "0") {
		r.problem(v.at, v.path, v.text+" has no unit; write an amount such as 200GB or 500MiB")
		return 0, false
	}
	n, ok := ParseBytes(v.text)
	if v.kind == numeric {
		n, ok = 0, true // nothing needs no unit
	}
	if v.kind == boolean || !ok {
		r.wrong(v, "is not an amount of data; write a number with a unit (MB, GB, TB, MiB, GiB or TiB), such as 200GB")
		return 0, false
	}
	if n < low || n > high {
		r.wrong(v, "is out of range; write an amount from %s to %s", size(low), size(high))
		return 0, false
	}
	return n, true
}

// ParseBytes reads an amount of data as the configuration has it: a number and a unit,
// such as 200MB or 1.5GiB.
func ParseBytes(s string) (int64, bool) {
	digits := strings.TrimRight(s, "kKMGTiB")
	unit, known := sizes[s[len(digits):]]
	digits = strings.TrimSuffix(digits, " ")
	n, err := strconv.ParseFloat(digits, 64)
	if !known || err != nil || strings.ContainsAny(digits, "eExXpPnN_+") {
		return 0, false
	}
	n = math.Round(n * unit)
	if math.Abs(n) > 1e18 {
		n = math.Copysign(1e18, n) // more than anything has, and within an int64
	}
	return int64(n), true
}

// size writes an amount of data as a user would.
func size(bytes int64) string {
	for _, unit := range []string{"TB", "GB", "MB", "kB"} {
		if n := float64(bytes) / sizes[unit]; n >= 1 {
			return strconv.FormatFloat(n, 'f', -1, 64) + unit
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// share returns v as a share from 0 to high, written as a percentage or a number.
func (r *reader) share(v value, high float64) (float64, bool) {
	if !v.given() {
		return 0, false
	}
	digits, percent := strings.CutSuffix(v.text, "%")
	digits = strings.TrimSuffix(digits, " ")
	n, err := strconv.ParseFloat(digits, 64)
	if v.kind == boolean || err != nil || math.IsNaN(n) || strings.ContainsAny(digits, "xXpP_+") {
		r.wrong(v, "is not a share; write a percentage such as 5%%, or a number such as 0.05")
		return 0, false
	}
	if percent {
		n /= 100
	}
	if !percent && n > 1 && n/100 <= high {
		r.wrong(v, "is out of range; did you mean %s%%?", digits)
		return 0, false
	}
	if n < 0 || n > high {
		r.wrong(v, "is out of range; write a share from 0%% to %s", percentage(high))
		return 0, false
	}
	return n, true
}

// percentage writes a share as a user would.
func percentage(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e8)/1e6, 'f', -1, 64) + "%"
}

// truth returns v as a truth value.
func (r *reader) truth(v value) (is, ok bool) {
	if !v.given() {
		return false, false
	}
	if v.kind != boolean {
		r.wrong(v, "is neither true nor false; write one of them")
		return false, false
	}
	return v.text == "true" || v.text == "True" || v.text == "TRUE", true
}

// rates are the units of bandwidth, in bit/s, the largest first.
var rates = []struct {
	unit string
	bits float64
}{{"Gbit/s", 1e9}, {"Mbit/s", 1e6}, {"kbit/s", 1e3}, {"bit/s", 1}}

// bandwidth returns v in bit/s, Unlimited, or 0 if it is automatic or not in the file.
func (r *reader) bandwidth(v value) int64 {
	switch {
	case v.kind == textual && v.text == "auto":
		return 0
	case v.kind == textual && v.text == "unlimited":
		return Unlimited
	}
	n, _ := r.rate(v, minBandwidth, maxBandwidth, "256kbit/s", ", or unlimited")
	return n
}

// rate returns v as a rate in bit/s between low and high. such is an example, and or what
// may be written instead, with a comma, or empty.
func (r *reader) rate(v value, low, high int64, such, or string) (int64, bool) {
	switch {
	case !v.given():
		return 0, false
	case v.kind == numeric:
		r.problem(v.at, v.path, v.text+" has no unit; write a rate such as "+such+" or 2Mbit/s"+or)
		return 0, false
	}
	for _, rate := range rates {
		digits, ok := strings.CutSuffix(v.text, rate.unit)
		if !ok {
			continue
		}
		digits = strings.TrimSuffix(digits, " ")
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || strings.ContainsAny(digits, "eExXpPnN_+") {
			break
		}
		if n = math.Round(n * rate.bits); n < float64(low) || n > float64(high) {
			r.wrong(v, "is out of range; write a rate from %s to %s%s", bitRate(low), bitRate(high), or)
			return 0, false
		}
		return int64(n), true
	}
	r.wrong(v, "is not a rate; write a number with a unit (kbit/s, Mbit/s or Gbit/s), such as %s%s", such, or)
	return 0, false
}

// bitRate writes a bandwidth as a user would.
func bitRate(bits int64) string {
	switch bits {
	case 0:
		return "auto"
	case Unlimited:
		return "unlimited"
	}
	for _, rate := range rates {
		if n := float64(bits) / rate.bits; n >= 1 {
			return strconv.FormatFloat(n, 'f', -1, 64) + rate.unit
		}
	}
	return strconv.FormatInt(bits, 10) + "bit/s"
}

// required reports v, whose path is given, if it is missing from the section s.
func (r *reader) required(s section, v value, path, remedy string) {
	if !v.given() && !r.meant[path] && !r.reported(path) {
		r.problem(s.at, path, "is missing; "+remedy)
	}
}
