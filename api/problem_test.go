package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"perigee"
	"perigee/storage/storagetest"
)

// failingStore fails, or panics, when it is asked for its links.
type failingStore struct {
	*storagetest.Memory
	err   error
	panic any
}

func (s failingStore) Links(context.Context) ([]perigee.LinkRecord, error) {
	if s.panic != nil {
		panic(s.panic)
	}
	return nil, s.err
}

func TestFailuresKeepTheirCauseToTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		store  failingStore
		status int
		code   perigee.Code
		detail string
		logged bool
	}{
		"invalid":         {failingStore{err: &perigee.Error{Code: perigee.CodeInvalid, Message: "site not given", Err: errors.New("secret")}}, 400, perigee.CodeInvalid, "site not given", false},
		"not_enough_data": {failingStore{err: fmt.Errorf("compare: %w", &perigee.Error{Code: perigee.CodeNotEnoughData, Message: "no common windows"})}, 409, perigee.CodeNotEnoughData, "no common windows", false},
		"permission":      {failingStore{err: &perigee.Error{Code: perigee.CodePermission, Message: "store is not readable"}}, 403, perigee.CodePermission, "store is not readable", false},
		"locked":          {failingStore{err: &perigee.Error{Code: perigee.CodeUnavailable, Message: "store is locked", Err: errors.New("secret")}}, 503, perigee.CodeUnavailable, "store is locked", true},
		"corrupt":         {failingStore{err: &perigee.Error{Code: perigee.CodeInternal, Message: "secret page 7"}}, 500, perigee.CodeInternal, "internal error", true},
		"without_a_code":  {failingStore{err: errors.New("secret")}, 500, perigee.CodeInternal, "internal error", true},
		"unknown_code":    {failingStore{err: &perigee.Error{Code: "teapot", Message: "secret"}}, 500, perigee.CodeInternal, "internal error", true},
		"too_slow":        {failingStore{err: &perigee.Error{Code: perigee.CodeUnavailable, Message: "secret", Err: context.DeadlineExceeded}}, 503, perigee.CodeUnavailable, "the answer was not ready within 30s", true},
		"panic":           {failingStore{panic: "secret"}, 500, perigee.CodeInternal, "internal error", true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c.store.Memory = storagetest.NewMemory()
			handler := New(Options{Store: c.store, Log: slog.New(slog.NewTextHandler(&log, nil))})
			w := ask(t, handler, http.MethodGet, "/api/v1/links")
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != c.status || p.Code != string(c.code) || p.Detail != c.detail || p.Remedy == "" {
				t.Errorf("%d %+v, want %d %s %q", w.Code, p, c.status, c.code, c.detail)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the cause leaks: %s", w.Body)
			}
			if got := log.Len() > 0; got != c.logged {
				t.Errorf("log %q", log.String())
			}
			if c.logged && c.detail != "store is locked" && !strings.Contains(log.String(), "secret") {
				t.Errorf("the log does not tell the cause: %s", log.String())
			}
		})
	}
}

func TestAPanicHalfwayBreaksTheConnection(t *testing.T) {
	s := newServer(testOptions(t))
	server := httptest.NewServer(s.withRecovery(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 64<<10))
		panic("halfway")
	})))
	t.Cleanup(server.Close)
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Errorf("%d bytes ended properly", n)
	}
}

func TestReadiness(t *testing.T) {
	for name, c := range map[string]struct {
		checks []Check
		status int
		body   string
	}{
		"nothing_to_check": {nil, 200, `{"ready":true,"checks":[]}`},
		"all_hold":         {[]Check{{Name: "store", OK: true}}, 200, `{"ready":true,"checks":[{"name":"store","ok":true,"reason":"","state":"ok","message":""}]}`},
		"one_is_doubtful":  {[]Check{{Name: "clock", OK: true, State: "warning", Message: "free"}}, 200, `{"ready":true,"checks":[{"name":"clock","ok":true,"reason":"","state":"warning","message":"free"}]}`},
		"one_does_not":     {[]Check{{Name: "store", OK: true}, {Name: "probes", Reason: "none sent"}}, 503, `{"ready":false,"checks":[{"name":"store","ok":true,"reason":"","state":"ok","message":""},{"name":"probes","ok":false,"reason":"none sent","state":"failed","message":"none sent"}]}`},
	} {
		o := testOptions(t)
		o.Ready = func(context.Context) []Check { return c.checks }
		w := ask(t, New(o), http.MethodGet, "/readyz")
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.body)
		}
	}
	if w := ask(t, New(testOptions(t)), http.MethodGet, "/healthz"); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("/healthz = %d %q", w.Code, w.Body)
	}
}
