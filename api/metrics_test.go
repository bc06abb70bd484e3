package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"perigee"
)

func TestMetrics(t *testing.T) {
	feed := &Feed{}
	// Two windows of ten probes at 50 ms, two of each lost; the second has a
	// duplicate and one send failed besides.
	n := 0
	rtt := func() float64 {
		n++
		if n%5 == 0 {
			return -1
		}
		return 0.05
	}
	first := newSample(stream("geo"), epoch, rtt)
	second := newSample(stream("geo"), epoch.Add(10e9), rtt)
	second.Counts.Duplicates++
	second.Counts.SendFailed++
	second.Counts.Planned++
	silent := newSample(stream("dead"), epoch, func() float64 { return -1 })
	feed.Publish(perigee.Batch{Samples: []perigee.Sample{first}})
	feed.Publish(perigee.Batch{
		Samples: []perigee.Sample{second, silent},
		Outages: []perigee.Outage{{Stream: stream("dead"), Start: epoch, Open: true}},
	})
	want := `# HELP perigee_build_info Always 1; the version is in the labels.
# HELP perigee_probes_total Probes due, by what became of them; sent are received, late and lost.
# TYPE perigee_probes_total counter
perigee_probes_total{family="ipv4",link="dead",load="idle",method="icmp",outcome="late",site="home",target="far"} 0
perigee_probes_total{family="ipv4",link="dead",load="idle",method="icmp",outcome="lost",site="home",target="far"} 10
perigee_probes_total{family="ipv4",link="dead",load="idle",method="icmp",outcome="received",site="home",target="far"} 0
perigee_probes_total{family="ipv4",link="dead",load="idle",method="icmp",outcome="send_failed",site="home",target="far"} 0
perigee_probes_total{family="ipv4",link="dead",load="idle",method="icmp",outcome="skipped",site="home",target="far"} 0
perigee_probes_total{family="ipv4",link="geo",load="idle",method="icmp",outcome="late",site="home",target="far"} 0
perigee_probes_total{family="ipv4",link="geo",load="idle",method="icmp",outcome="lost",site="home",target="far"} 4
perigee_probes_total{family="ipv4",link="geo",load="idle",method="icmp",outcome="received",site="home",target="far"} 16
perigee_probes_total{family="ipv4",link="geo",load="idle",method="icmp",outcome="send_failed",site="home",target="far"} 1
perigee_probes_total{family="ipv4",link="geo",load="idle",method="icmp",outcome="skipped",site="home",target="far"} 0
# HELP perigee_probe_duplicates_total Replies to a probe beyond the first.
# TYPE perigee_probe_duplicates_total counter
perigee_probe_duplicates_total{family="ipv4",link="dead",load="idle",method="icmp",site="home",target="far"} 0
perigee_probe_duplicates_total{family="ipv4",link="geo",load="idle",method="icmp",site="home",target="far"} 1
# HELP perigee_outage_open Whether an outage lasts: 1 or 0.
# TYPE perigee_outage_open gauge
perigee_outage_open{family="ipv4",link="dead",load="idle",method="icmp",site="home",target="far"} 1
perigee_outage_open{family="ipv4",link="geo",load="idle",method="icmp",site="home",target="far"} 0
# HELP perigee_loss_ratio (lost + late) / sent in the last window; absent if nothing was sent.
# TYPE perigee_loss_ratio gauge
perigee_loss_ratio{family="ipv4",link="dead",load="idle",method="icmp",site="home",target="far"} 1
perigee_loss_ratio{family="ipv4",link="geo",load="idle",method="icmp",site="home",target="far"} 0.2
# HELP perigee_last_sample_timestamp_seconds When the last sample ended, Unix time.
# TYPE perigee_last_sample_timestamp_seconds gauge
perigee_last_sample_timestamp_seconds{family="ipv4",link="dead",load="idle",method="icmp",site="home",target="far"} 1.77236641e+09
perigee_last_sample_timestamp_seconds{family="ipv4",link="geo",load="idle",method="icmp",site="home",target="far"} 1.77236642e+09
`
	o := testOptions(t)
	o.Feed = feed
	body := ask(t, New(o), http.MethodGet, "/metrics").Body.String()
	for line := range strings.Lines(want) {
		if !strings.Contains(body, line) {
			t.Errorf("/metrics does not say\n%s", line)
		}
	}
	for _, name := range []string{"perigee_loss_ratio", "perigee_probes_total", "perigee_outage_open"} {
		if got, want := strings.Count(body, "\n"+name+"{"), strings.Count(want, "\n"+name+"{"); got != want {
			t.Errorf("%d series of %s, want %d", got, name, want)
		}
	}
}

func TestMetricsEndpoint(t *testing.T) {
	state := prometheus.NewGauge(prometheus.GaugeOpts{Name: "perigee_store_bytes", Help: "Size of the store."})
	state.Set(4096)
	o := testOptions(t)
	o.Feed = &Feed{}
	o.Collectors = []prometheus.Collector{state}
	dead := newSample(stream(`a"b\c`), epoch, func() float64 { return -1 })
	o.Feed.Publish(perigee.Batch{Samples: []perigee.Sample{dead, newSample(stream("geo"), epoch, func() float64 { return 0.6 })}})
	w := ask(t, New(o), http.MethodGet, "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("GET /metrics = %d", w.Code)
	}
	body := w.Body.String()
	for _, want := range []string{
		`perigee_build_info{goversion="go`,
		"perigee_store_bytes 4096\n",
		"go_goroutines ",
		`perigee_rtt_seconds{family="ipv4",link="a\"b\\c",load="idle",method="icmp",site="home",target="far",quantile="0.5"} NaN`,
		`perigee_rtt_seconds_count{family="ipv4",link="geo",load="idle",method="icmp",site="home",target="far"} 10`,
		"perigee_live_clients 0\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not contain %q", want)
		}
	}
	// Without a feed there is still something to tell.
	o.Feed, o.Collectors = nil, nil
	if body := ask(t, New(o), http.MethodGet, "/metrics").Body.String(); !strings.Contains(body, "perigee_build_info") {
		t.Error("/metrics of a process that does not measure is empty")
	}
}
