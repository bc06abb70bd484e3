package main

import (
	"fmt"
	"strconv"
	"time"

	"perigee"
	"perigee/api"
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

// parseTime reads a point in time as users write it. Empty is the zero time, which means
// that there is no bound, and so cannot be written.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && !t.IsZero() {
		return t, nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 && seconds < 1<<40 {
		return time.Unix(seconds, 0), nil
	}
	if d, ok := api.ParseDuration(text); ok {
		return now.Add(-d), nil
	}
	return time.Time{}, &perigee.Error{Code: perigee.CodeInvalid,
		Message: fmt.Sprintf("%s %q is not a time; use RFC 3339 (2026-01-31T12:00:00Z), Unix seconds, or a duration before now (90m, 24h, 7d)", flag, text)}
}

// checkLeapSeconds refuses what GPS time cannot be ahead of UTC by.
func checkLeapSeconds(n int) error {
	if n < 1 || n > 60 {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--leap-seconds %d is not within 1 to 60", n)}
	}
	return nil
}
