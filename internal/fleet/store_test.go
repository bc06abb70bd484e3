package fleet

import (
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
)

// TestAStoreHoldsWhatIsCounted compares the fleet's counts with a real store.
func TestAStoreHoldsWhatIsCounted(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "perigee.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := mustNew(t, Options{Homes: 5, Seed: 1, Append: store.Append, Describe: store.Describe})
	if err := f.Backfill(t.Context(), noon, noon.Add(20*time.Minute)); err != nil {
		t.Fatal(err)
	}
	stored := map[perigee.Stream]LinkCount{}
	for s, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		c := stored[s.Stream]
		if c.Windows == 0 {
			c.Site, c.Link, c.First = s.Stream.Site, s.Stream.Link, s.Start
		}
		c.Windows++
		c.Counts.Merge(s.Counts)
		c.Last = s.Start
		stored[s.Stream] = c
	}
	outages, err := store.Outages(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outages {
		c := stored[o.Stream]
		c.Outages++
		stored[o.Stream] = c
	}
	for _, want := range f.Counts() {
		if got := stored[streamOf(want.Site, kindOf(want.Link))]; got != want {
			t.Errorf("stored %+v, counted %+v", got, want)
		}
	}
	links, err := store.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 20 || len(stored) != 20 {
		t.Errorf("%d links described, %d streams stored, want 20", len(links), len(stored))
	}
}
