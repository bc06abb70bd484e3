package influx

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/influx/influxtest"
	"perigee/storage/storagetest"
)

// documentation returns the row of docs/influx.md for a field.
func documentation[T any](t testing.TB, f *field[T]) string {
	if f.kind() == "float" && !strings.HasSuffix(f.name, "_"+f.unit) {
		t.Errorf("%s does not end in its unit, %s", f.name, f.unit)
	}
	definition := f.definition
	if f.metric != "" {
		m, known := perigee.LookupMetric(f.metric)
		if !known {
			t.Errorf("%s: no metric is called %q", f.name, f.metric)
		}
		// Loss periods are counted in packets, and lasted seconds.
		if f.unit != m.Unit && f.unit != "packets" && m.Name != "loss_period" {
			t.Errorf("%s: in %s, but the metric %s is in %s", f.name, f.unit, m.Name, m.Unit)
		}
		if definition = "[" + string(m.Name) + "](metrics.md)"; f.definition != "" {
			definition += ": " + f.definition
		}
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", f.name, f.kind(), f.unit, definition)
}

// docs/influx.md has a row for every field with its type and unit, and no other.
func TestDocumentationHasEveryField(t *testing.T) {
	raw, err := os.ReadFile("../../docs/influx.md")
	if err != nil {
		t.Fatal(err)
	}
	checkDocumentation(t, string(raw), "### Fields of rtt and rtt_hour\n", sampleFields)
	checkDocumentation(t, string(raw), "### Fields of throughput\n", throughputFields)
	checkDocumentation(t, string(raw), "### Fields of monitor\n", monitorFields)
	checkDocumentation(t, string(raw), "### Fields of budget\n", budgetFields)
}

func checkDocumentation[T any](t *testing.T, all, heading string, fields []field[T]) {
	t.Helper()
	_, section, _ := strings.Cut(all, heading)
	section, _, _ = strings.Cut(section, "\n###")
	documented := map[string]bool{}
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| `") {
			documented[strings.TrimSuffix(line, "\n")] = true
		}
	}
	for i := range fields {
		row := documentation(t, &fields[i])
		if !documented[row] {
			t.Errorf("docs/influx.md has no row\n%s", row)
		}
		delete(documented, row)
	}
	for row := range documented {
		t.Errorf("docs/influx.md has a row for no field:\n%s", row)
	}
}

// The questions of docs/influx.md are answered by a real server.
func TestDocumentedQuestionsAreAnswered(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	database, _, _ := strings.Cut(bucket, "/")
	c := open(t, Options{URL: s.URL, Bucket: bucket, Token: s.Token, Instance: "0123abcd"})
	start := time.Now().Add(-time.Hour)
	var entries []perigee.Entry
	for _, sample := range storagetest.NewGenerator(1).Samples(start, 20, storagetest.Stream("a", "x"), storagetest.Stream("b", "x")) {
		entries = append(entries, perigee.Entry{Kind: perigee.EntryWindow, Orbit: perigee.OrbitGEO, Sample: &sample})
	}
	entries = append(entries, perigee.Entry{Kind: perigee.EntryOutage, Outage: &perigee.Outage{Stream: storagetest.Stream("a", "x"), Start: start, End: start.Add(time.Minute), Probes: 300}})
	transfer := storagetest.NewGenerator(1).Throughput(storagetest.Transfer("a", perigee.LoadDown), start)
	entries = append(entries, perigee.Entry{Kind: perigee.EntryThroughput, Throughput: &transfer})
	if err := c.Write(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../../docs/influx.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for i, block := range strings.Split(string(raw), "```") {
		block = strings.TrimSpace(block)
		switch {
		case i%2 == 0:
		case strings.HasPrefix(block, "from("):
			result, err := c.query(t.Context(), strings.ReplaceAll(block, `"perigee"`, `"`+bucket+`"`))
			if err != nil {
				t.Fatalf("%s: %v", block, err)
			}
			rows := 0
			for result.Next() {
				if result.Record().Value() != nil {
					rows++
				}
			}
			if result.Err() != nil || rows == 0 {
				t.Errorf("%s: %d rows, %v", block, rows, result.Err())
			}
			asked++
		case strings.HasPrefix(block, "SELECT "):
			for line := range strings.Lines(block) {
				statement := strings.Replace(strings.TrimSpace(line), " FROM ", " FROM "+identifier(database)+".autogen.", 1)
				if got := s.Exec(t, statement); !strings.Contains(got, `"values"`) {
					t.Errorf("%s: %s", statement, got)
				}
				asked++
			}
		}
	}
	if asked != 7 {
		t.Errorf("asked %d questions, want 7", asked)
	}
}
