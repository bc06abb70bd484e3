package api

import (
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"perigee"
	"perigee/api/access"
	"perigee/api/access/accesstest"
)

// metricRow is a row of the tables of docs/api.md.
type metricRow struct {
	name, kind, unit    string
	labels              []string // sorted
	catalogue           []string // names of perigee.Metrics
	undefined, whatItIs string
}

var backticked = regexp.MustCompile("`([^`]*)`")

// metricRows reads the tables of the section Metrics.
func metricRows(t testing.TB) []metricRow {
	t.Helper()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []metricRow
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `perigee_") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 7 {
			t.Fatalf("not a row of 7 cells: %s", line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r := metricRow{name: strings.Trim(cells[0], "`"), kind: cells[1], unit: cells[2], whatItIs: cells[4], undefined: cells[6]}
		switch group, _, _ := strings.Cut(cells[3], ","); group {
		case "stream":
			r.labels = append(r.labels, streamLabels...)
		case "transfer":
			r.labels = append(r.labels, throughputLabels...)
		}
		for _, m := range backticked.FindAllStringSubmatch(cells[3], -1) {
			r.labels = append(r.labels, m[1])
		}
		slices.Sort(r.labels)
		if cells[5] != "—" {
			for _, m := range backticked.FindAllStringSubmatch(cells[5], -1) {
				r.catalogue = append(r.catalogue, m[1])
			}
			// Of loads, in "`rtt_loaded` of loads `down` and `up`".
			r.catalogue = slices.DeleteFunc(r.catalogue, func(name string) bool { return name == "down" || name == "up" })
			if len(r.catalogue) == 0 {
				t.Errorf("%s: %q names no metric of the catalogue", r.name, cells[5])
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// labelNames are the labels of a family, which all its metrics have.
func labelNames(t testing.TB, f *dto.MetricFamily) []string {
	t.Helper()
	var names []string
	for i, m := range f.GetMetric() {
		var these []string
		for _, l := range m.GetLabel() {
			these = append(these, l.GetName())
		}
		slices.Sort(these)
		if i > 0 && !slices.Equal(these, names) {
			t.Errorf("%s has metrics with labels %v and %v", f.GetName(), names, these)
		}
		names = these
	}
	return names
}

// Every metric stands in docs/api.md as it is, and
// nothing stands there that is not.
func TestMetricTablesAreTrue(t *testing.T) {
	o, g := measured(t, "geo", "fibre"), newGuarded(t)
	o.Keys = g.keys
	certificate, key := accesstest.WritePair(t, t.TempDir(), "monitor", time.Now().Add(time.Hour))
	var err error
	if o.Certificates, err = access.OpenCertificates(certificate, key, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	families := scrapeAs(t, o, acceptProtobuf, g.read)
	maps.DeleteFunc(families, func(name string, _ *dto.MetricFamily) bool { return !strings.HasPrefix(name, "perigee_") })
	seen := map[string]bool{}
	for _, r := range metricRows(t) {
		f := families[r.name]
		if f == nil || seen[r.name] {
			t.Errorf("%s stands in docs/api.md and is not told, or stands there twice", r.name)
			continue
		}
		seen[r.name] = true
		if kind := strings.ToLower(f.GetType().String()); kind != r.kind {
			t.Errorf("%s is a %s, not a %s", r.name, kind, r.kind)
		}
		if got := labelNames(t, f); !slices.Equal(got, r.labels) {
			t.Errorf("%s has labels %v, not %v", r.name, got, r.labels)
		}
		unit := strings.TrimSuffix(r.name, "_total")
		for _, u := range []string{"seconds", "bytes", "ratio", "bits_per_second"} {
			if has := strings.HasSuffix(unit, "_"+u); has != (r.unit == u) && !(u == "seconds" && r.unit == "bits_per_second") {
				t.Errorf("%s has unit %s, which its name does not say", r.name, r.unit)
			}
		}
		for _, name := range r.catalogue {
			if _, ok := perigee.LookupMetric(perigee.MetricName(name)); !ok {
				t.Errorf("%s: the catalogue has no %s", r.name, name)
			}
		}
		if measured := slices.Contains(r.labels, "target") || strings.HasPrefix(r.name, "perigee_link_floor"); measured && len(r.catalogue) == 0 && !slices.Contains(besideTheCatalogue, r.name) {
			t.Errorf("%s does not say which metric of the catalogue it is", r.name)
		}
		if r.whatItIs == "" || r.undefined == "" {
			t.Errorf("%s does not say what it is, and when it is absent", r.name)
		}
	}
	for name := range families {
		if !seen[name] {
			t.Errorf("%s does not stand in docs/api.md", name)
		}
	}
}

// besideTheCatalogue are numbers of streams and transfers that say when and with what was
// measured, not what.
var besideTheCatalogue = []string{
	"perigee_last_sample_timestamp_seconds", "perigee_throughput_timestamp_seconds", "perigee_throughput_wire_bytes", "perigee_throughput_retransmitted_bytes",
}
