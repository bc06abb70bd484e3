package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/lab"
)

// A process is a real daemon, which measures in the network namespace of a test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	said *log
	url  string // of its page, without a slash at the end
	over bool
}

var pageText = regexp.MustCompile(`page and API at (https?://[^/]+)`)

// startProcess starts perigee run and waits until its page answers.
func startProcess(t *testing.T, file string, environment ...string) *process {
	t.Helper()
	p := &process{t: t, said: &log{}, cmd: exec.Command("/proc/self/exe", "run", "--config="+file)}
	p.cmd.Env = append(append(os.Environ(), beProgram+"=1"), environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.over {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	within(t, "the daemon", func() bool {
		m := pageText.FindStringSubmatch(p.said.String())
		if m != nil {
			p.url = m[1]
		}
		return m != nil
	})
	return p
}

// hangup has it read its configuration again, and waits until that is in effect.
func (p *process) hangup() {
	p.t.Helper()
	const read = "read again: configuration"
	before := strings.Count(p.said.String(), read)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	within(p.t, "reading again", func() bool { return strings.Count(p.said.String(), read) > before })
}

// stop ends it properly.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	err := p.cmd.Wait()
	if p.over = true; err != nil {
		p.t.Fatalf("%v\n%s", err, p.said)
	}
}

// ask asks it for JSON.
func (p *process) ask(path string, answer any) {
	p.t.Helper()
	r, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(answer); err != nil || r.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s, %v", path, r.Status, err)
	}
}

// TestResultsTellWhatMadeThem runs the real daemon by one configuration, by another from
// a hang-up signal on, and by that again after a restart.
func TestResultsTellWhatMadeThem(t *testing.T) {
	if isolated(t) {
		return
	}
	newLab(t, quick("a"), quick("b"))
	dir := t.TempDir()
	file := filepath.Join(dir, "perigee.yaml")
	configure := func(interval string) (hash string) {
		text := fmt.Sprintf("links: [{name: a, orbit: terrestrial, interface: a0}, {name: b, orbit: terrestrial, interface: b0}]\ntargets: [{name: far, address: %s}]\n"+
			"probes: {icmp: {interval: %s, window: 1s, loss_timeout: 300ms}}\nstorage: {path: %s}\napi: {listen: \"127.0.0.1:0\"}\n", lab.Target(), interval, filepath.Join(dir, "store"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		status, out, stderr := command(t, nil, "config", "check", "--json", file)
		var checked struct{ Hash string }
		if err := json.Unmarshal([]byte(out), &checked); status != exitDone || err != nil {
			t.Fatalf("%d, %v: %s", status, err, stderr)
		}
		return checked.Hash
	}
	store := storeFile(filepath.Join(dir, "store"))
	windows := func() int { return len(stored(t, store).Samples) }

	one := configure("50ms")
	p := startProcess(t, file)
	within(t, "two windows of each", func() bool { return windows() >= 4 })
	two := configure("100ms")
	p.hangup()
	n := windows()
	within(t, "two windows more of each", func() bool { return windows() >= n+6 })
	p.stop()
	p = startProcess(t, file)
	n = windows()
	within(t, "windows after the restart", func() bool { return windows() >= n+4 })

	var monitor api.MonitorResponse
	p.ask("/api/v1/monitor", &monitor)
	var compared api.CompareResponse
	p.ask("/api/v1/compare?from=1h", &compared)
	p.stop()
	b := stored(t, store)
	var began, reloaded time.Time
	for _, e := range b.Events {
		switch {
		case e.Kind == perigee.EventStarted && began.IsZero():
			began = e.Time
		case e.Kind == perigee.EventReloaded:
			reloaded = e.Time
		}
	}
	if one == two || reloaded.IsZero() {
		t.Fatalf("hashes %s and %s, events %v", one, two, b.Events)
	}
	for name, spans := range map[string][]api.ProvenanceSpan{"monitor": monitor.Provenance.Spans, "compare": compared.Provenance.Spans} {
		if len(spans) != 2 {
			t.Fatalf("%s: spans %+v, want two: a restart by the same configuration changes nothing", name, spans)
		}
		for i, want := range []struct {
			hash, probing string
			from          time.Time
		}{{one, "icmp every 50ms with 56 bytes, late after 300ms, windows of 1s, outages from 1s", began}, {two, "icmp every 100ms with 56 bytes, late after 300ms, windows of 1s, outages from 1s", reloaded}} {
			s := spans[i]
			if s.ConfigurationHash == nil || *s.ConfigurationHash != want.hash || s.Version == nil || *s.Version != buildInfo().Version || s.Instance == nil ||
				s.Probing == nil || *s.Probing != want.probing || !s.From.Equal(want.from) || fmt.Sprint(s.Methods) != "[icmp]" {
				t.Errorf("%s: span %d is %+v, want %+v", name, i, s, want)
			}
		}
		if to := spans[0].To; to == nil || !to.Equal(reloaded) {
			t.Errorf("%s: the first ends %v, want %v", name, to, reloaded)
		}
	}
	if m := monitor; m.ConfigurationHash == nil || *m.ConfigurationHash != two || m.Since == nil || !m.Since.Equal(reloaded) {
		t.Errorf("the monitor measures by %v since %v, want %s since %v", m.ConfigurationHash, m.Since, two, reloaded)
	}
	if w := strings.Join(compared.Pairs[0].Warnings, "\n"); !strings.Contains(w, "how links are probed was changed once in the range") {
		t.Errorf("warnings are %q, want one of the change", w)
	}
	status, out, stderr := command(t, nil, "export", "--store="+filepath.Dir(store))
	if status != exitDone {
		t.Fatal(stderr)
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339Nano, row[0])
		want := one
		if !at.Before(reloaded) {
			want = two
		}
		if got := row[len(row)-2]; err != nil || got != want {
			t.Errorf("the window of %v (%v) is of %q, want %q", at, err, got, want)
		}
		found[want]++
	}
	if found[one] < 4 || found[two] < 8 {
		t.Errorf("%v windows, want those of both configurations", found)
	}
}
