package dashboards_test

import (
	"encoding/json"
	"testing"

	"perigee/dashboards/webtest"
	"perigee/storage/storagetest"
)

// BenchmarkPan pans a chart of 100,000 points with a band in a real browser, and prints
// its time between frames as a ratio to that of a chart of 1,000 points in the same page.
func BenchmarkPan(b *testing.B) {
	url := served(b, storagetest.NewMemory())
	const few, many = 1000, 100_000
	for b.Loop() {
		result := webtest.Look(b, url, nil, webtest.Check{"name": "pan", "points": []int{few, many}})
		if len(result) != 1 || len(result[0].Failures) > 0 || len(result[0].Notes) != 2 {
			b.Fatalf("%+v", result)
		}
		var took [2]struct{ Between, Between95, Work, Work95 float64 }
		for i, note := range result[0].Notes {
			if err := json.Unmarshal([]byte(note), &took[i]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(took[1].Between/took[0].Between, "frame-ratio")
		b.ReportMetric(took[1].Between95/took[0].Between95, "frame95-ratio")
		b.ReportMetric(took[1].Between95, "ms/frame95")
		b.ReportMetric(took[1].Work95, "ms/work95")
	}
}
