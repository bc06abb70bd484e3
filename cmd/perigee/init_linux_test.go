package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// cable lays a veth from this namespace to another and gives this end an address.
func cable(t *testing.T, far *netlink.Handle, ns netns.NsHandle, name, home, peer string) netlink.Link {
	t.Helper()
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p", PeerNamespace: netlink.NsFd(ns)}))
	end, err := netlink.LinkByName(name)
	must(t, err)
	a, err := netlink.ParseAddr(home)
	must(t, err)
	must(t, netlink.AddrAdd(end, a))
	must(t, netlink.LinkSetUp(end))
	other, err := far.LinkByName(name + "p")
	must(t, err)
	if peer != "" {
		a, err := netlink.ParseAddr(peer)
		must(t, err)
		must(t, far.AddrAdd(other, a))
	}
	must(t, far.LinkSetUp(other))
	return end
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// defaultBy adds a default route.
func defaultBy(t *testing.T, l netlink.Link, gateway string, metric, table int) {
	t.Helper()
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(gateway), Priority: metric, Table: table}))
}

// sent returns how many packets left by a device.
func sent(t *testing.T, name string) uint64 {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l.Attrs().Statistics.TxPackets
}

// TestInitLooksAtTheMachine lets init see a machine with a dish, a modem, a line by policy
// routing, a tunnel and a device that leads nowhere, made of cables to another namespace:
// it must tell them apart, send nothing unless it is told to, and write what can be read.
func TestInitLooksAtTheMachine(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// IPv6 would send by itself.
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0))
	here, err := netns.Get()
	must(t, err)
	there, err := netns.New()
	must(t, err)
	dish, err := net.Listen("tcp", ":9200")
	must(t, err)
	defer dish.Close()
	go func() {
		for {
			conn, err := dish.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	must(t, netns.Set(here))
	far, err := netlink.NewHandleAt(there)
	must(t, err)
	defer far.Close()

	wan := cable(t, far, there, "wan0", "198.51.100.2/24", "198.51.100.1/24")
	defaultBy(t, wan, "198.51.100.1", 100, mainTable)
	modem := cable(t, far, there, "wwan0", "100.83.1.2/24", "")
	defaultBy(t, modem, "100.83.1.1", 700, mainTable)
	policy := cable(t, far, there, "wan1", "203.0.113.9/24", "")
	defaultBy(t, policy, "203.0.113.1", 0, 100)
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Src = netlink.FAMILY_V4, 100, &net.IPNet{IP: net.IPv4(203, 0, 113, 9), Mask: net.CIDRMask(32, 32)}
	must(t, netlink.RuleAdd(rule))
	cable(t, far, there, "lan0", "192.168.7.1/24", "")
	tunnel := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN}
	must(t, netlink.LinkAdd(tunnel))
	must(t, netlink.LinkSetUp(tunnel))
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: tunnel.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Scope: netlink.SCOPE_LINK, Priority: 50}))

	result := func(args ...string) initResult {
		t.Helper()
		stdout, stderr, status := perigeeRun(t, append([]string{"init", "--json"}, args...)...)
		var r initResult
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitDone {
			t.Fatalf("exit status %d, %v: %s%s", status, err, stdout, stderr)
		}
		return r
	}
	describe := func(r initResult) string {
		var all []string
		for _, l := range r.Links {
			all = append(all, l.Interface+" "+l.Orbit)
		}
		return strings.Join(all, ", ")
	}
	file := filepath.Join(t.TempDir(), "etc", "perigee.yaml")

	before := sent(t, "wan0")
	r := result("--dry-run", "--config="+file)
	if got := describe(r); got != "wan0 terrestrial, wan1 terrestrial, wwan0 cellular" {
		t.Errorf("saw %s", got)
	}
	if all := strings.Join(r.Assumptions, "\n"); !strings.Contains(all, "tun0 is a tunnel") || !strings.Contains(all, "wwan0 has 100.83.1.2, of the space") || strings.Contains(all, "lan0") {
		t.Errorf("assumed %s", all)
	}
	if !strings.Contains(r.Text, "source: 203.0.113.9") {
		t.Errorf("policy routing by source is lost:\n%s", r.Text)
	}
	if r.Written {
		t.Error("a dry run wrote")
	}

	// The dish is where the route says, and is found by asking, over wan0 alone.
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: wan.Attrs().Index, Gw: net.IPv4(198, 51, 100, 1), Dst: &net.IPNet{IP: dishAddress.AsSlice(), Mask: net.CIDRMask(32, 32)}}))
	if got := describe(result("--config=" + file)); got != "wan0 starlink, wan1 terrestrial, wwan0 cellular" {
		t.Errorf("with a route to the dish, saw %s", got)
	}
	if n := sent(t, "wan0"); n != before {
		t.Errorf("%d packets left without anybody's leave", n-before)
	}
	other, err := far.LinkByName("wan0p")
	must(t, err)
	a, err := netlink.ParseAddr(dishAddress.String() + "/32")
	must(t, err)
	must(t, far.AddrAdd(other, a))
	r = result("--look", "--force", "--config="+file)
	if got := describe(r); got != "wan0 starlink, wan1 terrestrial, wwan0 cellular" || !strings.Contains(strings.Join(r.Links[0].Because, ";"), "a dish answers at 192.168.100.1 over it") {
		t.Errorf("with a dish that answers, saw %s because %q", got, r.Links[0].Because)
	}
	if sent(t, "wan0") == before || sent(t, "wwan0") != 0 {
		t.Error("the dish was not asked over wan0, or over a modem, where none can be")
	}

	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want 0640", info.Mode())
	}
	if stdout, stderr, status := perigeeRun(t, "config", "check", file); status != exitDone || !strings.Contains(stdout, "link starlink (starlink) by device wan0") {
		t.Errorf("what was written is not valid: %s%s", stdout, stderr)
	}
	written, err := os.ReadFile(file)
	must(t, err)
	for _, c := range []struct {
		args   []string
		status int
		said   string
	}{
		{[]string{"--yes"}, exitUsage, "is left as it is; replace it with --force"},
		{[]string{"--yes", "--keep"}, exitDone, "is there and is kept"},
		{nil, exitUsage, "is left as it is"},
	} {
		stdout, stderr, status := perigeeRun(t, append([]string{"init", "--config=" + file}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.said) {
			t.Errorf("%q: exit status %d, want %d: %s%s", c.args, status, c.status, stdout, stderr)
		}
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(written) {
		t.Errorf("the configuration was changed (%v)", err)
	}

	// A file of comments, as the packages install it, is no configuration.
	must(t, os.WriteFile(file, []byte("# nothing\n\n  # is said\n"), 0o640))
	stdout, stderr, status := perigeeRun(t, "init", "--yes", "--config="+file, "--influxdb=http://127.0.0.1:8086", "--influxdb-org=home", "--influxdb-token-file=/etc/perigee/influx.token")
	if status != exitDone || !strings.Contains(stdout, "wrote "+file+": 3 links to 2 targets") {
		t.Errorf("exit status %d: %s%s", status, stdout, stderr)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "url: \"http://127.0.0.1:8086\"\n    org: home\n    bucket: perigee\n    token_file: /etc/perigee/influx.token\n") {
		t.Errorf("the database is not in it (%v):\n%s", err, text)
	}

	for _, l := range []netlink.Link{wan, modem, policy} {
		must(t, netlink.LinkDel(l))
	}
	if _, stderr, status := perigeeRun(t, "init", "--yes", "--force", "--config="+file); status != exitUsage || !strings.Contains(stderr, "no way out to measure") {
		t.Errorf("without a way out: exit status %d: %s", status, stderr)
	}
}
