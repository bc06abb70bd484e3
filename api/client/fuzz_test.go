package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"perigee"
	"perigee/api"
	"perigee/api/client"
)

// answer is a monitor, or whoever stands in its place, that says the same to every question.
type answer struct {
	status int
	kind   string
	body   []byte
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {a.kind}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

func (a answer) client(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.New("http://192.0.2.1:8480", &http.Client{Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzAnswers gives the client whatever may answer at an address: it is understood, or an
// error says in a line what to do.
func FuzzAnswers(f *testing.F) {
	const problem = "application/problem+json"
	f.Add(200, "application/json", []byte(`[{"site":"home","link":"geo"}]`))
	f.Add(200, "application/json", []byte(`{"link":"geo","site":"home","targets":[{"target":"far","counts":{"planned":300}}],"points":[[1,2]],"state":"idle","resent":3}`))
	f.Add(202, "application/json", []byte("{}"))
	f.Add(200, "text/html", []byte("<html>"))
	f.Add(404, problem, []byte(`{"type":"about:blank","status":404,"code":"not_found","detail":"there is no link geo","remedy":"Ask /links."}`))
	f.Add(401, problem, []byte(`{"code":"unauthenticated","detail":"a\u001b[31mb"}`))
	f.Add(503, problem, []byte(`{"code":"`+strings.Repeat("x", 9000)+`"}`))
	f.Add(500, "text/plain", []byte("null"))
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		c, ctx := answer{status, kind, body}.client(t), t.Context()
		good := status == http.StatusOK || status == http.StatusAccepted
		for name, ask := range map[string]func() error{
			"links":    func() error { _, err := c.Links(ctx); return err },
			"link":     func() error { _, err := c.Link(ctx, "geo/../.."); return err },
			"monitor":  func() error { _, err := c.Monitor(ctx); return err },
			"summary":  func() error { _, err := c.Summary(ctx, client.Filter{Link: "geo"}); return err },
			"series":   func() error { _, err := c.Series(ctx, perigee.MetricRTT, 0, client.Filter{}); return err },
			"outages":  func() error { _, err := c.Outages(ctx, client.Filter{}); return err },
			"gaps":     func() error { _, err := c.Gaps(ctx, client.Filter{}); return err },
			"transfer": func() error { _, err := c.Throughputs(ctx, client.ThroughputFilter{}); return err },
			"budget":   func() error { _, err := c.Budget(ctx); return err },
			"probe":    func() error { _, err := c.StartProbe(ctx, api.ProbeRequest{}); return err },
			"outbox":   func() error { _, err := c.Outbox(ctx); return err },
			"letters":  func() error { _, err := c.DeadLetters(ctx, 3); return err },
			"resend":   func() error { _, err := c.Resend(ctx, 1); return err },
		} {
			err := ask()
			if err == nil {
				if !good {
					t.Errorf("%s: status %d with %q is taken for an answer", name, status, body)
				}
				continue
			}
			checkError(t, name, err)
		}
		var out bytes.Buffer
		if err := c.Export(ctx, &out, "csv", perigee.Windows, client.Filter{}); (err == nil) != good || err == nil && !bytes.Equal(out.Bytes(), body) {
			t.Errorf("an export of %d bytes with status %d gives %d: %v", len(body), status, out.Len(), err)
		}
	})
}

// checkError fails for an error that does not say in a few words what is wrong.
func checkError(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*perigee.Error](err)
	if !ok || e.Code == "" || e.Message == "" {
		t.Errorf("%s: error %T %v", what, err, err)
		return
	}
	if text := err.Error(); len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%s: says %d bytes, %.200q", what, len(text), text)
	}
}

// FuzzEvents gives the client whatever may come as a live stream: no more events than
// there are lines, and one error at the end.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: sample\ndata: {\"link\":\"geo\"}\n\nevent: outage\ndata: {\"link\":\"geo\"}\n\n: ping\n\n"))
	f.Add([]byte("event: tomorrow\ndata: {}\n\n"))
	f.Add([]byte("data: {}\n\nevent: gap\ndata: null\n"))
	f.Add([]byte("event: throughput\r\ndata: {\"series\":[{\"t\":1e400}]}\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, failures := 0, 0
		for event, err := range (answer{200, "text/event-stream", body}).client(t).Live(t.Context()) {
			if err != nil {
				failures++
				checkError(t, "live", err)
				continue
			}
			set := 0
			for _, there := range []bool{event.Sample != nil, event.Throughput != nil, event.Outage != nil, event.Gap != nil} {
				if there {
					set++
				}
			}
			if events++; set != 1 {
				t.Errorf("an event of %d kinds", set)
			}
		}
		if failures != 1 || events > bytes.Count(body, []byte("\n"))+1 {
			t.Errorf("%d events and %d errors of %q", events, failures, body)
		}
	})
}
