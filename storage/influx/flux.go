package influx

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"perigee"
)

// The range of times that every version of the database can be asked about. All that
// can be stored lies within it.
var (
	earliest = time.Date(1677, 10, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	latest   = time.Date(2262, 4, 1, 0, 0, 0, 0, time.UTC).UnixNano()
)

// epoch is the first time that a range's bounds mean what they say: InfluxDB 1.8 takes a
// bound at or before 1970 for none. What lies before, which is rare, is therefore read
// at once, and told apart by its timestamps.
const epoch = 1

// span returns q's range of starts as nanoseconds, the end not included.
func span(q perigee.Query) (from, to int64) {
	return bound(q.From, earliest), bound(q.To, latest)
}

// bound returns t in nanoseconds, held within what can be stored, or unbounded for the
// zero time.
func bound(t time.Time, unbounded int64) int64 {
	switch {
	case t.IsZero():
		return unbounded
	case t.UTC().Year() < firstYear:
		return earliest
	case t.UTC().Year() > lastYear:
		return latest
	}
	return t.UnixNano()
}

// moment is the time ns nanoseconds after the Unix epoch, in UTC.
func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// widened moves t by d, held within the range.
func widened(t, d int64) int64 {
	if d < 0 && t < math.MinInt64-d || d > 0 && t > math.MaxInt64-d {
		return t
	}
	return min(max(t+d, earliest), latest)
}

// question begins a Flux query for the points of a measurement from from on and before
// to that satisfy all conditions, empty ones aside. The database does all of it where
// its files are: nothing else is read from them.
func (c *Client) question(measurement string, from, to int64, conditions ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "from(bucket: %s)\n  |> range(start: %s, stop: %s)\n  |> filter(fn: (r) => r._measurement == %s",
		fluxString(c.options.Bucket), fluxTime(from), fluxTime(max(to, epoch)), fluxString(measurement))
	for _, condition := range conditions {
		if condition != "" {
			b.WriteString(" and " + condition)
		}
	}
	b.WriteString(")")
	return b.String()
}

func fluxTime(ns int64) string { return moment(ns).Format(time.RFC3339Nano) }

// fluxString returns text as a Flux string. What could end or change it is escaped, byte
// by byte, whatever it is.
func fluxString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c == '"', c == '\\', c == '$', c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// tagIs is the condition that a tag has a value, or none if that is empty.
func tagIs(key, value string) string {
	if value == "" {
		return "not exists r." + key
	}
	return fmt.Sprintf("r.%s == %s", key, fluxString(encodeTag(value)))
}

// anyOf is the condition that a tag has one of several values; none for no values,
// which is no condition.
func anyOf[T ~string](key string, values []T) string {
	var list []string
	for _, v := range values {
		list = append(list, tagIs(key, string(v)))
	}
	return either(list)
}

// only is tagIs, or no condition for an empty value.
func only(key, value string) string {
	if value == "" {
		return ""
	}
	return tagIs(key, value)
}

func either(conditions []string) string {
	if len(conditions) < 2 {
		return strings.Join(conditions, "")
	}
	return "(" + strings.Join(conditions, " or ") + ")"
}

// row is one row of an answer.
type row map[string]any

// text returns the text of a column as it was before it was encoded, empty if it is not there.
func (r row) text(column string) string {
	held, _ := r[column].(string)
	return decodeTag(held)
}

func (r row) integer(column string) int64 {
	v, _ := r[column].(int64)
	return v
}

// nanoseconds returns the row's timestamp.
func (r row) nanoseconds() int64 {
	t, _ := r["_time"].(time.Time)
	return t.UnixNano()
}

// rows calls each for every row of the answer to a question, until it returns an error.
// The answer is broken off at once where the reading ends early.
func (c *Client) rows(ctx context.Context, flux string, each func(row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result, err := c.query(ctx, flux)
	if err != nil {
		return err
	}
	defer func() {
		cancel() // or closing would read on to the end
		_ = result.Close()
	}()
	var last *query.FluxRecord
	for result.Next() {
		record := result.Record()
		if record == last {
			// The library takes an annotation that it does not know for a row,
			// and gives the one before once more; nil if there was none.
			continue
		}
		last = record
		if err := each(record.Values()); err != nil {
			return err
		}
	}
	return c.interrupted(result.Err())
}
