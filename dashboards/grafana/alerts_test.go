package grafana

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"

	"perigee"
)

// ruleStep is a step of a rule that is checked in, and fileRule the rule.
type ruleStep struct {
	RefID             string `yaml:"refId"`
	DatasourceUID     string `yaml:"datasourceUid"`
	RelativeTimeRange struct{ From, To int64 }
	Model             map[string]any
}

type fileRule struct {
	UID, Title, Condition string
	NoDataState           string `yaml:"noDataState"`
	ExecErrState          string `yaml:"execErrState"`
	For                   string
	Annotations, Labels   map[string]string
	Data                  []ruleStep
}

type askedOf struct {
	flux    string
	seconds int64
}

// queries are those of a rule that ask the database.
func (r fileRule) queries() []askedOf {
	var all []askedOf
	for _, s := range r.Data {
		if text, ok := s.Model["query"].(string); ok {
			all = append(all, askedOf{text, s.RelativeTimeRange.From})
		}
	}
	return all
}

// alertRules reads the rules that are checked in; fields that are in no rule fail.
func alertRules(t testing.TB) []fileRule {
	t.Helper()
	raw, err := os.ReadFile("provisioning/alerting/perigee.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		APIVersion int `yaml:"apiVersion"`
		Groups     []struct {
			OrgID                  int `yaml:"orgId"`
			Name, Folder, Interval string
			Rules                  []struct {
				UID, Title, Condition, For string
				NoDataState                string `yaml:"noDataState"`
				ExecErrState               string `yaml:"execErrState"`
				IsPaused                   bool   `yaml:"isPaused"`
				Annotations, Labels        map[string]string
				Data                       []struct {
					RefID             string                   `yaml:"refId"`
					DatasourceUID     string                   `yaml:"datasourceUid"`
					RelativeTimeRange struct{ From, To int64 } `yaml:"relativeTimeRange"`
					Model             map[string]any
				}
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(raw, &f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if f.APIVersion != 1 || len(f.Groups) == 0 {
		t.Fatalf("version %d with %d groups", f.APIVersion, len(f.Groups))
	}
	var rules []fileRule
	for _, g := range f.Groups {
		if interval, err := time.ParseDuration(g.Interval); err != nil || interval%(10*time.Second) != 0 || g.OrgID != 1 || g.Name == "" || g.Folder == "" {
			t.Errorf("group %+v", g.Name)
		}
		for _, r := range g.Rules {
			rule := fileRule{UID: r.UID, Title: r.Title, Condition: r.Condition, NoDataState: r.NoDataState, ExecErrState: r.ExecErrState, For: r.For, Annotations: r.Annotations, Labels: r.Labels}
			for _, d := range r.Data {
				rule.Data = append(rule.Data, ruleStep{d.RefID, d.DatasourceUID, d.RelativeTimeRange, d.Model})
			}
			if r.IsPaused {
				t.Errorf("%s is paused", r.Title)
			}
			rules = append(rules, rule)
		}
	}
	return rules
}

// value is what Grafana hands to texts as one of $values.
type value struct{ Value float64 }

// expand fills in a text of an alert. The functions stand in for Grafana's of these names,
// which are not at hand: they show that the text asks for what there is.
func expand(t *testing.T, text string, labels map[string]string, values map[string]value) string {
	t.Helper()
	show := func(format string) func(float64) string {
		return func(v float64) string { return fmt.Sprintf(format, v) }
	}
	parsed, err := template.New("").Funcs(template.FuncMap{
		"humanize": show("%.4g"), "humanizeDuration": show("%.4gs"),
		"humanizePercentage": func(v float64) string { return fmt.Sprintf("%.4g%%", v*100) },
	}).Parse("{{- $labels := .Labels -}}{{- $values := .Values -}}" + text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	var b strings.Builder
	if err := parsed.Execute(&b, map[string]any{"Labels": labels, "Values": values}); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return b.String()
}

// Every query of every rule is answered by a real server, with the columns and values that
// the rule needs, and the rules fire as the data has it: evaluated here as the expressions
// of the file say, for Grafana is not at hand.
func TestEveryAlertIsAnswered(t *testing.T) {
	fires := map[string][]string{ // of the dataset, by rule: the links, or monitors, that it is about
		"Link down":                          {secondHome + "/lte"},
		"Latency above the link's own month": nil,
		"Loss (cellular)":                    {secondHome + "/lte"}, // 6 of 15 minutes
		"Budget used up":                     nil,
		"No data":                            nil,
	}
	wants := alertWants()
	for _, s := range servers(t) {
		for _, r := range alertRules(t) {
			t.Run(s.Name+"/"+r.Title, func(t *testing.T) {
				series := map[string]map[string]float64{} // by labels, then step
				labels := map[string]map[string]string{}
				for i, q := range r.queries() {
					m := moment{from: s.now.Add(-time.Duration(q.seconds) * time.Second), to: s.now, interval: time.Minute, bucket: s.Bucket}
					a := s.ask(t, m.macros(q.flux))
					for _, wrong := range a.holds(wants[r.UID+"/"+string(rune('A'+i))]) {
						t.Error(wrong)
					}
					checkShape(t, filePanel{Type: "alert"}, a)
					last := map[string]time.Time{}
					for _, row := range a.rows {
						of := map[string]string{}
						for c, isText := range a.texts {
							if text, ok := row[c].(string); ok && isText {
								of[c] = text
							}
						}
						key := fmt.Sprint(of)
						at, _ := row["_time"].(time.Time)
						if at.Before(last[key]) {
							continue
						}
						v, ok := row["_value"].(float64)
						if n, whole := row["_value"].(int64); whole {
							v, ok = float64(n), true
						}
						if !ok {
							continue
						}
						if last[key] = at; series[key] == nil {
							series[key] = map[string]float64{}
						}
						series[key][string(rune('A'+i))], labels[key] = v, of
					}
				}
				if len(series) == 0 {
					t.Fatal("no series")
				}
				var firing []string
				for key, values := range series {
					steps := evaluate(t, r, values)
					if steps["C"].Value != 0 {
						firing = append(firing, labels[key]["site"]+"/"+labels[key]["link"])
					}
					for _, name := range []string{"summary", "description"} {
						text := expand(t, r.Annotations[name], labels[key], steps)
						if strings.Contains(text, "<no value>") || text == "" {
							t.Errorf("it says %q", text)
						}
						if site := labels[key]["site"]; name == "summary" && !strings.Contains(text, site) {
							t.Errorf("%q does not name the site %s", text, site)
						}
						if link := labels[key]["link"]; name == "summary" && !strings.Contains(text, link) {
							t.Errorf("%q does not name the link %s", text, link)
						}
					}
				}
				slices.Sort(firing)
				want, known := fires[r.Title]
				if orbit, ok := strings.CutPrefix(r.Title, "Loss ("); ok {
					want, known = s.data.lossy(perigee.Orbit(strings.TrimSuffix(orbit, ")"))), true
				}
				if known && !slices.Equal(firing, want) {
					t.Errorf("it fires for %q, want %q", firing, want)
				}
			})
		}
	}
}

// evaluate does what the steps of a rule say with one series: the newest value, a
// quotient, a comparison. It fails for any other step.
func evaluate(t *testing.T, r fileRule, values map[string]float64) map[string]value {
	t.Helper()
	out := map[string]value{}
	get := func(ref string) float64 {
		if v, ok := out[ref]; ok {
			return v.Value
		}
		v, ok := values[ref]
		if !ok {
			t.Fatalf("step %s is not there", ref)
		}
		return v
	}
	quotient := regexp.MustCompile(`^\$([A-Z]) / \$([A-Z])$`)
	for _, s := range r.Data {
		if s.DatasourceUID != "__expr__" {
			continue
		}
		of, _ := s.Model["expression"].(string)
		switch s.Model["type"] {
		case "reduce":
			if s.Model["reducer"] != "last" {
				t.Fatalf("reducer %v", s.Model["reducer"])
			}
			out[s.RefID] = value{get(of)}
		case "math":
			m := quotient.FindStringSubmatch(of)
			if m == nil {
				t.Fatalf("expression %q", of)
			}
			out[s.RefID] = value{get(m[1]) / get(m[2])}
		case "threshold":
			raw, err := json.Marshal(s.Model["conditions"])
			if err != nil {
				t.Fatal(err)
			}
			var conditions []struct {
				Evaluator struct {
					Type   string
					Params []float64
				}
			}
			if err := json.Unmarshal(raw, &conditions); err != nil || len(conditions) != 1 || conditions[0].Evaluator.Type != "gt" || len(conditions[0].Evaluator.Params) != 1 {
				t.Fatalf("conditions %s: %v", raw, err)
			}
			fires := 0.0
			if get(of) > conditions[0].Evaluator.Params[0] {
				fires = 1
			}
			out[s.RefID] = value{fires}
		default:
			t.Fatalf("step %s is a %v", s.RefID, s.Model["type"])
		}
	}
	if _, ok := out[r.Condition]; !ok {
		t.Fatalf("the condition %s is no step", r.Condition)
	}
	return out
}

// The rules that are asked for are there; each says who must act, and what silence means:
// it is an alarm to one rule, and no news to the others, or all would ring at once.
func TestAlertRules(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	register()
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, r := range alertRules(t) {
		if uids[r.UID] || titles[r.Title] || r.UID == "" || len(r.UID) > 40 {
			t.Errorf("%s: its name or %q is taken", r.Title, r.UID)
		}
		uids[r.UID], titles[r.Title] = true, true
		if want := map[bool]string{true: "Alerting", false: "OK"}[r.Title == "No data"]; r.NoDataState != want {
			t.Errorf("%s: silence is %s, want %s", r.Title, r.NoDataState, want)
		}
		if r.ExecErrState != "Error" || !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) {
			t.Errorf("%s: an error is %s, its severity %q", r.Title, r.ExecErrState, r.Labels["severity"])
		}
		if _, err := time.ParseDuration(r.For); err != nil {
			t.Errorf("%s: %v", r.Title, err)
		}
		for _, s := range r.Data {
			raw, err := json.Marshal(map[string]any{"refId": s.RefID, "datasourceUid": s.DatasourceUID, "model": s.Model, "relativeTimeRange": map[string]int64{"from": s.RelativeTimeRange.From, "to": s.RelativeTimeRange.To}})
			if err != nil {
				t.Fatal(err)
			}
			var q alerting.Query
			if err := q.UnmarshalJSONStrict(raw); err != nil {
				t.Errorf("%s, step %s: %v", r.Title, s.RefID, err)
			} else if err := q.Validate(); err != nil {
				t.Errorf("%s, step %s: %v", r.Title, s.RefID, err)
			}
		}
		for name, text := range r.Annotations {
			// Grafana takes ${…} in these files for its own environment.
			if strings.Contains(text, "${") {
				t.Errorf("%s: %s has ${", r.Title, name)
			}
		}
		// Of nothing that answers, the text must still be one.
		if r.NoDataState == "Alerting" {
			text := expand(t, r.Annotations["summary"]+". "+r.Annotations["description"], map[string]string{"alertname": "DatasourceNoData"}, map[string]value{})
			if strings.Contains(text, "<no value>") || !strings.Contains(text, "any link") {
				t.Errorf("%s: of silence it says %q", r.Title, text)
			}
		}
	}
	for _, want := range []string{"Link down", "Latency above the link's own month", "Budget used up", "No data", "Results wait to be forwarded"} {
		if !titles[want] {
			t.Errorf("there is no rule %q", want)
		}
	}
	for _, orbit := range perigee.Orbits {
		if !titles["Loss ("+string(orbit)+")"] {
			t.Errorf("there is no rule about loss on %s", orbit)
		}
	}
}

// The data sources are Flux with an organization that is not empty, and no secret in them.
func TestDataSources(t *testing.T) {
	for _, path := range []string{"datasources/influxdb-1.8.yaml", "datasources/influxdb-2.x.yaml", "provisioning/dashboards/perigee.yaml"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			APIVersion  int              `yaml:"apiVersion"`
			Datasources []map[string]any `yaml:"datasources"`
			Providers   []map[string]any `yaml:"providers"`
		}
		if err := yaml.UnmarshalWithOptions(raw, &f, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if f.APIVersion != 1 || len(f.Datasources)+len(f.Providers) != 1 {
			t.Errorf("%s: %+v", path, f)
		}
		for _, d := range f.Datasources {
			options, _ := d["jsonData"].(map[string]any)
			secret, _ := d["secureJsonData"].(map[string]any)
			if d["type"] != sourceType || d["uid"] != sourceUID || options["version"] != "Flux" || options["organization"] == "" || options["organization"] == nil || options["defaultBucket"] == nil {
				t.Errorf("%s: %+v", path, d)
			}
			if !slices.Equal(slices.Sorted(maps.Keys(secret)), []string{"token"}) || secret["token"] != "$PERIGEE_INFLUX_TOKEN" {
				t.Errorf("%s: secrets %v", path, secret)
			}
		}
	}
}
