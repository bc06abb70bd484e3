package probes

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// Whatever goes wrong outside of the monitor, it is not stuck: not before it runs, not
// while it measures, not while it ends.
func TestTroubleOutsideIsNotStuck(t *testing.T) {
	for name, c := range map[string]struct {
		link  func(perigee.Seq) fate
		store error
	}{
		"all_is_well":          {steady(14 * time.Millisecond), nil},
		"nothing_is_answered":  {steady(0), nil},
		"nothing_can_be_sent":  {func(perigee.Seq) fate { return fate{fail: "network is down"} }, nil},
		"send_panics":          {func(perigee.Seq) fate { return fate{panics: true} }, nil},
		"the_store_takes_none": {steady(14 * time.Millisecond), errCable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, links{"fibre": c.link})
				r, err := New(b.options)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Stuck(30 * time.Second); err != nil {
					t.Errorf("before Run: %v", err)
				}
				b.store.setFail(c.store)
				b.start()
				for range 20 {
					time.Sleep(10 * time.Second)
					if err := b.runner.Stuck(30 * time.Second); err != nil {
						t.Fatal(err)
					}
				}
				b.store.setFail(nil)
				if err := b.finish(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if err := b.runner.Stuck(30 * time.Second); err != nil {
					t.Errorf("after Run: %v", err)
				}
			})
		})
	}
}

// Each of the three things that can hang is told, by its name, once it has hung for
// longer than the limit and not before.
func TestStuckNamesWhatHangs(t *testing.T) {
	const limit = 30 * time.Second
	after := func(seq perigee.Seq, f fate) func(perigee.Seq) fate {
		return func(s perigee.Seq) fate {
			if s < seq {
				return fate{rtt: time.Millisecond}
			}
			return f
		}
	}
	hang := func(ctx context.Context, _ perigee.Batch) error { <-ctx.Done(); return nil }
	for name, c := range map[string]struct {
		link   func(perigee.Seq) fate
		record func(context.Context, perigee.Batch) error // nil: the bench's
		moves  time.Duration                              // how long after the start all moves for certain
		hangs  time.Duration                              // and when it is stuck for certain
		want   string
	}{
		// Probe 100 is sent after 10 s; its Send does not return.
		"send": {after(100, fate{block: time.Hour}), nil, 39 * time.Second, 41 * time.Second, "the loop that sends probes has not moved for"},
		// What is sent after 10 s has no fate: it was due at its late horizon of 6 s and
		// the second of grace.
		"prober": {after(100, fate{silent: true}), nil, 46 * time.Second, 48 * time.Second, "the prober of icmp to far over ipv4 over link fibre has not reported for"},
		// The first window, of 10 s, is closed 7 s after its end at the latest.
		"store": {steady(time.Millisecond), hang, 39 * time.Second, 48 * time.Second, "the store has not answered for"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, links{"fibre": c.link})
				if c.record != nil {
					b.options.Record = c.record
				}
				b.start()
				time.Sleep(c.moves)
				if err := b.runner.Stuck(limit); err != nil {
					t.Errorf("after %v: %v", c.moves, err)
				}
				time.Sleep(c.hangs - c.moves)
				if err := b.runner.Stuck(limit); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("after %v: %v, want %q in it", c.hangs, err, c.want)
				}
				b.stop()
				<-b.done
			})
		})
	}
}
