package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"perigee"
)

// scriptedBudget answers as it is told to.
type scriptedBudget struct {
	states []BudgetState
	err    error
}

func (b *scriptedBudget) Budgets(context.Context) ([]BudgetState, error) { return b.states, b.err }

// newBudget returns a budget of a link whose tests are further apart than configured,
// and the account of one without.
func newBudget() *scriptedBudget {
	start := time.Date(2026, 2, 12, 0, 0, 0, 0, time.FixedZone("aedt", 11*3600))
	return &scriptedBudget{states: []BudgetState{
		{Site: "home", Link: "fibre", Start: start, End: start.AddDate(0, 1, 0), Used: map[perigee.Purpose]int64{perigee.PurposeProbing: 90_000_000}, Device: -1, Stretch: 1},
		{Site: "home", Link: "geo", Start: start, End: start.AddDate(0, 1, 0), Allowance: 30e9, Left: 10.5e9, Steady: 0.2e9, Reserved: 1.5e9, Round: 250e6, Manual: 10.3e9,
			Used:   map[perigee.Purpose]int64{perigee.PurposeProbing: 100e6, perigee.PurposeOutbox: 400e6, perigee.PurposeTransfer: 17e9, perigee.PurposeManual: 1e9, PurposeEarlier: 1e9},
			Device: 24.7e9, NextTest: now.Add(71 * time.Minute), Stretch: 1.8},
	}}
}

func TestBudgetAnswersAreGolden(t *testing.T) {
	o := testOptions(t)
	o.Budget = newBudget()
	golden(t, "budget.json", indent(t, ask(t, New(o), http.MethodGet, "/api/v1/budget").Body.Bytes()))
}

func TestBudgetInWords(t *testing.T) {
	end := now.Add(18 * 24 * time.Hour)
	used := map[perigee.Purpose]int64{"transfer": 62e9}
	for name, c := range map[string]struct {
		budget      BudgetState
		state, text string
	}{
		"none":      {BudgetState{Used: used, End: end}, "none", "62.0 GB moved, no budget"},
		"ok":        {BudgetState{Allowance: 200e9, Left: 138e9, Used: used, End: end, Stretch: 1}, "ok", "62.0 GB of 200 GB used, 18 days left"},
		"stretched": {BudgetState{Allowance: 200e9, Left: 138e9, Used: used, End: end, Stretch: 2.25}, "stretched", "62.0 GB of 200 GB used, 18 days left; transfers are 2.2 times further apart than configured, so that it lasts"},
		"waiting":   {BudgetState{Allowance: 200e9, Left: 1e6, End: end, Skip: "too little is left"}, "waiting", "200 GB of 200 GB used, 18 days left; no transfers now: too little is left"},
		"used_up":   {BudgetState{Allowance: 200e9, End: end}, "used_up", "200 GB of 200 GB used, 18 days left; no transfers until then"},
		"over":      {BudgetState{Allowance: 999_999, Left: 0, End: now.Add(-time.Hour)}, "used_up", "1.00 MB of 1.00 MB used, 0 s left; no transfers until then"},
	} {
		got := NewLinkBudget(c.budget, now)
		if got.State != c.state || got.StateText != c.text {
			t.Errorf("%s: %s, %q, want %s, %q", name, got.State, got.StateText, c.state, c.text)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.00 kB", 99_949: "99.9 kB", 99_950: "100 kB", 999_500: "1.00 MB", 12_345_678: "12.3 MB", 5e12: "5.00 TB", 5e15: "5000 TB"} {
		if got := byteWords(n); got != want {
			t.Errorf("byteWords(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestWithoutABudgetThereIsAProblem(t *testing.T) {
	if p := problemIn(t, ask(t, New(testOptions(t)), http.MethodGet, "/api/v1/budget")); p.Status != http.StatusNotFound {
		t.Errorf("none: %+v", p)
	}
	o := testOptions(t)
	o.Budget = &scriptedBudget{err: &perigee.Error{Code: perigee.CodeUnavailable, Message: "the store is locked", Err: errors.New("busy")}}
	if p := problemIn(t, ask(t, New(o), http.MethodGet, "/api/v1/budget")); p.Status != http.StatusServiceUnavailable || p.Detail != "the store is locked" {
		t.Errorf("failing: %+v", p)
	}
}

func TestBudgetMetrics(t *testing.T) {
	o := testOptions(t)
	o.Budget = newBudget()
	o.Feed = &Feed{}
	list := newThroughputs()
	older := list[0]
	older.Start, older.Rate = older.Start.Add(-time.Hour), 1
	o.Feed.Publish(perigee.Batch{Throughputs: append(list, older)})
	wantLines(t, ask(t, New(o), http.MethodGet, "/metrics").Body.String(), `# TYPE perigee_budget_bytes gauge
perigee_budget_bytes{link="geo",site="home"} 3e+10
perigee_budget_left_bytes{link="geo",site="home"} 1.05e+10
perigee_budget_used_bytes{link="fibre",purpose="probing",site="home"} 9e+07
perigee_budget_used_bytes{link="geo",purpose="earlier",site="home"} 1e+09
perigee_budget_used_bytes{link="geo",purpose="transfer",site="home"} 1.7e+10
perigee_budget_device_bytes{link="geo",site="home"} 2.47e+10
perigee_budget_period_end_timestamp_seconds{link="geo",site="home"} 1.773234e+09
perigee_throughput_bits_per_second{direction="down",family="ipv4",link="geo",method="perigee",site="home",target="far"} 4e+07
perigee_throughput_bits_per_second{direction="up",family="ipv4",link="fibre",method="ookla",site="home",target="Sydney"} 8e+06
perigee_throughput_timestamp_seconds{direction="down",family="ipv4",link="geo",method="perigee",site="home",target="far"} 1.77236652e+09
perigee_throughput_error_ratio{direction="down",family="ipv4",link="geo",method="perigee",site="home",target="far"} 0.04
perigee_throughput_wire_bytes{direction="down",family="ipv4",link="geo",method="perigee",site="home",target="far"} 1.12e+07
perigee_throughput_idle_rtt_seconds{direction="down",family="ipv4",link="geo",method="perigee",site="home",target="far"} 0.618
perigee_throughput_loaded_rtt_seconds{direction="down",family="ipv4",link="geo",method="perigee",site="home",target="far"} 0.918
`, "perigee_budget_device_bytes{link=\"fibre\"", "perigee_budget_bytes{link=\"fibre\"", "error_ratio{direction=\"up\"", "rtt_seconds{direction=\"up\"")
}

// wantLines expects each of lines in what /metrics says, and none that begins like the
// others.
func wantLines(t *testing.T, body, lines string, others ...string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if !strings.Contains(body, line) {
			t.Errorf("/metrics does not say\n%s", line)
		}
	}
	for _, other := range others {
		if strings.Contains(body, other) {
			t.Errorf("/metrics says something of %s", other)
		}
	}
}
