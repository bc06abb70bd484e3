package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"perigee"
	"perigee/api"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// The far host answers on every address of its prefix; farA has no route of its own
// there, so that it can be taken away.
var (
	farA = netip.MustParseAddr("198.18.255.3")
	farB = netip.MustParseAddr("198.18.255.4")
)

// failure is how long each thing is kept broken: three times what is an outage.
const failure = 3 * time.Second

// TestEachFailureIsKnownForWhatItIs breaks one thing after the other under the real
// daemon, on real packets: a target, a link beyond its first hop, a link with its first
// hop, an interface, and the monitor itself, stopped and killed. Each is told as what it
// was, when it was, and nothing else is.
func TestEachFailureIsKnownForWhatItIs(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes a minute; set PERIGEE_LONG=1")
	}
	t.Parallel()
	if isolated(t) {
		return
	}
	l := newLab(t, quick("one"), quick("two"))
	one, _ := l.Link("one")
	two, _ := l.Link("two")
	routeByGateway(t, two)
	dir := t.TempDir()
	config := filepath.Join(dir, "perigee.yaml")
	text := fmt.Sprintf(`links:
  - {name: one, orbit: terrestrial, interface: %s, first_hop: %s}
  - {name: two, orbit: terrestrial, interface: %s, first_hop: auto}
targets:
  - {name: far-a, address: %s}
  - {name: far-b, address: %s}
probes: {icmp: {interval: 50ms, window: 1s, loss_timeout: 500ms}}
storage: {path: %s}
api: {listen: "127.0.0.1:0"}
`, one.Device, one.Far, two.Device, farA, farB, filepath.Join(dir, "store"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := func() {
		t.Helper()
		since := time.Now()
		within(t, "every stream to be answered", func() bool { return answeredSince(l, since) == 6 })
	}
	type phase struct {
		name      string
		from, to  time.Time
		want, why string // class, blame, links, targets; empty: nothing, or the monitor's
	}
	var phases []phase
	broken := func(name, want, why string, begin, end func() error) {
		t.Helper()
		p := phase{name: name, want: want, why: why, from: time.Now()}
		if err := begin(); err != nil {
			t.Fatal(err)
		}
		pause := time.NewTimer(failure)
		<-pause.C
		p.to = time.Now()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		phases = append(phases, p)
		whole()
	}

	daemon := startDaemon(t, config)
	whole()
	toA := netlink.Route{Dst: single(farA), Type: unix.RTN_BLACKHOLE, Table: unix.RT_TABLE_LOCAL}
	broken("a target", "short target [one two] [far-a]", "all 2 links lost far-a, while far-b answered over",
		func() error { return l.FarDo(func() error { return netlink.RouteAdd(&toA) }) },
		func() error { return l.FarDo(func() error { return netlink.RouteDel(&toA) }) })

	// Answers of the far host, but not of the first hop, are thrown away.
	noWayBack := netlink.NewRule()
	noWayBack.Family, noWayBack.Priority, noWayBack.Type = unix.AF_INET, 10, unix.FR_ACT_BLACKHOLE
	noWayBack.Src, noWayBack.Dst = &net.IPNet{IP: net.IPv4(198, 18, 255, 0).To4(), Mask: net.CIDRMask(24, 32)}, single(one.Home)
	broken("a link", "short link [one] [far-a far-b]", "; the first hop answered",
		func() error { return l.FarDo(func() error { return netlink.RuleAdd(noWayBack) }) },
		func() error { return l.FarDo(func() error { return netlink.RuleDel(noWayBack) }) })

	broken("a first hop", "short lan [one] [far-a far-b first-hop]", "the first hop of one did not answer",
		func() error { return l.Blackhole("one", true) },
		func() error { return l.Blackhole("one", false) })

	broken("an interface", "local local [two] [far-a far-b first-hop]", `two: the system refused most probes with "interface down"`,
		func() error { _, err := l.SetDown("two", true); return err },
		func() error { _, err := l.SetDown("two", false); return err })
	routeByGateway(t, two)

	broken("the monitor, stopped", "", "",
		func() error { return daemon.Process.Signal(syscall.SIGSTOP) },
		func() error { return daemon.Process.Signal(syscall.SIGCONT) })

	broken("the monitor, killed", "", "",
		func() error { defer daemon.Wait(); return daemon.Process.Kill() }, //nolint:errcheck // it was killed
		func() error { daemon = startDaemon(t, config); return nil })

	// What is lost is known at the late horizon, and stored with its window.
	enough := time.NewTimer(3 * time.Second)
	<-enough.C
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Wait(); err != nil {
		t.Fatalf("the daemon ended with %v", err)
	}

	stdout, stderr, status := perigeeRun(t, "outages", "--json", "--store="+filepath.Join(dir, "store"))
	if status != exitDone {
		t.Fatal(stderr)
	}
	var report api.OutageReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	stalls := stallsIn(t, filepath.Join(dir, "store"))
	stalls = slices.DeleteFunc(stalls, func(g perigee.Gap) bool { // but for the one that was meant
		return slices.ContainsFunc(phases, func(p phase) bool { return p.want == "" && g.Start.Before(p.to) && g.End.After(p.from) })
	})
	told, still := report.Disruptions, 0
	for _, p := range phases {
		here, rest := divide(told, func(d api.Disruption) bool { return d.Start.Before(p.to) && d.End != nil && d.End.After(p.from) })
		told = rest
		disturbed := p.want != "" && slices.ContainsFunc(stalls, func(g perigee.Gap) bool {
			return g.Start.Before(p.to.Add(time.Second)) && g.End.After(p.from.Add(-time.Second))
		})
		if disturbed {
			still++
		}
		if p.want != "" && !disturbed && len(here) != 1 {
			t.Errorf("%s, %s to %s: told as %+v, want one", p.name, p.from, p.to, here)
			continue
		}
		for _, d := range here {
			if p.want == "" {
				if d.Class != string(perigee.ClassMonitor) || d.Blame != string(perigee.BlameMonitor) {
					t.Errorf("%s: %+v", p.name, d)
				}
				continue
			}
			if got := fmt.Sprintf("%s %s %v %v", d.Class, d.Blame, d.Links, d.Targets); got != p.want || !strings.Contains(d.Why, p.why) {
				t.Errorf("%s: told as %s: %s\nwant %s: %s", p.name, got, d.Why, p.want, p.why)
			}
			// Known to an interval at either end, and to what a busy machine skipped.
			const near = 500 * time.Millisecond
			if !disturbed && (d.Start.Sub(p.from).Abs() > near || d.End.Sub(p.to).Abs() > near) {
				t.Errorf("%s: told from %s to %s, was from %s to %s", p.name, d.Start, d.End, p.from, p.to)
			}
			t.Logf("%s: %s %s, %.2f s: %s", p.name, d.Class, d.Blame, d.DurationSeconds, d.Why)
		}
	}
	for _, d := range told {
		t.Errorf("nothing was broken when this was told: %+v", d)
	}
	if still > 0 {
		t.Skipf("the machine stood still during %d of the failures, which divides them: the totals say nothing", still)
	}
	first, second := report.Availability.Links[0].Total, report.Availability.Links[1].Total
	if first.Failures != 2 || second.Failures != 1 || len(first.Excused) == 0 || len(second.Excused) == 0 {
		t.Errorf("link one failed %d times and link two %d times, want 2 and 1, and the target's failure excused: %+v, %+v", first.Failures, second.Failures, first.Excused, second.Excused)
	}
}

// divide returns the disruptions that are, and those that are not.
func divide(list []api.Disruption, are func(api.Disruption) bool) (some, rest []api.Disruption) {
	for _, d := range list {
		if are(d) {
			some = append(some, d)
		} else {
			rest = append(rest, d)
		}
	}
	return some, rest
}

// stallsIn returns the gaps of a store in which the monitor did not run.
func stallsIn(t *testing.T, dir string) []perigee.Gap {
	t.Helper()
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(gaps, func(g perigee.Gap) bool { return g.Reason != perigee.GapStalled })
}

// startDaemon starts the program as a process of its own and waits until it is up.
func startDaemon(t *testing.T, config string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "run", "--config="+config)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := bufio.NewScanner(stderr)
	var said strings.Builder
	for text.Scan() {
		said.WriteString(text.Text() + "\n")
		if strings.Contains(text.Text(), "page and API at http://") {
			go func() {
				for text.Scan() { // so that it never waits for us
				}
			}()
			return cmd
		}
	}
	t.Fatalf("the daemon did not come up:\n%s", said.String())
	return nil
}

// answeredSince returns how many streams had two probes sent after a time and answered.
func answeredSince(l *lab.Lab, since time.Time) int {
	answered := map[string]int{}
	for _, trip := range lab.RoundTrips(l.Truth()) {
		if trip.Fate == lab.Delivered && trip.Wall > since.UnixNano() {
			answered[trip.Link+" "+trip.Dst.String()]++
		}
	}
	streams := 0
	for _, n := range answered {
		if n >= 2 {
			streams++
		}
	}
	return streams
}

// routeByGateway gives the way over a link to the far host a gateway, as at home.
func routeByGateway(t *testing.T, end lab.Endpoint) {
	t.Helper()
	device, err := netlink.LinkByName(end.Device)
	if err != nil {
		t.Fatal(err)
	}
	err = netlink.RouteReplace(&netlink.Route{LinkIndex: device.Attrs().Index, Gw: end.Far.AsSlice(), Priority: 1,
		Dst: &net.IPNet{IP: net.IPv4(198, 18, 255, 0).To4(), Mask: net.CIDRMask(24, 32)}})
	if err != nil {
		t.Fatal(err)
	}
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
}
