//go:build linux

package icmp

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

// twoLinks makes a host with two ways to it: wan0, the default route, and wan1, by
// source or mark.
func twoLinks(t *testing.T) *bindtest.Host {
	t.Helper()
	far := bindtest.NewHost(t)
	far.AddAddress(farAddress + "/32")
	far.AddAddress(farAddress6 + "/128")
	far.Connect("wan0", "10.1.0.2/24", "2001:db8:1::2/64")
	far.Connect("wan1", "10.2.0.2/24", "2001:db8:2::2/64")
	bindtest.Route(t, "0.0.0.0/0", "wan0", "10.1.0.1", 0)
	bindtest.Route(t, "::/0", "wan0", "2001:db8:1::1", 0)
	bindtest.Rule(t, 0x10, "", 102)
	bindtest.Rule(t, 0, "10.2.0.2", 102)
	bindtest.Rule(t, 0, "2001:db8:2::2", 102)
	routeSecond(t)
	return far
}

func routeSecond(t *testing.T) {
	t.Helper()
	bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 102)
	bindtest.Route(t, "::/0", "wan1", "2001:db8:2::1", 102)
}

func TestTwoLinksKeepToTheirDevices(t *testing.T) {
	twoLinks(t)
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		first, second bind.Options
		to            string
		from0, from1  string
	}{
		"devices":      {bind.Options{Interface: "wan0"}, bind.Options{Interface: "wan1"}, farAddress, "10.1.0.2", "10.2.0.2"},
		"sources":      {bind.Options{Source: addr("10.1.0.2")}, bind.Options{Source: addr("10.2.0.2")}, farAddress, "10.1.0.2", "10.2.0.2"},
		"devices_ipv6": {bind.Options{Interface: "wan0"}, bind.Options{Interface: "wan1"}, farAddress6, "2001:db8:1::2", "2001:db8:2::2"},
	} {
		t.Run(name, func(t *testing.T) {
			wan0, wan1 := bindtest.NewCapture(t, "wan0"), bindtest.NewCapture(t, "wan1")
			const n = 50
			probers := []*Prober{
				newProber(t, Options{Bind: c.first, Address: c.to}),
				newProber(t, Options{Bind: c.second, Address: c.to}),
			}
			recorders := []*recorder{newRecorder(t), newRecorder(t)}
			for i, p := range probers {
				start(t, p, recorders[i])
			}
			for i, p := range probers {
				p.awaitRunning(t)
				_ = i
			}
			for seq := range perigee.Seq(n) {
				for i, p := range probers {
					p.Send(seq, recorders[i])
				}
			}
			for i, r := range recorders {
				r.waitDecided(n)
				if c := r.counts(); c.Received != n {
					t.Errorf("link %d: %+v, want %d received", i, c, n)
				}
			}
			for i, left := range [][]string{wan0.Requests(), wan1.Requests()} {
				want := []string{c.from0, c.from1}[i] + " > " + c.to
				if len(left) != n || slices.ContainsFunc(left, func(s string) bool { return s != want }) {
					t.Errorf("wan%d: %d requests, among them %v, want %d times %s", i, len(left), left[:min(2, len(left))], n, want)
				}
			}
			for i, p := range probers {
				want := perigee.Proof{
					InterfaceIndex: bindtest.Index(t, []string{"wan0", "wan1"}[i]),
					InterfaceName:  []string{"wan0", "wan1"}[i],
					Local:          addr([]string{c.from0, c.from1}[i]),
					Remote:         addr(c.to),
				}
				if got := p.Proof(); got != want {
					t.Errorf("proof %d is %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

// awaitRunning waits until Run has begun and looked at its link.
func (p *Prober) awaitRunning(t testing.TB) {
	t.Helper()
	for {
		p.mu.Lock()
		running := p.running
		p.mu.Unlock()
		if running {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("prober does not run")
		}
	}
}

// The link is down for the middle third: its probes are planned and failed, those
// before and after are received, and nothing leaves by the other path.
func TestInterfaceDownFailsProbesAndSendsNothingElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		bind       bind.Options
		otherRoute bool
		cause      string
	}{
		"device_alone":           {bind.Options{Interface: "wan1"}, false, "interface down"},
		"source_alone":           {bind.Options{Source: netip.MustParseAddr("10.2.0.2")}, false, "interface down"},
		"device_and_other_route": {bind.Options{Interface: "wan1"}, true, "interface down"},
		"source_and_other_route": {bind.Options{Source: netip.MustParseAddr("10.2.0.2")}, true, "interface down"},
		"mark_and_other_route":   {bind.Options{Mark: 0x10}, true, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			far := bindtest.NewHost(t)
			far.AddAddress(farAddress + "/32")
			far.Connect("wan0", "10.1.0.2/24")
			far.Connect("wan1", "10.2.0.2/24")
			bindtest.Rule(t, 0x10, "", 102)
			bindtest.Rule(t, 0, "10.2.0.2", 102)
			if c.otherRoute {
				bindtest.Route(t, "0.0.0.0/0", "wan0", "10.1.0.1", 0)
			}
			up := func() { bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 102) }
			up()
			wan0 := bindtest.NewCapture(t, "wan0")
			p, r := newProber(t, Options{Bind: c.bind}), newRecorder(t)
			start(t, p, r)
			p.awaitRunning(t)
			const third = 20
			send := func(from perigee.Seq) {
				for seq := from; seq < from+third; seq++ {
					p.Send(seq, r)
				}
				r.waitDecided(int(from) + third)
			}
			send(0)
			bindtest.Up(t, "wan1", false)
			send(third)
			bindtest.Up(t, "wan1", true)
			up()
			send(2 * third)
			for seq := range perigee.Seq(3 * third) {
				want, cause := perigee.Received, ""
				if seq/third == 1 {
					want, cause = perigee.SendFailed, c.cause
				}
				if s := r.outcome(seq); s.Outcome != want || s.Cause != cause {
					t.Errorf("probe %d: %v (%q), want %v (%q)", seq, s.Outcome, s.Cause, want, cause)
				}
			}
			if left := wan0.Requests(); left != nil {
				t.Errorf("left by the other path: %v", left)
			}
		})
	}
}

func TestLostRouteFailsProbesAndSendsNothingElsewhere(t *testing.T) {
	for name, opts := range map[string]bind.Options{
		"device": {Interface: "wan1"},
		"source": {Source: netip.MustParseAddr("10.2.0.2")},
		"mark":   {Mark: 0x10},
	} {
		t.Run(name, func(t *testing.T) {
			far := bindtest.NewHost(t)
			far.AddAddress(farAddress + "/32")
			far.Connect("wan0", "10.1.0.2/24")
			far.Connect("wan1", "10.2.0.2/24")
			bindtest.Route(t, "0.0.0.0/0", "wan0", "10.1.0.1", 0)
			bindtest.Rule(t, 0x10, "", 102)
			bindtest.Rule(t, 0, "10.2.0.2", 102)
			wan0 := bindtest.NewCapture(t, "wan0")
			p, r := newProber(t, Options{Bind: opts}), newRecorder(t)
			start(t, p, r)
			p.awaitRunning(t)
			p.Send(0, r) // no route yet
			drop := bindtest.TemporaryRoute(t, "0.0.0.0/0", "wan1", "10.2.0.1", 102)
			p.Send(1, r)
			r.waitDecided(2)
			drop()
			p.Send(2, r)
			bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 102)
			p.Send(3, r)
			r.waitDecided(4)
			for seq, want := range []string{"send_failed no route", "received ", "send_failed no route", "received "} {
				s := r.outcome(perigee.Seq(seq))
				if got := s.Outcome.String() + " " + s.Cause; got != want {
					t.Errorf("probe %d: %s, want %s", seq, got, want)
				}
			}
			if left := wan0.Requests(); left != nil {
				t.Errorf("left by the other path: %v", left)
			}
		})
	}
}

// The device is not there at first, comes, goes and comes again with another index
// and address: no restart, and each probe planned has an outcome.
func TestDeviceThatComesBackIsPickedUp(t *testing.T) {
	far := bindtest.NewHost(t)
	far.AddAddress(farAddress + "/32")
	p, r := newProber(t, Options{Bind: bind.Options{Interface: "wan1"}}), newRecorder(t)
	stop := start(t, p, r)
	p.awaitRunning(t)
	p.Send(0, r)

	far.Connect("wan1", "10.2.0.2/24")
	bindtest.Route(t, "0.0.0.0/0", "wan1", "10.2.0.1", 0)
	p.Send(1, r)
	r.waitDecided(2)
	before := p.Proof()

	bindtest.Delete(t, "wan1")
	p.Send(2, r)
	far.Connect("wan1", "10.3.0.2/24")
	bindtest.Route(t, "0.0.0.0/0", "wan1", "10.3.0.1", 0)
	p.Send(3, r)
	r.waitDecided(4)
	after := p.Proof()

	for seq, want := range []string{"send_failed no such device", "received ", "send_failed no such device", "received "} {
		s := r.outcome(perigee.Seq(seq))
		if got := s.Outcome.String() + " " + s.Cause; got != want {
			t.Errorf("probe %d: %s, want %s", seq, got, want)
		}
	}
	if before.Local.String() != "10.2.0.2" || after.Local.String() != "10.3.0.2" || before.InterfaceIndex == after.InterfaceIndex {
		t.Errorf("proof before %+v, after %+v, want other index and address", before, after)
	}
	if want := "rebound: " + describe(before) + " -> " + describe(after); !slices.Equal(r.events, []string{want}) {
		t.Errorf("events %q, want %q", r.events, want)
	}
	if err := stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// The reply comes, but by the other link: this link has not carried it.
func TestReplyByAnotherLinkIsNotReceived(t *testing.T) {
	far := twoLinks(t)
	far.RouteTo("10.2.0.2/32", "10.1.0.2")
	p, r := newProber(t, Options{Bind: bind.Options{Source: netip.MustParseAddr("10.2.0.2")}, LossTimeout: 200 * ms}), newRecorder(t)
	start(t, p, r)
	p.awaitRunning(t)
	heard := bindtest.NewCapture(t, "wan0")
	p.Send(0, r)
	r.waitDecided(1)
	if s := r.outcome(0); s.Outcome != perigee.Lost {
		t.Errorf("probe is %v, want lost", s.Outcome)
	}
	if n := heard.Replies(); n != 1 {
		t.Errorf("%d replies came by the other link, want 1", n)
	}
}

func TestNamespaceLink(t *testing.T) {
	inside, far := bindtest.NewHost(t), bindtest.NewHost(t)
	far.AddAddress(farAddress + "/32")
	far.Connect("wan0", "10.1.0.2/24")
	inside.Adopt("wan0", "10.1.0.2/24", "10.1.0.1")
	p, r := newProber(t, Options{Bind: bind.Options{Namespace: inside.Path()}}), newRecorder(t)
	start(t, p, r)
	p.awaitRunning(t)
	p.Send(0, r)
	r.waitDecided(1)
	if s := r.outcome(0); s.Outcome != perigee.Received {
		t.Errorf("probe is %v (%s), want received", s.Outcome, s.Cause)
	}
	if proof := p.Proof(); proof.InterfaceName != "wan0" || proof.Local.String() != "10.1.0.2" {
		t.Errorf("proof %+v, want wan0 and 10.1.0.2", proof)
	}
}

func TestMissingPermissionEndsRunAndNamesTheRemedies(t *testing.T) {
	bindtest.Need(t)
	bindtest.PingGroups(t, "1 0")
	bindtest.Unprivileged(t, func() error {
		p, r := newProber(t, Options{Bind: bind.Options{Interface: "lo"}, Address: "127.0.0.1"}), newRecorder(t)
		err := p.Run(t.Context(), r)
		if perigee.CodeOf(err) != perigee.CodePermission || !strings.Contains(err.Error(), "setcap cap_net_raw+ep") ||
			!strings.Contains(err.Error(), "net.ipv4.ping_group_range") {
			t.Errorf("Run = %v, want a permission error with both remedies", err)
		}
		return nil
	})
}

func TestUnprivilegedProbing(t *testing.T) {
	bindtest.Need(t)
	bindtest.PingGroups(t, "0 2147483647")
	for _, to := range []string{"127.0.0.1", "::1"} {
		bindtest.Unprivileged(t, func() error {
			p, r := newProber(t, Options{Bind: bind.Options{Interface: "lo"}, Address: to}), newRecorder(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// The socket is opened by this goroutine's thread, the one without
			// the capability.
			if err := p.begin(); err != nil {
				return err
			}
			p.tryLink(r)
			done := make(chan error, 1)
			go func() { done <- p.hear(ctx, r) }()
			for seq := range perigee.Seq(20) {
				p.Send(seq, r)
			}
			r.waitDecided(20)
			if c := r.counts(); c.Received != 20 {
				t.Errorf("%s: %+v, want 20 received", to, c)
			}
			if p.socket.(*bind.Socket).Privileged() {
				t.Error("opened a raw socket without the capability")
			}
			p.stop()
			cancel()
			err := <-done
			p.end("stopped", r)
			return err
		})
	}
}
