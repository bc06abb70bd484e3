package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A health check is believed by its exit status: every way of not being well must give
// another one than being well.
func TestHealth(t *testing.T) {
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "influxdb: no answer")
		}
	}))
	defer well.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	encrypted := quietTLS()
	defer encrypted.Close()
	address := strings.TrimPrefix(well.URL, "http://")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		said   string
	}{
		{"well", []string{address}, exitDone, "is well"},
		{"not_ready", []string{address, "--ready"}, exitFailed, "503 Service Unavailable: influxdb: no answer"},
		{"other_than_well", []string{encrypted.URL}, exitFailed, "/healthz answers 404 Not Found"},
		{"nobody_there", []string{closed.Addr().String()}, exitFailed, "connection refused"},
		{"no_address", []string{"127.0.0.1:port"}, exitUsage, "is not an address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := perigeeRun(t, append([]string{"health"}, c.args...)...)
			if status != c.status || !strings.Contains(stdout+stderr, c.said) {
				t.Errorf("exit status %d, want %d; %s%s", status, c.status, stdout, stderr)
			}
			stdout, _, status = perigeeRun(t, append([]string{"health", "--json"}, c.args...)...)
			var v healthVerdict
			if err := json.Unmarshal([]byte(stdout), &v); err != nil {
				t.Fatal(err)
			}
			if status != c.status || v.Healthy != (c.status == exitDone) || v.Healthy != (v.Reason == "") {
				t.Errorf("exit status %d, %+v", status, v)
			}
		})
	}
}

// A server that says anything is not stuck: one that speaks TLS refuses plain text, and one
// that is closed says nothing.
func TestAnyAnswerIsLife(t *testing.T) {
	encrypted := quietTLS()
	defer encrypted.Close()
	if err := answers(t.Context(), strings.Replace(encrypted.URL, "https", "http", 1)); err != nil {
		t.Error(err)
	}
	encrypted.Close()
	if err := answers(t.Context(), encrypted.URL); err == nil {
		t.Error("a closed server answers")
	}
}

// quietTLS is a server that finds nothing and does not log what clients do wrong.
func quietTLS() *httptest.Server {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	return s
}
