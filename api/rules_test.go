package api

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// rulesDir is where the rules lie that people copy.
const rulesDir = "../deploy/prometheus"

// rule is a recording rule or an alert of rules.yml.
type rule struct {
	Record, Alert, Expr string
	Annotations         map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rulesDir, "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%d rules found", len(all))
	}
	return all
}

var (
	selector   = regexp.MustCompile(`\b((?:perigee_|link:perigee_|process_)[a-z0-9_:]*|up\b)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping   = regexp.MustCompile(`\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	lastBy     = regexp.MustCompile(`by \(([^)]*)\)`)
	labelField = regexp.MustCompile(`\$labels\.([a-z_]+)`)
)

// added are the labels that Prometheus adds to whatever it scrapes.
var added = []string{"job", "instance"}

// told returns the labels of each name that can be asked for, with the values that they
// have: those of the metrics told by a process in full, and of what Prometheus says itself.
func told(t *testing.T) map[string]map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]map[string]bool{"up": {}}
	for name, f := range scrape(t, measured(t, "geo", "fibre"), acceptProtobuf) {
		labels := map[string]map[string]bool{}
		for _, label := range labelNames(t, f) {
			labels[label] = labelValues(f, label)
		}
		all[name] = labels
		if kind := strings.ToLower(f.GetType().String()); kind == "histogram" || kind == "summary" {
			all[name+"_count"], all[name+"_sum"] = labels, labels
			if kind == "histogram" {
				buckets := maps.Clone(labels)
				buckets["le"] = map[string]bool{}
				all[name+"_bucket"] = buckets
			}
		}
	}
	return all
}

// Every metric, label and value of a label that a rule asks for is told by a process that
// measures, and every label that an annotation shows is there.
func TestRulesAskForWhatThereIs(t *testing.T) {
	names := told(t)
	all := rules(t)
	for _, r := range all {
		if r.Record == "" {
			continue
		}
		labels := map[string]map[string]bool{}
		by := lastBy.FindStringSubmatch(r.Expr)
		if by == nil { // of another recorded one
			labels = names[selector.FindStringSubmatch(r.Expr)[1]]
		} else {
			for label := range strings.SplitSeq(by[1], ",") {
				labels[strings.TrimSpace(label)] = map[string]bool{}
			}
		}
		names[r.Record] = labels
	}
	for _, r := range append(all, documentedQueries(t)...) {
		id := cmp.Or(r.Record, r.Alert, r.Expr)
		known := map[string]bool{}
		for _, label := range added {
			known[label] = true
		}
		found := selector.FindAllStringSubmatch(r.Expr, -1)
		if len(found) == 0 {
			t.Errorf("%s asks for nothing: %s", id, r.Expr)
		}
		for _, s := range found {
			labels, ok := names[s[1]]
			if !ok {
				t.Errorf("%s asks for %s, which is not told", id, s[1])
				continue
			}
			for label := range labels {
				known[label] = true
			}
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				values, ok := labels[m[1]]
				if !ok && !slices.Contains(added, m[1]) {
					t.Errorf("%s: %s has no label %s", id, s[1], m[1])
				}
				for value := range strings.SplitSeq(m[3], "|") {
					if len(values) > 0 && !values[value] {
						t.Errorf("%s: %s never has %s %q, only %v", id, s[1], m[1], value, values)
					}
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(r.Expr, -1) {
			for label := range strings.SplitSeq(g[1], ",") {
				if !known[strings.TrimSpace(label)] {
					t.Errorf("%s groups by %s, which nothing has that it asks for", id, label)
				}
			}
		}
		for key, text := range r.Annotations {
			for _, m := range labelField.FindAllStringSubmatch(text, -1) {
				if !known[m[1]] {
					t.Errorf("%s: %s shows label %s, which is not there", id, key, m[1])
				}
			}
		}
		if r.Alert != "" && (r.Annotations["summary"] == "" || r.Annotations["description"] == "") {
			t.Errorf("%s lacks a summary or a description", id)
		}
	}
}

// documentedQueries are the queries of docs/prometheus.md, as rules without a name.
func documentedQueries(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("../docs/prometheus.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```promql\n")
	block, _, _ = strings.Cut(block, "```")
	var queries []rule
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			queries = append(queries, rule{Expr: line})
		}
	}
	if len(queries) == 0 {
		t.Error("docs/prometheus.md has no query")
	}
	return queries
}

// Every rule stands in docs/prometheus.md, and no other.
func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/prometheus.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, r := range rules(t) {
		want[r.Record+r.Alert] = true
		name, last := r.Alert, r.Alert
		if i := strings.LastIndex(r.Record, ":"); i >= 0 {
			name, last = r.Record[:i+1], strings.TrimSuffix(r.Record[i+1:], "_1h") // "p50_5m, and ..._1h"
			last = strings.TrimSuffix(last, "_5m")
		}
		if !strings.Contains(string(text), "`"+name) || !strings.Contains(string(text), last) {
			t.Errorf("docs/prometheus.md does not name %s", r.Record+r.Alert)
		}
	}
	for _, m := range regexp.MustCompile("`(Perigee[A-Za-z]+|link:[a-z_:0-9]+)`").FindAllStringSubmatch(string(text), -1) {
		if !want[m[1]] {
			t.Errorf("docs/prometheus.md names %s, which is no rule", m[1])
		}
	}
}

// promtool returns the program that checks rules.
func promtool(t *testing.T) string {
	t.Helper()
	const version = "v0.316.0" // as in .ci/promtool
	binary := os.Getenv("PERIGEE_PROMTOOL")
	if binary == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		binary = filepath.Join(cache, "perigee", "promtool-"+version, "promtool")
	}
	if _, err := os.Stat(binary); err != nil {
		message := fmt.Sprintf("there is no promtool to check the rules with, run make promtool: %v", err)
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return binary
}

// What is in deploy/prometheus is right by Prometheus' own tool, and every alert is seen
// to fire there.
func TestRulesHold(t *testing.T) {
	binary := promtool(t)
	var tested []string
	for name, arguments := range map[string][]string{
		"config": {"check", "config", "prometheus.yml"},
		"rules":  {"check", "rules", "--lint=all", "--lint-fatal", "rules.yml"},
		"hours":  {"test", "rules", "rules_test.yml"},
		"days":   {"test", "rules", "rules_days_test.yml"},
	} {
		command := exec.CommandContext(t.Context(), binary, arguments...)
		command.Dir = rulesDir
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
		if arguments[0] == "test" {
			tested = append(tested, arguments[2])
		}
	}
	for _, q := range documentedQueries(t) {
		if output, err := exec.CommandContext(t.Context(), binary, "--experimental", "promql", "format", q.Expr).CombinedOutput(); err != nil {
			t.Errorf("docs/prometheus.md: %s: %v\n%s", q.Expr, err, output)
		}
	}
	fires := map[string]bool{}
	for _, name := range tested {
		text, err := os.ReadFile(filepath.Join(rulesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Tests []struct {
				Alerts []struct {
					Name string `yaml:"alertname"`
					Exp  []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			for _, a := range test.Alerts {
				fires[a.Name] = fires[a.Name] || len(a.Exp) > 0
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && !fires[r.Alert] {
			t.Errorf("no test has %s fire", r.Alert)
		}
	}
}

// What Prometheus itself says of the round trips of a scrape, by the rules, is what they
// are.
func TestPrometheusReadsTheHistograms(t *testing.T) {
	binary := promtool(t)
	for name, values := range roundTrips() {
		if !slices.Contains([]string{"fibre", "starlink", "geo", "loaded_geo"}, name) {
			continue
		}
		o := measuring(t, "geo")
		publish(o.Feed, values)
		h := find(t, scrape(t, o, acceptProtobuf), "perigee_probe_rtt_seconds", map[string]string{"target": "far"}).GetHistogram()
		counts := buckets(h)
		first, last := slices.Min(slices.Collect(maps.Keys(counts))), slices.Max(slices.Collect(maps.Keys(counts)))
		var row, none []string
		for i := first; i <= last; i++ {
			row, none = append(row, fmt.Sprint(counts[i])), append(none, "0")
		}
		// Prometheus numbers buckets by their upper bounds as the format does.
		histogram := func(sum float64, count uint64, row []string) string {
			return fmt.Sprintf("{{schema:%d sum:%g count:%d z_bucket:0 z_bucket_w:%g offset:%d buckets:[%s]}}", h.GetSchema(), sum, count, h.GetZeroThreshold(), first, strings.Join(row, " "))
		}
		test := fmt.Sprintf("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n  - series: 'perigee_probe_rtt_seconds{site=\"home\",link=\"geo\",target=\"far\",load=\"idle\"}'\n    values: '%s %s'\n  promql_expr_test:\n",
			histogram(0, 0, none), histogram(h.GetSampleSum(), h.GetSampleCount(), row))
		sorted := slices.Sorted(slices.Values(values))
		for rule, q := range map[string]float64{"p50": 0.5, "p95": 0.95, "p99": 0.99} {
			truth := sorted[int(q*float64(len(sorted)))-1]
			test += fmt.Sprintf("  - expr: 'abs(link:perigee_probe_rtt_seconds:%s_5m / %g - 1) < bool 0.0443'\n    eval_time: 1m\n    exp_samples: [{labels: '{site=\"home\",link=\"geo\"}', value: 1}]\n", rule, truth)
		}
		file := filepath.Join(t.TempDir(), "test.yml")
		absolute, err := filepath.Abs(filepath.Join(rulesDir, "rules.yml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(test, "[rules.yml]", "['"+absolute+"']", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if output, err := exec.CommandContext(t.Context(), binary, "test", "rules", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}
