package probes

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// The time of day becomes known in the midst of a run, and of an outage: what was
// measured before then gets its place by the monotonic clock, and dated so no window, gap
// or outage differs from those of a run whose clock was right all along, but for the cut.
func TestTimeOfDayBecomesKnown(t *testing.T) {
	for name, c := range map[string]struct {
		asleep time.Duration // the machine sleeps just before
		epoch  int64
		gaps   int
	}{
		"awake":            {0, 0, 0},
		"while_asleep":     {time.Minute, 0, 1},
		"it_was_once_back": {0, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Silent from the 100th to the 400th probe: 10 to 40 s.
				b := newBench(t, links{"fibre": steady(14 * time.Millisecond), "geo": func(seq perigee.Seq) fate {
					if seq >= 100 && seq < 400 {
						return fate{}
					}
					return fate{rtt: 600 * time.Millisecond}
				}})
				var known atomic.Bool
				booted := b.begin.Add(-42*time.Second - 123*time.Millisecond - 456*time.Microsecond)
				b.options.Clock = func() perigee.Reading {
					r := b.clock.read()
					if !known.Load() {
						r.Wall = time.Unix(0, 0).UTC().Add(r.Wall.Sub(booted))
					}
					return r
				}
				b.start()
				time.Sleep(23*time.Second + 333*time.Millisecond)
				b.clock.sleep(c.asleep)
				b.runner.SetEpoch(c.epoch)
				known.Store(true)
				time.Sleep(40 * time.Second)
				if err := b.finish(); err != nil {
					t.Fatal(err)
				}
				provisional := 0
				for _, s := range b.store.all().Samples {
					if perigee.Provisional(s.Start) {
						provisional++
					}
				}
				// 23.3 s are cut by borders at 7.9 and 17.9 s: three windows of two links.
				if provisional != 6 {
					t.Errorf("%d samples are provisional, want 6", provisional)
				}
				all := b.store.all().Dated(booted.Truncate(time.Millisecond).Add(time.Duration(c.epoch)))
				if len(all.Events) != 0 || len(all.Gaps) != c.gaps {
					t.Errorf("events %v, gaps %v; want none and %d", all.Events, all.Gaps, c.gaps)
				}
				for link := range b.probers {
					end := b.begin
					var planned int64
					for _, s := range all.Samples {
						if s.Stream.Link != link {
							continue
						}
						if s.Start.Nanosecond()%1e6 != int(c.epoch) {
							t.Errorf("%s: start %v, want whole milliseconds and %d ns", link, s.Start, c.epoch)
						}
						missing := s.Start.Sub(end)
						if len(all.Gaps) > 0 && overlapping(all.Gaps[0], end, s.Start) {
							missing -= all.Gaps[0].End.Sub(all.Gaps[0].Start)
						}
						if missing.Abs() > 2*time.Millisecond {
							t.Errorf("%s: window %v begins %v after the one before ends", link, s.Start, missing)
						}
						end = s.End()
						planned += s.Counts.Planned
					}
					if want := 63*time.Second + 333*time.Millisecond + c.asleep; (end.Sub(b.begin) - want).Abs() > 3*time.Millisecond {
						t.Errorf("%s: measured until %v after the start, want %v", link, end.Sub(b.begin), want)
					}
					// 63.333 s at 10 a second, by the phase; one instant may be lost to the sleep.
					if planned < 633-int64(c.gaps)*3 || planned > 634 {
						t.Errorf("%s: %d probes planned, want 633 or 634", link, planned)
					}
				}
				if c.gaps > 0 {
					return // a gap ends an outage, as ever
				}
				outages := slices.Compact(all.Outages) // as a store keeps them: by their start
				last := map[time.Time]perigee.Outage{}
				for _, o := range outages {
					last[o.Start] = o
				}
				if len(last) != 1 {
					t.Fatalf("outages %+v, want one", outages)
				}
				for _, o := range last {
					if o.Open || o.Probes != 300 || o.End.Sub(o.Start).Round(10*time.Millisecond) != 30*time.Second {
						t.Errorf("outage %+v of %v, want one of 300 probes and 30 s", o, o.End.Sub(o.Start))
					}
				}
			})
		})
	}
}

// overlapping reports whether g touches the time between two instants.
func overlapping(g perigee.Gap, from, to time.Time) bool {
	slack := 5 * time.Millisecond
	return g.Start.Add(-slack).Before(to) && g.End.Add(slack).After(from)
}
