package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzRequest gives the whole handler whatever may be asked by one request: it is answered
// with JSON that a schema could have, refused with a problem document, and never with a
// failure of ours.
func FuzzRequest(f *testing.F) {
	ask, _, log := abused(f)
	for _, target := range []string{
		"/links", "/links/fibre", "/links/fibre/summary?from=1h", "/links/geo/usual", "/series?link=geo&metric=jitter&step=10s", "/compare?links=fibre,geo&by=family", "/distribution?metric=pdv", "/heatmap?link=geo&timezone=Australia/Sydney",
		"/slots?link=fibre&leap_seconds=18", "/outages?from=7d&to=1d", "/disruptions?limit=3", "/availability?by=month", "/gaps", "/throughput?series=false", "/budget", "/monitor", "/outbox", "/outbox/dead-letters?limit=1", "/probes/3f", "/session",
		"/export?format=lp&resolution=hour", "/openapi.json", "/live", "/links/%2e%2e", "/../../metrics",
	} {
		f.Add("GET", prefix+target, "", "gzip", "")
	}
	f.Add("POST", prefix+"/probes", "application/json", "", `{"link":"geo","method":"transfer","bytes":1e6,"streams":8}`)
	f.Add("POST", prefix+"/outbox/resend", "application/json; charset=utf-8", "", `{"ids":[1]}`)
	f.Add("POST", prefix+"/outbox/retry", "", "", "{}")
	f.Add("POST", sessionPath, "application/json", "", "{}")
	f.Add("DELETE", sessionPath, "", "", "")
	f.Add("OPTIONS", prefix+"/links", "", "br;q=1, *;q=0", "")
	f.Add("HEAD", "/metrics", "", "identity;q=0", "")
	f.Add("GET", "/app.js", "", "gzip;q=0.5", "")
	f.Fuzz(func(t *testing.T, method, target, contentType, encoding, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost", strings.NewReader(body))
		if err != nil {
			return
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return // net/http answers 400 itself
		}
		// A stream does not end by itself.
		ctx, cancel := context.WithCancel(r.Context())
		if u.Path == prefix+"/live" {
			cancel()
		}
		defer cancel()
		r = r.WithContext(ctx)
		r.URL, r.RequestURI, r.Host = u, target, "localhost"
		r.Header["Content-Type"], r.Header["Accept-Encoding"] = []string{contentType}, []string{encoding}
		w := ask(r)
		checkRequest(t, r, w)
		if text := log.String(); text != "" {
			t.Errorf("%s %q: the log tells of %.500s", method, target, text)
		}
	})
}

// checkRequest is checkAnswer, but for what is no answer of the API's: the page's own files
// and what HEAD leaves out.
func checkRequest(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Header()
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		t.Errorf("%s %q = %d %.300s", r.Method, r.RequestURI, w.Code, w.Body)
	}
	if h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %q: headers %v", r.Method, r.RequestURI, h)
	}
	if strings.HasPrefix(r.URL.Path, prefix+"/") && r.Method != http.MethodHead && h.Get("Content-Encoding") == "" && r.URL.Path != sessionPath {
		checkAnswer(t, r.Method+" "+r.RequestURI, w)
	}
	// What is not a question must not be answered as one.
	if w.Code == http.StatusOK && !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions}, r.Method) {
		t.Errorf("%s %q = 200", r.Method, r.RequestURI)
	}
}
