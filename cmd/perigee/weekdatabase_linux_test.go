package main

import (
	"bytes"
	"context"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A tunnel leads from a bubble of imagined time to a real server: time stands still in the
// bubble while the server works. What is in the bubble speaks HTTP over pipes in memory,
// as a socket that waits would stop the bubble's time for ever.
type tunnel struct {
	asking  sync.Mutex // held for a request and its answer
	jobs    chan tunnelJob
	answers chan tunnelAnswer // both made outside of the bubble: to wait for them is not idleness

	away atomic.Bool  // the server is not reachable
	done atomic.Int64 // requests that the server answered

	// Of the bubble.
	conns chan net.Conn
	end   chan struct{}
}

type tunnelJob struct {
	request *http.Request
	body    []byte
}

type tunnelAnswer struct {
	response *http.Response // its body has been read
	body     []byte
	err      error
}

// newTunnel begins to ask the server at address. It belongs outside of the bubble.
func newTunnel(t *testing.T, address string) *tunnel {
	tn := &tunnel{jobs: make(chan tunnelJob), answers: make(chan tunnelAnswer)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for job := range tn.jobs {
			tn.answers <- passOn(job, address)
		}
	}()
	t.Cleanup(func() { close(tn.jobs); <-ended })
	return tn
}

// passOn asks the server.
func passOn(job tunnelJob, address string) (a tunnelAnswer) {
	r, err := http.NewRequest(job.request.Method, address+job.request.URL.RequestURI(), bytes.NewReader(job.body))
	if err != nil {
		return tunnelAnswer{err: err}
	}
	r.Header = job.request.Header.Clone()
	r.Header.Set("Accept-Encoding", "identity")
	a.response, a.err = http.DefaultTransport.RoundTrip(r)
	if a.err == nil {
		a.body, a.err = io.ReadAll(a.response.Body)
		a.response.Body.Close()
	}
	return a
}

// begin serves the near end until stop is called; both belong into the bubble.
func (tn *tunnel) begin() (stop func()) {
	tn.conns, tn.end = make(chan net.Conn), make(chan struct{})
	server := &http.Server{Handler: tn, ErrorLog: stdlog.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(tn) }()
	return func() { server.Close(); <-ended }
}

// dial connects to the near end, as net.Dialer does.
func (tn *tunnel) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if tn.away.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	select {
	case tn.conns <- far:
		return near, nil
	case <-tn.end:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (tn *tunnel) Accept() (net.Conn, error) {
	select {
	case c := <-tn.conns:
		return c, nil
	case <-tn.end:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (tn *tunnel) Close() error { close(tn.end); return nil }

// Addr implements net.Listener.
func (tn *tunnel) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8086} }

// ServeHTTP implements http.Handler.
func (tn *tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || tn.away.Load() {
		panic(http.ErrAbortHandler) // as a connection that breaks
	}
	tn.asking.Lock()
	tn.jobs <- tunnelJob{request: r, body: body}
	a := <-tn.answers
	tn.asking.Unlock()
	if a.err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.response.Header {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(a.response.StatusCode)
	_, _ = w.Write(a.body)
	tn.done.Add(1)
}
