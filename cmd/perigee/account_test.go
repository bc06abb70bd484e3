package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"perigee"
	"perigee/probes"
	"perigee/storage/sqlite"
)

// accountPlan is of one link that needs no device to be counted for.
func accountPlan() plan {
	return plan{
		site: perigee.Site{Name: "home"}, links: []perigee.Link{{ID: "geo", Orbit: perigee.OrbitGEO, Interface: "wan9"}},
		interval: time.Second, size: 56,
	}
}

// What was moved is known in the next life, also to a clock that was set back into the
// billing month before: nothing is handed out twice.
func TestTheAccountSurvivesRestartsAndClocks(t *testing.T) {
	store := openStore(t)
	now := time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC)
	open := func() *account {
		t.Helper()
		a, err := newAccount(t.Context(), store, accountPlan(), func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		return a
	}
	budget := probes.Budget{Bytes: 1e9, UsedOn: now.AddDate(0, 0, -1)}
	spent := func(a *account) probes.Use { return a.spent("geo", budget, now) }

	a := open()
	a.add("geo", perigee.PurposeTransfer, 1000)
	a.add("geo", perigee.PurposeOutbox, 200)
	a.add("elsewhere", perigee.PurposeOutbox, 7) // no link of ours
	sample := perigee.Sample{Stream: perigee.Stream{Link: "geo", Family: perigee.IPv4}, Counts: perigee.Counts{Planned: 6, Sent: 5, Received: 3, Late: 1, Lost: 1, Duplicates: 1, SendFailed: 1}}
	a.probed([]perigee.Sample{sample})
	const probing = (5 + 3 + 1 + 1) * (20 + 8 + 56)
	want := probes.Use{Scheduled: 1000, Forwarding: 200, Probing: probing}
	if got := spent(a); got != want {
		t.Errorf("spent %+v, want %+v", got, want)
	}
	if err := a.record(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.record(t.Context()); err != nil { // owes nothing more
		t.Fatal(err)
	}
	a = open()
	if got := spent(a); got != want {
		t.Errorf("in the next life %+v, want %+v", got, want)
	}
	now = now.Add(time.Hour) // April
	a.add("geo", perigee.PurposeManual, 50)
	if got := spent(a); got.Total() != 50 {
		t.Errorf("in the next month %+v, want what was moved in it", got)
	}
	now = now.Add(-2 * time.Hour) // March again, by a wrong clock
	a.add("geo", perigee.PurposeManual, 60)
	if err := a.record(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = open()
	now = now.Add(3 * time.Hour)
	if got := spent(a); got.Total() != 110 {
		t.Errorf("after the clock was set back and right again %+v, want 110 bytes in April", got)
	}
}

// What the store does not take is owed, and counted once.
func TestTheAccountOwesWhatWasNotStored(t *testing.T) {
	store := openStore(t)
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	a, err := newAccount(t.Context(), store, accountPlan(), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.add("geo", perigee.PurposeTransfer, 1000)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.record(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("recording with a dead context: %v", err)
	}
	a.add("geo", perigee.PurposeTransfer, 24)
	for range 2 {
		if err := a.record(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := store.Ledger(t.Context(), "home", "geo", time.Time{})
	if want := []sqlite.Moved{{At: now, Purpose: perigee.PurposeTransfer, Bytes: 1024}}; err != nil || len(got) != 1 || got[0] != want[0] {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}
