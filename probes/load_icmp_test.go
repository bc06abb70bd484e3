//go:build linux

package probes_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"perigee"
	"perigee/internal/clock"
	"perigee/probes"
	"perigee/probes/bind"
	"perigee/probes/icmp"
)

// stay is a time under a load: SetLoad was called at called and returned at from.
type stay struct {
	load         perigee.Load
	called, from time.Duration
}

// Real echo requests over loopback are marked with the load under which they left.
func TestRealProbesAreMarkedWithTheirLoad(t *testing.T) {
	needEcho(t)
	read := clock.System()
	prober, err := icmp.New(icmp.Options{
		Bind: bind.Options{Interface: "lo"}, Address: "127.0.0.1", LossTimeout: time.Second, Interval: 5 * time.Millisecond, Clock: read,
	})
	if err != nil {
		t.Fatal(err)
	}
	key := perigee.Stream{Site: "home", Link: "loop", Target: "self", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	heard := make(chan perigee.Load, 1<<16)
	var stored []perigee.Sample
	runner, err := probes.New(probes.Options{
		Site:     "home",
		Streams:  []probes.Stream{{Key: key, Prober: prober, LossTimeout: time.Second}},
		Interval: 10 * time.Millisecond, LoadInterval: 5 * time.Millisecond, Window: 100 * time.Millisecond,
		Clock: read, Rand: rand.New(rand.NewPCG(1, 2)),
		Record: func(_ context.Context, b perigee.Batch) error {
			stored = append(stored, b.Samples...)
			return nil
		},
		OnSingleton: func(k perigee.Stream, s perigee.Singleton) {
			if s.Outcome == perigee.Received {
				heard <- k.Load
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()

	stays := []stay{{load: perigee.LoadIdle}}
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp, perigee.LoadIdle, perigee.LoadUp, perigee.LoadIdle} {
		await(heard, stays[len(stays)-1].load, 30)
		s := stay{load: load, called: read().Mono}
		runner.SetLoad("loop", load)
		s.from = read().Mono
		stays = append(stays, s)
	}
	await(heard, perigee.LoadIdle, 30)
	wall := read()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	received := map[perigee.Load]int64{}
	for _, sample := range stored {
		load := sample.Stream.Load
		received[load] += sample.Counts.Received
		if sample.Proof.InterfaceName != "lo" {
			t.Errorf("%s: proof %+v, want lo", load, sample.Proof)
		}
		for _, p := range sample.Singletons {
			at := wall.Mono + sample.Start.Add(p.At).Sub(wall.Wall)
			if !under(stays, load, at) {
				t.Errorf("%s: a probe of %v is not of that load: %+v", load, at, stays)
			}
		}
	}
	for _, load := range []perigee.Load{perigee.LoadIdle, perigee.LoadDown, perigee.LoadUp} {
		if received[load] == 0 { // fewer than were heard after a stall of the machine
			t.Errorf("%s: no replies", load)
		}
	}
}

// await waits for n replies under load.
func await(heard <-chan perigee.Load, load perigee.Load, n int) {
	for n > 0 {
		if <-heard == load {
			n--
		}
	}
}

// under reports whether a probe sent at at may have been sent under load. Start and At of
// a sample are of two clocks, of which one is slewed: a millisecond is allowed.
func under(stays []stay, load perigee.Load, at time.Duration) bool {
	const slack = time.Millisecond
	for i, s := range stays {
		if s.load == load && at >= s.called-slack && (i+1 == len(stays) || at <= stays[i+1].from+slack) {
			return true
		}
	}
	return false
}

// needEcho skips t where this process may not send echo requests.
func needEcho(t *testing.T) {
	t.Helper()
	binder, err := bind.New(bind.Options{Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	defer binder.Close()
	s, err := binder.ListenICMP(netip.MustParseAddr("127.0.0.1"), 1)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("may not send echo requests: run as root")
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
