package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
)

// scriptedMeasure makes what is asked of it at once, as newThroughputs says.
type scriptedMeasure struct {
	mu    sync.Mutex
	asked []ProbeRequest
	state map[string]ProbeState
	err   error
}

func newMeasure() *scriptedMeasure {
	return &scriptedMeasure{state: map[string]ProbeState{"3f": {
		ID: "3f", State: ProbeRunning, Request: ProbeRequest{Link: "geo", Method: ProbeTransfer, Direction: "both"},
		Asked: epoch, Began: epoch.Add(time.Second), Throughputs: newThroughputs()[:1],
		Samples: []perigee.Sample{newSample(stream("geo"), epoch, func() float64 { return 0.6 })},
	}}}
}

func (m *scriptedMeasure) StartProbe(_ context.Context, p ProbeRequest) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, p)
	if m.err != nil {
		return "", m.err
	}
	m.state["a/ü"] = ProbeState{ID: "a/ü", State: ProbeQueued, Request: p, Asked: now}
	return "a/ü", nil
}

func (m *scriptedMeasure) Probe(_ context.Context, id string) (ProbeState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	state, known := m.state[id]
	if !known {
		return state, &perigee.Error{Code: perigee.CodeNotFound, Message: "there is no measurement of this identity, or it ended long ago"}
	}
	return state, nil
}

// fail adds a measurement that failed and returns its identity.
func (m *scriptedMeasure) fail() string {
	m.state["77"] = ProbeState{ID: "77", State: ProbeFailed, Request: ProbeRequest{Link: "geo", Method: ProbeTransfer}, Asked: epoch, Began: epoch, Ended: now,
		Err: &perigee.Error{Code: perigee.CodeUnavailable, Message: "far end far.example.net:4862 does not answer: check that it runs"}}
	return "77"
}

func TestProbeAnswersAreGolden(t *testing.T) {
	o := testOptions(t)
	measure := newMeasure()
	o.Measure = measure
	handler := New(o)
	w := send(t, handler, "/api/v1/probes", `{"link": "geo", "method": "transfer", "direction": "down", "streams": 8, "congestion": "bbr", "max_seconds": 5.5, "max_bytes": 1000000}`)
	if w.Code != http.StatusAccepted || w.Header().Get("Location") != "/api/v1/probes/a%2F%C3%BC" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d at %s, %s", w.Code, w.Header().Get("Location"), w.Header().Get("Content-Type"))
	}
	golden(t, "probe_asked.json", indent(t, w.Body.Bytes()))
	if again := ask(t, handler, http.MethodGet, w.Header().Get("Location")); again.Code != http.StatusOK || again.Body.String() != w.Body.String() {
		t.Errorf("where it is found: %d %s", again.Code, again.Body)
	}
	golden(t, "probe_running.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/probes/3f").Body.Bytes()))
	golden(t, "probe_failed.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/probes/"+measure.fail()).Body.Bytes()))
	if p := problemIn(t, ask(t, handler, http.MethodGet, "/api/v1/probes/other")); p.Status != http.StatusNotFound {
		t.Errorf("an unknown one: %+v", p)
	}
}

func TestProbeRequestsAreChecked(t *testing.T) {
	o := testOptions(t)
	measure := newMeasure()
	o.Measure = measure
	handler := New(o)
	for body, want := range map[string]string{
		`{}`:                             "link",
		`{"link":"geo"}`:                 "method",
		`{"link":"geo","method":"http"}`: "method",
		`{"link":"geo","method":"icmp","streams":2}`:                "method",
		`{"link":"geo","method":"icmp","direction":"up"}`:           "method",
		`{"link":"geo","method":"transfer","direction":"sideways"}`: "direction",
		`{"link":"geo","method":"transfer","streams":-1}`:           "streams",
		`{"link":"geo","method":"transfer","streams":65}`:           "streams",
		`{"link":"geo","method":"transfer","max_seconds":0}`:        "max_seconds",
		`{"link":"geo","method":"transfer","max_seconds":301}`:      "max_seconds",
		`{"link":"geo","method":"transfer","max_bytes":0}`:          "max_bytes",
		`{"link":"geo","method":"transfer","seconds":5}`:            "seconds",
	} {
		w := send(t, handler, "/api/v1/probes", body)
		if p := problemIn(t, w); p.Status != http.StatusBadRequest || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %+v, want a problem with %s", body, p, want)
		}
	}
	if len(measure.asked) != 0 {
		t.Errorf("asked for %+v", measure.asked)
	}
	for code, status := range map[perigee.Code]int{perigee.CodeNotFound: 404, perigee.CodePermission: 403, perigee.CodeUnavailable: 503} {
		measure.err = &perigee.Error{Code: code, Message: "no"}
		if p := problemIn(t, send(t, handler, "/api/v1/probes", `{"link":"geo","method":"icmp"}`)); p.Status != status {
			t.Errorf("%s: %+v, want status %d", code, p, status)
		}
	}
	// A page of another site must not spend somebody's bytes.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/probes", strings.NewReader(`{"link":"geo","method":"transfer"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := recordRequest(handler, r); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
	if p := problemIn(t, send(t, New(testOptions(t)), "/api/v1/probes", `{"link":"geo","method":"icmp"}`)); p.Status != http.StatusNotFound {
		t.Errorf("of a process that does not measure: %+v", p)
	}
}

func TestThroughputsAreLive(t *testing.T) {
	feed := &Feed{}
	client, ok := feed.subscribe("")
	if !ok {
		t.Fatal("not taken")
	}
	want := newThroughputs()[0]
	feed.Publish(perigee.Batch{Throughputs: []perigee.Throughput{want}})
	event := string(<-client.events)
	data, ok := strings.CutPrefix(event, "event: throughput\ndata: ")
	var got Throughput
	if err := json.Unmarshal([]byte(data), &got); !ok || err != nil || got.Link != "geo" || len(got.Series) != 3 || len(got.TCP) != 1 {
		t.Errorf("%q, %v", event, err)
	}
}
