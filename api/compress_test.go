package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"perigee"
	"perigee/dashboards"
)

// askAs answers a request with an Accept-Encoding, none if it is empty.
func askAs(t *testing.T, handler http.Handler, encoding, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return recordRequest(handler, r)
}

// plain returns what was compressed.
func plain(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestAnswersAreCompressed asks JSON, problems and the page, and wants the same bytes
// however they travel.
func TestAnswersAreCompressed(t *testing.T) {
	handler := New(testOptions(t))
	for _, target := range []string{"/api/v1/links", "/api/v1/series?link=geo&" + wholeRange, "/api/v1/openapi.json", "/api/v1/links/moon", "/", "/app.js", "/style.css"} {
		want := askAs(t, handler, "", target)
		for encoding, compressed := range map[string]bool{
			"":                           false,
			"identity":                   false,
			"deflate, br":                false,
			"gzip;q=0":                   false,
			"*, gzip;q=0":                false,
			"*;q=0":                      false,
			"gzipped":                    false,
			"gzip":                       true,
			"x-gzip":                     true,
			"GZip ; Q=0.5":               true,
			"deflate, gzip;q=1.0, *;q=0": true,
			"br, *":                      true,
		} {
			got := askAs(t, handler, encoding, target)
			h := got.Header()
			if got.Code != want.Code || h.Get("Content-Type") != want.Header().Get("Content-Type") {
				t.Errorf("%s as %q = %d %s", target, encoding, got.Code, h.Get("Content-Type"))
			}
			if vary := h.Values("Vary"); len(vary) != 1 || vary[0] != "Accept-Encoding" {
				t.Errorf("%s as %q: Vary %q", target, encoding, vary)
			}
			body := got.Body.Bytes()
			if (h.Get("Content-Encoding") == "gzip") != compressed {
				t.Errorf("%s as %q: Content-Encoding %q", target, encoding, h.Get("Content-Encoding"))
				continue
			}
			if compressed {
				if length := h.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) {
					t.Errorf("%s as %q: Content-Length %s of %d bytes", target, encoding, length, len(body))
				}
				body = plain(t, body)
			}
			if !bytes.Equal(body, want.Body.Bytes()) {
				t.Errorf("%s as %q has other bytes", target, encoding)
			}
		}
	}
}

// TestCompressedPageIsCached asks each file again with the tag of either form: only its
// own form has not changed.
func TestCompressedPageIsCached(t *testing.T) {
	handler := New(testOptions(t))
	for path := range dashboards.Pages {
		tags := map[string]string{}
		for _, encoding := range []string{"gzip", "identity"} {
			tags[encoding] = askAs(t, handler, encoding, path).Header().Get("ETag")
		}
		for _, encoding := range []string{"gzip", "identity"} {
			again := askAs(t, handler, encoding, path, "If-None-Match", tags[encoding])
			if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != tags[encoding] || again.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s as %s with its tag %s = %d, tag %s", path, encoding, tags[encoding], again.Code, again.Header().Get("ETag"))
			}
		}
		if tags["gzip"] != tags["identity"] {
			if w := askAs(t, handler, "gzip", path, "If-None-Match", tags["identity"]); w.Code != http.StatusOK {
				t.Errorf("%s as gzip with the tag of the other form = %d", path, w.Code)
			}
		}
	}
}

// TestStreamsAreNotCompressed asks over a real connection, as a browser that takes gzip:
// events arrive one by one, files as they are, and HEAD answers the headers alone.
func TestStreamsAreNotCompressed(t *testing.T) {
	feed := &Feed{}
	o := testOptions(t)
	o.Feed = feed
	o.Export = func(_ context.Context, w io.Writer, _ string, _ perigee.Query) error {
		_, err := io.WriteString(w, "a,b\n")
		return err
	}
	server := httptest.NewServer(New(o))
	t.Cleanup(server.Close)
	get := func(method, target string) *http.Response {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, method, server.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // and so decompresses nothing itself
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	live := get(http.MethodGet, "/api/v1/live")
	if encoding := live.Header.Get("Content-Encoding"); encoding != "" {
		t.Fatalf("/live is sent as %q", encoding)
	}
	read := func(want string) {
		t.Helper()
		b := make([]byte, len(want))
		if _, err := io.ReadFull(live.Body, b); err != nil || string(b) != want {
			t.Fatalf("/live: %q, %v, want %q", b, err, want)
		}
	}
	read("retry: 3000\n\n")
	feed.Measured(makerOne)
	for range 2 { // each at once, before there is another
		feed.Publish(perigee.Batch{Gaps: []perigee.Gap{{Site: "home", Start: epoch, End: epoch.Add(time.Second), Reason: perigee.GapStalled}}})
		read("event: gap\ndata: {\"site\":\"home\",\"link\":null,\"start\":\"2026-03-01T12:00:00Z\",\"end\":\"2026-03-01T12:00:01Z\",\"duration_seconds\":1,\"reason\":\"stalled\",\"detail\":\"\",\"version\":\"v1.0.0\",\"configuration_hash\":\"0123456789abcdef\"}\n\n")
	}

	export := get(http.MethodGet, "/api/v1/export")
	if b, err := io.ReadAll(export.Body); err != nil || string(b) != "a,b\n" || export.Header.Get("Content-Encoding") != "" {
		t.Errorf("/export: %q, %v as %q", b, err, export.Header.Get("Content-Encoding"))
	}
	for target, encoding := range map[string]string{"/api/v1/links": "gzip", "/": "gzip", "/api/v1/live": "", "/api/v1/export": "", "/healthz": ""} {
		head := get(http.MethodHead, target)
		if b, err := io.ReadAll(head.Body); err != nil || len(b) > 0 || head.StatusCode != http.StatusOK || head.Header.Get("Content-Encoding") != encoding {
			t.Errorf("HEAD %s = %d, %q, %v, Content-Encoding %q, want %q", target, head.StatusCode, b, err, head.Header.Get("Content-Encoding"), encoding)
		}
	}
}
