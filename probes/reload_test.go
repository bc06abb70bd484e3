package probes

import (
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// A reload in the midst of a run: a link that stays never notices, one that goes ends with
// a whole window and all its fates, one that comes begins with a whole window, and one that
// is changed is handed over at the border without a probe or an instant missing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(seq perigee.Seq) fate { // from 17 s on
			if seq >= 170 {
				return fate{}
			}
			return fate{rtt: 45 * time.Millisecond}
		}
		b := newBench(t, links{"fibre": steady(14 * time.Millisecond), "geo": steady(600 * time.Millisecond), "starlink": silent})
		b.start()
		time.Sleep(24 * time.Second)
		o := b.options
		o.Streams = nil
		for _, s := range b.options.Streams {
			switch s.Key.Link {
			case "starlink": // goes on with another prober, which is answered again
				b.probers["starlink"] = newFakeProber(b.clock, time.Second, steady(45*time.Millisecond))
				s.Prober, s.LossTimeout = b.probers["starlink"], time.Second
			case "geo":
				continue
			}
			o.Streams = append(o.Streams, s)
		}
		leo := newFakeProber(b.clock, 3*time.Second, steady(80*time.Millisecond))
		o.Streams = append(o.Streams, Stream{Key: keyOf("leo"), Prober: leo, LossTimeout: 3 * time.Second})
		if err := b.runner.Reload(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		border := b.begin.Add(30 * time.Second)
		if d := time.Since(border); d < 0 || d > collectEvery {
			t.Errorf("it is in effect %v after the border, want at once", d)
		}
		if n := len(b.runner.Status()); n != 3 {
			t.Errorf("%d streams have a status, want 3", n)
		}
		time.Sleep(30 * time.Second)
		b.stop()
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		all := b.store.all()
		if len(all.Gaps)+len(all.Events) != 0 {
			t.Errorf("gaps %v, events %v; want none", all.Gaps, all.Events)
		}
		for link, want := range map[perigee.LinkID]struct {
			from, to time.Duration
			numbered bool // probes are numbered without a break
		}{
			"fibre": {0, 60 * time.Second, true}, "geo": {0, 30 * time.Second, true},
			"leo": {30 * time.Second, 60 * time.Second, true}, "starlink": {0, 60 * time.Second, false},
		} {
			end, next := b.begin.Add(want.from), perigee.Seq(0)
			for _, s := range all.Samples {
				if s.Stream.Link != link {
					continue
				}
				if err := s.Counts.Check(); err != nil {
					t.Error(err)
				}
				if !s.Start.Equal(end) {
					t.Errorf("%s: window %v, want one at %v", link, s.Start, end)
				}
				if s.Length == 10*time.Second && s.Counts.Planned != 100 {
					t.Errorf("%s: %d probes planned in the window %v, want 100", link, s.Counts.Planned, s.Start.Sub(b.begin))
				}
				if s.Counts.Skipped+s.Counts.SendFailed != 0 || link != "starlink" && s.Counts.Received != s.Counts.Planned {
					t.Errorf("%s: window %v counts %+v", link, s.Start.Sub(b.begin), s.Counts)
				}
				if want.numbered && s.Singletons[0].Seq != next {
					t.Errorf("%s: window %v begins with probe %d, want %d", link, s.Start.Sub(b.begin), s.Singletons[0].Seq, next)
				}
				end, next = s.Start.Add(s.Length).Round(10*time.Millisecond), next+perigee.Seq(s.Counts.Planned)
			}
			if d := end.Sub(b.begin) - want.to; d.Abs() > time.Second {
				t.Errorf("%s: measured until %v, want %v", link, end.Sub(b.begin), want.to)
			}
		}
		last := all.Outages[len(all.Outages)-1]
		if last.Open || !last.End.Equal(border) || last.Stream.Link != "starlink" || last.Probes != 130 {
			t.Errorf("outage %+v; want one of starlink's 130 probes that ends at the border %v", last, border)
		}
		for link, p := range b.probers {
			p.mu.Lock()
			if p.running {
				t.Errorf("the prober of %s still runs", link)
			}
			p.mu.Unlock()
		}
	})
}

// All streams change with the window and the interval; probers that are gone end while
// the runner goes on; what is wrong changes nothing.
func TestReloadOfTheGrid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(14 * time.Millisecond)})
		o := b.options
		if r, err := New(o); err != nil {
			t.Fatal(err)
		} else if err := r.Reload(t.Context(), o); perigee.CodeOf(err) != perigee.CodeUnavailable {
			t.Errorf("before Run: %v", err)
		}
		b.start()
		time.Sleep(3 * time.Second)
		o.Streams = nil
		if err := b.runner.Reload(t.Context(), o); perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("no streams: %v", err)
		}
		old := b.probers["fibre"]
		p := newFakeProber(b.clock, time.Second, steady(14*time.Millisecond))
		o.Streams = []Stream{{Key: keyOf("fibre"), Prober: p, LossTimeout: time.Second}}
		o.Window, o.Interval = 5*time.Second, 50*time.Millisecond
		if err := b.runner.Reload(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		// The last window of the old one is closed 6 s after its end.
		time.Sleep(7 * time.Second)
		old.mu.Lock()
		if old.running {
			t.Error("the old prober still runs")
		}
		old.mu.Unlock()
		time.Sleep(10 * time.Second)
		b.stop()
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		var planned []int64
		var lengths []time.Duration
		for _, s := range b.store.all().Samples {
			planned = append(planned, s.Counts.Planned)
			lengths = append(lengths, s.Length.Round(100*time.Millisecond))
		}
		if len(planned) < 4 || planned[0] != 100 || lengths[0] != 10*time.Second || planned[1] < 95 || planned[2] != 100 || lengths[2] != 5*time.Second {
			t.Errorf("planned %v in windows of %v; want 100 in 10 s, then 100 each in 5 s", planned, lengths)
		}
		if err := b.runner.Reload(t.Context(), o); perigee.CodeOf(err) != perigee.CodeUnavailable {
			t.Errorf("after the end: %v", err)
		}
	})
}

// A machine that is busy over the border at which a reload comes into effect: what was due
// before it is of the stream that was measured then, what is due after it of the other.
func TestReloadOnABusyMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(14 * time.Millisecond), "geo": func(seq perigee.Seq) fate {
			if seq == 95 { // sent at 9.5 s: the loop stands still until 10.2 s
				return fate{rtt: 14 * time.Millisecond, block: 700 * time.Millisecond}
			}
			return fate{rtt: 14 * time.Millisecond}
		}})
		b.start()
		time.Sleep(2 * time.Second)
		o := b.options
		leo := newFakeProber(b.clock, 3*time.Second, steady(80*time.Millisecond))
		o.Streams = []Stream{o.Streams[0], {Key: keyOf("leo"), Prober: leo, LossTimeout: 3 * time.Second}}
		if err := b.runner.Reload(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		border := b.begin.Add(10 * time.Second)
		for _, s := range b.store.all().Samples {
			before := s.Start.Before(border)
			if link := s.Stream.Link; link == "geo" && !before || link == "leo" && before {
				t.Errorf("%s has a window at %v", link, s.Start.Sub(b.begin))
			}
			if s.Start.Equal(border) && s.Stream.Link == "leo" {
				continue // its first instant is drawn after the border
			}
			if d := s.Counts.Planned - 100; s.Length == 10*time.Second && (d < -1 || d > 1) {
				t.Errorf("%s: %d planned in the window at %v, want 100", s.Stream.Link, s.Counts.Planned, s.Start.Sub(b.begin))
			}
		}
	})
}
