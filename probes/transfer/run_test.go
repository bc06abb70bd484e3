package transfer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/probes/transfer"
	"perigee/probes/transfer/farend"
	"perigee/probes/transfer/wire"
)

func TestTransferCountsWhatArrived(t *testing.T) {
	for name, c := range map[string]struct {
		load    perigee.Load
		streams int
		secured bool
	}{
		"down":           {perigee.LoadDown, 1, false},
		"up":             {perigee.LoadUp, 1, false},
		"down_by_eight":  {perigee.LoadDown, 8, false},
		"up_by_eight":    {perigee.LoadUp, 8, false},
		"down_encrypted": {perigee.LoadDown, 2, true},
		"up_encrypted":   {perigee.LoadUp, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			far := farend.Options{}
			if c.secured {
				far.TLS = certificate(t)
			}
			o := loopback(t, c.load, far)
			o.Streams = c.streams
			if c.secured {
				o.TLS = &tls.Config{InsecureSkipVerify: true} // the key proves who it is
			}
			o.Clock = func() perigee.Reading { return perigee.Reading{Wall: time.Unix(1800000000, 0)} }
			r := run(t, o)
			// On a busy machine windows are small here, and headers and acknowledgements
			// take up to a third; the system counts them, and they count against the cap.
			if r.Stop != perigee.StoppedAtCap || r.WireBytes < 17e6 || r.Bytes < 10e6 || r.Bytes > 20e6 || r.WireBytes < r.Bytes || r.WireBytes > 204e5 {
				t.Errorf("%d bytes, %d on the wire, ended by %s; want most of 20 MB", r.Bytes, r.WireBytes, r.Stop)
			}
			if !r.ReceiverCounted || r.Streams != c.streams || r.Congestion == "" && c.load == perigee.LoadUp || !r.Start.Equal(time.Unix(1800000000, 0)) {
				t.Errorf("%+v does not say what was done", r)
			}
			if r.Proof.InterfaceName != "lo" || !r.Proof.Local.IsLoopback() || !r.Proof.Remote.IsLoopback() || r.Stream.Family != perigee.IPv4 {
				t.Errorf("proof %+v, family %s, want loopback by IPv4", r.Proof, r.Stream.Family)
			}
			if r.Connect.TCP <= 0 || r.Connect.FirstByte <= 0 || (r.Connect.TLS > 0) != c.secured {
				t.Errorf("connecting took %+v", r.Connect)
			}
			if r.WholeRate <= 0 || r.Rate <= 0 || r.Length <= 0 || r.Retransmitted < 0 {
				t.Errorf("%+v lacks what follows from counts", r)
			}
		})
	}
}

func TestNamesAndBothFamiliesAreReached(t *testing.T) {
	for name, c := range map[string]struct {
		listen, host string
		family, want perigee.Family
	}{
		"name_by_ipv4":    {"127.0.0.1:0", "localhost", perigee.IPv4, perigee.IPv4},
		"address_of_ipv6": {"[::1]:0", "::1", "", perigee.IPv6},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", c.listen)
			if err != nil {
				t.Skip(err)
			}
			serve(t, l, farend.Options{})
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, transfer.Options{
				Binder: binderTo(t, "lo"), Address: net.JoinHostPort(c.host, port), Key: key,
				Stream: perigee.Stream{Load: perigee.LoadDown, Family: c.family}, MaxBytes: 2e6,
			})
			if r.Stream.Family != c.want || r.Proof.Remote.Is6() != (c.want == perigee.IPv6) {
				t.Errorf("family %s, remote %v; want %s", r.Stream.Family, r.Proof.Remote, c.want)
			}
		})
	}
}

func TestTransferEndsAtItsTime(t *testing.T) {
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		o := loopback(t, load, farend.Options{})
		o.MaxBytes, o.MaxDuration = 0, 1200*time.Millisecond
		var phases []transfer.Phase
		o.OnProgress = func(p transfer.Progress) {
			if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
				phases = append(phases, p.Phase)
			}
		}
		r := run(t, o)
		if r.Stop != perigee.StoppedAtTime || len(r.Series) < 11 || len(r.TCP) == 0 {
			t.Errorf("%s: ended by %s with %d intervals and %d states of TCP", load, r.Stop, len(r.Series), len(r.TCP))
		}
		if len(phases) < 3 || phases[0] != transfer.PhaseConnect || phases[len(phases)-1] != transfer.PhaseEnd {
			t.Errorf("%s: went through %v", load, phases)
		}
	}
}

func TestCancelledTransferIsWhatWasMeasured(t *testing.T) {
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		o := loopback(t, load, farend.Options{})
		o.MaxBytes, o.MaxDuration = 0, time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		o.OnProgress = func(p transfer.Progress) {
			if p.Bytes > 0 {
				cancel()
			}
		}
		r, err := transfer.Run(ctx, o)
		if err != nil || r.Stop != perigee.StoppedByUser || r.Bytes == 0 || r.Check() != nil {
			t.Errorf("%s: %d bytes, ended by %q, %v, %v; want what was measured", load, r.Bytes, r.Stop, err, r.Check())
		}
	}
}

func TestFaultyFarEndIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		fault fault
		load  perigee.Load
		code  perigee.Code
		stop  perigee.StopReason // if payload began to move
		words string
	}{
		"refuses":       {refuses, perigee.LoadDown, perigee.CodeUnavailable, "", "4 clients are served; try again later (too_many_clients)"},
		"stranger":      {stranger, perigee.LoadDown, perigee.CodeUnavailable, "", "no perigee far end"},
		"hangs_down":    {hangs, perigee.LoadDown, perigee.CodeUnavailable, perigee.StoppedByFailure, "does not answer any more"},
		"hangs_up":      {hangs, perigee.LoadUp, perigee.CodeUnavailable, perigee.StoppedByFailure, "does not answer any more"},
		"breaks_down":   {breaks, perigee.LoadDown, perigee.CodeUnavailable, perigee.StoppedByFailure, "the connection"},
		"breaks_up":     {breaks, perigee.LoadUp, perigee.CodeUnavailable, perigee.StoppedByFailure, "the connection"},
		"gives_up_down": {givesUp, perigee.LoadDown, perigee.CodeUnavailable, perigee.StoppedByFailure, "the far end is going down (shutdown)"},
		"gives_up_up":   {givesUp, perigee.LoadUp, perigee.CodeUnavailable, perigee.StoppedByFailure, "the far end is going down (shutdown)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFaultyFar(t, c.fault)
			r, err := transfer.Run(t.Context(), transfer.Options{
				Binder: binderTo(t, "lo"), Address: far.address(), Key: far.key,
				Stream: perigee.Stream{Load: c.load}, Streams: 2, MaxDuration: time.Second,
			})
			if err == nil || perigee.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
				t.Errorf("error %v (%s), want %s and %q", err, perigee.CodeOf(err), c.code, c.words)
			}
			if r.Stop != c.stop || c.fault == hangs && c.load == perigee.LoadDown && r.Bytes < part/2 {
				t.Errorf("%d bytes, ended by %q, want what was measured and %q", r.Bytes, r.Stop, c.stop)
			}
			if c.stop != "" && r.Check() != nil {
				t.Error(r.Check())
			}
		})
	}
}

func TestConnectingEndsWithTheContext(t *testing.T) {
	far := newFaultyFar(t, mute)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := transfer.Run(ctx, transfer.Options{Binder: binderTo(t, "lo"), Address: far.address(), Key: far.key, Stream: perigee.Stream{Load: perigee.LoadUp}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v, want that its time was over", err)
	}
}

func TestFarEndThatCannotServeIsNamed(t *testing.T) {
	good := loopback(t, perigee.LoadDown, farend.Options{Congestion: []string{"reno"}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for name, c := range map[string]struct {
		change func(*transfer.Options)
		code   perigee.Code
		words  string
	}{
		"nobody_there":     {func(o *transfer.Options) { o.Address = l.Addr().String() }, perigee.CodeUnavailable, "cannot be reached"},
		"other_key":        {func(o *transfer.Options) { o.Key = wire.NewKey() }, perigee.CodePermission, "(bad_key)"},
		"congestion":       {func(o *transfer.Options) { o.Congestion = "vegas" }, perigee.CodeInvalid, "(congestion_not_allowed)"},
		"cap_too_small":    {func(o *transfer.Options) { o.MaxBytes = 50e3 }, perigee.CodeInvalid, "leaves no payload"},
		"no_link":          {func(o *transfer.Options) { o.Binder = nil }, perigee.CodeInvalid, "no link is given"},
		"no_key":           {func(o *transfer.Options) { o.Key = wire.Key{} }, perigee.CodeInvalid, "no key is given"},
		"no_direction":     {func(o *transfer.Options) { o.Stream.Load = perigee.LoadIdle }, perigee.CodeInvalid, `"idle" is no direction`},
		"no_port":          {func(o *transfer.Options) { o.Address = "far.example" }, perigee.CodeInvalid, "must be host:port"},
		"too_many_streams": {func(o *transfer.Options) { o.Streams = 65 }, perigee.CodeInvalid, "65 streams are not between 1 and 64"},
		"too_long":         {func(o *transfer.Options) { o.MaxDuration = time.Hour }, perigee.CodeInvalid, "a duration of 1h0m0s is not between"},
		"no_confidence":    {func(o *transfer.Options) { o.Confidence = 1 }, perigee.CodeInvalid, "at a confidence of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			r, err := transfer.Run(t.Context(), o)
			if err == nil || perigee.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
				t.Errorf("Run = %v (%s), want %s and %q", err, perigee.CodeOf(err), c.code, c.words)
			}
			if r.Bytes != 0 {
				t.Errorf("%d bytes moved", r.Bytes)
			}
		})
	}
}
