package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// rangeFlags choose a stretch of time.
type rangeFlags struct {
	From string `placeholder:"TIME" help:"Begin of the range: RFC 3339, Unix seconds, or a duration such as 24h or 7d before now. Default: all that is stored."`
	To   string `placeholder:"TIME" help:"End of the range, likewise. Default: now."`
}

// resolve returns the range; zero times are unbounded.
func (f rangeFlags) resolve(now time.Time) (from, to time.Time, err error) {
	if from, err = parseTime("--from", f.From, now); err != nil {
		return
	}
	if to, err = parseTime("--to", f.To, now); err != nil {
		return
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		err = &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--from %s is not before --to %s; swap them", f.From, f.To)}
	}
	return
}

// parseTime reads a point in time as users write it. Empty is the zero time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 && seconds < 1<<40 {
		return time.Unix(seconds, 0), nil
	}
	if d, ok := parseDuration(text); ok && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, &perigee.Error{Code: perigee.CodeInvalid,
		Message: fmt.Sprintf("%s %q is not a time; use RFC 3339 (2026-01-31T12:00:00Z), Unix seconds, or a duration before now (90m, 24h, 7d)", flag, text)}
}

// parseDuration reads a Go duration or a number of days such as 7d.
func parseDuration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n > 36500 || n < -36500 {
			return 0, false
		}
		return time.Duration(n * 24 * float64(time.Hour)), true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}
