package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// documented returns the rows of the tables of docs/configuration.md that begin with a
// key: its path without [] and the whole row.
func documented(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\|.*$").FindAllStringSubmatch(string(data), -1) {
		if _, twice := rows[row[1]]; twice {
			t.Errorf("%s is documented twice", row[1])
		}
		rows[row[1]] = row[0]
	}
	return rows
}

// TestEveryKeyIsDocumented keeps docs/configuration.md and the grammar together: every
// key has its row, and no row is of a key that does not exist.
func TestEveryKeyIsDocumented(t *testing.T) {
	rows := documented(t)
	known := make(map[string]bool)
	headings := map[string]bool{"site": true, "links": true, "targets": true, "probes": true, "probes.icmp": true, "probes.transfer": true, "storage": true, "api": true, "api.tls": true}
	for _, path := range keyPaths(reflect.TypeFor[rawFile](), "") {
		known[path] = true
		if _, ok := rows[path]; !ok && !headings[path] {
			t.Errorf("docs/configuration.md has no row for %s", path)
		}
	}
	for path := range rows {
		if !known[path] {
			t.Errorf("docs/configuration.md documents %s, which does not exist", path)
		}
	}
}

// TestDocumentedValues compares the defaults and bounds of the tables with those of the
// code.
func TestDocumentedValues(t *testing.T) {
	rows := documented(t)
	to := func(low, high any) string { return fmt.Sprintf("%v to %v", low, high) }
	for path, want := range map[string][]string{
		"site.name":                {"`" + DefaultSiteName + "`"},
		"links[].orbit":            {"`" + strings.Join(orbitNames(), "`, `") + "`"},
		"probes.icmp.interval":     {"`" + span(DefaultInterval) + "`", to(span(minInterval), span(maxInterval))},
		"probes.icmp.window":       {"`" + span(DefaultWindow) + "`", to(span(minWindow), span(maxWindow))},
		"probes.icmp.loss_timeout": {to(span(minLossTimeout), span(maxLossTimeout)), span(geoFloor)},
		"probes.icmp.outage_after": {"`" + span(DefaultOutageAfter) + "`", to(span(minOutageAfter), span(maxOutageAfter))},
		"probes.icmp.size":         {fmt.Sprintf("`%d`", DefaultSize), to(minSize, maxSizeICMP)},
		"links[].budget.bytes":     {to(size(minBudget), size(maxBudget))},
		"links[].budget.reserve":   {"`" + percentage(DefaultReserve) + "`", to("0%", percentage(maxReserve))},
		"links[].budget.used":      {to(size(0), size(maxBudget))},
		"links[].plan.down":        {to(bitRate(minPlanRate), bitRate(maxPlanRate))},
		"links[].plan.up":          {to(bitRate(minPlanRate), bitRate(maxPlanRate))},
		"probes.transfer.every":    {"`" + span(DefaultEvery) + "`", to(span(minEvery), span(maxEvery))},
		"probes.transfer.schedule": {"| `" + DefaultSchedule + "` |", "| `" + strings.Join(schedules, "`, `") + "` |"},
		"probes.transfer.method":   {"| `" + strings.Join(methods, "`, `") + "` |"},
		"probes.transfer.directions": {
			"`[" + strings.Join(directions, ", ") + "]`", "| `" + strings.Join(directions, "`, `") + "` |",
		},
		"probes.transfer.streams":         {"by orbit: 8; 64 down over geo", to(1, maxStreams)},
		"probes.transfer.max_duration":    {to(span(minMaxDuration), span(maxMaxDuration))},
		"probes.transfer.max_bytes":       {"`" + size(DefaultMaxBytes) + "`", to(size(minMaxBytes), size(maxMaxBytes))},
		"probes.transfer.precision":       {"`" + percentage(DefaultPrecision) + "`", to("0%", percentage(maxPrecision))},
		"probes.transfer.busy_above":      {"`" + bitRate(DefaultBusyAbove) + "`", to(bitRate(minBusyAbove), bitRate(maxBusyAbove))},
		"probes.transfer.loaded_interval": {"`" + span(DefaultLoadedInterval) + "`", to(span(minInterval), span(maxLoadedInterval))},
		"storage.path":                    {"`" + DefaultStoragePath + "`"},
		"storage.keep.singletons":         {"`" + retention(DefaultKeepSingletons) + "`", to(span(minKeepSingletons), span(maxKeep))},
		"storage.keep.windows":            {"`" + retention(DefaultKeepWindows) + "`", to(span(minKeepWindows), span(maxKeep))},
		"storage.keep.rollups":            {"`" + retention(Forever) + "`", to(span(minKeepWindows), span(maxKeep))},
		"storage.influxdb.bandwidth": {
			"`auto`: " + bitRate(MeteredBandwidth), to(bitRate(minBandwidth), bitRate(maxBandwidth)), "`" + bitRate(Unlimited) + "`",
		},
		"storage.influxdb.token_file": {TokenVariable},
		"api.listen":                  {"`" + DefaultListen + "`"},
		"api.insecure":                {"`no_tls`, `no_tokens`"},
	} {
		for _, part := range want {
			if !strings.Contains(rows[path], part) {
				t.Errorf("row of %s does not say %q:\n%s", path, part, rows[path])
			}
		}
	}
}

// TestDocumentedExamples reads every YAML block of docs/configuration.md, with what is
// required added.
func TestDocumentedExamples(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(data), -1)
	if len(blocks) == 0 {
		t.Fatal("no examples found")
	}
	required := strings.SplitAfter(minimal, "eth0}\n")
	for _, block := range blocks {
		text := "site: {latitude: -35.28, longitude: 149.13}\n" + block[1]
		if !strings.Contains(text, "links:") {
			text += required[0]
		}
		if !strings.Contains(text, "targets:\n") {
			text += required[1]
		}
		if c, err := Parse("example.yaml", []byte(text)); err != nil || len(c.Warnings) > 0 {
			t.Errorf("%s: %v %v", text, err, c.Warnings)
		}
	}
}
