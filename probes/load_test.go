package probes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// turn is a call of SetLoad for the link geo, a while after measuring began.
type turn struct {
	after time.Duration
	load  perigee.Load
}

// loadRun is a run over fibre, which is always idle, and geo, which is not.
type loadRun struct {
	*bench
	seqs  []perigee.Seq // that the prober of geo was given
	heard map[perigee.Stream]int64
}

// runTurns runs for the given time and follows turns.
func runTurns(t *testing.T, turns []turn, length time.Duration, prepare func(*bench)) *loadRun {
	var r loadRun
	var mu sync.Mutex
	r.heard = map[perigee.Stream]int64{}
	r.bench = newBench(t, links{"fibre": steady(14 * time.Millisecond), "geo": func(seq perigee.Seq) fate {
		r.seqs = append(r.seqs, seq)
		return fate{rtt: 600 * time.Millisecond}
	}})
	r.options.OnSingleton = func(k perigee.Stream, _ perigee.Singleton) {
		mu.Lock()
		defer mu.Unlock()
		r.heard[k]++
	}
	if prepare != nil {
		prepare(r.bench)
	}
	r.start()
	for _, turn := range turns {
		time.Sleep(time.Until(r.begin.Add(turn.after)))
		r.runner.SetLoad("geo", turn.load)
		if now := time.Now(); !now.Equal(r.begin.Add(turn.after)) {
			t.Errorf("SetLoad returned at %v, want at once", now.Sub(r.begin))
		}
	}
	time.Sleep(time.Until(r.begin.Add(length)))
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // the last outcome is told right after it is decided
	mu.Lock()
	defer mu.Unlock()
	return &r
}

// mono is the monotonic clock a while after measuring began.
func (b *bench) mono(after time.Duration) time.Duration {
	return b.begin.Add(after).Sub(b.clock.base) + 1000*time.Second
}

// underLoad is a stream of a link under load.
func underLoad(link perigee.LinkID, load perigee.Load) perigee.Stream {
	k := keyOf(link)
	k.Load = load
	return k
}

// counted returns the counts of a stream and its samples.
func (m *memory) counted(stream perigee.Stream) (c perigee.Counts, samples []perigee.Sample) {
	for _, s := range m.all().Samples {
		if s.Stream == stream {
			c.Merge(s.Counts)
			samples = append(samples, s)
		}
	}
	return c, samples
}

// Every probe is in the stream of the load under which it was sent, and every instant is
// in exactly one stream; other links do not notice.
func TestProbesBelongToTheLoadTheyWereSentUnder(t *testing.T) {
	const s = time.Second
	const length = 60 * s
	down, up, idle := perigee.LoadDown, perigee.LoadUp, perigee.LoadIdle
	for _, spacing := range []Spacing{SpacingPeriodic, SpacingPoisson} {
		var undisturbed []time.Duration
		var first time.Duration // since measuring began
		synctest.Test(t, func(t *testing.T) {
			r := runTurns(t, nil, length, func(b *bench) { b.options.Spacing = spacing })
			undisturbed = r.probers["fibre"].sentAt
			first = undisturbed[0] - r.mono(0)
			if n := len(r.runner.Status()); n != 2 {
				t.Errorf("status of %d streams, want 2 where there was no load", n)
			}
			if n := len(r.heard); n != 2 {
				t.Errorf("heard of %d streams, want 2 where there was no load", n)
			}
		})
		at := func(i int) time.Duration { return undisturbed[i] - undisturbed[0] + first }
		for _, c := range []struct {
			name  string
			turns []turn
		}{
			{"at the instants of probes", []turn{{at(20), down}, {at(30), idle}, {at(31), up}, {at(51), down}, {at(71), idle}, {at(72), up}, {at(80), idle}}},
			{"mid window", []turn{{13 * s, down}, {26 * s, idle}}},
			{"at the edges of windows", []turn{{10 * s, up}, {20 * s, idle}, {30 * s, down}, {50 * s, idle}}},
			{"twice in one window", []turn{{11 * s, down}, {13 * s, idle}, {15 * s, up}, {19 * s, idle}}},
			{"the same load twice in one window", []turn{{11 * s, down}, {13 * s, idle}, {15 * s, down}, {19 * s, idle}}},
			{"up to down directly", []turn{{13 * s, up}, {17 * s, down}, {33 * s, idle}}},
			{"until the end", []turn{{33 * s, down}}},
			{"idle already, and down again", []turn{{5 * s, idle}, {13 * s, down}, {15 * s, down}, {17 * s, idle}, {18 * s, idle}}},
			{"from the beginning", []turn{{0, down}, {7 * s, idle}}},
			{"for less than an interval", []turn{{5 * s, down}, {5*s + time.Millisecond, idle}, {5*s + 2*time.Millisecond, up}, {5*s + 3*time.Millisecond, idle}}},
		} {
			t.Run(string(spacing)+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := runTurns(t, c.turns, length, func(b *bench) { b.options.Spacing = spacing })
					loadAt := func(mono time.Duration) perigee.Load {
						load := idle
						for _, turn := range c.turns {
							if mono > r.mono(turn.after) {
								load = turn.load
							}
						}
						return load
					}
					if !slices.Equal(r.probers["fibre"].sentAt, undisturbed) {
						t.Error("the instants of another link moved")
					}

					// What geo sent, by the load it was sent under.
					sent := map[perigee.Load][]time.Duration{}
					for _, at := range r.probers["geo"].sentAt {
						sent[loadAt(at)] = append(sent[loadAt(at)], at)
					}
					shared := slices.DeleteFunc(slices.Clone(undisturbed), func(at time.Duration) bool { return loadAt(at) != idle })
					if !slices.Equal(sent[idle], shared) {
						t.Errorf("%d probes without load are not at the %d instants of the group", len(sent[idle]), len(shared))
					}
					for i, seq := range r.seqs {
						if seq != perigee.Seq(i) {
							t.Fatalf("the prober's probe %d has number %d", i, seq)
						}
					}

					// What was recorded.
					for _, load := range []perigee.Load{idle, down, up} {
						counts, samples := r.store.counted(underLoad("geo", load))
						n := int64(len(sent[load]))
						if want := (perigee.Counts{Planned: n, Sent: n, Received: n}); counts != want {
							t.Errorf("%s: %+v, want %+v", load, counts, want)
						}
						if heard := r.heard[underLoad("geo", load)]; heard != n {
							t.Errorf("%s: heard of %d probes, want %d", load, heard, n)
						}
						interval := 100 * time.Millisecond
						if load != idle {
							interval = 50 * time.Millisecond
						}
						for _, sample := range samples {
							if sample.Start.Unix()%10 != 0 || sample.Length != 10*s || sample.Interval != interval {
								t.Errorf("%s: window %v + %v of interval %v", load, sample.Start, sample.Length, sample.Interval)
							}
							for _, p := range sample.Singletons {
								if mono := r.mono(sample.Start.Sub(r.begin) + p.At); loadAt(mono) != load {
									t.Errorf("%s: probe at %v was sent under %s", load, mono-r.mono(0), loadAt(mono))
								}
							}
						}
					}
					if spacing == SpacingPeriodic && c.name != "for less than an interval" {
						// Each window is planned wholly, by one stream or the other.
						planned := map[time.Time]time.Duration{}
						for _, sample := range r.store.all().Samples {
							if sample.Stream.Link == "geo" {
								planned[sample.Start] += time.Duration(sample.Counts.Planned) * sample.Interval
							}
						}
						for start, d := range planned {
							if d != 10*s {
								t.Errorf("of the window at %v %v were planned", start, d)
							}
						}
						if len(planned) != 6 {
							t.Errorf("%d windows, want 6", len(planned))
						}
					}
					if all := r.store.all(); len(all.Gaps)+len(all.Outages)+len(all.Events) != 0 {
						t.Errorf("gaps %v, outages %v, events %v, want none", all.Gaps, all.Outages, all.Events)
					}
				})
			})
		}
	}
}

// A load that is told before Run counts from the first probe on.
func TestLoadBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		var err error
		if b.runner, err = New(b.options); err != nil {
			t.Fatal(err)
		}
		b.runner.SetLoad("geo", perigee.LoadUp)
		b.runner.SetLoad("nobody", perigee.LoadUp)
		done := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- b.runner.Run(ctx) }()
		time.Sleep(settle / 2)
		b.runner.SetLoad("geo", perigee.LoadDown) // probes are not sent yet: this holds
		time.Sleep(settle/2 + 3*time.Second)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		b.runner.SetLoad("geo", perigee.LoadUp) // nobody hears, nobody waits
		for load, want := range map[perigee.Load]int64{perigee.LoadIdle: 0, perigee.LoadUp: 0, perigee.LoadDown: 60} {
			if counts, _ := b.store.counted(underLoad("geo", load)); counts.Received != want {
				t.Errorf("%s: %+v, want %d received", load, counts, want)
			}
		}
	})
}

// A link with several targets turns as a whole, two loaded links of one target share
// their instants, and the limit counts instants and not probes.
func TestLoadOfSeveralTargetsAndLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(time.Millisecond), "leo": steady(time.Millisecond), "geo": steady(time.Millisecond)})
		other := newFakeProber(b.clock, 3*time.Second, steady(time.Millisecond))
		anchor := keyOf("geo")
		anchor.Target = "anchor"
		b.options.Streams = append(b.options.Streams, Stream{Key: anchor, Prober: other, LossTimeout: 3 * time.Second})
		b.options.LoadInterval = 20 * time.Millisecond
		b.options.Limit = 100
		b.start()
		time.Sleep(2 * time.Second)
		b.runner.SetLoad("leo", perigee.LoadDown)
		b.runner.SetLoad("geo", perigee.LoadUp)
		time.Sleep(4 * time.Second)
		b.runner.SetLoad("geo", perigee.LoadIdle)
		time.Sleep(time.Second)
		b.runner.SetLoad("leo", perigee.LoadIdle)
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		b.stop()
		loadedAnchor := anchor
		loadedAnchor.Load = perigee.LoadUp
		for stream, want := range map[perigee.Stream]int64{
			keyOf("fibre"): 100, keyOf("leo"): 50, keyOf("geo"): 60, anchor: 60,
			underLoad("leo", perigee.LoadDown): 250, underLoad("geo", perigee.LoadUp): 200, loadedAnchor: 200,
			underLoad("geo", perigee.LoadDown): 0, underLoad("leo", perigee.LoadUp): 0, underLoad("fibre", perigee.LoadDown): 0,
		} {
			if counts, _ := b.store.counted(stream); counts != (perigee.Counts{Planned: want, Sent: want, Received: want}) {
				t.Errorf("%v: %+v, want %d", stream, counts, want)
			}
		}
		geo, leo := b.probers["geo"].sentAt[20:220], b.probers["leo"].sentAt[20:270]
		if !slices.Equal(geo, leo[:200]) {
			t.Error("two links under load do not share the instants of their target")
		}
		if slices.Equal(geo, other.sentAt[20:220]) {
			t.Error("two targets share a phase under load")
		}
		for i := 1; i < len(leo); i++ {
			if d := leo[i] - leo[i-1]; d != 20*time.Millisecond {
				t.Errorf("%v between probes under load, want 20 ms: other links leaving must not move them", d)
			}
		}
	})
}

// An outage of one load says nothing of another: it ends where the load changes.
func TestOutagesEndWhereTheLoadChanges(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		reason string
		until  time.Duration
	}{
		{"", 14 * s}, {"interface down", 14 * s},
		{"", 8 * s}, // the load is over before the first loss is known
		{"interface down", 6*s + 200*time.Millisecond}, // before outcomes are looked at
	} {
		reason := c.reason
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, nil)
			p := newFakeProber(b.clock, 3*s, func(perigee.Seq) fate {
				if at := time.Since(b.begin); at >= 4*s && at < 20*s {
					return fate{fail: reason}
				}
				return fate{rtt: 600 * time.Millisecond}
			})
			b.options.Streams = []Stream{{Key: keyOf("geo"), Prober: p, LossTimeout: 3 * s}}
			b.start()
			time.Sleep(6 * s)
			b.runner.SetLoad("geo", perigee.LoadDown)
			time.Sleep(c.until - 6*s)
			if reason != "" && c.until == 14*s {
				// The outage that the load ended is told as ended while the load lasts.
				all := b.store.all().Outages
				if i := slices.IndexFunc(all, func(o perigee.Outage) bool { return !o.Open && o.Stream == keyOf("geo") }); i < 0 {
					t.Errorf("outages %v, want that without load ended", all)
				}
			}
			b.runner.SetLoad("geo", perigee.LoadIdle)
			time.Sleep(40*s - c.until)
			if err := b.finish(); err != nil {
				t.Fatal(err)
			}
			var ended []perigee.Outage
			for _, o := range b.store.all().Outages {
				if !o.Open {
					ended = append(ended, o)
				}
			}
			slices.SortFunc(ended, func(a, c perigee.Outage) int { return a.Start.Compare(c.Start) })
			under := c.until - 6*s
			type outage struct {
				load     perigee.Load
				from, to time.Duration
				probes   int64
			}
			want := []outage{
				{perigee.LoadIdle, 4 * s, 6 * s, 20},
				{perigee.LoadDown, 6 * s, c.until, int64(under / (50 * time.Millisecond))},
				{perigee.LoadIdle, c.until, 20 * s, int64((20*s - c.until) / (100 * time.Millisecond))},
			}
			if under < s {
				want = slices.Delete(want, 1, 2) // too short to be one
			}
			if len(ended) != len(want) {
				t.Fatalf("outages %v, want %d", ended, len(want))
			}
			var down time.Duration
			for i, w := range want {
				o := ended[i]
				// Each edge is known to one interval of its stream.
				from, to := o.Start.Sub(b.begin)-w.from, o.End.Sub(b.begin)-w.to
				if o.Stream != underLoad("geo", w.load) || o.Probes != w.probes || from < 0 || from > 100*time.Millisecond || to < 0 || to > 100*time.Millisecond {
					t.Errorf("outage %+v, want %+v", o, w)
				}
				if w.load == perigee.LoadIdle {
					down += o.End.Sub(o.Start)
				}
			}
			// Availability is 1 - down/planned, of the same time: that without load.
			counts, samples := b.store.counted(keyOf("geo"))
			planned := time.Duration(counts.Planned) * samples[0].Interval
			if planned != 40*s-under || (down-(16*s-under)).Abs() > 200*time.Millisecond {
				t.Errorf("down for %v of %v planned, want %v of %v", down, planned, 16*s-under, 40*s-under)
			}
		})
	}
}

// What lies on the two sides of a load is no neighbour: no loss run and no pair of
// delays spans it, within a window and over its border.
func TestNothingSpansALoad(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct{ from, to time.Duration }{
		"in a window":   {4 * s, 6 * s},
		"over a border": {8 * s, 12 * s},
		"to a border":   {8 * s, 10 * s},
		"from a border": {10 * s, 12 * s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				p := newFakeProber(b.clock, 3*s, func(perigee.Seq) fate {
					switch at := time.Since(b.begin); {
					case at < c.from-s:
						return fate{rtt: 600 * time.Millisecond}
					case at < c.to+2*s:
						return fate{}
					default:
						return fate{rtt: 800 * time.Millisecond}
					}
				})
				b.options.Streams = []Stream{{Key: keyOf("geo"), Prober: p, LossTimeout: 3 * s}}
				b.start()
				time.Sleep(c.from)
				b.runner.SetLoad("geo", perigee.LoadUp)
				time.Sleep(c.to - c.from)
				b.runner.SetLoad("geo", perigee.LoadIdle)
				time.Sleep(20*s - c.to)
				if err := b.finish(); err != nil {
					t.Fatal(err)
				}
				_, samples := b.store.counted(keyOf("geo"))
				var all perigee.Sample
				for _, sample := range samples {
					all.Merge(sample)
				}
				// 10 lost before the load, 20 after it.
				if l := all.LossRuns; l.Count != 2 || l.Longest.Packets != 20 {
					t.Errorf("loss runs %+v, want one of 10 and one of 20", l)
				}
				if v := all.Variation; v.IPDV.Max != 0 || v.IPDV.Count != all.Counts.Received-2 {
					t.Errorf("%d pairs up to %v s of %d replies, want none over the load", v.IPDV.Count, v.IPDV.Max, all.Counts.Received)
				}
			})
		})
	}
}

// Delay variation alone: every probe is answered, the delay is another after the load.
func TestNoPairSpansALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(seq perigee.Seq) fate {
			if seq < 100 { // before the load and in its beginning
				return fate{rtt: 600 * time.Millisecond}
			}
			return fate{rtt: 100 * time.Millisecond}
		}})
		b.start()
		time.Sleep(4 * time.Second) // 40 probes
		b.runner.SetLoad("geo", perigee.LoadDown)
		time.Sleep(4 * time.Second) // 80 probes
		b.runner.SetLoad("geo", perigee.LoadIdle)
		time.Sleep(2 * time.Second) // 20 probes
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		_, samples := b.store.counted(keyOf("geo"))
		if v := samples[0].Variation; v.IPDV.Max != 0 || v.IPDV.Count != 39+19 {
			t.Errorf("without load: %d pairs up to %v s, want 58 of 0", v.IPDV.Count, v.IPDV.Max)
		}
		_, samples = b.store.counted(underLoad("geo", perigee.LoadDown))
		if v := samples[0].Variation; v.IPDV.Max != 0.5 || v.IPDV.Count != 79 {
			t.Errorf("under load: %d pairs up to %v s, want 79 up to 0.5", v.IPDV.Count, v.IPDV.Max)
		}
	})
}

// A reply that comes after those of a later load is not out of order in its own stream.
func TestLoadsDoNotReorderEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(seq perigee.Seq) fate {
			switch {
			case seq == 15: // overtaken by the four after it
				return fate{rtt: 990 * time.Millisecond}
			case seq < 20:
				return fate{rtt: 600 * time.Millisecond}
			}
			return fate{rtt: 10 * time.Millisecond}
		}})
		b.start()
		time.Sleep(2 * time.Second) // 20 probes
		b.runner.SetLoad("geo", perigee.LoadDown)
		time.Sleep(2 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		for load, want := range map[perigee.Load]perigee.Counts{
			perigee.LoadIdle: {Planned: 20, Sent: 20, Received: 20, Reordered: 1},
			perigee.LoadDown: {Planned: 40, Sent: 40, Received: 40},
		} {
			if counts, _ := b.store.counted(underLoad("geo", load)); counts != want {
				t.Errorf("%s: %+v, want %+v", load, counts, want)
			}
		}
	})
}

// telling is a prober whose proof tells when it was asked for.
type telling struct {
	*fakeProber
	begin time.Time
}

func (p telling) Proof() perigee.Proof {
	return perigee.Proof{InterfaceName: time.Since(p.begin).Truncate(time.Second).String()}
}

// The proof of a window is of its last probe, not of the time when it is closed: it is
// asked for at a change of load, else at the first probe of the next window.
func TestProofIsOfTheLastProbeBeforeTheLoad(t *testing.T) {
	const s = time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.options.Streams[0].Prober = telling{b.probers["geo"], b.begin}
		b.start()
		for _, turn := range []turn{{5 * s, perigee.LoadDown}, {7 * s, perigee.LoadIdle}, {11 * s, perigee.LoadDown}, {21 * s, perigee.LoadIdle}} {
			time.Sleep(time.Until(b.begin.Add(turn.after)))
			b.runner.SetLoad("geo", turn.load)
		}
		time.Sleep(9 * s)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, sample := range b.store.all().Samples {
			got = append(got, fmt.Sprintf("%s at %v: %s", sample.Stream.Load, sample.Start.Sub(b.begin), sample.Proof.InterfaceName))
		}
		slices.Sort(got)
		want := []string{
			"down at 0s: 7s",
			"down at 10s: 20s",
			"down at 20s: 21s",
			"idle at 0s: 10s", // asked for at 5 s, and again since it went on
			"idle at 10s: 11s",
			"idle at 20s: 31s", // a second after the last outcome Run ended
		}
		if !slices.Equal(got, want) {
			t.Errorf("proofs %q, want %q", got, want)
		}
	})
}

// The loop is late while the load changes: what was due meanwhile is of the new load,
// whether it is still sent or not, and each instant is of one.
func TestLoadChangesInALateLoop(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(ms), "geo": func(seq perigee.Seq) fate {
			f := fate{rtt: 600 * ms}
			if seq == 20 || seq == 70 {
				f.block = 370 * ms
			}
			return f
		}})
		b.start()
		time.Sleep(2200 * ms) // probe 20 was sent at 2.0 s and the phase
		b.runner.SetLoad("geo", perigee.LoadDown)
		time.Sleep(time.Until(b.begin.Add(6 * time.Second)))
		b.runner.SetLoad("geo", perigee.LoadIdle)
		time.Sleep(4 * time.Second)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		idle, _ := b.store.counted(keyOf("geo"))
		down, _ := b.store.counted(underLoad("geo", perigee.LoadDown))
		fibre, _ := b.store.counted(keyOf("fibre"))
		// The load counts from the look at which probe 20 was sent, 2.0 to 2.1 s, to 6 s.
		if want := (perigee.Counts{Planned: 61, Sent: 61, Received: 61}); idle != want {
			t.Errorf("without load: %+v, want %+v", idle, want)
		}
		// Of 7 or 8 that were due in the 370 ms after it the last is sent; likewise of 7
		// after probe 70.
		if down.Planned < 78 || down.Planned > 80 || down.Skipped < 12 || down.Skipped > 13 || down.Received != down.Planned-down.Skipped {
			t.Errorf("under load: %+v, want 78 to 80 planned, 12 or 13 of them skipped", down)
		}
		// Those due while probes under load kept the loop are not sent over fibre either.
		if fibre.Planned != 100 || fibre.Skipped != 2+2 && fibre.Skipped != 2+3 {
			t.Errorf("the other link: %+v, want all of 100 planned", fibre)
		}
	})
}

// A limit that is reached under load ends the run.
func TestLimitUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.options.Limit = 20
		b.start()
		time.Sleep(time.Second)
		b.runner.SetLoad("geo", perigee.LoadDown)
		select {
		case err := <-b.done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("it did not end")
		}
		b.stop()
		if counts, _ := b.store.counted(keyOf("geo")); counts.Received != 10 {
			t.Errorf("%+v, want 10 received", counts)
		}
	})
}

// The monitor's clock is set, or it stalls, in an outage, and the load changes before the
// next probe: the outage ends by the clock that it began with.
func TestOutageEndsAtWhatCameBeforeTheLoad(t *testing.T) {
	const s = time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(perigee.Seq) fate { return fate{fail: "interface down"} }})
		b.options.Interval = 5 * s
		b.start()
		time.Sleep(20 * s)
		synctest.Wait()
		b.clock.set(time.Hour)
		time.Sleep(300 * time.Millisecond) // the loop looks every 250 ms
		b.runner.SetLoad("geo", perigee.LoadUp)
		time.Sleep(20 * s)
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, o := range b.store.all().Outages {
			if o.Stream == keyOf("geo") && !o.Open {
				found = true
				if d := o.End.Sub(b.begin); o.Probes != 4 || (d-20*s).Abs() > 250*time.Millisecond {
					t.Errorf("outage %+v ends at %v, want when the clock was set", o, d)
				}
			}
		}
		if !found {
			t.Error("the outage without load did not end")
		}
	})
}

// SetLoad is called while the loop does not run, and takes effect when it runs again.
func TestLoadChangesInAStall(t *testing.T) {
	const s = time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": func(seq perigee.Seq) fate {
			f := fate{rtt: 600 * time.Millisecond}
			if seq == 70 { // the 21st under load, about 6 s
				f.block = 5 * s
			}
			return f
		}})
		b.start()
		time.Sleep(5 * s)
		b.runner.SetLoad("geo", perigee.LoadDown)
		time.Sleep(3 * s)
		b.runner.SetLoad("geo", perigee.LoadIdle)
		returned := time.Since(b.begin)
		time.Sleep(time.Until(b.begin.Add(20 * s)))
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if b.mono(returned) != b.probers["geo"].sentAt[70]+5*s {
			t.Errorf("SetLoad returned after %v, want when the loop ran again", returned)
		}
		all := b.store.all()
		if len(all.Gaps) != 1 || all.Gaps[0].Reason != perigee.GapStalled || len(all.Outages) != 0 {
			t.Fatalf("gaps %v, outages %v, want one stall", all.Gaps, all.Outages)
		}
		for _, sample := range all.Samples {
			if overlaps(sample, all.Gaps[0]) {
				t.Errorf("sample %v + %v of %s reaches into the gap", sample.Start, sample.Length, sample.Stream.Load)
			}
		}
		idle, _ := b.store.counted(keyOf("geo"))
		down, _ := b.store.counted(underLoad("geo", perigee.LoadDown))
		if down.Planned != 21 || down.Skipped != 12 || down.Received != 9 {
			// Those sent less than 600 ms before the look at which the stall began.
			t.Errorf("under load: %+v, want 21 planned, 12 of them under way", down)
		}
		// From 11.0 s and the phase of the load's instants to 20 s.
		if idle.Planned < 138 || idle.Planned > 140 || idle.Received != idle.Planned {
			t.Errorf("without load: %+v, want 50 before and 89 after", idle)
		}
	})
}

// The wall clock is set under load: windows of both loads are cut, starts stay unique.
func TestClockStepUnderLoad(t *testing.T) {
	const s = time.Second
	for _, step := range []time.Duration{-7 * s, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
			b.start()
			time.Sleep(5 * s)
			b.runner.SetLoad("geo", perigee.LoadDown)
			time.Sleep(4 * s)
			b.clock.set(step)
			time.Sleep(4 * s)
			b.runner.SetLoad("geo", perigee.LoadIdle)
			time.Sleep(17 * s)
			if err := b.finish(); err != nil { // checks that starts are unique
				t.Fatal(err)
			}
			idle, _ := b.store.counted(keyOf("geo"))
			down, _ := b.store.counted(underLoad("geo", perigee.LoadDown))
			if idle.Received != 220 || idle.Planned != 220 || down.Received != 160 || down.Planned != 160 {
				t.Errorf("without load %+v, under load %+v, want all of 220 and 160", idle, down)
			}
		})
	}
}

// While there is no load, its streams are paused and nothing seems wrong with them; they
// share the state of their prober.
func TestStatusUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(10 * time.Millisecond), "geo": steady(600 * time.Millisecond)})
		b.start()
		time.Sleep(2 * time.Second)
		b.runner.SetLoad("geo", perigee.LoadUp)
		time.Sleep(2 * time.Second)
		status := b.runner.Status()
		if len(status) != 3 || status[0].Paused || !status[1].Paused || status[2].Paused || status[2].Stream != underLoad("geo", perigee.LoadUp) {
			t.Fatalf("status %+v, want geo paused and its stream under load measured", status)
		}
		if s := status[2]; !s.Running || s.LastReceived.IsZero() || s.Undecided != 12 {
			t.Errorf("status under load %+v", s)
		}
		b.probers["geo"].end <- nil // it panics, and tells nothing of what was under way
		synctest.Wait()
		for _, s := range b.runner.Status()[1:] {
			if s.Running || s.Restarts != 1 || s.LastError == "" || s.Undecided != 0 {
				t.Errorf("status %+v while the prober is down", s)
			}
		}
		time.Sleep(2 * time.Second)
		b.runner.SetLoad("geo", perigee.LoadIdle)
		time.Sleep(time.Second)
		for i, s := range b.runner.Status() {
			if s.Paused != (i == 2) || !s.Running || s.LastError != "" {
				t.Errorf("status %+v after the load", s)
			}
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if events := b.store.all().Events; len(events) != 1 {
			t.Errorf("events %v, want one restart of the prober", events)
		}
	})
}

// Loads of many links change at the same time and without end, and no probe is lost or
// told twice.
func TestLoadsChangeConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := []perigee.LinkID{"fibre", "leo", "geo"}
		b := newBench(t, links{"fibre": steady(time.Millisecond), "leo": steady(70 * time.Millisecond), "geo": steady(2500 * time.Millisecond)})
		b.start()
		var wg sync.WaitGroup
		for i, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp, perigee.LoadIdle, perigee.LoadIdle} {
			for _, id := range ids {
				wg.Go(func() {
					for n := range 200 {
						b.runner.SetLoad(id, load)
						b.runner.Status()
						time.Sleep(time.Duration(31+7*i+n%5) * time.Millisecond)
					}
				})
			}
		}
		time.Sleep(5 * time.Second)
		if err := b.finish(); err != nil { // some still call SetLoad
			t.Fatal(err)
		}
		wg.Wait()
		for _, id := range ids {
			var planned, received int64
			for _, load := range []perigee.Load{perigee.LoadIdle, perigee.LoadDown, perigee.LoadUp} {
				counts, _ := b.store.counted(underLoad(id, load))
				planned, received = planned+counts.Planned, received+counts.Received
			}
			if n := int64(len(b.probers[id].sentAt)); planned != n || received != n || n < 50 {
				t.Errorf("%s: %d planned and %d received of %d sent", id, planned, received, n)
			}
		}
		for _, f := range b.runner.feeds {
			if len(f.stints) > 1000 {
				t.Errorf("%d stints are remembered", len(f.stints))
			}
		}
	})
}

// Stints are forgotten with the windows of their probes.
func TestStintsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.start()
		for range 600 { // ten minutes
			b.runner.SetLoad("geo", perigee.LoadDown)
			time.Sleep(500 * time.Millisecond)
			b.runner.SetLoad("geo", perigee.LoadIdle)
			time.Sleep(500 * time.Millisecond)
		}
		// Windows are open for up to 16 s, at two turns a second.
		if n := len(b.runner.feeds[0].stints); n > 36 {
			t.Errorf("%d stints are remembered, want those of open windows", n)
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		idle, _ := b.store.counted(keyOf("geo"))
		down, _ := b.store.counted(underLoad("geo", perigee.LoadDown))
		if idle.Received != 3000 || down.Received != 6000 {
			t.Errorf("without load %+v, under load %+v, want 3000 and 6000", idle, down)
		}
	})
}
