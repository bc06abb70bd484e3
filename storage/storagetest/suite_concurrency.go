package storagetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"perigee"
)

func (s *suite) earlyStop(t *testing.T) {
	store := s.open(t)
	samples := NewGenerator(13).Samples(epoch, 20, Stream("a", "x"), Stream("b", "x"))
	appendAll(t, store, perigee.Batch{Samples: samples})
	slices.SortFunc(samples, byStart)
	// More often than a store can have anything left open.
	for i := range 40 {
		stop, read := i%len(samples), 0
		for _, err := range s.whole(t.Context(), store, perigee.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if read == stop {
				break
			}
			read++
		}
		for range store.Samples(t.Context(), perigee.Query{Resolution: perigee.Hours}) {
			break
		}
	}
	appendAll(t, store, perigee.Batch{Events: []perigee.Event{{Site: "home", Time: epoch, Kind: perigee.EventStopped}}})
	s.expectWhole(t, store, perigee.Query{}, samples)

	// An iterator may be used again.
	all := store.Samples(t.Context(), perigee.Query{})
	expect(t, collect(t, all), collect(t, all), s.tolerances)
}

func (s *suite) nested(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(14)
	samples := g.Samples(epoch, 30, Stream("a", "x"))
	appendAll(t, store, perigee.Batch{Samples: samples})
	depth := 0
	var visit func()
	visit = func() {
		if depth++; depth > 10 {
			return
		}
		for range store.Samples(t.Context(), perigee.Query{}) {
			visit()
			break
		}
	}
	visit()
	// A write while reading: what lies before the reader is not read any more.
	read := 0
	for _, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read == 1 {
			appendAll(t, store, perigee.Batch{Samples: g.Samples(epoch.Add(-time.Hour), 30, Stream("a", "x"))})
		}
	}
	if read != 30 {
		t.Errorf("read %d samples, want the 30 after the first", read)
	}
}

func (s *suite) concurrency(t *testing.T) {
	store := s.open(t)
	const writers, batches, size = 4, 10, 5
	var samples []perigee.Sample
	var wg sync.WaitGroup
	for w := range writers {
		g := NewGenerator(uint64(w))
		g.Interval = time.Second
		// Two writers bring each stream's samples, as after a replay.
		own := NewGenerator(uint64(w/2)).Samples(epoch, batches*size, Stream("a", perigee.TargetID([]string{"x", "y"}[w/2])))
		if w%2 == 0 {
			samples = append(samples, own...)
		}
		wg.Go(func() {
			for batch := range slices.Chunk(own, size) {
				if err := store.Append(t.Context(), perigee.Batch{Samples: batch}); err != nil {
					t.Errorf("Append: %v", err)
				}
				// What was acknowledged is seen at once.
				last := batch[size-1]
				q := perigee.Query{Targets: []perigee.TargetID{last.Stream.Target}, From: last.Start, To: last.Start.Add(1)}
				for got, err := range s.whole(t.Context(), store, q) {
					if err != nil {
						t.Errorf("Singletons: %v", err)
					} else if d := Diff(got, s.kept(last), s.tolerances); d != "" {
						t.Error(d)
					}
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range batches {
				previous := perigee.Sample{}
				for got, err := range store.Samples(t.Context(), perigee.Query{}) {
					if err != nil {
						t.Errorf("Samples: %v", err)
						return
					}
					if byStart(previous, got) >= 0 {
						t.Errorf("out of order: %v after %v", got.Start, previous.Start)
					}
					previous = got
				}
				for _, err := range store.Samples(t.Context(), perigee.Query{Resolution: perigee.Days}) {
					if err != nil {
						t.Errorf("Samples by day: %v", err)
					}
				}
				if _, err := store.Links(t.Context()); err != nil {
					t.Errorf("Links: %v", err)
				}
			}
		})
	}
	wg.Wait()
	slices.SortFunc(samples, byStart)
	s.expectWhole(t, store, perigee.Query{}, samples)
}
