package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"perigee/api/access"
	"perigee/api/access/accesstest"
)

// besieged is how many connections the attacker of the tests opens.
func besieged() int {
	if os.Getenv("PERIGEE_LONG") != "" {
		return 5000
	}
	return 400
}

// from returns a dialer that leaves from an address of loopback, as other machines leave
// from theirs.
func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
}

// measureAnswers asks n times, each by a new connection, and returns the p95 of the times.
// Every answer must be a 200.
func measureAnswers(t *testing.T, n int, dialer *net.Dialer, url string) time.Duration {
	t.Helper()
	var times []time.Duration
	for range n {
		transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		start := time.Now()
		response, err := (&http.Client{Transport: transport, Timeout: patience}).Get(url)
		if err != nil {
			t.Errorf("not served: %v", err)
			return 0
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("served %s", response.Status)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)*95/100]
}

// TestOthersAreServedWhileConnectionsAreHeld holds hundreds of connections (5000 with
// PERIGEE_LONG=1) open from one address, each with half a header that grows by a byte now
// and then, and asks meanwhile from that address and from another.
func TestOthersAreServedWhileConnectionsAreHeld(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "tls"}[encrypted], func(t *testing.T) { siege(t, encrypted) })
	}
}

func siege(t *testing.T, encrypted bool) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var pair *access.Certificates
	scheme := "http"
	if encrypted {
		certificate, key := accesstest.WritePair(t, t.TempDir(), "monitor", time.Now().Add(time.Hour))
		if pair, err = access.OpenCertificates(certificate, key, time.Now, newServer(Options{}).log); err != nil {
			t.Fatal(err)
		}
		scheme = "https"
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeTLS(ctx, listener, New(testOptions(t)), pair) }()
	address := listener.Addr().String()
	url := scheme + "://" + address + "/api/v1/links"
	idle := measureAnswers(t, 40, from("127.0.0.1"), url)
	before := runtime.NumGoroutine()

	attacker, half := from("127.0.0.2"), "GET / HTTP/1.1\r\nHost: x\r\nX: "
	if encrypted {
		half = "\x16\x03\x01\x02\x00\x01" // the beginning of a ClientHello of 512 bytes
	}
	var held []net.Conn
	for range besieged() {
		c, err := attacker.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatalf("after %d connections: %v", len(held), err)
		}
		defer c.Close()
		held = append(held, c)
		_, _ = io.WriteString(c, half) // it may be closed by now
	}
	stop := make(chan struct{})
	var dripping sync.WaitGroup
	dripping.Go(func() {
		for {
			for _, c := range held {
				select {
				case <-stop:
					return
				default:
					_, _ = io.WriteString(c, "a")
				}
			}
			runtime.Gosched()
		}
	})
	other := measureAnswers(t, 40, from("127.0.0.1"), url)
	same := measureAnswers(t, 40, from("127.0.0.2"), url)
	during := runtime.NumGoroutine()
	close(stop)
	dripping.Wait()
	t.Logf("%d held: p95 of another address %.1f times that at rest (%s), of the same address %.1f times; %d goroutines more",
		len(held), ratio(other, idle), idle, ratio(same, idle), during-before)
	// One goroutine, with HTTP/1.1, for each connection that is kept, and those of the test.
	if grown := during - before; grown > maxConnectionsEach+50 {
		t.Errorf("%d goroutines more than before", grown)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// TestSlowRequestsAreCutOff: a header that does not end and a body that does not come are
// given up, each after its time.
func TestSlowRequestsAreCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the real time limits")
	}
	t.Parallel()
	address, stop := serve(t, New(testOptions(t)))
	defer stop()
	var group sync.WaitGroup
	for name, sent := range map[string]string{
		"half_a_header": "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
		"nothing":       "",
		"half_a_body":   "POST /api/v1/outbox/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{",
	} {
		group.Go(func() {
			c, err := net.DialTimeout("tcp", address, patience)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, sent)
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("%s: %v, want the end of the connection", name, err)
			}
		})
	}
	group.Wait()
}

// TestMalformedRequests are answered with an error, or not at all, and never with 500.
func TestMalformedRequests(t *testing.T) {
	address, stop := serve(t, New(testOptions(t)))
	defer stop()
	for _, sent := range []string{
		"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET http://evil.example/api/v1/links HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /api/v1/outbox/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
		"POST /api/v1/outbox/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "POST /api/v1/outbox/retry HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST /api/v1/outbox/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n" + fmt.Sprintf("%0*d", maxBody+1, 0),
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
	} {
		c, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, sent)
		_ = c.(*net.TCPConn).CloseWrite()
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && (response.StatusCode < 400 && response.StatusCode != http.StatusNoContent || response.StatusCode == 500) && sent[:min(len(sent), 7)] != "OPTIONS" {
			t.Errorf("%.60q = %s", sent, response.Status)
		}
		c.Close()
	}
	if response, err := http.Get("http://" + address + "/healthz"); err != nil || response.StatusCode != 200 {
		t.Errorf("afterwards: %v, %v", response, err)
	}
}

// TestQuestionsWaitTheirTurn fills all turns of one asker with questions that do not end,
// and another is answered.
func TestQuestionsWaitTheirTurn(t *testing.T) {
	g := newGuarded(t)
	s := newServer(Options{Store: newStore(t), Keys: g.keys, Now: g.now})
	entered, release := make(chan struct{}, 1000), make(chan struct{})
	handler := s.withAuthentication(s.withTurn(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "slow" {
			entered <- struct{}{}
			<-release
		}
	})))
	g.handler = handler
	var group sync.WaitGroup
	codes := make(chan int, 1000)
	running, waiting := maxRunning()/2, maxWaiting/2
	for range running + waiting + 10 {
		group.Go(func() { codes <- g.ask(request(t, "GET", "/api/v1/links?slow", g.read, "")).Code })
	}
	for range running {
		<-entered
	}
	for range 10 {
		if code := <-codes; code != http.StatusServiceUnavailable {
			t.Errorf("one more than may wait = %d, want 503", code)
		}
	}
	if w := g.ask(request(t, "GET", "/api/v1/links", g.probe, "")); w.Code != 200 {
		t.Errorf("another token meanwhile = %d", w.Code)
	}
	close(release)
	group.Wait()
	close(codes)
	for code := range codes {
		if code != 200 {
			t.Errorf("one that waited = %d", code)
		}
	}
}

func TestOriginsThatAreAllowed(t *testing.T) {
	g := newGuarded(t)
	o, _ := outboxOptions(t)
	o.Keys, o.Now, o.Origins = g.keys, g.now, []string{"https://wall.example.net"}
	g.handler = New(o)
	for origin, allowed := range map[string]bool{
		"https://wall.example.net": true, "http://wall.example.net": false, "https://wall.example.net:8443": false, "https://wall.example.net.evil.example": false,
		"https://evil.example": false, "null": false, "https://WALL.example.net": false, "": false,
	} {
		preflight := request(t, "OPTIONS", "/api/v1/links", "", "")
		preflight.Header.Set("Access-Control-Request-Method", "GET")
		preflight.Header.Set("Access-Control-Request-Headers", "authorization")
		get, post := request(t, "GET", "/api/v1/links", g.read, ""), request(t, "POST", "/api/v1/outbox/retry", g.probe, "{}")
		for _, r := range []*http.Request{preflight, get, post} {
			if origin != "" {
				r.Header.Set("Origin", origin)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			}
		}
		want := ""
		if allowed {
			want = origin
		}
		w := g.ask(preflight)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != want || (w.Code == http.StatusNoContent) != allowed || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight from %q = %d, allowed is %q", origin, w.Code, got)
		}
		if allowed && w.Header().Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" {
			t.Errorf("preflight from %q: %v", origin, w.Header())
		}
		if w := g.ask(get); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != want || !slices.Contains(w.Header().Values("Vary"), "Origin") {
			t.Errorf("GET from %q = %d %v", origin, w.Code, w.Header())
		}
		if w := g.ask(post); (w.Code == 200) != (allowed || origin == "") {
			t.Errorf("POST from %q = %d", origin, w.Code)
		}
	}
	// An error can be read too, or a page could not tell why.
	r := request(t, "GET", "/api/v1/links", "", "")
	r.Header.Set("Origin", "https://wall.example.net")
	if w := g.ask(r); w.Code != 401 || w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("without a token %d %v", w.Code, w.Header())
	}
}

// TestOthersAreServedWhileOneFloods lets one address ask as fast as it can, by many
// connections at once, for comparisons, and asks meanwhile from another.
func TestOthersAreServedWhileOneFloods(t *testing.T) {
	address, stop := serve(t, New(testOptions(t)))
	defer stop()
	url := "http://" + address + prefix
	idle := measureAnswers(t, 40, from("127.0.0.1"), url+"/links")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	began := make(chan struct{}, 1)
	for range 128 {
		group.Go(func() {
			transport := &http.Transport{DialContext: from("127.0.0.2").DialContext}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, "GET", url+"/compare?"+wholeRange, nil)
				if err != nil {
					t.Error(err)
					return
				}
				response, err := client.Do(r)
				if err != nil {
					continue // its own fault
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				mu.Lock()
				codes[response.StatusCode]++
				mu.Unlock()
				select {
				case began <- struct{}{}:
				default:
				}
			}
		})
	}
	<-began
	other := measureAnswers(t, 40, from("127.0.0.1"), url+"/links")
	cancel()
	group.Wait()
	t.Logf("p95 of another address %.1f times that at rest (%s); the flood was answered %v", ratio(other, idle), idle, codes)
	if codes[500] > 0 {
		t.Errorf("the flood was answered %v", codes)
	}
}
