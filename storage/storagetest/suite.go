package storagetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"perigee"
)

// Properties are what a store may do in its own way.
type Properties struct {
	// SingletonResolution is how far At and RTT of a singleton may be from what
	// was stored; 0 if they are exact.
	SingletonResolution time.Duration

	// NoSingletons: singletons are not kept at all; Singletons yields nothing.
	NoSingletons bool

	// LastWins: another sample of the same stream and start replaces the one that
	// was there. The same sample again is still kept once.
	LastWins bool
}

// RunStore runs the conformance suite: each sentence of perigee.Store's contract is a
// test. open returns a new, empty store and arranges for its end with t.Cleanup.
func RunStore(t *testing.T, open func(*testing.T) perigee.Store, p Properties) {
	s := &suite{open: open, properties: p, tolerances: Tolerances{Singletons: p.SingletonResolution}}
	for _, test := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"an_empty_store_answers_with_nothing", (*suite).empty},
		{"a_sample_comes_back_as_it_was", (*suite).roundTrip},
		{"names_may_hold_any_character", (*suite).names},
		{"singletons_come_only_when_asked_for", (*suite).singletons},
		{"the_store_shares_nothing_with_its_callers", (*suite).sharesNothing},
		{"a_sample_is_kept_once", (*suite).keptOnce},
		{"a_batch_is_stored_whole_or_not_at_all", (*suite).atomic},
		{"what_cannot_be_stored_is_refused", (*suite).refused},
		{"samples_come_by_start_then_stream", (*suite).order},
		{"each_filter_selects", (*suite).filters},
		{"a_range_holds_its_beginning_and_not_its_end", (*suite).ranges},
		{"a_reader_may_stop_at_any_time", (*suite).earlyStop},
		{"a_reader_may_use_the_store_meanwhile", (*suite).nested},
		{"a_cancelled_context_ends_every_call", (*suite).cancelled},
		{"an_unknown_resolution_is_the_callers_mistake", (*suite).unknownResolution},
		{"an_outage_replaces_the_open_one", (*suite).outageReplaced},
		{"outages_are_selected_by_overlap", (*suite).outageRanges},
		{"outages_are_judged_alike", (*suite).judged},
		{"a_gap_is_kept_once_and_concerns_its_links", (*suite).gaps},
		{"an_event_is_kept_once_and_concerns_its_links", (*suite).events},
		{"links_are_described_or_measured", (*suite).links},
		{"hours_and_days_are_merged_windows", (*suite).rollups},
		{"a_late_window_joins_its_hour_and_day", (*suite).lateWindows},
		{"a_clock_set_back_loses_no_window", (*suite).clockSetBack},
		{"a_throughput_comes_back_as_it_was", (*suite).throughputs},
		{"a_throughput_is_kept_once", (*suite).throughputKeptOnce},
		{"throughputs_come_by_start_then_stream", (*suite).throughputOrder},
		{"a_throughput_that_cannot_be_is_refused", (*suite).throughputRefused},
		{"writers_and_readers_do_not_disturb_each_other", (*suite).concurrency},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(s, t) })
	}
}

type suite struct {
	open       func(*testing.T) perigee.Store
	properties Properties
	tolerances Tolerances
}

// epoch is when generated samples begin: on the grid of hours, not of days.
var epoch = time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)

func appendAll(t *testing.T, store perigee.Store, b perigee.Batch) {
	t.Helper()
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func collect(t *testing.T, samples iter.Seq2[perigee.Sample, error]) []perigee.Sample {
	t.Helper()
	var list []perigee.Sample
	for s, err := range samples {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		list = append(list, s)
	}
	return list
}

// expect compares samples that were read with those wanted, in order.
func expect(t *testing.T, got, want []perigee.Sample, tolerances Tolerances) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d samples, want %d", len(got), len(want))
	}
	for i := range got {
		if d := Diff(got[i], want[i], tolerances); d != "" {
			t.Fatalf("sample %d of %d: %s", i, len(got), d)
		}
	}
}

// expectWhole expects the samples that q selects to be want, all of which have
// singletons, with these so far as the store keeps any.
func (s *suite) expectWhole(t *testing.T, store perigee.Store, q perigee.Query, want []perigee.Sample) {
	t.Helper()
	if !s.properties.NoSingletons {
		expect(t, collect(t, store.Singletons(t.Context(), q)), want, s.tolerances)
		return
	}
	if got := collect(t, store.Singletons(t.Context(), q)); len(got) != 0 {
		t.Fatalf("Singletons: got %d samples of a store that keeps none", len(got))
	}
	expect(t, collect(t, store.Samples(t.Context(), q)), stripped(want), s.tolerances)
}

// kept returns sample as the store keeps it.
func (s *suite) kept(sample perigee.Sample) perigee.Sample {
	if s.properties.NoSingletons {
		sample.Singletons = nil
	}
	return sample
}

// whole yields samples with their singletons, if the store keeps any.
func (s *suite) whole(ctx context.Context, store perigee.Store, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	if s.properties.NoSingletons {
		return store.Samples(ctx, q)
	}
	return store.Singletons(ctx, q)
}

// stripped returns samples in the order of reads and without singletons.
func stripped(samples []perigee.Sample) []perigee.Sample {
	samples = slices.Clone(samples)
	for i := range samples {
		samples[i].Singletons = nil
	}
	slices.SortFunc(samples, byStart)
	return samples
}

func wantCode(t *testing.T, what string, err error, code perigee.Code) {
	t.Helper()
	if _, ok := errors.AsType[*perigee.Error](err); !ok || perigee.CodeOf(err) != code {
		t.Errorf("%s: got error %v, want a *perigee.Error with code %q", what, err, code)
	}
}

// firstError returns the first error that an iterator yields, and fails the test if it
// yields anything after.
func firstError(t *testing.T, samples iter.Seq2[perigee.Sample, error]) (found error) {
	t.Helper()
	for _, err := range samples {
		if found != nil {
			t.Fatal("an iterator goes on after its error")
		}
		found = err
	}
	return found
}

func (s *suite) empty(t *testing.T) {
	store := s.open(t)
	for _, r := range []perigee.Resolution{"", perigee.Windows, perigee.Hours, perigee.Days} {
		if got := collect(t, store.Samples(t.Context(), perigee.Query{Resolution: r})); len(got) != 0 {
			t.Errorf("Samples at %q: got %d, want none", r, len(got))
		}
	}
	if got := collect(t, store.Singletons(t.Context(), perigee.Query{})); len(got) != 0 {
		t.Errorf("Singletons: got %d, want none", len(got))
	}
	links, err := store.Links(t.Context())
	if err != nil || len(links) != 0 {
		t.Errorf("Links() = %v, %v, want none", links, err)
	}
	expectThroughputs(t, store, perigee.Query{}, nil)
	outages, gaps, events := s.records(t, store, perigee.Query{})
	if len(outages)+len(gaps)+len(events) != 0 {
		t.Errorf("got %d outages, %d gaps, %d events, want none", len(outages), len(gaps), len(events))
	}
	appendAll(t, store, perigee.Batch{}) // nothing is storable
}

func (s *suite) records(t *testing.T, store perigee.Store, q perigee.Query) ([]perigee.Outage, []perigee.Gap, []perigee.Event) {
	t.Helper()
	outages, err := store.Outages(t.Context(), q)
	if err != nil {
		t.Fatalf("Outages: %v", err)
	}
	gaps, err := store.Gaps(t.Context(), q)
	if err != nil {
		t.Fatalf("Gaps: %v", err)
	}
	events, err := store.Events(t.Context(), q)
	if err != nil {
		t.Fatalf("Events: %v", err)
	}
	return outages, gaps, events
}

func (s *suite) unknownResolution(t *testing.T) {
	store := s.open(t)
	wantCode(t, "Samples", firstError(t, store.Samples(t.Context(), perigee.Query{Resolution: "fortnight"})), perigee.CodeInvalid)
	wantCode(t, "Singletons of hours", firstError(t, store.Singletons(t.Context(), perigee.Query{Resolution: perigee.Hours})), perigee.CodeInvalid)
}

func (s *suite) cancelled(t *testing.T) {
	store := s.open(t)
	samples := NewGenerator(1).Samples(epoch, 10, Stream("a", "x"))
	appendAll(t, store, perigee.Batch{Samples: samples[:5]})

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failures := map[string]error{
		"Append":     store.Append(ctx, perigee.Batch{Samples: samples[5:]}),
		"Describe":   store.Describe(ctx, perigee.Site{Name: "home"}, nil),
		"Samples":    firstError(t, store.Samples(ctx, perigee.Query{})),
		"Hours":      firstError(t, store.Samples(ctx, perigee.Query{Resolution: perigee.Hours})),
		"Singletons": firstError(t, store.Singletons(ctx, perigee.Query{})),
	}
	_, failures["Links"] = store.Links(ctx)
	_, failures["Outages"] = store.Outages(ctx, perigee.Query{})
	_, failures["Gaps"] = store.Gaps(ctx, perigee.Query{})
	_, failures["Events"] = store.Events(ctx, perigee.Query{})
	for what, err := range failures {
		wantCode(t, what, err, perigee.CodeUnavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want context.Canceled in its chain", what, err)
		}
	}
	expect(t, collect(t, store.Samples(t.Context(), perigee.Query{})), stripped(samples[:5]), s.tolerances)

	// Cancelled on the way, the iterator ends with the error.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	read, failed := 0, error(nil)
	for _, err := range store.Samples(ctx, perigee.Query{}) {
		if err != nil {
			failed = err
			continue
		}
		if read++; read == 2 {
			cancel()
		}
	}
	if read != 2 || !errors.Is(failed, context.Canceled) {
		t.Errorf("cancelled after two samples: read %d, error %v; want 2 and context.Canceled", read, failed)
	}
}
