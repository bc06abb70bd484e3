package sqlite

import (
	"database/sql"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"perigee"
	"perigee/stats"
)

// sampleColumns are the columns that the tables windows, hours and days share, in the
// order of sampleValues and sampleRow.
var sampleColumns = []string{
	"stream", "start_ns", "length_ns", "interval_ns", "loss_timeout_ns", "proof", "cause",
	"planned", "sent", "send_failed", "skipped", "received", "late", "lost", "duplicates", "reordered",
	"rtt_count", "rtt_min", "rtt_max", "rtt_mean", "rtt_m2", "rtt_sketch",
	"ipdv_count", "ipdv_min", "ipdv_max", "ipdv_mean", "ipdv_m2", "ipdv_sketch",
	"jitter", "jitter_sum",
	"run_packets", "run_count", "longest_packets", "longest_seconds", "head_packets", "head_seconds", "tail_packets", "tail_seconds",
}

var (
	columnList   = strings.Join(sampleColumns, ", ")
	leanColumns  = strings.Replace(columnList, "ipdv_sketch", "NULL", 1) // of a lean query
	placeholders = "?" + strings.Repeat(", ?", len(sampleColumns)-1)

	// assignments is the SET clause by which an upsert replaces all of them.
	assignments = func() string {
		var sets []string
		for _, c := range sampleColumns {
			sets = append(sets, c+" = excluded."+c)
		}
		return strings.Join(sets, ", ")
	}()
)

// qualify returns a list of columns of table t.
func qualify(t string, columns []string) string {
	return t + "." + strings.Join(columns, ", "+t+".")
}

// sampleValues returns the values of a sample's row.
func sampleValues(s *perigee.Sample, stream, proof int64) []any {
	c, l := &s.Counts, &s.LossRuns
	values := make([]any, 0, len(sampleColumns)+1)
	values = append(values, stream, s.Start.UnixNano(), int64(s.Length), int64(s.Interval), int64(s.LossTimeout), proof, s.Cause,
		c.Planned, c.Sent, c.SendFailed, c.Skipped, c.Received, c.Late, c.Lost, c.Duplicates, c.Reordered)
	values = appendDistribution(values, &s.RTT)
	values = appendDistribution(values, &s.Variation.IPDV)
	jitter := sql.NullFloat64{Float64: s.Variation.Jitter, Valid: s.Variation.JitterDefined}
	return append(values, jitter, s.Variation.JitterSum,
		l.Packets, l.Count, l.Longest.Packets, l.Longest.Seconds, l.Head.Packets, l.Head.Seconds, l.Tail.Packets, l.Tail.Seconds)
}

func appendDistribution(values []any, d *stats.Distribution) []any {
	var sketch any // NULL
	if b := d.Sketch.Encode(); b != nil {
		sketch = b
	}
	return append(values, d.Count, d.Min, d.Max, d.Mean, d.M2, sketch)
}

// sampleRow is the scanned form of a row, reused from row to row.
type sampleRow struct {
	stream, proof                    int64
	start, length, interval, timeout int64
	sample                           perigee.Sample
	rttSketch, ipdvSketch, packed    sql.RawBytes
	jitter                           sql.NullFloat64
	columns                          []any // where Scan puts sampleColumns
}

func newSampleRow() *sampleRow {
	r := &sampleRow{}
	s := &r.sample
	c, l, v := &s.Counts, &s.LossRuns, &s.Variation
	r.columns = []any{
		&r.stream, &r.start, &r.length, &r.interval, &r.timeout, &r.proof, &s.Cause,
		&c.Planned, &c.Sent, &c.SendFailed, &c.Skipped, &c.Received, &c.Late, &c.Lost, &c.Duplicates, &c.Reordered,
		&s.RTT.Count, &s.RTT.Min, &s.RTT.Max, &s.RTT.Mean, &s.RTT.M2, &r.rttSketch,
		&v.IPDV.Count, &v.IPDV.Min, &v.IPDV.Max, &v.IPDV.Mean, &v.IPDV.M2, &r.ipdvSketch,
		&r.jitter, &v.JitterSum,
		&l.Packets, &l.Count, &l.Longest.Packets, &l.Longest.Seconds, &l.Head.Packets, &l.Head.Seconds, &l.Tail.Packets, &l.Tail.Seconds,
	}
	return r
}

// decode returns the sample that was scanned last.
func (r *sampleRow) decode(names *names) (perigee.Sample, error) {
	s := r.sample
	var known bool
	if s.Stream, known = names.streams[r.stream]; !known {
		return s, fmt.Errorf("stream %d is not in the table of streams", r.stream)
	}
	if s.Proof, known = names.proofs[r.proof]; !known {
		return s, fmt.Errorf("proof %d is not in the table of proofs", r.proof)
	}
	s.Start = moment(r.start)
	s.Length, s.Interval, s.LossTimeout = time.Duration(r.length), time.Duration(r.interval), time.Duration(r.timeout)
	s.Variation.Jitter, s.Variation.JitterDefined = r.jitter.Float64, r.jitter.Valid
	var err error
	if s.RTT.Sketch, err = stats.DecodeSketch(r.rttSketch); err != nil {
		return s, fmt.Errorf("sample of stream %d at %d: RTT: %w", r.stream, r.start, err)
	}
	if s.Variation.IPDV.Sketch, err = stats.DecodeSketch(r.ipdvSketch); err != nil {
		return s, fmt.Errorf("sample of stream %d at %d: IPDV: %w", r.stream, r.start, err)
	}
	return s, nil
}

// moment is the time ns nanoseconds after the Unix epoch, in UTC.
func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// check refuses what cannot be stored as it is.
func check(b perigee.Batch) error {
	for i := range b.Samples {
		s := &b.Samples[i]
		if err := storable("sample", s.Start); err != nil {
			return err
		}
		if err := s.Counts.Check(); err != nil {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("sample of link %q at %s refused", s.Stream.Link, s.Start.UTC().Format(time.RFC3339Nano)), Err: err}
		}
		for _, v := range []float64{s.RTT.Min, s.RTT.Max, s.RTT.Mean, s.RTT.M2, s.Variation.IPDV.Min, s.Variation.IPDV.Max, s.Variation.IPDV.Mean, s.Variation.IPDV.M2,
			s.Variation.Jitter, s.Variation.JitterSum, s.LossRuns.Longest.Seconds, s.LossRuns.Head.Seconds, s.LossRuns.Tail.Seconds} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return invalid("sample of link %q at %s refused: a statistic is not a finite number", s.Stream.Link, s.Start.UTC().Format(time.RFC3339Nano))
			}
		}
	}
	for i := range b.Throughputs {
		if err := checkThroughput(&b.Throughputs[i]); err != nil {
			return err
		}
	}
	for _, o := range b.Outages {
		if err := storable("outage", o.Start, o.End); err != nil {
			return err
		}
	}
	for _, g := range b.Gaps {
		if err := storable("gap", g.Start, g.End); err != nil {
			return err
		}
	}
	for _, e := range b.Events {
		if err := storable("event", e.Time); err != nil {
			return err
		}
	}
	return nil
}

// The first and the last whole year that int64 nanoseconds can hold.
const (
	firstYear = 1678
	lastYear  = 2261
)

// storable refuses times that int64 nanoseconds cannot hold, the zero time among them.
func storable(what string, times ...time.Time) error {
	for _, t := range times {
		if year := t.UTC().Year(); year < firstYear || year > lastYear {
			return invalid("%s refused: its time %s is not between %d and %d", what, t.UTC().Format(time.RFC3339), firstYear, lastYear)
		}
	}
	return nil
}

// span returns q's range of starts as nanoseconds, the end not included.
func span(q perigee.Query) (from, to int64) {
	return bound(q.From, math.MinInt64), bound(q.To, math.MaxInt64)
}

// bound returns t in nanoseconds, held within what can be stored, or unbounded for
// the zero time.
func bound(t time.Time, unbounded int64) int64 {
	switch {
	case t.IsZero():
		return unbounded
	case t.UTC().Year() < firstYear:
		return math.MinInt64
	case t.UTC().Year() > lastYear:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// addressText is the stored form of a: empty if it is not valid.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func parseAddress(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	return netip.ParseAddr(text)
}
