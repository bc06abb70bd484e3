package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/storage/sqlite"
)

// storedOutages adds to storedResults that the far end is down for 20 s, then the star
// link for 1.2 s where slots meet, and that it still is.
func storedOutages(t *testing.T) string {
	t.Helper()
	dir := storedResults(t, 120)
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	at := func(seconds float64) time.Time {
		return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * 1e9))
	}
	outage := func(link perigee.LinkID, from, to float64, open bool) perigee.Outage {
		return perigee.Outage{Stream: perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle},
			Start: at(from), End: at(to), Open: open, Probes: int64((to - from) * 5), Reason: perigee.NoReplies}
	}
	err = store.Append(t.Context(), perigee.Batch{Outages: []perigee.Outage{
		outage("fibre", 100, 120, false), outage("star link", 99.6, 119.6, false), outage("spare", 100, 120, false),
		outage("star link", 312, 313.2, false), outage("star link", 1180, 1199, true),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOutagesText(t *testing.T) {
	dir := storedOutages(t)
	for name, args := range map[string][]string{
		"outages.golden":        nil,
		"outages_one.golden":    {"--links=star link", "--limit=1", "--by=month", "--timezone=Australia/Canberra"},
		"outages_none.golden":   {"--from=2026-01-31T12:06:00Z", "--to=2026-01-31T12:07:00Z"},
		"outages_nobody.golden": {"--from=2025-01-31T12:06:00Z", "--to=2025-01-31T12:07:00Z", "--links=spare"},
	} {
		stdout, stderr, status := perigeeRun(t, append([]string{"outages", "--store=" + dir}, args...)...)
		if status != exitDone {
			t.Fatalf("%s: exit status %d: %s", name, status, stderr)
		}
		golden(t, name, stdout)
	}
}

func TestOutagesJSONIsTheAPIs(t *testing.T) {
	stdout, stderr, status := perigeeRun(t, "outages", "--store="+storedOutages(t), "--json", "--limit=1")
	if status != exitDone {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	var got api.OutageReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Disruptions) != 3 || got.Disruptions[0].Blame != "target" || got.Disruptions[1].Class != "slot_edge" || !got.Disruptions[2].Open || got.Disruptions[2].End != nil {
		t.Errorf("disruptions %+v", got.Disruptions)
	}
	if a := got.Availability; len(a.Links) != 3 || !a.From.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) || a.Links[2].Total.Failures != 2 || len(a.Links[2].Total.Excused) != 1 {
		t.Errorf("availability %+v", a)
	}
}

// Links of several sites are told apart by the site's name.
func TestOutagesOfSeveralSites(t *testing.T) {
	dir := storedOutages(t)
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 31, 12, 10, 0, 0, time.UTC)
	hut := perigee.Stream{Site: "hut", Link: "fibre", Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	err = errors.Join(
		store.Describe(t.Context(), perigee.Site{Name: "hut"}, []perigee.Link{{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Mark: 1}}),
		store.Append(t.Context(), perigee.Batch{Outages: []perigee.Outage{{Stream: hut, Start: start, End: start.Add(time.Minute), Probes: 300, Reason: perigee.NoReplies}}}),
		store.Close())
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := perigeeRun(t, "outages", "--store="+dir)
	if status != exitDone {
		t.Fatal(stderr)
	}
	for _, want := range []string{"home: fibre,spare,star link", "hut: fibre", "\nhome/fibre ", "\nhut/fibre "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
}
