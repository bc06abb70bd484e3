package sqlite_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
)

// The ledger has every quarter of a link, in order, from the quarter that was asked for.
func TestLedgerIsWhatWasCounted(t *testing.T) {
	store := open(t)
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var want []sqlite.Moved
	for _, m := range []sqlite.Moved{
		{begin.Add(30 * time.Minute), perigee.PurposeTransfer, 4}, {begin, perigee.PurposeProbing, 1},
		{begin, perigee.PurposeOutbox, 2}, {begin.Add(-15 * time.Minute), perigee.PurposeProbing, 8},
	} {
		for range 3 {
			if err := store.AddTraffic(t.Context(), "home", "a", m.Purpose, m.At.Add(14*time.Minute), m.Bytes); err != nil {
				t.Fatal(err)
			}
		}
		m.Bytes *= 3
		want = append(want, m)
	}
	if err := store.AddTraffic(t.Context(), "home", "b", perigee.PurposeProbing, begin, 100); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want, func(a, b sqlite.Moved) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Purpose, b.Purpose)) })
	for n, from := range []time.Time{{}, begin.Add(10 * time.Minute), begin.Add(15 * time.Minute)} {
		got, err := store.Ledger(t.Context(), "home", "a", from)
		if err != nil || !slices.Equal(got, want[[]int{0, 1, 3}[n]:]) {
			t.Errorf("since %v: %v, %v, want of %v", from, got, err, want)
		}
	}
}
