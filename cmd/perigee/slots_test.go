package main

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// sentProbe is a probe and what became of it; lost if RTT is negative.
type sentProbe struct {
	at  time.Time
	rtt time.Duration
}

// storedProbes makes a store of single probes of one Starlink link.
func storedProbes(t *testing.T, interval time.Duration, probes []sentProbe) string {
	t.Helper()
	const window = 10 * time.Second
	stream := perigee.Stream{Site: "home", Link: "dish", Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	var b perigee.Batch
	var s *perigee.Sample
	for i, p := range probes {
		if start := p.at.Truncate(window); s == nil || !s.Start.Equal(start) {
			b.Samples = append(b.Samples, perigee.Sample{Stream: stream, Start: start, Length: window, Interval: interval, LossTimeout: 3 * time.Second})
			s = &b.Samples[len(b.Samples)-1]
		}
		one := perigee.Singleton{Seq: perigee.Seq(i), At: p.at.Sub(s.Start), Outcome: perigee.Lost}
		if p.rtt >= 0 {
			one.Outcome, one.RTT = perigee.Received, p.rtt
			s.RTT.Add(p.rtt.Seconds())
		}
		s.Counts.Add(one)
		s.LossRuns.Add(p.rtt < 0, interval.Seconds())
		s.Singletons = append(s.Singletons, one)
	}
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "dish", Orbit: perigee.OrbitStarlink, Interface: "wan0"}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return dir
}

// emulated are probes over the lab's Starlink.
func emulated(t *testing.T, length time.Duration) []sentProbe {
	t.Helper()
	begin := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	walk, err := lab.NewWalk(lab.Starlink(), 1, begin)
	if err != nil {
		t.Fatal(err)
	}
	var probes []sentProbe
	for at := time.Duration(0); at < length; at += 200 * time.Millisecond {
		p := sentProbe{begin.Add(at), -1}
		if trip := walk.Probe(at, 84); trip.Fate == lab.Delivered {
			p.rtt = trip.RTT.Round(time.Microsecond)
		}
		probes = append(probes, p)
	}
	return probes
}

func TestSlotsText(t *testing.T) {
	dir := storedProbes(t, 200*time.Millisecond, emulated(t, time.Hour))
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	// Without the warnings that hang on this machine's clock.
	a, err := perigee.Slots(t.Context(), store, perigee.SlotQuery{Link: "dish"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := writeSlots(&b, a); err != nil {
		t.Fatal(err)
	}
	golden(t, "slots.golden", b.String())
	stdout, stderr, status := perigeeRun(t, "slots", "--store="+dir, "--link=dish")
	if status != exitDone || !strings.HasPrefix(stdout, b.String()) {
		t.Errorf("exit status %d: %s\n%s", status, stderr, stdout)
	}
}

func TestSlotsJSONAndUsage(t *testing.T) {
	dir := storedProbes(t, 200*time.Millisecond, emulated(t, time.Hour))
	stdout, stderr, status := perigeeRun(t, "slots", "--store="+dir, "--link=dish", "--json", "--series")
	var r api.SlotsResponse
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitDone {
		t.Fatalf("exit status %d: %v, %s", status, err, stderr)
	}
	if r.Detected == nil || !*r.Detected || len(r.Phases) != 15 || len(r.Slots) != 241 || r.IntervalSeconds != 0.2 {
		t.Errorf("%s", stdout)
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"no_link", []string{"--store=" + dir}, exitUsage, "--link"},
		{"unknown_link", []string{"--store=" + dir, "--link=nope"}, exitUsage, "known links are dish"},
		{"too_little", []string{"--store=" + dir, "--link=dish", "--to=2026-01-31T12:03:00Z"}, exitNotEnoughData, "ask for a longer range"},
		{"too_long", []string{"--store=" + dir, "--link=dish", "--from=2026-01-01T00:00:00Z"}, exitUsage, "shorter"},
		{"no_such_leap", []string{"--store=" + dir, "--link=dish", "--leap-seconds=0"}, exitUsage, "1 to 60"},
		{"series_as_text", []string{"--store=" + dir, "--link=dish", "--series"}, exitUsage, "--json"},
		{"no_store", []string{"--store=" + t.TempDir(), "--link=dish"}, exitUsage, "start perigee run first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := perigeeRun(t, append([]string{"slots"}, c.args...)...)
			if status != c.status || !strings.Contains(stderr, c.stderr) || stdout != "" {
				t.Errorf("exit status %d, %q, %q, want %d with %q", status, stdout, stderr, c.status, c.stderr)
			}
		})
	}
}

// A public trace of a Starlink link (Zhao & Pan, ACM MMSys 2024, doi 10.1145/3625468.3647616)
// through the store and the whole program. The figures stand beside it, from an
// independent computation; it is not part of this repository.
func TestSlotsOfThePublicTrace(t *testing.T) {
	data := os.Getenv("PERIGEE_TESTDATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(data, "mmsys24-starlink", "no-isl-ping-gw-seattle-230911-170535-0.1s-60min.txt"))
	if err != nil {
		t.Skipf("the Starlink trace is not here; set PERIGEE_TESTDATA to the directory that holds mmsys24-starlink: %v", err)
	}
	defer f.Close()
	var probes []sentProbe
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		at, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		p := sentProbe{time.UnixMicro(int64(math.Round(at * 1e6))).UTC(), -1}
		if ms >= 0 {
			p.rtt = time.Duration(math.Round(ms*1000)) * time.Microsecond
		}
		probes = append(probes, p)
	}
	dir := storedProbes(t, 149*time.Millisecond, probes)
	stdout, stderr, status := perigeeRun(t, "slots", "--store="+dir, "--link=dish", "--json")
	var r api.SlotsResponse
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitDone {
		t.Fatalf("exit status %d: %v, %s", status, err, stderr)
	}
	var sent, lost int64
	for _, p := range r.Phases {
		sent += p.Count
		lost += p.Lost
	}
	if sent != 36000 || lost != 913 || r.Detected == nil || !*r.Detected || *r.BestPhase != 0 ||
		math.Abs(*r.EdgeStepSeconds-0.0172) > 0.03*0.0172 || math.Abs(*r.OtherStepSeconds-0.0063) > 0.03*0.0063 || math.Abs(*r.EdgeStepRatio-2.73) > 0.01 {
		t.Errorf("%d sent, %d lost, %s", sent, lost, r.Verdict)
	}
	t.Log(r.Verdict, r.Warnings)
}
