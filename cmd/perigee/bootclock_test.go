package main

import (
	"strings"
	"testing"
	"time"

	"perigee"
)

// Which clocks are doubted, and for how long.
func TestDoubtedClocks(t *testing.T) {
	built := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	last := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		wall         time.Time
		waited       time.Duration
		synchronised bool
		want         string // in the doubt; empty if there is none
	}{
		"right":                           {last.Add(time.Second), 0, false, ""},
		"no_clock":                        {time.Unix(20, 0), 0, false, "1970-01-01T00:00:20Z, so it was not set"},
		"no_clock_and_nobody_sets_it":     {time.Unix(20, 0), 24 * time.Hour, false, "so it was not set"},
		"nothing_synchronises_to_1970":    {time.Unix(20, 0), 0, true, "so it was not set"},
		"before_it_was_written":           {built.Add(-time.Hour), 0, false, "before this program was written (2026-06-01T12:00:00Z)"},
		"before_the_last_result":          {last.Add(-time.Millisecond), 0, false, "before the last result (2026-09-01T12:00:00Z)"},
		"the_last_result_was_ahead":       {last.Add(-time.Hour), 0, true, ""},
		"behind_for_less_than_an_hour":    {last.Add(-time.Hour), clockPatience - 1, false, "before the last result"},
		"behind_for_an_hour_it_may_stand": {last.Add(-time.Hour), clockPatience, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			was := clockSynchronised
			defer func() { clockSynchronised = was }()
			clockSynchronised = func() bool { return c.synchronised }
			b := bootClock{floor: clockFloor{built: built, last: last}, real: func() perigee.Reading {
				return perigee.Reading{Wall: c.wall, Mono: 1000*time.Second + c.waited}
			}, begun: perigee.Reading{Mono: 1000 * time.Second}}
			err := b.doubt()
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("doubt %v, want %q", err, c.want)
			}
		})
	}
}
