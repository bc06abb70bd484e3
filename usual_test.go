package perigee_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

func usual(t *testing.T, store perigee.Store, to time.Duration) perigee.Usual {
	t.Helper()
	u, err := perigee.UsualOf(t.Context(), store, perigee.UsualQuery{Link: "a", To: epoch.Add(to)})
	if err != nil {
		t.Fatal(err)
	}
	if u.To != epoch.Add(to) || u.From != u.To.Add(-7*24*time.Hour) || u.Link != "a" || u.Site != "home" {
		t.Errorf("%s at %s from %s to %s", u.Link, u.Site, u.From, u.To)
	}
	return u
}

// near reports whether got is want but for the error of a sketch.
func near(got, want float64) bool { return math.Abs(got-want) <= want*stats.RelativeError*1.0001 }

// Over eight days, of which the first is too long ago: quantiles are those of every probe,
// the mean loss is of all, and the high one of the hours, of which each has its own.
func TestUsualIsOfSevenDays(t *testing.T) {
	const day = 24 * time.Hour
	hourly := func(at time.Duration) float64 { return float64(at/time.Hour%20) / 100 } // 0 to 19 % by turns
	link, every := remembered(fakeLink{id: "a", interval: 20 * time.Second, window: time.Minute, rtt: func(at time.Duration, r *rand.Rand) float64 {
		if at < day {
			return 2 // long ago
		}
		if r.Float64() < hourly(at) {
			return -1
		}
		return 0.05 + 0.01*r.ExpFloat64()
	}})
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 8*day, link)
	u := usual(t, store, 8*day)
	if len(u.Streams) != 1 {
		t.Fatalf("%d streams, want 1", len(u.Streams))
	}
	s, all := u.Streams[0], every(day, 8*day)
	if s.Stream != link.stream() || s.Measured != 7*day || !s.Enough {
		t.Errorf("%+v, want seven days", s)
	}
	if !s.RTTDefined || !near(s.RTTLow, exactQuantile(all, 0.05)) || !near(s.RTTMedian, exactQuantile(all, 0.5)) || !near(s.RTTHigh, exactQuantile(all, 0.95)) {
		t.Errorf("%g, %g, %g, want %g, %g, %g", s.RTTLow, s.RTTMedian, s.RTTHigh, exactQuantile(all, 0.05), exactQuantile(all, 0.5), exactQuantile(all, 0.95))
	}
	const sent = 7 * 24 * 180 // one each 20 s
	if want := 1 - float64(len(all))/sent; !s.LossDefined || s.LossMean != float64(sent-len(all))/sent {
		t.Errorf("mean loss %g, want %g", s.LossMean, want)
	}
	var ratios []float64
	for hour := day; hour < 8*day; hour += time.Hour {
		ratios = append(ratios, float64(180-len(every(hour, hour+time.Hour)))/180)
	}
	slices.Sort(ratios)
	if want := exactQuantile(ratios, 0.95); !s.LossHighDefined || math.Abs(s.LossHigh-want) > 1e-12 {
		t.Errorf("high loss %g, want %g", s.LossHigh, want)
	}
}

// While less than a day was measured it is minutes whose loss is told, of that stream
// alone; those measured for less than half have no part, and neither does load.
func TestUsualOfShortTime(t *testing.T) {
	for name, c := range map[string]struct {
		length time.Duration
		enough bool
		high   float64 // of the minutes' loss: 0, 1/6, ... by turns
		none   bool
	}{
		// 30 minutes, each sixth of them without loss, with 1 lost of 6, ... 5 of
		// 6: rank 0.95 * 29 = 27.55 of 5 each of 0/6 to 5/6 is among the last.
		"half an hour": {30 * time.Minute, false, 5. / 6, false},
		"two hours":    {2 * time.Hour, true, 5. / 6, false},
		"20 seconds":   {20 * time.Second, false, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := storagetest.NewMemory()
			record(t, store, 1, 0, c.length, fakeLink{id: "a", interval: 10 * time.Second, rtt: func(at time.Duration, _ *rand.Rand) float64 {
				if lost := at / time.Minute % 6; at%time.Minute/(10*time.Second) < lost {
					return -1
				}
				return 0.05
			}})
			loaded := windows(fakeLink{id: "a", rtt: steady(3, 0.1)}, rand.New(rand.NewPCG(1, 1)), 0, time.Minute)
			for i := range loaded {
				loaded[i].Stream.Load = perigee.LoadDown
			}
			if err := store.Append(t.Context(), perigee.Batch{Samples: loaded}); err != nil {
				t.Fatal(err)
			}
			u := usual(t, store, 26*time.Hour)
			if len(u.Streams) != 1 {
				t.Fatalf("%d streams, want the idle one", len(u.Streams))
			}
			s := u.Streams[0]
			if s.Measured != c.length || s.Enough != c.enough || !s.RTTDefined || !near(s.RTTHigh, 0.05) {
				t.Errorf("%+v", s)
			}
			if s.LossHighDefined == c.none || math.Abs(s.LossHigh-c.high) > 1e-12 {
				t.Errorf("high loss %g, %v, want %g", s.LossHigh, s.LossHighDefined, c.high)
			}
		})
	}
}

// A new target beside an old one: minutes for the one, hours for the other.
func TestUsualOfEachStreamApart(t *testing.T) {
	// Of 360 probes an hour one is lost: of 600 minutes 10 have loss, which is less
	// than a twentieth.
	link := fakeLink{id: "a", interval: 10 * time.Second, window: time.Minute, rtt: func(at time.Duration, _ *rand.Rand) float64 {
		if at%time.Hour == 0 {
			return -1
		}
		return 0.05
	}}
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 30*time.Hour, link)
	young := windows(link, rand.New(rand.NewPCG(1, 1)), 20*time.Hour, 30*time.Hour)
	for i := range young {
		young[i].Stream.Target = "young"
	}
	if err := store.Append(t.Context(), perigee.Batch{Samples: young}); err != nil {
		t.Fatal(err)
	}
	want := map[perigee.TargetID]float64{"far": 1. / 360, "young": 0}
	for _, s := range usual(t, store, 30*time.Hour).Streams {
		if high, ok := want[s.Stream.Target]; !ok || !s.LossHighDefined || math.Abs(s.LossHigh-high) > 1e-12 {
			t.Errorf("%s: high loss %g, want %g", s.Stream.Target, s.LossHigh, high)
		}
		if math.Abs(s.LossMean-1./360) > 1e-12 {
			t.Errorf("%s: mean loss %g", s.Stream.Target, s.LossMean)
		}
	}
}

// Nothing is usual of what was never measured, never sent or never answered.
func TestUsualUndefined(t *testing.T) {
	store := storagetest.NewMemory()
	record(t, store, 1, 0, 2*time.Hour, fakeLink{id: "a", interval: time.Second, rtt: func(time.Duration, *rand.Rand) float64 { return -1 }})
	if s := usual(t, store, 3*time.Hour).Streams[0]; s.RTTDefined || s.LossMean != 1 || s.LossHigh != 1 || !s.LossHighDefined {
		t.Errorf("of a silent link %+v", s)
	}
	if u := usual(t, store, 30*24*time.Hour); len(u.Streams) > 0 {
		t.Errorf("a month later %+v", u.Streams)
	}
	if u, err := perigee.UsualOf(t.Context(), store, perigee.UsualQuery{Link: "a"}); err != nil || u.To != epoch.Add(2*time.Hour) {
		t.Errorf("to %s, %v, want the end of what is stored", u.To, err)
	}
	if _, err := perigee.UsualOf(t.Context(), store, perigee.UsualQuery{Link: "x"}); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("of an unknown link: %v", err)
	}
	unsent := windows(fakeLink{id: "down", interval: time.Second, rtt: steady(1, 0)}, rand.New(rand.NewPCG(1, 1)), 0, 2*time.Hour)
	for i := range unsent {
		n := unsent[i].Counts.Planned
		unsent[i].RTT, unsent[i].Variation, unsent[i].LossRuns = stats.Distribution{}, stats.VariationSummary{}, stats.LossRuns{}
		unsent[i].Counts = perigee.Counts{Planned: n, SendFailed: n}
	}
	if err := store.Append(t.Context(), perigee.Batch{Samples: unsent}); err != nil {
		t.Fatal(err)
	}
	u, err := perigee.UsualOf(t.Context(), store, perigee.UsualQuery{Link: "down"})
	if err != nil || len(u.Streams) != 1 {
		t.Fatalf("%+v, %v", u, err)
	}
	if s := u.Streams[0]; s.RTTDefined || s.LossDefined || s.LossHighDefined || !s.Enough {
		t.Errorf("of what could not be sent %+v", s)
	}
}
