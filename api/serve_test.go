package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"perigee/dashboards"
)

// serve runs Serve on a loopback port until the returned function is called, which
// waits for its end.
func serve(t *testing.T, handler http.Handler) (address string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, handler) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Serve did not end")
		}
	}
}

func TestServeStopsAlthoughClientsListen(t *testing.T) {
	o := testOptions(t)
	o.Feed = &Feed{}
	address, stop := serve(t, New(o))
	client := listen(t, "http://"+address)
	if err := stop(); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	// Not cut off in the middle: the stream ends as a stream does.
	if rest, err := io.ReadAll(client); err != nil {
		t.Errorf("stream ended after %q with %v, want its proper end", rest, err)
	}
	if _, err := net.DialTimeout("tcp", address, patience); err == nil {
		t.Error("the listener is still open")
	}
}

func TestServeLetsRequestsFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	address, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		if r.Context().Err() != nil {
			http.Error(w, "cancelled", http.StatusInternalServerError)
		}
	}))
	status := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + address)
		if err != nil {
			status <- err.Error()
			return
		}
		response.Body.Close()
		status <- response.Status
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(release)
	if got := <-status; got != "200 OK" {
		t.Errorf("the request in flight got %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServeTellsWhyItCannotGoOn(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := Serve(t.Context(), listener, http.NotFoundHandler()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed listener = %v", err)
	}
}

func TestHostsThatAreNotTheMachinesOwnAreRefused(t *testing.T) {
	o := testOptions(t)
	o.Hosts = []string{"monitor.example.net"}
	address, stop := serve(t, New(o))
	defer stop()
	_, port, _ := net.SplitHostPort(address)
	for host, want := range map[string]int{
		"127.0.0.1:" + port:        200,
		"127.0.0.1":                200,
		"127.8.9.10:" + port:       200,
		"localhost:" + port:        200,
		"LocalHost":                200,
		"localhost.:" + port:       200,
		"[::1]:" + port:            200,
		"monitor.example.net":      200,
		"Monitor.Example.Net:8480": 200,
		"evil.example":             403,
		"evil.example:" + port:     403,
		"localhost.evil.example":   403,
		"127.0.0.1.evil.example":   403,
		"192.0.2.1":                403,
		"[::ffff:192.0.2.1]:80":    403,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/v1/links", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("Host %s = %d, want %d", host, response.StatusCode, want)
		}
	}
}

func TestOversizedRequestsAreCutOff(t *testing.T) {
	address, stop := serve(t, New(testOptions(t)))
	defer stop()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// net/http allows 4 KiB above the limit.
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", maxHeaderBytes+8<<10))
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of %d bytes = %s", maxHeaderBytes+8<<10, response.Status)
	}
}

func TestEveryAnswerHasSecurityHeaders(t *testing.T) {
	handler := New(testOptions(t))
	for _, target := range []string{"/", "/app.js", "/style.css", "/icon.svg", "/metrics", "/healthz", "/readyz", "/api/v1/links", "/api/v1/openapi.json", "/nothing"} {
		h := ask(t, handler, http.MethodGet, target).Header()
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", target, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: sniffing is allowed", target)
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other pages may read it", target)
		}
	}
}

// TestPageNeedsNothingFromElsewhere keeps the page working in an outage, and within
// its Content-Security-Policy.
func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	handler := New(testOptions(t))
	for path, file := range dashboards.Pages {
		w := ask(t, handler, http.MethodGet, path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != file.Type || w.Body.Len() == 0 {
			t.Errorf("GET %s = %d %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		text := strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", " onclick=", "<style", "<script>"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %q", path, bad)
			}
		}
		r := w.Header().Get("ETag")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", r)
		if again := recordRequest(handler, request); again.Code != http.StatusNotModified {
			t.Errorf("GET %s with its ETag %s = %d, want 304", path, r, again.Code)
		}
	}
}
