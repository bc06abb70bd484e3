package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
)

// reconcile holds the store, the database and the process against what happened.
func (w *week) reconcile(t *testing.T, server *influxtest.Server) {
	t.Helper()
	store, err := sqlite.OpenReader(t.Context(), storeFile(w.dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all perigee.Counts
	for i, l := range weekLinks {
		var c perigee.Counts
		for s, err := range store.Samples(t.Context(), perigee.Query{Links: []perigee.LinkID{l.link.ID}, Resolution: perigee.Days}) {
			if err != nil {
				t.Fatal(err)
			}
			c.Merge(s.Counts)
		}
		truth := w.links[i].counted()
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", l.link.ID, err)
		}
		// Whose fate was open when the clocks were last looked at before the machine fell
		// asleep, at most two intervals ago, is skipped, whatever became of it.
		if c.Skipped > w.asleep[i]+2 || c.Sent+c.Skipped != truth.sent || c.SendFailed != truth.failed || c.Received > truth.received || c.Lost > truth.lost {
			t.Errorf("%s: counts %+v, true are %+v, and %d on their way when the machine fell asleep", l.link.ID, c, truth, w.asleep[i])
		}
		all.Merge(c)
	}
	t.Logf("%+v", all)
	pending, _, dead, err := store.Pending(t.Context())
	if err != nil || dead != 0 {
		t.Errorf("%d results wait, %d were refused, %v", pending, dead, err)
	}
	database, kept := windowsAt(t, server, w.bucket), windowsIn(t, store)
	planned, missing := int64(0), int64(0)
	for _, n := range database {
		planned += n
	}
	for m, n := range kept {
		at, ok := database[m]
		if !ok && time.Unix(0, m.start).After(w.ended.Add(-time.Minute)) {
			missing, planned = missing+1, planned+n // it was stored when nothing was forwarded any more
		} else if at != n {
			t.Errorf("%+v has %d probes, %d at the database", m, n, at)
		}
	}
	// That the daemon ended is stored last of all.
	if planned != all.Planned || pending != missing+1 {
		t.Errorf("%d probes are at the database or in %d windows that wait, the store had %d; %d results wait", planned, missing, all.Planned, pending)
	}
	t.Logf("%d windows at the database, %d of %d in the store not, as they were stored at the end", len(database), missing, len(kept))
	w.reconcileEvents(t, store)
	w.reconcileBudgets(t)
	w.judge(t)
}

// reconcileEvents holds outages, gaps, events and transfers against the script.
func (w *week) reconcileEvents(t *testing.T, store *sqlite.Store) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	past := func(at time.Duration) int {
		if at < time.Duration(w.days)*day {
			return 1
		}
		return 0
	}
	note := func(what string, n int) {
		if n != 0 {
			want[what] += n
		}
	}
	for _, o := range w.outages() {
		for _, i := range o.links {
			note("outage of "+string(weekLinks[i].link.ID), 1)
		}
	}
	lives := 1 + past(weekRestart)
	note("gap stopped", 4*(lives-1))
	note("gap suspended", past(weekSleep))
	note("gap clock_step", past(weekForward)+past(weekBackwards))
	note("event started", lives)
	note("event stopped", lives)
	note("event reloaded", w.days)
	note("event clock_set_forward", past(weekForward))
	note("event clock_set_back", past(weekBackwards))
	note("transfer", int(w.made.Load()))

	outages, err := store.Outages(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	// A transfer parts an outage: one of the probes beside it, and those before and after.
	latest := map[perigee.LinkID]time.Time{}
	slices.SortFunc(outages, func(a, b perigee.Outage) int { return a.Start.Compare(b.Start) })
	for _, o := range outages {
		if o.Start.Sub(latest[o.Stream.Link]) > time.Second {
			got["outage of "+string(o.Stream.Link)]++
		}
		latest[o.Stream.Link] = o.End
	}
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		got["gap "+string(g.Reason)]++
	}
	events, err := store.Events(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == perigee.EventTransferSkipped {
			t.Logf("%s %s", e.Time.Format(time.DateTime), e.Detail) // by the budget's rules, which have tests of their own
			continue
		}
		got["event "+string(e.Kind)]++
	}
	for _, err := range store.Throughputs(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got["transfer"]++
	}
	for _, what := range slices.Sorted(maps.Keys(got)) {
		t.Logf("%d %s", got[what], what)
	}
	if !maps.Equal(got, want) {
		t.Errorf("on record are %v, there were %v", got, want)
		for _, o := range outages {
			t.Logf("%+v", o)
		}
	}
}

// reconcileBudgets holds what probing used of the month that began in the week against
// the probes that were sent and answered since, to the minute in which they are decided.
func (w *week) reconcileBudgets(t *testing.T) {
	t.Helper()
	if len(w.monthly) == 0 {
		return
	}
	for i, b := range w.budgets {
		if i == 0 {
			continue // it has no budget: its month is the system's
		}
		was, is := w.monthly[i], w.budgeted[i]
		want := float64(is.sent+is.received-was.sent-was.received) * float64(plan{size: 56}.packet(perigee.IPv4))
		got := float64(b.Used[perigee.PurposeProbing])
		t.Logf("%s: probing used %.1f MB of the month from %s on, the truth is %.1f", b.Link, got/1e6, b.Start, want/1e6)
		if !near(got, want, 0.001) {
			t.Errorf("%s: probing used %.0f bytes of the month from %s on, want %.0f", b.Link, got, b.Start, want)
		}
	}
}
