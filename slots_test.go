package perigee_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/stats"
	"perigee/storage/storagetest"
)

// walked are the windows of a link of the lab, with single probes.
func walked(t testing.TB, stream perigee.Stream, profile string, from time.Time, length, interval time.Duration) []perigee.Sample {
	t.Helper()
	p, ok := lab.ProfileNamed(profile)
	if !ok {
		t.Fatal("no profile " + profile)
	}
	w, err := lab.NewWalk(p, 1, from)
	if err != nil {
		t.Fatal(err)
	}
	const window = 10 * time.Second
	var samples []perigee.Sample
	var s *perigee.Sample
	var seq perigee.Seq
	for at := time.Duration(0); at < length; at += interval {
		if start := from.Add(at.Truncate(window)); s == nil || !s.Start.Equal(start) {
			samples = append(samples, perigee.Sample{Stream: stream, Start: start, Length: window, Interval: interval, LossTimeout: 3 * time.Second})
			s = &samples[len(samples)-1]
		}
		one := perigee.Singleton{Seq: seq, At: at % window, Outcome: perigee.Lost}
		seq++
		if trip := w.Probe(at, 84); trip.Fate == lab.Delivered {
			one.Outcome, one.RTT = perigee.Received, trip.RTT.Round(time.Microsecond)
			s.RTT.Add(one.RTT.Seconds())
		}
		s.Counts.Add(one)
		s.LossRuns.Add(one.Outcome != perigee.Received, interval.Seconds())
		s.Singletons = append(s.Singletons, one)
	}
	return samples
}

func slotsStore(t testing.TB, orbit perigee.Orbit, samples ...perigee.Sample) perigee.Store {
	t.Helper()
	store := storagetest.NewMemory()
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "a", Orbit: orbit, Interface: "wan0"}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(t.Context(), perigee.Batch{Samples: samples}); err != nil {
		t.Fatal(err)
	}
	return store
}

const fiveASecond = 200 * time.Millisecond

func TestSlotsOfStarlink(t *testing.T) {
	stream := fakeLink{id: "a"}.stream()
	samples := walked(t, stream, "starlink", epoch, time.Hour, fiveASecond)
	a, err := perigee.Slots(t.Context(), slotsStore(t, perigee.OrbitStarlink, samples...), perigee.SlotQuery{Link: "a", From: epoch, To: epoch.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if !a.Detected || !a.DetectedDefined || a.Statistics.Best != 0 || a.Stream != stream || a.LeapSeconds != 18 || a.Interval != fiveASecond || len(a.Warnings) > 0 {
		t.Errorf("%+v, %q, warnings %q", a.Stream, a.Verdict, a.Warnings)
	}
	var want, got perigee.Counts
	for _, s := range samples {
		want.Merge(s.Counts)
	}
	for _, p := range a.Statistics.Phases {
		got.Sent += p.Sent
		got.Lost += p.Lost
	}
	if got.Sent != want.Sent || got.Lost != want.Lost {
		t.Errorf("%d sent and %d lost, want %d and %d", got.Sent, got.Lost, want.Sent, want.Lost)
	}
	// The model loses most probes near edges.
	if share, chance, ok := a.Statistics.AtEdge(func(p stats.SlotPhase) int64 { return p.Lost }); !ok || share < 2*chance {
		t.Errorf("%.2f of the losses lie at edges, %.2f by chance", share, chance)
	}
	// Read 2 s off, slots are elsewhere: that is no, or unknown if the clock may be wrong.
	for name, c := range map[string]struct {
		clock   perigee.ClockQuality
		defined bool
	}{
		"unknown":        {perigee.ClockQuality{}, true},
		"good":           {perigee.ClockQuality{Known: true, Synchronised: true, Error: time.Millisecond}, true},
		"bad":            {perigee.ClockQuality{Known: true, Synchronised: true, Error: time.Second}, false},
		"unsynchronised": {perigee.ClockQuality{Known: true}, false},
	} {
		a, err := perigee.Slots(t.Context(), slotsStore(t, "", samples...), perigee.SlotQuery{Link: "a", From: epoch, To: epoch.Add(time.Hour), LeapSeconds: 16, Clock: c.clock})
		if err != nil || a.Detected || a.DetectedDefined != c.defined || a.Statistics.Best != 13 || !strings.Contains(a.Verdict, "13 s") {
			t.Errorf("clock %s: detected %v, %v, best %d, %q, %v", name, a.Detected, a.DetectedDefined, a.Statistics.Best, a.Verdict, err)
		}
		if (len(a.Warnings) > 0) == c.defined {
			t.Errorf("clock %s: warnings %q", name, a.Warnings)
		}
	}
}

func TestNoSlotsElsewhere(t *testing.T) {
	for _, profile := range []string{"fibre", "leo", "geo"} {
		samples := walked(t, fakeLink{id: "a"}.stream(), profile, epoch, 20*time.Minute, fiveASecond)
		a, err := perigee.Slots(t.Context(), slotsStore(t, "", samples...), perigee.SlotQuery{Link: "a"})
		if err != nil || a.Detected || !a.DetectedDefined || !strings.HasPrefix(a.Verdict, "no slots") {
			t.Errorf("%s: detected %v, %v, %q, %v", profile, a.Detected, a.DetectedDefined, a.Verdict, err)
		}
	}
}

// Load moves the levels of a link, the monitor's own above all.
func TestSlotsOfIdleProbesOfOneTarget(t *testing.T) {
	stream := fakeLink{id: "a"}.stream()
	loaded, other, six := stream, stream, stream
	loaded.Load, other.Target, six.Family = perigee.LoadDown, "other", perigee.IPv6
	samples := slices.Concat(
		walked(t, stream, "fibre", epoch, 20*time.Minute, fiveASecond),
		walked(t, loaded, "starlink", epoch, 20*time.Minute, fiveASecond/2),
		walked(t, other, "leo", epoch, 20*time.Minute, 2*fiveASecond),
		walked(t, six, "geo", epoch, 20*time.Minute, fiveASecond/2))
	store := slotsStore(t, "", samples...)
	for _, c := range []struct {
		query perigee.SlotQuery
		want  perigee.Stream
		sent  int64
	}{
		{perigee.SlotQuery{Link: "a"}, stream, 6000},
		{perigee.SlotQuery{Link: "a", Target: "other"}, other, 3000},
		{perigee.SlotQuery{Link: "a", Family: perigee.IPv6}, six, 12000},
	} {
		a, err := perigee.Slots(t.Context(), store, c.query)
		var sent int64
		for _, p := range a.Statistics.Phases {
			sent += p.Sent
		}
		if err != nil || a.Stream != c.want || sent != c.sent || a.Detected {
			t.Errorf("%+v: %d probes of %+v, detected %v, %v, want %d of %+v", c.query, sent, a.Stream, a.Detected, err, c.sent, c.want)
		}
	}
}

func TestSlotsOfTooLittle(t *testing.T) {
	stream := fakeLink{id: "a"}.stream()
	full := walked(t, stream, "starlink", epoch, 4*time.Minute, fiveASecond)
	slow := walked(t, stream, "starlink", epoch, time.Hour, 5*time.Second)
	bare := walked(t, stream, "starlink", epoch, time.Hour, fiveASecond)
	for i := range bare {
		bare[i].Singletons = nil
	}
	for _, c := range []struct {
		name    string
		store   perigee.Store
		query   perigee.SlotQuery
		code    perigee.Code
		message string
	}{
		{"four_minutes", slotsStore(t, "", full...), perigee.SlotQuery{Link: "a"}, perigee.CodeNotEnoughData, "ask for a longer range"},
		{"a_probe_every_five_seconds", slotsStore(t, "", slow...), perigee.SlotQuery{Link: "a"}, perigee.CodeNotEnoughData, "every 5s"},
		{"statistics_alone", slotsStore(t, "", bare...), perigee.SlotQuery{Link: "a"}, perigee.CodeNotEnoughData, "InfluxDB does not hold them"},
		{"another_range", slotsStore(t, "", full...), perigee.SlotQuery{Link: "a", From: epoch.Add(time.Hour), To: epoch.Add(2 * time.Hour)}, perigee.CodeNotEnoughData, "not measured"},
		{"from_after_the_last", slotsStore(t, "", full...), perigee.SlotQuery{Link: "a", From: epoch.Add(time.Hour)}, perigee.CodeNotEnoughData, "not measured"},
		{"never_measured", slotsStore(t, ""), perigee.SlotQuery{Link: "a"}, perigee.CodeNotEnoughData, "not measured"},
		{"eight_days", slotsStore(t, "", full...), perigee.SlotQuery{Link: "a", From: epoch, To: epoch.Add(8 * 24 * time.Hour)}, perigee.CodeInvalid, "shorter"},
		{"backwards", slotsStore(t, "", full...), perigee.SlotQuery{Link: "a", From: epoch, To: epoch.Add(-time.Hour)}, perigee.CodeInvalid, "not before"},
		{"unknown_link", slotsStore(t, "", full...), perigee.SlotQuery{Link: "b"}, perigee.CodeNotFound, "b is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := perigee.Slots(t.Context(), c.store, c.query)
			if perigee.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %v, want %s with %q", err, c.code, c.message)
			}
			if errors.Is(err, perigee.ErrNoSingletons) != (c.name == "statistics_alone") {
				t.Errorf("error %v and ErrNoSingletons", err)
			}
		})
	}
}

// A clock that was set leaves a warning, and no step across it.
func TestSlotsSurviveTheClockBeingSet(t *testing.T) {
	stream := fakeLink{id: "a"}.stream()
	before := walked(t, stream, "starlink", epoch, 30*time.Minute, fiveASecond)
	after := walked(t, stream, "starlink", epoch.Add(20*time.Minute+7*time.Nanosecond), 30*time.Minute, fiveASecond)
	store := slotsStore(t, perigee.OrbitTerrestrial, slices.Concat(before, after)...)
	at := epoch.Add(20 * time.Minute)
	if err := store.Append(t.Context(), perigee.Batch{Gaps: []perigee.Gap{
		{Site: "home", Start: at, End: at, Reason: perigee.GapClockStep},
		{Site: "home", Start: at, End: at.Add(time.Second), Reason: perigee.GapStopped},
	}}); err != nil {
		t.Fatal(err)
	}
	a, err := perigee.Slots(t.Context(), inOrderOfMeasuring{store, slices.Concat(before, after)}, perigee.SlotQuery{Link: "a", From: epoch, To: epoch.Add(time.Hour)})
	if err != nil || !a.Detected || len(a.Warnings) != 2 || !strings.Contains(a.Warnings[0], "set once") || !strings.Contains(a.Warnings[1], "terrestrial") {
		t.Errorf("detected %v, warnings %q, %v", a.Detected, a.Warnings, err)
	}
	// The order of stores is that of the clock, and mixes the two.
	if a, err := perigee.Slots(t.Context(), store, perigee.SlotQuery{Link: "a", From: epoch, To: epoch.Add(time.Hour)}); err != nil || !a.Detected {
		t.Errorf("in the store's order: detected %v, %q, %v", a.Detected, a.Verdict, err)
	}
}

// inOrderOfMeasuring is a store that yields singletons in another order.
type inOrderOfMeasuring struct {
	perigee.Store
	samples []perigee.Sample
}

func (s inOrderOfMeasuring) Singletons(context.Context, perigee.Query) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		for _, one := range s.samples {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func TestSlotsPassOnWhatTheStoreSays(t *testing.T) {
	samples := walked(t, fakeLink{id: "a"}.stream(), "fibre", epoch, 10*time.Minute, time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := perigee.Slots(ctx, slotsStore(t, "", samples...), perigee.SlotQuery{Link: "a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func BenchmarkSlotsOfADay(b *testing.B) {
	store := slotsStore(b, "", walked(b, fakeLink{id: "a"}.stream(), "starlink", epoch, 24*time.Hour, fiveASecond)...)
	for b.Loop() {
		if _, err := perigee.Slots(b.Context(), store, perigee.SlotQuery{Link: "a"}); err != nil {
			b.Fatal(err)
		}
	}
}

// Late probes are lost; what was not sent is not there.
func TestSlotsCountWhatWasSent(t *testing.T) {
	samples := walked(t, fakeLink{id: "a"}.stream(), "fibre", epoch, 10*time.Minute, fiveASecond)
	for i, outcome := range []perigee.Outcome{perigee.Late, perigee.Lost, perigee.SendFailed, perigee.Skipped} {
		samples[0].Singletons[i].Outcome = outcome
	}
	samples[0].Counts, samples[0].RTT = perigee.Counts{}, stats.Distribution{}
	for _, one := range samples[0].Singletons {
		samples[0].Counts.Add(one)
		if one.Outcome == perigee.Received {
			samples[0].RTT.Add(one.RTT.Seconds())
		}
	}
	a, err := perigee.Slots(t.Context(), slotsStore(t, "", samples...), perigee.SlotQuery{Link: "a"})
	if err != nil {
		t.Fatal(err)
	}
	// 12:00:00 is 3 s after an edge.
	if p := a.Statistics.Phases[3]; p.Sent != 40*5-2 || p.Lost != 2 || p.RTT.Count != 40*5-4 || p.LossPeriods != 1 {
		t.Errorf("%d sent, %d lost, %d answered, %d loss periods, want 198, 2, 196, 1", p.Sent, p.Lost, p.RTT.Count, p.LossPeriods)
	}
}

func TestSlotsWarn(t *testing.T) {
	stream := fakeLink{id: "a"}.stream()
	for _, c := range []struct {
		name     string
		profile  string
		orbit    perigee.Orbit
		length   time.Duration
		interval time.Duration
		clock    perigee.ClockQuality
		warnings []string
	}{
		{"firm", "fibre", perigee.OrbitTerrestrial, 20 * time.Minute, fiveASecond, perigee.ClockQuality{}, nil},
		{"short", "fibre", "", 10 * time.Minute, fiveASecond, perigee.ClockQuality{}, []string{"takes 48"}},
		{"sparse", "fibre", "", 20 * time.Minute, time.Second, perigee.ClockQuality{}, []string{"every 1s it takes 200"}},
		{"not_starlink", "fibre", perigee.OrbitStarlink, 20 * time.Minute, fiveASecond, perigee.ClockQuality{}, []string{"does not behave like it"}},
		{"starlink", "starlink", perigee.OrbitLEO, time.Hour, fiveASecond, perigee.ClockQuality{Known: true}, []string{"described as leo, and behaves like Starlink"}},
		{"bad_clock", "fibre", "", 20 * time.Minute, fiveASecond, perigee.ClockQuality{Known: true, Synchronised: true, Error: 700 * time.Millisecond}, []string{"wrong by 700ms"}},
	} {
		samples := walked(t, stream, c.profile, epoch, c.length, c.interval)
		a, err := perigee.Slots(t.Context(), slotsStore(t, c.orbit, samples...), perigee.SlotQuery{Link: "a", Clock: c.clock})
		if err != nil || a.Detected != (c.profile == "starlink") || len(a.Warnings) != len(c.warnings) {
			t.Errorf("%s: detected %v, warnings %q, %v, want %q", c.name, a.Detected, a.Warnings, err, c.warnings)
			continue
		}
		for i, want := range c.warnings {
			if !strings.Contains(a.Warnings[i], want) {
				t.Errorf("%s: warning %q does not say %q", c.name, a.Warnings[i], want)
			}
		}
	}
}
