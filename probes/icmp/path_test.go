//go:build linux

package icmp

import (
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

// Real packets over real time: no loss measured where there is none, and no RTT below
// the delay imposed.
func TestLongPathsHaveNoFalseLossOnRealPackets(t *testing.T) {
	bindtest.Need(t)
	delays := []time.Duration{600 * ms, 1200 * ms, 2500 * ms}
	var group sync.WaitGroup
	for i, delay := range delays {
		name := []string{"long0", "long1", "long2"}[i]
		tun(t, name, []string{"198.18.0.1/24", "198.18.1.1/24", "198.18.2.1/24"}[i], func(int) []time.Duration { return []time.Duration{delay} })
		p := newProber(t, Options{
			Bind:    bind.Options{Interface: name},
			Address: []string{"198.18.0.9", "198.18.1.9", "198.18.2.9"}[i],
		})
		r := newRecorder(t)
		start(t, p, r)
		p.awaitRunning(t)
		group.Go(func() {
			const n = 50
			tick := time.NewTicker(20 * ms)
			defer tick.Stop()
			for seq := range perigee.Seq(n) {
				p.Send(seq, r)
				<-tick.C
			}
			r.waitDecided(n)
			if c := r.counts(); c.Received != n {
				t.Errorf("RTT %v: %+v, want %d received", delay, c, n)
			}
			for seq, s := range r.singletons {
				if s.RTT < delay {
					t.Errorf("RTT %v: probe %d took %v", delay, seq, s.RTT)
				}
			}
		})
	}
	group.Wait()
}

func TestRepliesOutOfTheOrdinaryOnRealPackets(t *testing.T) {
	// The loss timeout is 500 ms here, so the late horizon is 1 s.
	scripts := [][]time.Duration{
		0: {0},
		1: {0, 0, 0},  // two duplicates
		2: {750 * ms}, // late
		3: nil,        // lost
		4: {0},
		5: {1250 * ms},          // beyond the horizon: lost
		6: {250 * ms, 250 * ms}, // overtaken by 7, and a duplicate
		7: {0},
	}
	tun(t, "odd0", "198.18.3.1/24", func(n int) []time.Duration { return scripts[n] })
	p := newProber(t, Options{Bind: bind.Options{Interface: "odd0"}, Address: "198.18.3.9", LossTimeout: 500 * ms})
	r := newRecorder(t)
	start(t, p, r)
	p.awaitRunning(t)
	for seq := range scripts {
		p.Send(perigee.Seq(seq), r)
	}
	r.waitDecided(len(scripts))
	r.wait("duplicates", func() bool { return r.duplicates[1] == 2 && r.duplicates[6] == 1 })
	for seq, want := range []perigee.Outcome{
		perigee.Received, perigee.Received, perigee.Late, perigee.Lost,
		perigee.Received, perigee.Lost, perigee.Received, perigee.Received,
	} {
		s := r.outcome(perigee.Seq(seq))
		if reordered := seq == 2 || seq == 6; s.Outcome != want || s.Reordered != reordered {
			t.Errorf("probe %d: %v, reordered %t, want %v, %t", seq, s.Outcome, s.Reordered, want, reordered)
		}
	}
}

// Probes to one target over several links leave at the same instant: within 2 ms. The
// best of some rounds is taken, for the machine may be busy.
func TestSendsOverSeveralLinksAreOfOneInstant(t *testing.T) {
	far := bindtest.NewHost(t)
	far.AddAddress(farAddress + "/32")
	var probers []*Prober
	clock := monotonic()
	r := make([]*recorder, 4)
	for i := range r {
		name := []string{"one", "two", "three", "four"}[i]
		net := []string{"10.1.0", "10.2.0", "10.3.0", "10.4.0"}[i]
		far.Connect(name, net+".2/24")
		bindtest.Route(t, "0.0.0.0/0", name, net+".1", 101+i)
		bindtest.Rule(t, 0, net+".2", 101+i)
		p := newProber(t, Options{Bind: bind.Options{Interface: name}, Clock: clock})
		r[i] = newRecorder(t)
		start(t, p, r[i])
		p.awaitRunning(t)
		probers = append(probers, p)
	}
	const rounds = 20
	best := time.Hour
	for seq := range perigee.Seq(rounds) {
		for i, p := range probers {
			p.Send(seq, r[i])
		}
	}
	for i := range r {
		r[i].waitDecided(rounds)
	}
	for seq := range perigee.Seq(rounds) {
		best = min(best, r[3].outcome(seq).At-r[0].outcome(seq).At)
	}
	if best > 2*ms {
		t.Errorf("four links' probes took %v to leave, want under 2ms", best)
	}
	t.Logf("four links' probes left within %v", best)
}
