package ookla_test

import (
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

// options are those of a short transfer over loopback.
func options(load perigee.Load, server string) ookla.Options {
	return ookla.Options{
		Stream:      perigee.Stream{Site: "home", Link: "lo", Load: load},
		Binding:     loopback,
		Server:      server,
		MaxDuration: time.Second,
		Command:     childLike("child"),
	}
}

// queue is how many bytes wait at most where a link's rate is kept.
const queue = 128 << 10

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
// same time, then the other way round. Witnesses are the lab's shapes, the server's
// counts and the devices' own.
//
// With the library's own clients both would leave by the one last configured (the
// second link's source would be seen by both servers), and a device's name would be
// ignored. Uploads would be more than twice too fast if bytes were counted when they are
// handed to the socket: the sockets take megabytes at once.
func TestRatesOverTwoLinks(t *testing.T) {
	const down, up = 20e6, 6e6
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
			l := labtest.New(t, 1, shaped("one", down, up), shaped("two", down, up))
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { rateOver(t, l, l.Links()[c.down], c.bound(l.Links()[c.down]), perigee.LoadDown, down) })
			wg.Go(func() { rateOver(t, l, l.Links()[c.up], c.bound(l.Links()[c.up]), perigee.LoadUp, up) })
		})
	}
}

// rateOver checks one transfer over a link of the given shape.
func rateOver(t *testing.T, l *lab.Lab, e lab.Endpoint, binding bind.Options, load perigee.Load, shape float64) {
	listener, err := l.FarListen(t.Context(), "tcp4", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Error(err)
		return
	}
	var s *server
	var bytes int64
	t.Run(string(load), func(t *testing.T) {
		s = serve(t, listener, nil)
		o := options(load, s.address)
		o.Binding, o.MaxDuration = binding, 2500*time.Millisecond
		var progress ookla.Progress
		o.OnProgress = func(p ookla.Progress) { progress = p }
		before := counters(t, binding)
		r, err := ookla.Run(t.Context(), o)
		if err != nil {
			t.Error(err)
			return
		}
		after := counters(t, binding)
		bytes = r.Bytes
		t.Logf("%s %s: %.2f Mbit/s ± %.1f %%, steady %v after %v, whole %.2f, %d bytes, wire %d of %d on the device, tcp %d, connect %+v, retransmitted %d",
			e.Name, load, r.Rate/1e6, 100*r.Error, r.Steady, r.Ramp, r.WholeRate/1e6, r.Bytes, r.WireBytes, after-before, len(r.TCP), r.Connect, r.Retransmitted)

		within(t, "rate", r.Rate, shape*payloadShare, 0.05)
		// What was under way at the end came after the connections' last count: the
		// queue's content and the delay's at most.
		underWay := int64(queue + shape*0.02/8)
		if d := after - before - r.WireBytes; d < -r.WireBytes/100 || d > r.WireBytes/100+underWay {
			t.Errorf("%d bytes on the wire, the device's count is %d", r.WireBytes, after-before)
		}
		if progress.Bytes == 0 || progress.Bytes > r.Bytes || progress.Server != s.address {
			t.Errorf("progress ended with %+v; %d bytes came", progress, r.Bytes)
		}
		if r.Proof.Local != e.Home || r.Proof.InterfaceName != e.Device || r.Proof.Remote != lab.Target() {
			t.Errorf("proof is %+v, want link %s", r.Proof, e.Device)
		}
		for from := range s.seen() {
			if from != e.Home {
				t.Errorf("the server saw %s, want %s of link %s", from, e.Home, e.Name)
			}
		}
		if r.Stop != perigee.StoppedAtTime || r.Length < o.MaxDuration || r.Stream.Family != perigee.IPv4 || r.ReceiverCounted != (load == perigee.LoadDown) {
			t.Errorf("result is %+v", r)
		}
	})
	if s == nil {
		return
	}
	// The server has closed its connections by now.
	sent, got := s.counted()
	if load == perigee.LoadDown {
		within(t, "payload", float64(bytes), float64(sent), 0.05)
	} else {
		within(t, "payload", float64(bytes), float64(got), 0.05)
	}
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
