//go:build linux

// Package bindtest builds small networks for tests: devices that lead to a far host,
// routes, and captures that tell which device a packet left by. Everything lives in
// namespaces of the test binary's own and vanishes with them; no packet can leave
// the machine.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { bindtest.Main(m) }
package bindtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const insideVariable = "PERIGEE_BINDTEST"

// Main runs the tests of m in a network namespace of their own, with the loopback
// device up, by running the test binary again; where the system does not allow that,
// it runs them here and Need skips.
func Main(m *testing.M) {
	if os.Getenv(insideVariable) != "" {
		if err := loopbackUp(); err != nil {
			fmt.Fprintln(os.Stderr, "loopback:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	runtime.LockOSThread() // the parent that Pdeathsig means is this thread
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(max(exit.ExitCode(), 1))
	}
	if err != nil { // namespaces are not allowed
		os.Exit(m.Run())
	}
	os.Exit(0)
}

// Need skips t where there are no namespaces.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(insideVariable) == "" {
		t.Skip("the system does not allow network namespaces: run as root, or allow unprivileged user namespaces")
	}
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// Host is a machine in a namespace of its own, whose kernel answers echo requests.
type Host struct {
	t  testing.TB
	ns netns.NsHandle
}

// NewHost makes a host that lives as long as t.
func NewHost(t testing.TB) *Host {
	t.Helper()
	Need(t)
	h := &Host{t: t}
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends in the new namespace
		ns, err := netns.New()
		h.ns = ns
		if err == nil {
			err = loopbackUp()
		}
		if err == nil {
			// No waiting for duplicate address detection; forward, so that a
			// target needs not be on the near link.
			for _, path := range []string{"ipv6/conf/default/accept_dad", "ipv6/conf/all/accept_dad"} {
				os.WriteFile("/proc/sys/net/"+path, []byte("0"), 0)
			}
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.ns.Close() })
	return h
}

// Path names the host's namespace; it is valid as long as the host.
func (h *Host) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(h.ns)) }

// Do runs f on a thread in the host's namespace.
func (h *Host) Do(f func() error) {
	h.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		h.t.Fatal(err)
	}
}

// AddAddress gives the host a further address, on its loopback device.
func (h *Host) AddAddress(prefix string) {
	h.t.Helper()
	h.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return addAddress(lo, prefix)
	})
}

func addAddress(l netlink.Link, prefix string) error {
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	if addr.IP.To4() == nil {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(l, addr); err != nil {
		return fmt.Errorf("address %s: %w", prefix, err)
	}
	return nil
}

// RouteTo adds a route of the host to dst by gateway.
func (h *Host) RouteTo(dst, gateway string) {
	h.t.Helper()
	h.Do(func() error {
		_, to, err := net.ParseCIDR(dst)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: to, Gw: net.ParseIP(gateway)})
	})
}

// Connect makes the device name here, connected to far, both ends up, with the given
// addresses such as "10.1.0.2/24"; those of the far end have 1 as their last byte.
// The device is deleted when t ends.
func (h *Host) Connect(name string, near ...string) {
	h.t.Helper()
	peer := name + "-far"
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: peer}
	pair.Name = name
	pair.PeerNamespace = netlink.NsFd(h.ns)
	if err := netlink.LinkAdd(pair); err != nil {
		h.t.Fatalf("veth %s: %v", name, err)
	}
	h.t.Cleanup(func() { netlink.LinkDel(pair) })
	far := func(prefix string) string {
		p := netip.MustParsePrefix(prefix)
		b := p.Addr().AsSlice()
		b[len(b)-1] = 1
		a, _ := netip.AddrFromSlice(b)
		return netip.PrefixFrom(a, p.Bits()).String()
	}
	h.Do(func() error {
		l, err := netlink.LinkByName(peer)
		for _, p := range near {
			if err == nil {
				err = addAddress(l, far(p))
			}
		}
		return errors.Join(err, netlink.LinkSetUp(l))
	})
	l, err := netlink.LinkByName(name)
	for _, p := range near {
		if err == nil {
			err = addAddress(l, p)
		}
	}
	if err = errors.Join(err, netlink.LinkSetUp(l), operational(name)); err != nil {
		h.t.Fatal(err)
	}
	h.Do(func() error { return operational(peer) })
}

// operational waits until the kernel has put a device with a carrier to use, which it
// does in the background: until then it drops what is sent.
func operational(device string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); <-tick.C {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return fmt.Errorf("device %s does not come up", device)
}

// Adopt moves a device from here to the host, with an address and a default route.
func (h *Host) Adopt(device, prefix, gateway string) {
	h.t.Helper()
	l, err := netlink.LinkByName(device)
	if err == nil {
		err = netlink.LinkSetNsFd(l, int(h.ns))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.Do(func() error {
		l, err := netlink.LinkByName(device)
		if err == nil {
			err = errors.Join(addAddress(l, prefix), netlink.LinkSetUp(l), operational(device),
				netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.ParseIP(gateway)}))
		}
		return err
	})
}

// Route adds a route to dst ("0.0.0.0/0", "::/0", …) by device and gateway to a table,
// until t ends.
func Route(t testing.TB, dst, device, gateway string, table int) {
	t.Helper()
	t.Cleanup(TemporaryRoute(t, dst, device, gateway, table))
}

// TemporaryRoute adds a route like Route, until remove is called.
func TemporaryRoute(t testing.TB, dst, device, gateway string, table int) (remove func()) {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	_, to, err := net.ParseCIDR(dst)
	if err != nil {
		t.Fatal(err)
	}
	r := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: to, Gw: net.ParseIP(gateway), Table: table}
	if err := netlink.RouteAdd(r); err != nil {
		t.Fatalf("route %s by %s: %v", dst, device, err)
	}
	return func() { netlink.RouteDel(r) }
}

// Rule adds a policy rule until t ends: packets with mark (if not 0) and source (if
// not empty) use table.
func Rule(t testing.TB, mark uint32, source string, table int) {
	t.Helper()
	r := netlink.NewRule()
	r.Table = table
	r.Mark = mark
	if source != "" {
		a := netip.MustParseAddr(source)
		r.Src = &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
		if a.Is6() {
			r.Family = unix.AF_INET6
		}
	}
	if err := netlink.RuleAdd(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.RuleDel(r) })
}

// Up sets a device of Connect up or down.
func Up(t testing.TB, device string, up bool) {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err == nil {
		if up {
			err = errors.Join(netlink.LinkSetUp(l), operational(device))
		} else {
			err = netlink.LinkSetDown(l)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Delete removes a device.
func Delete(t testing.TB, device string) {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err == nil {
		err = netlink.LinkDel(l)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Index returns the device's index.
func Index(t testing.TB, device string) int {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Index
}

// Capture sees the packets that leave by one device.
type Capture struct {
	t  testing.TB
	fd int
}

// NewCapture starts a capture on a device that is there. It ends with t.
func NewCapture(t testing.TB, device string) *Capture {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: Index(t, device)})
	}
	if err != nil {
		t.Fatalf("capture on %s: %v", device, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &Capture{t: t, fd: fd}
}

// Requests returns the ICMP echo requests that left since the last call of Requests or
// Replies, as "source > destination". The kernel captures while it sends, so that all
// packets of system calls that have returned are there.
func (c *Capture) Requests() []string {
	c.t.Helper()
	var seen []string
	c.each(func(packet []byte, leaves bool) {
		if s := echoRequest(packet); s != "" && leaves {
			seen = append(seen, s)
		}
	})
	return seen
}

// Replies returns how many ICMP echo replies came by IPv4 since the last call of
// Requests or Replies.
func (c *Capture) Replies() int {
	c.t.Helper()
	n := 0
	c.each(func(packet []byte, leaves bool) {
		if !leaves && len(packet) >= 28 && packet[0] == 0x45 && packet[9] == unix.IPPROTO_ICMP && packet[20] == 0 {
			n++
		}
	})
	return n
}

func (c *Capture) each(f func(packet []byte, leaves bool)) {
	c.t.Helper()
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(c.fd, buf, 0)
		switch err {
		case nil:
			f(buf[:n], from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING)
		case unix.EINTR, unix.ENETDOWN: // the latter once when the device goes down
		case unix.EAGAIN:
			return
		default:
			c.t.Fatal(err)
		}
	}
}

func echoRequest(p []byte) string {
	switch {
	case len(p) >= 28 && p[0]>>4 == 4 && p[9] == unix.IPPROTO_ICMP && p[int(p[0]&15)*4] == 8:
		return fmt.Sprintf("%s > %s", net.IP(p[12:16]), net.IP(p[16:20]))
	case len(p) >= 48 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_ICMPV6 && p[40] == 128:
		return fmt.Sprintf("%s > %s", net.IP(p[8:24]), net.IP(p[24:40]))
	}
	return ""
}

// Unprivileged runs f on a thread without CAP_NET_RAW and CAP_NET_ADMIN.
func Unprivileged(t testing.TB, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the capabilities go with the thread
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&header, &data[0])
		if err == nil {
			const lost = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
			data[0].Effective &^= lost
			err = unix.Capset(&header, &data[0])
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// PingGroups sets which groups may open unprivileged ICMP sockets, such as "1 0" for
// none, until t ends. It skips t in a user namespace, where there is one group alone
// and none of the others can be named.
func PingGroups(t testing.TB, groups string) {
	t.Helper()
	const path = "/proc/sys/net/ipv4/ping_group_range"
	before, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(groups), 0)
	}
	if errors.Is(err, syscall.EINVAL) {
		t.Skipf("ping_group_range cannot be %q in a user namespace", groups)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(path, []byte(strings.TrimSpace(string(before))), 0) })
}
