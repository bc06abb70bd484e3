package influx

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// The measurements. docs/influx.md lays down their tags and fields.
const (
	measurementWindow     = "rtt"
	measurementHour       = "rtt_hour"
	measurementThroughput = "throughput"
	measurementOutage     = "outage"
	measurementGap        = "gap"
	measurementEvent      = "event"
	measurementLink       = "link"
	measurementMonitor    = "monitor"
	measurementBudget     = "budget"
)

// appendEntry appends e as a line of line protocol, what a monitor tells of itself as several. The same entry of the same instance
// is always the same bytes. It fails with CodeInvalid for what InfluxDB cannot hold: a
// time beyond its range, a number that is not finite.
func appendEntry(b []byte, e perigee.Entry, instance string) ([]byte, error) {
	if err := holdable(e); err != nil {
		return b, err
	}
	switch {
	case e.Kind == perigee.EntryWindow && e.Sample != nil:
		return appendSample(b, measurementWindow, e.Sample, e.Sample.Start, e.Orbit, instance), nil
	case e.Kind == perigee.EntryHour && e.Sample != nil:
		return appendSample(b, measurementHour, e.Sample, e.Sample.Start.Truncate(time.Hour), e.Orbit, instance), nil
	case e.Kind == perigee.EntryThroughput && e.Throughput != nil:
		return appendThroughput(b, e.Throughput, e.Orbit, instance), nil
	case e.Kind == perigee.EntryOutage && e.Outage != nil:
		return appendOutage(b, e.Outage, e.Orbit, instance), nil
	case e.Kind == perigee.EntryGap && e.Gap != nil:
		return appendGap(b, e.Gap, instance), nil
	case e.Kind == perigee.EntryEvent && e.Event != nil:
		return appendEvent(b, e.Event, instance), nil
	case e.Kind == perigee.EntryLink && e.Link != nil:
		return appendLink(b, e.Link, e.Orbit, instance), nil
	case e.Kind == perigee.EntryMonitor && e.Monitor != nil:
		return appendMonitor(b, e.Monitor, instance), nil
	}
	return b, invalid("entry %s %d carries nothing of its kind", e.Kind, e.ID)
}

// tag is one pair of a line. An empty value is left out.
type tag struct{ key, value string }

// lineEscapes are what line protocol demands of a tag's value beyond encodeTag.
var lineEscapes = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)

// appendTags appends a measurement with its tags, which are given in the order of their
// keys, as InfluxDB likes them best.
func appendTags(b []byte, measurement string, tags ...tag) []byte {
	b = append(b, measurement...)
	for _, t := range tags {
		if t.value != "" {
			b = append(append(append(b, ','), t.key...), '=')
			b = append(b, lineEscapes.Replace(encodeTag(t.value))...)
		}
	}
	return b
}

func streamTags(s perigee.Stream, orbit perigee.Orbit, instance string) []tag {
	return []tag{
		{"family", string(s.Family)}, {"instance", instance}, {"link", string(s.Link)}, {"load", string(s.Load)}, {"method", string(s.Method)},
		{"orbit", string(orbit)}, {"site", s.Site}, {"target", string(s.Target)},
	}
}

// fields appends the fields of a line, and its end.
type fields struct {
	b         []byte
	separator byte
}

func (f *fields) key(name string) {
	if f.separator == 0 {
		f.separator = ' '
	}
	f.b = append(append(append(f.b, f.separator), name...), '=')
	f.separator = ','
}

func (f *fields) integer(name string, v int64) {
	f.key(name)
	f.b = append(strconv.AppendInt(f.b, v, 10), 'i')
}

// float appends the shortest decimal that reads back as v, which is finite.
func (f *fields) float(name string, v float64) {
	f.key(name)
	f.b = strconv.AppendFloat(f.b, v, 'f', -1, 64)
}

func (f *fields) boolean(name string, v bool) {
	f.key(name)
	f.b = strconv.AppendBool(f.b, v)
}

// text appends a string in the form of encodeTag. An empty one is written too: left
// out, it would leave an earlier one of the same point in place.
func (f *fields) text(name, v string) {
	f.key(name)
	f.b = append(append(append(f.b, '"'), encodeTag(v)...), '"')
}

// time appends nanoseconds since the Unix epoch; the zero time is left out.
func (f *fields) time(name string, t time.Time) {
	if !t.IsZero() {
		f.integer(name, t.UnixNano())
	}
}

func (f *fields) binary(name string, v []byte) {
	f.key(name)
	f.b = append(base64.StdEncoding.AppendEncode(append(f.b, '"'), v), '"')
}

// end appends the timestamp and returns the line.
func (f *fields) end(timestamp int64) []byte {
	return append(strconv.AppendInt(append(f.b, ' '), timestamp, 10), '\n')
}

func appendSample(b []byte, measurement string, s *perigee.Sample, at time.Time, orbit perigee.Orbit, instance string) []byte {
	f := fields{b: appendTags(b, measurement, streamTags(s.Stream, orbit, instance)...)}
	for i := range sampleFields {
		sampleFields[i].append(&f, s)
	}
	return f.end(at.UnixNano())
}

func appendOutage(b []byte, o *perigee.Outage, orbit perigee.Orbit, instance string) []byte {
	f := fields{b: appendTags(b, measurementOutage, streamTags(o.Stream, orbit, instance)...)}
	f.integer("end_ns", o.End.UnixNano())
	f.boolean("open", o.Open)
	f.integer("probes", o.Probes)
	f.text("reason", o.Reason)
	f.float("seconds", o.End.Sub(o.Start).Seconds())
	return f.end(o.Start.UnixNano())
}

func appendGap(b []byte, g *perigee.Gap, instance string) []byte {
	f := fields{b: appendTags(b, measurementGap, tag{"instance", instance}, tag{"link", string(g.Link)}, tag{"reason", string(g.Reason)}, tag{"site", g.Site})}
	f.text("detail", g.Detail)
	f.integer("end_ns", g.End.UnixNano())
	f.float("seconds", g.End.Sub(g.Start).Seconds())
	f.integer("start_ns", g.Start.UnixNano())
	return f.end(apart(g.Start, g.Site, string(g.Link), string(g.Reason), g.Detail, strconv.FormatInt(g.End.UnixNano(), 10)))
}

func appendEvent(b []byte, e *perigee.Event, instance string) []byte {
	f := fields{b: appendTags(b, measurementEvent, tag{"instance", instance}, tag{"kind", string(e.Kind)}, tag{"link", string(e.Link)}, tag{"site", e.Site})}
	f.text("detail", e.Detail)
	f.integer("end_ns", e.Time.UnixNano())
	f.integer("start_ns", e.Time.UnixNano())
	return f.end(apart(e.Time, e.Site, string(e.Link), string(e.Kind), e.Detail))
}

// apart returns the timestamp of a gap or event: its millisecond, and within that a
// place made of all it says, so that several of one instant are several points, and one
// that is written again is the same.
func apart(start time.Time, columns ...string) int64 {
	const millisecond = int64(time.Millisecond)
	ns := start.UnixNano()
	h := fnv.New64a()
	write(h, strconv.FormatInt(ns, 10))
	for _, c := range columns {
		write(h, c)
	}
	floor := ns - ((ns%millisecond)+millisecond)%millisecond
	return floor + int64(h.Sum64()%uint64(millisecond))
}

// write adds a column and its length, so that no two lists of columns hash alike.
func write(h hash.Hash64, column string) {
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(column)))
	h.Write(length[:])
	h.Write([]byte(column))
}

func appendLink(b []byte, l *perigee.LinkState, orbit perigee.Orbit, instance string) []byte {
	f := fields{b: appendTags(b, measurementLink, tag{"instance", instance}, tag{"link", string(l.Link.ID)}, tag{"orbit", string(orbit)}, tag{"site", l.Site.Name})}
	f.time("first_ns", l.First)
	f.text("interface", l.Link.Interface)
	f.time("last_ns", l.Last)
	if l.Site.Located {
		f.float("latitude", l.Site.Latitude)
		f.float("longitude", l.Site.Longitude)
	}
	f.integer("mark", int64(l.Link.Mark))
	f.text("namespace", l.Link.Namespace)
	if plan := l.Link.Plan; plan != (perigee.Plan{}) {
		f.float("plan_availability", plan.Availability)
		f.float("plan_down_bits_per_second", plan.Down)
		f.float("plan_up_bits_per_second", plan.Up)
	}
	f.time("rolled_ns", l.Rolled)
	if l.Link.SatelliteKnown {
		f.float("satellite_longitude", l.Link.SatelliteLongitude)
	}
	source := ""
	if l.Link.Source.IsValid() {
		source = l.Link.Source.String()
	}
	f.text("source", source)
	return f.end(l.At.UnixNano())
}

// The first and the last whole year that nanoseconds in 64 bits can hold.
const (
	firstYear = 1678
	lastYear  = 2261
)

// holdable refuses what InfluxDB cannot hold.
func holdable(e perigee.Entry) error {
	times, values := []time.Time{e.Time()}, []float64(nil)
	switch {
	case e.Sample != nil:
		s := e.Sample
		values = []float64{s.RTT.Min, s.RTT.Max, s.RTT.Mean, s.RTT.M2, s.Variation.IPDV.Min, s.Variation.IPDV.Max, s.Variation.IPDV.Mean, s.Variation.IPDV.M2,
			s.Variation.Jitter, s.Variation.JitterSum, s.LossRuns.Longest.Seconds, s.LossRuns.Head.Seconds, s.LossRuns.Tail.Seconds}
	case e.Throughput != nil:
		// All of a state must be numbers, or it could not be read.
		if err := e.Throughput.Check(); err != nil {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("throughput of link %q at %s refused",
				e.Throughput.Stream.Link, e.Time().UTC().Format(time.RFC3339Nano)), Err: err}
		}
	case e.Outage != nil:
		times = append(times, e.Outage.End)
	case e.Gap != nil:
		times = append(times, e.Gap.End)
	case e.Link != nil:
		values = []float64{e.Link.Site.Latitude, e.Link.Site.Longitude, e.Link.Link.SatelliteLongitude,
			e.Link.Link.Plan.Down, e.Link.Link.Plan.Up, e.Link.Link.Plan.Availability}
		for _, t := range []time.Time{e.Link.First, e.Link.Last, e.Link.Rolled} {
			if !t.IsZero() {
				times = append(times, t)
			}
		}
	case e.Monitor != nil:
		if !e.Monitor.Oldest.IsZero() {
			times = append(times, e.Monitor.Oldest)
		}
		for _, b := range e.Monitor.Budgets {
			times = append(times, b.Start, b.End)
		}
	}
	for _, t := range times {
		if year := t.UTC().Year(); year < firstYear || year > lastYear {
			return invalid("%s %d has the time %s, which is not between %d and %d", e.Kind, e.ID, t.UTC().Format(time.RFC3339), firstYear, lastYear)
		}
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return invalid("%s %d of %s has a statistic that is not a finite number", e.Kind, e.ID, e.Time().UTC().Format(time.RFC3339Nano))
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
