package influx

import (
	"math"
	"testing"
	"time"

	"perigee"
	"perigee/storage/influx/influxtest"
)

// monitorAt is the state of a monitor with a link that has a budget and one that has none.
func monitorAt(at time.Time) perigee.Entry {
	start, end := at.Add(-10*24*time.Hour), at.Add(20*24*time.Hour)
	return perigee.Entry{Kind: perigee.EntryMonitor, Monitor: &perigee.MonitorState{
		Site: "home", At: at, Pending: 12, Oldest: at.Add(-90 * time.Second), DeadLetters: 1,
		Maker: perigee.Maker{Version: "v1.0.0", Configuration: "0123456789abcdef"}, Since: at.Add(-time.Hour),
		Budgets: []perigee.BudgetUse{
			{Link: "geo", Orbit: perigee.OrbitGEO, Start: start, End: end, Used: 250, Allowance: 1000, Device: 400},
			{Link: "fibre", Orbit: perigee.OrbitTerrestrial, Start: start, End: end, Used: 7, Device: -1},
		},
	}}
}

func TestMonitorLines(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 34, 56, 789, time.UTC)
	passed := monitorAt(at)
	passed.Monitor.Oldest = time.Time{}
	passed.Monitor.Budgets = passed.Monitor.Budgets[:1]
	passed.Monitor.Budgets[0].Used = 1500
	for _, c := range []struct {
		name  string
		entry perigee.Entry
		want  string
	}{
		// 1771504496 is 2026-02-19 12:34:56, 1774096496 is 2026-03-21 12:34:56;
		// the points are of the minute 12:34:00, 1772368440.
		{"what_is_not_known_is_absent", monitorAt(at), "" +
			"monitor,instance=0123abcd,site=home pending=12i,oldest_seconds=90,dead_letters=1i,version=\"v1.0.0\",configuration_hash=\"0123456789abcdef\",since_ns=1772364896000000789i 1772368440000000000\n" +
			"budget,instance=0123abcd,link=geo,orbit=geo,site=home used_bytes=250i,allowance_bytes=1000i,left_bytes=750i,used_ratio=0.25,device_bytes=400i," +
			"period_start_ns=1771504496000000789i,period_end_ns=1774096496000000789i 1772368440000000000\n" +
			"budget,instance=0123abcd,link=fibre,orbit=terrestrial,site=home used_bytes=7i,period_start_ns=1771504496000000789i,period_end_ns=1774096496000000789i 1772368440000000000\n"},
		{"a_budget_that_is_passed_has_nothing_left", passed, "" +
			"monitor,instance=0123abcd,site=home pending=12i,dead_letters=1i,version=\"v1.0.0\",configuration_hash=\"0123456789abcdef\",since_ns=1772364896000000789i 1772368440000000000\n" +
			"budget,instance=0123abcd,link=geo,orbit=geo,site=home used_bytes=1500i,allowance_bytes=1000i,left_bytes=0i,used_ratio=1.5,device_bytes=400i," +
			"period_start_ns=1771504496000000789i,period_end_ns=1774096496000000789i 1772368440000000000\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := appendEntry(nil, c.entry, "0123abcd")
			if err != nil || string(got) != c.want {
				t.Errorf("got %v\n%swant\n%s", err, got, c.want)
			}
		})
	}
	beyond := monitorAt(at)
	beyond.Monitor.Budgets[0].End = time.Unix(math.MaxInt64/1000, 0)
	if _, err := appendEntry(nil, beyond, ""); perigee.CodeOf(err) != perigee.CodeInvalid {
		t.Errorf("a time that cannot be held: %v", err)
	}
}

// A real server takes it, states of one minute are one point, and the fields come back
// as what they are.
func TestMonitorIsWritten(t *testing.T) {
	for _, server := range influxtest.Targets(t) {
		t.Run(server.Name, func(t *testing.T) {
			c := target(t, server)
			minute := time.Now().Truncate(time.Minute)
			early, late := monitorAt(minute.Add(time.Second)), monitorAt(minute.Add(50*time.Second))
			early.Monitor.Pending = 99
			for _, e := range []perigee.Entry{early, late} {
				if err := c.Write(t.Context(), []perigee.Entry{e}); err != nil {
					t.Fatal(err)
				}
			}
			points := map[string]any{}
			from := minute.Add(-time.Second).UnixNano()
			for _, measurement := range []string{measurementMonitor, measurementBudget} {
				err := c.rows(t.Context(), c.question(measurement, from, from+int64(time.Minute)), func(r row) error {
					name := measurement + " " + r.text("link") + " " + r.text("_field")
					if _, twice := points[name]; twice || r.nanoseconds() != minute.UnixNano() {
						t.Errorf("%s is there twice, or at another time: %v", name, r)
					}
					points[name] = r["_value"]
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			for name, want := range map[string]any{
				"monitor  pending": int64(12), "monitor  oldest_seconds": 90.0, "budget geo used_ratio": 0.25, "budget geo left_bytes": int64(750),
				"budget fibre used_bytes": int64(7), "budget fibre used_ratio": nil, "budget fibre device_bytes": nil,
				"monitor  version": "v1.0.0", "monitor  configuration_hash": "0123456789abcdef", "monitor  since_ns": late.Monitor.Since.UnixNano(),
			} {
				if points[name] != want {
					t.Errorf("%s is %v, want %v", name, points[name], want)
				}
			}
			if len(points) != 16 { // 6 of monitor, 7 of the one budget and 3 of the other
				t.Errorf("%d fields: %v", len(points), points)
			}
		})
	}
}
