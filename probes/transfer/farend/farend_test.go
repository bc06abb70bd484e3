package farend

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"perigee/probes/transfer/wire"
)

// exhausted is a listener of a process that has no descriptor left, for a while.
type exhausted struct {
	net.Listener
	mu    sync.Mutex
	times int
}

func (l *exhausted) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.times > 0 {
		l.times--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestServingGoesOnWhenDescriptorsAreBack(t *testing.T) {
	l := &exhausted{Listener: listen(t), times: 2}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	var out bytes.Buffer
	go func() { done <- Serve(ctx, l, Options{Key: key, Log: slog.New(slog.NewTextHandler(&out, nil))}) }()
	f := &far{address: l.Addr().String()}
	c := f.open(t, "127.0.0.1", down)
	c.say(wire.Stop{})
	c.result()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "no connection can be accepted"); n != 1 {
		t.Errorf("it was said %d times, want once:\n%s", n, &out)
	}
	if !strings.Contains(out.String(), "session ended") {
		t.Errorf("the session was not told:\n%s", &out)
	}
}

func TestListenerThatClosesIsAFailure(t *testing.T) {
	l := listen(t)
	l.Close()
	if err := Serve(t.Context(), l, Options{Key: key}); err == nil || !strings.HasPrefix(err.Error(), "far end: ") {
		t.Errorf("Serve = %v", err)
	}
	l = listen(t)
	if err := Serve(t.Context(), l, Options{}); err == nil {
		t.Error("it serves without a key")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is left open")
	}
}
