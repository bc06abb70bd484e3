package api

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"time"
)

// Encode writes v as one line of JSON as the interface answers it: names in their
// documented order, no HTML escapes, a newline at the end.
func Encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// encodeWhole writes v as Encode does, but nothing if v cannot be encoded. A client
// that has gone is no error: nobody is left to be told.
func encodeWhole(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := Encode(&b, v); err != nil {
		return err
	}
	_, _ = w.Write(b.Bytes())
	return nil
}

// defined returns a pointer to v, or nil (JSON null) if v is not defined.
func defined[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return &v
}

// seconds rounds to the nanosecond: what lies below is noise of arithmetic, and the
// digits would fill screens.
func seconds(v float64) float64 { return math.Round(v*1e9) / 1e9 }

// maybeSeconds returns v in seconds, rounded, or nil if it is undefined.
func maybeSeconds(v float64, ok bool) *float64 { return defined(seconds(v), ok) }

// maybeTime returns t in UTC, or nil if it is zero.
func maybeTime(t time.Time) *time.Time { return defined(t.UTC(), !t.IsZero()) }

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
