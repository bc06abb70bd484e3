package lab_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
)

const patience = 10 * time.Second

func TestDownDeviceFailsSendsAndComesBack(t *testing.T) {
	l := labtest.New(t, 1, lab.Link{Name: "one", Profile: delayed(time.Millisecond, time.Millisecond)})
	end, _ := l.Link("one")
	before := time.Now()
	at, err := l.SetDown("one", true)
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Fatalf("SetDown = %v, %v, want a time within the call", at, err)
	}
	p := newPinger(t, end, false, 1)
	if err := p.send(lab.Target(), 1); err == nil {
		t.Error("a send over a device that is down succeeded")
	}
	if at, err := l.SetDown("one", true); err != nil || !at.IsZero() {
		t.Errorf("SetDown again = %v, %v, want zero: nothing changed", at, err)
	}
	if _, err := l.SetDown("one", false); err != nil {
		t.Fatal(err)
	}
	for _, v6 := range []bool{false, true} {
		target := lab.Target()
		if v6 {
			target = lab.Target6()
		}
		p := newPinger(t, end, v6, 2)
		if err := p.send(target, 2); err != nil {
			t.Fatalf("IPv6 %v: %v", v6, err)
		}
		if len(p.receive(1, patience)) != 1 {
			t.Errorf("IPv6 %v: no reply after the device came up", v6)
		}
	}
}

func TestReplyToADownDeviceIsLinkDown(t *testing.T) {
	l := labtest.New(t, 1, lab.Link{Name: "one", Profile: delayed(0, 300*time.Millisecond)})
	end, _ := l.Link("one")
	p := newPinger(t, end, false, 1)
	if err := p.send(lab.Target(), 1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.Stats("one").Entered[lab.Down] == 1 })
	if _, err := l.SetDown("one", true); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(l.Truth()) == 2 })
	trips := lab.RoundTrips(l.Truth())
	if len(trips) != 1 || trips[0].Fate != lab.LinkDown || trips[0].Way != lab.Down {
		t.Errorf("round trips %+v, want one whose reply met a link that is down", trips)
	}
}

// waitFor polls until ok, at most for patience.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not come about")
		}
	}
}

func TestRemovedDeviceComesBackAsAnother(t *testing.T) {
	l := labtest.New(t, 1,
		lab.Link{Name: "one", Profile: delayed(0, 0)},
		lab.Link{Name: "two", Profile: delayed(0, 0)},
	)
	end, _ := l.Link("one")
	old, err := net.InterfaceByName(end.Device)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Remove("one"); err != nil {
		t.Fatal(err)
	}
	if dev, err := net.InterfaceByName(end.Device); err == nil {
		t.Errorf("%v is still there", dev)
	}
	for _, call := range []struct {
		name string
		fn   func() (time.Time, error)
	}{
		{"Remove", func() (time.Time, error) { return l.Remove("one") }},
		{"SetDown", func() (time.Time, error) { return l.SetDown("one", true) }},
		{"Restore with an address of another link", func() (time.Time, error) {
			return l.Restore("one", netip.MustParseAddr("198.18.2.9"))
		}},
	} {
		if _, err := call.fn(); err == nil {
			t.Errorf("%s of a removed device succeeded", call.name)
		}
	}
	home := netip.MustParseAddr("198.18.1.77")
	if _, err := l.Restore("one", home); err != nil {
		t.Fatal(err)
	}
	dev, err := net.InterfaceByName(end.Device)
	if err != nil || dev.Index == old.Index {
		t.Fatalf("device %v, %v, want one of another index than %d", dev, err, old.Index)
	}
	if end, _ = l.Link("one"); end.Home != home {
		t.Errorf("home address %v, want %v", end.Home, home)
	}
	p := newPinger(t, end, false, 1)
	if err := p.send(lab.Target(), 1); err != nil {
		t.Fatal(err)
	}
	if len(p.receive(1, patience)) != 1 {
		t.Fatal("no reply over the device that came back")
	}
	records := l.Truth()
	if len(records) != 2 || records[0].Src != home {
		t.Errorf("records %+v, want request and reply of %v", records, home)
	}
}

func TestBlackholeSwallowsBothWays(t *testing.T) {
	l := labtest.New(t, 1, lab.Link{Name: "one", Profile: delayed(0, 0)})
	end, _ := l.Link("one")
	p := newPinger(t, end, false, 1)
	if err := l.Blackhole("one", true); err != nil {
		t.Fatal(err)
	}
	if err := p.send(lab.Target(), 1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.Stats("one").Entered[lab.Up] == 1 })
	if err := l.Blackhole("one", false); err != nil {
		t.Fatal(err)
	}
	if err := p.send(lab.Target(), 2); err != nil {
		t.Fatal(err)
	}
	if got := p.receive(1, patience); len(got) != 1 || got[0].seq != 2 {
		t.Errorf("replies %v, want that to request 2 only", got)
	}
	trips := lab.RoundTrips(l.Truth())
	if len(trips) != 2 || trips[0].Fate != lab.Blackholed || trips[1].Fate != lab.Delivered {
		t.Errorf("round trips %+v, want blackholed, delivered", trips)
	}
}

func TestProfileChangesAtRunTime(t *testing.T) {
	l := labtest.New(t, 1, lab.Link{Name: "one", Profile: lab.Profile{Up: lab.Direction{Loss: 1}}})
	end, _ := l.Link("one")
	p := newPinger(t, end, false, 1)
	if err := p.send(lab.Target(), 1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.Stats("one").Entered[lab.Up] == 1 })
	if err := l.SetProfile("one", lab.Profile{Up: lab.Direction{Loss: 2}}); err == nil {
		t.Error("a profile that loses 200 % was accepted")
	}
	if err := l.SetProfile("one", delayed(30*time.Millisecond, 0)); err != nil {
		t.Fatal(err)
	}
	if err := p.send(lab.Target(), 2); err != nil {
		t.Fatal(err)
	}
	if len(p.receive(1, patience)) != 1 {
		t.Fatal("no reply after the change")
	}
	trips := lab.RoundTrips(l.Truth())
	if len(trips) != 2 || trips[0].Fate != lab.LostRandom || trips[1].Up < 30*time.Millisecond {
		t.Errorf("round trips %+v, want the first lost and the second 30 ms up", trips)
	}
}

func TestDuplicatesReorderingAndLossAreCountedAsTheyHappened(t *testing.T) {
	l := labtest.New(t, 5, lab.Link{Name: "wild", Profile: lab.Profile{
		Up:   lab.Direction{Delay: 2 * time.Millisecond, Duplicate: 0.2, Loss: 0.1},
		Down: lab.Direction{Delay: 2 * time.Millisecond, Duplicate: 0.2, Loss: 0.1, Reorder: 0.2, ReorderDelay: 20 * time.Millisecond},
	}})
	end, _ := l.Link("wild")
	p := newPinger(t, end, false, 1)
	const n = 150
	every(t.Context(), 2*time.Millisecond, n, func(i int) {
		if err := p.send(lab.Target(), i); err != nil {
			t.Fatal(err)
		}
	})
	waitFor(t, func() bool {
		for _, trip := range lab.RoundTrips(l.Truth()) {
			if trip.Fate == lab.InFlight {
				return false
			}
		}
		s := l.Stats("wild")
		return s.Entered[lab.Up] == n && len(l.Truth()) == int(s.Entered[lab.Up]+s.Entered[lab.Down])
	})
	var replies, answered, reordered int
	for _, trip := range lab.RoundTrips(l.Truth()) {
		replies += trip.Replies
		if trip.Fate == lab.Delivered {
			answered++
		}
		if trip.Reordered {
			reordered++
		}
	}
	heard := make(map[int]bool)
	var late, highest int
	got := p.receive(replies, patience)
	for _, r := range got {
		if !heard[r.seq] && r.seq < highest {
			late++
		}
		heard[r.seq] = true
		highest = max(highest, r.seq)
	}
	if len(got) != replies || len(heard) != answered || late != reordered {
		t.Errorf("heard %d replies to %d requests, %d out of order; the truth is %d to %d, %d", len(got), len(heard), late, replies, answered, reordered)
	}
	if answered == n || replies == answered || reordered == 0 {
		t.Errorf("%d of %d answered, %d replies, %d reordered: the link did nothing", answered, n, replies, reordered)
	}
	if extra := p.receive(1, 100*time.Millisecond); len(extra) != 0 {
		t.Errorf("a reply more than the truth knows: %v", extra)
	}
}

func TestSourceAndMarkChooseTheLink(t *testing.T) {
	l := labtest.New(t, 1,
		lab.Link{Name: "one", Profile: delayed(0, 0)},
		lab.Link{Name: "two", Profile: delayed(0, 0)},
		lab.Link{Name: "three", Profile: delayed(0, 0)},
	)
	conn, err := l.FarListenPacket(t.Context(), "udp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	port := uint16(conn.LocalAddr().(*net.UDPAddr).Port)
	two, _ := l.Link("two")
	three, _ := l.Link("three")
	mark := func(v uint32) func(string, string, syscall.RawConn) error {
		return func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(v)) }), err)
		}
	}
	for i, c := range []struct {
		dialer net.Dialer
		target netip.Addr
		link   string
	}{
		{net.Dialer{}, lab.Target(), "one"},
		{net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(two.Home, 0))}, lab.Target(), "two"},
		{net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(two.Home6, 0))}, lab.Target6(), "two"},
		{net.Dialer{Control: mark(three.Mark)}, lab.Target(), "three"},
		{net.Dialer{Control: mark(three.Mark)}, lab.Target6(), "three"},
	} {
		out, err := c.dialer.DialContext(t.Context(), "udp", netip.AddrPortFrom(c.target, port).String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(binary.BigEndian.AppendUint16(nil, uint16(i))); err != nil {
			t.Fatal(err)
		}
		out.Close()
		waitFor(t, func() bool { return len(l.Truth()) == i+1 })
		if r := l.Truth()[i]; r.Link != c.link || r.DstPort != port || r.Fate != lab.Delivered {
			t.Errorf("case %d: record %+v, want delivered over %s", i, r, c.link)
		}
	}
}

func TestProgramsServeOnTheFarHost(t *testing.T) {
	l := labtest.New(t, 1, lab.Link{Name: "one", Profile: delayed(5*time.Millisecond, 5*time.Millisecond)})
	listener, err := l.FarListen(t.Context(), "tcp", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.WriteString(conn, "hello from "+conn.LocalAddr().String())
			err = errors.Join(err, conn.Close())
		}
		done <- errors.Join(err, listener.Close())
	}()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if want := "hello from " + listener.Addr().String(); err != nil || string(got) != want {
		t.Errorf("read %q, %v, want %q", got, err, want)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := l.Stats("one"); s.Delivered[lab.Up] == 0 || s.Delivered[lab.Down] == 0 {
		t.Errorf("stats %+v, want packets both ways", s)
	}
}

func TestFarProgramsEndWithTheLab(t *testing.T) {
	labtest.Need(t)
	l, err := lab.New(lab.Options{Links: []lab.Link{{Name: "one"}}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", strconv.Itoa(int(time.Hour.Seconds())))
	if err := l.FarStart(cmd); err != nil {
		t.Fatal(errors.Join(err, l.Close()))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the program ended with %v, want killed", err)
	}
	if err := l.FarStart(exec.Command("true")); err == nil {
		t.Error("a closed lab starts programs")
	}
}

func TestOneLabAtATime(t *testing.T) {
	labtest.New(t, 1, lab.Link{Name: "one"})
	if second, err := lab.New(lab.Options{Links: []lab.Link{{Name: "two"}}}); err == nil {
		t.Errorf("a second lab was made: %v", second.Close())
	}
}

func TestLinksAreNamedAsDevicesCanBe(t *testing.T) {
	labtest.Need(t)
	for _, links := range [][]lab.Link{
		nil, {{Name: ""}}, {{Name: "a/b"}}, {{Name: "fifteen-letters"}}, {{Name: "a"}, {Name: "a"}},
		{{Name: "a", Profile: lab.Profile{Up: lab.Direction{Loss: -1}}}},
	} {
		if l, err := lab.New(lab.Options{Links: links}); err == nil {
			t.Errorf("%+v was accepted: %v", links, l.Close())
		}
	}
}
