//go:build linux

package icmp

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	probing "github.com/prometheus-community/pro-bing"
	"golang.org/x/sys/unix"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

// cost is what a number of probes cost this process.
type cost struct {
	cpu     time.Duration
	mallocs uint64
}

func measure(n int, f func()) (perProbe cost) {
	var before, after unix.Rusage
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	mallocs := memory.Mallocs
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	f()
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	runtime.ReadMemStats(&memory)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	return cost{cpu: time.Duration(used / int64(n)), mallocs: (memory.Mallocs - mallocs) / uint64(n)}
}

// pace is the time between probes in the benchmark, for both.
const pace = 200 * time.Microsecond

// BenchmarkProbe sends b.N probes over loopback at a steady pace, by this package and
// by pro-bing, and reports processor time, allocations and median RTT per probe, and
// each as a ratio to pro-bing's: below 1 is better.
func BenchmarkProbe(b *testing.B) {
	bindtest.Need(b)
	ours, oursRTT := benchOurs(b)
	theirs, theirsRTT := benchProBing(b)
	b.ReportMetric(0, "ns/op") // the pace, not a result
	b.ReportMetric(float64(ours.cpu), "cpu-ns/probe")
	b.ReportMetric(float64(ours.mallocs), "mallocs/probe")
	b.ReportMetric(float64(oursRTT), "rtt-ns")
	b.ReportMetric(float64(ours.cpu)/float64(max(theirs.cpu, 1)), "cpu/pro-bing")
	b.ReportMetric(float64(ours.mallocs)/float64(max(theirs.mallocs, 1)), "mallocs/pro-bing")
	b.ReportMetric(float64(oursRTT)/float64(max(theirsRTT, 1)), "rtt/pro-bing")
}

func benchOurs(b *testing.B) (cost, time.Duration) {
	p, err := New(Options{
		Bind:     bind.Options{Interface: "lo"},
		Address:  "127.0.0.1",
		Interval: pace,
		Clock:    monotonic(),
	})
	if err != nil {
		b.Fatal(err)
	}
	s := &sink{rtts: make([]time.Duration, 0, b.N), want: b.N, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, s) }()
	p.awaitRunning(b)
	used := measure(b.N, func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for seq := range perigee.Seq(b.N) {
			p.Send(seq, s)
			<-tick.C
		}
		<-s.done
	})
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return used, s.median(b)
}

func benchProBing(b *testing.B) (cost, time.Duration) {
	s := &sink{rtts: make([]time.Duration, 0, b.N), want: b.N}
	used := measure(b.N, func() {
		if _, err := runProBing(b, "127.0.0.1", func(p *probing.Pinger) {
			p.Count, p.Interval, p.Size, p.RecordRtts, p.RecordTTLs = b.N, pace, DefaultSize-8, false, false
			p.OnRecv = func(packet *probing.Packet) { s.rtts = append(s.rtts, packet.Rtt) }
		}); err != nil {
			b.Fatal(err)
		}
	})
	return used, s.median(b)
}

// sink is an Emitter that keeps RTTs.
type sink struct {
	rtts []time.Duration
	seen int
	want int
	done chan struct{}
}

func (s *sink) Singleton(o perigee.Singleton) {
	if o.Outcome == perigee.Received {
		s.rtts = append(s.rtts, o.RTT)
	}
	if s.seen++; s.seen == s.want {
		close(s.done)
	}
}
func (s *sink) Duplicate(perigee.Seq)           {}
func (s *sink) Event(perigee.EventKind, string) {}

func (s *sink) median(b *testing.B) time.Duration {
	if len(s.rtts) != s.want {
		b.Fatalf("%d of %d probes received", len(s.rtts), s.want)
	}
	slices.Sort(s.rtts)
	return s.rtts[len(s.rtts)/2]
}
