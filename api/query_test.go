package api

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"perigee"
)

func TestTimesInQueries(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-03-01T12:00:00Z":           noon,
		"2026-03-01T13:00:00+01:00":      noon,
		"2026-03-01T13:00:00 01:00":      noon, // a "+" that was not escaped
		"2026-03-01T12:00:00.123456789Z": noon.Add(123456789),
		"1772366400":                     noon,
		"1772366400.5":                   noon.Add(500 * time.Millisecond),
		"1772366400.123456789":           noon.Add(123456789), // a float64 would say .123456717
		"0":                              time.Unix(0, 0),
		"253402300799":                   time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"90m":                            noon.Add(-90 * time.Minute),
		"24h":                            noon.Add(-24 * time.Hour),
		"7d":                             noon.Add(-7 * 24 * time.Hour),
		"1d12h":                          noon.Add(-36 * time.Hour),
		"1.5h":                           noon.Add(-90 * time.Minute),
	} {
		got, err := parseTime("from", text, noon)
		if err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "now", "-1", "1e9", "0x10", "1.", ".5", "1.1234567890", "253402300800", "99999999999999999999",
		"24H", "-24h", "+24h", "d", "7d-1h", "0d", "0s", "7dd", "40000d", "999999999h", "1y", "２４h", "2026-03-01", "1969-12-31T23:59:59Z",
	} {
		if got, err := parseTime("from", text, noon); err == nil {
			t.Errorf("parseTime(%q) = %v, want an error", text, got)
		}
	}
}

func TestRangesHaveDefaults(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in       RangeParams
		from, to time.Time
	}{
		{RangeParams{}, noon.Add(-time.Hour), noon},
		{RangeParams{From: "3h"}, noon.Add(-3 * time.Hour), noon},
		{RangeParams{From: "3h", To: "1h"}, noon.Add(-3 * time.Hour), noon.Add(-time.Hour)},
		{RangeParams{To: "2h"}, noon.Add(-3 * time.Hour), noon.Add(-2 * time.Hour)}, // the hour before to
	} {
		from, to, err := c.in.parse(noon)
		if err != nil || !from.Equal(c.from) || !to.Equal(c.to) {
			t.Errorf("%+v = %v to %v, %v, want %v to %v", c.in, from, to, err, c.from, c.to)
		}
	}
}

func TestNearestSuggestsWhatWasMeant(t *testing.T) {
	candidates := []string{"from", "to", "link", "target", "metric"}
	for word, want := range map[string]string{
		"form": "from", "frm": "from", "FROM": "from", "lnk": "link", "links": "link", "tagret": "target", "metrics": "metric",
		"zzzzzzzz": "", "x": "", strings.Repeat("from", 100): "",
	} {
		if got := nearest(word, candidates); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
	// kitten, sitting: the example of the literature, 3.
	if d := editDistance("kitten", "sitting"); d != 3 {
		t.Errorf("editDistance(kitten, sitting) = %d, want 3", d)
	}
}

// FuzzQuery reads any query as /outages would: it must refuse it with a complete
// problem or yield a range within what RFC 3339 can write.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "from=24h", "from=7d&to=1d", "from=1772366400.5&to=2026-03-01T12:00:00%2B01:00", "form=1h", "from=%ff", "from=1h;to=2h",
		"from=36525d&to=253402300799", "links=a,,b", "step=1ns", "from=9223372036854775807", "from=0001-01-01T00:00:00Z", "a=b&c=d",
	} {
		f.Add(seed)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw string) {
		known := []string{"links", "from", "to", "step", "metric"}
		if p := checkQuery(raw, known); p != nil {
			if p.Detail == "" || p.Remedy == "" || p.Status != 400 {
				t.Fatalf("incomplete problem %+v", p)
			}
			return
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("checkQuery passed what does not parse: %v", err)
		}
		_, _ = parseMetric(values.Get("metric"), perigee.Metric.Drawable)
		if links, err := parseLinks(values.Get("links")); err == nil {
			for _, l := range links {
				if l == "" {
					t.Fatal("an empty link name")
				}
			}
		}
		from, to, err := RangeParams{From: values.Get("from"), To: values.Get("to")}.parse(at)
		if err != nil {
			if p := problemOf(err); p.Status != 400 || p.Parameter == "" || p.Remedy == "" {
				t.Fatalf("incomplete problem %+v", p)
			}
			return
		}
		if !from.Before(to) || from.Unix() < -3600 || to.Unix() > maxUnix {
			t.Fatalf("range %v to %v", from, to)
		}
		if step, err := parseStep(values.Get("step"), to.Sub(from)); err == nil && step != 0 && (step < time.Second || to.Sub(from)/step > maxSteps) {
			t.Fatalf("step %v over %v", step, to.Sub(from))
		}
	})
}
