package transfer_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"perigee/probes/transfer/wire"
)

// fault is what a far end of the tests does wrong.
type fault string

// The faults.
const (
	refuses  fault = "refuses"  // says no
	stranger fault = "stranger" // speaks another protocol
	mute     fault = "mute"     // accepts connections and says nothing
	hangs    fault = "hangs"    // moves a megabyte and then nothing, and does not answer any more
	breaks   fault = "breaks"   // moves a megabyte and then closes all connections
	givesUp  fault = "gives up" // moves a megabyte and then says that it has to end
)

// part is how much a faulty far end moves.
const part = 1 << 20

// faultyFar is a far end of one session that does something wrong: the real one never
// would.
type faultyFar struct {
	t        testing.TB
	listener net.Listener
	key      wire.Key
	fault    fault

	mu        sync.Mutex // guards what follows
	direction wire.Direction
	conns     []net.Conn
	moved     int64
	stop      chan struct{} // closed when a faulty far end has moved its part
	ended     bool
	all       sync.WaitGroup
}

// newFaultyFar serves on loopback until t ends.
func newFaultyFar(t testing.TB, f fault) *faultyFar {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far := &faultyFar{t: t, listener: l, key: wire.NewKey(), fault: f, stop: make(chan struct{})}
	far.all.Go(far.serve)
	t.Cleanup(func() {
		l.Close()
		far.closeAll()
		far.all.Wait()
	})
	return far
}

func (f *faultyFar) address() string { return f.listener.Addr().String() }

func (f *faultyFar) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func (f *faultyFar) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.mu.Unlock()
		f.all.Go(func() {
			if err := f.connection(conn); err != nil && !errors.Is(err, net.ErrClosed) {
				f.t.Logf("far end: %v", err)
			}
		})
	}
}

func (f *faultyFar) connection(conn net.Conn) error {
	switch f.fault {
	case mute:
		return nil
	case stranger:
		_, err := io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n and more of it, so that there is enough to read\r\n")
		return err
	}
	r, err := wire.ServerHandshake(conn, wire.Secret{Key: f.key})
	if err != nil {
		return err
	}
	if f.fault == refuses {
		return r.Refuse(conn, &wire.Refusal{Code: wire.RefusedClients, Message: "4 clients are served; try again later"})
	}
	if r.Kind == wire.Control {
		f.mu.Lock()
		f.direction = r.Start.Direction
		f.mu.Unlock()
	}
	if err := r.Accept(conn, wire.Granted{MaxDuration: wire.Seconds(time.Minute), MaxBytes: 1 << 40, Session: wire.SessionID{1}}); err != nil {
		return err
	}
	if r.Kind == wire.Data {
		return f.stream(conn)
	}
	return f.control(conn)
}

// stream moves payload until the far end's part is moved or the client resets.
func (f *faultyFar) stream(conn net.Conn) error {
	block := make([]byte, 64<<10)
	for !f.over() {
		move := conn.Write
		if f.up() {
			move = conn.Read
		}
		n, err := move(block)
		f.count(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *faultyFar) up() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.direction == wire.Up
}

func (f *faultyFar) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// count counts n bytes.
func (f *faultyFar) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved += int64(n)
	if f.moved >= part && !f.ended {
		f.ended = true
		close(f.stop)
	}
}

// control says what this far end says.
func (f *faultyFar) control(conn net.Conn) error {
	if _, err := wire.ReadFrame(conn); err != nil {
		return err
	}
	select {
	case <-f.stop:
	case <-f.t.Context().Done():
		return nil
	}
	switch f.fault {
	case breaks:
		f.closeAll()
	case givesUp:
		return wire.WriteFrame(conn, wire.Result{Ended: wire.EndedByShutdown, Message: "the far end is going down",
			Bytes: part, Streams: []int64{part}, Steps: []int64{part}})
	}
	return nil
}
