package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"perigee"
	"perigee/api/access"
)

// hostileValues are what no parameter should choke on.
var hostileValues = []string{
	"", " ", "0", "-1", "1e309", "NaN", "null", "true", "[]", "{}", "9223372036854775808", "-9223372036854775808", "253402300799", "253402300800", "0.0000000001",
	"1s", "1ns", "0s", "36525d", "36526d", "999999999d", "1d1d", "10y", "3650d", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-01T12:00:00+25:00",
	hostile, "<img src=x onerror=alert(1)>", `"><script>alert(1)</script>`, "javascript:alert(1)", "'; DROP TABLE samples; --", `" OR "1"="1`, "|> drop()", "${jndi:ldap://x}", "{{7*7}}",
	"../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", `C:\\windows`, "\x00", "a\x00b", "\r\nSet-Cookie: x=y", "\xff\xfe", "\u202e\u2066", "ａ", "🛰", "fibre", "fibre,geo", "fibre,,geo", ",", "fibre,fibre",
	strings.Repeat("a", 8000), strings.Repeat("a,", 3000), strings.Repeat("9", 400), "%", "%zz", "+", "&", "=", ";", "#",
	"UTC", "Local", "../zoneinfo/UTC", "Australia/Sydney", "jitter", "availability", "throughput_down", "rtt_loaded", "phase", "weekday", "family", "month", "0.99", "18", "60", "csv", "lp", "hour",
}

// abused is an API without tokens whose every asker is another, and its log.
func abused(t testing.TB) (ask func(*http.Request) *httptest.ResponseRecorder, o Options, log *safeBuffer) {
	t.Helper()
	o, _ = outboxOptions(t)
	log = &safeBuffer{}
	o.Budget, o.Measure, o.Log = newBudget(), newMeasure(), slog.New(slog.NewTextHandler(log, nil))
	o.Export = func(_ context.Context, w io.Writer, _ string, _ perigee.Query) error {
		_, err := io.WriteString(w, "time\n")
		return err
	}
	handler := New(o)
	n := 0
	return func(r *http.Request) *httptest.ResponseRecorder {
		n++
		r.RemoteAddr = fmt.Sprintf("198.51.%d.%d:1", n>>8&0xff, n&0xff) // no one of them asks too often
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}, o, log
}

// checkAnswer fails if w is a failure of ours, or an error that is no problem document, or
// an answer that a browser could take for a page.
func checkAnswer(t testing.TB, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		t.Errorf("%.200q = %d %.300s", what, w.Code, w.Body)
	}
	h := w.Header()
	if w.Code >= 400 {
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Code == "" || p.Detail == "" || p.Remedy == "" || h.Get("Content-Type") != problemType {
			t.Errorf("%.200q = %d %v %.300s, want a problem document", what, w.Code, err, w.Body)
		}
	}
	if strings.HasPrefix(h.Get("Content-Type"), "text/html") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Set-Cookie") != "" {
		t.Errorf("%.200q: headers %v", what, h)
	}
}

// walkDocument calls f for each operation that the OpenAPI document describes, and the
// names of its query parameters and of those in its path.
func walkDocument(t *testing.T, handler http.Handler, f func(method, path string, query, inPath []string, body any)) {
	t.Helper()
	paths, _ := document(t, handler)["paths"].(map[string]any)
	operations := 0
	for path, methods := range paths {
		for method, operation := range methods.(map[string]any) {
			operations++
			var query, inPath []string
			parameters, _ := at(operation, "parameters").([]any)
			for _, p := range parameters {
				name, _ := at(p, "name").(string)
				if at(p, "in") == "path" {
					inPath = append(inPath, name)
				} else {
					query = append(query, name)
				}
			}
			f(strings.ToUpper(method), path, query, inPath, at(operation, "requestBody"))
		}
	}
	if operations < 27 {
		t.Errorf("the document describes %d operations, want at least 27", operations)
	}
}

// TestHostileValuesOfEveryParameter gives each parameter that the OpenAPI document
// describes each hostile value, alone and twice, beside what the operation needs.
func TestHostileValuesOfEveryParameter(t *testing.T) {
	ask, o, log := abused(t)
	runtime.GC()
	before := runtime.NumGoroutine()
	requests, codes := 0, map[int]int{}
	walkDocument(t, New(o), func(method, path string, query, inPath []string, _ any) {
		if method != http.MethodGet || path == prefix+"/live" {
			return
		}
		plain := strings.NewReplacer("{link}", "fibre", "{id}", "3f").Replace(path)
		try := func(target string) {
			requests++
			r, err := http.NewRequestWithContext(t.Context(), method, target, nil)
			if err != nil {
				return // such a request cannot be sent
			}
			r.Host = "localhost"
			w := ask(r)
			codes[w.Code]++
			checkAnswer(t, target, w)
		}
		for _, value := range hostileValues {
			for _, name := range inPath {
				try(strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1))
			}
			for _, name := range query {
				values := url.Values{name: {value}}
				if name != "link" && slices.Contains(query, "link") {
					values.Set("link", "fibre")
				}
				try(plain + "?" + values.Encode())
				values.Add(name, value)
				try(plain + "?" + values.Encode())
				try(plain + "?" + name + "=" + strings.NewReplacer(" ", "%20", "\r", "%0d", "\n", "%0a", "\x00", "%00").Replace(value))
			}
			try(plain + "?" + url.QueryEscape(value) + "=1")
		}
	})
	// Most are refused, but what is understood is answered, and none came too often.
	if requests < 10_000 || codes[200] < 1000 || codes[400] < 1000 || codes[404] < 100 || codes[429]+codes[503] > 0 {
		t.Errorf("%d requests were answered %v", requests, codes)
	}
	t.Logf("%d requests were answered %v", requests, codes)
	if log.String() != "" {
		t.Errorf("the log tells of failures:\n%.2000s", log.String())
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// TestHostileBodies sends what is no body to every operation that takes one.
func TestHostileBodies(t *testing.T) {
	ask, o, log := abused(t)
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	bodies := []string{
		"", " ", "null", "[]", "1", `"x"`, "{", "{}{}", "{} x", "{\"\":1}", "\xef\xbb\xbf{}", "\x00", deep[:maxBody-1], strings.Repeat("[", maxBody-1), strings.Repeat(" ", maxBody) + "{}",
		`{"ids":null}`, `{"ids":[null]}`, `{"ids":[-1]}`, `{"ids":[1e400]}`, `{"ids":[9223372036854775808]}`, `{"ids":["<script>"]}`, `{"ids":` + strings.Repeat("[", 9999), `{"ids":[` + strings.Repeat("1,", 30_000) + `1]}`,
		`{"link":null}`, `{"link":1,"method":[]}`, `{"link":"geo","method":"icmp"}`, `{"link":"geo","method":"transfer","bytes":-1}`, `{"link":"geo","method":"transfer","bytes":9223372036854775807}`,
		`{"link":"geo","method":"transfer","seconds":1e308}`, `{"link":"geo","method":"transfer","seconds":-0.0}`, `{"link":"geo","method":"transfer","streams":2147483648}`, `{"link":"geo","method":"transfer","direction":"sideways"}`,
		`{"link":"geo","method":"transfer","congestion":"../../x"}`, `{"link":"<script>alert(1)</script>","method":"transfer"}`, `{"LINK":"geo"}`, `{"link":"geo","link":"fibre"}`, "{\"link\":\"\xff\"}",
	}
	walkDocument(t, New(o), func(method, path string, _, _ []string, body any) {
		if body == nil {
			return
		}
		for _, b := range bodies {
			for _, contentType := range []string{"application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data; boundary=x", "", "application/json\x00", strings.Repeat("a", 4000)} {
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(b))
				r.Header["Content-Type"] = []string{contentType}
				checkAnswer(t, path+" "+b[:min(len(b), 60)], ask(r))
			}
		}
	})
	if log.String() != "" {
		t.Errorf("the log tells of failures:\n%.2000s", log.String())
	}
}

// TestPathTricks asks for what is not served in the ways that servers have been fooled by.
func TestPathTricks(t *testing.T) {
	ask, _, _ := abused(t)
	for _, path := range []string{
		"/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/app.js/../../../etc/passwd", "/app.js%00.html", "/app.js/", "/.git/config", "/app.js.map", "//evil.example/", "/\\evil.example",
		"/api/v1/links/..", "/api/v1/links/%2e%2e", "/api/v1/links/%2e%2e%2f%2e%2e%2fmetrics", "/api/v1/links/.", "/api/v1/links//", "/api/v1/links/%00", "/api/v1/links/%ff", "/api/v1//links", "/api//v1/links",
		"/api/v1/probes/..%2foutbox", "/api/v1/links/" + strings.Repeat("a/", 3000), "/" + strings.Repeat("%2f", 3000), "/api/v1/links/fibre/summary/..", "/debug/pprof/", "/server-status", "/api/v2/links", "/api/v1", "/api/v1/",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"} {
			u, err := url.Parse("http://localhost" + path)
			if err != nil {
				continue
			}
			r := (&http.Request{Method: method, URL: u, Host: "localhost", Header: http.Header{}, Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RequestURI: path}).WithContext(t.Context())
			w := ask(r)
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s %.80s = %d %s", method, path, w.Code, w.Header())
			}
			if location := w.Header().Get("Location"); location != "" {
				t.Errorf("%s %.80s leads to %s", method, path, location)
			}
			if method != "HEAD" {
				checkAnswer(t, method+" "+path, w)
			}
		}
	}
}

// TestHostileHeaders adds headers that servers trust too much.
func TestHostileHeaders(t *testing.T) {
	ask, _, _ := abused(t)
	plain := ask(httptest.NewRequestWithContext(t.Context(), "GET", prefix+"/links", nil)).Body.String()
	for name, value := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example", "X-Original-URL": "/metrics", "X-Rewrite-URL": "/metrics", "X-HTTP-Method-Override": "DELETE", "Forwarded": "for=127.0.0.1;host=evil.example",
		"Accept": "text/html, <script>", "Accept-Encoding": "gzip;q=x, \x00, *;q=1e9", "Range": "bytes=0-0,-1,5-", "If-None-Match": "*", "Cookie": strings.Repeat("a=b; ", 2000), "Expect": "200-ok", "Connection": "upgrade", "Upgrade": "websocket",
		"Authorization": "Bearer " + strings.Repeat("x", 8000), "Content-Length": "5", "Origin": "https://evil.example", "Traceparent": "\r\nX: y", "Accept-Language": strings.Repeat("en,", 2000),
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", prefix+"/links", nil)
		r.Header.Set(name, value)
		w := ask(r)
		checkAnswer(t, name, w)
		if w.Code != 200 && w.Code != 400 && w.Code != 406 || w.Code == 200 && w.Header().Get("Content-Encoding") == "" && w.Body.String() != plain {
			t.Errorf("%s: %.40s = %d %.100s", name, value, w.Code, w.Body)
		}
	}
}

// TestScriptInEveryName answers from a store whose every name is a script: answers are
// JSON that says so, and the metrics and exports are not broken by it.
func TestScriptInEveryName(t *testing.T) {
	o := testOptions(t)
	feed := &Feed{}
	s := newSample(perigee.Stream{Site: hostile, Link: hostile, Target: hostile, Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}, epoch, func() float64 { return 0.01 })
	feed.Publish(perigee.Batch{Samples: []perigee.Sample{s}})
	if err := o.Store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{s}}); err != nil {
		t.Fatal(err)
	}
	o.Feed = feed
	handler := New(o)
	name := url.QueryEscape(hostile)
	for _, target := range []string{"/links", "/links/" + url.PathEscape(hostile) + "?site=" + name, "/series?link=" + name + "&site=" + name, "/compare?site=" + name, "/links/" + url.PathEscape(hostile+"x")} {
		w := ask(t, handler, "GET", prefix+target)
		checkAnswer(t, target, w)
		if !json.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), `<script>alert(1)</script>`) {
			t.Errorf("%s = %d %.200s", target, w.Code, w.Body)
		}
	}
	w := ask(t, handler, "GET", "/metrics")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `link="<script>alert(1)</script>/ü 100%"`) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("/metrics = %d %s", w.Code, w.Header())
	}
}

// TestSecretsAreNowhere shows a token in every place where one may be put by mistake, and
// looks for it in all that is answered, logged and measured.
func TestSecretsAreNowhere(t *testing.T) {
	g := newGuarded(t)
	all := []string{g.read, g.probe, g.expired, g.revoked, g.unknown}
	said := &bytes.Buffer{}
	tell := func(r *http.Request) *httptest.ResponseRecorder {
		w := g.ask(r)
		fmt.Fprintf(said, "%s %s\n%v\n%s\n", r.Method, r.URL.Path, w.Header(), w.Body)
		return w
	}
	var sessions []string
	for i, token := range all {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			for _, path := range []string{"/api/v1/links", sessionPath, "/metrics", "/readyz", "/nothing", "/api/v1/probes", "/api/v1/outbox/retry"} {
				for _, scheme := range []string{"Bearer ", "bearer", "Token ", "Bearer x"} {
					r := request(t, method, path, "", "{}")
					r.Header.Set("Authorization", scheme+token)
					r.RemoteAddr = fmt.Sprintf("203.0.113.%d:1", i+1)
					w := tell(r)
					for _, c := range w.Result().Cookies() {
						sessions = append(sessions, c.Value)
					}
				}
			}
		}
		r := request(t, "GET", "/api/v1/links", "", "")
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: token})
		tell(r)
	}
	tell(request(t, "GET", "/metrics", g.read, ""))
	text := said.String()
	for _, session := range sessions {
		if session == "" {
			continue
		}
		if n := strings.Count(text, session); n != 1 { // in the one Set-Cookie
			t.Errorf("a session stands %d times in what was answered", n)
		}
		if strings.Contains(g.log.String(), session) {
			t.Error("a session is logged")
		}
	}
	if len(sessions) == 0 {
		t.Error("no session was begun")
	}
	for i, token := range all {
		secret := token[len(token)-52:]
		if strings.Contains(text, secret) || strings.Contains(g.log.String(), secret) {
			t.Errorf("the secret of token %d stands in an answer or the log", i)
		}
	}
	tokens, err := access.Read(g.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if hash := fmt.Sprintf("%x", token.Hash); strings.Contains(text, hash) || strings.Contains(g.log.String(), hash) {
			t.Errorf("the hash of %v stands in an answer or the log", token)
		}
	}
}
