package storage_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"perigee/storage"
)

// arrival is bytes that came at a time.
type arrival struct {
	at    time.Time
	bytes int
}

// receive reads conn until it ends and tells what came when.
func receive(conn net.Conn) func() []arrival {
	var all []arrival
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			all = append(all, arrival{time.Now(), n})
		}
	}()
	return func() []arrival { <-done; return all }
}

// piped returns a dialer to the other end of a pipe.
func piped() (storage.DialFunc, net.Conn) {
	near, far := net.Pipe()
	return func(context.Context, string, string) (net.Conn, error) { return near, nil }, far
}

// In no time are more than rate * time and one chunk written, and no less in all.
func TestPacedWritesKeepTheRate(t *testing.T) {
	for name, test := range map[string]struct {
		rate  int64
		bytes int
		chunk int // the largest: 1460 bytes, or 20 ms of the rate, but 512 at least
	}{
		"64_kbit":  {64_000, 100_000, 512},
		"400_kbit": {400_000, 500_000, 1000},
		"10_mbit":  {10_000_000, 5_000_000, 1460},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				dial, far := piped()
				received := receive(far)
				conn, err := storage.NewPacer(test.rate).Dial(dial, nil)(t.Context(), "tcp", "x")
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				if n, err := conn.Write(make([]byte, test.bytes)); n != test.bytes || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
				conn.Close()
				perSecond := float64(test.rate) / 8
				total := 0
				for _, a := range received() {
					if a.bytes > test.chunk {
						t.Fatalf("%d bytes at once, want %d at most", a.bytes, test.chunk)
					}
					total += a.bytes
					if allowed := a.at.Sub(begin).Seconds()*perSecond + float64(test.chunk) + 1; float64(total) > allowed {
						t.Fatalf("%d bytes after %v, want %.0f at most", total, a.at.Sub(begin), allowed)
					}
					if due := a.at.Sub(begin).Seconds()*perSecond - 1; float64(total) < due {
						t.Fatalf("only %d bytes after %v, want %.0f", total, a.at.Sub(begin), due)
					}
				}
				if total != test.bytes {
					t.Errorf("%d bytes came, want %d", total, test.bytes)
				}
			})
		})
	}
}

// A pause saves up nothing: there is no burst after it.
func TestPausesSaveNothingUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dial, far := piped()
		received := receive(far)
		conn, _ := storage.NewPacer(80_000).Dial(dial, nil)(t.Context(), "tcp", "x")
		conn.Write(make([]byte, 1000))
		time.Sleep(time.Hour)
		begin := time.Now()
		conn.Write(make([]byte, 10_000))
		if took := time.Since(begin); took < 900*time.Millisecond {
			t.Errorf("10 kB took %v at 10 kB/s after a pause", took)
		}
		conn.Close()
		received()
	})
}

// All connections of a pacer share its rate, and the rate may change.
func TestConnectionsShareTheRate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		pacer := storage.NewPacer(80_000)
		begin := time.Now()
		var all sync.WaitGroup
		for range 2 {
			dial, far := piped()
			received := receive(far)
			all.Go(func() {
				conn, _ := pacer.Dial(dial, nil)(t.Context(), "tcp", "x")
				conn.Write(make([]byte, 50_000))
				conn.Close()
				received()
			})
		}
		all.Wait()
		if took := time.Since(begin); took < 9900*time.Millisecond || took > 10*time.Second {
			t.Errorf("100 kB over two connections at 10 kB/s took %v, want 10s", took)
		}

		for rate, want := range map[int64]time.Duration{160_000: 5 * time.Second, 0: 0} {
			pacer.SetRate(rate)
			time.Sleep(time.Minute)
			dial, far := piped()
			received := receive(far)
			conn, _ := pacer.Dial(dial, nil)(t.Context(), "tcp", "x")
			begin = time.Now()
			conn.Write(make([]byte, 100_000))
			if took := time.Since(begin); took < want-100*time.Millisecond || took > want {
				t.Errorf("100 kB at %d bit/s took %v, want %v", pacer.Rate(), took, want)
			}
			conn.Close()
			received()
		}
	})
}

func TestAWaitForItsTurnEndsWithDeadlineAndClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		connect := func() (net.Conn, func() []arrival) {
			dial, far := piped()
			conn, _ := storage.NewPacer(1_000).Dial(dial, nil)(t.Context(), "tcp", "x")
			return conn, receive(far)
		}
		check := func(name string, conn net.Conn, want error, after time.Duration) {
			t.Helper()
			begin := time.Now()
			n, err := conn.Write(make([]byte, 1_000_000))
			if took := time.Since(begin); !errors.Is(err, want) || took != after || n == 0 || n >= 1_000_000 {
				t.Errorf("%s: Write = %d, %v after %v, want %v after %v", name, n, err, took, want, after)
			}
		}
		conn, received := connect()
		conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		check("deadline", conn, os.ErrDeadlineExceeded, 10*time.Second)
		conn.Close()
		received()

		conn, received = connect()
		time.AfterFunc(7*time.Second, func() { conn.SetDeadline(time.Now().Add(time.Second)) })
		check("deadline_set_while_waiting", conn, os.ErrDeadlineExceeded, 8*time.Second)
		conn.Close()
		received()

		conn, received = connect()
		time.AfterFunc(10*time.Second, func() { conn.Close() })
		check("close", conn, net.ErrClosed, 10*time.Second)
		received()
	})
}

// Every byte of a connection is told, with the address it left from, not too often.
func TestBytesAreCounted(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		io.CopyN(conn, conn, 50_000) // echo
		conn.Close()
	}()
	var mu sync.Mutex
	var total int64
	calls := 0
	count := func(local netip.Addr, bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		if local != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("local address %v", local)
		}
		total += bytes
		calls++
	}
	conn, err := new(storage.Pacer).Dial(nil, count)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); n != 50_000 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	conn.Close()
	conn.Close()
	if total != 100_000 {
		t.Errorf("%d bytes counted, want 100000", total)
	}
}

func TestBytesAreToldEveryFewSecondsWhileTheyMove(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dial, far := piped()
		received := receive(far)
		var told []int64
		conn, _ := storage.NewPacer(80_000).Dial(dial, func(_ netip.Addr, bytes int64) { told = append(told, bytes) })(t.Context(), "tcp", "x")
		conn.Write(make([]byte, 200_000)) // 20 s
		conn.Close()
		received()
		var total int64
		for _, n := range told {
			total += n
		}
		if total != 200_000 || len(told) < 3 || len(told) > 5 {
			t.Errorf("told %v, want 200000 in all, about every 5 s of 20", told)
		}
	})
}
