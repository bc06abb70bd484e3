package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"perigee"
	"perigee/internal/lab"
)

// TestHangupReloads sends the real daemon hang-up signals while it measures: for a
// configuration that is wrong, and for one in which a link goes, one comes and one stays.
func TestHangupReloads(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("a"), quick("b"), quick("c"))
	dir := t.TempDir()
	file, store := filepath.Join(dir, "perigee.yaml"), storeFile(filepath.Join(dir, "store"))
	configure := func(keep string, links ...string) {
		text := "links:\n"
		for _, name := range links {
			text += fmt.Sprintf("  - {name: %s, orbit: terrestrial, interface: %s0}\n", name, name)
		}
		text += fmt.Sprintf(`targets:
  - {name: far, address: %s}
probes: {icmp: {interval: 50ms, window: 1s, loss_timeout: 300ms}}
storage: {path: %s, keep: {singletons: %s}}
api: {listen: "127.0.0.1:0"}
`, lab.Target(), filepath.Dir(store), keep)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("14d", "a", "b")
	said := &log{}
	cmd := exec.Command("/proc/self/exe", "run", "--config="+file)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := false
	defer func() {
		if !exited {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	of := func(b perigee.Batch, link perigee.LinkID) perigee.Batch {
		b.Samples = slices.DeleteFunc(slices.Clone(b.Samples), func(s perigee.Sample) bool { return s.Stream.Link != link })
		return b
	}
	windows := func(link perigee.LinkID) int {
		return len(of(stored(t, store), link).Samples)
	}
	within(t, "the daemon", func() bool { return strings.Contains(said.String(), "page and API at") })
	within(t, "two windows", func() bool { return windows("a") >= 2 })

	hangup := func(what string) {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		within(t, what, func() bool { return strings.Contains(said.String(), what) })
	}
	configure("14d", "a", "a")
	hangup("the configuration was not taken")
	if want := file + ":3:12: links[1].name: "; !strings.Contains(said.String(), want) {
		t.Errorf("it says:\n%s\nwant %q in it", said, want)
	}
	configure("2d", "a", "c")
	hangup("read again: configuration")
	n := windows("c")
	within(t, "two windows of the new link", func() bool { return windows("c") >= n+2 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if exited = true; err != nil {
		t.Fatalf("%v\n%s", err, said)
	}

	b := stored(t, store)
	if len(b.Gaps) != 0 || counted(b.Events, perigee.EventStarted) != 1 || counted(b.Events, perigee.EventReloaded) != 1 {
		t.Errorf("gaps %v, events %v; want no gap, one start and one reload", b.Gaps, b.Events)
	}
	truth := map[string]int64{}
	for _, trip := range lab.RoundTrips(l.Truth()) {
		truth[trip.Link]++
	}
	for _, link := range []string{"a", "b", "c"} {
		of := of(b, perigee.LinkID(link))
		consecutive(t, of, 0)
		var c perigee.Counts
		for i, s := range of.Samples {
			c.Merge(s.Counts)
			first, last := i == 0, i == len(of.Samples)-1
			// 20 a second in each window of a second, but where the daemon begins or ends;
			// the one that is due at a border may be sent after it.
			if whole := !(first && link != "c") && !(last && link != "b"); whole && (s.Counts.Planned-20)*(s.Counts.Planned-20) > 1 {
				t.Errorf("%s: %d probes planned in window %d of %d, want 20", link, s.Counts.Planned, i+1, len(of.Samples))
			}
		}
		if c.Sent != truth[link] || c.SendFailed != 0 {
			t.Errorf("%s: counts %+v, want %d sent as the lab says and none failed", link, c, truth[link])
		}
		t.Logf("%s: %d windows, %d probes, all that left", link, len(of.Samples), c.Sent)
	}
}
