package probes

import (
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// The wall clock is set by an hour in the midst of a run: no RTT, order or count
// differs from an undisturbed one, and the step is told.
func TestClockSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
			b.options.Epoch = 2
			b.start()
			time.Sleep(33*time.Second + 333*time.Millisecond)
			b.clock.set(step)
			time.Sleep(30 * time.Second)
			if err := b.finish(); err != nil {
				t.Fatal(err)
			}
			counts, probes := b.store.of("geo")
			if want := (perigee.Counts{Planned: 633, Sent: 633, Received: 633}); counts != want {
				// 63.333 s hold 633 or 634 instants of 100 ms, by the phase.
				want.Planned, want.Sent, want.Received = 634, 634, 634
				if counts != want {
					t.Errorf("counts %+v, want %+v", counts, want)
				}
			}
			for _, p := range probes {
				if p.RTT != 600*time.Millisecond {
					t.Errorf("probe %d: RTT %v, want 600ms", p.Seq, p.RTT)
				}
			}
			all := b.store.all()
			if len(all.Events) != 1 || len(all.Gaps) != 1 {
				t.Fatalf("events %v, gaps %v, want one each", all.Events, all.Gaps)
			}
			kind, missing := perigee.EventClockForward, time.Hour
			if step < 0 {
				kind, missing = perigee.EventClockBack, 0
			}
			if e := all.Events[0]; e.Kind != kind || e.Site != "home" || e.Link != "" || e.Detail == "" {
				t.Errorf("event %+v, want %v", e, kind)
			}
			g := all.Gaps[0]
			if g.Reason != perigee.GapClockStep || g.End.Sub(g.Start) != missing {
				t.Errorf("gap %+v, want of %v", g, missing)
			}
			// The window is cut at the step, the next begins with the new time; of
			// windows after a step back the start tells it by its nanoseconds.
			var measured time.Duration
			for _, s := range all.Samples {
				measured += s.Length
				epoch := 2
				if step < 0 && s.Start.Before(b.begin.Add(-30*time.Minute)) {
					epoch = 3
				}
				if ns := s.Start.Nanosecond() % 1e6; ns != epoch {
					t.Errorf("sample at %v: %d ns, want %d", s.Start, ns, epoch)
				}
				if step > 0 && overlaps(s, g) {
					t.Errorf("sample %v + %v lies in the hour that never was", s.Start, s.Length)
				}
			}
			if d := measured - (63*time.Second + 333*time.Millisecond); d < 0 || d > 2*time.Millisecond {
				t.Errorf("windows measured %v, want 63.333 s", measured)
			}
		})
	}
}

// Below 128 ms a step is absorbed at the next border.
func TestSmallClockStepsAreAbsorbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.slack = stepThreshold // a window grows by what the clock was slewed
		b.start()
		for range 10 {
			time.Sleep(7 * time.Second)
			b.clock.set(-100 * time.Millisecond)
			time.Sleep(7 * time.Second)
			b.clock.set(90 * time.Millisecond)
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		all := b.store.all()
		if len(all.Events) != 0 || len(all.Gaps) != 0 {
			t.Errorf("events %v, gaps %v, want none", all.Events, all.Gaps)
		}
		if counts, _ := b.store.of("geo"); counts.Received != 1400 {
			t.Errorf("counts %+v, want all of 1400", counts)
		}
		for _, s := range all.Samples {
			if s.Start.Unix()%10 != 0 || s.Start.Nanosecond() != 0 {
				t.Errorf("sample starts at %v, off the grid", s.Start)
			}
		}
	})
}

// overlaps reports whether a sample reaches into a gap by more than the millisecond to
// which windows are rounded.
func overlaps(s perigee.Sample, g perigee.Gap) bool {
	return s.Start.Add(time.Millisecond).Before(g.End) && s.End().Add(-time.Millisecond).After(g.Start)
}

// The process does not run for 5 s (as after SIGSTOP): nothing was planned then, and
// probes that were under way are not held against the link.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(seq perigee.Seq) fate {
			f := fate{rtt: 600 * time.Millisecond}
			if seq == 123 {
				f.block = 5 * time.Second
			}
			if seq >= 118 && seq < 123 {
				f.rtt = 0 // replies that nobody read in time
			}
			return f
		}})
		b.start()
		time.Sleep(40 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		all := b.store.all()
		if len(all.Gaps) != 1 {
			t.Fatalf("gaps %v, want one", all.Gaps)
		}
		g := all.Gaps[0]
		if g.Reason != perigee.GapStalled || g.Link != "" || g.Site != "home" {
			t.Errorf("gap %+v, want stalled for all links", g)
		}
		// It begins when the next probe, 124, was due: one interval after 123.
		sent := b.probers["geo"].sentAt
		due := b.clock.base.Add(sent[123] - 1000*time.Second + 100*time.Millisecond)
		if d := g.Start.Sub(due).Abs(); d > time.Millisecond {
			t.Errorf("gap starts at %v, want %v", g.Start, due)
		}
		if d := g.End.Sub(g.Start); d != 4900*time.Millisecond {
			t.Errorf("gap lasts %v, want 4.9s", d)
		}
		if len(all.Outages) != 0 {
			t.Errorf("the monitor's own stall became outages %v", all.Outages)
		}
		counts, probes := b.store.of("geo")
		// 400 instants in 40 s, 50 of them in the gap: the last when it ended.
		if counts.Planned != 350 || counts.Lost != 0 || counts.Late != 0 {
			t.Errorf("counts %+v, want 350 planned and none lost", counts)
		}
		for _, p := range probes {
			// 117 was sent 600 ms before the stall's look and answered at it.
			open := p.Seq >= 118 && p.Seq <= 123
			if open != (p.Outcome == perigee.Skipped) {
				t.Errorf("probe %d became %v (%s)", p.Seq, p.Outcome, p.Cause)
			}
		}
		for _, s := range all.Samples {
			if overlaps(s, g) {
				t.Errorf("sample %v + %v reaches into the gap", s.Start, s.Length)
			}
		}
	})
}

// Late by less than a second, the loop skips what it missed: planned stays complete.
func TestLateLoopSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(seq perigee.Seq) fate {
			f := fate{rtt: 600 * time.Millisecond}
			if seq == 97 { // the window of 10 s ends meanwhile
				f.block = 550 * time.Millisecond
			}
			return f
		}})
		b.start()
		time.Sleep(20 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		// Due 100 to 500 ms after probe 97; the last of these is late by 50 ms and sent.
		counts, probes := b.store.of("geo")
		if want := (perigee.Counts{Planned: 200, Sent: 196, Skipped: 4, Received: 196}); counts != want {
			t.Errorf("counts %+v, want %+v", counts, want)
		}
		for _, p := range probes {
			if skipped := p.Seq >= 98 && p.Seq <= 101; skipped != (p.Outcome == perigee.Skipped) {
				t.Errorf("probe %d became %v", p.Seq, p.Outcome)
			}
		}
		if gaps := b.store.all().Gaps; len(gaps) != 0 {
			t.Errorf("gaps %v, want none", gaps)
		}
	})
}

func TestSuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.start()
		time.Sleep(14 * time.Second)
		b.clock.sleep(8 * time.Hour)
		time.Sleep(20 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		all := b.store.all()
		if len(all.Gaps) != 1 || len(all.Events) != 0 {
			t.Fatalf("gaps %v, events %v, want one gap and no clock step", all.Gaps, all.Events)
		}
		g := all.Gaps[0]
		if d := g.Start.Sub(b.begin.Add(14 * time.Second)).Abs(); g.Reason != perigee.GapSuspended || d > 100*time.Millisecond {
			t.Errorf("gap %+v, want suspended from 14 s on", g)
		}
		if d := g.End.Sub(g.Start) - 8*time.Hour; d < 0 || d > 100*time.Millisecond {
			t.Errorf("gap lasts %v, want 8h", g.End.Sub(g.Start))
		}
		counts, _ := b.store.of("geo")
		if counts.Lost != 0 || counts.Late != 0 || counts.Skipped < 5 || counts.Skipped > 7 {
			t.Errorf("counts %+v, want the six probes under way skipped and none lost", counts)
		}
		for _, s := range all.Samples {
			if overlaps(s, g) {
				t.Errorf("sample %v + %v reaches into the gap", s.Start, s.Length)
			}
		}
	})
}

// What happens after measuring ended is no gap of this run, but probes that were under
// way are still not held against the link.
func TestSuspensionWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(0)})
		b.start()
		time.Sleep(500 * time.Millisecond)
		go func() {
			time.Sleep(time.Second)
			b.clock.sleep(time.Hour)
		}()
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if gaps := b.store.all().Gaps; len(gaps) != 0 {
			t.Errorf("gaps %v, want none", gaps)
		}
		if counts, _ := b.store.of("geo"); counts.Skipped != 5 {
			t.Errorf("counts %+v, want the five under way skipped", counts)
		}
	})
}

func TestProberThatDiesIsRestarted(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error // nil panics
		detail string
	}{
		{"error", errCable, "icmp to far over ipv4: the cable was cut"},
		{"panic", nil, "icmp to far over ipv4: the prober panicked: run went wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, links{"fibre": steady(10 * time.Millisecond), "geo": steady(600 * time.Millisecond)})
				b.start()
				time.Sleep(12050 * time.Millisecond)
				b.probers["geo"].end <- c.err
				synctest.Wait()
				if s := b.runner.Status()[1]; s.Running || s.LastError == "" || s.Restarts != 1 || s.Undecided != 0 {
					t.Errorf("status %+v while the prober is down", s)
				}
				time.Sleep(10 * time.Second)
				if s := b.runner.Status()[1]; !s.Running || s.LastError != "" || s.LastReceived.IsZero() {
					t.Errorf("status %+v after it recovered", s)
				}
				if err := b.finish(); err != nil {
					t.Fatal(err)
				}
				events := b.store.all().Events
				if len(events) != 1 || events[0].Kind != perigee.EventProberRestart || events[0].Link != "geo" || events[0].Detail != c.detail {
					t.Errorf("events %+v, want one restart: %s", events, c.detail)
				}
				counts, _ := b.store.of("geo")
				// 220 or 221 instants in 22.05 s; six were under way, one or none was due
				// in the 100 ms of the pause.
				if counts.Planned < 220 || counts.Skipped < 6 || counts.Received < counts.Planned-9 || counts.Lost != 0 {
					t.Errorf("counts %+v, want all planned and those under way skipped", counts)
				}
				if other, _ := b.store.of("fibre"); other.Received != counts.Planned {
					t.Errorf("the other link has counts %+v, want all %d received", other, counts.Planned)
				}
			})
		})
	}
}

// A prober that fails at once, again and again, is tried less and less often, and the
// same failure is one event.
func TestRestartsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		p := b.probers["geo"]
		go func() {
			for range 40 {
				p.end <- errCable
			}
		}()
		b.start()
		time.Sleep(2 * time.Minute)
		// 0.1 0.2 0.4 0.8 1.6 3.2 6.4 s are 12.7 s, less up to a quarter; then every 7.5
		// to 10 s: 7 + 11 to 15 pauses in two minutes.
		if runs := b.runner.Status()[0].Restarts; runs < 16 || runs > 24 {
			t.Errorf("%d restarts in two minutes, want 18 to 22", runs)
		}
		time.Sleep(10 * time.Minute)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if events := b.store.all().Events; len(events) != 1 {
			t.Errorf("%d events, want one for the same failure", len(events))
		}
		counts, _ := b.store.of("geo")
		if counts.Planned != 7200 || counts.SendFailed < 2000 || counts.Received < 2000 {
			t.Errorf("counts %+v, want failed sends while it was down", counts)
		}
	})
}

// A prober that ran well for a while is restarted at once, and each death is told.
func TestRestartsBeginAnewAfterAHealthyRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.start()
		for range 10 {
			time.Sleep(time.Minute)
			b.probers["geo"].end <- errCable
			time.Sleep(restartMin)
			if s := b.runner.Status()[0]; !s.Running {
				t.Errorf("status %+v %v after a death, want running again", s, restartMin)
			}
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if events := b.store.all().Events; len(events) != 10 {
			t.Errorf("%d events, want one for each of ten deaths", len(events))
		}
	})
}

// Without the permission to open a socket nothing is won by trying often.
func TestMissingPermissionIsTriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		go func() {
			for range 3 {
				b.probers["geo"].end <- &perigee.Error{Code: perigee.CodePermission, Message: "icmp: no permission"}
			}
		}()
		b.start()
		time.Sleep(7 * time.Second) // a pause is 7.5 to 10 s
		if s := b.runner.Status()[0]; s.Restarts != 1 || s.Running {
			t.Errorf("status %+v after 7 s, want one attempt", s)
		}
		time.Sleep(30 * time.Second)
		if s := b.runner.Status()[0]; !s.Running {
			t.Errorf("status %+v, want it running once it is permitted", s)
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPanicInSendRestartsTheProber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(10 * time.Millisecond), "geo": func(seq perigee.Seq) fate {
			return fate{rtt: 600 * time.Millisecond, panics: seq == 50}
		}})
		b.options.Interval = 10 * time.Millisecond
		b.start()
		time.Sleep(2 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		counts, probes := b.store.of("geo")
		// All 50 were under way, and the prober is left alone for 75 to 100 ms.
		if counts.Planned != 200 || counts.Skipped < 58 || counts.Skipped > 62 || counts.SendFailed != 0 {
			t.Errorf("counts %+v, want a short interruption", counts)
		}
		if p := probes[50]; p.Outcome != perigee.Skipped {
			t.Errorf("probe 50 became %v, want skipped", p.Outcome)
		}
		if other, _ := b.store.of("fibre"); other.Received != 200 {
			t.Errorf("the other link has counts %+v, want 200 received", other)
		}
		if events := b.store.all().Events; len(events) != 1 || b.probers["geo"].runs != 2 {
			t.Errorf("events %v and %d runs, want one restart", events, b.probers["geo"].runs)
		}
	})
}

// A prober that ignores the end of its context must not keep results from the store.
func TestStubbornProberIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.probers["geo"].stubborn = true
		b.start()
		time.Sleep(5 * time.Second)
		if err := b.finish(); perigee.CodeOf(err) != perigee.CodeInternal {
			t.Errorf("error %v, want one that names the prober that did not end", err)
		}
		if counts, _ := b.store.of("geo"); counts.Received != 50 {
			t.Errorf("counts %+v, want 50 received", counts)
		}
		time.Sleep(time.Minute) // let it end: a bubble waits for its goroutines
	})
}
