//go:build linux

package icmp

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	probing "github.com/prometheus-community/pro-bing"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

// The tests in this file show faults of a ping library in wide use, pro-bing, and that
// this package does not share them. If one fails on pro-bing's part, the library has
// become better: delete that part.

func runProBing(t testing.TB, address string, set func(*probing.Pinger)) (*probing.Statistics, error) {
	t.Helper()
	p := probing.New(address)
	p.SetPrivileged(true)
	p.SetLogger(probing.NoopLogger{})
	set(p)
	err := p.RunWithContext(t.Context())
	return p.Statistics(), err
}

func TestRunThatEndsBeforeItsRepliesShowsNoLoss(t *testing.T) {
	const rtt = 600 * ms
	tun(t, "end0", "198.18.4.1/24", func(int) []time.Duration { return []time.Duration{rtt} })
	stats, err := runProBing(t, "198.18.4.9", func(p *probing.Pinger) {
		p.Interval, p.Timeout = 50*ms, time.Second // the last 12 replies come after the end
	})
	if err != nil {
		t.Fatal(err)
	}
	if stats.PacketLoss == 0 {
		t.Errorf("pro-bing: no loss of %d, want the known false loss", stats.PacketsSent)
	}

	p, r := newProber(t, Options{Bind: bind.Options{Interface: "end0"}, Address: "198.18.4.9"}), newRecorder(t)
	stop := start(t, p, r)
	p.awaitRunning(t)
	const n = 20
	for seq := range perigee.Seq(n) {
		p.Send(seq, r)
	}
	r.waitDecided(n / 2)
	stop() // with up to half of the probes under way: they are skipped, not lost
	c := r.counts()
	if c.Planned != n || c.Lost+c.Late != 0 || c.Received+c.Skipped != n {
		t.Errorf("%+v, want %d received or skipped", c, n)
	}
}

func TestUnreachableTargetIsNotLossless(t *testing.T) {
	far := bindtest.NewHost(t)
	far.Connect("wan0", "10.1.0.2/24") // no route to the target
	stats, err := runProBing(t, farAddress, func(p *probing.Pinger) {
		p.Interval, p.Count, p.Timeout = 10*ms, 5, 200*ms
	})
	if stats.PacketsSent != 0 || stats.PacketLoss != 0 || err == nil {
		t.Errorf("pro-bing: sent %d, loss %v, %v, want the known 0, 0 and an error", stats.PacketsSent, stats.PacketLoss, err)
	}

	p, r := newProber(t, Options{Bind: bind.Options{Interface: "wan0"}}), newRecorder(t)
	start(t, p, r)
	p.awaitRunning(t)
	for seq := range perigee.Seq(5) {
		p.Send(seq, r)
	}
	if c := r.counts(); c.Planned != 5 || c.SendFailed != 5 {
		t.Errorf("%+v, want 5 failed sends of 5 planned", c)
	}
	if s := r.outcome(0); s.Cause != "no route" {
		t.Errorf("cause %q, want no route", s.Cause)
	}
}

func TestSourceAloneDoesNotLeaveByTheDefaultRoute(t *testing.T) {
	twoLinks(t)
	bindtest.Up(t, "wan1", false)
	wan0 := bindtest.NewCapture(t, "wan0")
	if _, err := runProBing(t, farAddress, func(p *probing.Pinger) {
		p.Source = "10.2.0.2"
		p.Interval, p.Count, p.Timeout = 10*ms, 5, 200*ms
	}); err != nil {
		t.Fatal(err)
	}
	if left := wan0.Requests(); !slices.Contains(left, "10.2.0.2 > "+farAddress) {
		t.Errorf("pro-bing: %v left by the default route, want the known leak", left)
	}

	p, r := newProber(t, Options{Bind: bind.Options{Source: netip.MustParseAddr("10.2.0.2")}}), newRecorder(t)
	start(t, p, r)
	p.awaitRunning(t)
	for seq := range perigee.Seq(5) {
		p.Send(seq, r)
	}
	if c := r.counts(); c.SendFailed != 5 {
		t.Errorf("%+v, want 5 failed sends", c)
	}
	if left := wan0.Requests(); left != nil {
		t.Errorf("%v left by the default route, want none", left)
	}
}

// The interface is down for ten sends of thirty.
func TestFailedSendsAreCounted(t *testing.T) {
	far := bindtest.NewHost(t)
	far.Connect("wan0", "10.1.0.2/24")
	const failures = 10
	failed, down := 0, false
	stats, err := runProBing(t, "10.1.0.1", func(p *probing.Pinger) {
		p.Interval, p.Count, p.Timeout = 5*ms, 20, 20*time.Second
		p.OnRecv = func(packet *probing.Packet) {
			if !down {
				down = true
				bindtest.Up(t, "wan0", false)
			}
		}
		p.OnSendError = func(*probing.Packet, error) {
			if failed++; failed == failures {
				bindtest.Up(t, "wan0", true)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if failed < failures || stats.PacketsSent != 20 {
		t.Errorf("pro-bing: %d sends failed and %d are counted, want the known loss of the failed ones", failed, stats.PacketsSent)
	}

	p, r := newProber(t, Options{Bind: bind.Options{Interface: "wan0"}, Address: "10.1.0.1"}), newRecorder(t)
	start(t, p, r)
	p.awaitRunning(t)
	for seq := range perigee.Seq(30) {
		switch seq {
		case 10:
			bindtest.Up(t, "wan0", false)
		case 20:
			bindtest.Up(t, "wan0", true)
		}
		p.Send(seq, r)
		r.wait("the outcome", func() bool { _, ok := r.singletons[seq]; return ok })
	}
	if c, want := r.counts(), (perigee.Counts{Planned: 30, Sent: 20, SendFailed: 10, Received: 20}); c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}
}
