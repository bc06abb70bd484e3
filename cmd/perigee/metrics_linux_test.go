package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
)

// metricsOf returns what a daemon tells Prometheus, in text.
func metricsOf(t *testing.T, d *daemon) string {
	t.Helper()
	w := httptest.NewRecorder()
	d.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// A daemon tells of its links, streams and store before its first probe, of what it
// measured afterwards, and when its store refuses something.
func TestMetricsOfADaemon(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"))
	end, _ := l.Link("main")
	p := plan{
		site: perigee.Site{Name: "test"},
		links: []perigee.Link{
			{ID: "main", Orbit: perigee.OrbitLEO, Interface: end.Device, Plan: perigee.Plan{Down: 50e6}},
			{ID: "imported", Orbit: perigee.OrbitGEO},
		},
		targets:  []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: 20 * time.Millisecond, window: time.Second, outageAfter: time.Second, lossTimeout: 200 * time.Millisecond, size: 56, storePath: t.TempDir(),
	}
	const stream = `family="ipv4",link="main",load="idle",method="icmp"`
	for life, begun := range [][]string{{
		`perigee_link_info{interface="` + end.Device + `",link="main",orbit="leo",probed="true",site="test"} 1`,
		`perigee_link_info{interface="",link="imported",orbit="geo",probed="false",site="test"} 1`,
		`perigee_link_floor_seconds{link="imported",site="test"} 0.477`,
		`perigee_link_plan_bits_per_second{direction="down",link="main",site="test"} 5e+07`,
		`perigee_probes_total{` + stream + `,outcome="received",site="test",target="far"} 0`,
		"perigee_store_up 1\n", "perigee_store_windows 0\n", "perigee_store_appends_total 1\n", "perigee_store_append_failures_total 0\n", "perigee_store_waiting_samples 0\n",
	}, {
		`perigee_gaps_total{link="main",reason="stopped",site="test"} 1`, // that between its lives
		`perigee_gaps_total{link="main",reason="crashed",site="test"} 0`,
		`perigee_probes_total{` + stream + `,outcome="received",site="test",target="far"} 0`,
	}} {
		d, err := newDaemon(t.Context(), streams{err: &log{}, out: &log{}}, p, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		body := metricsOf(t, d)
		for _, want := range begun {
			if !strings.Contains(body, want) {
				t.Errorf("life %d begins without %s", life, want)
			}
		}
		if strings.Contains(body, "perigee_last_sample_timestamp_seconds{") {
			t.Errorf("life %d has a last sample before its first", life)
		}
		if life == 0 {
			for _, size := range []string{"perigee_store_file_bytes ", "perigee_store_log_bytes "} {
				if _, rest, ok := strings.Cut(body, "\n"+size); !ok || strings.HasPrefix(rest, "0\n") {
					t.Errorf("no %s", size)
				}
			}
		}
		// What the store refuses is seen, and is over with the next that it takes.
		if _, _, err := d.append(t.Context(), perigee.Batch{Gaps: []perigee.Gap{{Start: time.Unix(0, 0).AddDate(1000, 0, 0)}}}); err == nil {
			t.Fatal("the store takes what it cannot hold")
		}
		if body := metricsOf(t, d); !strings.Contains(body, "perigee_store_up 0\n") || !strings.Contains(body, "perigee_store_append_failures_total 1\n") {
			t.Errorf("life %d does not tell that the store refused", life)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		within(t, "a window", func() bool {
			body = metricsOf(t, d)
			return strings.Contains(body, "perigee_last_sample_timestamp_seconds{")
		})
		value := func(name string) float64 {
			t.Helper()
			_, rest, _ := strings.Cut(body, "\n"+name+" ")
			number, _, _ := strings.Cut(rest, "\n")
			v, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Errorf("life %d: %s: %v", life, name, err)
			}
			return v
		}
		received := value(`perigee_probes_total{` + stream + `,outcome="received",site="test",target="far"}`)
		if n := value(`perigee_probe_rtt_seconds_count{` + stream + `,site="test",target="far"}`); n != received || n == 0 {
			t.Errorf("life %d: %v round trips of %v received", life, n, received)
		}
		// The lab answers after 10 ms.
		if n := value(`perigee_probe_rtt_seconds_bucket{` + stream + `,site="test",target="far",le="0.01"}`); n != 0 {
			t.Errorf("life %d: %v round trips within 10 ms", life, n)
		}
		if up, windows := value("perigee_store_up"), value("perigee_store_windows"); up != 1 || windows < 1 {
			t.Errorf("life %d: store up %v with %v windows", life, up, windows)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
