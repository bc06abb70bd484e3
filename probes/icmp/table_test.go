package icmp

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"perigee"
)

// With a loss timeout of 3 s the late horizon is 6 s.
func TestTableDecides(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		do   string // send, fail, reply, expire, stop
		seq  perigee.Seq
		at   time.Duration
		want string
	}
	for name, steps := range map[string][]step{
		"received": {
			{"send", 0, 0, "ok"},
			{"reply", 0, 600 * ms, "0 received 600ms"},
			{"expire", 0, 10_000 * ms, ""},
		},
		"received_at_the_timeout": {
			{"send", 0, 0, "ok"},
			{"reply", 0, 3000 * ms, "0 received 3s"},
		},
		"late_not_lost_twice": {
			{"send", 0, 0, "ok"},
			{"expire", 0, 5999 * ms, ""}, // after the loss timeout its fate is still open
			{"reply", 0, 6000 * ms, "0 late 6s"},
			{"expire", 0, 7000 * ms, ""},
		},
		"lost_at_the_horizon": {
			{"send", 0, 0, "ok"},
			{"expire", 0, 6000 * ms, ""}, // a reply of just now would still be late
			{"expire", 0, 6001 * ms, "0 lost"},
			{"reply", 0, 6002 * ms, "stray"},
		},
		"reply_after_the_horizon_but_before_it_was_expired": {
			{"send", 0, 0, "ok"},
			{"reply", 0, 6001 * ms, "stray"},
			{"expire", 0, 6001 * ms, "0 lost"},
		},
		"duplicates_until_the_horizon": {
			{"send", 0, 0, "ok"},
			{"reply", 0, 100 * ms, "0 received 100ms"},
			{"reply", 0, 101 * ms, "duplicate"},
			{"reply", 0, 5000 * ms, "duplicate"},
			{"reply", 0, 6001 * ms, "stray"},
		},
		"reordered": {
			{"send", 0, 0, "ok"}, {"send", 1, 100 * ms, "ok"}, {"send", 2, 200 * ms, "ok"},
			{"reply", 1, 300 * ms, "1 received 200ms"},
			{"reply", 0, 310 * ms, "0 received 310ms reordered"},
			{"reply", 0, 320 * ms, "duplicate"}, // counted once
			{"reply", 2, 330 * ms, "2 received 130ms"},
		},
		"late_and_reordered": {
			{"send", 0, 0, "ok"}, {"send", 1, 100 * ms, "ok"},
			{"reply", 1, 200 * ms, "1 received 100ms"},
			{"reply", 0, 3500 * ms, "0 late 3.5s reordered"},
		},
		"failed_send_is_forgotten": {
			{"send", 0, 0, "ok"}, {"send", 1, 100 * ms, "ok"},
			{"fail", 1, 0, "removed"},
			{"fail", 1, 0, "decided"},
			{"reply", 1, 200 * ms, "stray"},
			{"expire", 0, 6200 * ms, "0 lost"},
		},
		"failed_send_after_it_was_decided": {
			{"send", 0, 0, "ok"},
			{"stop", 0, 0, "0 skipped"},
			{"fail", 0, 0, "decided"},
		},
		"reply_to_nothing": {
			{"reply", 0, 0, "stray"}, {"reply", 1 << 40, 0, "stray"},
			{"send", 5, 0, "ok"},
			{"reply", 5 + 1<<32, 10 * ms, "stray"}, // same place in the ring
			{"reply", 5, 10 * ms, "5 received 10ms"},
		},
		"stopped_in_send_order": {
			{"send", 3, 0, "ok"}, {"send", 4, 100 * ms, "ok"}, {"send", 9, 200 * ms, "ok"},
			{"reply", 4, 210 * ms, "4 received 110ms"},
			{"stop", 0, 0, "3 skipped, 9 skipped"},
		},
		"expire_in_send_order": {
			{"send", 0, 0, "ok"}, {"send", 1, 100 * ms, "ok"}, {"send", 2, 7000 * ms, "ok"},
			{"expire", 0, 7000 * ms, "0 lost, 1 lost"},
			{"expire", 0, 13_001 * ms, "2 lost"},
		},
		"stamp_before_the_send": { // never negative
			{"send", 0, 100 * ms, "ok"},
			{"reply", 0, 99 * ms, "0 received 0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := newTable(3*time.Second, time.Second)
			for i, s := range steps {
				got := ""
				note := func(s perigee.Singleton) {
					if got != "" {
						got += ", "
					}
					got += fmt.Sprint(s.Seq, " ", s.Outcome)
					if s.Outcome == perigee.Received || s.Outcome == perigee.Late {
						got += " " + s.RTT.String()
					}
					if s.Reordered {
						got += " reordered"
					}
				}
				switch s.do {
				case "send":
					if got = "full"; table.add(s.seq, s.at) {
						got = "ok"
					}
				case "fail":
					if got = "decided"; table.remove(s.seq) {
						got = "removed"
					}
				case "reply":
					switch out, what := table.reply(s.seq, s.at); what {
					case first:
						note(out)
					case duplicate:
						got = "duplicate"
					default:
						got = "stray"
					}
				case "expire":
					table.expire(s.at, note)
				case "stop":
					table.abandon("stopped", note)
				}
				if got != s.want {
					t.Errorf("step %d, %s %d at %v: %q, want %q", i, s.do, s.seq, s.at, got, s.want)
				}
			}
		})
	}
}

// A caller that sends far more often than agreed is refused; memory does not grow.
func TestTableIsBounded(t *testing.T) {
	for _, c := range []struct {
		timeout, interval time.Duration
		slots             int
	}{
		{3 * time.Second, 200 * time.Millisecond, 128}, // 2*30+64, to a power of two
		{5 * time.Second, 100 * time.Millisecond, 512}, // 2*100+64
		{3 * time.Second, time.Hour, 64},
		{time.Hour, time.Nanosecond, maxSlots},
	} {
		table := newTable(c.timeout, c.interval)
		if len(table.slots) != c.slots {
			t.Errorf("newTable(%v, %v) has %d slots, want %d", c.timeout, c.interval, len(table.slots), c.slots)
		}
		added := 0
		for seq := range perigee.Seq(2 * maxSlots) {
			if table.add(seq, 0) {
				added++
			}
		}
		if added != c.slots || len(table.slots) != c.slots {
			t.Errorf("took %d probes with %d slots, want %d with the same", added, len(table.slots), c.slots)
		}
	}
}

// Every probe gets exactly one outcome, whatever happens in whatever order, and next
// is the time of the oldest undecided one.
func TestTableDecidesEachProbeOnce(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		table := newTable(time.Second, 50*time.Millisecond)
		undecided := map[perigee.Seq]time.Duration{}
		outcomes := map[perigee.Seq]int{}
		note := func(s perigee.Singleton) {
			outcomes[s.Seq]++
			delete(undecided, s.Seq)
		}
		var now time.Duration
		var seq perigee.Seq
		planned := 0
		for range 2000 {
			now += time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond))
			switch rng.IntN(4) {
			case 0, 1:
				if table.add(seq, now) {
					planned++
					undecided[seq] = now
					if rng.IntN(10) == 0 && table.remove(seq) {
						planned--
						delete(undecided, seq)
					}
				}
				seq++
			case 2:
				if s, what := table.reply(perigee.Seq(rng.Uint64N(uint64(seq)+1)), now); what == first {
					note(s)
				}
			case 3:
				table.expire(now, note)
			}
			if table.waiting != len(undecided) {
				t.Fatalf("seed %d: %d waiting, want %d", seed, table.waiting, len(undecided))
			}
			next, ok := table.next()
			oldest, any := time.Duration(0), false
			for _, at := range undecided {
				if !any || at < oldest {
					oldest, any = at, true
				}
			}
			if ok != any || ok && next != oldest+2*time.Second+1 {
				t.Fatalf("seed %d: next = %v, %t, oldest is of %v, %t", seed, next, ok, oldest, any)
			}
		}
		table.abandon("stopped", note)
		if len(outcomes) != planned {
			t.Errorf("seed %d: %d outcomes for %d probes", seed, len(outcomes), planned)
		}
		for seq, n := range outcomes {
			if n != 1 {
				t.Errorf("seed %d: probe %d has %d outcomes", seed, seq, n)
			}
		}
	}
}

func TestTableDoesNotAllocate(t *testing.T) {
	table := newTable(3*time.Second, 100*time.Millisecond)
	var seq perigee.Seq
	allocs := testing.AllocsPerRun(1000, func() {
		at := time.Duration(seq) * 100 * time.Millisecond
		table.add(seq, at)
		table.reply(seq, at+time.Millisecond)
		table.expire(at, func(perigee.Singleton) {})
		table.next()
		seq++
	})
	if allocs != 0 {
		t.Errorf("%v allocations per probe, want none", allocs)
	}
	if reflect.TypeFor[slot]().Size() > 24 {
		t.Errorf("a slot is larger than 24 bytes")
	}
}
