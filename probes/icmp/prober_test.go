//go:build linux || darwin

package icmp

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"perigee"
	"perigee/probes/bind"
)

const ms = time.Millisecond

func after(delays ...time.Duration) func(perigee.Seq) []time.Duration {
	return func(perigee.Seq) []time.Duration { return delays }
}

// send sends n probes from seq on, one each interval, and waits that long after the
// last, too.
func send(p *Prober, r *recorder, seq perigee.Seq, n int, interval time.Duration) {
	for range n {
		p.Send(seq, r)
		seq++
		time.Sleep(interval)
	}
}

// A prober whose timeout is its interval, or that has no tail wait, would report loss
// here.
func TestLongPathsHaveNoFalseLoss(t *testing.T) {
	for _, rtt := range []time.Duration{600 * ms, 1200 * ms, 2500 * ms} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newFake(t, Options{}, after(rtt))
			r := newRecorder(t)
			start(t, p, r)
			synctest.Wait()
			send(p, r, 0, 100, 100*ms)
			time.Sleep(6 * time.Second)
			if c := r.counts(); c.Received != 100 || c.Lost+c.Late != 0 {
				t.Errorf("RTT %v: %+v, want 100 received", rtt, c)
			}
			for seq, s := range r.singletons {
				if s.RTT != rtt {
					t.Errorf("probe %d: RTT %v, want %v", seq, s.RTT, rtt)
				}
			}
		})
	}
}

func TestOutcomesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		script := map[perigee.Seq][]time.Duration{
			0: {100 * ms},
			1: {3500 * ms},                 // late
			2: nil,                         // lost
			3: {6500 * ms},                 // beyond the horizon: lost, and the reply is nobody's
			4: {350 * ms, 400 * ms},        // duplicate; and overtaken by 5
			5: {100 * ms},                  //
			6: {50 * ms, 50 * ms, 5 * 1e9}, // two duplicates
		}
		p, _ := newFake(t, Options{}, func(seq perigee.Seq) []time.Duration { return script[seq] })
		r := newRecorder(t)
		start(t, p, r)
		synctest.Wait()
		send(p, r, 0, len(script), 200*ms)
		time.Sleep(12 * time.Second)
		synctest.Wait()
		want := perigee.Counts{Planned: 7, Sent: 7, Received: 4, Late: 1, Lost: 2, Duplicates: 3, Reordered: 2}
		if c := r.counts(); c != want {
			t.Errorf("counts %+v, want %+v", c, want) // 1 comes after 4, 5 and 6; 4 after 5
		}
		// Sent at 400 ms, lost a nanosecond after the horizon of 6 s.
		if got := r.decided[2].Sub(began); got != 6400*ms+1 {
			t.Errorf("loss was told after %v, want 6.4s", got)
		}
	})
}

func TestWallClockStepsChangeNothing(t *testing.T) {
	run := func(t *testing.T, step time.Duration) (all []perigee.Singleton) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var offset atomic.Int64
			o := Options{Clock: func() perigee.Reading {
				now := time.Now()
				return perigee.Reading{Wall: now.Add(time.Duration(offset.Load())), Mono: now.Sub(began)}
			}}
			p, _ := newFake(t, o, func(seq perigee.Seq) []time.Duration {
				if seq%7 == 3 {
					return nil
				}
				return []time.Duration{time.Duration(500+seq*13%400) * ms}
			})
			r := newRecorder(t)
			start(t, p, r)
			synctest.Wait()
			send(p, r, 0, 50, 100*ms)
			offset.Store(int64(step))
			send(p, r, 50, 50, 100*ms)
			time.Sleep(7 * time.Second)
			synctest.Wait()
			for _, seq := range r.order {
				all = append(all, r.singletons[seq])
			}
		})
		return all
	}
	want := run(t, 0)
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		if got := run(t, step); !reflect.DeepEqual(got, want) {
			t.Errorf("wall clock stepped by %v: singletons or their order differ", step)
		}
	}
}

// The process is stopped for longer than the late horizon, as by SIGSTOP. The replies
// that came meanwhile are read before anything is called lost, with the times at
// which they came.
func TestStalledProcessLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := newFake(t, Options{}, func(seq perigee.Seq) []time.Duration {
			return [][]time.Duration{{100 * ms}, {3500 * ms}, nil}[seq]
		})
		r := newRecorder(t)
		// What Run does, but for hearing.
		if err := p.begin(); err != nil {
			t.Fatal(err)
		}
		p.tryLink(r)
		send(p, r, 0, 3, 0)
		time.Sleep(time.Minute)
		p.expire(l.sockets[0], new(bind.Message), r)
		want := perigee.Counts{Planned: 3, Sent: 3, Received: 1, Late: 1, Lost: 1}
		if c := r.counts(); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if s := r.outcome(0); s.RTT != 100*ms {
			t.Errorf("RTT %v, want 100ms", s.RTT)
		}
		p.end("stopped", r)
	})
}

func TestStoppingSkipsWhatIsUndecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFake(t, Options{}, after(time.Second))
		r := newRecorder(t)
		p.Send(0, r) // before Run
		stop := start(t, p, r)
		synctest.Wait()
		send(p, r, 1, 20, 100*ms) // 11 are answered within these 2 s, the last of them just now
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		p.Send(21, r)
		want := perigee.Counts{Planned: 22, Sent: 11, SendFailed: 2, Skipped: 9, Received: 11}
		if c := r.counts(); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if s := r.outcome(20); s.Cause != "stopped" {
			t.Errorf("cause of a skipped probe %q, want stopped", s.Cause)
		}
		if s := r.outcome(21); s.Cause != causeNotRunning {
			t.Errorf("cause of a probe after the end %q, want %q", s.Cause, causeNotRunning)
		}
	})
}

// A reply to an earlier run is nobody's, although the numbers are the same.
func TestRunsDoNotMixTheirReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := newFake(t, Options{}, after(time.Second))
		stop := start(t, p, newRecorder(t))
		synctest.Wait()
		p.Send(7, newRecorder(t))
		stale := answer(p.request)
		stop()
		r := newRecorder(t)
		start(t, p, r)
		synctest.Wait()
		p.Send(7, r)
		l.sockets[1].replies <- fakeReply{stale, time.Now()}
		synctest.Wait()
		if c := r.counts(); c.Planned != 0 {
			t.Errorf("a stale reply decided a probe: %+v", c)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := r.outcome(7); s.Outcome != perigee.Received || s.RTT != time.Second {
			t.Errorf("probe is %v after %v, want received after 1s", s.Outcome, s.RTT)
		}
	})
}

func TestFailedSendsTellWhy(t *testing.T) {
	for name, c := range map[string]struct {
		send, path error
		want       string
	}{
		"buffer_full":    {send: unix.ENOBUFS, want: "buffer full"},
		"socket_full":    {send: unix.EAGAIN, want: "buffer full"},
		"no_route":       {send: unix.ENETUNREACH, want: "no route"},
		"firewall":       {send: unix.EPERM, want: "permission"},
		"lost_address":   {send: unix.EINVAL, want: "address not available"},
		"unknown":        {send: errors.New("odd"), want: "send failed"},
		"interface_down": {path: &bind.Error{Reason: bind.ReasonInterfaceDown}, want: "interface down"},
		"no_device":      {path: &bind.Error{Reason: bind.ReasonNoDevice}, want: "no such device"},
		// The system's number is of a lost route, the state is more telling.
		"down_while_sending": {send: unix.ENETUNREACH, path: &bind.Error{Reason: bind.ReasonInterfaceDown}, want: "interface down"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, l := newFake(t, Options{}, after(10*ms))
				r := newRecorder(t)
				start(t, p, r)
				synctest.Wait()
				l.set(func() { l.sendErr, l.pathErr, l.changed = c.send, c.path, c.send == nil })
				p.Send(0, r)
				l.set(func() { l.sendErr, l.pathErr = nil, nil })
				p.Send(1, r)
				time.Sleep(time.Second)
				synctest.Wait()
				if s := r.outcome(0); s.Outcome != perigee.SendFailed || s.Cause != c.want {
					t.Errorf("probe 0 is %v (%q), want send_failed (%q)", s.Outcome, s.Cause, c.want)
				}
				if s := r.outcome(1); s.Outcome != perigee.Received {
					t.Errorf("probe 1, after it passed, is %v, want received", s.Outcome)
				}
			})
		})
	}
}

func TestSendingTooOftenIsRefusedNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFake(t, Options{Interval: time.Second}, after()) // 2*6+64 slots, to a power of two: 128
		r := newRecorder(t)
		start(t, p, r)
		synctest.Wait()
		for seq := range perigee.Seq(1000) {
			p.Send(seq, r)
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		want := perigee.Counts{Planned: 1000, Sent: 128, Lost: 128, SendFailed: 872}
		if c := r.counts(); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if s := r.outcome(999); s.Cause != causeTooMany {
			t.Errorf("cause %q, want %q", s.Cause, causeTooMany)
		}
	})
}

func TestReboundLinkGoesOnWithANewSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := newFake(t, Options{}, after(500*ms))
		r := newRecorder(t)
		start(t, p, r)
		synctest.Wait()
		p.Send(0, r)
		l.set(func() { l.path.Index, l.path.Local = 9, netip.MustParseAddr("10.3.0.2") })
		p.Send(1, r)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		// The reply to 0 came to a device that is gone.
		if a, b := r.outcome(0), r.outcome(1); a.Outcome != perigee.Lost || b.Outcome != perigee.Received {
			t.Errorf("outcomes %v and %v, want lost and received", a.Outcome, b.Outcome)
		}
		if want := []string{"rebound: wan0 (3) 10.1.0.2 -> wan0 (9) 10.3.0.2"}; !slices.Equal(r.events, want) {
			t.Errorf("events %q, want %q", r.events, want)
		}
		// A change elsewhere is not one of this link.
		l.set(func() {})
		p.Send(2, r)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(l.sockets) != 2 || len(r.events) != 1 {
			t.Errorf("%d sockets and %d events after a change elsewhere, want 2 and 1", len(l.sockets), len(r.events))
		}
	})
}

func TestHostNamesAreResolvedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addr := netip.MustParseAddr
		var mu sync.Mutex
		var answers []netip.Addr
		var failure error
		lookups := 0
		set := func(err error, addrs ...netip.Addr) {
			mu.Lock()
			defer mu.Unlock()
			failure, answers = err, addrs
		}
		o := Options{Address: "far.example.net", Resolve: func(ctx context.Context, network, host string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			if lookups++; network != "ip4" || host != "far.example.net" {
				t.Errorf("resolving %s for %s", host, network)
			}
			return slices.Clone(answers), failure
		}}
		set(errors.New("server misbehaving"))
		p, l := newFake(t, o, after(20*ms))
		r := newRecorder(t)
		start(t, p, r)
		synctest.Wait()
		p.Send(0, r)
		if s := r.outcome(0); s.Outcome != perigee.SendFailed || s.Cause != causeNotResolved {
			t.Errorf("probe is %v (%q), want send_failed (%q)", s.Outcome, s.Cause, causeNotResolved)
		}

		// Lookups are from now on a second away from the steps of this test.
		time.Sleep(resolveRest - time.Second)
		set(nil, addr("192.0.2.1"), addr("192.0.2.2"))
		time.Sleep(2 * time.Second)
		p.Send(1, r)

		// In another order it is the same host; an error keeps the last answer.
		set(nil, addr("192.0.2.2"), addr("192.0.2.1"))
		time.Sleep(resolveEvery)
		set(errors.New("server misbehaving"))
		time.Sleep(resolveEvery)
		p.Send(2, r)

		set(nil, addr("2001:db8::1"), addr("192.0.2.3"))
		time.Sleep(resolveEvery)
		p.Send(3, r)
		time.Sleep(100 * ms)

		want := []netip.Addr{addr("192.0.2.1"), addr("192.0.2.1"), addr("192.0.2.3")}
		var sent []netip.Addr
		for _, s := range l.sockets {
			s.mu.Lock()
			sent = append(sent, s.sent...)
			s.mu.Unlock()
		}
		if !slices.Equal(sent, want) {
			t.Errorf("probes went to %v, want %v", sent, want)
		}
		if want := []string{"target_resolved: 192.0.2.1 -> 192.0.2.3"}; !slices.Equal(r.events, want) {
			t.Errorf("events %q, want %q", r.events, want)
		}
		if got := p.Proof().Remote; got != addr("192.0.2.3") {
			t.Errorf("proof names target %v, want 192.0.2.3", got)
		}

		// Ten losses in a row are a reason to ask before the time, but not more
		// often than once in a while.
		l.script = after()
		mu.Lock()
		before := lookups
		mu.Unlock()
		send(p, r, 4, 3*lossesBeforeResolving, 10*ms)
		time.Sleep(resolveRest)
		mu.Lock()
		defer mu.Unlock()
		if lookups != before+1 {
			t.Errorf("%d lookups after %d losses, want one", lookups-before, 3*lossesBeforeResolving)
		}
	})
}

func TestAddressesAreNeverResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
			t.Error("an address was resolved")
			return nil, nil
		}}
		p, _ := newFake(t, o, after())
		r := newRecorder(t)
		start(t, p, r)
		synctest.Wait()
		send(p, r, 0, 50, time.Second)
	})
}

func TestBrokenSocketEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFake(t, Options{}, after())
		p.link = brokenLink{p.link}
		r := newRecorder(t)
		if err := p.Run(t.Context(), r); perigee.CodeOf(err) != perigee.CodeInternal || !errors.Is(err, unix.EBADF) {
			t.Errorf("Run = %v, want an internal error with its cause", err)
		}
	})
}

type brokenLink struct{ link }

func (l brokenLink) Open(to netip.Addr, id uint16) (socket, error) {
	s, err := l.link.Open(to, id)
	return brokenSocket{s}, err
}

type brokenSocket struct{ socket }

func (brokenSocket) Receive(*bind.Message) error { return unix.EBADF }

func TestOptionsAreChecked(t *testing.T) {
	clock := monotonic()
	wan0 := bind.Options{Interface: "wan0"}
	for name, o := range map[string]Options{
		"no_clock":         {Address: "192.0.2.1", Bind: wan0},
		"no_target":        {Clock: clock, Bind: wan0},
		"no_link":          {Clock: clock, Address: "192.0.2.1"},
		"other_family":     {Clock: clock, Address: "192.0.2.1", Family: perigee.IPv6, Bind: wan0},
		"unknown_family":   {Clock: clock, Address: "far.example.net", Family: "ipx", Bind: wan0},
		"multicast":        {Clock: clock, Address: "224.0.0.1", Bind: wan0},
		"zone_of_another":  {Clock: clock, Address: "fe80::1%wan1", Bind: wan0},
		"too_small":        {Clock: clock, Address: "192.0.2.1", Size: MinSize - 1, Bind: wan0},
		"too_large":        {Clock: clock, Address: "192.0.2.1", Size: MaxSize + 1, Bind: wan0},
		"negative_timeout": {Clock: clock, Address: "192.0.2.1", LossTimeout: -1, Bind: wan0},
	} {
		if _, err := New(o); perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("%s: New = %v, want an error with code invalid", name, err)
		}
	}
	for address, want := range map[string]perigee.Family{
		"192.0.2.1":        perigee.IPv4,
		"::ffff:192.0.2.1": perigee.IPv4,
		"2001:db8::1":      perigee.IPv6,
		"fe80::1%wan0":     perigee.IPv6,
		"far.example.net":  perigee.IPv4,
	} {
		p, err := New(Options{Clock: clock, Address: address, Bind: wan0})
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else if p.Family() != want {
			t.Errorf("%s: family %v, want %v", address, p.Family(), want)
		}
	}
}

func TestRunTwiceAtOnceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFake(t, Options{}, after())
		start(t, p, newRecorder(t))
		synctest.Wait()
		if err := p.Run(t.Context(), newRecorder(t)); perigee.CodeOf(err) != perigee.CodeInternal {
			t.Errorf("second Run = %v, want an internal error", err)
		}
	})
}
