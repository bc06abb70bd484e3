package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A fault is what a faultProxy does to the calls that come.
type fault int32

const (
	noFault       fault = iota
	hangs               // takes the call and never answers
	resets              // resets the connection in the middle of the call's body
	trickles            // lets the call through and answers one byte a second
	everyThird500       // answers every third call itself, with status 500
	cutsAnswer          // lets the call through, then cuts the connection before the answer
	refuses             // takes the connection and closes it at once
	every500            // answers every call itself, with status 500
	every429            // the same with 429, which asks to wait for a second
	every401            // the same with 401
)

var faultNames = map[fault]string{hangs: "hangs", resets: "resets", trickles: "trickles", everyThird500: "every_third_500", cutsAnswer: "cuts_the_answer", refuses: "refuses"}

// faultProxy stands before a real server, over real connections, and misbehaves as it is
// told.
type faultProxy struct {
	*httptest.Server
	backend string
	fault   atomic.Int32
	calls   atomic.Int64 // all
	faults  atomic.Int64 // calls that met a fault
	passed  atomic.Int64 // calls that the server answered with success
}

// newFaultProxy puts a proxy before the server at backend. It ends with the test.
func newFaultProxy(t testing.TB, backend string) *faultProxy {
	p := &faultProxy{backend: backend}
	p.Server = httptest.NewUnstartedServer(p)
	p.Server.Config.ErrorLog = nil
	p.Start()
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// set chooses what happens to calls from now on.
func (p *faultProxy) set(f fault) { p.fault.Store(int32(f)) }

// ServeHTTP implements http.Handler.
func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := p.calls.Add(1)
	f := fault(p.fault.Load())
	if f != noFault && (f != everyThird500 || n%3 == 0) {
		p.faults.Add(1)
	}
	switch {
	case f == refuses:
		cut(w)
	case f == hangs:
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
		cut(w)
	case f == resets:
		_, _ = io.CopyN(io.Discard, r.Body, 100)
		cut(w)
	case f == everyThird500 && n%3 == 0:
		http.Error(w, `{"code":"internal error","message":"made to fail"}`, http.StatusInternalServerError)
	case f == every500:
		http.Error(w, `{"code":"internal error","message":"made to fail"}`, http.StatusInternalServerError)
	case f == every429:
		w.Header().Set("Retry-After", "1")
		http.Error(w, `{"code":"too many requests","message":"made to wait"}`, http.StatusTooManyRequests)
	case f == every401:
		http.Error(w, `{"code":"unauthorized","message":"made to refuse"}`, http.StatusUnauthorized)
	default:
		p.pass(w, r, f)
	}
}

// pass has the server answer and hands its answer on as f demands.
func (p *faultProxy) pass(w http.ResponseWriter, r *http.Request, f fault) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		cut(w)
		return
	}
	// The server works on, whatever becomes of the caller.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, r.Method, p.backend+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		cut(w)
		return
	}
	call.Header = r.Header.Clone()
	answer, err := http.DefaultTransport.RoundTrip(call)
	if err != nil {
		cut(w)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode < 300 {
		p.passed.Add(1)
	}
	switch f {
	case cutsAnswer:
		cut(w)
	case trickles:
		var whole bytes.Buffer
		_ = answer.Write(&whole)
		trickle(w, r.Context(), whole.Bytes())
	default:
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}
}

// cut resets the connection of a call.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// trickle answers one byte a second until the caller has gone.
func trickle(w http.ResponseWriter, ctx context.Context, answer []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for _, b := range answer {
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
