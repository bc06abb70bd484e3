package storagetest

import (
	"slices"
	"testing"
	"time"

	"perigee"
)

// Means and sums of merged samples depend on the order of additions in their last
// digits.
const sumTolerance = 1e-9

func (s *suite) rollups(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(15)
	g.Window, g.Interval = 30*time.Second, 3*time.Second
	a, b := Stream("a", "x"), Stream("b", "x")
	// From 22:00 over midnight to 02:40, in three parts with a hole between
	// them, of which the second does not begin on the grid.
	samples := g.Samples(epoch, 120, a, b)
	samples = append(samples, g.Samples(epoch.Add(90*time.Minute+123*time.Millisecond), 80, b)...)
	samples = append(samples, g.Samples(epoch.Add(3*time.Hour), 200, a)...)
	for chunk := range slices.Chunk(samples, 500) {
		appendAll(t, store, perigee.Batch{Samples: chunk})
	}
	s.checkRollups(t, store, samples, perigee.Query{})
	s.checkRollups(t, store, samples, perigee.Query{Links: []perigee.LinkID{"b"}})

	// The bounds hold for the start of the merged sample, the first window's.
	q := perigee.Query{Resolution: perigee.Hours, From: epoch.Add(90*time.Minute + 123*time.Millisecond), To: epoch.Add(4 * time.Hour)}
	got := collect(t, store.Samples(t.Context(), q))
	// Of b: 23:30:00.123 and 00:00:00.123 (80 windows are 40 minutes); of a: 01:00.
	if len(got) != 3 || !got[0].Start.Equal(q.From) || !got[2].Start.Equal(epoch.Add(3*time.Hour)) {
		t.Fatalf("hours from %s to %s: got %d, want three", q.From, q.To, len(got))
	}
	if got := collect(t, store.Samples(t.Context(), perigee.Query{Resolution: perigee.Days, From: epoch.Add(1)})); len(got) != 2 {
		t.Errorf("days after the first start: got %d, want two", len(got))
	}
}

// checkRollups compares the hours and days that a store yields with merged windows.
func (s *suite) checkRollups(t *testing.T, store perigee.Store, windows []perigee.Sample, q perigee.Query) {
	t.Helper()
	windows = stripped(slices.DeleteFunc(slices.Clone(windows), func(s perigee.Sample) bool { return !q.Matches(s.Stream) }))
	q.Resolution = perigee.Hours
	expect(t, collect(t, store.Samples(t.Context(), q)), rollUp(windows, time.Hour), Tolerances{Sums: sumTolerance})
	q.Resolution = perigee.Days
	expect(t, collect(t, store.Samples(t.Context(), q)), rollUp(windows, 24*time.Hour), Tolerances{Sums: sumTolerance})
}

func (s *suite) lateWindows(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(16)
	g.Window, g.Interval = time.Minute, 6*time.Second
	samples := g.Samples(epoch, 200, Stream("a", "x"))
	late := slices.Clone(samples)
	g.rand.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
	for i := 0; i < len(late); i += 50 {
		appendAll(t, store, perigee.Batch{Samples: late[i : i+50]})
		appendAll(t, store, perigee.Batch{Samples: late[i : i+10]}) // again
		s.checkRollups(t, store, late[:i+50], perigee.Query{})
	}
}

func (s *suite) clockSetBack(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(17)
	stream := Stream("a", "x")
	samples := g.Samples(epoch, 10, stream)
	samples = append(samples, g.Samples(epoch.Add(-30*time.Second+1), 10, stream)...)
	samples = append(samples, g.Samples(epoch.Add(2), 10, stream)...)
	appendAll(t, store, perigee.Batch{Samples: samples})
	expect(t, collect(t, store.Samples(t.Context(), perigee.Query{})), stripped(samples), s.tolerances)
	s.checkRollups(t, store, samples, perigee.Query{})
}
