package probes

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

type links = map[perigee.LinkID]func(perigee.Seq) fate

func TestEveryProbeIsInOneSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{
			"fibre": steady(14 * time.Millisecond),
			"leo": func(seq perigee.Seq) fate {
				switch seq % 10 {
				case 3:
					return fate{} // lost
				case 5:
					return fate{rtt: 4 * time.Second} // late
				case 7:
					return fate{rtt: 70 * time.Millisecond, duplicates: 2}
				case 8:
					return fate{rtt: 350 * time.Millisecond} // overtaken by the next two
				case 9:
					return fate{fail: "no buffer"}
				}
				return fate{rtt: 70 * time.Millisecond}
			},
			"geo": steady(2500 * time.Millisecond),
		})
		b.start()
		time.Sleep(60 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		n := int64(600) // 60 s at 100 ms, whatever the phase
		want := map[perigee.LinkID]perigee.Counts{
			"fibre": {Planned: n, Sent: n, Received: n},
			// A reply after 2.5 s is in time: no false loss on a long path.
			"geo": {Planned: n, Sent: n, Received: n},
			// Of ten probes: 1 lost, 1 late, 1 failed, 7 received; the one of 350 ms
			// comes after the replies of the next probes.
			"leo": {Planned: n, Sent: 540, SendFailed: 60, Received: 420, Late: 60, Lost: 60, Duplicates: 120},
		}
		for link, w := range want {
			got, _ := b.store.of(link)
			if link == "leo" {
				// Late replies (4 s) and slow ones are overtaken, except at the end.
				if got.Reordered < 110 || got.Reordered > 120 {
					t.Errorf("leo: %d reordered, want the late and the slow ones", got.Reordered)
				}
				got.Reordered = 0
			}
			if got != w {
				t.Errorf("%s: counts %+v, want %+v", link, got, w)
			}
		}
		all := b.store.all()
		for _, s := range all.Samples {
			if s.Proof.InterfaceName != "wan0" || s.LossTimeout != 3*time.Second || s.Interval != 100*time.Millisecond {
				t.Errorf("sample lacks its conditions: %+v", s)
			}
		}
		if len(all.Gaps) != 0 || len(all.Outages) != 0 || len(all.Events) != 0 {
			t.Errorf("an undisturbed run recorded gaps %v, outages %v, events %v", all.Gaps, all.Outages, all.Events)
		}
	})
}

// Windows of all links lie on the same grid and are recorded while measuring goes on,
// those that close together in one batch.
func TestWindowsAreRecordedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(time.Millisecond), "geo": steady(600 * time.Millisecond)})
		b.start()
		time.Sleep(40 * time.Second)
		b.store.mu.Lock()
		batches := len(b.store.batches)
		for _, x := range b.store.batches {
			if len(x.Samples) != 2 || !x.Samples[0].Start.Equal(x.Samples[1].Start) {
				t.Errorf("batch of %d samples, want one of each link", len(x.Samples))
			}
		}
		b.store.mu.Unlock()
		// Windows end at 10, 20, 30 s and close 6 s later.
		if batches != 3 {
			t.Errorf("%d batches after 40 s, want 3", batches)
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		for _, s := range b.store.all().Samples {
			if s.Start.Unix()%10 != 0 || s.Length != 10*time.Second {
				t.Errorf("window %v + %v, want on the grid of 10 s", s.Start, s.Length)
			}
		}
	})
}

func TestLinksOfATargetSendAtTheSameInstants(t *testing.T) {
	for _, spacing := range []Spacing{SpacingPeriodic, SpacingPoisson} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, links{"fibre": steady(time.Millisecond), "leo": steady(time.Millisecond), "geo": steady(time.Millisecond)})
			b.options.Spacing = spacing
			// Another target has a schedule of its own.
			other := newFakeProber(b.clock, 3*time.Second, steady(time.Millisecond))
			key := keyOf("fibre")
			key.Target = "anchor"
			b.options.Streams = append(b.options.Streams, Stream{Key: key, Prober: other, LossTimeout: 3 * time.Second})
			b.start()
			time.Sleep(time.Minute)
			if err := b.finish(); err != nil {
				t.Fatal(err)
			}
			want := b.probers["fibre"].sentAt
			for id, p := range b.probers {
				if len(p.sentAt) != len(want) {
					t.Fatalf("%s sent %d, fibre %d", id, len(p.sentAt), len(want))
				}
				for i := range want {
					if d := (p.sentAt[i] - want[i]).Abs(); d > 2*time.Millisecond {
						t.Errorf("%s sent probe %d %v apart from fibre", id, i, d)
					}
				}
			}
			if other.sentAt[0] == want[0] {
				t.Error("two targets share a phase")
			}
		})
	}
}

func TestSeqOfAnInstantIsTheSameOnEveryLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(time.Millisecond), "geo": steady(600 * time.Millisecond)})
		b.start()
		time.Sleep(5 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		_, a := b.store.of("fibre")
		_, c := b.store.of("geo")
		if len(a) != 50 || len(c) != 50 {
			t.Fatalf("%d and %d probes, want 50 each", len(a), len(c))
		}
		for i := range a {
			if a[i].Seq != c[i].Seq || a[i].At != c[i].At {
				t.Errorf("probe %d: %v at %v and %v at %v", i, a[i].Seq, a[i].At, c[i].Seq, c[i].At)
			}
		}
	})
}

// Stopping cuts the window at the moment, waits for what is under way, and no longer
// than that.
func TestShutdownFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(seq perigee.Seq) fate {
			return fate{rtt: 2500 * time.Millisecond, duplicates: 1, spread: 900 * time.Millisecond}
		}})
		b.start()
		time.Sleep(4 * time.Second)
		began := time.Now()
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		counts, _ := b.store.of("geo")
		if want := (perigee.Counts{Planned: 40, Sent: 40, Received: 40, Duplicates: 40}); counts != want {
			t.Errorf("counts %+v, want %+v", counts, want)
		}
		samples := b.store.all().Samples
		if len(samples) != 1 || samples[0].Length != 4*time.Second {
			t.Errorf("samples %v, want one of the 4 s that were measured", samples)
		}
		// In the bubble time is exact: the last reply comes within 2.5 s, quiet is 1 s.
		if d := time.Since(began); d > 3600*time.Millisecond {
			t.Errorf("stopping took %v, want the last reply and a second", d)
		}
	})
}

func TestShutdownDecidesLostProbesAtTheHorizon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(0)})
		b.start()
		time.Sleep(3 * time.Second)
		began := time.Now()
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 8*time.Second {
			t.Errorf("stopping took %v, want at most the late horizon and its grace", d)
		}
		counts, _ := b.store.of("geo")
		if want := (perigee.Counts{Planned: 30, Sent: 30, Lost: 30}); counts != want {
			t.Errorf("counts %+v, want %+v", counts, want)
		}
		outages := b.store.all().Outages
		if len(outages) == 0 {
			t.Fatal("no outage was recorded")
		}
		last := outages[len(outages)-1]
		if !last.Open || last.Probes != 30 || last.Reason != perigee.NoReplies {
			t.Errorf("outage %+v, want open with 30 probes", last)
		}
	})
}

func TestOutageEdgesAreWithinOneInterval(t *testing.T) {
	for _, reason := range []string{"", "interface down"} {
		synctest.Test(t, func(t *testing.T) {
			var down, up time.Time
			b := newBench(t, links{
				"fibre": steady(10 * time.Millisecond),
				"geo": func(perigee.Seq) fate {
					if now := time.Now(); !now.Before(down) && now.Before(up) {
						return fate{fail: reason}
					}
					return fate{rtt: 600 * time.Millisecond}
				}})
			down, up = b.begin.Add(23*time.Second), b.begin.Add(25*time.Second)
			b.start()
			time.Sleep(50 * time.Second)
			if err := b.finish(); err != nil {
				t.Fatal(err)
			}
			all := b.store.all()
			if len(all.Outages) != 2 {
				t.Fatalf("outages told %v, want once open and once ended", all.Outages)
			}
			open, ended := all.Outages[0], all.Outages[1]
			if !open.Open || ended.Open || !open.Start.Equal(ended.Start) || open.Stream != keyOf("geo") || ended.Stream != keyOf("geo") {
				t.Errorf("outages %+v, %+v", open, ended)
			}
			const interval = 100 * time.Millisecond
			if d := ended.Start.Sub(down); d < 0 || d > interval {
				t.Errorf("outage starts %v after the link went down", d)
			}
			if d := ended.End.Sub(up); d < 0 || d > interval {
				t.Errorf("outage ends %v after the link came up", d)
			}
			want := reason
			if want == "" {
				want = perigee.NoReplies
			}
			if ended.Probes != 20 || ended.Reason != want {
				t.Errorf("outage of %d probes for %q, want 20 for %q", ended.Probes, ended.Reason, want)
			}
			counts, _ := b.store.of("geo")
			if counts.Planned != 500 || counts.Received != 480 {
				t.Errorf("counts %+v, want all 500 planned", counts)
			}
		})
	}
}

func TestOnSingletonHearsEveryOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		heard := make(chan perigee.Singleton, 1000)
		b.options.OnSingleton = func(k perigee.Stream, s perigee.Singleton) {
			if k != keyOf("geo") {
				t.Errorf("heard of %v", k)
			}
			heard <- s
		}
		b.start()
		time.Sleep(5 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if n := len(heard); n != 50 {
			t.Errorf("heard of %d probes, want 50", n)
		}
	})
}

func TestNewRefusesBadOptions(t *testing.T) {
	good := func() Options {
		return Options{
			Streams: []Stream{{Key: testKey, Prober: &fakeProber{}, LossTimeout: time.Second}},
			Clock:   func() perigee.Reading { return perigee.Reading{} },
			Record:  func(context.Context, perigee.Batch) error { return nil },
		}
	}
	if _, err := New(good()); err != nil {
		t.Fatalf("good options: %v", err)
	}
	for name, spoil := range map[string]func(*Options){
		"no streams":        func(o *Options) { o.Streams = nil },
		"same stream twice": func(o *Options) { o.Streams = append(o.Streams, o.Streams[0]) },
		"no prober":         func(o *Options) { o.Streams[0].Prober = nil },
		"no loss timeout":   func(o *Options) { o.Streams[0].LossTimeout = 0 },
		"no clock":          func(o *Options) { o.Clock = nil },
		"no record":         func(o *Options) { o.Record = nil },
		"negative interval": func(o *Options) { o.Interval = -1 },
		"fractional window": func(o *Options) { o.Window = 1500 * time.Microsecond },
		"negative outage":   func(o *Options) { o.OutageAfter = -1 },
		"negative limit":    func(o *Options) { o.Limit = -1 },
		"unknown spacing":   func(o *Options) { o.Spacing = "hashed" },
	} {
		o := good()
		spoil(&o)
		if _, err := New(o); perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("%s: error %v, want one with CodeInvalid", name, err)
		}
	}
}

func TestRunRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(time.Millisecond)})
		b.start()
		time.Sleep(time.Second)
		if err := b.runner.Run(t.Context()); perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("second run: %v, want an error with CodeInvalid", err)
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStopBeforeTheFirstProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(time.Millisecond)})
		r, err := New(b.options)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(b.probers["geo"].sentAt); n != 0 || !b.store.all().Empty() {
			t.Errorf("%d probes sent and %v recorded, want nothing", n, b.store.all())
		}
	})
}

// Run ends by itself once every stream has planned its probes, also where the groups
// reach that at different instants, and only when the last probe is decided.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(10 * time.Millisecond), "geo": steady(2500 * time.Millisecond)})
		other := newFakeProber(b.clock, 3*time.Second, steady(10*time.Millisecond))
		key := keyOf("leo")
		key.Target = "anchor"
		b.options.Streams = append(b.options.Streams, Stream{Key: key, Prober: other, LossTimeout: 3 * time.Second})
		b.options.Limit = 25
		b.options.Spacing = SpacingPoisson
		b.start()
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		for _, link := range []perigee.LinkID{"fibre", "geo", "leo"} {
			counts, _ := b.store.of(link)
			if want := (perigee.Counts{Planned: 25, Sent: 25, Received: 25}); counts != want {
				t.Errorf("%s: counts %+v, want %+v", link, counts, want)
			}
		}
		b.stop()
	})
}
