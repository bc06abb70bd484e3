package grafana

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"testing"
	"time"
)

var label = regexp.MustCompile(`__field\.labels\.([a-z]+)`)

// Every query of every panel, with its variables filled in, is answered by a real server:
// with rows, with the columns that the panel needs, and values in the range of its unit.
func TestEveryPanelIsAnswered(t *testing.T) {
	wants := wants()
	prefer := map[string]string{"site": firstHome, "link": "geo", "baseline": "starlink", "target": "far-end"}
	for _, s := range servers(t) {
		for _, f := range dashboards(t) {
			for _, detail := range []string{"rtt", "rtt_hour"} {
				m := moment{from: s.now.Add(-24 * time.Hour), to: s.now, interval: 2 * time.Minute, bucket: s.Bucket}
				c := choose(t, f, s, m, prefer, detail)
				for _, p := range f.Panels {
					for _, target := range p.Targets {
						t.Run(s.Name+"/"+detail+"/"+f.UID+"/"+p.Title+"/"+target.RefID, func(t *testing.T) {
							at, chosen := m, c
							if p.TimeFrom == "30d" {
								at.from, at.interval = s.now.Add(-30*24*time.Hour), time.Hour
							}
							if p.Repeat != "" { // one of its panels
								chosen = choice{}
								for name, values := range c {
									chosen[name] = values
								}
								chosen[p.Repeat] = c[p.Repeat][:1]
							}
							a := s.ask(t, at.macros(chosen.variables(t, target.Query)))
							want, ok := wants[f.UID+"/"+p.Title+"/"+target.RefID]
							if !ok {
								t.Fatal("the generator expects nothing of this panel: it is not of the files")
							}
							for _, wrong := range a.holds(want) {
								t.Error(wrong)
							}
							checkShape(t, p, a)
						})
					}
				}
			}
		}
	}
}

// checkShape holds an answer to what Grafana and the panel's visualization ask of it.
func checkShape(t *testing.T, p filePanel, a answer) {
	t.Helper()
	_, time := slices.BinarySearch(slices.Sorted(slices.Values(a.columns)), "_time")
	line := time && slices.Contains(a.columns, "_value")
	switch p.Type {
	case "table":
		// What has a time and a value becomes one frame for each of its tables.
		if line || a.tables != 1 {
			t.Errorf("a table must be one table without _value: %d, %q", a.tables, a.columns)
		}
	case "trend":
		if line || a.tables != 1 {
			t.Errorf("a trend must be one table: %d, %q", a.tables, a.columns)
		}
	case "heatmap":
		if a.tables != 1 || a.columns[0] != "_time" || line {
			t.Errorf("a heat map must be one table that begins with _time: %d, %q", a.tables, a.columns)
		}
		hours := a.columns[1:]
		if len(hours) != 24 || !slices.IsSorted(hours) {
			t.Errorf("the hours are %q", hours)
		}
	default:
		if !line {
			t.Errorf("a line must have _time and _value: %q", a.columns)
		}
	}
	for _, m := range label.FindAllStringSubmatch(p.FieldConfig.Defaults.DisplayName, -1) {
		if !a.texts[m[1]] {
			t.Errorf("it is named by the label %s, which is not among %q", m[1], a.columns)
		}
	}
	// Beyond these Grafana answers with an error: maxSeries of the data source, and
	// one and a half of the points that the panel asks for.
	if points := cmp.Or(p.MaxDataPoints, 1000); a.tables > 1000 || float64(a.longest) > 1.5*float64(points) {
		t.Errorf("%d series, the longest of %d points; Grafana takes 1000 and %.0f", a.tables, a.longest, 1.5*float64(points))
	}
}

// Values are those of the data, counted again from what was written.
func TestPanelsShowWhatWasMeasured(t *testing.T) {
	for _, s := range servers(t) {
		t.Run(s.Name, func(t *testing.T) {
			m := moment{from: s.now.Add(-24 * time.Hour), to: s.now, interval: 2 * time.Minute, bucket: s.Bucket}
			for _, f := range dashboards(t) {
				if f.UID != "perigee-compare" {
					continue
				}
				c := choose(t, f, s, m, map[string]string{"site": firstHome, "baseline": "starlink", "target": "far-end"}, "rtt")
				of := func(title string) map[string][]map[string]any {
					i := slices.IndexFunc(f.Panels, func(p filePanel) bool { return p.Title == title })
					lines := map[string][]map[string]any{}
					for _, r := range s.ask(t, m.macros(c.variables(t, f.Panels[i].Targets[0].Query))).rows {
						name, _ := r["link"].(string)
						lines[name] = append(lines[name], r)
					}
					return lines
				}
				checkLoss(t, s, of("Loss"))
				checkMedians(t, of("Median RTT"))
				checkBaseline(t, of("RTT, median, less that of the baseline"))
				checkGap(t, s, of("RTT, median"))
				checkTimeline(t, s, of("Outages"))
			}
		})
	}
}

func checkLoss(t *testing.T, s server, lines map[string][]map[string]any) {
	t.Helper()
	for link := range orbitOf {
		counts := s.data.idleSince(firstHome, link, s.now.Add(-24*time.Hour))
		want, _ := counts.LossRatio()
		if got := lines[string(link)]; len(got) != 1 || math.Abs(got[0]["_value"].(float64)-want) > 1e-12 {
			t.Errorf("loss of %s is %v, want %v of %+v", link, got, want, counts)
		}
	}
}

// checkMedians holds links to what is known of their orbits.
func checkMedians(t *testing.T, lines map[string][]map[string]any) {
	t.Helper()
	for link, want := range map[string]span{"fibre": {0.005, 0.03}, "starlink": {0.025, 0.06}, "leo": {0.05, 0.12}, "geo": {0.55, 0.75}} {
		if got := lines[link]; len(got) != 1 || got[0]["_value"].(float64) < want.low || got[0]["_value"].(float64) > want.high {
			t.Errorf("the median of %s is %v, want %v", link, got, want)
		}
	}
}

// checkBaseline: a link differs from itself by nothing, GEO is slower than Starlink by more
// than half a second, and fibre is faster.
func checkBaseline(t *testing.T, lines map[string][]map[string]any) {
	t.Helper()
	for link, want := range map[string]span{"starlink": {0, 0}, "geo": {0.5, 0.7}, "fibre": {-0.1, -0.01}} {
		defined := 0
		for _, r := range lines[link] {
			if v, ok := r["_value"].(float64); ok {
				if defined++; v < want.low || v > want.high {
					t.Fatalf("%s less the baseline is %v, want %v", link, v, want)
				}
			}
		}
		if defined < 600 { // of 720 points, less half an hour's gap
			t.Errorf("%s less the baseline has %d values", link, defined)
		}
	}
}

// checkGap: a time that was not measured has points without values, so that no line is
// drawn over it.
func checkGap(t *testing.T, s server, lines map[string][]map[string]any) {
	t.Helper()
	missing, there := 0, 0
	for _, r := range lines["fibre"] {
		at := r["_time"].(time.Time) // the end of its window
		if at.After(s.now.Add(-gapBegan+2*time.Minute)) && at.Before(s.now.Add(-gapEnded)) {
			if r["_value"] == nil {
				missing++
			} else {
				there++
			}
		}
	}
	if missing < 13 || there > 0 {
		t.Errorf("in the gap of 30 minutes there are %d points without value and %d with", missing, there)
	}
}

// checkTimeline: an outage is there as one, a gap as time not measured.
func checkTimeline(t *testing.T, s server, lines map[string][]map[string]any) {
	t.Helper()
	var got []float64
	var at []time.Duration
	for _, r := range lines["geo"] {
		if r["_time"].(time.Time).After(s.now.Add(-7 * time.Hour)) {
			got, at = append(got, r["_value"].(float64)), append(at, s.now.Sub(r["_time"].(time.Time)))
		}
	}
	// Within the last 7 h: stopped, resumed, the outage and its end; the fleet's own
	// outages of GEO beside them.
	for _, want := range []struct {
		value float64
		ago   time.Duration
	}{{2, gapBegan}, {0, gapEnded}, {1, outageBegan}, {0, outageEnded}} {
		found := false
		for i := range got {
			found = found || got[i] == want.value && (at[i]-want.ago).Abs() <= 10*time.Second
		}
		if !found {
			t.Errorf("no state %v %v before the end: %v at %v", want.value, want.ago, got, at)
		}
	}
}
