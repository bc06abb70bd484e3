package ookla_test

import (
	"context"
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
	"perigee/probes/bind"
	"perigee/probes/ookla"
)

// loopback binds to the loopback device.
var loopback = bind.Options{Interface: "lo"}

// options are those of an endless transfer over loopback.
func options(load perigee.Load, server string) ookla.Options {
	return ookla.Options{
		Stream:      perigee.Stream{Site: "home", Link: "lo", Load: load},
		Binding:     loopback,
		Server:      server,
		MaxDuration: patience,
		Setup:       patience,
		Command:     childLike("child"),
	}
}

// measure runs a transfer until there is payload.
func measure(t *testing.T, o ookla.Options) perigee.Throughput {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.OnProgress = func(p ookla.Progress) {
		if p.Bytes > 0 {
			cancel()
		}
	}
	r, err := ookla.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Stop != perigee.StoppedByUser || r.Bytes == 0 {
		t.Fatalf("stop is %q after %d bytes, want %q after some", r.Stop, r.Bytes, perigee.StoppedByUser)
	}
	return r
}

// queue is how many bytes wait at most where a link's rate is kept. Nothing is lost for
// want of room there: what comes after a lost segment is only read when that has come
// again, all at once, and 2 s are too short to even that out.
const queue = 2 << 20

// shaped is a link with a rate in each direction.
func shaped(name string, down, up int64) lab.Link {
	direction := func(rate int64) lab.Direction {
		return lab.Direction{Delay: 10 * time.Millisecond, Rate: rate, Queue: queue}
	}
	return lab.Link{Name: name, Profile: lab.Profile{Name: name, Down: direction(down), Up: direction(up)}}
}

// payloadShare of a full segment over IPv4 with timestamps: 1448 of 1500 bytes.
const payloadShare = 1448.0 / 1500

func within(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*want {
		t.Errorf("%s is %.4g, want %.4g ± %.0f %%", what, got, want, 100*share)
	}
}

// TestRatesOverTwoLinks runs a download by one link and an upload by the other at the
// same time. Witnesses are the lab's shapes and its log of packets, the server's count
// and the devices' own.
//
// With the library's own clients both would leave by the one last configured, so that
// both servers saw the second link's source, and a device's name would be ignored. Uploads would
// be 29 % too fast if bytes were counted when they are handed to the socket.
func TestRatesOverTwoLinks(t *testing.T) {
	for _, c := range []struct {
		name     string
		down, up int // the link's number
		bound    func(e lab.Endpoint) bind.Options
	}{
		{"bound_by_device", 0, 1, func(e lab.Endpoint) bind.Options { return bind.Options{Interface: e.Device} }},
		{"bound_by_source", 1, 0, func(e lab.Endpoint) bind.Options { return bind.Options{Source: e.Home} }},
		{"bound_by_mark", 1, 0, func(e lab.Endpoint) bind.Options { return bind.Options{Mark: e.Mark} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			const down, up = 10e6, 4e6
			l := labtest.New(t, 1, shaped("one", down, up), shaped("two", down, up))
			ends := l.Links()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { rateOver(t, l, ends[c.down], c.bound(ends[c.down]), perigee.LoadDown, down) })
			wg.Go(func() { rateOver(t, l, ends[c.up], c.bound(ends[c.up]), perigee.LoadUp, up) })
		})
	}
}

// step is what the series counts in.
const step = 100 * time.Millisecond

// length of the transfers whose rates are checked.
const length = 3 * time.Second

// rateOver checks one transfer over a link of the given shape.
func rateOver(t *testing.T, l *lab.Lab, e lab.Endpoint, binding bind.Options, load perigee.Load, shape float64) {
	listener, err := l.FarListen(t.Context(), "tcp4", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Error(err)
		return
	}
	t.Run(string(load), func(t *testing.T) {
		var s *server
		var r perigee.Throughput
		var before, after int64
		t.Run("transfer", func(t *testing.T) { // whose end closes the server's connections
			s = serve(t, listener, nil)
			o := options(load, s.address)
			o.Binding, o.MaxDuration = binding, length
			var progress ookla.Progress
			o.OnProgress = func(p ookla.Progress) { progress = p }
			before = counters(t, binding)
			if r, err = ookla.Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			after = counters(t, binding)
			if progress.Bytes == 0 || progress.Bytes > r.Bytes || progress.Server != s.address {
				t.Errorf("progress ended with %+v; %d bytes came", progress, r.Bytes)
			}
			if r.Stop != perigee.StoppedAtTime || r.Length < o.MaxDuration || r.Stream.Family != perigee.IPv4 {
				t.Errorf("stop %q after %v, family %q", r.Stop, r.Length, r.Stream.Family)
			}
		})
		if t.Failed() {
			return
		}
		t.Logf("%.2f Mbit/s from %v on, %d bytes, %d on the wire, %d on the device", r.Rate/1e6, r.Ramp, r.Bytes, r.WireBytes, after-before)

		if r.Proof.Local != e.Home || r.Proof.InterfaceName != e.Device || r.Proof.Remote != lab.Target() {
			t.Errorf("proof is %+v, want link %s", r.Proof, e.Device)
		}
		for from := range s.seen() {
			if from != e.Home {
				t.Errorf("the server saw %s, want %s of link %s", from, e.Home, e.Name)
			}
		}
		sent, got := s.counted()
		counted := sent
		if load == perigee.LoadUp && len(r.TCP) > 0 {
			counted = max(min(got, r.Bytes), got-r.TCP[len(r.TCP)-1].Window) // less what came when we had stopped
		}
		within(t, "payload by the server's count", float64(r.Bytes), float64(counted), 0.05)
		if r.ReceiverCounted != (load == perigee.LoadDown) || (r.Retransmitted >= 0) != (load == perigee.LoadUp) || (len(r.TCP) > 0) != (load == perigee.LoadUp) {
			t.Errorf("receiver counted %v, %d bytes sent again, %d states of the sender", r.ReceiverCounted, r.Retransmitted, len(r.TCP))
		}
		// What was under way to here at the end came after the connections' last count.
		underWay := int64(0)
		if load == perigee.LoadDown {
			underWay = queue
		}
		if d := after - before - r.WireBytes; d < -r.WireBytes/100 || d > r.WireBytes/50+underWay {
			t.Errorf("%d bytes on the wire, the device's count is %d", r.WireBytes, after-before)
		}

		truth := deliveredRate(t, l, e, load, r.Start.Add(r.Ramp), r.End())
		if late := r.Length - length; late > step || math.Abs(truth-shape*payloadShare) > 0.02*shape {
			t.Logf("the machine is too busy to judge by: the link carried %.2f Mbit/s, the child was %v late", truth/1e6, late)
			return
		}
		within(t, "rate", r.Rate, shape*payloadShare, 0.05)
		within(t, "rate by the lab's log", r.Rate, truth, 0.05)
	})
}

// deliveredRate returns how fast the lab delivered payload in a direction.
func deliveredRate(t *testing.T, l *lab.Lab, e lab.Endpoint, load perigee.Load, from, until time.Time) float64 {
	t.Helper()
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	const headers = 52 // of IPv4, of TCP, and time stamps
	source := map[perigee.Load]netip.Addr{perigee.LoadDown: lab.Target(), perigee.LoadUp: e.Home}[load]
	bytes := 0
	for _, p := range l.Truth() {
		at := time.Unix(0, p.Wall).Add(p.Actual)
		if p.Link == e.Name && p.Src == source && p.Fate == lab.Delivered && !at.Before(from) && at.Before(until) {
			bytes += max(p.Length-headers, 0)
		}
	}
	return 8 * float64(bytes) / until.Sub(from).Seconds()
}

// counters returns the bytes of IP packets that the link's device has moved.
func counters(t *testing.T, binding bind.Options) int64 {
	t.Helper()
	b, err := bind.New(binding)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.Counters(lab.Target())
	if err != nil {
		t.Fatal(err)
	}
	return c.IPBytes()
}
