package probes

import (
	"math"
	"sync"
	"testing"
	"time"

	"perigee"
)

func TestLatenciesSumUpOneLoadAndRange(t *testing.T) {
	const ms = time.Millisecond
	l := NewLatencies(time.Minute)
	tell := func(link perigee.LinkID, target perigee.TargetID, load perigee.Load, at, rtt time.Duration, outcome perigee.Outcome) {
		k := keyOf(link)
		k.Target, k.Load = target, load
		l.Singleton(k, perigee.Singleton{At: at, RTT: rtt, Outcome: outcome})
	}
	// 101 probes of 1 to 101 ms, told from the last to the first, one a millisecond.
	for i := 101; i >= 1; i-- {
		tell("geo", "far", perigee.LoadDown, 10*time.Second+time.Duration(i)*ms, time.Duration(i)*ms, perigee.Received)
	}
	tell("geo", "far", perigee.LoadDown, 10*time.Second+50*ms, 4*time.Second, perigee.Late)
	tell("geo", "far", perigee.LoadDown, 10*time.Second+50*ms, 0, perigee.Lost)
	tell("geo", "far", perigee.LoadDown, 10*time.Second+50*ms, 0, perigee.SendFailed)
	tell("geo", "far", perigee.LoadDown, 10*time.Second+50*ms, 0, perigee.Skipped)
	tell("geo", "far", perigee.LoadUp, 10*time.Second+50*ms, 7*time.Second, perigee.Received)
	tell("geo", "far", perigee.LoadIdle, 10*time.Second+50*ms, 7*time.Second, perigee.Received)
	tell("leo", "far", perigee.LoadDown, 10*time.Second+50*ms, 7*time.Second, perigee.Received)
	tell("geo", "near", perigee.LoadDown, 10*time.Second+50*ms, 0, perigee.Lost)

	all := l.Between("geo", "far", perigee.LoadDown, 0, time.Hour)
	// Ranks 0, 50, 95 and 99 of 1..101 ms; late and lost were sent and not received.
	want := perigee.Latency{Sent: 103, Received: 101, Min: 0.001, P50: 0.051, P95: 0.096, P99: 0.100, Mean: 0.051}
	if !same(all, want) {
		t.Errorf("all: %+v, want %+v", all, want)
	}
	if got := l.Between("geo", "", perigee.LoadDown, 0, time.Hour); got.Sent != 104 || got.Received != 101 {
		t.Errorf("all targets: %+v, want the one to near as well", got)
	}
	// The range begins at its first instant and ends before its last: 2 and 3 ms.
	got := l.Between("geo", "far", perigee.LoadDown, 10*time.Second+2*ms, 10*time.Second+4*ms)
	want = perigee.Latency{Sent: 2, Received: 2, Min: 0.002, P50: 0.0025, P95: 0.00295, P99: 0.00299, Mean: 0.0025}
	if !same(got, want) {
		t.Errorf("two: %+v, want %+v", got, want)
	}
	if got := l.Between("geo", "near", perigee.LoadDown, 0, time.Hour); got != (perigee.Latency{Sent: 1}) {
		t.Errorf("lost: %+v, want one sent", got)
	}
	if got := l.Between("geo", "far", perigee.LoadDown, 0, time.Second); got != (perigee.Latency{}) {
		t.Errorf("nothing: %+v", got)
	}
}

func same(a, b perigee.Latency) bool {
	near := func(x, y float64) bool { return math.Abs(x-y) < 1e-12 }
	return a.Sent == b.Sent && a.Received == b.Received && near(a.Min, b.Min) && near(a.P50, b.P50) && near(a.P95, b.P95) &&
		near(a.P99, b.P99) && near(a.Mean, b.Mean)
}

// What is older than asked is forgotten, and nothing else is.
func TestLatenciesForget(t *testing.T) {
	l := NewLatencies(10 * time.Second)
	const n = 10_000
	for i := range n {
		at := time.Duration(i) * 100 * time.Millisecond
		l.Singleton(testKey, perigee.Singleton{At: at, RTT: time.Millisecond, Outcome: perigee.Received})
		if kept := len(l.links[linkLoad{"geo", perigee.LoadIdle}]); kept > 203 { // twice the 101 of 10 s
			t.Fatalf("%d outcomes are kept of the last 10 s of 10 a second", kept)
		}
	}
	end := n * 100 * time.Millisecond
	if got := l.Between("geo", "far", perigee.LoadIdle, end-10*time.Second, end); got.Received != 100 {
		t.Errorf("the last 10 s hold %d replies, want 100", got.Received)
	}
}

func TestLatenciesAreSafeForConcurrentUse(t *testing.T) {
	l := NewLatencies(time.Minute)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				l.Singleton(testKey, perigee.Singleton{At: time.Duration(n), RTT: time.Duration(i), Outcome: perigee.Received})
				l.Between("geo", "", perigee.LoadIdle, 0, time.Hour)
			}
		})
	}
	wg.Wait()
	if got := l.Between("geo", "", perigee.LoadIdle, 0, time.Hour); got.Received != 2000 {
		t.Errorf("%d outcomes, want 2000", got.Received)
	}
}
