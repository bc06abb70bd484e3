package main

import (
	"encoding/json"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/storage/sqlite"
)

// Over six hours of the lab's Starlink, whose dish is away for 0.3 to 1.1 s where slots
// meet, every outage is told as of a slot's edge, and those too short to be one are
// counted apart.
func TestOutagesOfTheLabsStarlinkAreAtEdges(t *testing.T) {
	const interval = 200 * time.Millisecond
	probes := emulated(t, 6*time.Hour)
	dir := storedProbes(t, interval, probes)
	stream := perigee.Stream{Site: "home", Link: "dish", Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	var outages []perigee.Outage
	var short int64
	for i := 0; i < len(probes); i++ {
		first := i
		for i < len(probes) && probes[i].rtt < 0 {
			i++
		}
		switch {
		case i == first || i == len(probes):
		case i-first >= 2 && probes[i-1].at.Sub(probes[first].at) >= time.Second:
			outages = append(outages, perigee.Outage{Stream: stream, Start: probes[first].at, End: probes[i].at, Probes: int64(i - first), Reason: perigee.NoReplies})
		default:
			short++
		}
	}
	if len(outages) < 5 || short < 100 {
		t.Fatalf("%d outages and %d short losses: nothing to judge", len(outages), short)
	}
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Append(t.Context(), perigee.Batch{Outages: outages}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := perigeeRun(t, "outages", "--json", "--store="+dir)
	var report api.OutageReport
	if err := json.Unmarshal([]byte(stdout), &report); status != exitDone || err != nil {
		t.Fatal(status, stderr, err)
	}
	for _, d := range report.Disruptions {
		if d.Class != "slot_edge" || d.Blame != "link" {
			t.Errorf("%s %s of %.1f s: %s", d.Class, d.Blame, d.DurationSeconds, d.Why)
		}
	}
	total := report.Availability.Links[0].Total
	if len(report.Disruptions) != len(outages) || total.Failures != len(outages) || total.ShortLosses != short {
		t.Errorf("%d disruptions, %d failures and %d short losses are told, want %d, as many, and %d", len(report.Disruptions), total.Failures, total.ShortLosses, len(outages), short)
	}
	t.Logf("%d outages at edges, %d short losses", len(outages), short)
}
