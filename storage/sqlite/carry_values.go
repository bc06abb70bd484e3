package sqlite

import (
	"database/sql"
	"fmt"
	"math"

	"perigee"
)

// Rows of a damaged file may hold anything: values are taken where they make sense.

// text returns v if it is a text, else what is no address.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return "?"
}

// plausibleTime reports whether ns can be a time of a result.
func plausibleTime(ns int64) bool {
	return ns >= 0 && ns < int64(math.MaxInt64)-day && moment(ns).Year() <= lastYear
}

// plausible reports whether all are times of results, or NULL.
func plausible(times ...any) bool {
	for _, t := range times {
		if t == nil {
			continue
		}
		if ns, ok := t.(int64); !ok || !plausibleTime(ns) {
			return false
		}
	}
	return true
}

// plausibleBytes reports whether v can be what was moved in a quarter of an hour.
func plausibleBytes(v any) bool {
	n, ok := v.(int64)
	return ok && n >= 0 && n < 1<<50
}

// assign stores values where into points to. It reports false if one does not fit.
func assign(values []any, into ...any) bool {
	if len(values) < len(into) {
		return false
	}
	for i, to := range into {
		v := values[i]
		switch to := to.(type) {
		case *int64:
			n, ok := v.(int64)
			if !ok {
				return false
			}
			*to = n
		case *float64:
			switch n := v.(type) {
			case float64:
				*to = n
			case int64: // how a whole number is kept
				*to = float64(n)
			default:
				return false
			}
		case *string:
			s, ok := v.(string)
			if !ok {
				return false
			}
			*to = s
		case *sql.RawBytes:
			b, ok := v.([]byte)
			if !ok && v != nil {
				return false
			}
			*to = b
		case *sql.NullInt64:
			n, ok := v.(int64)
			if !ok && v != nil {
				return false
			}
			*to = sql.NullInt64{Int64: n, Valid: ok}
		case *sql.NullFloat64:
			*to = sql.NullFloat64{}
			if v != nil {
				var f float64
				if !assign([]any{v}, &f) {
					return false
				}
				*to = sql.NullFloat64{Float64: f, Valid: true}
			}
		default:
			panic(fmt.Sprintf("assign to %T", to))
		}
	}
	return true
}

// sample returns the sample whose columns begin with the first of row. It reports false if
// it makes no sense, as what is read of a damaged page may.
func (c *carrier) sample(r *sampleRow, row []any) (perigee.Sample, bool) {
	if len(row) < len(r.columns) || !assign(row, r.columns...) {
		return perigee.Sample{}, false
	}
	s, err := r.decode(c.names)
	if err != nil || check(perigee.Batch{Samples: []perigee.Sample{s}}) != nil || !plausibleTime(r.start) || r.length <= 0 || r.length > 2*day {
		return perigee.Sample{}, false
	}
	return s, true
}
