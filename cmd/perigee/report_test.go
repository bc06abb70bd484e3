package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"perigee"
	"perigee/api"
	"perigee/internal/evidence"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// reportBegin is when the results of storedReport begin.
var reportBegin = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// storedReport adds to storedOutages what a report shows beside: plans, transfers with
// round trips under load, a gap, an event, data moved, a link without results, and one
// with a hostile name.
func storedReport(t *testing.T) string {
	t.Helper()
	dir := storedOutages(t)
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Describe(t.Context(), perigee.Site{Name: "home", Latitude: -35.28125, Longitude: 149.13, Located: true}, []perigee.Link{
		{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Interface: "eth0", Plan: perigee.Plan{Down: 90e6, Up: 20e6, Availability: 0.9999}},
		{ID: "star link", Orbit: perigee.OrbitStarlink, Interface: "wan0"},
		{ID: "spare", Orbit: perigee.OrbitTerrestrial, Interface: "eth1"},
		{ID: hostileLink, Orbit: perigee.OrbitGEO, Interface: "wan1"},
		{ID: "idle", Orbit: perigee.OrbitCellular, Interface: "wwan0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := func(link perigee.LinkID, load perigee.Load) perigee.Stream {
		return perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: load}
	}
	b := perigee.Batch{
		Gaps:   []perigee.Gap{{Site: "home", Start: reportBegin.Add(20 * time.Minute), End: reportBegin.Add(22 * time.Minute), Reason: perigee.GapStopped, Detail: "<b>"}},
		Events: []perigee.Event{{Site: "home", Time: reportBegin, Kind: perigee.EventStarted, Detail: "perigee 1.2"}},
	}
	slow := storagetest.NewGenerator(9)
	slow.RTT += 600 * time.Millisecond
	for w := range 100 {
		b.Samples = append(b.Samples, slow.Sample(stream(hostileLink, perigee.LoadIdle), reportBegin.Add(time.Duration(w)*10*time.Second)))
	}
	loaded := storagetest.NewGenerator(10)
	loaded.RTT += 80 * time.Millisecond
	for w := range 6 {
		b.Samples = append(b.Samples, loaded.Sample(stream("fibre", perigee.LoadDown), reportBegin.Add(22*time.Minute+time.Duration(w)*10*time.Second)))
	}
	for i := range 8 {
		direction := perigee.LoadDown
		if i%2 == 1 {
			direction = perigee.LoadUp
		}
		at := stream("fibre", direction)
		at.Method = perigee.MethodTransfer
		b.Throughputs = append(b.Throughputs, perigee.Throughput{
			Stream: at, Start: reportBegin.Add(time.Duration(i) * 2 * time.Minute), Length: 10 * time.Second, Server: "far:4862", Streams: 1, Stop: perigee.StoppedAtTime,
			Rate: 10e6 * float64(8+i), Steady: i != 2, Error: -1, Retransmitted: -1, ReceiverCounted: true, Bytes: 100, SeriesStep: time.Second, Series: []int64{60, 40},
		})
	}
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	moved := map[perigee.LinkID]map[perigee.Purpose]int64{"fibre": {perigee.PurposeProbing: 1000, perigee.PurposeTransfer: 2000, perigee.PurposeDevice: 5000}}
	if err := store.AddTraffics(t.Context(), "home", reportBegin, moved); err != nil {
		t.Fatal(err)
	}
	return dir
}

const hostileLink perigee.LinkID = `"><script>alert('x')</script>&`

// makeReport runs the command in a directory of its own and returns the document's name.
func makeReport(t *testing.T, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "report.html")
	if stdout, stderr, status := perigeeRun(t, append([]string{"report", "--output=" + name}, args...)...); status != exitDone {
		t.Fatalf("exit status %d: %s%s", status, stdout, stderr)
	}
	return name
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask gets an answer of the API from the store in dir.
func ask(t *testing.T, dir, path string, query url.Values, into any) {
	t.Helper()
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/api/v1"+path+"?"+query.Encode(), nil)
	r.Host = "localhost"
	api.New(answering(streams{out: io.Discard, err: io.Discard}, store, door{})).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", r.URL, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

// shown are the figures of a part of a document: metric and statistic to values.
func shown(part *html.Node) map[string][]float64 {
	figures := map[string][]float64{}
	for d := range part.Descendants() {
		if d.Type == html.ElementNode && d.Data == "data" {
			a := map[string]string{}
			for _, attr := range d.Attr {
				a[attr.Key] = attr.Val
			}
			v, err := strconv.ParseFloat(a["value"], 64)
			if err != nil {
				v = math.NaN() // equal to nothing
			}
			key := strings.TrimSuffix(a["data-metric"]+"/"+a["data-stat"], "/")
			figures[key] = append(figures[key], v)
		}
	}
	return figures
}

// sections divides a document by the ids of their headings.
func sections(t *testing.T, document []byte) map[string]*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]*html.Node{}
	for d := range root.Descendants() {
		if d.Type == html.ElementNode && d.Data == "section" {
			for _, a := range d.Attr {
				if a.Key == "aria-labelledby" {
					parts[a.Val] = d
				}
			}
		}
	}
	return parts
}

// Every number of the document is one that the API gives for the same question.
func TestReportNumbersAreTheAPIs(t *testing.T) {
	dir := storedReport(t)
	name := makeReport(t, "--store="+dir)
	parts := sections(t, readFile(t, name))
	from, to := reportBegin, reportBegin.Add(1320*time.Second+60*time.Second)
	span := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}

	var availability api.AvailabilityResponse
	ask(t, dir, "/availability", span, &availability)
	compareBy := func(metric string) (answer api.CompareResponse) {
		ask(t, dir, "/compare", url.Values{"from": span["from"], "to": span["to"], "metric": {metric}}, &answer)
		return answer
	}
	down, up := compareBy("throughput_down"), compareBy("throughput_up")
	var all []map[string][]float64
	for i, l := range availability.Links {
		expected := map[string][]float64{}
		expect := func(key string, v *float64) {
			if v != nil {
				expected[key] = append(expected[key], *v)
			}
		}
		count := func(key string, n int64) { expected[key] = append(expected[key], float64(n)) }
		var summary api.SummaryResponse
		ask(t, dir, "/links/"+url.PathEscape(l.Link)+"/summary", span, &summary)
		for _, s := range summary.Targets {
			rtt := "rtt"
			if s.Load != string(perigee.LoadIdle) {
				rtt = "rtt_loaded"
			}
			q, c := s.RTTSeconds.Quantiles, s.Counts
			expect(rtt+"/p50", q.Q50)
			expect(rtt+"/p95", q.Q95)
			expect(rtt+"/p99", q.Q99)
			expect(rtt+"/min", s.RTTSeconds.Min)
			expect("loss_ratio", s.LossRatio)
			expect("jitter", s.JitterSeconds)
			expect("pdv/p95", s.PDVSeconds.P95)
			expect("availability", s.Availability)
			expect("loss_period/longest_seconds", &s.LossPeriod.LongestSeconds)
			for key, n := range map[string]int64{"planned": c.Planned, "sent": c.Sent, "send_failed": c.SendFailed, "skipped": c.Skipped, "received": c.Received, "late": c.Late, "lost": c.Lost} {
				count(key, n)
			}
		}
		for _, r := range append(l.Periods, l.Total) {
			expect("link_availability", r.Availability)
			expect("mtbf", r.MTBFSeconds)
			expect("mttr", r.MTTRSeconds)
			count("failures", int64(r.Failures))
		}
		var compared api.CompareResponse
		ask(t, dir, "/compare", span, &compared)
		for _, c := range compared.Links {
			if c.Link == l.Link {
				expect("floor", c.FloorSeconds)
			}
		}
		for direction, transferred := range map[string]api.CompareResponse{"down": down, "up": up} {
			for _, c := range transferred.Links {
				if c.Link != l.Link || c.Rates.Transfers == 0 {
					continue
				}
				metric := "throughput_" + direction
				expect(metric+"/mean", c.Rates.Mean)
				expect(metric+"/min", c.Rates.Min)
				expect(metric+"/max", c.Rates.Max)
				kept := c.Plan.Down
				if direction == "up" {
					kept = c.Plan.Up
				}
				expect(metric+"/plan_met", kept.MetRatio)
			}
		}
		all = append(all, expected)
		compareFigures(t, l.Link, shown(parts[fmt.Sprintf("link-%d", i+1)]), expected)
	}
	// The parts about all links hold numbers of any of them.
	any := map[string][]float64{}
	for _, expected := range all {
		for key, values := range expected {
			any[key] = append(any[key], values...)
		}
	}
	compareFigures(t, "summary", shown(parts["summary"]), any)
	compareFigures(t, "streams", shown(parts["streams"]), any)
	for i, l := range availability.Links {
		if n := len(shown(parts[fmt.Sprintf("link-%d", i+1)])); l.Link == "fibre" && n < 20 {
			t.Errorf("fibre shows %d statistics", n)
		}
	}

	// Verdicts, word for word.
	for metric, part := range map[string]string{"rtt": "summary", "loss_ratio": "pairs", "availability": "pairs", "throughput_down": "pairs", "rtt_loaded": "pairs"} {
		compared := compareBy(metric)
		words := plainText(parts[part])
		for _, p := range compared.Pairs {
			if !strings.Contains(words, p.Verdict) {
				t.Errorf("%s against %s: not told that %q", p.A, p.B, p.Verdict)
			}
		}
	}
}

// compareFigures reports each value shown that is not among those expected.
func compareFigures(t *testing.T, part string, got, want map[string][]float64) {
	t.Helper()
	if len(got) == 0 && len(want) > 5 {
		t.Errorf("%s shows nothing", part)
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		for _, v := range got[key] {
			if !slices.ContainsFunc(want[key], func(w float64) bool { return math.Abs(w-v) <= 1e-9*max(math.Abs(w), 1) }) {
				t.Errorf("%s: %s is %v, the API says %v", part, key, v, want[key])
			}
		}
	}
}

func plainText(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// The report, its evidence and the data belong together, and the same question has the
// same answer.
func TestReportAndEvidenceBelongTogether(t *testing.T) {
	dir, out := storedReport(t), t.TempDir()
	file := func(name string) string { return filepath.Join(out, name) }
	stdout, stderr, status := perigeeRun(t, "report", "--store="+dir, "--output="+file("a.html"), "--evidence="+file("a.zip"), "--json")
	var made reportJSON
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || status != exitDone {
		t.Fatalf("exit status %d: %v, %s", status, err, stderr)
	}
	stdout, stderr, status = perigeeRun(t, "report", "--verify="+file("a.zip"), "--report="+file("a.html"))
	if status != exitDone || !strings.Contains(stdout, "is as it was written") || !strings.Contains(stdout, made.DataSHA256) {
		t.Fatalf("exit status %d: %s%s", status, stdout, stderr)
	}
	z, err := zip.OpenReader(file("a.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	// What sha256sum of sha256sum says, without our code.
	var lines []string
	rows := map[string]int{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		rows[f.Name] = bytes.Count(b, []byte("\n"))
		if f.Name == evidence.ManifestName {
			if sum := fmt.Sprintf("%x", sha256.Sum256(b)); sum != *made.ManifestSHA256 {
				t.Errorf("manifest hash %s, said to be %s", sum, *made.ManifestSHA256)
			}
		} else if f.Name != "singletons.jsonl" {
			lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(b), f.Name))
		}
		if f.Name == "links.jsonl" && strings.Contains(string(b), "35.28") {
			t.Error("the evidence tells where the site is")
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "")))); sum != made.DataSHA256 {
		t.Errorf("data hash %s, said to be %s", sum, made.DataSHA256)
	}
	// 12 windows of each of three links lie within 2 min; singletons are 50 a window.
	want := map[string]int{"links.jsonl": 5, "samples.jsonl": 3*120 + 100 + 6, "throughputs.jsonl": 8, "outages.jsonl": 5, "gaps.jsonl": 1, "events.jsonl": 1, "traffic.jsonl": 3}
	for name, n := range want {
		if rows[name] != n {
			t.Errorf("%s has %d rows, want %d", name, rows[name], n)
		}
	}
	if rows["singletons.jsonl"] < 5*rows["samples.jsonl"] || rows["disruptions.jsonl"] < 2 {
		t.Errorf("rows %v", rows)
	}

	// Again, by the command that the report names, word for word but for the flags.
	document := string(readFile(t, file("a.html")))
	command := regexp.MustCompile(`<code>(perigee report --site=.*?)</code>`).FindStringSubmatch(document)
	if command == nil {
		t.Fatal("the report names no command that makes it again")
	}
	args := append(shellWords(t, html.UnescapeString(command[1]))[1:], "--store="+dir)
	if _, stderr, status := perigeeRun(t, append(args, "--output="+file("b.html"), "--evidence="+file("b.zip"))...); status != exitDone {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	if !bytes.Equal(readFile(t, file("a.zip")), readFile(t, file("b.zip"))) {
		t.Error("the same question gave other evidence")
	}
	timeless := func(name string) string {
		s := regexp.MustCompile(`<dt>Made</dt><dd>[^<]*`).ReplaceAllString(string(readFile(t, name)), "")
		return strings.ReplaceAll(s, "b.zip", "a.zip")
	}
	if timeless(file("a.html")) != timeless(file("b.html")) {
		t.Error("the same question gave another report")
	}
	if _, _, status := perigeeRun(t, append(args, "--output="+file("c.html"))...); status != exitDone || !strings.Contains(string(readFile(t, file("c.html"))), made.DataSHA256) {
		t.Error("without evidence the hash is another")
	}
	// Another range is other data.
	if _, _, status := perigeeRun(t, "report", "--store="+dir, "--output="+file("d.html"), "--evidence="+file("d.zip"), "--from=2026-01-31T12:05:00Z"); status != exitDone {
		t.Fatal(status)
	}
	stdout, _, status = perigeeRun(t, "report", "--verify="+file("d.zip"), "--report="+file("a.html"))
	if status != exitFailed || !strings.Contains(stdout, "belongs to another report") || !strings.Contains(stdout, "is of other data") {
		t.Errorf("exit status %d: %s", status, stdout)
	}
}

// shellWords undoes shellWord.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\\' && !quoted:
			i++
			word.WriteByte(line[i])
		case c == ' ' && !quoted:
			words = append(words, word.String())
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	return append(words, word.String())
}

// Each file of the evidence is named when it was touched.
func TestReportVerifyNamesWhatWasChanged(t *testing.T) {
	dir, out := storedReport(t), t.TempDir()
	file := func(name string) string { return filepath.Join(out, name) }
	if _, stderr, status := perigeeRun(t, "report", "--store="+dir, "--output="+file("a.html"), "--evidence="+file("a.zip")); status != exitDone {
		t.Fatal(stderr)
	}
	whole := readFile(t, file("a.zip"))
	verify := func(name string, b []byte) (string, int) {
		t.Helper()
		if err := os.WriteFile(file("x.zip"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, status := perigeeRun(t, "report", "--verify="+file("x.zip"), "--report="+file("a.html"))
		if status != exitFailed {
			t.Errorf("%s: exit status %d: %s%s", name, status, stdout, stderr)
		}
		return stdout, status
	}
	z, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(whole)
		flipped[at+int64(f.CompressedSize64)/2] ^= 0x10
		if stdout, _ := verify(f.Name, flipped); !strings.HasPrefix(stdout, f.Name+" ") {
			t.Errorf("a byte of %s was flipped: %s", f.Name, stdout)
		}
	}
	for _, n := range []int{0, 1, 100, len(whole) / 2, len(whole) - 1} {
		if stdout, _ := verify("cut", whole[:n]); !strings.Contains(stdout, "cut off or damaged") {
			t.Errorf("cut off at %d: %s", n, stdout)
		}
	}
	// Contents and manifest changed so that they fit: the report knows better.
	var forged bytes.Buffer
	w := evidence.NewWriter(&forged)
	if err := w.Add("samples.jsonl", true, func(w io.Writer) error { _, err := io.WriteString(w, "{}\n"); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(evidence.Manifest{}); err != nil {
		t.Fatal(err)
	}
	if stdout, _ := verify("forged", forged.Bytes()); !strings.HasPrefix(stdout, "manifest.json was changed, or belongs to another report") {
		t.Errorf("forged: %s", stdout)
	}
	// As JSON.
	stdout, _, status := perigeeRun(t, "report", "--verify="+file("x.zip"), "--report="+file("a.html"), "--json")
	var answer verifyJSON
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil || status != exitFailed || answer.OK || len(answer.Findings) != 2 {
		t.Errorf("exit status %d: %v, %s", status, err, stdout)
	}
	// A report that is none, and one made without evidence.
	if err := os.WriteFile(file("none.html"), []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	for report, want := range map[string]string{file("none.html"): "is no report of perigee", makeReport(t, "--store="+dir): "was made without evidence"} {
		if stdout, _, status := perigeeRun(t, "report", "--verify="+file("a.zip"), "--report="+report); status != exitFailed || !strings.Contains(stdout, want) {
			t.Errorf("exit status %d: %s, want %q", status, stdout, want)
		}
	}
	if stdout, _, status := perigeeRun(t, "report", "--verify="+file("a.zip")); status != exitDone || !strings.Contains(stdout, "compare the hash of its manifest") {
		t.Errorf("exit status %d: %s", status, stdout)
	}
}

func TestReportRefuses(t *testing.T) {
	dir := storedReport(t)
	out := t.TempDir()
	t.Chdir(out)
	if err := os.WriteFile("taken.html", []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"nothing_then", []string{"--from=2025-01-01T00:00:00Z", "--to=2025-01-02T00:00:00Z"}, exitNotEnoughData, "nothing was measured from 2025-01-01T00:00:00Z"},
		{"only_the_future", []string{"--from=2030-01-01T00:00:00Z"}, exitNotEnoughData, "results are stored from 2026-01-31T12:00:00Z"},
		{"a_link_without_results", []string{"--links=idle"}, exitNotEnoughData, "nothing was measured"},
		{"unknown_link", []string{"--links=nope"}, exitUsage, "known links are"},
		{"unknown_site", []string{"--site=away"}, exitNotEnoughData, "nothing was measured"},
		{"bad_timezone", []string{"--timezone=Canberra"}, exitUsage, "no time zone"},
		{"swapped", []string{"--from=2026-02-01T00:00:00Z", "--to=2026-01-01T00:00:00Z"}, exitUsage, "swap them"},
		{"taken", []string{"--output=taken.html"}, exitUsage, "replace it with --force"},
		{"evidence_taken", []string{"--evidence=taken.html"}, exitUsage, "replace it with --force"},
		{"both_the_same", []string{"--output=x", "--evidence=./x"}, exitUsage, "name two files"},
		{"report_without_verify", []string{"--report=taken.html"}, exitUsage, "--report is for --verify"},
		{"no_such_directory", []string{"--output=none/x.html", "--evidence=e.zip"}, exitFailed, "none"},
		{"no_such_directory_of_evidence", []string{"--output=x.html", "--evidence=none/e.zip"}, exitFailed, "none"},
		{"no_such_evidence", []string{"--verify=none.zip"}, exitFailed, "none.zip"},
		{"evidence_is_a_directory", []string{"--verify=."}, exitUsage, "not a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, stderr, status := perigeeRun(t, append([]string{"report", "--store=" + dir}, c.args...)...)
			if status != c.status || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit status %d, %s, want %d with %q", status, stderr, c.status, c.stderr)
			}
			left, err := filepath.Glob("*")
			hidden, _ := filepath.Glob(".*")
			if err != nil || len(left)+len(hidden) != 1 || string(readFile(t, "taken.html")) != "mine" {
				t.Errorf("left behind are %v %v", left, hidden)
			}
		})
	}
	// By default the name says what it is of, and nothing is replaced.
	stdout, stderr, status := perigeeRun(t, "report", "--store="+dir, "--timezone=Australia/Sydney")
	const name = "perigee-report-home-20260131T2300-20260131T2323.html"
	if status != exitDone || !strings.HasPrefix(stdout, name+": 2026-01-31T12:00:00Z to ") {
		t.Fatalf("exit status %d: %s%s", status, stdout, stderr)
	}
	if _, stderr, status = perigeeRun(t, "report", "--store="+dir, "--timezone=Australia/Sydney"); status != exitUsage || !strings.Contains(stderr, name) {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if _, stderr, status = perigeeRun(t, "report", "--store="+dir, "--timezone=Australia/Sydney", "--force"); status != exitDone {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

// What is wrong with the measuring itself stands where it cannot be missed.
func TestReportWarns(t *testing.T) {
	dir := storedReport(t)
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// A link with round trips of 40 ms is called geostationary, the clock was set, and TCP
	// connects before light could have come back.
	err = store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "fibre", Orbit: perigee.OrbitGEO, Interface: "eth0"}})
	if err == nil {
		err = store.Append(t.Context(), perigee.Batch{
			Events: []perigee.Event{{Site: "home", Time: reportBegin.Add(time.Minute), Kind: perigee.EventClockBack}},
			Throughputs: []perigee.Throughput{{
				Stream: perigee.Stream{Site: "home", Link: "star link", Target: "far", Method: perigee.MethodTransfer, Family: perigee.IPv4, Load: perigee.LoadUp},
				Start:  reportBegin.Add(time.Minute), Length: time.Second, Rate: 1e6, Steady: true, Error: -1, Retransmitted: -1, Bytes: 1, SeriesStep: time.Second, Series: []int64{1},
				Connect: perigee.Connect{TCP: time.Millisecond}, Idle: perigee.Latency{Sent: 1, Received: 1, Min: 0.6, P50: 0.6, P95: 0.6, P99: 0.6, Mean: 0.6},
			}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	parts := sections(t, readFile(t, makeReport(t, "--store="+dir, "--links=fibre,star link")))
	for part, want := range map[string]string{"summary": "clock was set once", "link-1": "fibre is called geo, but its smallest RTT", "link-2": "in 1 of 1 transfers TCP connected faster"} {
		if words := plainText(parts[part]); !strings.Contains(words, want) {
			t.Errorf("%s does not warn that %q", part, want)
		}
	}
}

// brokenStore fails while its single probes are read, which come last.
type brokenStore struct {
	reportStore
	left int
}

var errBroken = errors.New("the disk is gone")

func (s *brokenStore) Singletons(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		for sample, err := range s.reportStore.Singletons(ctx, q) {
			if s.left--; s.left < 0 {
				yield(perigee.Sample{}, errBroken)
				return
			}
			if !yield(sample, err) {
				return
			}
		}
	}
}

// Whatever ends a report too early leaves nothing behind.
func TestReportIsWholeOrNotThere(t *testing.T) {
	dir := storedReport(t)
	t.Chdir(t.TempDir())
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	q, err := completed(t.Context(), store, "", nil, time.Time{}, time.Time{}, time.Now(), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	c := reportCommand{Output: "a.html", Evidence: "a.zip", Raw: true}
	s := streams{out: io.Discard, err: io.Discard}
	empty := func() {
		t.Helper()
		if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
			t.Errorf("left behind are %v (%v)", left, err)
		}
	}
	if _, err := c.make(t.Context(), s, &brokenStore{store, 100}, q, time.Now()); !errors.Is(err, errBroken) {
		t.Errorf("%v, want the store's error", err)
	}
	empty()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.make(cancelled, s, store, q, time.Now()); err == nil {
		t.Error("a cancelled report was made")
	}
	empty()
	// The document cannot be written when the evidence stands: both go.
	c.Output = "none/a.html"
	if _, err := c.make(t.Context(), s, store, q, time.Now()); err == nil {
		t.Error("a report was written where there is no directory")
	}
	empty()
	c.Output = "a.html"
	if _, err := c.make(t.Context(), s, store, q, time.Now()); err != nil {
		t.Error(err)
	}
}

func TestReportOfFewLinks(t *testing.T) {
	dir := storedReport(t)
	one := string(readFile(t, makeReport(t, "--store="+dir, "--links=star link")))
	if strings.Contains(one, "How the links compare") || strings.Count(one, `class="link"`) != 1 {
		t.Error("the report of one link has others")
	}
	parts := sections(t, readFile(t, makeReport(t, "--store="+dir, "--links=star link,idle,fibre")))
	if len(parts["link-1"].Attr) == 0 || !strings.Contains(plainText(parts["link-1"]), "star link") || !strings.Contains(plainText(parts["link-3"]), "fibre") {
		t.Error("the links are not in the order asked")
	}
	if !strings.Contains(plainText(parts["link-2"]), "No latency was measured over this link in the range.") {
		t.Error("a link without results is not told as one")
	}
	if whole := string(readFile(t, makeReport(t, "--store="+dir))); strings.Contains(whole, "<script") || !strings.Contains(whole, html.EscapeString(string(hostileLink))) && !strings.Contains(whole, "&lt;script&gt;") {
		t.Error("a hostile name is not escaped")
	}
}

// The hash is that of what is stored, not of how far the store has rolled it up, and of
// nothing else that changes while time goes on.
func TestReportHashStaysWhileTimeGoesOn(t *testing.T) {
	dir := storedResults(t, 2)
	store, err := sqlite.Open(t.Context(), storeFile(dir), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	g := storagetest.NewGenerator(5)
	var b perigee.Batch
	for w := range 6 * 60 { // a window a minute, for three hours of the first day and three of the third
		at := reportBegin.Add(time.Duration(w) * time.Minute)
		if w >= 180 {
			at = at.Add(72 * time.Hour)
		}
		b.Samples = append(b.Samples, g.Sample(perigee.Stream{Site: "home", Link: "fibre", Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}, at.Add(time.Minute)))
	}
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	hash := func() string {
		stdout, stderr, status := perigeeRun(t, "report", "--store="+dir, "--output="+filepath.Join(t.TempDir(), "x.html"), "--json",
			"--from=2026-01-31T12:05:30Z", "--to=2026-02-03T17:30:30Z")
		var made reportJSON
		if err := json.Unmarshal([]byte(stdout), &made); err != nil || status != exitDone {
			t.Fatalf("exit status %d: %v, %s", status, err, stderr)
		}
		return made.DataSHA256
	}
	before := hash()
	if err := store.Roll(t.Context(), reportBegin.Add(30*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	rolled := hash()
	if err := store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{g.Sample(b.Samples[0].Stream, reportBegin.Add(100*time.Hour))}}); err != nil {
		t.Fatal(err)
	}
	if later := hash(); before != rolled || rolled != later {
		t.Errorf("hash %s, after rolling up %s, with later results %s", before, rolled, later)
	}
	late := g.Sample(b.Samples[0].Stream, reportBegin.Add(10*time.Hour))
	if err := store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{late}}); err != nil {
		t.Fatal(err)
	}
	if hash() == rolled {
		t.Error("one window more within the range, and the same hash")
	}
}

// The keys of the data files are part of what the hash is of: whoever changes one raises
// reportDataFormat.
func TestReportDataFormat(t *testing.T) {
	dir, out := storedReport(t), t.TempDir()
	name := filepath.Join(out, "a.zip")
	if _, stderr, status := perigeeRun(t, "report", "--store="+dir, "--output="+filepath.Join(out, "a.html"), "--evidence="+name); status != exitDone {
		t.Fatal(stderr)
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text := fmt.Sprintf("data format %d\n", reportDataFormat)
	for _, f := range z.File {
		if f.Name == evidence.ManifestName {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(r)
		keys := map[string]bool{}
		for {
			var row any
			if err := decoder.Decode(&row); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			collectKeys(row, "", keys)
		}
		text += f.Name + ": " + strings.Join(slices.Sorted(maps.Keys(keys)), " ") + "\n"
	}
	golden(t, "reportdata.golden", text)
}

// collectKeys gathers the keys of an object and of those within.
func collectKeys(v any, prefix string, keys map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			keys[prefix+k] = true
			collectKeys(below, prefix+k+".", keys)
		}
	case []any:
		for _, below := range v {
			collectKeys(below, prefix, keys)
		}
	}
}

func TestCommandsAreQuotedForTheShell(t *testing.T) {
	for word, want := range map[string]string{"--site=home": "--site=home", "--links=star link": "'--links=star link'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "": "''"} {
		if got := shellWord(word); got != want {
			t.Errorf("%q is quoted %s, want %s", word, got, want)
		}
		if got := shellWords(t, shellWord(word)); len(got) != 1 || got[0] != word {
			t.Errorf("%q reads back as %q", word, got)
		}
	}
}
