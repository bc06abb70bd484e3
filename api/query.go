package api

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"perigee"
)

// defaultRange is what is asked for if a request does not say from when.
const defaultRange = time.Hour

// maxUnix is the last second of year 9999, the last that RFC 3339 can write.
const maxUnix = 253402300799

// RangeParams are the query parameters of everything that covers a time range. The
// type is exported only so that the library that describes the interface sees it.
type RangeParams struct {
	From string `query:"from" example:"24h" doc:"Beginning, inclusive: RFC 3339, Unix seconds, or a duration before now such as 90m, 24h or 7d. One hour before to if absent."`
	To   string `query:"to" example:"2026-03-01T12:00:00Z" doc:"End, exclusive, written as from. Now if absent."`
}

// parse returns the range asked for, in UTC.
func (p RangeParams) parse(now time.Time) (from, to time.Time, err error) {
	to = now
	if p.To != "" {
		if to, err = parseTime("to", p.To, now); err != nil {
			return from, to, err
		}
	}
	from = to.Add(-defaultRange)
	if p.From != "" {
		if from, err = parseTime("from", p.From, now); err != nil {
			return from, to, err
		}
	}
	if !from.Before(to) {
		return from, to, badParameter("from",
			fmt.Sprintf("from (%s) is not before to (%s)", formatTime(from), formatTime(to)),
			"Give a beginning that lies before the end; without to, the end is now.")
	}
	return from.UTC(), to.UTC(), nil
}

// parseTime reads a moment as it stands in a query: RFC 3339, Unix seconds with up to
// nine decimals, or a duration before now.
func parseTime(name, s string, now time.Time) (time.Time, error) {
	// A "+" that was not escaped arrives as a space; RFC 3339 has no spaces.
	if t, err := time.Parse(time.RFC3339, strings.ReplaceAll(s, " ", "+")); err == nil {
		if t.Unix() < 0 || t.Unix() > maxUnix {
			return time.Time{}, badParameter(name, fmt.Sprintf("%s: %q is outside the years 1970 to 9999", name, s), "Check the year.")
		}
		return t, nil
	}
	if t, ok := parseUnix(s); ok {
		return t, nil
	}
	if d, ok := ParseDuration(s); ok {
		t := now.Add(-d)
		if t.Unix() < 0 {
			return time.Time{}, badParameter(name, fmt.Sprintf("%s: %q reaches back before 1970", name, s), "Give a shorter duration.")
		}
		return t, nil
	}
	return time.Time{}, badParameter(name, fmt.Sprintf("%s: %q is not a time", name, s),
		"Write it as RFC 3339 (2026-03-01T12:00:00Z), as Unix seconds (1772366400) or as a duration before now (24h, 7d).")
}

// parseUnix reads non-negative Unix seconds, decimal, to the nanosecond. A float64
// would be wrong by up to 120 ns.
func parseUnix(s string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if !digits(whole) || len(whole) > 12 || dotted && (!digits(fraction) || len(fraction) > 9) {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > maxUnix {
		return time.Time{}, false
	}
	var nanoseconds int64
	if dotted {
		if nanoseconds, err = strconv.ParseInt((fraction + "00000000")[:9], 10, 64); err != nil {
			return time.Time{}, false
		}
	}
	return time.Unix(seconds, nanoseconds).UTC(), true
}

func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// ParseDuration reads a positive duration as users write it: what
// [time.ParseDuration] reads, preceded by whole days (d) if wanted, e.g. "7d" or
// "1d12h". It reports false for anything else, and beyond 100 years.
func ParseDuration(s string) (time.Duration, bool) {
	const day, most = 24 * time.Hour, 36525
	var days time.Duration
	if n, rest, ok := strings.Cut(s, "d"); ok {
		count, err := strconv.Atoi(n)
		if !digits(n) || err != nil || count > most {
			return 0, false
		}
		days, s = time.Duration(count)*day, rest
		if s == "" {
			return days, days > 0
		}
	}
	if s == "" || s[0] < '0' || s[0] > '9' { // no signs
		return 0, false
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > most*day-days {
		return 0, false
	}
	return days + d, days+d > 0
}

// maxSteps bounds the points of one answer.
const maxSteps = 20000

// parseStep reads the length of a series' steps; 0, to be chosen, if absent.
func parseStep(s string, length time.Duration) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	step, ok := ParseDuration(s)
	if !ok {
		return 0, badParameter("step", fmt.Sprintf("step: %q is not a duration", s), "Write it like 10s, 5m or 1h.")
	}
	if step < time.Second {
		return 0, badParameter("step", fmt.Sprintf("step: %s is shorter than a second", step), "Samples are windows of several seconds; ask for at least their length.")
	}
	if length/step > maxSteps {
		return 0, badParameter("step", fmt.Sprintf("step: the range has more than %d steps of %s", maxSteps, step), "Ask for longer steps or a shorter range.")
	}
	return step, nil
}

// StreamParams narrow a question to some streams. Exported as RangeParams is.
type StreamParams struct {
	Site   string `query:"site" doc:"Name of the site; needed only if the store holds several."`
	Target string `query:"target" doc:"Name of the target."`
	Family string `query:"family" enum:"ipv4,ipv6" doc:"IP version."`
	Load   string `query:"load" enum:"idle,down,up" doc:"Whether the link carried a transfer of the monitor's own."`
}

// query returns the Query for the streams of links in a range.
func (p StreamParams) query(from, to time.Time, links ...perigee.LinkID) (perigee.Query, error) {
	q := perigee.Query{
		Site: p.Site, Links: links, From: from, To: to,
		Family: perigee.Family(p.Family), Load: perigee.Load(p.Load),
	}
	if p.Target != "" {
		q.Targets = []perigee.TargetID{perigee.TargetID(p.Target)}
	}
	if err := oneOf("family", p.Family, "ipv4", "ipv6"); err != nil {
		return q, err
	}
	return q, oneOf("load", p.Load, "idle", "down", "up")
}

// parseMetric reads the name of a metric that can be used in some way.
func parseMetric(name string, can func(perigee.Metric) bool) (perigee.Metric, error) {
	if name == "" {
		name = string(perigee.MetricRTT)
	}
	var names []string
	for _, m := range perigee.Metrics {
		if !can(m) {
			continue
		}
		if string(m.Name) == name {
			return m, nil
		}
		names = append(names, string(m.Name))
	}
	return perigee.Metric{}, oneOf("metric", name, names...)
}

// parseLinks splits a list of link names. No name, a name given twice and an empty
// name are told apart from a good list.
func parseLinks(s string) ([]perigee.LinkID, error) {
	if s == "" {
		return nil, nil
	}
	var links []perigee.LinkID
	seen := map[string]bool{}
	for name := range strings.SplitSeq(s, ",") {
		switch {
		case name == "":
			return nil, badParameter("links", fmt.Sprintf("links: %q has an empty name", s), "Separate the names by single commas: links=a,b.")
		case seen[name]:
			return nil, badParameter("links", fmt.Sprintf("links: %q stands twice", name), "Name each link once.")
		}
		seen[name] = true
		links = append(links, perigee.LinkID(name))
	}
	return links, nil
}

// oneOf refuses a value that is not among the allowed; an empty value passes.
func oneOf(name, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	remedy := "Use one of " + strings.Join(allowed, ", ") + "."
	if near := nearest(value, allowed); near != "" {
		remedy = fmt.Sprintf("Did you mean %s? Possible are %s.", near, strings.Join(allowed, ", "))
	}
	return badParameter(name, fmt.Sprintf("%s: %q is not known", name, value), remedy)
}

// nearest returns the candidate that differs from word in the fewest letters, or ""
// if none is close enough to be meant.
func nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	best, least := "", 1+min(max(1, len(word)/2), 3)
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// editDistance is the number of single-byte insertions, deletions and replacements
// that make b of a (Levenshtein 1966).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// checkQuery returns the problem of a raw query that has parameters other than the
// known, or one twice, or one without a value; nil if there is none.
func checkQuery(raw string, known []string) *Problem {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return newProblem(perigee.CodeInvalid, "the query is not properly encoded", `Percent-encode special characters; a ";" does not separate parameters.`)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if !slices.Contains(known, name) {
			remedy := "This address takes no parameters."
			if len(known) > 0 {
				remedy = "Possible are " + strings.Join(known, ", ") + "."
			}
			if near := nearest(name, known); near != "" {
				remedy = fmt.Sprintf("Did you mean %s? %s", near, remedy)
			}
			return badParameter(name, fmt.Sprintf("parameter %q is not known", name), remedy)
		}
		if len(value) > 1 {
			return badParameter(name, fmt.Sprintf("%s stands %d times", name, len(value)), "Give it once.")
		}
		if value[0] == "" {
			return badParameter(name, name+" has no value", "Give it one, or leave it out.")
		}
		if !utf8.ValidString(value[0]) {
			return badParameter(name, name+" is not UTF-8", "Percent-encode the name's UTF-8 bytes.")
		}
	}
	return nil
}
