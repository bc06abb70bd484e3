package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"perigee"
	"perigee/api/access"
	"perigee/dashboards"
)

// guarded is an API that asks for tokens, and what a test needs to ask it.
type guarded struct {
	handler http.Handler
	options Options // of handler
	file    string
	keys    *access.Keyring
	clock   time.Time
	log     *safeBuffer

	read, probe, expired, revoked, unknown string
}

// newGuarded returns an API with everything that can be configured.
func newGuarded(t testing.TB) *guarded {
	t.Helper()
	g := &guarded{file: filepath.Join(t.TempDir(), "tokens"), clock: now, log: &safeBuffer{}}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.read, g.probe, g.expired, g.revoked = g.add(t, "reader", access.ScopeRead, 0), g.add(t, "prober", access.ScopeProbe, 0), g.add(t, "late", access.ScopeProbe, time.Second), g.add(t, "gone", access.ScopeProbe, 0)
	g.unknown = g.revoked[:len(g.revoked)-4] + "aaaa"
	g.keys = access.OpenKeyring(g.file, g.now, log)
	if _, err := access.Revoke(g.file, "gone"); err != nil {
		t.Fatal(err)
	}
	g.clock = g.clock.Add(time.Minute)
	o, _ := outboxOptions(t)
	o.Budget, o.Measure, o.Feed, o.Keys, o.Log, o.Now = newBudget(), newMeasure(), &Feed{}, g.keys, log, g.now
	o.Export = func(_ context.Context, w io.Writer, _ string, _ perigee.Query) error {
		_, err := io.WriteString(w, "time\n")
		return err
	}
	o.Ready = func(context.Context) []Check { return []Check{{Name: "stream <script> to far", OK: true}} }
	g.options, g.handler = o, New(o)
	return g
}

func (g *guarded) now() time.Time { return g.clock }

func (g *guarded) add(t testing.TB, name string, scope access.Scope, life time.Duration) string {
	t.Helper()
	var expires time.Time
	if life != 0 {
		expires = g.clock.Add(life)
	}
	_, text, err := access.Add(g.file, name, scope, g.clock, expires)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// request returns a request as a program sends it; a body is JSON.
func request(t testing.TB, method, target, token, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func (g *guarded) ask(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// openRoutes are those that need no token. Whatever else the router has needs one.
func openRoutes() []string {
	open := []string{"GET /healthz", "GET /readyz"}
	for path := range dashboards.Pages {
		open = append(open, "GET "+path)
	}
	return open
}

// TestEveryRouteAsksForAToken asks each route that the router has with every kind of
// token: one that is added later is in the table by itself.
func TestEveryRouteAsksForAToken(t *testing.T) {
	g := newGuarded(t)
	open := openRoutes()
	seen := 0
	err := chi.Walk(g.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		seen++
		name := method + " " + route
		scope := access.ScopeRead
		if method != http.MethodGet && route != sessionPath {
			scope = access.ScopeProbe
		}
		target := strings.NewReplacer("{link}", "fibre", "{id}", "nobody").Replace(route)
		body := ""
		if method == http.MethodPost {
			body = `{"link":"nobody"}` // refused behind the door, by those that take it
		}
		for kind, c := range map[string]struct {
			token string
			scope access.Scope
		}{"none": {}, "unknown": {token: g.unknown}, "expired": {token: g.expired}, "revoked": {token: g.revoked}, "garbage": {token: "x"}, "read": {g.read, access.ScopeRead}, "probe": {g.probe, access.ScopeProbe}} {
			g.clock = g.clock.Add(time.Minute) // not too many wrong ones at once
			r := request(t, method, target, c.token, body)
			r.RemoteAddr = fmt.Sprintf("203.0.113.%d:4", seen)
			if route == prefix+"/live" {
				r.Method = http.MethodHead // which does not go on for ever
			}
			w := g.ask(r)
			want := 0 // let in
			switch {
			case slices.Contains(open, name):
			case c.scope == "":
				want = http.StatusUnauthorized
			case !c.scope.Allows(scope):
				want = http.StatusForbidden
			}
			if want == 0 {
				if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || w.Code >= 500 {
					t.Errorf("%s with token %s = %d %s, want to be let in", name, kind, w.Code, w.Body)
				}
				continue
			}
			if w.Code != want {
				t.Errorf("%s with token %s = %d, want %d", name, kind, w.Code, want)
			}
			if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer ") || w.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("%s with token %s: headers %v", name, kind, w.Header())
			}
			if route == prefix+"/live" {
				continue
			}
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != want || p.Remedy == "" || (p.Code == string(perigee.CodeUnauthenticated)) != (want == 401) {
				t.Errorf("%s with token %s: %v %s", name, kind, err, w.Body)
			}
		}
		return nil
	})
	if err != nil || seen < 35 {
		t.Errorf("%d routes, %v; want at least 35", seen, err)
	}
	for _, secret := range []string{g.read, g.probe, g.expired, g.revoked, g.unknown} {
		if strings.Contains(g.log.String(), secret[13:]) {
			t.Errorf("the log has a secret:\n%s", g.log)
		}
	}
	if !strings.Contains(g.log.String(), "an expired token was refused") || !strings.Contains(g.log.String(), "address=203.0.113.1") {
		t.Errorf("the log does not tell of wrong tokens:\n%s", g.log)
	}
}

// TestWaysAroundTheDoor are requests that another path or method would hide.
func TestWaysAroundTheDoor(t *testing.T) {
	g := newGuarded(t)
	for _, c := range []struct{ method, target string }{
		{"GET", "/api/v1/links/"}, {"GET", "//api/v1/links"}, {"GET", "/./api/v1/links"}, {"GET", "/x/../api/v1/links"},
		{"GET", "/%61pi/v1/links"}, {"GET", "/api%2fv1%2flinks"}, {"GET", "/healthz%2f..%2fapi%2fv1%2flinks"}, {"GET", "/healthz/../metrics"},
		{"GET", "/metrics/"}, {"GET", "/%6detrics"}, {"GET", "/healthz/"}, {"GET", "/nothing"}, {"GET", "/api/v1/nothing"}, {"GET", "/API/v1/links"},
		{"HEAD", "/api/v1/links"}, {"HEAD", "/metrics"}, {"OPTIONS", "/api/v1/links"}, {"POST", "/api/v1/links"}, {"PUT", "/api/v1/probes"},
		{"TRACE", "/metrics"}, {"get", "/metrics"}, {"GET", "/healthz;/api/v1/links"}, {"CONNECT", "/metrics"}, {"GET", "/%68ealthz"},
		{"GET", "/api/v1/links?authorization=Bearer%20" + g.read}, {"GET", "/api/v1/links?token=" + g.read}, {"GET", "/api/v1/links?access_token=" + g.read},
	} {
		if w := g.ask(request(t, c.method, c.target, "", "")); w.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a token = %d, want 401", c.method, c.target, w.Code)
		}
	}
	for name, headers := range map[string][]string{
		"basic":           {"Basic " + g.read},
		"no_scheme":       {g.read},
		"two":             {"Bearer " + g.read, "Bearer " + g.read},
		"two_in_one":      {"Bearer " + g.read + ", Bearer " + g.read},
		"quoted":          {`Bearer "` + g.read + `"`},
		"empty":           {"Bearer "},
		"in_another_case": {"Bearer " + strings.ToUpper(g.read)},
	} {
		r := request(t, "GET", "/api/v1/links", "", "")
		r.Header["Authorization"] = headers
		if w := g.ask(r); w.Code != http.StatusUnauthorized {
			t.Errorf("Authorization %s = %d, want 401", name, w.Code)
		}
	}
	for name, headers := range map[string][]string{
		"plain":          {"Bearer " + g.read},
		"scheme_in_caps": {"BEARER " + g.read},
		"blanks":         {"Bearer   " + g.read + " "},
		"behind_a_proxy": {"Basic dXNlcjpwYXNzd29yZA==", "Bearer " + g.read},
	} {
		r := request(t, "GET", "/api/v1/links", "", "")
		r.Header["Authorization"] = headers
		if w := g.ask(r); w.Code != http.StatusOK {
			t.Errorf("Authorization %s = %d, want 200", name, w.Code)
		}
	}
}

func TestReadinessTellsStrangersNoReasons(t *testing.T) {
	g := newGuarded(t)
	for token, want := range map[string]string{"": `{"ready":true,"checks":[]}`, g.unknown: `{"ready":true,"checks":[]}`, g.read: `{"ready":true,"checks":[{"name":"stream <script> to far","ok":true,"reason":"","state":"ok","message":""}]}`} {
		if w := g.ask(request(t, "GET", "/readyz", token, "")); w.Code != 200 || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("/readyz = %d %s, want %s", w.Code, w.Body, want)
		}
	}
}

func TestWrongTokensAreTooManyButGoodOnesAreTaken(t *testing.T) {
	g := newGuarded(t)
	codes := map[int]int{}
	for range attemptBurst + 20 {
		w := g.ask(request(t, "GET", "/api/v1/links", g.unknown, ""))
		codes[w.Code]++
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	if codes[401] != attemptBurst || codes[429] != 20 {
		t.Errorf("answers %v, want %d of 401 and 20 of 429", codes, attemptBurst)
	}
	if n := strings.Count(g.log.String(), "a token was refused"); n != attemptBurst {
		t.Errorf("%d attempts are logged, want %d", n, attemptBurst)
	}
	if w := g.ask(request(t, "GET", "/api/v1/links", g.read, "")); w.Code != 200 {
		t.Errorf("a good token from the same address = %d", w.Code)
	}
	other := request(t, "GET", "/api/v1/links", g.unknown, "")
	other.RemoteAddr = "203.0.113.9:1"
	if w := g.ask(other); w.Code != 401 {
		t.Errorf("a wrong one from another address = %d, want 401", w.Code)
	}
}

func TestRequestsOfATokenAreLimited(t *testing.T) {
	g := newGuarded(t)
	last := 0
	for range requestBurst + 200 {
		if last = g.ask(request(t, "GET", "/healthz", g.read, "")).Code; last != 200 {
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("after more than %d requests at once the answer is %d, want 429", requestBurst, last)
	}
	if w := g.ask(request(t, "GET", "/healthz", g.probe, "")); w.Code != 200 {
		t.Errorf("another token = %d", w.Code)
	}
}

func TestSessions(t *testing.T) {
	g := newGuarded(t)
	begin := func(token string) (*http.Cookie, *httptest.ResponseRecorder) {
		w := g.ask(request(t, "POST", sessionPath, token, "{}"))
		cookies := w.Result().Cookies()
		if len(cookies) == 0 {
			return &http.Cookie{Name: sessionCookie}, w
		}
		return cookies[0], w
	}
	with := func(method, target, body string, c *http.Cookie) *httptest.ResponseRecorder {
		r := request(t, method, target, "", body)
		r.AddCookie(c)
		return g.ask(r)
	}
	cookie, w := begin(g.probe)
	var said SessionResponse
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 200 || said.Name != "prober" || said.Scope != "probe" || said.Expires == nil || !said.Expires.Equal(g.clock.Add(access.SessionLife)) {
		t.Fatalf("POST %s = %d %s", sessionPath, w.Code, w.Body)
	}
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure || cookie.Path != "/" || cookie.Domain != "" || len(cookie.Value) != 52 {
		t.Errorf("cookie %+v", cookie)
	}
	if strings.Contains(w.Body.String(), cookie.Value) || strings.Contains(cookie.Value, g.probe[13:]) {
		t.Error("the answer shows scripts the session, or the cookie holds the token")
	}
	if w := with("GET", "/api/v1/links", "", cookie); w.Code != 200 {
		t.Errorf("asked with the session: %d", w.Code)
	}
	if w := with("GET", sessionPath, "", cookie); w.Code != 200 || !strings.Contains(w.Body.String(), `"name":"prober"`) {
		t.Errorf("GET %s = %d %s", sessionPath, w.Code, w.Body)
	}
	if w := with("POST", "/api/v1/outbox/retry", "{}", cookie); w.Code != 200 {
		t.Errorf("a change with a session of scope probe = %d", w.Code)
	}
	if w := with("POST", sessionPath, "{}", cookie); w.Code != 401 {
		t.Errorf("a session of a session = %d", w.Code)
	}
	for name, token := range map[string]string{"none": "", "unknown": g.unknown, "expired": g.expired} {
		if _, w := begin(token); w.Code != 401 || len(w.Result().Cookies()) != 0 {
			t.Errorf("a session of token %s = %d", name, w.Code)
		}
	}
	reader, _ := begin(g.read)
	if w := with("POST", "/api/v1/outbox/retry", "{}", reader); w.Code != 403 {
		t.Errorf("a change with a session of scope read = %d", w.Code)
	}

	// A page of another site, or of another port of this host, cannot use a session for
	// a change.
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "http://example.com:81"}, {"Origin", "null"}} {
		for _, c := range []struct{ method, target, body string }{{"POST", "/api/v1/outbox/retry", "{}"}, {"DELETE", sessionPath, ""}} {
			r := request(t, c.method, c.target, "", c.body)
			r.AddCookie(cookie)
			r.Header.Set(header[0], header[1])
			if w := g.ask(r); w.Code != 403 {
				t.Errorf("%s %s with %v = %d, want 403", c.method, c.target, header, w.Code)
			}
		}
	}

	if w := with("DELETE", sessionPath, "", reader); w.Code != 204 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("DELETE %s = %d %v", sessionPath, w.Code, w.Header())
	}
	if w := with("GET", "/api/v1/links", "", reader); w.Code != 401 {
		t.Errorf("after its end the session is good for %d", w.Code)
	}
	if _, err := access.Revoke(g.file, "prober"); err != nil {
		t.Fatal(err)
	}
	g.clock = g.clock.Add(time.Minute)
	if w := with("GET", "/api/v1/links", "", cookie); w.Code != 401 {
		t.Errorf("after the end of its token the session is good for %d", w.Code)
	}

	cookie, _ = begin(g.read)
	g.clock = g.clock.Add(access.SessionLife)
	if w := with("GET", "/api/v1/links", "", cookie); w.Code != 401 {
		t.Errorf("after a week the session is good for %d", w.Code)
	}
}

func TestSessionsAreSecureOverTLS(t *testing.T) {
	g := newGuarded(t)
	server := httptest.NewTLSServer(g.handler)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+sessionPath, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.read)
	r.Header.Set("Content-Type", "application/json")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if c := response.Cookies(); len(c) != 1 || !c[0].Secure {
		t.Errorf("cookies %v", c)
	}
	// The word of a proxy counts on this machine alone.
	for address, want := range map[string]bool{"127.0.0.1:5": true, "192.0.2.1:5": false} {
		r := request(t, "POST", sessionPath, g.read, "{}")
		r.RemoteAddr = address
		r.Header.Set("X-Forwarded-Proto", "https")
		if c := g.ask(r).Result().Cookies(); len(c) != 1 || c[0].Secure != want {
			t.Errorf("from %s: %v", address, c)
		}
	}
}

func TestWithoutTokensThereAreNoSessions(t *testing.T) {
	handler := New(testOptions(t))
	if w := ask(t, handler, "GET", sessionPath); w.Code != 404 {
		t.Errorf("GET = %d", w.Code)
	}
	if w := send(t, handler, sessionPath, "{}"); w.Code != 404 || len(w.Result().Cookies()) != 0 {
		t.Errorf("POST = %d", w.Code)
	}
	if w := ask(t, handler, "DELETE", sessionPath); w.Code != 404 {
		t.Errorf("DELETE = %d", w.Code)
	}
}

// FuzzAuthorization: no header makes the door panic or open.
func FuzzAuthorization(f *testing.F) {
	g := newGuarded(f)
	for _, s := range []string{"", "Bearer", "Bearer " + g.unknown, "bearer\t" + g.read[:20], "Basic x", "Bearer a, Bearer b"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, authorization, cookie string) {
		r := request(t, "GET", "/api/v1/links", "", "")
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Cookie", sessionCookie+"="+cookie)
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:1", len(authorization)+len(cookie)<<4&0xffff)
		if w := g.ask(r); w.Code != 401 && w.Code != 429 {
			t.Errorf("Authorization %q, cookie %q = %d %s", authorization, cookie, w.Code, w.Body)
		}
	})
}
