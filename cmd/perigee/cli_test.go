package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// storedResults makes a store with n windows of each of three links and returns its
// directory. The second link is 50 ms slower than the first, the third like the first.
func storedResults(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	if _, _, err := store.Begin(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	links := []perigee.Link{
		{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Interface: "eth0"},
		{ID: "star link", Orbit: perigee.OrbitStarlink, Interface: "wan0"},
		{ID: "spare", Orbit: perigee.OrbitTerrestrial, Interface: "eth1"},
	}
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, links); err != nil {
		t.Fatal(err)
	}
	for i, link := range links {
		g := storagetest.NewGenerator(uint64(i + 1))
		if i == 1 {
			g.RTT += 50 * time.Millisecond
		}
		var b perigee.Batch
		for w := range n {
			b.Samples = append(b.Samples, g.Sample(perigee.Stream{Site: "home", Link: link.ID, Target: "far", Method: perigee.MethodICMP,
				Family: perigee.IPv4, Load: perigee.LoadIdle}, start.Add(time.Duration(w)*10*time.Second)))
		}
		if err := store.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.End(t.Context(), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUsage(t *testing.T) {
	empty := t.TempDir()
	t.Chdir(empty)
	long := storedResults(t, 120)
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string // must be part of it
	}{
		{"unknown_command", []string{"bogus"}, exitUsage, "unexpected argument bogus"},
		{"unknown_flag", []string{"compare", "--bogus"}, exitUsage, "unknown flag --bogus"},
		{"missing_configuration", []string{"run", "--config=none.yaml"}, exitUsage, "none.yaml: there is no such file"},
		{"missing_store", []string{"compare", "--store=none"}, exitUsage, "start perigee run first"},
		{"bad_time", []string{"compare", "--from=yesterday", "--store=" + long}, exitUsage, `--from "yesterday" is not a time`},
		{"range_backwards", []string{"compare", "--from=2h", "--to=3h", "--store=" + long}, exitUsage, "is not before"},
		{"unknown_link", []string{"compare", "--links=fibre,nope", "--store=" + long}, exitUsage, "nope"},
		{"unknown_metric", []string{"compare", "--metric=speed", "--store=" + long}, exitUsage, "speed"},
		{"range_without_data", []string{"compare", "--from=2001-01-01T00:00:00Z", "--to=2001-01-02T00:00:00Z", "--store=" + long}, exitNotEnoughData, "not enough data"},
		{"short_range", []string{"compare", "--to=2026-01-31T12:05:00Z", "--store=" + long}, exitNotEnoughData, "not enough data"},
		{"bad_timezone", []string{"outages", "--timezone=Canberra", "--store=" + long}, exitUsage, `--timezone "Canberra" is no time zone`},
		{"bad_unit", []string{"outages", "--by=week", "--store=" + long}, exitUsage, "--by"},
		{"bad_limit", []string{"outages", "--limit=-1", "--store=" + long}, exitUsage, "--limit -1"},
		{"bad_format", []string{"export", "--format=xml", "--store=" + long}, exitUsage, "xml"},
		{"raw_line_protocol", []string{"export", "--format=lp", "--raw", "--store=" + long}, exitUsage, "csv or jsonl"},
		{"bad_count", []string{"probe", "--count=0", "--interface=lo", "127.0.0.1"}, exitUsage, "--count 0"},
		{"bad_source", []string{"probe", "--source=here", "127.0.0.1"}, exitUsage, `--source "here"`},
		{"bad_demo_interval", []string{"demo", "--interval=1ms"}, exitUsage, "--interval 1ms"},
		{"listen_on_all", []string{"demo", "--listen=0.0.0.0:8480"}, exitUsage, "not loopback"},
		{"no_configuration_to_check", []string{"config", "check"}, exitUsage, "no configuration found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := perigeeRun(t, c.args...)
			if status != c.status || !strings.Contains(stderr, c.stderr) {
				t.Errorf("perigee %q: exit status %d, want %d; stderr %q, want %q in it", c.args, status, c.status, stderr, c.stderr)
			}
			if status == exitUsage && stdout != "" {
				t.Errorf("perigee %q wrote %q to standard output", c.args, stdout)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"compare", "--help"}} {
		stdout, stderr, status := perigeeRun(t, args...)
		if status != exitDone || !strings.Contains(stdout, "perigee") || stderr != "" {
			t.Errorf("perigee %q: exit status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

func TestCompareText(t *testing.T) {
	dir := storedResults(t, 120)
	stdout, stderr, status := perigeeRun(t, "compare", "--store="+dir)
	if status != exitDone {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	golden(t, "compare.golden", stdout)
}

// TestCompareJSONIsTheAPIs holds the two outputs of one question together.
func TestCompareJSONIsTheAPIs(t *testing.T) {
	dir := storedResults(t, 120)
	stdout, stderr, status := perigeeRun(t, "compare", "--store="+dir, "--json", "--links=star link,fibre", "--metric=rtt")
	if status != exitDone {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	var got api.CompareResponse
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want, err := perigee.Compare(t.Context(), store, perigee.CompareQuery{Metric: perigee.MetricRTT, Links: []perigee.LinkID{"star link", "fibre"}, From: got.From, To: got.To})
	if err != nil {
		t.Fatal(err)
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(roundTrip(t, api.NewCompareResponse(want))); len(got.Pairs) != 1 || got.Pairs[0].Verdict != want.Pairs[0].Verdict || len(g) != len(w) {
		t.Errorf("got %s\nwant %s", g, w)
	}
	if v := got.Pairs[0].Verdict; !strings.HasPrefix(v, "star link is higher by 49.8 ms (95 % CI ") {
		t.Errorf("verdict %q", v)
	}
}

func roundTrip(t *testing.T, v api.CompareResponse) (back api.CompareResponse) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestExport(t *testing.T) {
	dir := storedResults(t, 3)
	lines := func(s string) int { return strings.Count(s, "\n") }
	for _, c := range []struct {
		args []string
		want int // lines
	}{
		{[]string{"--format=csv"}, 1 + 3*3},
		{[]string{"--format=jsonl"}, 3 * 3},
		{[]string{"--format=lp"}, 3 * 3},
		{[]string{"--format=csv", "--links=star link"}, 1 + 3},
		{[]string{"--format=jsonl", "--raw", "--links=fibre"}, 3 * 50},
		{[]string{"--format=csv", "--resolution=hour"}, 1 + 3},
		{[]string{"--format=csv", "--from=2026-01-31T12:00:10Z", "--to=2026-01-31T12:00:20Z"}, 1 + 3},
	} {
		args := append([]string{"export", "--store=" + dir}, c.args...)
		stdout, stderr, status := perigeeRun(t, args...)
		if status != exitDone || lines(stdout) != c.want {
			t.Errorf("perigee %q: exit status %d, %d lines, want %d\n%s", args, status, lines(stdout), c.want, stderr)
		}
		file := filepath.Join(t.TempDir(), "out")
		if _, stderr, status := perigeeRun(t, append(args, "--output="+file)...); status != exitDone {
			t.Errorf("perigee %q to a file: %s", args, stderr)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != stdout {
			t.Errorf("perigee %q: the file differs from standard output (%v)", args, err)
		}
	}
}

// TestExportLeavesNoHalfFile fails an export half way and looks for what it left.
func TestExportLeavesNoHalfFile(t *testing.T) {
	dir, out := storedResults(t, 3), t.TempDir()
	if _, _, status := perigeeRun(t, "export", "--store="+dir, "--format=lp", "--raw", "--output="+filepath.Join(out, "x")); status == exitDone {
		t.Fatal("raw line protocol was exported")
	}
	left, err := os.ReadDir(out)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestConfigCheckJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bad.yaml", []byte("site: {name: home}\nlinks:\n  - {name: a, orbit: gso, interface: eth0}\ntargets:\n  - {name: t, address: 192.0.2.1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, status := perigeeRun(t, "config", "check", "bad.yaml", "--json")
	var v configVerdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatal(err)
	}
	if status != exitUsage || v.Valid || len(v.Errors) != 1 || !strings.HasPrefix(v.Errors[0], "bad.yaml:3:22: links[0].orbit: ") {
		t.Errorf("exit status %d, %+v", status, v)
	}
}

// What is asked beyond two links and a metric: groups, baselines and quantiles, each with
// its exit status.
func TestCompareAsks(t *testing.T) {
	dir := storedResults(t, 120) // 20 min
	for _, c := range []struct {
		flags          []string
		status         int
		stdout, stderr string
	}{
		{[]string{"--quantile=0.99"}, exitNotEnoughData, "not enough data: p99 needs about 100 min", "not enough data for a firm answer"},
		{[]string{"--by=target"}, exitDone, "at far fibre is lower by 49.8 ms", ""},
		{[]string{"--baseline=star link"}, exitDone, "fibre / star link (far): fibre is lower by 49.8 ms", ""},
		{[]string{"--links=fibre", "--from=2026-01-31T12:10:00Z", "--baseline-from=2026-01-31T12:00:00Z"}, exitDone, "fibre now / then (far): no difference shown", ""},
		{[]string{"--links=fibre", "--baseline-from=2026-01-31T12:00:00Z"}, exitUsage, "", "say with --from where the range begins"},
		{[]string{"--by=month"}, exitUsage, "", `by "month": use one of hour, weekday`},
		{[]string{"--timezone=Mars/Olympus", "--by=hour"}, exitUsage, "", "is not a time zone; write its name in the IANA database"},
		{[]string{"--metric=throughput_up"}, exitNotEnoughData, "throughput_up", "not enough data"},
	} {
		stdout, stderr, status := perigeeRun(t, append([]string{"compare", "--store=" + dir}, c.flags...)...)
		if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%q: exit status %d, want %d\n%s%s", c.flags, status, c.status, stdout, stderr)
		}
	}
}
