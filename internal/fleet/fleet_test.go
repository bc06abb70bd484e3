package fleet

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// noon is a whole hour, on the grid of windows.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelf keeps what a fleet appends, by stream and start.
type shelf struct {
	mu      sync.Mutex
	samples map[perigee.Stream]map[int64]perigee.Sample
	outages map[perigee.Stream]map[int64]perigee.Outage
	twice   []string
	sites   []string
	batches []int // samples in each
}

func newShelf() *shelf {
	return &shelf{samples: map[perigee.Stream]map[int64]perigee.Sample{}, outages: map[perigee.Stream]map[int64]perigee.Outage{}}
}

func (s *shelf) Append(_ context.Context, b perigee.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, len(b.Samples))
	for _, sample := range b.Samples {
		of := s.samples[sample.Stream]
		if of == nil {
			of = map[int64]perigee.Sample{}
			s.samples[sample.Stream] = of
		}
		if _, ok := of[sample.Start.UnixNano()]; ok {
			s.twice = append(s.twice, fmt.Sprint(sample.Stream, sample.Start))
		}
		of[sample.Start.UnixNano()] = sample
	}
	for _, o := range b.Outages {
		of := s.outages[o.Stream]
		if of == nil {
			of = map[int64]perigee.Outage{}
			s.outages[o.Stream] = of
		}
		of[o.Start.UnixNano()] = o
	}
	return nil
}

func (s *shelf) Describe(_ context.Context, site perigee.Site, links []perigee.Link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sites = append(s.sites, site.Name)
	return nil
}

func mustNew(t testing.TB, o Options) *Fleet {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// history makes the windows of a fleet from..to and returns them.
func history(t testing.TB, o Options, from, to time.Time) (*Fleet, *shelf) {
	t.Helper()
	s := newShelf()
	o.Append, o.Describe = s.Append, s.Describe
	f := mustNew(t, o)
	if err := f.Backfill(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	return f, s
}

// equal reports the first difference between two shelves.
func equal(t *testing.T, got, want *shelf) {
	t.Helper()
	if len(got.samples) != len(want.samples) {
		t.Fatalf("%d streams, want %d", len(got.samples), len(want.samples))
	}
	for stream, samples := range want.samples {
		if len(got.samples[stream]) != len(samples) {
			t.Errorf("%v: %d windows, want %d", stream, len(got.samples[stream]), len(samples))
		}
		for start, sample := range samples {
			if other := got.samples[stream][start]; !reflect.DeepEqual(plain(other), plain(sample)) {
				t.Fatalf("%v at %v: %+v, want %+v", stream, sample.Start, other, sample)
			}
		}
	}
	if !reflect.DeepEqual(got.outages, want.outages) {
		t.Error("outages differ")
	}
}

// plain replaces a sample's sketches by their bytes, so that it can be compared.
func plain(s perigee.Sample) any {
	rtt, ipdv := s.RTT.Sketch.Encode(), s.Variation.IPDV.Sketch.Encode()
	s.RTT.Sketch, s.Variation.IPDV.Sketch = emptySketch, emptySketch
	return []any{s, rtt, ipdv}
}

var emptySketch = perigee.Sample{}.RTT.Sketch

func TestCountsAddUp(t *testing.T) {
	f, s := history(t, Options{Homes: 6, Seed: 1}, noon, noon.Add(time.Hour))
	var total perigee.Counts
	for stream, samples := range s.samples {
		for _, sample := range samples {
			if err := sample.Counts.Check(); err != nil {
				t.Fatalf("%v at %v: %v", stream, sample.Start, err)
			}
			if c := sample.Counts; c.Planned != 10 || c.Sent != 10 || sample.RTT.Count != c.Received ||
				sample.RTT.Sketch.Count() != c.Received || sample.LossRuns.Packets != c.Sent || sample.Variation.IPDV.Count > c.Received {
				t.Fatalf("%v at %v: %+v", stream, sample.Start, sample)
			}
			if sample.Singletons != nil {
				t.Fatalf("%v at %v keeps its singletons", stream, sample.Start)
			}
			total.Merge(sample.Counts)
		}
	}
	stats := f.Stats()
	if want := int64(6 * 4 * 360); stats.Windows != want {
		t.Errorf("%d windows, want %d", stats.Windows, want)
	}
	if stats.Counts != total {
		t.Errorf("counted %+v, stored %+v", stats.Counts, total)
	}
	var outages int64
	for _, c := range f.Counts() {
		stream := streamOf(c.Site, kindOf(c.Link))
		stored := s.samples[stream]
		if c.Windows != int64(len(stored)) || c.Windows != 360 || !c.First.Equal(noon) || !c.Last.Equal(noon.Add(time.Hour-10*time.Second)) {
			t.Errorf("%s %s: counted %+v, stored %d windows", c.Site, c.Link, c, len(stored))
		}
		if c.Outages != int64(len(s.outages[stream])) {
			t.Errorf("%s %s: counted %d outages, stored %d", c.Site, c.Link, c.Outages, len(s.outages[stream]))
		}
		outages += c.Outages
	}
	if outages == 0 || outages != stats.Outages {
		t.Errorf("%d outages by link, %d in all; want as many and some", outages, stats.Outages)
	}
	if len(s.sites) != 6 || len(s.twice) != 0 {
		t.Errorf("described %v, stored twice %v", s.sites, s.twice)
	}
}

func kindOf(id perigee.LinkID) int {
	for i := range kinds {
		if kinds[i].link.ID == id {
			return i
		}
	}
	return -1
}

// TestRunKeepsCadence looks at what is stored second by second.
func TestRunKeepsCadence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		var fills []int // samples stored by each tenth of a second
		begin := time.Now()
		f := mustNew(t, Options{Homes: 200, Seed: 3, Describe: s.Describe, Append: func(ctx context.Context, b perigee.Batch) error {
			for slot := int(time.Since(begin) / together); len(fills) <= slot; {
				fills = append(fills, 0)
			}
			fills[len(fills)-1] += len(b.Samples)
			for _, sample := range b.Samples {
				if late := time.Since(sample.End()); late < 0 || late >= 10*time.Second+together {
					t.Errorf("%v: appended %v after its end", sample.Stream, late)
				}
			}
			return s.Append(ctx, b)
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Second/20)
		defer cancel()
		if err := f.Run(ctx); err != nil {
			t.Fatal(err)
		}
		for stream, samples := range s.samples {
			if len(samples) != 12 {
				t.Errorf("%v: %d windows in 2 minutes, want 12", stream, len(samples))
			}
		}
		if len(s.samples) != 800 || len(s.twice) != 0 {
			t.Errorf("%d streams, want 800; twice %v", len(s.samples), s.twice)
		}
		// 200 homes in 10 s are two in a tenth of a second.
		for i, n := range fills[1:] {
			if n != 8 {
				t.Errorf("tenth %d: %d samples, want 8", i+1, n)
			}
		}
	})
}

func TestBackfillMakesWhatRunMakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now() // on the grid: synctest's clock begins at midnight
		run := newShelf()
		f := mustNew(t, Options{Homes: 3, Seed: 5, Append: run.Append})
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute-time.Second)
		defer cancel()
		if err := f.Run(ctx); err != nil {
			t.Fatal(err)
		}
		_, made := history(t, Options{Homes: 3, Seed: 5}, begin.Add(-10*time.Second), begin.Add(40*time.Minute))
		for stream, samples := range run.samples {
			if len(samples) != 240 && len(samples) != 239 { // the first home's was due as the fleet began
				t.Errorf("%v: %d windows in 40 minutes", stream, len(samples))
			}
			for start, sample := range samples {
				if want := made.samples[stream][start]; !reflect.DeepEqual(plain(sample), plain(want)) {
					t.Fatalf("%v: Run made %+v, Backfill %+v", stream, sample, want)
				}
			}
			for start, o := range run.outages[stream] {
				if want := made.outages[stream][start]; o != want && !o.Open {
					t.Errorf("%v: Run told %+v, Backfill %+v", stream, o, want)
				}
			}
		}
	})
}

func TestRunGoesOnAfterBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		slow := func(ctx context.Context, b perigee.Batch) error {
			time.Sleep(time.Second) // the history takes longer than a window
			return s.Append(ctx, b)
		}
		f := mustNew(t, Options{Homes: 20, Seed: 5, Append: slow})
		begin := time.Now()
		if err := f.Backfill(t.Context(), begin.Add(-time.Hour), begin); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 20*time.Second {
			t.Fatalf("history took %v, which leaves nothing to catch up with", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := f.Run(ctx); err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Counts() {
			if span := c.Last.Sub(c.First) / DefaultWindow; int64(span)+1 != c.Windows || c.Windows < 420 || len(s.samples) != 80 || len(s.twice) > 0 {
				t.Errorf("%s %s: %d windows from %v to %v, want no gap", c.Site, c.Link, c.Windows, c.First, c.Last)
			}
		}
	})
}

// TestABatchThatWasBegunIsFinished: whoever stops a fleet knows what was stored.
func TestABatchThatWasBegunIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newShelf()
		f := mustNew(t, Options{Homes: 1, Append: func(inner context.Context, b perigee.Batch) error {
			cancel()
			time.Sleep(time.Second)
			if err := inner.Err(); err != nil {
				return err
			}
			return s.Append(inner, b)
		}})
		if err := f.Run(ctx); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if n := f.Stats().Windows; n != 4 || len(s.samples) != 4 {
			t.Errorf("%d windows counted, %d stored, want 4", n, len(s.samples))
		}
	})
}

// TestAStoreThatHangsDoesNotHoldTheFleet bounds the wait for a batch that was begun.
func TestAStoreThatHangsDoesNotHoldTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := mustNew(t, Options{Homes: 1, Append: func(inner context.Context, b perigee.Batch) error {
			cancel()
			<-inner.Done()
			return &perigee.Error{Code: perigee.CodeUnavailable, Message: "no answer", Err: inner.Err()}
		}})
		if err := f.Run(ctx); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if n := f.Stats().Windows; n != 0 {
			t.Errorf("%d windows counted, want none", n)
		}
	})
}

func TestSameSeedAndTimesMakeTheSame(t *testing.T) {
	_, one := history(t, Options{Homes: 4, Seed: 9}, noon, noon.Add(50*time.Minute))
	_, two := history(t, Options{Homes: 4, Seed: 9}, noon, noon.Add(50*time.Minute))
	equal(t, two, one)
	_, other := history(t, Options{Homes: 4, Seed: 10}, noon, noon.Add(50*time.Minute))
	for stream, samples := range one.samples {
		if reflect.DeepEqual(samples[noon.UnixNano()].RTT.Mean, other.samples[stream][noon.UnixNano()].RTT.Mean) {
			t.Errorf("%v: another seed makes the same", stream)
		}
	}
}

// TestAWindowDoesNotDependOnWhenTheFleetBegan begins fleets at every window of an hour.
func TestAWindowDoesNotDependOnWhenTheFleetBegan(t *testing.T) {
	_, all := history(t, Options{Homes: 2, Seed: 4}, noon, noon.Add(time.Hour))
	for begin := noon; begin.Before(noon.Add(time.Hour)); begin = begin.Add(10 * time.Second) {
		_, one := history(t, Options{Homes: 2, Seed: 4}, begin, begin.Add(10*time.Second))
		for stream, samples := range one.samples {
			got, want := samples[begin.UnixNano()], all.samples[stream][begin.UnixNano()]
			if !reflect.DeepEqual(plain(got), plain(want)) {
				t.Fatalf("%v at %v: %+v, want %+v", stream, begin, got, want)
			}
		}
		for stream, outages := range one.outages {
			for start, o := range outages {
				want, ok := all.outages[stream][start]
				if !ok && start >= noon.UnixNano() || ok && !o.Open && o != want {
					t.Fatalf("outage %+v, want %+v", o, want)
				}
			}
		}
	}
}

// TestSeekingFindsWhatGoingWouldHaveMet looks at the windows around the borders of eras
// of a link so bad that runs of losses often cross them.
func TestSeekingFindsWhatGoingWouldHaveMet(t *testing.T) {
	profile := kinds[0].profile()
	profile.Up.Loss = 0.7
	for _, interval := range []time.Duration{time.Second, 10 * time.Second} {
		o := Options{Window: DefaultWindow, Interval: interval}
		fresh := func() *link { return newLink("home", 0, profile, o, interval/10, 1) }
		going := fresh()
		var cut int
		for start := noon.UnixNano(); start < noon.Add(12*time.Hour).UnixNano(); start += int64(o.Window) {
			s, outages := going.sample(start)
			into := floorMod(start-going.eraOffset, int64(era))
			if into > 2*going.window && into < int64(era)-going.window {
				continue
			}
			sought, told := fresh().sample(start)
			if !reflect.DeepEqual(plain(sought), plain(s)) || !slices.Equal(told, outages) {
				t.Fatalf("every %v: seeking %v finds %+v and outages %+v, want %+v and %+v", interval, s.Start, sought, told, s, outages)
			}
			for _, o := range outages {
				if !o.Open && floorMod(o.End.UnixNano()-going.eraOffset, int64(era)) == 0 {
					cut++
				}
			}
		}
		if cut < 10 {
			t.Errorf("every %v: %d outages end with an era, want some", interval, cut)
		}
	}
}

func TestFallsBehindSaysSoAndCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := newShelf()
		var failing atomic.Bool
		failing.Store(true)
		f := mustNew(t, Options{Homes: 400, Seed: 6, Append: func(ctx context.Context, b perigee.Batch) error {
			if failing.Load() && time.Since(begin) > time.Minute {
				time.Sleep(time.Second)
				return &perigee.Error{Code: perigee.CodeUnavailable, Message: "the disk is full"}
			}
			return s.Append(ctx, b)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		if stats := f.Stats(); stats.Behind < 3*time.Minute || stats.Behind > 4*time.Minute+time.Second || stats.Err == nil || stats.Retries == 0 ||
			stats.Due < 40*3*60 {
			t.Errorf("after 4 minutes without a store: %+v", stats)
		}
		failing.Store(false)
		time.Sleep(10*time.Second + together/2)
		stats := f.Stats()
		if stats.Behind >= 2*together || stats.Err != nil {
			t.Errorf("10 s later: %+v, want it to have caught up", stats)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := int64(400 * 4 * 31); stats.Windows != want {
			t.Errorf("%d windows in 310 s, want %d", stats.Windows, want)
		}
		for stream, samples := range s.samples {
			starts := make([]int64, 0, len(samples))
			for start := range samples {
				starts = append(starts, start)
			}
			slices.Sort(starts)
			for i := 1; i < len(starts); i++ {
				if starts[i]-starts[i-1] != int64(10*time.Second) {
					t.Fatalf("%v: a window is missing before %v", stream, time.Unix(0, starts[i]))
				}
			}
		}
		if len(s.twice) > 0 {
			t.Errorf("twice: %v", s.twice)
		}
	})
}

func TestAnotherErrorEndsTheFleet(t *testing.T) {
	broken := &perigee.Error{Code: perigee.CodeInternal, Message: "the file is damaged"}
	f := mustNew(t, Options{Homes: 1, Append: func(context.Context, perigee.Batch) error { return broken }})
	if err := f.Backfill(t.Context(), noon, noon.Add(time.Minute)); !errors.Is(err, broken) {
		t.Errorf("Backfill = %v, want %v", err, broken)
	}
	if n := f.Stats().Windows; n != 0 {
		t.Errorf("%d windows counted, want none", n)
	}
}
