package fleet

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes"
	"perigee/stats"
)

// walkProber answers as a link's walk does, so that the daemon's own window builder can
// be given the probes that the fleet makes windows of.
type walkProber struct {
	base  time.Time
	link  *link // asked for one walk alone
	phase chan<- int64
}

func (p *walkProber) mono() time.Duration { return time.Since(p.base) }

func (p *walkProber) Send(seq perigee.Seq, emit perigee.Emitter) {
	wall := time.Now().UnixNano()
	if p.link.walk == nil {
		p.link.phase = floorMod(wall, p.link.interval)
		p.phase <- p.link.phase
		p.link.begin(wall)
	}
	s := perigee.Singleton{Seq: seq, At: p.mono(), Outcome: perigee.Lost}
	wait := perigee.LateHorizon(p.link.lossTimeout)
	if trip := p.link.walk.Probe(time.Duration(wall-p.link.eraBegin), echoSize); trip.Fate == lab.Delivered {
		s.Outcome, s.RTT, wait = perigee.Received, trip.RTT, trip.RTT
	}
	time.AfterFunc(wait, func() { emit.Singleton(s) })
}

func (p *walkProber) Run(ctx context.Context, _ perigee.Emitter) error {
	<-ctx.Done()
	return nil
}

func (p *walkProber) Proof() perigee.Proof { return p.link.proof }

// TestWindowsAreThoseOfTheDaemon gives the daemon's runner a prober that answers as the
// walk does, and compares what the two make of it, every field and every bit.
func TestWindowsAreThoseOfTheDaemon(t *testing.T) {
	const windows = 80
	for i, kind := range kinds {
		t.Run(string(kind.link.ID), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, err := Options{Homes: 1, Append: newShelf().Append}.withDefaults()
				if err != nil {
					t.Fatal(err)
				}
				profile := vary(kind.profile(), rand.New(rand.NewPCG(1, 1)), true)
				if profile.Slots.Period > 0 { // and outages that last over borders
					profile.Slots.Outage, profile.Slots.OutageMax = 0.5, 13*time.Second
				}
				// This seed's era begins 3 s before midnight, when synctest's
				// clock does, and outlasts the windows.
				const seed = 60_001
				begin := time.Now().UTC()
				phases := make(chan int64, 1)
				prober := &walkProber{base: begin, link: newLink("home", i, profile, o, 0, seed), phase: phases}
				daemon := newShelf()
				runner, err := probes.New(probes.Options{
					Site:    "home",
					Streams: []probes.Stream{{Key: prober.link.stream, Prober: prober, LossTimeout: prober.link.lossTimeout}},
					Clock: func() perigee.Reading {
						return perigee.Reading{Wall: time.Now().Round(0), Mono: prober.mono()}
					},
					Interval: o.Interval, Window: o.Window, Limit: windows * 10,
					Rand:   rand.New(rand.NewPCG(1, 2)),
					Record: daemon.Append,
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := runner.Run(t.Context()); err != nil {
					t.Fatal(err)
				}

				l := newLink("home", i, profile, o, time.Duration(<-phases), seed)
				l.begin(l.firstProbe(begin.UnixNano()))
				l.variation = stats.Variation{} // the daemon has just begun
				fleet := newShelf()
				for n := range int64(windows) {
					start := begin.UnixNano() + n*l.window
					l.next = start
					s, outages := l.sample(start)
					if err := fleet.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{s}, Outages: outages}); err != nil {
						t.Fatal(err)
					}
				}
				if got := len(daemon.samples[l.stream]); got != windows {
					t.Fatalf("the daemon made %d windows, want %d", got, windows)
				}
				daemon.samples[l.stream] = whole(daemon.samples[l.stream], o.Window)
				equal(t, fleet, daemon)
				if n := len(fleet.outages[l.stream]); profile.Slots.Period > 0 && n < 20 {
					t.Errorf("%d outages, want some to compare", n)
				}
			})
		})
	}
}

// whole returns samples without singletons, each from border to border: the daemon's
// first and last window are cut off by its beginning and end, but hold all their probes.
func whole(samples map[int64]perigee.Sample, window time.Duration) map[int64]perigee.Sample {
	all := map[int64]perigee.Sample{}
	for _, s := range samples {
		s.Singletons = nil
		s.Start, s.Length = s.Start.Truncate(window), window
		all[s.Start.UnixNano()] = s
	}
	return all
}

// TestFleetAgreesWithTheLab compares windows of a link whose profile is not varied, over
// 24 eras, with one walk as long; the lab's own calibration holds such a walk against
// what is measured on real links.
func TestFleetAgreesWithTheLab(t *testing.T) {
	const every, length = 200 * time.Millisecond, 6 * time.Hour
	o, err := Options{Homes: 1, Interval: every, Append: newShelf().Append}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range kinds {
		l := newLink("home", i, kind.profile(), o, 0, 11)
		var made perigee.Sample
		for at := noon; at.Before(noon.Add(length)); at = at.Add(o.Window) {
			s, _ := l.sample(at.UnixNano())
			made.Merge(s)
		}
		walk, err := lab.NewWalk(kind.profile(), 12, noon)
		if err != nil {
			t.Fatal(err)
		}
		var want perigee.Sample
		var v stats.Variation
		for at := time.Duration(0); at < length; at += every {
			want.Counts.Sent++
			if trip := walk.Probe(at, echoSize); trip.Fate == lab.Delivered {
				want.RTT.Add(trip.RTT.Seconds())
				v.Arrived(trip.RTT.Seconds())
			} else {
				want.Counts.Lost++
				v.Missed()
			}
		}
		want.Variation = v.Cut()

		near := func(name string, got, want, share float64) {
			t.Helper()
			if math.Abs(got-want) > share*want {
				t.Errorf("%s: %s is %.5g, the lab's %.5g", kind.link.ID, name, got, want)
			}
		}
		for _, q := range []float64{0.05, 0.5, 0.95, 0.99} {
			a, _ := made.RTT.Quantile(q)
			b, _ := want.RTT.Quantile(q)
			near("quantile of RTT", a, b, 0.06)
		}
		near("mean RTT", made.RTT.Mean, want.RTT.Mean, 0.03)
		near("mean abs IPDV", made.Variation.IPDV.Mean, want.Variation.IPDV.Mean, 0.05)
		near("sent", float64(made.Counts.Sent), float64(want.Counts.Sent), 0)
		got, lost := float64(made.Counts.Lost), float64(want.Counts.Lost)
		if math.Abs(got-lost) > 0.2*lost+5 { // losses come in bursts; fibre's are a few
			t.Errorf("%s: %v lost, in the lab %v", kind.link.ID, got, lost)
		}
	}
}

// TestHomesDiffer looks at an hour of many homes: plausible each, and not all the same.
func TestHomesDiffer(t *testing.T) {
	_, s := history(t, Options{Homes: 100, Seed: 2}, noon, noon.Add(time.Hour))
	for i, c := range []struct {
		medianLow, medianHigh float64 // of any home, ms
		mostLoss              float64 // of any home
	}{
		{13, 15, 0.002}, {25, 70, 0.2}, {65, 105, 0.1}, {590, 720, 0.05},
	} {
		medians := map[float64]bool{}
		for n := range 100 {
			var hour perigee.Sample
			for at := noon; at.Before(noon.Add(time.Hour)); at = at.Add(DefaultWindow) {
				hour.Merge(s.samples[streamOf(Name(n), i)][at.UnixNano()])
			}
			median, _ := hour.RTT.Quantile(0.5)
			loss, _ := hour.Counts.LossRatio()
			if median *= 1000; median < c.medianLow || median > c.medianHigh || loss > c.mostLoss {
				t.Errorf("%s %s: median %.1f ms, loss %.3f", Name(n), kinds[i].link.ID, median, loss)
			}
			medians[hour.RTT.Mean] = true
		}
		if len(medians) != 100 {
			t.Errorf("%s: %d different homes of 100", kinds[i].link.ID, len(medians))
		}
	}
}

// TestSlotsAreSharedByAllHomes folds the losses of all starlinks onto the grid of GPS
// time: most lie within 2 s of an edge, whatever the home.
func TestSlotsAreSharedByAllHomes(t *testing.T) {
	var lost, atEdge int
	for n := range 50 {
		o, err := Options{Homes: 50, Append: newShelf().Append}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		l := newHome(n, o).links[1]
		l.begin(noon.UnixNano())
		for at := l.firstProbe(noon.UnixNano()); at < noon.Add(20*time.Minute).UnixNano(); at += l.interval {
			if l.probe(at).Outcome == perigee.Lost {
				lost++
				if floorMod(at+int64(leap), int64(slot)) < int64(2*time.Second) {
					atEdge++
				}
			}
		}
	}
	if share := float64(atEdge) / float64(lost); share < 0.5 || lost < 500 {
		t.Errorf("%.2f of %d losses lie within 2 s of an edge, want most", share, lost)
	}
}

// TestErasDoNotShow: nothing of a window that an era's border lies in is out of the
// ordinary.
func TestErasDoNotShow(t *testing.T) {
	_, s := history(t, Options{Homes: 30, Seed: 8}, noon, noon.Add(2*time.Hour))
	f := mustNew(t, Options{Homes: 30, Seed: 8, Append: s.Append})
	for i, kind := range kinds {
		var border, all stats.Distribution
		for _, h := range f.homes {
			l := h.links[i]
			for start, sample := range s.samples[l.stream] {
				all.Add(sample.Variation.Jitter)
				if floorMod(start+l.window-l.eraOffset, int64(era)) < l.window {
					border.Add(sample.Variation.Jitter)
				}
			}
		}
		if border.Count < 200 || math.Abs(border.Mean-all.Mean) > 0.15*all.Mean {
			t.Errorf("%s: jitter %.5f s in %d windows with a border, %.5f s in all", kind.link.ID, border.Mean, border.Count, all.Mean)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	ok := Options{Homes: 1, Append: newShelf().Append}
	for name, change := range map[string]func(*Options){
		"no_homes":                  func(o *Options) { o.Homes = 0 },
		"no_store":                  func(o *Options) { o.Append = nil },
		"window_of_a_fraction":      func(o *Options) { o.Window = 1500 * time.Microsecond },
		"interval_above_the_window": func(o *Options) { o.Interval = 11 * time.Second },
		"negative_interval":         func(o *Options) { o.Interval = -time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			o := ok
			change(&o)
			if _, err := New(o); perigee.CodeOf(err) != perigee.CodeInvalid {
				t.Errorf("New = %v, want an error with %s", err, perigee.CodeInvalid)
			}
		})
	}
}

func TestHistoryIsMadeOnce(t *testing.T) {
	f, _ := history(t, Options{Homes: 1}, noon, noon.Add(time.Minute))
	if err := f.Backfill(t.Context(), noon.Add(50*time.Second), noon.Add(2*time.Minute)); perigee.CodeOf(err) != perigee.CodeInvalid {
		t.Errorf("Backfill over what was made = %v, want an error with %s", err, perigee.CodeInvalid)
	}
	if err := f.Backfill(t.Context(), noon.Add(time.Minute), noon.Add(2*time.Minute)); err != nil {
		t.Errorf("Backfill after what was made = %v", err)
	}
	if got := f.Stats().Windows; got != 12*4 {
		t.Errorf("%d windows, want 48", got)
	}
}
