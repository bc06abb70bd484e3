package grafana

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"perigee"
)

// docs/grafana.md gives the limits of every orbit, and names every rule and variable.
func TestDocumentation(t *testing.T) {
	raw, err := os.ReadFile("../../docs/grafana.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, orbit := range perigee.Orbits {
		milliseconds := func(l limits) string { return fmt.Sprintf("%g / %g ms", l.notable*1000, l.bad*1000) }
		loss := lossLimits[orbit]
		row := fmt.Sprintf("| %s | %s | %s | %g / %g %% | %s |", orbit, milliseconds(medianLimits[orbit]), milliseconds(p95Limits[orbit]), loss.notable*100, loss.bad*100, milliseconds(jitterLimits[orbit]))
		if !strings.Contains(text, row) {
			t.Errorf("docs/grafana.md has no row\n%s", row)
		}
	}
	for _, r := range alertRules(t) {
		title, _, _ := strings.Cut(r.Title, " (")
		if !strings.Contains(text, "| "+title) {
			t.Errorf("docs/grafana.md does not explain the rule %s", r.Title)
		}
	}
	for _, f := range dashboards(t) {
		for _, v := range f.Templating.List {
			if !strings.Contains(text, "`"+v.Name+"`") {
				t.Errorf("docs/grafana.md does not explain the variable %s", v.Name)
			}
		}
	}
}
