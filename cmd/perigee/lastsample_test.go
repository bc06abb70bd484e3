package main

import (
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/probes"
	"perigee/storage/sqlite"
)

// A clock that ran ahead for a while leaves windows of times that are yet to come. The gap of
// a monitor that dies afterwards is told all the same, from its last window on.
func TestAGapIsToldAfterAClockThatRanAhead(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	site, link := perigee.Site{Name: "home"}, perigee.Link{ID: "one", Orbit: perigee.OrbitTerrestrial, Interface: "one0"}
	begun := now.Add(-30 * time.Hour)
	for name, c := range map[string]struct {
		ends []time.Duration // of windows, before now
		want time.Duration   // where the gap begins, before now
	}{
		"right before the crash":     {[]time.Duration{-5 * time.Hour, 90 * time.Second, 80 * time.Second}, 80 * time.Second},
		"a day before":               {[]time.Duration{-5 * time.Hour, 25 * time.Hour}, 25 * time.Hour},
		"nothing since it was begun": {[]time.Duration{-5 * time.Hour}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			stream := perigee.Stream{Site: "home", Link: "one", Target: perigee.TargetID(name), Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
			var b perigee.Batch
			for _, before := range c.ends {
				b.Samples = append(b.Samples, perigee.Sample{
					Stream: stream, Start: now.Add(-before - 10*time.Second), Length: 10 * time.Second, Interval: time.Second, LossTimeout: time.Second,
					Counts: perigee.Counts{Planned: 10, Skipped: 10},
				})
			}
			store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "perigee.db"), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if err := store.Describe(t.Context(), site, []perigee.Link{link}); err != nil {
				t.Fatal(err)
			}
			if err := store.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			links, err := store.Links(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := lastBefore(t.Context(), store, links, begun, now); err != nil {
				t.Fatal(err)
			}
			gaps := probes.StartupGaps(perigee.Run{ID: 1, Started: begun}, links, now)
			if c.want < 0 {
				if len(gaps) != 0 {
					t.Errorf("gaps %+v, want none: nothing was measured", gaps)
				}
				return
			}
			if len(gaps) != 1 || !gaps[0].Start.Equal(now.Add(-c.want)) || !gaps[0].End.Equal(now) || gaps[0].Reason != perigee.GapCrashed {
				t.Errorf("gaps %+v, want one of reason crashed that begins %v before the start", gaps, c.want)
			}
		})
	}
}
