package probes

import (
	"testing"
	"time"

	"perigee"
)

func TestStartupGaps(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	record := func(id perigee.LinkID, last time.Time) perigee.LinkRecord {
		return perigee.LinkRecord{Site: perigee.Site{Name: "home"}, Link: perigee.Link{ID: id}, Last: last}
	}
	stopped := perigee.Run{ID: 4, Started: at(0), Ended: at(30)}
	crashed := perigee.Run{ID: 4, Started: at(0)}
	for _, c := range []struct {
		name     string
		previous perigee.Run
		last     time.Time
		now      time.Time
		reason   perigee.GapReason // empty: no gap
		start    time.Time
	}{
		{"stopped", stopped, at(30), at(60), perigee.GapStopped, at(30)},
		{"crashed", crashed, at(29), at(60), perigee.GapCrashed, at(29)},
		{"never_measured", crashed, time.Time{}, at(60), "", time.Time{}},
		{"first_run_with_imported_samples", perigee.Run{}, at(29), at(60), "", time.Time{}},
		// The previous run recorded the gap up to its own start.
		{"not_measured_by_the_previous_run", crashed, at(-50), at(60), perigee.GapCrashed, at(0)},
		{"clock_was_set_back", crashed, at(29), at(20), "", time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := StartupGaps(c.previous, []perigee.LinkRecord{record("geo", c.last)}, c.now)
			if c.reason == "" {
				if len(got) != 0 {
					t.Fatalf("gaps %v, want none", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("gaps %v, want one", got)
			}
			g := got[0]
			if g.Site != "home" || g.Link != "geo" || g.Reason != c.reason || !g.Start.Equal(c.start) || !g.End.Equal(c.now) {
				t.Errorf("gap %+v, want %v from %v to %v", g, c.reason, c.start, c.now)
			}
		})
	}
	both := StartupGaps(stopped, []perigee.LinkRecord{record("geo", at(30)), record("leo", at(29))}, at(60))
	if len(both) != 2 {
		t.Errorf("%d gaps for two links, want one each", len(both))
	}
}
