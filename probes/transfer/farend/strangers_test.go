package farend

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"perigee/probes/transfer/wire"
)

var down = wire.Start{Direction: wire.Down, Streams: 1, MaxBytes: 1 << 20}

func TestWithoutTheKey(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, f *far) {
		for name, other := range map[string]wire.Key{"no_key": {}, "wrong_key": wire.NewKey()} {
			for _, data := range []bool{false, true} {
				conn, secret := f.dial(t, "127.0.0.1")
				secret.Key = other
				_, err := wire.OpenControl(conn, secret, down)
				if data {
					conn, secret = f.dial(t, "127.0.0.1")
					secret.Key = other
					err = wire.OpenData(conn, secret, wire.SessionID{}, 0)
				}
				if r := refusal(t, err); r.Code != wire.RefusedKey || !strings.Contains(r.Message, "give both the same key file") {
					t.Errorf("%s: refused with %+v", name, r)
				}
			}
		}
	})
}

// recorder keeps what is written to a connection.
type recorder struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.Conn.Write(b)
}

// TestReplay says again, byte by byte, what a good client said on both its connections.
func TestReplay(t *testing.T) {
	f := serve(t, Options{})
	control, secret := f.dial(t, "127.0.0.1")
	asked := &recorder{Conn: control}
	granted, err := wire.OpenControl(asked, secret, down)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := f.dial(t, "127.0.0.1")
	joined := &recorder{Conn: data}
	if err := wire.OpenData(joined, secret, granted.Session, 0); err != nil {
		t.Fatal(err)
	}
	for name, said := range map[string][]byte{"control": asked.sent.Bytes(), "data": joined.sent.Bytes()} {
		conn, _ := f.dial(t, "127.0.0.1")
		if _, err := conn.Write(said); err != nil {
			t.Fatal(err)
		}
		heard, err := io.ReadAll(conn) // the far end hangs up
		if err != nil || !bytes.Contains(heard, []byte(`"code":"bad_key"`)) {
			t.Errorf("%s: the replay hears %q, %v", name, heard, err)
		}
	}
	other, otherSecret := f.dial(t, "127.0.0.1")
	err = wire.OpenData(other, otherSecret, granted.Session, 0)
	if r := refusal(t, err); r.Code != wire.RefusedSession || !r.Proven {
		t.Errorf("a stream that has joined already: %+v", r)
	}
	other, otherSecret = f.dial(t, "127.0.0.1")
	err = wire.OpenData(other, otherSecret, wire.SessionID{1}, 0)
	if r := refusal(t, err); r.Code != wire.RefusedSession || !strings.Contains(r.Message, "no such session") {
		t.Errorf("a session that is not: %+v", r)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	f := serve(t, Options{MaxClients: 3, MaxPerAddress: 2})
	var open []*client
	for _, from := range []string{"127.0.0.1", "127.0.0.1"} {
		open = append(open, f.open(t, from, down))
	}
	_, err := f.ask(t, "127.0.0.1", down)
	if r := refusal(t, err); r.Code != wire.RefusedClients || !strings.Contains(r.Message, "2 clients at 127.0.0.1/32") || r.RetryAfter <= 0 {
		t.Errorf("one more from an address: %+v", r)
	}
	open = append(open, f.open(t, "127.0.0.2", down))
	_, err = f.ask(t, "127.0.0.3", down)
	if r := refusal(t, err); r.Code != wire.RefusedClients || !strings.Contains(r.Message, "3 clients are served already") || !r.Proven {
		t.Errorf("one more: %+v", r)
	}
	for _, c := range open {
		c.say(wire.Stop{})
		c.result()
		next := f.open(t, "127.0.0.3", down) // there is room as soon as the result is known
		next.say(wire.Stop{})
		next.result()
	}
}

func TestDayIsBounded(t *testing.T) {
	f := serve(t, Options{MaxBytesPerDay: 1_500_000})
	unused := f.open(t, "127.0.0.1", down)
	unused.say(wire.Stop{})
	unused.result() // and all is given back
	for _, want := range []int64{1 << 20, 1_500_000 - 1<<20} {
		c := f.open(t, "127.0.0.1", down)
		if c.granted.MaxBytes != want {
			t.Errorf("granted %d bytes, want %d", c.granted.MaxBytes, want)
		}
		c.say(wire.Go{})
		if n, err := c.download(); n != want || err != nil {
			t.Fatalf("received %d bytes, %v", n, err)
		}
		c.say(wire.Stop{})
		c.result()
	}
	_, err := f.ask(t, "127.0.0.1", down)
	if r := refusal(t, err); r.Code != wire.RefusedLimit || r.RetryAfter.Duration() > 24*time.Hour || !strings.Contains(r.Message, "after midnight UTC") {
		t.Errorf("one more byte: %+v", r)
	}
	f.open(t, "127.0.0.2", down)
}

func TestDailyAccount(t *testing.T) {
	evening := time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	d := daily{limit: 100}
	for _, c := range []struct {
		name       string
		after      time.Duration
		site       netip.Prefix
		want, give int64
		granted    int64
	}{
		{"some", 0, a, 70, 0, 70},
		{"the_rest", 0, a, 70, 10, 30},
		{"what_was_not_moved", 0, a, 70, 0, 10},
		{"nothing_left", 0, a, 1, 0, 0},
		{"another_site", 0, b, 1000, 0, 100},
		{"another_day", time.Minute, a, 1000, 0, 100},
	} {
		now := evening.Add(c.after)
		if got := d.reserve(now, c.site, c.want); got != c.granted {
			t.Errorf("%s: granted %d, want %d", c.name, got, c.granted)
		}
		d.giveBack(now, c.site, c.give)
	}
	d.giveBack(evening, a, 50) // reserved yesterday
	if got := d.reserve(evening.Add(time.Minute), a, 1); got != 0 {
		t.Errorf("what was given back of yesterday was granted today: %d", got)
	}
	for i := range maxSites + 10 {
		d.reserve(evening.Add(48*time.Hour), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), 1)
	}
	if len(d.used) != maxSites {
		t.Errorf("%d sites are kept account of, want at most %d", len(d.used), maxSites)
	}
}

// TestDoor follows who has to go for whom.
func TestDoor(t *testing.T) {
	d := newDoor(3)
	from := func(address string) *guest {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		tcp, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tcp.Close(); peer.Close() })
		c := &connection{Conn: tcp, tcp: tcp.(*net.TCPConn), from: netip.MustParseAddr(address)}
		return d.enter(t.Context(), c)
	}
	// leaves plays the guest's goroutine: it leaves when its connection is closed.
	leaves := func(g *guest) <-chan bool {
		gone := make(chan bool, 1)
		go func() {
			g.conn.Read(make([]byte, 1))
			gone <- d.leave(g)
		}()
		return gone
	}
	quiet := from("192.0.2.1")
	first, second := from("2001:db8::1"), from("2001:db8::2") // one site
	d.makeRoom()
	d.makeRoom() // the first is leaving, even if its goroutine is slow
	if len(d.guests) != 2 {
		t.Errorf("%d guests are welcome, want all but one", len(d.guests))
	}
	quietGone, firstGone, secondGone := leaves(quiet), leaves(first), leaves(second)
	from("2001:db8:1::1")
	if <-firstGone {
		t.Error("the oldest guest of the busiest site is still welcome")
	}
	from("2001:db8:2::1") // now all sites have one: the oldest goes
	if <-quietGone {
		t.Error("the oldest guest is still welcome")
	}
	d.close()
	if <-secondGone {
		t.Error("a guest is still welcome in a closed house")
	}
}

// raiseFiles lets the process have as many descriptors as it may and returns how many.
func raiseFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	before := limit
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
	return int(min(limit.Cur, 1<<20))
}

// heap returns the bytes that live on it and on stacks.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the second frees what the first found
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestIdleConnectionsAreBounded opens 10,000 connections that say nothing, or as many as
// the system lets a process have, and a client that wants something meanwhile.
func TestIdleConnectionsAreBounded(t *testing.T) {
	variants(t, Options{HandshakeTimeout: time.Hour}, func(t *testing.T, f *far) {
		const places = 256
		wanted := 10_000
		if f.tls {
			wanted = 1_000 // the door is the same; it is the memory of each that differs
		}
		idle := min(wanted, raiseFiles(t)-2*places-200) // the far end's descriptors are in this process too
		if idle < wanted {
			t.Logf("this process may have %d idle connections, not %d", idle, wanted)
		}
		f.open(t, "127.0.0.1", down) // what is made once
		goroutines, memory := runtime.NumGoroutine(), heap()

		fds := make([]int, 0, idle) // the kernel's alone, so that all memory measured is the far end's
		defer func() {
			for _, fd := range fds {
				syscall.Close(fd)
			}
		}()
		port := netip.MustParseAddrPort(f.address).Port()
		for i := range idle {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
			if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				t.Fatal(err)
			}
			if i != idle/2 {
				continue
			}
			// In the midst of it, from another address and from the same.
			for _, from := range []string{"127.0.0.2", "127.0.0.1"} {
				c := f.open(t, from, down)
				c.say(wire.Go{})
				if n, err := c.download(); n != down.MaxBytes || err != nil {
					t.Errorf("the client from %s received %d bytes, %v", from, n, err)
				}
				c.say(wire.Stop{})
				c.result()
			}
		}
		f.open(t, "127.0.0.1", down) // when it is answered, all before it were seen
		grown := runtime.NumGoroutine() - goroutines
		if limit := places + 10; grown > limit {
			t.Errorf("%d goroutines for %d connections, more than %d", grown, idle, limit)
		}
		used := int64(heap()) - int64(memory)
		if limit := int64(places * 64 << 10); used > limit {
			t.Errorf("%d bytes of memory for %d connections, more than %d", used, idle, limit)
		}
		t.Logf("%d idle connections: %d goroutines, %d bytes", idle, grown, used)
	})
}

// TestClientIsServedDuringAFlood opens connections without an end from one address while
// a client from another goes through all its handshakes.
func TestClientIsServedDuringAFlood(t *testing.T) {
	f := serve(t, Options{MaxStrangers: 8, HandshakeTimeout: time.Hour})
	end := make(chan struct{})
	var flood sync.WaitGroup
	for range 2 {
		flood.Go(func() {
			var conns []net.Conn
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			for {
				select {
				case <-end:
					return
				default:
				}
				if c, err := net.Dial("tcp", f.address); err == nil {
					conns = append(conns, c)
				}
				if len(conns) > 100 {
					conns[0].Close()
					conns = conns[1:]
				}
			}
		})
	}
	defer flood.Wait()
	defer close(end)
	for range 5 {
		c := f.open(t, "127.0.0.2", down)
		c.say(wire.Go{})
		if n, err := c.download(); n != down.MaxBytes || err != nil {
			t.Errorf("received %d bytes, %v", n, err)
		}
		c.say(wire.Stop{})
		c.result()
	}
}

// TestAllIsGoneAfterTheEnd leaves connections in every state behind.
func TestAllIsGoneAfterTheEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	variants(t, Options{}, func(t *testing.T, f *far) {
		f.dial(t, "127.0.0.1")
		if _, err := f.ask(t, "127.0.0.1", down); err != nil {
			t.Fatal(err)
		}
		f.open(t, "127.0.0.1", wire.Start{Direction: wire.Up, Streams: 3}).say(wire.Go{})
		f.open(t, "127.0.0.1", wire.Start{Direction: wire.Down, Streams: 3}).say(wire.Go{})
		if err := f.stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := net.Dial("tcp", f.address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("it still listens: %v", err)
		}
	})
	// Serve has returned, and waited for all; the last may still be about to return.
	for range 100_000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}
