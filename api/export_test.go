package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"perigee"
)

func recordRequest(handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestExportStreams(t *testing.T) {
	// The second half is written only after the first has reached the client.
	reached := make(chan struct{})
	o := testOptions(t)
	o.Export = func(ctx context.Context, w io.Writer, format string, q perigee.Query) error {
		if _, err := io.WriteString(w, strings.Repeat("a", 64<<10)); err != nil {
			return err
		}
		select {
		case <-reached:
		case <-ctx.Done():
			return ctx.Err()
		}
		_, err := io.WriteString(w, "end")
		return err
	}
	server := httptest.NewServer(New(o))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/export?format=jsonl", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 32<<10)); err != nil {
		t.Fatal(err)
	}
	close(reached)
	rest, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasSuffix(string(rest), "end") || len(rest) != 32<<10+3 {
		t.Errorf("the rest is %d bytes, %v", len(rest), err)
	}
	if ct := response.Header.Get("Content-Type"); ct != "application/jsonl" {
		t.Errorf("Content-Type %q", ct)
	}
}

func TestExportAsksForWhatWasAsked(t *testing.T) {
	var format string
	var query perigee.Query
	o := testOptions(t)
	o.Export = func(_ context.Context, w io.Writer, f string, q perigee.Query) error {
		format, query = f, q
		_, err := io.WriteString(w, "x\n")
		return err
	}
	w := ask(t, New(o), http.MethodGet, "/api/v1/export?format=lp&link=geo&target=far&family=ipv4&load=idle&resolution=hour&site=home&"+wholeRange)
	want := perigee.Query{
		Site: "home", Links: []perigee.LinkID{"geo"}, Targets: []perigee.TargetID{"far"}, Family: perigee.IPv4, Load: perigee.LoadIdle,
		From: epoch, To: epoch.Add(600e9), Resolution: perigee.Hours,
	}
	if format != "lp" || !reflect.DeepEqual(query, want) {
		t.Errorf("export of %s %+v, want lp %+v", format, query, want)
	}
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="perigee-20260301T120000Z-20260301T121000Z.lp"` {
		t.Errorf("Content-Disposition %s", got)
	}
	for parameter, value := range map[string]string{"format": "xml", "resolution": "week", "link": "leo"} {
		if w := ask(t, New(o), http.MethodGet, fmt.Sprintf("/api/v1/export?%s=%s", parameter, value)); w.Code != 400 && w.Code != 404 {
			t.Errorf("%s=%s = %d", parameter, value, w.Code)
		}
	}
}

func TestExportThatFailsAtOnceIsAProblem(t *testing.T) {
	o := testOptions(t)
	o.Export = func(context.Context, io.Writer, string, perigee.Query) error {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: "store is locked: try again"}
	}
	w := ask(t, New(o), http.MethodGet, "/api/v1/export")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Type") != problemType || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestExportThatFailsHalfwayDoesNotLookWhole(t *testing.T) {
	o := testOptions(t)
	o.Export = func(_ context.Context, w io.Writer, _ string, _ perigee.Query) error {
		if _, err := io.WriteString(w, strings.Repeat("a", 100<<10)); err != nil {
			return err
		}
		return errors.New("disk gone")
	}
	server := httptest.NewServer(New(o))
	t.Cleanup(server.Close)
	response, err := http.Get(server.URL + "/api/v1/export")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Errorf("%d bytes ended properly although the export failed", n)
	}
}
