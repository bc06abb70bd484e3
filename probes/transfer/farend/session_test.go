package farend

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// variants runs a test without TLS and with it.
func variants(t *testing.T, o Options, test func(t *testing.T, f *far)) {
	t.Run("plain", func(t *testing.T) { test(t, serve(t, o)) })
	t.Run("tls", func(t *testing.T) {
		o := o
		o.TLS = selfSigned(t)
		test(t, serve(t, o))
	})
}

// check holds a result together with the states before it.
func check(t *testing.T, r wire.Result, states []wire.State) {
	t.Helper()
	next := 0
	for _, s := range states {
		if s.From != next {
			t.Fatalf("a state begins with step %d, want %d", s.From, next)
		}
		for i, n := range s.Bytes {
			var final int64
			if s.From+i < len(r.Steps) {
				final = r.Steps[s.From+i]
			}
			if n != final {
				t.Errorf("step %d: told %d bytes, then %d", s.From+i, n, final)
			}
		}
		next += len(s.Bytes)
		if s.At.Duration() < time.Duration(next)*wire.Step {
			t.Errorf("step %d was told at %v, before it ended", next-1, s.At)
		}
	}
}

func TestCapIsExactDown(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, f *far) {
		const most = 10_000_019 // no multiple of anything
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 3, MaxBytes: most})
		if c.granted.MaxBytes != most {
			t.Fatalf("granted %d bytes, want %d", c.granted.MaxBytes, most)
		}
		c.say(wire.Go{})
		if n, err := c.download(); n != most || err != nil {
			t.Errorf("received %d bytes, %v, want %d", n, err, most)
		}
		c.say(wire.Stop{})
		r, states := c.result()
		check(t, r, states)
		if r.Bytes != most || r.Ended != wire.EndedByCap || len(r.Streams) != 3 || r.Length <= 0 {
			t.Errorf("result %+v", r)
		}
	})
}

func TestCapIsExactUp(t *testing.T) {
	variants(t, Options{MaxBytes: 3_000_021}, func(t *testing.T, f *far) {
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 3, MaxBytes: 1e12})
		if c.granted.MaxBytes != 3_000_021 {
			t.Fatalf("granted %d bytes", c.granted.MaxBytes)
		}
		c.say(wire.Go{})
		if err := c.upload(c.granted.MaxBytes / 3); err != nil {
			t.Fatal(err)
		}
		c.say(wire.Stop{Drain: wire.Seconds(wire.MaxDrain)})
		r, states := c.result()
		check(t, r, states)
		if r.Bytes != 3_000_021 || r.Ended != wire.EndedByCap {
			t.Errorf("result %+v", r)
		}
		for i, n := range r.Streams {
			if n != 1_000_007 {
				t.Errorf("stream %d: %d bytes", i, n)
			}
		}
	})
}

func TestMoreThanGrantedEndsTheSession(t *testing.T) {
	f := serve(t, Options{})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 2, MaxBytes: 100_000})
	c.say(wire.Go{})
	c.upload(50_001) // the far end may close before all is written
	r, _ := c.result()
	if r.Bytes != 100_000 || r.Ended != wire.EndedByClient || !strings.Contains(r.Message, "more than was granted") {
		t.Errorf("result %+v", r)
	}
}

func TestStopEndsTheSession(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, f *far) {
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 2})
		c.say(wire.Go{})
		if _, err := io.ReadFull(c.streams[0], make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		c.say(wire.Stop{})
		r, states := c.result()
		check(t, r, states)
		if r.Ended != wire.EndedByStop || r.Bytes < 1<<20 || r.Message != "" {
			t.Errorf("result %+v", r)
		}
		if _, err := c.download(); err == nil {
			t.Error("the streams ended as if all had been sent")
		}
	})
}

func TestStopBeforePayload(t *testing.T) {
	f := serve(t, Options{})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 1})
	c.say(wire.Stop{})
	if r, _ := c.result(); r.Ended != wire.EndedByStop || r.Bytes != 0 || r.Length != 0 || len(r.Steps) != 0 {
		t.Errorf("result %+v", r)
	}
}

func TestTimeEndsTheSession(t *testing.T) {
	const most = 3 * wire.Step
	variants(t, Options{MaxDuration: most}, func(t *testing.T, f *far) {
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 2, MaxDuration: wire.Seconds(time.Minute)})
		if c.granted.MaxDuration.Duration() != most {
			t.Fatalf("granted %v", c.granted.MaxDuration)
		}
		c.say(wire.Go{})
		n, err := c.download()
		if err != nil {
			t.Errorf("the streams were broken off: %v", err)
		}
		c.say(wire.Stop{})
		if r, _ := c.result(); r.Ended != wire.EndedByTime || r.Bytes != n {
			t.Errorf("%d bytes received, result %+v", n, r)
		}

		c = f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 1})
		c.say(wire.Go{})
		go c.upload(1 << 40)
		r, states := c.result()
		check(t, r, states)
		if r.Ended != wire.EndedByTime {
			t.Errorf("result %+v", r)
		}
	})
}

// TestSessionOutlivesItsHandshake goes on for longer than a handshake may take.
func TestSessionOutlivesItsHandshake(t *testing.T) {
	const handshake = 15 * wire.Step
	f := serve(t, Options{HandshakeTimeout: handshake})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 1})
	c.say(wire.Go{})
	for told := time.Duration(0); told <= handshake; told += wire.Step {
		if _, err := wire.ReadFrame(c.control); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.upload(1000); err != nil {
		t.Fatal(err)
	}
	c.say(wire.Stop{Drain: wire.Seconds(wire.MaxDrain)})
	if r, _ := c.result(); r.Ended != wire.EndedByStop || r.Bytes != 1000 {
		t.Errorf("result %+v", r)
	}
}

// TestArrivalsAreTold holds what a client is told of arrivals against what was counted.
func TestArrivalsAreTold(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	variants(t, Options{}, func(t *testing.T, f *far) {
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 2})
		c.say(wire.Go{})
		const each = 3_000_000
		if err := c.upload(each); err != nil {
			t.Fatal(err)
		}
		var arrived []int64
		var states []wire.State
		for told := int64(0); told < 2*each; {
			frame, err := wire.ReadFrame(c.control)
			if err != nil {
				t.Fatal(err)
			}
			s := frame.(wire.State)
			states = append(states, s)
			if s.ArrivedFrom > len(arrived) || len(s.Arrived) == 0 {
				t.Fatalf("%+v does not follow %d steps", s, len(arrived))
			}
			// Loopback too drops segments, where the receiver is starved of its processor.
			inOrder := s.TCP != nil && s.TCP.Receiver != nil && s.TCP.Receiver.OutOfOrder == 0
			if len(s.Waiting) > 0 && inOrder {
				t.Fatalf("%+v: something waits, and all came in order", s)
			}
			arrived = append(arrived[:s.ArrivedFrom], s.Arrived...)
			told = 0
			for _, n := range arrived {
				told += n
			}
			if len(arrived) != s.From+len(s.Bytes) {
				t.Fatalf("arrivals of %d steps, counts of %d", len(arrived), s.From+len(s.Bytes))
			}
			if most := int64(2*each) * 102 / 100; told > most { // TLS adds some
				t.Fatalf("%d bytes arrived of %d", told, 2*each)
			}
		}
		c.say(wire.Stop{Drain: wire.Seconds(time.Second)})
		r, more := c.result()
		check(t, r, append(states, more...))
		if s := states[len(states)-1].TCP; s == nil || s.Receiver == nil || s.Receiver.Segments < 2 || s.Receiver.Space <= 0 || s.Received < 2*each {
			t.Errorf("TCP %+v of a receiver", s)
		}
	})
}

// TestPayloadBeforeGo covers connections of which the control connection is the slowest.
func TestPayloadBeforeGo(t *testing.T) {
	f := serve(t, Options{})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 1})
	if err := c.upload(1000); err != nil {
		t.Fatal(err)
	}
	for { // time zero has come: states do
		frame, err := wire.ReadFrame(c.control)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := frame.(wire.State); ok && s.Bytes[0] == 1000 {
			break
		}
	}
	c.say(wire.Go{})
	c.say(wire.Stop{Drain: wire.Seconds(time.Second)})
	if r, _ := c.result(); r.Bytes != 1000 || r.Ended != wire.EndedByStop {
		t.Errorf("result %+v", r)
	}
}

func TestDrainIsBounded(t *testing.T) {
	f := serve(t, Options{})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 2})
	c.say(wire.Go{})
	c.say(wire.Stop{Drain: wire.Seconds(150 * time.Millisecond)}) // and no stream ends
	if r, _ := c.result(); r.Ended != wire.EndedByStop || r.Bytes != 0 {
		t.Errorf("result %+v", r)
	}
}

func TestClientThatSendsNothingIsEnded(t *testing.T) {
	t.Run("before_it_is_known", func(t *testing.T) {
		f := serve(t, Options{HandshakeTimeout: 100 * time.Millisecond})
		conn, _ := f.dial(t, "127.0.0.1")
		if _, err := io.Copy(io.Discard, conn); err != nil { // the greeting, and then the end
			t.Error(err)
		}
	})
	t.Run("before_tls", func(t *testing.T) {
		secured := serve(t, Options{HandshakeTimeout: 100 * time.Millisecond, TLS: selfSigned(t)})
		conn, err := net.Dial("tcp", secured.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
			t.Errorf("%d bytes were sent to who said nothing, %v", n, err)
		}
	})
	t.Run("no_streams", func(t *testing.T) {
		f := serve(t, Options{SetupTimeout: 200 * time.Millisecond})
		c, err := f.ask(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 1})
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := c.result(); r.Ended != wire.EndedByIdleness || !strings.Contains(r.Message, "200ms of the grant") {
			t.Errorf("result %+v", r)
		}
	})
	t.Run("no_payload", func(t *testing.T) {
		f := serve(t, Options{IdleTimeout: 300 * time.Millisecond})
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 2})
		c.say(wire.Go{})
		if r, _ := c.result(); r.Ended != wire.EndedByIdleness || !strings.Contains(r.Message, "moved for 300ms") {
			t.Errorf("result %+v", r)
		}
	})
}

func TestClientThatNeverReadsIsEnded(t *testing.T) {
	variants(t, Options{IdleTimeout: 300 * time.Millisecond}, func(t *testing.T, f *far) {
		c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 2})
		c.say(wire.Go{})
		if r, _ := c.result(); r.Ended != wire.EndedByIdleness || r.Bytes == 0 {
			t.Errorf("result %+v", r)
		}
	})
}

func TestBrokenControlEndsTheSession(t *testing.T) {
	f := serve(t, Options{MaxClients: 1})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1})
	c.say(wire.Go{})
	c.control.Close()
	if _, err := c.download(); err == nil {
		t.Error("the stream ended as if all had been sent")
	}
}

func TestGoBeforeStreamsIsRefused(t *testing.T) {
	f := serve(t, Options{})
	c, err := f.ask(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1})
	if err != nil {
		t.Fatal(err)
	}
	c.say(wire.Go{})
	if r, _ := c.result(); r.Ended != wire.EndedByClient || !strings.Contains(r.Message, "before all streams") {
		t.Errorf("result %+v", r)
	}
}

func TestShutdownIsTold(t *testing.T) {
	f := serve(t, Options{})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1})
	c.say(wire.Go{})
	if _, err := io.ReadFull(c.streams[0], make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	if r, _ := c.result(); r.Ended != wire.EndedByShutdown || r.Message == "" {
		t.Errorf("result %+v", r)
	}
}

func TestCongestionIsChosen(t *testing.T) {
	known, err := bind.Congestions()
	if err != nil || len(known) < 2 {
		t.Skipf("this system offers no choice: %v, %v", known, err)
	}
	f := serve(t, Options{Congestion: known[1:2]})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1, Congestion: known[1], MaxBytes: 1})
	if c.granted.Congestion != known[1] {
		t.Errorf("granted %q, want %q", c.granted.Congestion, known[1])
	}
	_, err = f.ask(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1, Congestion: known[0]})
	if r := refusal(t, err); r.Code != wire.RefusedCongestion || !r.Proven || !strings.Contains(r.Message, "only "+known[1]) {
		t.Errorf("refused with %+v", r)
	}
	if _, err = f.ask(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 1, Congestion: known[0]}); err != nil {
		t.Errorf("what the client sends with: %v", err)
	}
	none := serve(t, Options{})
	_, err = none.ask(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1, Congestion: known[0]})
	if r := refusal(t, err); r.Code != wire.RefusedCongestion || !strings.Contains(r.Message, "--congestion "+known[0]) {
		t.Errorf("refused with %+v", r)
	}
	c, err = none.ask(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 1})
	if err != nil || c.granted.Congestion == "" {
		t.Errorf("the system's choice is not told: %+v, %v", c.granted, err)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for want, o := range map[string]Options{
		"there is no key":          {},
		"below zero":               {Key: key, MaxClients: -1},
		"longer than the protocol": {Key: key, MaxDuration: time.Hour},
		"cannot be chosen":         {Key: key, Congestion: []string{"no_such"}},
	} {
		if _, err := o.complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

func TestTCPStateIsTold(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	f := serve(t, Options{})
	c := f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 2, MaxBytes: 1 << 20})
	c.say(wire.Go{})
	if _, err := c.download(); err != nil {
		t.Fatal(err)
	}
	c.say(wire.Stop{})
	r, _ := c.result()
	// What has arrived may not be acknowledged yet.
	if r.TCP == nil || r.TCP.Sent < 1<<20 || r.TCP.Acked < 1 || r.TCP.Window <= 0 || r.TCP.RTT <= 0 || r.TCP.SegmentsIn <= 0 {
		t.Errorf("TCP %+v", r.TCP)
	}
}
