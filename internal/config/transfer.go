package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// The defaults of transfers.
const (
	DefaultEvery          = time.Hour
	DefaultSchedule       = "hashed"
	DefaultMaxBytes       = 200_000_000
	DefaultPrecision      = 0.05
	DefaultBusyAbove      = 1_000_000 // bit/s
	DefaultLoadedInterval = 50 * time.Millisecond
)

// Bounds of transfers.
const (
	minEvery          = 5 * time.Minute
	maxEvery          = 31 * day
	minMaxDuration    = time.Second
	maxMaxDuration    = 5 * time.Minute
	maxStreams        = 64
	minMaxBytes       = 1_000_000
	maxMaxBytes       = 100_000_000_000
	maxPrecision      = 0.5
	minBusyAbove      = 1_000
	maxBusyAbove      = 10_000_000_000
	maxLoadedInterval = time.Second
)

// TransferMethod says who is at the other end of transfers.
type TransferMethod string

// The methods.
const (
	TransferAuto    TransferMethod = "auto"    // the far ends there are; public servers if there is none
	TransferPerigee TransferMethod = "perigee" // far ends of perigee's own
	TransferOokla   TransferMethod = "ookla"   // public servers that speak speedtest.net's protocol
)

// Transfer says how throughput is measured. Each combination of Streams and Congestion
// has its turn.
type Transfer struct {
	Every    time.Duration // mean time between rounds of one link, if its budget allows
	Schedule string        // hashed, poisson or periodic

	// Method is TransferPerigee or TransferOokla: what auto comes to is known here.
	Method TransferMethod

	// Server is the public server: a number, host:port, or empty for the nearest.
	Server string

	Directions []perigee.Load // LoadDown, LoadUp or both, in order
	Streams    []int          // connections at once
	Congestion []string       // congestion controls; empty: each end's own

	MaxDuration    time.Duration // of one transfer; 0 is automatic
	MaxBytes       int64         // that one transfer may move, on the wire, both directions together
	Precision      float64       // a transfer ends once its rate is known to this error, as a share; 0: never
	BusyAbove      int64         // bit/s of others above which a round is passed over
	LoadedInterval time.Duration // between the probes of the link while a transfer runs
}

// The words that may be chosen from.
var (
	schedules  = []string{"hashed", "poisson", "periodic"}
	methods    = []string{string(TransferAuto), string(TransferPerigee), string(TransferOokla)}
	directions = []string{string(perigee.LoadDown), string(perigee.LoadUp)}
)

// transfer reads how throughput is measured; nil if the file does not ask for it.
func (r *reader) transfer(raw rawTransfer, far []Reflector) *Transfer {
	if !raw.given {
		return nil
	}
	t := &Transfer{
		Every: DefaultEvery, Schedule: DefaultSchedule, MaxBytes: DefaultMaxBytes, Precision: DefaultPrecision,
		BusyAbove: DefaultBusyAbove, LoadedInterval: DefaultLoadedInterval,
	}
	if d, ok := r.duration(raw.Every, minEvery, maxEvery, ""); ok {
		t.Every = d
	}
	if s, ok := r.oneOf(raw.Schedule, "a schedule", schedules); ok {
		t.Schedule = s
	}
	if raw.MaxDuration.kind != textual || raw.MaxDuration.text != "auto" {
		t.MaxDuration, _ = r.duration(raw.MaxDuration, minMaxDuration, maxMaxDuration, "auto")
	}
	if n, ok := r.bytes(raw.MaxBytes, minMaxBytes, maxMaxBytes); ok {
		t.MaxBytes = n
	}
	if share, ok := r.share(raw.Precision, maxPrecision); ok {
		t.Precision = share
	}
	if n, ok := r.rate(raw.BusyAbove, minBusyAbove, maxBusyAbove, "500kbit/s", ""); ok {
		t.BusyAbove = n
	}
	if d, ok := r.duration(raw.LoadedInterval, minInterval, maxLoadedInterval, ""); ok {
		t.LoadedInterval = d
	}
	t.Directions = r.directions(raw.Directions)
	t.Streams = r.streams(raw.Streams)
	t.Congestion = r.congestion(raw.Congestion)
	r.otherEnd(t, raw, far)
	return t
}

// otherEnd reads who is at the other end of transfers.
func (r *reader) otherEnd(t *Transfer, raw rawTransfer, far []Reflector) {
	t.Method = TransferOokla
	if len(far) > 0 {
		t.Method = TransferPerigee
	}
	method, ok := r.oneOf(raw.Method, "a method", methods)
	if ok && method != string(TransferAuto) {
		t.Method = TransferMethod(method)
	}
	if t.Method == TransferPerigee && len(far) == 0 {
		r.wrong(raw.Method, "needs a far end, and no target has a reflector; add one, such as {name: far-end, reflector: \"far.example.net:4862\", key_file: /etc/perigee/far.key}")
	}
	if t.Method == TransferOokla && len(t.Congestion) > 0 {
		r.warning(raw.Congestion[0].key, join(raw.path, "congestion"), "has no effect down from public servers, which choose for themselves")
	}
	server, given := r.word(raw.Server)
	if !given {
		return
	}
	t.Server = server
	if _, err := strconv.ParseUint(server, 10, 32); err != nil {
		if _, ok := farHost(server); !ok {
			r.wrong(raw.Server, "is not a public server; write its number such as 12345, or its host and port such as speedtest.example.net:8080")
		}
	}
	if t.Method == TransferPerigee {
		r.warning(raw.Server.key, raw.Server.path, "has no effect: transfers go to the far ends; remove it or write method: ookla")
	}
}

// directions reads which ways to measure; both unless some are listed.
func (r *reader) directions(raw []value) []perigee.Load {
	var ways []perigee.Load
	for _, v := range r.different(raw) {
		if s, ok := r.oneOf(v, "a direction", directions); ok {
			ways = append(ways, perigee.Load(s))
		}
	}
	if len(raw) == 0 {
		return []perigee.Load{perigee.LoadDown, perigee.LoadUp}
	}
	return ways
}

// streams reads the numbers of connections to measure with; none if that is left to the
// link's orbit.
func (r *reader) streams(raw []value) []int {
	var numbers []int
	for _, v := range r.different(raw) {
		if n, ok := r.integer(v, 1, maxStreams, "a number of streams"); ok {
			numbers = append(numbers, int(n))
		}
	}
	return numbers
}

// congestion reads the congestion controls to measure with, by the kernel's rules for
// their names.
func (r *reader) congestion(raw []value) []string {
	var names []string
	for _, v := range r.different(raw) {
		s, ok := r.text(v)
		bad := func(c rune) bool { return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }
		switch {
		case !ok:
		case len(s) > 15 || strings.ContainsFunc(s, bad):
			r.wrong(v, "is not the name of a congestion control; use names such as cubic and bbr")
		default:
			names = append(names, s)
		}
	}
	return names
}

// different returns the values of a list, and reports those that stand in it twice.
func (r *reader) different(raw []value) []value {
	lines := make(map[string]int, len(raw))
	var all []value
	for _, v := range raw {
		if line, twice := lines[v.text]; twice && v.given() {
			r.wrong(v, "stands twice, first at line %d; keep one", line)
			continue
		}
		lines[v.text] = v.at.line
		all = append(all, v)
	}
	return all
}

// unbudgeted warns of links that transfers may cost their users much of.
func (r *reader) unbudgeted(raw rawFile, c Config) {
	if c.Transfer == nil || c.Transfer.Every <= 0 {
		return
	}
	most := float64(c.Transfer.MaxBytes) * float64(len(c.Transfer.Directions)) * float64(30*day) / float64(c.Transfer.Every)
	for i, l := range c.Links {
		if _, metered := c.Budgets[l.ID]; metered || !l.Bound() || l.Orbit == perigee.OrbitTerrestrial || !l.Orbit.Valid() {
			continue
		}
		r.warning(raw.Links[i].at, raw.Links[i].path, fmt.Sprintf("has no budget, so transfers may move %.0fGB a month over it; add one, such as budget: {bytes: 20GB}", most/1e9))
	}
}

// list writes a list of words or numbers as the file has it.
func list[T any](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = fmt.Sprint(item)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// settings calls set with each value in effect.
func (t Transfer) settings(set func(value, key string, args ...any)) {
	set(span(t.Every), "probes.transfer.every")
	set(t.Schedule, "probes.transfer.schedule")
	set(string(t.Method), "probes.transfer.method")
	if t.Server != "" {
		set(t.Server, "probes.transfer.server")
	}
	set(list(t.Directions), "probes.transfer.directions")
	set(list(t.Streams), "probes.transfer.streams")
	set(list(t.Congestion), "probes.transfer.congestion")
	if t.MaxDuration == 0 {
		set("auto", "probes.transfer.max_duration")
	} else {
		set(span(t.MaxDuration), "probes.transfer.max_duration")
	}
	set(size(t.MaxBytes), "probes.transfer.max_bytes")
	set(percentage(t.Precision), "probes.transfer.precision")
	set(bitRate(t.BusyAbove), "probes.transfer.busy_above")
	set(span(t.LoadedInterval), "probes.transfer.loaded_interval")
}
