package lab_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"perigee/internal/lab"
)

// congestion returns a socket option that chooses a congestion control.
func congestion(name string) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
		}), err)
	}
}

// download receives over streams TCP connections from the far host for the given
// time, and returns how many bytes came between skip and the end.
func download(t testing.TB, l *lab.Lab, control string, streams int, skip, length time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var listener net.Listener
	err := l.FarDo(func() (err error) {
		config := net.ListenConfig{Control: congestion(control)}
		listener, err = config.Listen(ctx, "tcp4", netip.AddrPortFrom(lab.Target(), 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer listener.Close()
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				block := make([]byte, 256<<10)
				for ctx.Err() == nil {
					if _, err := conn.Write(block); err != nil {
						return
					}
				}
			})
		}
	})

	var got atomic.Int64
	var counting atomic.Bool
	timer := time.AfterFunc(skip, func() { counting.Store(true) })
	defer timer.Stop()
	var readers sync.WaitGroup
	for range streams {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
		readers.Go(func() {
			block := make([]byte, 256<<10)
			for {
				n, err := conn.Read(block)
				if counting.Load() {
					got.Add(int64(n))
				}
				if err != nil {
					if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	readers.Wait()
	return got.Load()
}

func long(t testing.TB) {
	t.Helper()
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes minutes: set PERIGEE_LONG=1 to run it")
	}
}
