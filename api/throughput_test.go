package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// transfers asks /throughput and decodes a success.
func transfers(t *testing.T, handler http.Handler, query string) []Throughput {
	t.Helper()
	w := ask(t, handler, http.MethodGet, "/api/v1/throughput?"+query)
	var list []Throughput
	if err := json.Unmarshal(w.Body.Bytes(), &list); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %s, %v", query, w.Code, w.Body, err)
	}
	return list
}

func TestThroughputAnswersAreGolden(t *testing.T) {
	handler := New(testOptions(t))
	golden(t, "throughput.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/throughput?"+wholeRange).Body.Bytes()))
	golden(t, "throughput_plain.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/throughput?series=false&link=geo&"+wholeRange).Body.Bytes()))
	golden(t, "throughput_none.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/throughput?from=1h&to=30m").Body.Bytes()))
}

func TestThroughputFiltersSelect(t *testing.T) {
	handler := New(testOptions(t))
	for query, want := range map[string]string{
		"":                   "geo fibre",
		"link=geo":           "geo",
		"direction=up":       "fibre",
		"method=ookla":       "fibre",
		"method=perigee":     "geo",
		"target=far":         "geo",
		"family=ipv6":        "",
		"limit=1":            "fibre",
		"limit=2":            "geo fibre",
		"site=home&limit=20": "geo fibre",
	} {
		var links []string
		for _, one := range transfers(t, handler, strings.TrimPrefix(query+"&"+wholeRange, "&")) {
			links = append(links, one.Link)
		}
		if got := strings.Join(links, " "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	for query, parameter := range map[string]string{
		"direction=sideways": "direction", "direction=idle": "direction", "method=icmp": "method", "series=no": "series",
		"limit=0": "limit", "limit=1001": "limit", "limit=-1": "limit", "limit=20001&series=false": "limit", "link=nowhere": "link", "load=down": "load",
	} {
		w := ask(t, handler, http.MethodGet, "/api/v1/throughput?"+query)
		if p := problemIn(t, w); w.Code == http.StatusOK || p.Parameter != parameter && parameter != "load" {
			t.Errorf("%q: %d %+v, want a problem with %s", query, w.Code, p, parameter)
		}
	}
}

// An answer is bounded: more than it holds is refused, or the newest are asked for.
func TestThroughputAnswersAreBounded(t *testing.T) {
	o := testOptions(t)
	store := storagetest.NewMemory()
	o.Store = store
	g := storagetest.NewGenerator(1)
	var batch perigee.Batch
	for i := range maxThroughputsAndSeries + 1 {
		one := g.Throughput(storagetest.Transfer("geo", perigee.LoadDown), epoch.Add(time.Duration(i)*time.Second))
		one.Series, one.TCP = one.Series[:1], nil
		one.Bytes = one.Series[0]
		batch.Throughputs = append(batch.Throughputs, one)
	}
	batch.Samples = []perigee.Sample{g.Sample(storagetest.Stream("geo", "far"), epoch)}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	handler := New(o)
	const all = "from=2026-03-01T12:00:00Z&to=2026-03-02T12:00:00Z"
	w := ask(t, handler, http.MethodGet, "/api/v1/throughput?"+all)
	if p := problemIn(t, w); p.Status != http.StatusBadRequest || p.Parameter != "from" || !strings.Contains(p.Remedy, "series=false") {
		t.Errorf("with series: %+v", p)
	}
	if got := transfers(t, handler, "series=false&"+all); len(got) != len(batch.Throughputs) || len(got[0].Series) != 0 || got[0].StepSeconds != nil {
		t.Errorf("without series: %d transfers, the first with %d intervals", len(got), len(got[0].Series))
	}
	for _, limit := range []int{1, 3, 1000} {
		got := transfers(t, handler, fmt.Sprintf("limit=%d&%s", limit, all))
		if len(got) != limit || !got[limit-1].Time.Equal(batch.Throughputs[maxThroughputsAndSeries].Start) || !got[0].Time.Equal(batch.Throughputs[maxThroughputsAndSeries+1-limit].Start) {
			t.Errorf("limit=%d: %d transfers from %v to %v, want the newest", limit, len(got), got[0].Time, got[len(got)-1].Time)
		}
	}
}

// The rate of each interval times its length is what was counted, the last one's too.
func TestSeriesAddUp(t *testing.T) {
	for _, one := range append(newThroughputs(), storagetest.NewGenerator(1).Throughput(storagetest.Transfer("a", perigee.LoadUp), epoch)) {
		wire, before, bytes := NewThroughput(one), 0.0, 0.0
		for _, s := range wire.Series {
			bytes += s.BitsPerSecond / 8 * (s.T - before)
			before = s.T
		}
		if len(wire.Series) > 0 && (math.Abs(bytes-float64(one.Bytes)) > 1 || before != one.Length.Seconds()) {
			t.Errorf("the series counts %.0f bytes in %v s, the transfer %d in %v", bytes, before, one.Bytes, one.Length)
		}
	}
}

func TestAProxyIsSuspected(t *testing.T) {
	probe := perigee.Latency{Sent: 5, Received: 5, Min: 0.6, P50: 0.64}
	for name, c := range map[string]struct {
		tcp  time.Duration
		idle perigee.Latency
		want string
	}{
		"connects_at_once":        {25 * time.Millisecond, probe, "true"},
		"as_long_as_a_probe":      {610 * time.Millisecond, probe, "false"},
		"half_as_long":            {300 * time.Millisecond, probe, "false"},
		"just_under_the_half":     {299 * time.Millisecond, probe, "true"},
		"no_probe_was_answered":   {25 * time.Millisecond, perigee.Latency{Sent: 5}, "null"},
		"connecting_not_measured": {0, probe, "null"},
	} {
		suspected, text := suspectPEP(perigee.Throughput{Connect: perigee.Connect{TCP: c.tcp}, Idle: c.idle})
		got, _ := json.Marshal(suspected)
		if string(got) != c.want || (text != nil) != (c.want == "true") {
			t.Errorf("%s: %s, text %v, want %s", name, got, text, c.want)
		}
	}
}

func TestThroughputWarnings(t *testing.T) {
	good := perigee.Throughput{Bytes: 1, Steady: true, ReceiverCounted: true, Error: 0.05, Stop: perigee.StoppedAtTime}
	for name, c := range map[string]struct {
		change func(*perigee.Throughput)
		want   string // of the only warning
	}{
		"nothing_is_wrong":      {func(*perigee.Throughput) {}, ""},
		"not_steady":            {func(t *perigee.Throughput) { t.Steady = false }, "no steady part"},
		"not_steady_in_time":    {func(t *perigee.Throughput) { t.Steady = false }, "longer test"},
		"not_steady_at_the_cap": {func(t *perigee.Throughput) { t.Steady, t.Stop = false, perigee.StoppedAtCap }, "might move no more"},
		"counted_by_the_sender": {func(t *perigee.Throughput) { t.ReceiverCounted = false }, "too high"},
		"error_unknown":         {func(t *perigee.Throughput) { t.Error = -1 }, "how sure"},
		"broken":                {func(t *perigee.Throughput) { t.Stop = perigee.StoppedByFailure }, "broke: this"},
		"broken_at_once":        {func(t *perigee.Throughput) { *t = perigee.Throughput{Stop: perigee.StoppedByFailure} }, "before anything"},
		"cancelled":             {func(t *perigee.Throughput) { t.Stop = perigee.StoppedByUser }, "somebody"},
		"no_probe_answered":     {func(t *perigee.Throughput) { t.Loaded.Sent = 3 }, "no latency probe"},
	} {
		one := good
		c.change(&one)
		got := throughputWarnings(one)
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
