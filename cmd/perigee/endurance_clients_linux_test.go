package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"time"

	"perigee/api/client"
)

// askers are the clients of a daemon that is endured: a page that stays open and one
// that is opened again and again, two that listen and go, Prometheus, exports, and
// measurements by hand.
type askers struct {
	address, token string
	links          []string
	http           *http.Client // keeps its connections, as browsers and Prometheus do

	wg       sync.WaitGroup
	mu       sync.Mutex // guards what follows
	answers  map[string]int
	failures []string
	bytes    int64
}

func newAskers(address, token string, links []string) *askers {
	return &askers{
		address: strings.TrimSuffix(address, "/"), token: token, links: links, answers: map[string]int{},
		http: &http.Client{Timeout: time.Minute, Transport: insecureTransport()},
	}
}

// insecureTransport takes any certificate: the monitor's is its own.
func insecureTransport() *http.Transport {
	return &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

// begin starts all of them until ctx ends; pace is 1 for the real thing, less for a
// trial that has less time.
func (a *askers) begin(ctx context.Context, pace float64) {
	each := func(d time.Duration, f func(int)) {
		a.wg.Go(func() { every(ctx, time.Duration(float64(d)*pace), f) })
	}
	each(5*time.Second, func(int) { a.ask(ctx, "/api/v1/links") })
	each(15*time.Second, func(int) { a.ask(ctx, "/metrics") })
	each(15*time.Second, func(int) {
		a.all(ctx, "/api/v1/monitor", "/api/v1/outbox", "/api/v1/budget", "/api/v1/throughput?from=7d&limit=1000&series=false")
	})
	each(time.Minute, func(n int) { a.look(ctx, n) })
	each(time.Minute, func(int) { a.open(ctx) })
	each(2*time.Minute, func(n int) {
		format := []string{"csv", "jsonl", "lp"}[n%3]
		a.ask(ctx, "/api/v1/export?from=10m&format="+format)
	})
	each(170*time.Second, func(n int) {
		body := fmt.Sprintf(`{"link":%q,"method":"icmp","max_seconds":2}`, a.links[n%len(a.links)])
		a.do(ctx, a.http, http.MethodPost, "/api/v1/probes", body, a.token, 202)
	})
	for seed := range uint64(2) {
		a.wg.Go(func() { a.listen(ctx, rand.New(rand.NewPCG(seed, 1)), pace) })
	}
}

// every calls f now and at each interval until ctx ends.
func every(ctx context.Context, d time.Duration, f func(n int)) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		f(n)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// look asks what the page's other screens ask of one link after the other.
func (a *askers) look(ctx context.Context, n int) {
	link, all := a.links[n%len(a.links)], strings.Join(a.links, ",")
	a.all(ctx,
		"/api/v1/compare?metric=rtt&from=1h&links="+all, "/api/v1/compare?metric=jitter&from=24h&by=hour&links="+all,
		"/api/v1/distribution?metric=rtt&from=1h&links="+all, "/api/v1/series?metric=rtt&from=15m&link="+link,
		"/api/v1/links/"+link+"/usual", "/api/v1/links/"+link+"/summary?from=1h", "/api/v1/heatmap?metric=rtt&from=7d&link="+link,
		"/api/v1/slots?from=1h&link="+link, "/api/v1/outages?from=24h", "/api/v1/gaps?from=24h",
		"/api/v1/disruptions?from=24h", "/api/v1/availability?from=24h", "/api/v1/outbox/dead-letters")
	a.do(ctx, a.http, http.MethodGet, "/readyz", "", a.token, 0) // not ready while the database is away
}

// open opens the page anew, as a browser that has no connection and begins a session.
func (a *askers) open(ctx context.Context) {
	transport := insecureTransport()
	defer transport.CloseIdleConnections()
	jar, _ := cookiejar.New(nil) // fails for no options
	fresh := &http.Client{Timeout: time.Minute, Transport: transport, Jar: jar}
	a.do(ctx, fresh, http.MethodGet, "/", "", "", 200)
	a.do(ctx, fresh, http.MethodPost, "/api/v1/session", "{}", a.token, 200)
	a.do(ctx, fresh, http.MethodGet, "/api/v1/links", "", "", 200)
}

// listen listens for 5 to 40 s at a time.
func (a *askers) listen(ctx context.Context, rng *rand.Rand, pace float64) {
	for ctx.Err() == nil {
		transport := insecureTransport()
		c, err := client.New(a.address, &http.Client{Transport: transport})
		if err != nil {
			a.failed("live: " + err.Error())
			return
		}
		span := 5*time.Second + time.Duration(pace*float64(rng.Int64N(int64(35*time.Second))))
		while, cancel := context.WithTimeout(ctx, span)
		for event, err := range c.WithToken(a.token).Live(while) {
			if err != nil && while.Err() == nil {
				a.failed("live: " + err.Error())
			}
			if event.Sample != nil {
				a.answered("live samples", 0)
			}
		}
		cancel()
		transport.CloseIdleConnections()
		a.answered("live streams", 0)
	}
}

func (a *askers) all(ctx context.Context, paths ...string) {
	for _, path := range paths {
		a.ask(ctx, path)
	}
}

func (a *askers) ask(ctx context.Context, path string) {
	a.do(ctx, a.http, http.MethodGet, path, "", a.token, 200)
}

// do asks and reads the answer to its end. An answer of another status is a failure; 0 is
// any.
func (a *askers) do(ctx context.Context, by *http.Client, method, path, body, token string, status int) []byte {
	r, err := http.NewRequestWithContext(ctx, method, a.address+path, strings.NewReader(body))
	if err != nil {
		a.failed(path + ": " + err.Error())
		return nil
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := by.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			a.failed(path + ": " + err.Error())
		}
		return nil
	}
	defer response.Body.Close()
	var text bytes.Buffer
	n, err := io.Copy(&text, response.Body)
	if err != nil && ctx.Err() == nil {
		a.failed(path + ": " + err.Error())
	}
	if response.StatusCode != status && status != 0 {
		a.failed(fmt.Sprintf("%s: %s %.300s", path, response.Status, text.String()))
	}
	name, _, _ := strings.Cut(path, "?")
	a.answered(method+" "+name, n)
	return text.Bytes()
}

// metrics reads /metrics.
func (a *askers) metrics(ctx context.Context) (map[string]float64, error) {
	return parseMetrics(bytes.NewReader(a.do(ctx, a.http, http.MethodGet, "/metrics", "", a.token, 200)))
}

func (a *askers) answered(what string, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[what]++
	a.bytes += bytes
}

func (a *askers) failed(how string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures = append(a.failures, how)
}
