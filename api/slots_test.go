package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/storage/storagetest"
)

// starlinkOptions have a store with a day and a bit of a simulated Starlink link, probed
// once a second, and a link of which there are statistics alone.
func starlinkOptions(t *testing.T, hours int) Options {
	t.Helper()
	walk, err := lab.NewWalk(lab.Starlink(), 1, epoch)
	if err != nil {
		t.Fatal(err)
	}
	var at time.Duration
	rtt := func() float64 {
		trip := walk.Probe(at, 84)
		at += time.Second
		if trip.Fate != lab.Delivered {
			return -1
		}
		return trip.RTT.Seconds()
	}
	var batch perigee.Batch
	for window := range hours * 360 {
		start := epoch.Add(time.Duration(window) * 10 * time.Second)
		dish, bare := newSample(stream("dish"), start, rtt), newSample(stream("bare"), start, func() float64 { return 0.01 })
		bare.Singletons = nil
		batch.Samples = append(batch.Samples, dish, bare)
	}
	store := storagetest.NewMemory()
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return Options{Store: store, Version: "test", Now: func() time.Time { return epoch.Add(time.Duration(hours) * time.Hour) }}
}

// slotsOf asks /slots and decodes a success.
func slotsOf(t *testing.T, handler http.Handler, query string) SlotsResponse {
	t.Helper()
	w := ask(t, handler, http.MethodGet, "/api/v1/slots?"+query)
	var r SlotsResponse
	if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &r) != nil {
		t.Fatalf("GET /slots?%s = %d %s", query, w.Code, w.Body)
	}
	return r
}

func TestSlotsAnswer(t *testing.T) {
	o := starlinkOptions(t, 2)
	handler := New(o)
	r := slotsOf(t, handler, "link=dish&from=2h")
	if r.Detected == nil || !*r.Detected || r.BestPhase == nil || *r.BestPhase != 0 || r.EdgeStepRatio == nil || *r.EdgeStepRatio < 1.4 ||
		r.PeriodSeconds != 15 || r.LeapSeconds != 18 || len(r.Phases) != 15 || r.Link != "dish" || r.Target != "far" || r.Load != "idle" || len(r.Slots) != 0 || r.Slots == nil {
		t.Errorf("%+v", r)
	}
	var sent, lost int64
	for i, p := range r.Phases {
		if p.Phase != i || p.RTTSeconds.P50 == nil || !(*p.RTTSeconds.Min <= *p.RTTSeconds.P50 && *p.RTTSeconds.P50 <= *p.RTTSeconds.P95) {
			t.Errorf("phase %d: %+v", i, p)
		}
		sent += p.Count
		lost += p.Lost
	}
	if sent != 7200 || lost == 0 {
		t.Errorf("%d sent and %d lost, want 7200 and some", sent, lost)
	}

	// The default range is an hour. Each slot begins at second 12, 27, 42 or 57.
	r = slotsOf(t, handler, "link=dish&series=true")
	if n := len(r.Slots); n < 240 || n > 241 {
		t.Errorf("%d slots in an hour", n)
	}
	for i, s := range r.Slots {
		if s.Start.Second()%15 != 12 || i > 0 && s.Start.Sub(r.Slots[i-1].Start) != 15*time.Second || s.Min != nil && *s.Min > *s.P50 {
			t.Fatalf("slot %d: %+v", i, s)
		}
	}

	// Asked with another number of leap seconds, slots lie elsewhere: whether that
	// is a fault of the clock is said only if one knows better.
	if r := slotsOf(t, handler, "link=dish&leap_seconds=16&from=2h"); r.LeapSeconds != 16 || *r.BestPhase != 13 || r.Detected == nil || *r.Detected {
		t.Errorf("with 16 leap seconds: best phase %d, %q", *r.BestPhase, r.Verdict)
	}
	o.Clock = func() perigee.ClockQuality { return perigee.ClockQuality{Known: true} }
	if r := slotsOf(t, New(o), "link=dish&leap_seconds=16&from=2h"); r.Detected != nil || len(r.Warnings) == 0 {
		t.Errorf("with a clock that is not synchronised: %q, warnings %q", r.Verdict, r.Warnings)
	}
}

func TestSlotsGolden(t *testing.T) {
	handler := New(testOptions(t))
	golden(t, "slots.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/slots?link=geo&series=true&"+wholeRange).Body.Bytes()))
}

func TestSlotsRefuse(t *testing.T) {
	handler := New(starlinkOptions(t, 1))
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"":                               {http.StatusBadRequest, `"link"`},
		"link=nowhere":                   {http.StatusNotFound, `"link"`},
		"link=dish&from=8d":              {http.StatusBadRequest, `"from"`},
		"link=dish&from=25h&series=true": {http.StatusBadRequest, `"series"`},
		"link=dish&series=some":          {http.StatusBadRequest, `"series"`},
		"link=dish&family=ipv5":          {http.StatusBadRequest, `"family"`},
		"link=dish&load=down":            {http.StatusBadRequest, `"load"`},
		"link=dish&leap_seconds=0":       {http.StatusBadRequest, `"leap_seconds"`},
		"link=dish&leap_seconds=61":      {http.StatusBadRequest, `"leap_seconds"`},
		"link=dish&leap_seconds=18.5":    {http.StatusBadRequest, `"leap_seconds"`},
		"link=dish&from=3m":              {http.StatusConflict, "ask for a longer range"},
		"link=dish&from=3h&to=2h":        {http.StatusConflict, "not measured"},
		"link=dish&target=other":         {http.StatusConflict, "not measured"},
		"link=bare":                      {http.StatusConflict, "InfluxDB does not hold them"},
	} {
		w := ask(t, handler, http.MethodGet, "/api/v1/slots?"+query)
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%q = %d %s, want %d with %s", query, w.Code, w.Body, want.status, want.text)
		}
	}
}

func TestSignificantFigures(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 2.7299999999: 2.73, 1.4e-30: 1.4e-30, 0.1234567: 0.123457, -12345678: -12345700, 5e-324: 5e-324} {
		if got := significant(v); got < want-1e-9*max(want, -want) || got > want+1e-9*max(want, -want) {
			t.Errorf("significant(%g) = %g, want %g", v, got, want)
		}
	}
}
