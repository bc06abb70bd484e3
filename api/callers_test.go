package api

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"perigee/api/access"
)

// TestCallersOutliveAHandler has a handler give way to another, as reading the
// configuration again does.
func TestCallersOutliveAHandler(t *testing.T) {
	g := newGuarded(t)
	g.options.Callers = NewCallers(g.now)
	g.handler = New(g.options)
	begin := func(token string) *http.Cookie {
		t.Helper()
		w := g.ask(request(t, http.MethodPost, sessionPath, token, "{}"))
		if w.Code != http.StatusOK || len(w.Result().Cookies()) != 1 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return w.Result().Cookies()[0]
	}
	asks := func(c *http.Cookie) int {
		r := request(t, http.MethodGet, "/api/v1/links", "", "")
		r.AddCookie(c)
		return g.ask(r).Code
	}
	reader, prober, leaver := begin(g.read), begin(g.probe), begin(g.read)
	wrong := func() int {
		r := request(t, http.MethodGet, "/api/v1/links", g.unknown, "")
		r.RemoteAddr = "203.0.113.9:4"
		return g.ask(r).Code
	}
	for range attemptBurst {
		if code := wrong(); code != http.StatusUnauthorized {
			t.Fatalf("a wrong token: %d", code)
		}
	}

	g.handler = New(g.options)
	if code := wrong(); code != http.StatusTooManyRequests {
		t.Errorf("a wrong token more, to another handler: %d, want 429", code)
	}
	if a, b := asks(reader), asks(prober); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("sessions that were begun with another handler: %d and %d", a, b)
	}
	end := request(t, http.MethodDelete, sessionPath, "", "")
	end.AddCookie(leaver)
	if w := g.ask(end); w.Code != http.StatusNoContent || asks(leaver) != http.StatusUnauthorized {
		t.Errorf("a session that was ended: %d, then %d", w.Code, asks(leaver))
	}

	// A token that is good for something else, and one that is good no more, end theirs.
	text, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), " read ", " probe ", 1)
	if changed == string(text) {
		t.Fatalf("no scope to change in\n%s", text)
	}
	if err := os.WriteFile(g.file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.Revoke(g.file, "prober"); err != nil {
		t.Fatal(err)
	}
	g.clock = g.clock.Add(time.Minute)
	if a, b := asks(reader), asks(prober); a != http.StatusUnauthorized || b != http.StatusUnauthorized {
		t.Errorf("sessions of a token with another scope, and of one revoked: %d and %d, want 401", a, b)
	}
	if code := asks(begin(g.read)); code != http.StatusOK {
		t.Errorf("a new session of the token with another scope: %d", code)
	}
}
