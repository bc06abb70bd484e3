package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"perigee"
)

// measuring returns the options of a process that measures links with these names, each at
// three targets, and has not begun to.
func measuring(t testing.TB, names ...perigee.LinkID) Options {
	site := perigee.Site{Name: "home", Latitude: -35.28, Longitude: 149.13, Located: true}
	o, _ := outboxOptions(t)
	o.Feed, o.Budget = &Feed{}, newBudget()
	links := make([]perigee.Link, 0, len(names))
	for i, name := range names {
		links = append(links, perigee.Link{ID: name, Orbit: perigee.Orbits[i%len(perigee.Orbits)], Interface: "wan0", Plan: perigee.Plan{Down: 50e6, Up: 10e6, Availability: 0.99}})
		for _, target := range []perigee.TargetID{"far", "near", perigee.FirstHop} {
			s := stream(name)
			s.Target = target
			o.Feed.Expect(s)
		}
	}
	o.Collectors = []prometheus.Collector{
		NewLinkCollector(site, links),
		NewStoreCollector(func(context.Context) (StoreState, error) { return StoreState{}, nil }),
	}
	return o
}

// measured are measuring once every number that there is has a value for each link.
func measured(t testing.TB, names ...perigee.LinkID) Options {
	o := measuring(t, names...)
	for i, name := range names {
		n := 0
		rtt := func() float64 {
			if n++; n%7 == 0 {
				return -1
			}
			return 0.02 + 0.001*float64(n%40)
		}
		var b perigee.Batch
		for _, target := range []perigee.TargetID{"far", "near", perigee.FirstHop} {
			for _, load := range []perigee.Load{perigee.LoadIdle, perigee.LoadDown, perigee.LoadUp} {
				s := stream(name)
				s.Target, s.Load = target, load
				b.Samples = append(b.Samples, newSample(s, epoch.Add(time.Duration(i)*time.Second), rtt))
			}
		}
		for _, transfer := range newThroughputs() {
			transfer.Stream.Link = name
			b.Throughputs = append(b.Throughputs, transfer)
		}
		b.Outages = []perigee.Outage{{Stream: stream(name), Start: epoch, End: epoch.Add(3 * time.Second), Open: true}}
		b.Gaps = []perigee.Gap{{Site: "home", Link: name, Start: epoch, End: epoch.Add(time.Minute), Reason: perigee.GapStopped}}
		b.Events = []perigee.Event{{Site: "home", Link: name, Time: epoch, Kind: perigee.EventTransferSkipped, Detail: perigee.TransferDetail("far", perigee.LoadUp, "the budget leaves 2 MB for it")}}
		o.Feed.Publish(b)
	}
	o.Collectors[1] = NewStoreCollector(func(context.Context) (StoreState, error) {
		return StoreState{File: 4096, Log: 32, Free: 4096, Windows: 9, Oldest: epoch, Newest: now, Appends: 7, Failures: 1, LastAppend: now, Waiting: 2, GivenUp: 1}, nil
	})
	return o
}

// accept is what Prometheus asks for when it takes native histograms, and when it does not.
const (
	acceptProtobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2"
	acceptText     = "text/plain;version=0.0.4;q=0.5,*/*;q=0.2"
)

// scrape gets /metrics over a connection, as Prometheus does, and decodes it.
func scrape(t testing.TB, o Options, accept string) map[string]*dto.MetricFamily {
	t.Helper()
	return scrapeAs(t, o, accept, "")
}

// scrapeAs is scrape by who has a token.
func scrapeAs(t testing.TB, o Options, accept, token string) map[string]*dto.MetricFamily {
	t.Helper()
	server := httptest.NewServer(New(o))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	format := expfmt.ResponseFormat(response.Header)
	if wanted := accept == acceptProtobuf; response.StatusCode != http.StatusOK || (format.FormatType() == expfmt.TypeProtoDelim) != wanted {
		t.Fatalf("asked for %s: %s, %s", accept, response.Status, format)
	}
	families := map[string]*dto.MetricFamily{}
	decoder := expfmt.NewDecoder(response.Body, format)
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			return families
		} else if err != nil {
			t.Fatal(err)
		}
		if families[f.GetName()] != nil {
			t.Errorf("%s comes twice", f.GetName())
		}
		families[f.GetName()] = &f
	}
}

// series names a metric of a family by its labels.
func series(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.GetLabel() {
		fmt.Fprintf(&b, "%s=%q,", l.GetName(), l.GetValue())
	}
	return b.String()
}

// labelValues are the values of a label in a family.
func labelValues(f *dto.MetricFamily, label string) map[string]bool {
	values := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				values[l.GetValue()] = true
			}
		}
	}
	return values
}

// hostileLinks are names that a careless exporter would choke on.
var hostileLinks = []perigee.LinkID{
	hostile, "وصلة القمر", "卫星链路", `say "hi"`, "two\nlines\r\t", `back\slash\n`, "{a=\"b\"} 1 # HELP", " ", "a,b", "é", "e\u0301", "\xff\xfe", "\u202eevil", perigee.LinkID(strings.Repeat("long", 500)), "nul\x00",
}

// Whatever is measured, the whole of it can be read in both formats, means the same in
// both, and follows Prometheus' guidance on names.
func TestScrapes(t *testing.T) {
	n := 30
	if raced {
		n = 5
	}
	var many []perigee.LinkID
	for i := range n {
		many = append(many, perigee.LinkID(fmt.Sprintf("link-%02d", i)))
	}
	for name, c := range map[string]struct {
		options Options
		links   []perigee.LinkID
	}{
		"nothing_configured": {options: measuring(t)},
		"begun":              {measuring(t, "geo"), []perigee.LinkID{"geo"}},
		"one":                {measured(t, "geo"), []perigee.LinkID{"geo"}},
		"many":               {measured(t, many...), many},
		"hostile_begun":      {measuring(t, hostileLinks...), hostileLinks},
		"hostile":            {measured(t, hostileLinks...), hostileLinks},
	} {
		t.Run(name, func(t *testing.T) {
			proto, text := scrape(t, c.options, acceptProtobuf), scrape(t, c.options, acceptText)
			rows := 0
			for name, p := range proto {
				f := text[name]
				if f == nil || f.GetHelp() != p.GetHelp() || f.GetType() != p.GetType() || len(f.GetMetric()) != len(p.GetMetric()) {
					t.Errorf("%s: in text %v\nin protobuf %v", name, f, p)
					continue
				}
				if !strings.HasPrefix(name, "perigee_") {
					continue
				}
				in := map[string]*dto.Metric{}
				for _, m := range f.GetMetric() {
					in[series(m)] = m
				}
				for _, m := range p.GetMetric() {
					rows++
					other := in[series(m)]
					if other == nil {
						t.Errorf("%s{%s} is in protobuf alone", name, series(m))
						continue
					}
					sameValue(t, name, m, other)
				}
				want := map[string]bool{}
				for _, l := range c.links {
					want[strings.ToValidUTF8(string(l), "\uFFFD")] = true
				}
				if got := labelValues(p, "link"); (name == "perigee_link_info" || name == "perigee_probes_total") && fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s is of links %v\nwant %v", name, got, want)
				}
			}
			if len(text) != len(proto) {
				t.Errorf("%d metrics in text, %d in protobuf", len(text), len(proto))
			}
			t.Logf("%d metrics, %d rows", len(proto), rows)
			lint(t, proto)
		})
	}
}

// sameValue compares a metric of the protobuf format with that of the text format.
func sameValue(t *testing.T, name string, proto, text *dto.Metric) {
	t.Helper()
	if h := proto.GetHistogram(); h != nil {
		if len(text.GetHistogram().GetPositiveSpan()) != 0 {
			t.Errorf("%s: native buckets in text: %v", name, text)
		}
		var native int64
		for _, n := range buckets(h) {
			native += n
		}
		if uint64(native)+h.GetZeroCount() != h.GetSampleCount() || h.GetSchema() != rttSchema || h.GetCreatedTimestamp() == nil {
			t.Errorf("%s: %v, want all in native buckets of schema %d", name, h, rttSchema)
		}
		classic := text.GetHistogram()
		if classic.GetSampleCount() != h.GetSampleCount() || classic.GetSampleSum() != h.GetSampleSum() || len(classic.GetBucket()) != len(rttBounds)+1 {
			t.Errorf("%s: in text %v, in protobuf %v", name, classic, h)
		}
		for i, b := range h.GetBucket() {
			if c := classic.GetBucket()[i]; c.GetUpperBound() != b.GetUpperBound() || c.GetCumulativeCount() != b.GetCumulativeCount() {
				t.Errorf("%s: bucket %v in text, %v in protobuf", name, c, b)
			}
		}
		return
	}
	if s := proto.GetSummary(); s != nil {
		o := text.GetSummary()
		if s.GetSampleCount() != o.GetSampleCount() || s.GetSampleSum() != o.GetSampleSum() || len(s.GetQuantile()) != len(o.GetQuantile()) {
			t.Errorf("%s: in text %v, in protobuf %v", name, o, s)
		}
		return
	}
	value := func(m *dto.Metric) float64 {
		if m.GetCounter() != nil {
			return m.GetCounter().GetValue()
		}
		return m.GetGauge().GetValue()
	}
	if g, w := value(text), value(proto); g != w && !(math.IsNaN(g) && math.IsNaN(w)) {
		t.Errorf("%s{%s}: %v in text, %v in protobuf", name, series(proto), g, w)
	}
}

// bitNames are names that the linter would have in bytes: rates of a network are in bits
// everywhere.
var bitNames = []string{"perigee_throughput_bits_per_second", "perigee_link_plan_bits_per_second"}

// lint holds names, help and types against Prometheus' guidance.
func lint(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	var all []*dto.MetricFamily
	for name, f := range families {
		if strings.HasPrefix(name, "perigee_") {
			all = append(all, f)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(all).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !slices.Contains(bitNames, p.Metric) || p.Text != `use base unit "bytes" instead of "bits"` {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// find returns the metric of a family whose labels include these.
func find(t *testing.T, families map[string]*dto.MetricFamily, name string, labels map[string]string) *dto.Metric {
	t.Helper()
	var found *dto.Metric
	for _, m := range families[name].GetMetric() {
		have := 0
		for _, l := range m.GetLabel() {
			if v, ok := labels[l.GetName()]; ok && v == l.GetValue() {
				have++
			}
		}
		if have == len(labels) {
			if found != nil {
				t.Fatalf("several %s with %v", name, labels)
			}
			found = m
		}
	}
	if found == nil {
		t.Fatalf("no %s with %v", name, labels)
	}
	return found
}

// What is planned and sent follows from the outcomes, and the round trips counted are the
// received, in one scrape also while results come in.
func TestCountsAddUpInEveryScrape(t *testing.T) {
	o := measuring(t, "geo")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		n := 0
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			s := newSample(stream("geo"), epoch.Add(time.Duration(i)*10*time.Second), func() float64 {
				if n++; n%3 == 0 {
					return -1
				}
				return 0.6
			})
			s.Counts.Planned += 3
			s.Counts.SendFailed++
			s.Counts.Skipped += 2
			o.Feed.Publish(perigee.Batch{Samples: []perigee.Sample{s}})
		}
	}()
	for range 20 {
		families := scrape(t, o, acceptProtobuf)
		by := func(outcome string) float64 {
			return find(t, families, "perigee_probes_total", map[string]string{"target": "far", "outcome": outcome}).GetCounter().GetValue()
		}
		sent := by("received") + by("late") + by("lost")
		planned := sent + by("send_failed") + by("skipped")
		if seconds := find(t, families, "perigee_planned_seconds_total", map[string]string{"target": "far"}).GetCounter().GetValue(); seconds != planned {
			t.Errorf("%v probes of one a second planned in %v s", planned, seconds)
		}
		if families["perigee_probe_rtt_seconds"] == nil {
			continue // nothing published yet
		}
		if h := find(t, families, "perigee_probe_rtt_seconds", map[string]string{"target": "far"}).GetHistogram(); float64(h.GetSampleCount()) != by("received") {
			t.Errorf("%d round trips of %v received", h.GetSampleCount(), by("received"))
		}
	}
	close(stop)
	<-stopped
}

// BenchmarkScrape tells what a scrape of thirty links at three targets under three loads
// costs, in text and in protobuf.
func BenchmarkScrape(b *testing.B) {
	var names []perigee.LinkID
	for i := range 30 {
		names = append(names, perigee.LinkID(fmt.Sprintf("link-%02d", i)))
	}
	handler := New(measured(b, names...))
	for name, accept := range map[string]string{"text": acceptText, "protobuf": acceptProtobuf} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept", accept)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				size = w.Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// A store that cannot be asked is down, and nothing else is said of it; one that did not
// take what it was last given is down, and tells the rest.
func TestStoreIsUpOrDown(t *testing.T) {
	for name, c := range map[string]struct {
		state StoreState
		err   error
		up    float64
		rows  int
	}{
		"up":             {StoreState{}, nil, 1, 12}, // 15, without three times
		"with_times":     {StoreState{Oldest: epoch, Newest: now, LastAppend: now}, nil, 1, 15},
		"failing":        {StoreState{Failing: true}, nil, 0, 12},
		"cannot_be_read": {StoreState{}, errors.New("disk I/O error"), 0, 1},
	} {
		o := testOptions(t)
		o.Collectors = []prometheus.Collector{NewStoreCollector(func(context.Context) (StoreState, error) { return c.state, c.err })}
		families := scrape(t, o, acceptText)
		rows := 0
		for name := range families {
			if strings.HasPrefix(name, "perigee_store_") {
				rows++
			}
		}
		if up := families["perigee_store_up"].GetMetric()[0].GetGauge().GetValue(); up != c.up || rows != c.rows {
			t.Errorf("%s: up %v, %d rows, want %v and %d", name, up, rows, c.up, c.rows)
		}
	}
}
