package probes

import (
	"math/rand/v2"
	"testing"
	"time"

	"perigee"
)

// TestLedgerStaysSmall fills a ledger for three years, with a pause of months and an hour
// under a clock that ran years ahead in between, and holds what it tells of every month
// against the sum of what was entered.
func TestLedgerStaysSmall(t *testing.T) {
	start := time.Date(2026, time.January, 5, 10, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(1, 1))
	var l Ledger
	var all []Moved
	enter := func(at time.Time) {
		m := Moved{At: at, Purpose: perigee.PurposeProbing, Bytes: 1 + rng.Int64N(1000)}
		m.At = l.Add(m)
		all = append(all, m)
	}
	sum := func(from, to time.Time) (bytes int64) {
		for _, m := range all {
			if !m.At.Before(from) && m.At.Before(to) {
				bytes += m.Bytes
			}
		}
		return bytes
	}
	now := start
	for now = start; now.Before(start.AddDate(3, 0, 0)); now = now.Add(quarter) {
		switch {
		case now.Year() == 2027 && now.Month() >= time.June && now.Month() < time.September:
			continue // the machine was off
		case now.Equal(start.AddDate(2, 9, 0)):
			for n := range 4 {
				enter(now.AddDate(7, 0, 0).Add(time.Duration(n) * quarter))
			}
		}
		enter(now)
	}
	const most = finePages + coarsenAt + 3*366 + 10
	if len(l.pages) > most {
		t.Errorf("%d pages after three years, want %d at most", len(l.pages), most)
	}
	if first, ok := l.First(); !ok || !first.Equal(start) {
		t.Errorf("the count began at %s, want %s", first, start)
	}
	// A month that was asked for while it lasted, and the one before it: to the byte.
	for _, from := range []time.Time{now.AddDate(0, 0, -31), now.AddDate(0, 0, -62), now.AddDate(0, 0, -92)} {
		if got, want := l.Since(from, now).Probing, sum(from, now.Add(ledgerReach)); got != want {
			t.Errorf("since %s: %d bytes, want %d", from, got, want)
		}
	}
	// Older ones: to the day.
	for from := start; from.Before(now); from = from.AddDate(0, 0, 17) {
		got := l.Since(from, now).Probing
		day := from.Truncate(24 * time.Hour)
		if low, high := sum(day.AddDate(0, 0, 1), now.Add(ledgerReach)), sum(day, now.Add(ledgerReach)); got < low || got > high {
			t.Errorf("since %s: %d bytes, want between %d and %d", from, got, low, high)
		}
	}
	// Made anew from what was stored, it is the same.
	var again Ledger
	for _, m := range all {
		if at := again.Add(m); !at.Equal(m.At) {
			t.Fatalf("%s was entered at %s the second time", m.At, at)
		}
	}
	if got, want := again.Since(start, now), l.Since(start, now); got != want {
		t.Errorf("made anew it tells %+v, want %+v", got, want)
	}
}
