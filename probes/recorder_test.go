package probes

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

var errLocked = &perigee.Error{Code: perigee.CodeUnavailable, Message: "the database is locked"}

func TestStoreThatFailsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"fibre": steady(10 * time.Millisecond), "geo": steady(600 * time.Millisecond)})
		b.start()
		time.Sleep(20 * time.Second)
		b.store.setFail(errLocked)
		time.Sleep(10 * time.Minute)
		if b.runner.StoreError() == nil {
			t.Error("no store error is told while it fails")
		}
		calls := b.store.calls
		b.store.setFail(nil)
		time.Sleep(time.Minute)
		if err := b.runner.StoreError(); err != nil {
			t.Errorf("store error %v is told after it recovered", err)
		}
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		// Pauses of 0.25 s doubling to 30 s: about 7 + 20.
		if calls > 60 {
			t.Errorf("%d attempts in ten minutes", calls)
		}
		for _, link := range []perigee.LinkID{"fibre", "geo"} {
			counts, probes := b.store.of(link)
			if counts.Received != 6800 || len(probes) != 6800 {
				t.Errorf("%s: counts %+v and %d singletons, want all 6800", link, counts, len(probes))
			}
		}
		events := b.store.all().Events
		if len(events) != 1 || events[0].Kind != perigee.EventStoreFailed || !strings.Contains(events[0].Detail, "locked") {
			t.Errorf("events %v, want one that tells of the failure", events)
		}
	})
}

// A store that fails for longer than can be kept loses the oldest singletons first,
// then the oldest samples, and it is told.
func TestStoreThatFailsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.options.Interval = time.Second
		b.store.setFail(errLocked)
		b.start()
		time.Sleep(7 * time.Hour)
		r := b.runner.recorder
		r.mu.Lock()
		waiting, full := r.waiting, r.full
		r.mu.Unlock()
		if waiting != 2160 || full != 360 {
			t.Errorf("%d samples wait, %d of them with singletons, want 2160 (6 h) and 360 (1 h)", waiting, full)
		}
		// One window of 10 s was being written since the beginning; of 7 h, less the
		// 6 s until a window is decided, as many were given up as do not fit.
		if got := b.runner.Recording(); got.Waiting != 2161 || got.GivenUp < 355 || got.GivenUp > 360 {
			t.Errorf("%+v, want 2161 waiting and those of the first hour given up", got)
		}
		b.store.setFail(nil)
		time.Sleep(time.Minute)
		if got := b.runner.Recording(); got.Waiting != 0 {
			t.Errorf("%+v after the store recovered, want nothing waiting", got)
		}
		b.stop()
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		all := b.store.all()
		// The first batch was being written and is whole; 6 h follow and the last minute.
		if n := len(all.Samples); n < 2161 || n > 2175 {
			t.Errorf("%d samples recorded, want those of six hours and a minute", n)
		}
		// Windows lie on a grid of 10 s, and the first and the last were recorded.
		first, last := all.Samples[0].Start, all.Samples[len(all.Samples)-1].Start
		made := last.Truncate(10*time.Second).Sub(first.Truncate(10*time.Second))/(10*time.Second) + 1
		if given := b.runner.Recording().GivenUp; given+int64(len(all.Samples)) != int64(made) {
			t.Errorf("%d samples recorded and %d given up of %d", len(all.Samples), given, made)
		}
		with := 0
		for _, s := range all.Samples {
			if s.Singletons != nil {
				with++
			}
			if err := s.Counts.Check(); err != nil {
				t.Error(err)
			}
		}
		if with < 361 || with > 375 {
			t.Errorf("%d samples with singletons, want those of an hour and a minute", with)
		}
		// 7 h are 2520 windows, of which the last is still open and one is being
		// written: 358 are too many, and up to three more until the next attempt.
		if len(all.Events) != 1 {
			t.Fatalf("events %v, want one", all.Events)
		}
		_, told, _ := strings.Cut(all.Events[0].Detail, "); ")
		var dropped, stripped int
		if _, err := fmt.Sscanf(told, "%d samples were given up, %d lost their singletons", &dropped, &stripped); err != nil {
			t.Fatalf("event says %q: %v", told, err)
		}
		if dropped < 358 || dropped > 361 || stripped != 1800 {
			t.Errorf("%d samples told as given up and %d as stripped, want 358 to 361 and 1800", dropped, stripped)
		}
		if dropped+len(all.Samples) != 2520+6 {
			t.Errorf("%d samples recorded and %d told as given up, want 2526 in all", len(all.Samples), dropped)
		}
	})
}

func TestStoreThatRefusesDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.store.setFail(&perigee.Error{Code: perigee.CodeInvalid, Message: "no such stream"})
		b.start()
		time.Sleep(17 * time.Second) // the first window is refused
		b.store.setFail(nil)
		time.Sleep(20 * time.Second)
		b.stop()
		if err := <-b.done; err != nil {
			t.Fatal(err)
		}
		all := b.store.all()
		if len(all.Samples) != 3 {
			t.Errorf("%d samples, want the three after the refused one", len(all.Samples))
		}
	})
}

func TestShutdownWithADeadStoreEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.store.setFail(errLocked)
		b.start()
		time.Sleep(25 * time.Second)
		began := time.Now()
		err := b.finish()
		if perigee.CodeOf(err) != perigee.CodeUnavailable || !strings.Contains(err.Error(), "3 samples were not recorded") {
			t.Errorf("error %v, want one that says what was not recorded", err)
		}
		if d := time.Since(began); d > 13*time.Second {
			t.Errorf("stopping took %v, want ten seconds for the store", d)
		}
	})
}

// The store comes back while the end waits for it.
func TestShutdownTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, links{"geo": steady(600 * time.Millisecond)})
		b.store.setFail(errLocked)
		b.start()
		time.Sleep(10 * time.Minute) // the pause is 30 s by now
		go func() {
			time.Sleep(5 * time.Second)
			b.store.setFail(nil)
		}()
		if err := b.finish(); err != nil {
			t.Fatal(err)
		}
		if counts, _ := b.store.of("geo"); counts.Received != 6000 {
			t.Errorf("counts %+v, want all 6000", counts)
		}
	})
}
