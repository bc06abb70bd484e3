package probes

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"perigee"
)

var testKey = perigee.Stream{Site: "home", Link: "geo", Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}

func testConfig() streamConfig {
	return streamConfig{key: testKey, interval: 100 * time.Millisecond, lossTimeout: 3 * time.Second}
}

// closeDue closes what is due at mono and checks each sample's invariants.
func closeDue(t testing.TB, b *builder, mono time.Duration) []perigee.Sample {
	t.Helper()
	var out []perigee.Sample
	b.expire(mono)
	b.judge(func(*span, perigee.Singleton) {})
	for b.due(mono) {
		s := b.close()
		checkSample(t, s, 0)
		out = append(out, s)
	}
	return out
}

func flush(t testing.TB, b *builder) []perigee.Sample {
	t.Helper()
	b.abandon("stopped")
	return closeDue(t, b, math.MaxInt64)
}

// checkSample checks what holds of every sample. Probes were sent at most slack after
// its end.
func checkSample(t testing.TB, s perigee.Sample, slack time.Duration) {
	t.Helper()
	if err := s.Counts.Check(); err != nil {
		t.Errorf("sample at %v: %v", s.Start, err)
	}
	if n := int64(len(s.Singletons)); n != s.Counts.Planned {
		t.Errorf("sample at %v: %d singletons for %d planned", s.Start, n, s.Counts.Planned)
	}
	if s.RTT.Count != s.Counts.Received || s.LossRuns.Packets != s.Counts.Sent {
		t.Errorf("sample at %v: %d delays, %d packets in loss runs, counts %+v", s.Start, s.RTT.Count, s.LossRuns.Packets, s.Counts)
	}
	for i, p := range s.Singletons {
		if p.Outcome == 0 {
			t.Errorf("sample at %v: probe %d is undecided", s.Start, p.Seq)
		}
		if i > 0 && p.Seq != s.Singletons[i-1].Seq+1 {
			t.Errorf("sample at %v: probe %d after %d", s.Start, p.Seq, s.Singletons[i-1].Seq)
		}
		if p.At < 0 || p.At > s.Length+slack {
			t.Errorf("sample at %v: probe %d at %v outside the window of %v", s.Start, p.Seq, p.At, s.Length)
		}
	}
}

func received(seq perigee.Seq, at, rtt time.Duration) perigee.Singleton {
	return perigee.Singleton{Seq: seq, At: at, Outcome: perigee.Received, RTT: rtt}
}

func TestWindowHoldsWhatItsProbesBecame(t *testing.T) {
	g := grid{window: 10 * time.Second, epoch: 3}
	g.begin(reading(0))
	b := newBuilder(testConfig())
	for i := range 10 {
		b.plan(g.cur, time.Duration(i)*time.Second)
	}
	sec := func(n int) time.Duration { return time.Duration(n) * time.Second }
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	b.decide(received(0, sec(0), ms(100)))
	b.decide(received(1, sec(1), ms(140)))
	b.decide(perigee.Singleton{Seq: 2, At: sec(2), Outcome: perigee.Late, RTT: ms(3500)})
	b.decide(perigee.Singleton{Seq: 3, At: sec(3), Outcome: perigee.Lost})
	b.decide(received(4, sec(4), ms(120)))
	b.decide(perigee.Singleton{Seq: 5, Outcome: perigee.SendFailed, Cause: "no route"})
	b.decide(perigee.Singleton{Seq: 6, Outcome: perigee.SendFailed, Cause: "interface down"})
	b.decide(perigee.Singleton{Seq: 7, Outcome: perigee.SendFailed, Cause: "no route"})
	b.decide(perigee.Singleton{Seq: 8, Outcome: perigee.Skipped, Cause: "late"})
	b.duplicate(9) // before its first reply was told
	reordered := received(9, sec(9), ms(100))
	reordered.Reordered = true
	b.decide(reordered)
	b.duplicate(9)
	b.duplicate(0)
	b.duplicate(77) // never planned
	if _, ok := b.decide(received(0, sec(0), ms(1))); ok {
		t.Error("a second outcome of one probe was taken")
	}
	if _, ok := b.decide(received(10, sec(0), ms(1))); ok {
		t.Error("an outcome of a probe that was not planned was taken")
	}
	b.prove(perigee.Proof{InterfaceName: "wan0"})

	if got := closeDue(t, b, sec(16)-1); got != nil {
		t.Error("the window closed although a duplicate may still come")
	}
	got := closeDue(t, b, sec(16)) // its end and the late horizon of 6 s
	if len(got) != 1 {
		t.Fatalf("%d windows closed, want 1", len(got))
	}
	s := got[0]
	want := perigee.Counts{Planned: 10, Sent: 6, SendFailed: 3, Skipped: 1, Received: 4, Late: 1, Lost: 1, Duplicates: 3, Reordered: 1}
	if s.Counts != want {
		t.Errorf("counts %+v, want %+v", s.Counts, want)
	}
	if s.Cause != "no route" {
		t.Errorf("cause %q, want the commonest of the failed sends", s.Cause)
	}
	if want := noon.Add(3); !s.Start.Equal(want) {
		t.Errorf("start %v, want %v: moved by as many ns as the clock was set back", s.Start, want)
	}
	if s.Length != sec(10) || s.Interval != ms(100) || s.LossTimeout != sec(3) || s.Stream != testKey || s.Proof.InterfaceName != "wan0" {
		t.Errorf("sample says length %v, interval %v, timeout %v, stream %v, proof %v", s.Length, s.Interval, s.LossTimeout, s.Stream, s.Proof)
	}
	// Delays 100 140 - - 120 - - - - 100 ms: one pair of neighbours, |D| = 40 ms,
	// and the estimator after it is 40/16 = 2.5 ms.
	if s.Variation.IPDV.Count != 1 || math.Abs(s.Variation.IPDV.Mean-0.040) > 1e-12 || math.Abs(s.Variation.Jitter-0.0025) > 1e-12 {
		t.Errorf("variation %+v, want one pair of 40 ms and a jitter of 2.5 ms", s.Variation)
	}
	if s.RTT.Count != 4 || s.RTT.Min != 0.100 || s.RTT.Max != 0.140 {
		t.Errorf("RTT of %d from %v to %v, want 4 from 0.100 to 0.140", s.RTT.Count, s.RTT.Min, s.RTT.Max)
	}
	// Sent: ok ok late lost ok ok: one loss period of two packets.
	if s.LossRuns.Count != 1 || s.LossRuns.Longest.Packets != 2 {
		t.Errorf("loss runs %+v, want one of 2 packets", s.LossRuns)
	}
}

// A pair and a loss period that straddle a border are those of one stream.
func TestWindowsCarryOverTheirBorder(t *testing.T) {
	g := grid{window: time.Second}
	g.begin(reading(0))
	b := newBuilder(testConfig())
	outcomes := []perigee.Outcome{perigee.Received, perigee.Lost, perigee.Lost, perigee.Received, perigee.Received, perigee.Received}
	for i, o := range outcomes { // two a window
		at := time.Duration(i) * 500 * time.Millisecond
		g.advance(reading(at))
		seq := b.plan(g.cur, at)
		b.decide(perigee.Singleton{Seq: seq, At: at, Outcome: o, RTT: time.Duration(100+i) * time.Millisecond})
	}
	got := flush(t, b)
	if len(got) != 3 {
		t.Fatalf("%d windows, want 3", len(got))
	}
	whole := got[0]
	whole.Merge(got[1])
	whole.Merge(got[2])
	if whole.LossRuns.Count != 1 || whole.LossRuns.Longest.Packets != 2 {
		t.Errorf("loss runs %+v, want the two losses as one period", whole.LossRuns)
	}
	// Probes 3, 4, 5 form two pairs, 3-4 across the border.
	if n := got[2].Variation.IPDV.Count; n != 2 {
		t.Errorf("last window has %d pairs, want 2", n)
	}
	if n := whole.Variation.IPDV.Count; n != 2 {
		t.Errorf("%d pairs in all, want 2", n)
	}
}

func TestNoPairAcrossAGap(t *testing.T) {
	for cause, want := range map[breakCause]int64{breakGap: 0, breakStep: 1} {
		g := grid{window: time.Second}
		g.begin(reading(0))
		b := newBuilder(testConfig())
		b.decide(received(b.plan(g.cur, 0), 0, time.Millisecond))
		g.cut(500*time.Millisecond, cause)
		g.begin(reading(700 * time.Millisecond))
		b.decide(received(b.plan(g.cur, 700*time.Millisecond), 700*time.Millisecond, time.Millisecond))
		var pairs int64
		for _, s := range flush(t, b) {
			pairs += s.Variation.IPDV.Count
		}
		if pairs != want {
			t.Errorf("%d pairs across break %v, want %d", pairs, cause, want)
		}
	}
}

// What was still open when the monitor stopped listening says nothing of the link.
func TestInterruptedProbesAreSkipped(t *testing.T) {
	g := grid{window: 10 * time.Second}
	g.begin(reading(0))
	b := newBuilder(testConfig())
	for i := range 6 {
		b.plan(g.cur, time.Duration(i)*100*time.Millisecond)
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	b.decide(received(0, 0, ms(50)))         // answered before
	b.decide(received(1, ms(100), ms(4000))) // heard only afterwards: its time is false
	b.interrupt(ms(600), "stalled")          // nobody listened from 0.6 s on
	b.decide(received(2, ms(200), ms(300)))  // the prober tells late, but by a reply of 0.5 s
	b.decide(received(3, ms(300), ms(310)))  // heard at 0.61 s
	b.decide(perigee.Singleton{Seq: 4, At: ms(400), Outcome: perigee.Lost})
	b.decide(perigee.Singleton{Seq: 5, Outcome: perigee.SendFailed, Cause: "no route"})
	s := flush(t, b)[0]
	want := []perigee.Outcome{perigee.Received, perigee.Skipped, perigee.Received, perigee.Skipped, perigee.Skipped, perigee.SendFailed}
	for i, p := range s.Singletons {
		if p.Outcome != want[i] {
			t.Errorf("probe %d became %v, want %v", i, p.Outcome, want[i])
		}
	}
}

// The first of two interruptions spoils what it spoiled, whatever the second would, and
// neither spoils what was decided before.
func TestInterruptedTwice(t *testing.T) {
	g := grid{window: time.Minute}
	g.begin(reading(0))
	b := newBuilder(testConfig())
	b.plan(g.cur, 0)
	b.decide(perigee.Singleton{Seq: 0, At: 0, Outcome: perigee.Lost}) // at 6 s
	b.plan(g.cur, 8*time.Second)
	b.interrupt(10*time.Second, "first")
	b.interrupt(12*time.Second, "second")
	b.decide(received(1, 8*time.Second, 2500*time.Millisecond)) // heard between the two
	p := flush(t, b)[0].Singletons
	if p[0].Outcome != perigee.Lost {
		t.Errorf("a probe lost before became %v", p[0].Outcome)
	}
	if p[1].Outcome != perigee.Skipped || p[1].Cause != "first" {
		t.Errorf("a probe heard after the first interruption became %v (%s)", p[1].Outcome, p[1].Cause)
	}
}

// A prober that never reports must not keep windows open for ever.
func TestSilentProberExpires(t *testing.T) {
	g := grid{window: 10 * time.Second}
	g.begin(reading(0))
	b := newBuilder(testConfig())
	b.plan(g.cur, time.Second)
	if got := closeDue(t, b, 17*time.Second-1); got != nil {
		t.Error("the probe expired before the late horizon and its grace")
	}
	got := closeDue(t, b, 17*time.Second) // 10 s + 6 s + 1 s
	if len(got) != 1 || got[0].Counts.Skipped != 1 {
		t.Fatalf("closed %v, want one window with one skipped probe", got)
	}
}

// Whatever is told in whatever order, every planned probe is in one sample once.
func TestCountsAddUpInAnyOrder(t *testing.T) {
	for seed := range uint64(200) {
		rng := seeded(seed)
		g := grid{window: time.Duration(1+rng.IntN(5)) * time.Second}
		g.begin(reading(time.Duration(rng.Int64N(int64(10 * time.Second)))))
		b := newBuilder(testConfig())
		mono := g.cur.mono
		var samples []perigee.Sample
		var open []perigee.Singleton
		var planned int64
		tell := func(i int) {
			s := open[i]
			open = slices.Delete(open, i, i+1)
			s.Outcome = perigee.Outcome(1 + rng.IntN(5))
			s.RTT = time.Duration(rng.Int64N(int64(6 * time.Second)))
			if _, ok := b.decide(s); ok {
				b.decide(s) // a prober that says everything twice
			}
		}
		for range 2000 {
			mono += time.Duration(rng.Int64N(int64(100 * time.Millisecond)))
			g.advance(reading(mono))
			switch rng.IntN(20) {
			case 0:
				b.duplicate(perigee.Seq(rng.Int64N(planned + 2)))
			case 1:
				b.interrupt(mono, "stalled")
				g.cut(mono, breakGap)
				mono += time.Duration(rng.Int64N(int64(20 * time.Second)))
				g.begin(reading(mono))
			case 2:
				if rng.IntN(10) == 0 {
					b.abandon("died")
				}
			case 3, 4, 5, 6, 7, 8:
				if len(open) > 0 {
					tell(rng.IntN(len(open)))
				}
			case 9:
				samples = append(samples, closeDue(t, b, mono)...)
			default:
				open = append(open, perigee.Singleton{Seq: b.plan(g.cur, mono), At: mono})
				planned++
			}
		}
		for len(open) > 0 && rng.IntN(50) > 0 {
			tell(rng.IntN(len(open)))
		}
		samples = append(samples, flush(t, b)...)
		var total perigee.Counts
		var next perigee.Seq
		starts := map[time.Time]bool{}
		for _, s := range samples {
			total.Merge(s.Counts)
			if s.Singletons[0].Seq != next {
				t.Fatalf("seed %d: sample begins with probe %d, want %d", seed, s.Singletons[0].Seq, next)
			}
			next += perigee.Seq(s.Counts.Planned)
			if starts[s.Start] {
				t.Fatalf("seed %d: two samples start at %v", seed, s.Start)
			}
			starts[s.Start] = true
		}
		if err := total.Check(); err != nil || total.Planned != planned {
			t.Fatalf("seed %d: %d of %d planned probes in samples, %v", seed, total.Planned, planned, err)
		}
		if b.undecided != 0 || len(b.windows) != 0 || b.judged != b.next {
			t.Fatalf("seed %d: left %d undecided, %d windows, judged %d of %d", seed, b.undecided, len(b.windows), b.judged, b.next)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// drive feeds n windows of a stream at 10 probes/s through b as a prober would: replies
// in order, a loss now and then.
func drive(t testing.TB, g *grid, b *builder, tr *tracker, from time.Duration, n int) time.Duration {
	const interval, rtt = 100 * time.Millisecond, 45 * time.Millisecond
	mono := from
	for end := from + time.Duration(n)*g.window; mono < end; mono += interval {
		g.advance(reading(mono))
		seq := b.plan(g.cur, mono)
		s := received(seq, mono, rtt+time.Duration(seq*7919%10_000)*time.Microsecond)
		if seq%211 == 0 {
			s = perigee.Singleton{Seq: seq, At: mono, Outcome: perigee.Lost}
		}
		b.decide(s)
		if seq%10 == 0 {
			b.expire(mono)
			b.judge(tr.judge)
			for b.due(mono) {
				if s := b.close(); s.Counts.Planned == 0 {
					t.Fatal("empty window")
				}
			}
			tr.take()
		}
	}
	return mono
}

// A week of four links at 10 probes/s is 4 * 60,480 windows; 600,000 are more than two
// weeks of them. PERIGEE_LONG=1 drives that many, else 20,000.
func TestMemoryDoesNotGrow(t *testing.T) {
	windows := 20_000
	if os.Getenv("PERIGEE_LONG") != "" {
		windows = 600_000
	}
	g := &grid{window: 10 * time.Second}
	g.begin(reading(0))
	b := newBuilder(testConfig())
	tr := &tracker{stream: testKey, after: time.Second}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	mono := drive(t, g, b, tr, 0, 100)
	before := heap()
	drive(t, g, b, tr, mono, windows)
	after := heap()
	t.Logf("heap %d kB before, %d kB after %d windows", before>>10, after>>10, windows)
	if grown := after - before; grown > 1<<20 {
		t.Errorf("heap grew by %d kB over %d windows", grown>>10, windows)
	}
	runtime.KeepAlive(b)
}

func BenchmarkBuilderWindow(b *testing.B) {
	g := &grid{window: 10 * time.Second}
	g.begin(reading(0))
	builder := newBuilder(testConfig())
	tr := &tracker{stream: testKey, after: time.Second}
	mono := drive(b, g, builder, tr, 0, 10)
	b.ReportAllocs()
	for b.Loop() {
		mono = drive(b, g, builder, tr, mono, 1)
	}
}

func ExampleSchedule() {
	s := Periodic{Phase: 30 * time.Millisecond, Interval: 200 * time.Millisecond}
	at := time.Second
	for range 3 {
		at = s.Next(at)
		fmt.Println(at)
	}
	// Output:
	// 1.03s
	// 1.23s
	// 1.43s
}
