package grafana

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"perigee"
)

// layout is what docs/influx.md says that the database holds, which a test of storage/influx
// holds to the encoder: tags and fields of each measurement, fields with their units.
type layout struct {
	tags   map[string][]string
	fields map[string]map[string]string
}

var code = regexp.MustCompile("`([a-z0-9_]+)`")

func names(cell string) []string {
	var list []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		list = append(list, m[1])
	}
	return list
}

func documented(t testing.TB) layout {
	t.Helper()
	raw, err := os.ReadFile("../../docs/influx.md")
	if err != nil {
		t.Fatal(err)
	}
	l := layout{map[string][]string{}, map[string]map[string]string{}}
	section, measurement := "", []string(nil)
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) < 4 {
			continue
		}
		switch {
		case strings.HasPrefix(section, "Layout") && len(names(cells[0])) == 1:
			name := names(cells[0])[0]
			l.tags[name] = names(cells[3])
			if strings.Contains(cells[3], "the same") || strings.Contains(cells[3], "as `rtt`") {
				l.tags[name] = l.tags["rtt"]
			}
		case strings.HasPrefix(section, "Fields of the others"):
			if first := names(cells[0]); len(first) > 0 {
				measurement = first
			}
			for _, m := range measurement {
				for _, f := range names(cells[1]) {
					l.add(m, f, "")
				}
			}
		case strings.HasPrefix(section, "Fields of ") && len(names(cells[0])) == 1:
			for _, m := range strings.Split(strings.TrimPrefix(section, "Fields of "), " and ") {
				l.add(m, names(cells[0])[0], strings.TrimSpace(cells[2]))
			}
		}
	}
	if len(l.tags) < 9 || len(l.fields["rtt"]) < 30 || len(l.fields["outage"]) < 5 || len(l.fields["budget"]) < 7 {
		t.Fatalf("docs/influx.md is not understood: %v", l)
	}
	return l
}

func (l layout) add(measurement, field, unit string) {
	if l.fields[measurement] == nil {
		l.fields[measurement] = map[string]string{}
	}
	l.fields[measurement][field] = unit
}

var (
	source_     = regexp.MustCompile(`r\._measurement == "([^"]+)"([^\n]*)`)
	fieldName   = regexp.MustCompile(`r\._field == "([^"]+)"`)
	columnName  = regexp.MustCompile(`\br\.([a-z_]+)`)
	columnList  = regexp.MustCompile(`columns: \[([^\]]*)\]`)
	quoted      = regexp.MustCompile(`"([^"]+)"`)
	computed    = regexp.MustCompile(`([a-z_]+): `)
	columnNamed = regexp.MustCompile(`column(?:Key: \[|: )"([a-z_]+)"`)
)

// builtIn are columns that Flux makes.
var builtIn = []string{"_time", "_value", "_value_a", "_value_b", "_field", "_measurement", "_start", "_stop", "elapsed", "le"}

// checkCatalogue holds a query to the catalogue: it asks for measurements and fields that
// there are, each of which is a metric or serves to tell one, and uses no other columns
// than their tags, those fields, and what it computes itself. It returns the fields used.
func (l layout) checkCatalogue(t testing.TB, where, flux string) []string {
	t.Helper()
	var used []string
	known := slices.Clone(builtIn)
	sources := source_.FindAllStringSubmatch(flux, -1)
	if len(sources) == 0 {
		t.Errorf("%s: it reads no measurement", where)
	}
	for _, s := range sources {
		measurement := strings.Replace(s[1], "${detail}", "rtt", 1)
		if l.tags[measurement] == nil {
			t.Errorf("%s: there is no measurement %s", where, measurement)
			continue
		}
		known = append(known, l.tags[measurement]...)
		for _, f := range fieldName.FindAllStringSubmatch(s[2], -1) {
			unit, ok := l.fields[measurement][f[1]]
			if !ok {
				t.Errorf("%s: %s has no field %s", where, measurement, f[1])
				continue
			}
			key := strings.Replace(measurement, "rtt_hour", "rtt", 1) + "." + f[1]
			metric, ok := perigee.LookupMetric(fieldMetrics[key])
			switch {
			case !ok:
				t.Errorf("%s: %s is no metric of the catalogue", where, key)
			case unit != "" && unit != metric.Unit && unit != "nanoseconds":
				t.Errorf("%s: %s is in %s, the metric %s in %s", where, key, unit, metric.Name, metric.Unit)
			}
			known, used = append(known, f[1]), append(used, key)
		}
	}
	for _, m := range computed.FindAllStringSubmatch(flux, -1) {
		known = append(known, m[1])
	}
	columns := columnName.FindAllStringSubmatch(flux, -1)
	columns = append(columns, columnNamed.FindAllStringSubmatch(flux, -1)...)
	for _, list := range columnList.FindAllStringSubmatch(flux, -1) {
		columns = append(columns, quoted.FindAllStringSubmatch(list[1], -1)...)
	}
	for _, c := range columns {
		if !slices.Contains(known, c[1]) {
			t.Errorf("%s: it uses the column %s, which is no tag, no field of it and not computed", where, c[1])
		}
	}
	return used
}

// Every measurement, tag and field of every query is in the layout of the database, and
// every field belongs to a metric of the catalogue, which the panel's description defines.
func TestQueriesUseTheCatalogue(t *testing.T) {
	l := documented(t)
	all := map[string]bool{}
	for _, f := range dashboards(t) {
		for _, p := range f.Panels {
			for _, q := range p.Targets {
				where := f.path + ": panel " + p.Title
				for _, key := range l.checkCatalogue(t, where, q.Query) {
					all[key] = true
				}
			}
		}
		for _, v := range f.Templating.List {
			if flux, ok := v.Query.(string); ok && v.Type == "query" {
				for _, key := range l.checkCatalogue(t, f.path+": variable "+v.Name, flux) {
					all[key] = true
				}
			}
		}
	}
	for _, r := range alertRules(t) {
		for _, q := range r.queries() {
			for _, key := range l.checkCatalogue(t, "alert "+r.Title, q.flux) {
				all[key] = true
			}
		}
	}
	for key := range fieldMetrics {
		if !all[key] {
			t.Errorf("no query uses %s", key)
		}
	}
}
