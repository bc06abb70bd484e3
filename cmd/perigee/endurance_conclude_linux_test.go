package main

import (
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
)

// conclude judges what was recorded, and what came of it.
func (e *endurance) conclude() {
	t, r := e.t, e.record
	for _, problem := range r.problems {
		t.Error(problem)
	}
	r.judge(t, e.pace())

	e.askers.mu.Lock()
	defer e.askers.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(e.askers.answers)) {
		fmt.Printf("%6d  %s\n", e.askers.answers[what], what)
	}
	fmt.Printf("%d bytes of answers, %d not as they should be\n", e.askers.bytes, len(e.askers.failures))
	for i, failure := range e.askers.failures {
		if i < 10 {
			t.Errorf("asking: %s", failure)
		}
	}
	e.reconcile()
	if t.Failed() {
		t.Logf("the daemon says:\n%s", e.log())
	}
}

// What the store and the log may grow by. Single probes expire as fast as they come, all
// ten minutes: while they do not, a probe takes ten bytes, see docs/endurance.md.
const (
	mostBytesPerProbe  = 8
	mostBytesUnexpired = 16
	mostLogPerHour     = 64 << 10
)

// rates tells what goes on growing, and holds it against what it may.
func (r *recording) rates(t *testing.T, pace float64) {
	t.Helper()
	hours := r.column("elapsed_seconds")
	for i := range hours {
		hours[i] /= 3600
	}
	probes, used, most := r.column("probes"), r.column("used_bytes"), mostBytesPerProbe
	perProbe, expired := steadyRate(used, probes, r.column("singleton_rows"))
	if !expired {
		most = mostBytesUnexpired
		perProbe, _ = rate(used, probes)
	}
	perHour, _ := rate(probes, hours)
	logged, _ := rate(r.column("log_bytes"), hours)
	processor, _ := rate(r.column("cpu_seconds"), hours)
	fmt.Printf("in the last third: %.0f probes an hour; %.1f kB of log an hour; %.1f %% of a processor; the store grew by %.2f bytes a probe, %.1f MB a day (from one expiry to another: %v)\n",
		perHour, logged/1e3, processor/36, perProbe, perProbe*perHour*24/1e6, expired)
	if perProbe > float64(most) {
		t.Errorf("the store grew by %.2f bytes a probe, may grow by %d", perProbe, most)
	}
	if slack := float64(mostLogPerHour) / pace; logged > slack {
		t.Errorf("%.0f bytes were logged an hour, want %.0f at most", logged, slack)
	}
}

// judge holds all that was recorded against the rules.
func (r *recording) judge(t *testing.T, pace float64) {
	t.Helper()
	var all []judged
	for _, f := range enduring {
		j := f.judge(r.column(f.quantity))
		if all = append(all, j); j.grew {
			t.Errorf("%s grew: %.0f in the second third, %.0f in the last, may be %.0f", j.quantity, j.second, j.last, j.limit())
		}
	}
	fmt.Print(tableOf(all))
	r.rates(t, pace)
}

// TestJudgeReadings judges the readings of an earlier run again.
func TestJudgeReadings(t *testing.T) {
	name := os.Getenv("PERIGEE_ENDURANCE_READINGS")
	if name == "" {
		t.Skip("set PERIGEE_ENDURANCE_READINGS to the file that a run of TestEndurance left")
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil || len(lines) < 2 || !slices.Equal(lines[0], enduranceColumns) {
		t.Fatalf("%s: not readings of this version: %v", name, err)
	}
	r := &recording{}
	for _, line := range lines[1:] {
		row := make([]float64, len(line))
		for i, text := range line {
			if row[i], err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatal(err)
			}
		}
		r.rows = append(r.rows, row)
	}
	r.judge(t, 1)
}

// reconcile holds the database against the store.
func (e *endurance) reconcile() {
	t := e.t
	store, err := sqlite.OpenReader(t.Context(), e.store())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	pending, _, dead, err := store.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, got := windowsIn(t, store), windowsAt(t, e.server, e.bucket)
	missing := 0
	for m, planned := range want {
		if at, ok := got[m]; !ok {
			missing++
		} else if at != planned {
			t.Errorf("%+v planned %d probes, %d at the database", m, planned, at)
		}
	}
	if len(got) != len(want)-missing || missing > int(pending) || dead != 0 {
		t.Errorf("the store has %d windows, the database %d, %d are missing there and %d results wait, %d were refused", len(want), len(got), missing, pending, dead)
	}
	c, rows := perigee.Counts{}, 0
	for s, err := range store.Samples(t.Context(), perigee.Query{From: e.record.begin}) {
		if err != nil {
			t.Fatal(err)
		}
		c.Merge(s.Counts)
		rows++
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	var kinds []string
	for kind, n := range e.events(store) {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(kinds)
	transfers := 0
	for _, err := range store.Throughputs(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		transfers++
	}
	fmt.Printf("%d windows of this run with %d probes planned, %d sent, %d received, %d skipped; %d transfers; events: %s; %d of %d windows at the database, %d results wait\n",
		rows, c.Planned, c.Sent, c.Received, c.Skipped, transfers, strings.Join(kinds, ", "), len(got), len(want), pending)
	if transfers == 0 && e.length >= 10*time.Minute {
		t.Error("no transfer was made")
	}
}

// events counts what happened, by kind.
func (e *endurance) events(store *sqlite.Store) map[perigee.EventKind]int {
	list, err := store.Events(e.t.Context(), perigee.Query{})
	if err != nil {
		e.t.Error(err)
	}
	counts := map[perigee.EventKind]int{}
	for _, event := range list {
		counts[event.Kind]++
	}
	return counts
}
