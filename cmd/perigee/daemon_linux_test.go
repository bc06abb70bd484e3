package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"perigee"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// quick is a line that answers after 10 ms, whatever happens.
func quick(name string) lab.Link {
	way := lab.Direction{Delay: 5 * time.Millisecond}
	return lab.Link{Name: name, Profile: lab.Profile{Name: name, Up: way, Down: way}}
}

// newLab makes a lab for a test that runs in namespaces of its own.
func newLab(t *testing.T, links ...lab.Link) *lab.Lab {
	t.Helper()
	l, err := lab.New(lab.Options{Seed: 1, Links: links, KeepTruth: true})
	if errors.Is(err, lab.ErrForbidden) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// log is a buffer that the daemon writes to while the test reads.
type log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// within waits until what is true, for at most two minutes, or five under the race detector.
func within(t testing.TB, what string, is func() bool) {
	t.Helper()
	patience := 2 * time.Minute
	if raced {
		patience = 5 * time.Minute
	}
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// TestRunRecordsALinkThatGoesDown takes the device of a measured link down and up
// again, where there is no other way to the target and where one stands open, and holds
// what the daemon stored against the lab's own times: within one interval, so that it runs
// beside no other test of the package.
func TestRunRecordsALinkThatGoesDown(t *testing.T) {
	if isolated(t) {
		return
	}
	t.Run("no_other_way", func(t *testing.T) { takeDown(t, newLab(t, quick("main"))) })
	t.Run("another_way_open", func(t *testing.T) {
		l := newLab(t, quick("main"), quick("other"))
		takeDown(t, l)
		if n := l.Stats("other").Entered[lab.Up]; n != 0 {
			t.Errorf("%d packets left by the other way", n)
		}
	})
}

// takeDown measures l's first link for 7 s and takes it down for 2 of them.
func takeDown(t *testing.T, l *lab.Lab) {
	t.Helper()
	end, _ := l.Link("main")
	dir := t.TempDir()
	const interval = 100 * time.Millisecond
	p := plan{
		site:     perigee.Site{Name: "test"},
		links:    []perigee.Link{{ID: "main", Orbit: perigee.OrbitTerrestrial, Interface: end.Device}},
		targets:  []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: interval, window: time.Second, outageAfter: time.Second, lossTimeout: time.Second, size: 56, storePath: dir,
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, err := newDaemon(ctx, streams{err: &log{}, out: &log{}}, p, nil, 70)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	within(t, "20 probes", func() bool { return l.Stats("main").Entered[lab.Up] >= 20 })
	down, err := l.SetDown("main", true)
	if err != nil {
		t.Fatal(err)
	}
	// Two seconds of planned probes that cannot be sent.
	pause := time.NewTimer(2 * time.Second)
	<-pause.C
	up, err := l.SetDown("main", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all perigee.Sample
	for s, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Counts.Check(); err != nil {
			t.Errorf("window %s: %v", s.Start, err)
		}
		if s.Counts.Sent > 0 && (s.Proof.InterfaceName != end.Device || s.Proof.Local != end.Home) {
			t.Errorf("window %s: proof %+v, want device %s and %s", s.Start, s.Proof, end.Device, end.Home)
		}
		all.Merge(s)
	}
	truth := perigee.Counts{}
	for _, trip := range lab.RoundTrips(l.Truth()) {
		if trip.Link != "main" {
			continue
		}
		truth.Sent++
		if trip.Fate == lab.Delivered {
			truth.Received++
		}
	}
	c := all.Counts
	if c.Planned != 70 || c.Sent != truth.Sent || c.Received != truth.Received {
		t.Errorf("counts %+v; planned must be 70, true are %+v", c, truth)
	}
	// 2 s at 10 a second, one more or less at each edge, and what was late on a busy machine.
	if c.SendFailed+c.Skipped < 18 || c.SendFailed > 22 {
		t.Errorf("%d sends failed and %d were skipped while the device was down for %s", c.SendFailed, c.Skipped, up.Sub(down))
	}
	outages, err := store.Outages(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(outages) != 1 {
		t.Fatalf("outages %+v, want one", outages)
	}
	o := outages[0]
	// Within one interval, or more by what a machine that stood still skipped.
	within := interval*time.Duration(1+c.Skipped) + 20*time.Millisecond
	near := func(got, want time.Time) bool { return got.Sub(want).Abs() <= within }
	if o.Open || o.Reason != "interface down" || !near(o.Start, down) || !near(o.End, up) {
		t.Errorf("outage %+v, want one from %s to %s because of \"interface down\"", o, down, up)
	}
}

// TestRunWithoutConfiguration runs the daemon where there is nothing but a default
// route, in a namespace whose far side has the addresses of the public anchors.
func TestRunWithoutConfiguration(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("wan"))
	end, _ := l.Link("wan")
	device, err := netlink.LinkByName(end.Device)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: device.Attrs().Index, Gw: end.Far.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	err = l.FarDo(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		for _, anchor := range publicAnchors {
			if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(anchor.Address).To4(), Mask: net.CIDRMask(32, 32)}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Chdir(t.TempDir())
	dir := filepath.Join(t.TempDir(), "store")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stderr log
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"run", "--store=" + dir, "--listen=127.0.0.1:0"}, strings.NewReader(""), &log{}, &stderr)
	}()
	within(t, "two answered probes of each target", func() bool {
		answered := map[string]int{}
		for _, trip := range lab.RoundTrips(l.Truth()) {
			if trip.Fate == lab.Delivered {
				answered[trip.Dst.String()]++
			}
		}
		return answered[end.Far.String()] >= 2 && answered["1.1.1.1"] >= 2 && answered["9.9.9.9"] >= 2
	})
	cancel()
	if got := <-status; got != exitDone {
		t.Fatalf("exit status %d\n%s", got, stderr.String())
	}
	for _, want := range []string{
		"no configuration found: measuring the link of the default route, wan0",
		"link wan0 (terrestrial) by device wan0",
		"first hop " + end.Far.String(),
		"target cloudflare: 1.1.1.1", "target quad9: 9.9.9.9",
		"page and API at http://127.0.0.1:",
	} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("standard error lacks %q:\n%s", want, stderr.String())
		}
	}

	stdout, message, code := perigeeRun(t, "export", "--store="+dir)
	if code != exitDone {
		t.Fatal(message)
	}
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(rows[0], "target")
	targets := map[string]bool{}
	for _, row := range rows[1:] {
		targets[row[column]] = true
	}
	if len(targets) != 3 || !targets["first-hop"] || !targets["cloudflare"] || !targets["quad9"] {
		t.Errorf("targets with samples: %v", targets)
	}
}

// TestProbeShowsEveryProbe measures a target that answers, one that does not, and one
// over a device that does not exist.
func TestProbeShowsEveryProbe(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	newLab(t, quick("main"))
	t.Chdir(t.TempDir())
	stdout, stderr, status := perigeeRun(t, "probe", "--interface=main0", "--count=10", "--interval=50ms", "--verbose", lab.Target().String())
	if status != exitDone {
		t.Fatalf("exit status %d\n%s", status, stderr)
	}
	// A machine that stands still for a while skips some.
	received, skipped := strings.Count(stdout, " received rtt="), strings.Count(stdout, " skipped (the monitor was late)")
	if received+skipped != 10 || received < 5 {
		t.Errorf("%d lines of received and %d of skipped probes, want 10 in all:\n%s", received, skipped, stdout)
	}
	_, stderr, status = perigeeRun(t, "probe", "--interface=main0", "--count=3", "--interval=20ms", "--timeout=100ms", "192.0.2.1")
	if status != exitFailed || !strings.Contains(stderr, "no probe was answered") {
		t.Errorf("no answer: exit status %d\n%s", status, stderr)
	}
	_, stderr, status = perigeeRun(t, "probe", "--interface=none0", "--count=3", "--interval=20ms", "--timeout=100ms", "192.0.2.1")
	if status != exitFailed || !strings.Contains(stderr, "no such device") {
		t.Errorf("no device: exit status %d\n%s", status, stderr)
	}
}

// TestDoctor looks at one link that can be bound and one that cannot.
func TestDoctor(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"))
	dir := t.TempDir()
	write := func(name, device string) string {
		file := filepath.Join(dir, name)
		text := fmt.Sprintf("links:\n  - {name: one, orbit: terrestrial, interface: %s}\ntargets:\n  - {name: far, address: %s}\nstorage: {path: %s}\n", device, lab.Target(), dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	stdout, _, status := perigeeRun(t, "doctor", "--config="+write("good.yaml", "main0"))
	if status != exitDone || !strings.Contains(stdout, "ok       link one: to far by device main0, from 198.18.1.1") {
		t.Errorf("exit status %d\n%s", status, stdout)
	}
	// A name has the route of the target that has an address: where a mark has one to that
	// alone, nothing is wrong.
	marked := filepath.Join(dir, "marked.yaml")
	text := fmt.Sprintf("links:\n  - {name: one, orbit: terrestrial, fwmark: 1}\ntargets:\n  - {name: far, address: %s}\n  - {name: named, address: far.example.net}\nstorage: {path: %s}\n", lab.Target(), dir)
	if err := os.WriteFile(marked, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, status = perigeeRun(t, "doctor", "--config="+marked)
	if status != exitDone || !strings.Contains(stdout, "ok       link one: to named by device main0") {
		t.Errorf("exit status %d\n%s", status, stdout)
	}
	stdout, _, status = perigeeRun(t, "doctor", "--config="+write("bad.yaml", "main7"))
	if status != exitFailed || !strings.Contains(stdout, "failed   link one: to far: ") || !strings.Contains(stdout, "no such device") {
		t.Errorf("exit status %d\n%s", status, stdout)
	}
	hop := func(name, hop string) string {
		file := filepath.Join(dir, name)
		text := fmt.Sprintf("links:\n  - {name: one, orbit: terrestrial, interface: main0, first_hop: %s}\ntargets:\n  - {name: far, address: %s}\nstorage: {path: %s}\n", hop, lab.Target(), dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	stdout, _, status = perigeeRun(t, "doctor", "--config="+hop("none.yaml", "auto"))
	if status == exitDone || !strings.Contains(stdout, "failed   link one: first_hop: the route of link one to 198.18.255.1 has no gateway; write the first hop's address") {
		t.Errorf("no gateway: exit status %d\n%s", status, stdout)
	}
	end, _ := l.Link("main")
	routeByGateway(t, end)
	stdout, _, status = perigeeRun(t, "doctor", "--config="+hop("auto.yaml", "auto"))
	if status != exitDone || !strings.Contains(stdout, "ok       link one: to first-hop 198.18.1.2 by device main0") {
		t.Errorf("a gateway: exit status %d\n%s", status, stdout)
	}
	stdout, _, status = perigeeRun(t, "doctor", "--config="+hop("address.yaml", "198.18.1.2"))
	if status != exitDone || !strings.Contains(stdout, "ok       link one: to first-hop by device main0") {
		t.Errorf("an address: exit status %d\n%s", status, stdout)
	}
	if sent := l.Stats("main").Entered[lab.Up]; sent != 0 {
		t.Errorf("doctor sent %d packets", sent)
	}
}

// TestAStopIsAGap runs the daemon twice on one store: the time in between is a gap, not
// an outage, and nothing of the first run is lost.
func TestAStopIsAGap(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"))
	end, _ := l.Link("main")
	dir := t.TempDir()
	p := plan{
		site:     perigee.Site{Name: "test"},
		links:    []perigee.Link{{ID: "main", Orbit: perigee.OrbitTerrestrial, Interface: end.Device}},
		targets:  []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: 20 * time.Millisecond, window: time.Second, outageAfter: time.Second, lossTimeout: 200 * time.Millisecond, size: 56, storePath: dir,
	}
	for range 2 {
		d, err := newDaemon(t.Context(), streams{err: &log{}, out: &log{}}, p, nil, 25)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var samples []perigee.Sample
	var planned int64
	for s, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, s)
		planned += s.Counts.Planned
	}
	if planned != 50 {
		t.Errorf("%d probes are stored, want 25 of each run", planned)
	}
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(gaps) != 1 || gaps[0].Reason != perigee.GapStopped || gaps[0].Link != "main" {
		t.Fatalf("gaps %+v, want one of reason stopped", gaps)
	}
	endsWith := slices.IndexFunc(samples, func(s perigee.Sample) bool { return s.End().Equal(gaps[0].Start) })
	if endsWith < 0 || endsWith+1 >= len(samples) || samples[endsWith+1].Start.Before(gaps[0].End) {
		t.Errorf("gap %s to %s does not lie between the last window of one run and the first of the next: %v", gaps[0].Start, gaps[0].End, samples)
	}
	if outages, err := store.Outages(t.Context(), perigee.Query{}); err != nil || len(outages) != 0 {
		t.Errorf("outages %v (%v)", outages, err)
	}
}

// TestRefusedWithoutPermission runs the program as a user who may open neither raw nor
// unprivileged ICMP sockets.
func TestRefusedWithoutPermission(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	newLab(t, quick("main"))
	err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("1 0"), 0)
	if errors.Is(err, syscall.EINVAL) {
		t.Skip("in a user namespace there is one user and one group, who may probe")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "perigee.yaml")
	text := fmt.Sprintf("links: [{name: one, orbit: terrestrial, interface: main0}]\ntargets: [{name: far, address: %s}]\nstorage: {path: store}\napi: {listen: \"127.0.0.1:0\"}\n", lab.Target())
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, args := range [][]string{
		{"run", "--config=" + config},
		{"probe", "--config=" + config, "--count=1"},
		{"doctor", "--config=" + config},
	} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
		cmd.Env = append(os.Environ(), beProgram+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skipf("cannot become another user here: %v", err)
		}
		if cmd.ProcessState.ExitCode() != exitPermission {
			t.Errorf("perigee %q: %v, want exit status %d\n%s", args, err, exitPermission, out)
		}
		for _, remedy := range []string{"setcap cap_net_raw+ep", "sysctl net.ipv4.ping_group_range"} {
			if !strings.Contains(string(out), remedy) {
				t.Errorf("perigee %q does not name the remedy %q:\n%s", args, remedy, out)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "store")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store was made although nothing may be measured (%v)", err)
	}
}
