package bind_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

const target = "198.51.100.9"

// twoLinks makes a host at target with two ways to it, wan0 (the default route) and
// wan1 (table 102), and returns captures of both.
func twoLinks(t *testing.T) (far *bindtest.Host, wan0, wan1 *bindtest.Capture) {
	t.Helper()
	far = bindtest.NewHost(t)
	far.AddAddress(target + "/32")
	far.AddAddress("2001:db8:9::9/128")
	far.Connect("wan0", "10.1.0.2/24", "2001:db8:1::2/64")
	far.Connect("wan1", "10.2.0.2/24", "2001:db8:2::2/64")
	bindtest.Route(t, "0.0.0.0/0", "wan0", "10.1.0.1", 0)
	bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 102)
	bindtest.Route(t, "::/0", "wan0", "2001:db8:1::1", 0)
	bindtest.Route(t, "::/0", "wan1", "2001:db8:2::1", 102)
	return far, bindtest.NewCapture(t, "wan0"), bindtest.NewCapture(t, "wan1")
}

func newBinder(t *testing.T, o bind.Options) *bind.Binder {
	t.Helper()
	b, err := bind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// request is an echo request with identifier id. The checksum of IPv4 is that of the
// four words 0x0800, id, 1 and nothing else.
func request(id uint16, six bool) []byte {
	p := []byte{8, 0, 0, 0, byte(id >> 8), byte(id), 0, 1}
	if six {
		p[0] = 128
		return p
	}
	sum := uint32(0x0800) + uint32(id) + 1
	sum = sum&0xffff + sum>>16
	p[2], p[3] = ^byte(sum>>8), ^byte(sum)
	return p
}

// ping sends one request by a socket of b and waits for the reply.
func ping(t *testing.T, b *bind.Binder, to string) bind.Message {
	t.Helper()
	s, err := b.ListenICMP(netip.MustParseAddr(to), 77)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return pingBy(t, s, to)
}

func pingBy(t *testing.T, s *bind.Socket, to string) (m bind.Message) {
	t.Helper()
	addr := netip.MustParseAddr(to)
	if err := s.Send(request(77, addr.Is6()), addr); err != nil {
		t.Fatal(err)
	}
	s.SetDeadline(time.Now().Add(10 * time.Second))
	if err := s.Receive(&m); err != nil {
		t.Fatalf("no reply from %s: %v", to, err)
	}
	if reply := m.Data[0]; reply != 0 && reply != 129 {
		t.Fatalf("received ICMP type %d, want an echo reply", reply)
	}
	return m
}

func TestEachBindingKeepsPacketsOnItsLink(t *testing.T) {
	_, wan0, wan1 := twoLinks(t)
	bindtest.Rule(t, 0x10, "", 102)
	bindtest.Rule(t, 0, "10.2.0.2", 102)
	bindtest.Rule(t, 0, "2001:db8:2::2", 102)
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		opts  bind.Options
		to    string
		local string
		wan1  bool
	}{
		"default_route_by_name":       {bind.Options{Interface: "wan0"}, target, "10.1.0.2", false},
		"device":                      {bind.Options{Interface: "wan1"}, target, "10.2.0.2", true},
		"source":                      {bind.Options{Source: addr("10.2.0.2")}, target, "10.2.0.2", true},
		"source_of_the_default_route": {bind.Options{Source: addr("10.1.0.2")}, target, "10.1.0.2", false},
		"device_and_source":           {bind.Options{Interface: "wan1", Source: addr("10.2.0.2")}, target, "10.2.0.2", true},
		"mark":                        {bind.Options{Mark: 0x10}, target, "10.2.0.2", true},
		"device_ipv6":                 {bind.Options{Interface: "wan1"}, "2001:db8:9::9", "2001:db8:2::2", true},
		"source_ipv6":                 {bind.Options{Source: addr("2001:db8:2::2")}, "2001:db8:9::9", "2001:db8:2::2", true},
		"default_route_ipv6":          {bind.Options{Interface: "wan0"}, "2001:db8:9::9", "2001:db8:1::2", false},
	} {
		t.Run(name, func(t *testing.T) {
			wan0.Requests()
			wan1.Requests()
			m := ping(t, newBinder(t, c.opts), c.to)
			want := []string{c.local + " > " + c.to}
			left0, left1 := wan0.Requests(), wan1.Requests()
			device := "wan0"
			if c.wan1 {
				device, left0, left1 = "wan1", left1, left0
			}
			if !slices.Equal(left0, want) || left1 != nil {
				t.Errorf("left by %s: %v and by the other device: %v, want %v and none", device, left0, left1, want)
			}
			if m.Local != addr(c.local) || m.Interface != bindtest.Index(t, device) {
				t.Errorf("reply came to %v on interface %d, want %s on %d", m.Local, m.Interface, c.local, bindtest.Index(t, device))
			}
		})
	}
}

func TestNamespaceIsEnteredForTheSocketOnly(t *testing.T) {
	inside := bindtest.NewHost(t)
	far := bindtest.NewHost(t)
	far.AddAddress(target + "/32")
	inside.Do(func() error { return nil })
	// A link between the two hosts, moved there from here.
	far.Connect("wan0", "10.1.0.2/24")
	inside.Adopt("wan0", "10.1.0.2/24", "10.1.0.1")
	b := newBinder(t, bind.Options{Namespace: inside.Path()})
	if m := ping(t, b, target); m.Local.String() != "10.1.0.2" {
		t.Errorf("reply came to %v, want 10.1.0.2", m.Local)
	}
	if path, err := b.Path(netip.MustParseAddr(target)); err != nil || path.Name != "wan0" || path.Bound {
		t.Errorf("Path = %+v, %v, want an unbound wan0", path, err)
	}
	// Here, nothing leads to the target.
	if _, err := net.Dial("udp", target+":9"); err == nil {
		t.Error("this process was moved to the namespace")
	}

	missing := newBinder(t, bind.Options{Namespace: "no-such-namespace"})
	if _, err := missing.ListenICMP(netip.MustParseAddr(target), 1); bind.ReasonOf(err) != bind.ReasonNoNamespace {
		t.Errorf("missing namespace: %v, want %q", err, bind.ReasonNoNamespace)
	}
}

// A link without its route, or down, must not be replaced by the default route, which
// a source address alone or a mark alone would lead to.
func TestLostLinkIsAnErrorAndNothingLeavesElsewhere(t *testing.T) {
	addr := netip.MustParseAddr
	for name, opts := range map[string]bind.Options{
		"device": {Interface: "wan1"},
		"source": {Source: addr("10.2.0.2")},
		"mark":   {Mark: 0x10},
	} {
		t.Run(name, func(t *testing.T) {
			far := bindtest.NewHost(t)
			far.AddAddress(target + "/32")
			far.Connect("wan0", "10.1.0.2/24")
			far.Connect("wan1", "10.2.0.2/24")
			bindtest.Route(t, "0.0.0.0/0", "wan0", "10.1.0.1", 0)
			bindtest.Rule(t, 0x10, "", 102)
			bindtest.Rule(t, 0, "10.2.0.2", 102)
			wan0 := bindtest.NewCapture(t, "wan0")
			b := newBinder(t, opts)

			// No route yet: the kernel would answer by the main table.
			if _, err := b.ListenICMP(addr(target), 77); bind.ReasonOf(err) != bind.ReasonNoRoute {
				t.Fatalf("before the route: %v, want %q", err, bind.ReasonNoRoute)
			}
			bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 102)
			if !b.Changed() {
				t.Error("Changed does not see the new route")
			}
			if b.Changed() {
				t.Error("Changed is true for ever")
			}
			s, err := b.ListenICMP(addr(target), 77)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			pingBy(t, s, target)

			bindtest.Up(t, "wan1", false) // takes the route with it
			if !b.Changed() {
				t.Error("Changed does not see the device go down")
			}
			_, err = b.Path(addr(target))
			want := bind.ReasonInterfaceDown
			if name == "mark" {
				want = bind.ReasonNoRoute // the rules lead to no device any more
			}
			if bind.ReasonOf(err) != want {
				t.Errorf("Path of a link that is down: %v, want %q", err, want)
			}
			if err := s.Send(request(77, false), addr(target)); err == nil {
				t.Error("a socket on a device that is down sent")
			}
			bindtest.Up(t, "wan1", true) // up, but its route is lost
			if _, err := b.Path(addr(target)); bind.ReasonOf(err) != bind.ReasonNoRoute {
				t.Errorf("Path of a link without a route: %v, want %q", err, bind.ReasonNoRoute)
			}
			s.Send(request(77, false), addr(target)) // whatever comes of it
			if left := wan0.Requests(); left != nil {
				t.Errorf("left by the other link: %v", left)
			}
		})
	}
}

func TestDeviceThatComesBackIsFoundAgain(t *testing.T) {
	addr := netip.MustParseAddr
	far := bindtest.NewHost(t)
	far.AddAddress(target + "/32")
	far.Connect("wan1", "10.2.0.2/24")
	bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 0)
	b := newBinder(t, bind.Options{Interface: "wan1"})
	before, err := b.Path(addr(target))
	if err != nil {
		t.Fatal(err)
	}
	bindtest.Delete(t, "wan1")
	if _, err := b.Path(addr(target)); bind.ReasonOf(err) != bind.ReasonNoDevice {
		t.Fatalf("Path by a deleted device: %v, want %q", err, bind.ReasonNoDevice)
	}
	far.Connect("wan1", "10.3.0.2/24")
	bindtest.Route(t, "0.0.0.0/0", "wan1", "10.3.0.1", 0)
	if !b.Changed() {
		t.Error("Changed does not see the new device")
	}
	after, err := b.Path(addr(target))
	if err != nil {
		t.Fatal(err)
	}
	if before.Serves(after) || after.Local != addr("10.3.0.2") {
		t.Errorf("path before %+v, after %+v: want another index and 10.3.0.2", before, after)
	}
	if m := ping(t, b, target); m.Local != addr("10.3.0.2") {
		t.Errorf("reply came to %v, want 10.3.0.2", m.Local)
	}
}

func TestSocketHearsOnlyItsOwnReplies(t *testing.T) {
	bindtest.Need(t)
	b := newBinder(t, bind.Options{Interface: "lo"})
	for _, to := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(to)
		other, err := b.ListenICMP(addr, 78)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		ping(t, b, to) // by another socket, with another identifier
		var m bind.Message
		if err := other.ReceiveNow(&m); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: heard % x of another socket (%v), want nothing", to, m.Data, err)
		}
	}
}

// How long a packet lay in the socket is known from the kernel's stamp. The kernel
// begins to stamp a moment after the first socket asks for it, and fills in the time
// of reading until then, so that some attempts may be needed.
func TestReceiveTellsHowLongThePacketWaited(t *testing.T) {
	bindtest.Need(t)
	for _, to := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(to)
		s, err := newBinder(t, bind.Options{Interface: "lo"}).ListenICMP(addr, 77)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.SetDeadline(time.Now().Add(20 * time.Second))
		stamped := false
		for range 100 {
			sent := time.Now()
			if err := s.Send(request(77, addr.Is6()), addr); err != nil {
				t.Fatal(err)
			}
			returned := time.Now()
			<-time.After(10 * time.Millisecond)
			var m bind.Message
			if err := s.Receive(&m); err != nil {
				t.Fatal(err)
			}
			if m.Waited > time.Since(sent) {
				t.Fatalf("%s: waited %v, longer than the %v since it was sent", to, m.Waited, time.Since(sent))
			}
			// Loopback delivers before Send returns, or a moment later.
			if stamped = m.Waited > time.Since(returned)/2; stamped {
				break
			}
		}
		if !stamped {
			t.Errorf("%s: no packet was known to have waited", to)
		}
	}
}

func TestCloseEndsReceive(t *testing.T) {
	bindtest.Need(t)
	s, err := newBinder(t, bind.Options{Interface: "lo"}).ListenICMP(netip.MustParseAddr("127.0.0.1"), 77)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		var m bind.Message
		ended <- s.Receive(&m)
	}()
	s.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Receive after Close: %v, want os.ErrClosed", err)
	}
	if err := s.Send(request(77, false), netip.MustParseAddr("127.0.0.1")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Send after Close: %v, want os.ErrClosed", err)
	}
}

func TestUnprivilegedSockets(t *testing.T) {
	bindtest.Need(t)
	for _, to := range []string{"127.0.0.1", "::1"} {
		bindtest.PingGroups(t, "0 2147483647")
		b := newBinder(t, bind.Options{Interface: "lo"})
		bindtest.Unprivileged(t, func() error {
			s, err := b.ListenICMP(netip.MustParseAddr(to), 77)
			if err != nil {
				return err
			}
			defer s.Close()
			if s.Privileged() {
				return errors.New("opened a raw socket without the capability")
			}
			if m := pingBy(t, s, to); m.Local.String() != to {
				t.Errorf("reply came to %v, want %s", m.Local, to)
			}
			return nil
		})
		bindtest.PingGroups(t, "1 0")
		bindtest.Unprivileged(t, func() error {
			_, err := b.ListenICMP(netip.MustParseAddr(to), 77)
			if bind.ReasonOf(err) != bind.ReasonPermission {
				t.Errorf("%s: %v, want %q", to, err, bind.ReasonPermission)
				return nil
			}
			for _, remedy := range []string{"setcap cap_net_raw+ep", "AmbientCapabilities", "net.ipv4.ping_group_range"} {
				if !strings.Contains(err.Error(), remedy) {
					t.Errorf("error %q does not name the remedy %s", err, remedy)
				}
			}
			return nil
		})
	}
}

func TestDialControlBindsLikeICMP(t *testing.T) {
	far, _, _ := twoLinks(t)
	bindtest.Rule(t, 0x10, "", 102)
	bindtest.Rule(t, 0, "10.2.0.2", 102)
	var listener net.Listener
	far.Do(func() (err error) { listener, err = net.Listen("tcp", target+":0"); return err })
	defer listener.Close()
	for name, opts := range map[string]bind.Options{
		"device": {Interface: "wan1"},
		"source": {Source: netip.MustParseAddr("10.2.0.2")},
		"mark":   {Mark: 0x10},
	} {
		b := newBinder(t, opts)
		d := net.Dialer{Control: b.DialControl}
		conn, err := d.DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := conn.LocalAddr().(*net.TCPAddr).IP.String(); got != "10.2.0.2" {
			t.Errorf("%s: connected from %s, want 10.2.0.2", name, got)
		}
		conn.Close()
	}

	// A socket made here cannot be on a link that is a namespace.
	b := newBinder(t, bind.Options{Namespace: far.Path()})
	d := net.Dialer{Control: b.DialControl}
	if conn, err := d.DialContext(t.Context(), "tcp", listener.Addr().String()); bind.ReasonOf(err) != bind.ReasonNoNamespace {
		t.Errorf("dial outside the namespace: %v, %v, want %q", conn, err, bind.ReasonNoNamespace)
	}
	if err := b.Do(func() error {
		conn, err := d.DialContext(t.Context(), "tcp", listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		t.Errorf("dial inside the namespace: %v", err)
	}
}
