package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/api/access"
	"perigee/api/access/accesstest"
)

// setClock is a wall clock that a test sets while others read it.
type setClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *setClock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *setClock) advance(d time.Duration) { c.mu.Lock(); c.t = c.t.Add(d); c.mu.Unlock() }

// TestCertificatesAreReadAgain asks a real listener before, while and after its
// certificate is replaced.
func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	certificate, key := accesstest.WritePair(t, dir, "first", time.Now().Add(time.Hour))
	clock := &setClock{t: time.Now()}
	var log safeBuffer
	pair, err := access.OpenCertificates(certificate, key, clock.now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions(t)
	o.Certificates = pair
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeTLS(ctx, listener, New(o), pair) }()
	address := listener.Addr().String()

	// shown returns whose certificate a new connection shows.
	shown := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := shown(); got != "first" {
		t.Errorf("at first %s", got)
	}
	accesstest.WritePair(t, dir, "second", time.Now().Add(time.Hour))
	clock.advance(2 * time.Second)
	if got := shown(); got != "second" {
		t.Errorf("after it was replaced %s", got)
	}
	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clock.advance(2 * time.Second)
		if got := shown(); got != "second" {
			t.Errorf("with a broken key %s", got)
		}
	}
	if pair.Problem() == nil || strings.Count(log.String(), "cannot be used") != 1 || strings.Contains(log.String(), "half a key") {
		t.Errorf("problem %v, log\n%s", pair.Problem(), log.String())
	}
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	clock.advance(2 * time.Second)
	if shown(); pair.Problem() != nil {
		t.Errorf("mended: %v", pair.Problem())
	}

	roots := x509.NewCertPool()
	pem, err := os.ReadFile(certificate)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.ProtoMajor != 2 || !strings.Contains(string(body), `perigee_access_file_usable{file="certificate"} 1`) || !strings.Contains(string(body), "perigee_certificate_expiry_timestamp_seconds ") {
		t.Errorf("%s, %v:\n%.300s", response.Proto, err, body)
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if response, err := http.Get("http://" + address + "/metrics"); err == nil {
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS %s", response.Status)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
