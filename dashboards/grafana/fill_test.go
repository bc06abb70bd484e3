package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What follows reads the files that are checked in, not what the generator has in mind,
// and as plain JSON: nothing here knows how they were made.

type target struct{ RefID, Query string }

type filePanel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
	TimeFrom, Repeat         string
	MaxDataPoints            int
	Links                    []struct{ URL string }
	FieldConfig              struct {
		Defaults struct {
			Unit, DisplayName string
			Custom            map[string]any
			Links             []struct{ URL string }
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

type variable struct {
	Name, Type string
	Query      any
	Multi      bool
	Current    struct{ Value any }
}

type file struct {
	path, raw  string
	UID        string
	Panels     []filePanel
	Links      []struct{ URL string }
	Templating struct{ List []variable }
}

// dashboards reads the dashboards that are checked in.
func dashboards(t testing.TB) []file {
	t.Helper()
	paths, err := filepath.Glob("provisioning/dashboards/perigee/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var files []file
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := file{path: path, raw: string(raw)}
		if err := json.Unmarshal(raw, &f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files = append(files, f)
	}
	return files
}

// choice is what the variables of a dashboard are set to.
type choice map[string][]string

var reference = regexp.MustCompile(`\$\{([a-z]+)(?::([a-z]+))?\}`)

// escape escapes a value for a regular expression as Grafana does.
var special = regexp.MustCompile(`[\\^$*+?.()|[\]{}/]`)

// variables fills in references to variables as Grafana's front end does. Those that it
// cannot fill in are an error.
func (c choice) variables(t testing.TB, text string) string {
	t.Helper()
	return reference.ReplaceAllStringFunc(text, func(s string) string {
		m := reference.FindStringSubmatch(s)
		values, ok := c[m[1]]
		if !ok {
			t.Errorf("%s is not defined, in:\n%s", s, text)
			return s
		}
		switch m[2] {
		case "regex":
			var escaped []string
			for _, v := range values {
				escaped = append(escaped, special.ReplaceAllString(v, `\$0`))
			}
			if len(escaped) == 1 {
				return escaped[0]
			}
			return "(" + strings.Join(escaped, "|") + ")"
		case "csv":
			return strings.Join(values, ",")
		case "", "percentencode":
			if len(values) == 1 {
				return values[0]
			}
		}
		t.Errorf("%s has %d values", s, len(values))
		return s
	})
}

// moment is the time at which a dashboard is looked at, and the range.
type moment struct {
	from, to time.Time
	interval time.Duration
	bucket   string
}

// imports are at the beginning of a query.
var imports = regexp.MustCompile(`^(import [^\n]*\n)*`)

// macros fills in what Grafana's InfluxDB data source does: pkg/tsdb/influxdb/flux/macros.go.
// Besides, now() is made the end of the range, which it is when Grafana asks: a test may
// take minutes.
func (m moment) macros(flux string) string {
	now := "option now = () => " + m.to.UTC().Format(time.RFC3339Nano) + "\n"
	flux = imports.ReplaceAllStringFunc(flux, func(s string) string { return s + now })
	return strings.NewReplacer(
		"v.timeRangeStart", m.from.UTC().Format(time.RFC3339Nano),
		"v.timeRangeStop", m.to.UTC().Format(time.RFC3339Nano),
		"v.windowPeriod", m.interval.String(),
		"v.defaultBucket", fmt.Sprintf("%q", m.bucket),
	).Replace(flux)
}

// choose sets the variables of a dashboard, asking for their values in their order, and
// keeps those that prefer names where they are among them.
func choose(t testing.TB, f file, s server, m moment, prefer map[string]string, detail string) choice {
	t.Helper()
	c := choice{}
	for _, v := range f.Templating.List {
		switch v.Type {
		case "query":
			flux, ok := v.Query.(string)
			if !ok {
				t.Fatalf("%s: the query of variable %s is %v", f.path, v.Name, v.Query)
			}
			var values []string
			for _, r := range s.ask(t, m.macros(c.variables(t, flux))).rows {
				text, ok := r["_value"].(string)
				if !ok {
					t.Fatalf("%s: variable %s has the value %v", f.path, v.Name, r)
				}
				values = append(values, text)
			}
			slices.Sort(values)
			if len(values) == 0 || len(slices.Compact(slices.Clone(values))) != len(values) {
				t.Fatalf("%s: variable %s has the values %q", f.path, v.Name, values)
			}
			if !v.Multi {
				if want := prefer[v.Name]; slices.Contains(values, want) {
					values = []string{want}
				}
				values = values[:1]
			}
			c[v.Name] = values
		default:
			value, ok := v.Current.Value.(string)
			if !ok {
				t.Fatalf("%s: variable %s is not set", f.path, v.Name)
			}
			if v.Name == "detail" {
				value = detail
			}
			c[v.Name] = []string{value}
		}
	}
	return c
}
