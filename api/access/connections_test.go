package access

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// patience bounds waits that only a broken program makes long.
const patience = 20 * time.Second

// house is a bounded listener on loopback, whose connections a test accepts itself.
type house struct {
	t *testing.T
	*Connections
}

func newHouse(t *testing.T, total, each int) house {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return house{t, NewConnections(l, total, each)}
}

// enter connects from an address of loopback and returns both ends.
func (h house) enter(from string) (client, server net.Conn) {
	h.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	client, err := dialer.Dial("tcp", h.Addr().String())
	if err != nil {
		h.t.Skip(err) // not every system has all of 127.0.0.0/8
	}
	h.t.Cleanup(func() { client.Close() })
	server, err = h.Accept()
	if err != nil {
		h.t.Fatal(err)
	}
	return client, server
}

// closed reports whether the other end has closed c.
func closed(t *testing.T, c net.Conn) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	return !isTimeout(err)
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

func TestTheOneThatWaitedLongestMakesRoom(t *testing.T) {
	h := newHouse(t, 100, 3)
	a, aServer := h.enter("127.0.0.2")
	b, _ := h.enter("127.0.0.2")
	c, _ := h.enter("127.0.0.2")
	h.State(aServer, http.StateActive) // it asks, and must not be closed
	d, _ := h.enter("127.0.0.2")
	if closed(t, a) || !closed(t, b) || closed(t, c) || closed(t, d) {
		t.Error("the fourth connection should have closed the second, which waited longest")
	}
	h.State(aServer, http.StateIdle) // last in the line
	e, _ := h.enter("127.0.0.2")
	if closed(t, a) || !closed(t, c) || closed(t, e) {
		t.Error("the fifth should have closed the third")
	}
	if other, _ := h.enter("127.0.0.3"); closed(t, other) || closed(t, a) {
		t.Error("another address has room of its own")
	}
	if n, turnedAway := h.Count(); n != 4 || turnedAway != 2 {
		t.Errorf("%d open and %d closed, want 4 and 2", n, turnedAway)
	}
}

func TestWhenAllAreAnsweredTheNewOneIsClosed(t *testing.T) {
	h := newHouse(t, 100, 2)
	for range 2 {
		_, server := h.enter("127.0.0.2")
		h.State(server, http.StateActive)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}, Timeout: patience}
	third, err := dialer.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := h.Accept()
		accepted <- c
	}()
	if err := third.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(third); isTimeout(err) {
		t.Error("the third connection was not closed")
	}
	// Another address is let in by the same Accept.
	other, err := net.DialTimeout("tcp", h.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if c := <-accepted; c == nil || c.RemoteAddr().String() != other.LocalAddr().String() {
		t.Errorf("accepted %v", c)
	}
}

func TestTheLargestMakesRoomForOthers(t *testing.T) {
	h := newHouse(t, 5, 100)
	small, smallServer := h.enter("127.0.0.3")
	var greedy []net.Conn
	for range 4 {
		c, _ := h.enter("127.0.0.2")
		greedy = append(greedy, c)
	}
	another, anotherServer := h.enter("127.0.0.4")
	if !closed(t, greedy[0]) || closed(t, greedy[1]) || closed(t, small) || closed(t, another) {
		t.Error("the first of the greedy address should have made room")
	}
	smallServer.Close()
	smallServer.Close()
	anotherServer.Close()
	if n, _ := h.Count(); n != 3 || len(h.owners) != 1 {
		t.Errorf("%d open of %d addresses, want 3 of one", n, len(h.owners))
	}
}
