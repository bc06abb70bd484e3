package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/traces"
)

// pingTrace writes what ping -D -O would print of n probes: most take 40 ms or so, one in
// fifty is lost, and now and then twenty are.
func pingTrace(w io.Writer, n int) error {
	b := bytes.NewBufferString("PING far (192.0.2.1) 56(84) bytes of data.\n")
	for i := 1; i <= n; i++ {
		at := 1_700_000_000_000 + int64(i)*200 // ms
		if i%50 == 7 || i%5000 > 4980 {
			fmt.Fprintf(b, "[%d.%03d000] no answer yet for icmp_seq=%d\n", (at+200)/1000, (at+200)%1000, i%65536)
		} else {
			micros := 20_000 + i*7919%40_000
			stamp := at*1000 + int64(micros)
			fmt.Fprintf(b, "[%d.%06d] 64 bytes from 192.0.2.1: icmp_seq=%d ttl=50 time=%d.%03d ms\n", stamp/1e6, stamp%1e6, i%65536, micros/1000, micros%1000)
		}
		if b.Len() > 1<<16 {
			if _, err := b.WriteTo(w); err != nil {
				return err
			}
		}
	}
	_, err := b.WriteTo(w)
	return err
}

func traceFile(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	if err := pingTrace(&b, n); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "far.txt")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// command runs the program with text on its standard input.
func command(t *testing.T, stdin io.Reader, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	status = run(t.Context(), args, stdin, &out, &errors)
	return status, out.String(), errors.String()
}

// content is all that a store holds of results, as text.
func content(t *testing.T, dir string) string {
	t.Helper()
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var b bytes.Buffer
	q := perigee.Query{}
	for _, err := range []error{
		traces.WriteJSONL(&b, store.Samples(t.Context(), q)),
		traces.WriteSingletonsJSONL(&b, store.Singletons(t.Context(), q)),
		traces.WriteThroughputsJSONL(&b, store.Throughputs(t.Context(), q)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	outages, err := store.Outages(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	gaps, err := store.Gaps(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	events, err := store.Events(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	links, err := store.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []any{outages, gaps, events, links} {
		fmt.Fprintf(&b, "%+v\n", list)
	}
	return b.String()
}

// The figures stand beside the trace, from an independent computation.
func TestImportOfTheStarlinkTrace(t *testing.T) {
	testdata := os.Getenv("PERIGEE_TESTDATA")
	if testdata == "" {
		testdata = filepath.Join("..", "..", "..", "shared", "data")
	}
	name := filepath.Join(testdata, "mmsys24-starlink", "no-isl-ping-gw-seattle-230911-170535-0.1s-60min.txt")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("the Starlink trace is not here; set PERIGEE_TESTDATA to the directory that holds mmsys24-starlink: %v", err)
	}
	dir := t.TempDir()
	status, out, stderr := command(t, nil, "import", "ping", name, "--link=dish", "--target=seattle", "--orbit=starlink", "--site=victoria", "--store="+dir, "--json")
	if status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var report importJSON
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if want := (importCountsJSON{Planned: 36000, Sent: 36000, Received: 35087, Lost: 913}); report.Counts != want || report.Lines != 36000 || report.Bad != 0 {
		t.Errorf("got %+v of %d lines, want %+v", report.Counts, report.Lines, want)
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	summaries, err := perigee.Summarize(t.Context(), store, perigee.Query{Links: []perigee.LinkID{"dish"}})
	if err != nil || len(summaries) != 1 {
		t.Fatalf("got %d summaries, %v", len(summaries), err)
	}
	s := summaries[0].Sample
	quantile := func(q float64) float64 { v, _ := s.RTT.Quantile(q); return v }
	for _, c := range []struct {
		name           string
		got, want, off float64 // ms, and the share that it may be off
	}{
		{"min", s.RTT.Min, 16.7, 1e-9},
		{"max", s.RTT.Max, 345, 1e-9},
		{"mean", s.RTT.Mean, 47.50, 0.001},
		{"p5", quantile(0.05), 24.7, 0.005},
		{"median", quantile(0.5), 42.8, 0.005},
		{"p95", quantile(0.95), 86.6, 0.005},
		{"p99", quantile(0.99), 118, 0.005},
		{"mean abs IPDV", s.Variation.IPDV.Mean, 12.097, 0.001},
		{"RFC 3550 jitter", s.Variation.Jitter, 8.739, 0.001},
	} {
		if math.Abs(c.got*1000-c.want) > c.off*c.want {
			t.Errorf("%s = %.4f ms, want %g", c.name, c.got*1000, c.want)
		}
	}
}

func TestImportTwiceChangesNothing(t *testing.T) {
	dir, name := t.TempDir(), traceFile(t, 12_000)
	args := []string{"import", "ping", name, "--link=dish", "--site=home", "--store=" + dir}
	status, out, stderr := command(t, nil, args...)
	if status != exitDone || !strings.Contains(out, "12000") {
		t.Fatalf("status %d, %s%s", status, out, stderr)
	}
	once := content(t, dir)
	if status, _, stderr := command(t, nil, args...); status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if twice := content(t, dir); twice != once {
		t.Errorf("the store holds %d bytes of results, after the second import %d", len(once), len(twice))
	}
	if strings.Count(once, string(perigee.EventImported)) != 1 {
		t.Error("there is not one event of an import")
	}
}

// Imports that are killed, at any place of the trace, leave nothing wrong behind: the
// next one completes them.
func TestKilledImportIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	const probes = 25_000
	var whole bytes.Buffer
	if err := pingTrace(&whole, probes); err != nil {
		t.Fatal(err)
	}
	arguments := func(dir string) []string {
		return []string{"import", "ping", "-", "--link=dish", "--site=home", "--store=" + dir}
	}
	wanted, killed := t.TempDir(), t.TempDir()
	if status, _, stderr := command(t, bytes.NewReader(whole.Bytes()), arguments(wanted)...); status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	partial := false
	for i := 1; i <= 5; i++ {
		cmd := exec.Command(program, arguments(killed)...)
		cmd.Env = append(os.Environ(), beProgram+"=1")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// What the pipe has taken has been read, but for what fits into it.
		if _, err := stdin.Write(whole.Bytes()[:whole.Len()*i/6]); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it says that it was killed
		if held := content(t, killed); strings.Contains(held, `"planned"`) {
			partial = true
			if strings.Contains(held, string(perigee.EventImported)) {
				t.Error("an import that was killed says that it was done")
			}
		}
	}
	if !partial {
		t.Fatal("no import was killed after it had stored anything: nothing was tested")
	}
	if status, _, stderr := command(t, bytes.NewReader(whole.Bytes()), arguments(killed)...); status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if got, want := content(t, killed), content(t, wanted); got != want {
		t.Errorf("after imports that were killed the store holds %d bytes of results, after one that was not %d", len(got), len(want))
	}
}

func TestImportKeepsWhatIsKnownOfLinks(t *testing.T) {
	dir := storedResults(t, 3)
	name := traceFile(t, 300)
	if status, _, stderr := command(t, nil, "import", "ping", name, "--link=dish", "--orbit=geo", "--store="+dir); status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if status, _, stderr := command(t, nil, "import", "ping", name, "--link=fibre", "--store="+dir); status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	links, err := store.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range links {
		got = append(got, fmt.Sprint(l.Site.Name, " ", l.Link.ID, " ", l.Link.Orbit, " ", l.Link.Interface))
	}
	if want := []string{"home dish geo ", "home fibre terrestrial eth0", "home spare terrestrial eth1", "home star link starlink wan0"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	for s, err := range store.Samples(t.Context(), perigee.Query{Links: []perigee.LinkID{"dish"}}) {
		if err != nil || s.LossTimeout != 5*time.Second {
			t.Fatalf("the loss timeout of a GEO link is %v, %v", s.LossTimeout, err)
		}
	}
	events, err := store.Events(t.Context(), perigee.Query{Links: []perigee.LinkID{"dish"}})
	if err != nil {
		t.Fatal(err)
	}
	detail := ""
	for _, e := range events {
		if e.Kind == perigee.EventImported {
			detail = e.Detail
		}
	}
	for _, words := range []string{"ping file far.txt", "sha256 ", "301 lines, 0 bad", "300 probes, 6 lost"} {
		if !strings.Contains(detail, words) {
			t.Errorf("the event's detail is %q, without %q", detail, words)
		}
	}
}

func TestImportSaysWhatIsWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	held := t.TempDir()
	daemon, err := sqlite.Open(t.Context(), storeFile(held), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	good := "time,seq,rtt\n1700000000,0,0.02\n1700000001,1,0.02\n"
	for _, c := range []struct {
		name   string
		text   string
		args   []string
		status int
		stderr string // must be part of it
	}{
		{"no_link", good, []string{"csv", "-"}, exitUsage, "--link"},
		{"unknown_format", good, []string{"tsv", "-", "--link=a"}, exitUsage, "must be one of"},
		{"unknown_orbit", good, []string{"csv", "-", "--link=a", "--orbit=low"}, exitUsage, `orbit "low" is not one of`},
		{"no_file", good, []string{"csv", "none.csv", "--link=a"}, exitUsage, "none.csv"},
		{"a_directory", good, []string{"csv", ".", "--link=a"}, exitFailed, "nothing of 0 lines"},
		{"bad_start", good, []string{"csv", "-", "--link=a", "--start=soon"}, exitUsage, `--start "soon" is not a time`},
		{"empty_file", "", []string{"csv", "-", "--link=a"}, exitFailed, "nothing of 0 lines"},
		{"other_format", good, []string{"ping", "-", "--link=a"}, exitFailed, "is it of another format?"},
		{"bad_lines_are_told", good + "x,2,0.1\n1700000003,3,?\n1700000004,4,0.02\n", []string{"csv", "-", "--link=a"}, exitDone, "standard input:4: \"x\" is neither Unix seconds"},
		{"only_the_first", good + strings.Repeat("x,2,0.1\n", 10), []string{"csv", "-", "--link=a"}, exitDone, "10 lines could not be used; the first 5 are named above"},
		{"store_in_use", good, []string{"csv", "-", "--link=a", "--store=" + held}, exitFailed, "stop perigee run while importing, or import into a directory of its own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"import", "--store=" + t.TempDir()}, c.args...)
			status, out, stderr := command(t, strings.NewReader(c.text), args...)
			if status != c.status || !strings.Contains(stderr, c.stderr) {
				t.Errorf("status %d, want %d; standard error %q, want %q in it; output %q", status, c.status, stderr, c.stderr, out)
			}
			if status != exitDone && out != "" {
				t.Errorf("it failed and printed %q", out)
			}
		})
	}
}

// measuredBy has a store say that its results were measured by one configuration up to
// half past two minutes, and by another from then on.
func measuredBy(t *testing.T, dir string) (first, second perigee.Maker) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	first = perigee.Maker{Version: "v1.0.0", Configuration: "0123456789abcdef", Instance: "0a1b2c3d", Methods: "icmp", Probing: "icmp every 1s"}
	second = first
	second.Configuration, second.Probing = "fedcba9876543210", "icmp every 2s"
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	if err := store.Append(t.Context(), perigee.Batch{Events: []perigee.Event{
		{Site: "home", Time: start.Add(-time.Hour), Kind: perigee.EventStarted, Detail: first.Detail()},
		{Site: "home", Time: start.Add(150 * time.Second), Kind: perigee.EventReloaded, Detail: second.Detail()},
	}}); err != nil {
		t.Fatal(err)
	}
	return first, second
}

// What was exported before rows told what made them is imported, and said to be of that
// file: no version is invented.
func TestImportOfAnOldExport(t *testing.T) {
	from := storedResults(t, 3)
	status, exported, stderr := command(t, nil, "export", "--store="+from)
	if status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	old := ""
	for line := range strings.Lines(exported) {
		for range 3 { // version, configuration_hash, source
			line = line[:strings.LastIndex(line, ",")]
		}
		old += line + "\n"
	}
	if !strings.HasSuffix(old[:strings.Index(old, "\n")], ",state") {
		t.Fatalf("the old header is %q", old[:strings.Index(old, "\n")])
	}
	dir := t.TempDir()
	if status, _, stderr := command(t, strings.NewReader(old), "import", "perigee", "-", "--store="+dir); status != exitDone || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	status, again, stderr := command(t, nil, "export", "--store="+dir)
	if status != exitDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	want := fmt.Sprintf(",,,\"perigee file standard input, sha256 %x\"", sha256.Sum256([]byte(old)))
	rows := strings.Split(strings.TrimSpace(again), "\n")
	for _, row := range rows[1:] {
		if !strings.HasSuffix(row, want) {
			t.Fatalf("a row ends %q, want %q", row[max(0, len(row)-120):], want)
		}
	}
	if len(rows) != 1+9 {
		t.Errorf("%d rows, want those of three windows of three links", len(rows)-1)
	}
}

// What another machine exported is imported as it was, under its own names, with what made
// it.
func TestImportOfAnExport(t *testing.T) {
	from := storedResults(t, 30)
	first, second := measuredBy(t, from)
	want := ""
	for _, c := range [][]string{{"csv", "perigee"}, {"jsonl", "perigee"}, {"lp", "lp"}} {
		status, exported, stderr := command(t, nil, "export", "--format="+c[0], "--store="+from)
		if status != exitDone {
			t.Fatalf("status %d: %s", status, stderr)
		}
		dir := t.TempDir()
		if status, _, stderr := command(t, strings.NewReader(exported), "import", c[1], "-", "--store="+dir); status != exitDone || stderr != "" {
			t.Fatalf("%s: status %d: %s", c[0], status, stderr)
		}
		if status, again, stderr := command(t, nil, "export", "--format=csv", "--store="+dir); status != exitDone {
			t.Fatalf("status %d: %s", status, stderr)
		} else if c[0] == "csv" {
			want = exported
			for _, m := range []perigee.Maker{first, second} { // 15 windows of three links
				if n := strings.Count(exported, ","+m.Version+","+m.Configuration+",\n"); n != 45 {
					t.Errorf("%d rows were made by %+v, want 45", n, m)
				}
			}
			if again != exported {
				t.Errorf("%s: exported again it is not the same", c[0])
			}
		} else if again != want {
			t.Errorf("%s: exported again it is not the same", c[0])
		}
	}
}
