package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// notifySocket is the socket of a service manager. It makes this process, and those it
// starts, believe that one started them, with a watchdog if any is given.
func notifySocket(t *testing.T, watchdog string) *net.UnixConn {
	t.Helper()
	name := filepath.Join(t.TempDir(), "n") // the name of a socket may not be long
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", watchdog)
	t.Setenv("WATCHDOG_PID", "")
	return socket
}

// receive returns the next message, as its lines.
func receive(t *testing.T, socket *net.UnixConn) []string {
	t.Helper()
	if err := socket.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := socket.Read(b)
	if err != nil {
		t.Fatalf("the service manager was told nothing: %v", err)
	}
	return strings.Split(string(b[:n]), "\n")
}

// until receives messages until one has the line, or a line that begins with it and a
// "…", and returns the lines of all before it.
func until(t *testing.T, socket *net.UnixConn, want string) (before []string) {
	t.Helper()
	prefix, begins := strings.CutSuffix(want, "…")
	for range 1000 {
		lines := receive(t, socket)
		for _, l := range lines {
			if l == want || begins && strings.HasPrefix(l, prefix) {
				return before
			}
		}
		before = append(before, lines...)
	}
	t.Fatalf("%q did not come; %d lines did, beginning with %q", want, len(before), before[:3])
	return nil
}

// A process that makes progress feeds the watchdog; from when it is stuck it does not, but
// goes on to say so, and it feeds it again once it moves.
func TestWatchdogIsFedOnlyByProgress(t *testing.T) {
	socket := notifySocket(t, "20000") // 20 ms: fed every 10
	var stuck atomic.Bool
	said := &log{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := service{
		progress: func(context.Context) error {
			if stuck.Load() {
				return errors.New("the loop\nhas not moved")
			}
			return nil
		},
		status: func() string { return "well" },
	}.tell(ctx, streams{err: said})

	if first := receive(t, socket); len(first) != 2 || first[0] != "READY=1" || first[1] != "STATUS=well" {
		t.Fatalf("the first message is %q", first)
	}
	for range 5 {
		if m := receive(t, socket); len(m) != 2 || m[0] != "WATCHDOG=1" || m[1] != "STATUS=well" {
			t.Fatalf("a process that makes progress says %q", m)
		}
	}
	stuck.Store(true)
	until(t, socket, "STATUS=stuck: the loop has not moved")
	for range 5 {
		if m := receive(t, socket); len(m) != 1 || m[0] != "STATUS=stuck: the loop has not moved" {
			t.Fatalf("a stuck process says %q", m)
		}
	}
	if n := strings.Count(said.String(), "stuck"); n != 1 {
		t.Errorf("the operator was told %d times, want once: %s", n, said)
	}
	stuck.Store(false)
	until(t, socket, "WATCHDOG=1")
	cancel()
	until(t, socket, "STOPPING=1")
	if m := receive(t, socket); len(m) != 1 || m[0] != "WATCHDOG=1" {
		t.Errorf("while it stops, which may take long, it says %q", m)
	}
	told()
}

// Without a service manager, and without its watchdog, there is nobody to tell of it.
func TestNobodyToTell(t *testing.T) {
	v := service{progress: func(context.Context) error { t.Error("asked"); return nil }, status: func() string { return "well" }}
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "1")
	v.tell(t.Context(), streams{err: &log{}})()

	t.Run("the watchdog is another process's", func(t *testing.T) {
		socket := notifySocket(t, "1000")
		t.Setenv("WATCHDOG_PID", "1")
		said := &log{}
		told := v.tell(t.Context(), streams{err: said})
		if m := receive(t, socket); m[0] != "READY=1" {
			t.Errorf("told %q", m)
		}
		told()
		if said.String() != "" {
			t.Errorf("said %s", said)
		}
	})
	t.Run("the socket is gone", func(t *testing.T) {
		socket := notifySocket(t, "")
		socket.Close()
		said := &log{}
		v.tell(t.Context(), streams{err: said})()
		if !strings.Contains(said.String(), "tell the service manager") {
			t.Errorf("said %q", said)
		}
	})
	t.Run("it does not read", func(t *testing.T) {
		notifySocket(t, "2000")
		said := &log{}
		told := service{progress: func(context.Context) error { return nil }, status: v.status}.tell(t.Context(), streams{err: said})
		within(t, "a message that could not be sent", func() bool { return strings.Contains(said.String(), "tell the service manager") })
		told() // and this ends
	})
}
