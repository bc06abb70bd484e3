package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
	"perigee/probes"
	"perigee/storage"
)

// observed is a watch in a bubble, whose process can be stopped, and what it told.
type observed struct {
	*watch
	stopped time.Duration // how long the process was stopped, on the clock of the machine

	told   []string
	stacks string
	ended  []string // parts that were begun again, and why
}

func observe(ctx context.Context, also func()) *observed {
	o := &observed{watch: newWatch()}
	clock := o.mono
	o.mono = func() time.Duration { return clock() + o.stopped }
	o.watch.told = func(_ *heart, text, stacks string) { o.told, o.stacks = append(o.told, text), stacks }
	o.recovered = func(h *heart) { o.told = append(o.told, h.name+" goes on") }
	if also == nil {
		also = func() {}
	}
	go func() { _ = o.Run(ctx, also) }()
	return o
}

// keep keeps a part alive as the daemon does.
func (o *observed) keep(ctx context.Context, h *heart, f func(context.Context) error) {
	go func() {
		_ = keepAlive(ctx, h.run(f), func(err error) { o.ended = append(o.ended, err.Error()) })
	}()
}

// wedged hangs a call, the first time that it is made, until its context ends.
type wedged struct{ calls int }

func (w *wedged) call(ctx context.Context) error {
	if w.calls++; w.calls == 1 {
		<-ctx.Done()
	}
	return ctx.Err()
}

// wedgedBacklog hangs when it is asked for the oldest results.
type wedgedBacklog struct {
	storage.Backlog
	*wedged
}

func (b wedgedBacklog) Pending(context.Context) (int64, time.Time, int64, error) {
	return 0, time.Time{}, 0, nil
}
func (b wedgedBacklog) LinkStates(context.Context, time.Time) ([]perigee.LinkState, error) {
	return nil, nil
}
func (b wedgedBacklog) Newest(context.Context, int) ([]perigee.Entry, error) { return nil, nil }
func (b wedgedBacklog) Oldest(ctx context.Context, _ int) ([]perigee.Entry, error) {
	return nil, b.call(ctx)
}

type wedgedKeepable struct{ *wedged }

func (k wedgedKeepable) Roll(ctx context.Context, _ time.Time) error { return k.call(ctx) }
func (k wedgedKeepable) Expire(context.Context, time.Time, time.Time) error {
	return nil
}

type mute struct{ perigee.Sink }

func (mute) Write(ctx context.Context, _ []perigee.Entry) error { <-ctx.Done(); return ctx.Err() }

// TestHungPartsAreBegunAgain hangs each part once in what it does.
func TestHungPartsAreBegunAgain(t *testing.T) {
	transfers := func(h *heart, w *wedged) func(context.Context) error {
		o := probes.TransfersOptions{
			Site: "home", Links: []probes.TransferLink{{ID: "a", Starts: probes.Starts{Every: time.Hour}}},
			Directions: []perigee.Load{perigee.LoadDown}, Combinations: []probes.Combination{{}}, Limit: time.Minute, Beat: h.Beat,
			Clock: func() perigee.Reading {
				return perigee.Reading{Wall: time.Now(), Mono: time.Since(time.Unix(0, 0))}
			},
			// Others is asked before each transfer, without a limit of its own.
			BusyAbove: 1, Others: func(ctx context.Context, _ perigee.LinkID) (float64, error) { return 0, w.call(ctx) },
			Make: func(context.Context, probes.Transfer) (perigee.Throughput, error) {
				return perigee.Throughput{}, errors.New("no way")
			},
			Record: func(context.Context, perigee.Batch) error { return nil },
		}
		made, err := probes.NewTransfers(o)
		if err != nil {
			t.Fatal(err)
		}
		return made.Run
	}
	for name, c := range map[string]struct {
		frame string
		part  func(*heart, *wedged) func(context.Context) error
		after time.Duration // of the hang, at most
	}{
		"forwarding": {"storage.(*Outbox).Run", func(h *heart, w *wedged) func(context.Context) error {
			return storage.NewOutbox(storage.OutboxOptions{Backlog: wedgedBacklog{wedged: w}, Sink: mute{}, Beat: h.Beat}).Run
		}, 6 * time.Minute},
		"keeping the store in order": {"storage.Keeper.Run", func(h *heart, w *wedged) func(context.Context) error {
			return storage.Keeper{Store: wedgedKeepable{w}, Now: time.Now, Beat: h.Beat, Failed: func(error) {}}.Run
		}, 2*time.Hour + time.Minute},
		"transfers": {"probes.(*Transfers).Run", transfers, 2 * time.Hour}, // the first start is within the hour
		"of no kind": {"(*wedged).call", func(h *heart, w *wedged) func(context.Context) error {
			return func(ctx context.Context) error {
				for {
					h.Beat(time.Minute)
					if err := w.call(ctx); err != nil {
						return err
					}
					select {
					case <-ctx.Done():
						return nil
					case <-time.After(30 * time.Second):
					}
				}
			}
		}, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				o := observe(ctx, nil)
				h, w := o.heart(name, c.frame), &wedged{}
				o.keep(ctx, h, c.part(h, w))
				time.Sleep(c.after)
				synctest.Wait()
				if len(o.told) == 0 || !strings.HasPrefix(o.told[0], name+" has not come round within ") {
					t.Fatalf("told %q, want that it hangs", o.told)
				}
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				if want := []string{o.told[0], name + " goes on"}; !slices.Equal(o.told, want) {
					t.Errorf("told %q, want %q", o.told, want)
				}
				if !strings.Contains(o.stacks, c.frame) || len(o.stacks) > stackLimit+len("…") {
					t.Errorf("stacks of %d bytes:\n%s\nwant those of %s", len(o.stacks), o.stacks, c.frame)
				}
				if len(o.ended) != 1 || !strings.Contains(o.ended[0], "it hung: ") || w.calls < 2 {
					t.Errorf("it ended %q and was called %d times, want it begun again once", o.ended, w.calls)
				}
				if err := o.lostPart(); err != nil || len(o.checks()) != 0 {
					t.Errorf("afterwards %v, %v", err, o.checks())
				}
				cancel()
				time.Sleep(time.Minute)
				synctest.Wait()
			})
		})
	}
}

// TestPartThatDoesNotEnd hangs in what no context ends: nothing but another process helps.
func TestPartThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := observe(ctx, nil)
		h, let := o.heart("stubborn", "TestPartThatDoesNotEnd"), make(chan struct{})
		o.keep(ctx, h, func(context.Context) error {
			h.Beat(time.Minute)
			<-let
			return nil
		})
		time.Sleep(80 * time.Second)
		synctest.Wait()
		if err := o.lostPart(); err != nil || len(o.told) != 1 || len(o.checks()) != 1 || o.checks()[0].OK || o.checks()[0].Name != "part stubborn" {
			t.Errorf("while it is waited for: %v, told %q, checks %+v", err, o.told, o.checks())
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if err := o.lostPart(); err == nil || err.Error() != "stubborn has not come round within 1m0s, and does not end" {
			t.Errorf("afterwards %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(o.told) != 1 {
			t.Errorf("told %q, want it told once", o.told)
		}
		cancel()
		close(let)
		synctest.Wait()
	})
}

// TestStoppedProcessDoesNotHang stops the whole process for an hour, again and again, on a
// clock that goes on meanwhile: none of its parts may be blamed.
func TestStoppedProcessDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := observe(ctx, nil)
		h := o.heart("honest", "")
		o.keep(ctx, h, func(ctx context.Context) error {
			for ctx.Err() == nil {
				h.Beat(time.Minute)
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Second):
				}
			}
			return nil
		})
		for range 20 {
			time.Sleep(7 * time.Second)
			synctest.Wait()
			o.mu.Lock()
			o.stopped += time.Hour
			o.mu.Unlock()
			if err := o.lostPart(); err != nil { // asked before the watch had its turn
				t.Error(err)
			}
			time.Sleep(watchEvery)
		}
		cancel()
		time.Sleep(time.Minute) // a last try to deliver takes some seconds
		synctest.Wait()
		if len(o.told) != 0 || len(o.ended) != 0 {
			t.Errorf("told %q, ended %q", o.told, o.ended)
		}
	})
}

// TestSilentDatabaseIsNoHang writes for a day to a server that takes connections and never
// answers: the outbox's own limits end each write.
func TestSilentDatabaseIsNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := observe(ctx, nil)
		h := o.heart("forwarding", "")
		outbox := storage.NewOutbox(storage.OutboxOptions{Backlog: fullBacklog{}, Sink: mute{}, Beat: h.Beat})
		o.keep(ctx, h, outbox.Run)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if s := outbox.Status(); s.Failures < 100 || len(o.told) != 0 || len(o.ended) != 0 {
			t.Errorf("%d writes failed, told %q, ended %q; want many, and no hang", s.Failures, o.told, o.ended)
		} else {
			t.Logf("%d writes ended by their limit in a day", s.Failures)
		}
		cancel()
		time.Sleep(time.Minute) // a last try to deliver takes some seconds
		synctest.Wait()
	})
}

// fullBacklog always has a result to forward.
type fullBacklog struct{ storage.Backlog }

func (fullBacklog) Pending(context.Context) (int64, time.Time, int64, error) {
	return 1, time.Time{}, 0, nil
}
func (fullBacklog) LinkStates(context.Context, time.Time) ([]perigee.LinkState, error) {
	return nil, nil
}
func (fullBacklog) Newest(context.Context, int) ([]perigee.Entry, error) { return oneEntry(), nil }
func (fullBacklog) Oldest(context.Context, int) ([]perigee.Entry, error) { return oneEntry(), nil }

func oneEntry() []perigee.Entry {
	e := perigee.Event{Site: "home", Time: time.Unix(1_800_000_000, 0), Kind: perigee.EventStarted}
	return []perigee.Entry{{Kind: perigee.EntryEvent, Event: &e}}
}

// TestStuckWatchIsTold asks a watch that does not look any more.
func TestStuckWatchIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		let := make(chan struct{})
		looked := 0
		o := observe(ctx, func() {
			if looked++; looked == 3 {
				<-let
			}
		})
		var said []string
		for range 4 { // as the service manager is told
			time.Sleep(toldEvery)
			said = append(said, fmt.Sprint(o.lostPart()))
		}
		if said[0] != "<nil>" || !strings.HasPrefix(said[3], "the watch over all parts has not looked for ") {
			t.Errorf("it says %q", said)
		}
		close(let)
		cancel()
		time.Sleep(time.Minute) // a last try to deliver takes some seconds
		synctest.Wait()
	})
}
