package perigee_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"perigee"
)

// Every metric of the catalogue stands in docs/metrics.md with its unit, kind, source
// and undefined case, in the same order, and has a section that says the same as its
// definition; and nothing stands there that is not in the catalogue.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| [a-z_]+ \\|.*$")
	rows := row.FindAllString(string(text), -1)
	for _, m := range perigee.Metrics {
		want = append(want, "| `"+string(m.Name)+"` | "+m.Unit+" | "+string(m.Kind)+" | "+m.Source+" | "+m.Undefined+" |")
	}
	if !slices.Equal(rows, want) {
		t.Errorf("docs/metrics.md has the rows\n%s\nwant those of the catalogue:\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	var comparable []string
	for _, m := range perigee.Metrics {
		section := "\n### " + string(m.Name) + "\n"
		_, body, ok := strings.Cut(string(text), section)
		if !ok {
			t.Errorf("docs/metrics.md has no section %q", section[1:])
			continue
		}
		body, _, _ = strings.Cut(body, "\n#")
		// The words of the definition, whatever stands around and between.
		if !contains(words(body), words(m.Definition)) {
			t.Errorf("the section on %s does not say %q", m.Name, m.Definition)
		}
		if m.Comparable {
			comparable = append(comparable, "`"+string(m.Name)+"`")
		}
	}
	last := len(comparable) - 1
	for _, name := range comparable[:last] {
		if !strings.Contains(string(text), name) {
			t.Errorf("docs/metrics.md does not name %s among what links are compared by", name)
		}
	}
}

var word = regexp.MustCompile(`[A-Za-z0-9_]+`)

func words(s string) []string { return word.FindAllString(strings.ToLower(s), -1) }

// contains reports whether all of parts occur in whole in this order.
func contains(whole, parts []string) bool {
	for _, w := range whole {
		if len(parts) > 0 && w == parts[0] {
			parts = parts[1:]
		}
	}
	return len(parts) == 0
}

func TestMetricCatalogue(t *testing.T) {
	seen := map[perigee.MetricName]bool{}
	for _, m := range perigee.Metrics {
		if seen[m.Name] {
			t.Errorf("%s is in the catalogue twice", m.Name)
		}
		seen[m.Name] = true
		if m.Unit == "" || m.Kind == "" || m.Definition == "" || m.Undefined == "" || m.Source == "" {
			t.Errorf("%s is not defined in full: %+v", m.Name, m)
		}
		if got, ok := perigee.LookupMetric(m.Name); !ok || got != m {
			t.Errorf("LookupMetric(%s) = %+v, %v", m.Name, got, ok)
		}
		if m.Kind == perigee.KindCount && m.Comparable {
			t.Errorf("%s is a count and cannot be compared", m.Name)
		}
	}
	if _, ok := perigee.LookupMetric("ping"); ok {
		t.Error("LookupMetric finds what is not there")
	}
}
