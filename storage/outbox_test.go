package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
	"perigee/storage"
)

func TestOutboxSendsOldestFirstAndThenRests(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(5, event)
		r := run(t, b, newSink(nil))
		synctest.Wait()
		writes := r.sink.log()
		if len(writes) != 1 || len(writes[0].entries) != 5 || writes[0].entries[0].ID != 1 {
			t.Errorf("writes %v, want one with all five from the first", writes)
		}
		if s := r.Status(); s.State != storage.OutboxIdle || s.Pending != 0 || s.Sent != 5 || s.Writes != 1 || s.Failures != 0 || s.LastSuccess.IsZero() {
			t.Errorf("status %+v", s)
		}

		b.store(1, event)
		r.Wake()
		synctest.Wait() // no time passes
		if got := r.sink.count(); got != 6 {
			t.Errorf("%d entries right after Wake, want 6", got)
		}
		b.store(1, event) // nobody wakes it
		time.Sleep(storage.DefaultPoll)
		synctest.Wait()
		if got := r.sink.count(); got != 7 {
			t.Errorf("%d entries after a poll, want 7", got)
		}
		r.end()
	})
}

func TestWakeNeverBlocks(t *testing.T) {
	o := storage.NewOutbox(storage.OutboxOptions{Backlog: newBacklog(), Sink: newSink(nil)})
	for range 1000 { // nobody runs it
		o.Wake()
		o.Retry()
	}
}

// A live result waits for the write under way and for one of old results at most, however
// long the backlog is.
func TestLiveResultsOvertakeTheBacklog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		const old = 100_000
		b.store(old, window)
		sink := newSink(func(context.Context, []perigee.Entry) answer {
			time.Sleep(time.Second)
			return answer{takes: true}
		})
		r := run(t, b, sink)
		stored := map[int64]int{} // writes that had ended by then, by number
		for b.pending() > 0 {
			time.Sleep(2500 * time.Millisecond)
			synctest.Wait()
			stored[b.store(1, window)] = len(sink.log())
			r.Wake()
			time.Sleep(2500 * time.Millisecond)
			synctest.Wait()
		}
		r.end()

		writes := sink.log()
		if len(stored) < 20 {
			t.Fatalf("only %d live results: the backlog drained in %d writes", len(stored), len(writes))
		}
		before := int64(0) // results up to here are in the sink
		sent := map[int64]bool{}
		inOrder := 0
		for i, w := range writes {
			for _, e := range w.entries {
				if at, live := stored[e.ID]; live {
					if waited := i - at; waited > 2 {
						t.Errorf("result %d waited for %d writes, want 2 at most", e.ID, waited)
					}
				}
			}
			for sent[before+1] {
				before++
			}
			if w.entries[0].ID == before+1 { // a batch of the oldest
				inOrder++
			}
			for _, e := range w.entries {
				sent[e.ID] = true
			}
		}
		if inOrder < len(writes)*45/100 {
			t.Errorf("%d of %d writes were of the oldest, want half", inOrder, len(writes))
		}
		if got := sink.count(); got != len(b.all) {
			t.Errorf("the sink has %d results, want %d", got, len(b.all))
		}
		if twice := total(sink) - sink.count(); twice != 0 {
			t.Errorf("%d results were written twice by an unbroken sink", twice)
		}
	})
}

func total(s *modelSink) int {
	n := 0
	for _, times := range s.has {
		n += times
	}
	return n
}

func TestWaitsGrowWhileNothingAnswersAndEndWithSuccess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1, event)
		var down atomic.Bool
		down.Store(true)
		ports := 40_000
		r := run(t, b, newSink(func(context.Context, []perigee.Entry) answer {
			if down.Load() {
				ports++ // as in the words of a real network
				return answer{err: fmt.Errorf("read tcp 127.0.0.1:%d: connection reset by peer", ports)}
			}
			return answer{takes: true}
		}))
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := r.Status(); s.State != storage.OutboxWaiting || s.Problem.Reason != perigee.RefusedUnreachable || s.Pending != 1 || !s.NextTry.After(time.Now()) {
			t.Errorf("status %+v", s)
		}
		writes := r.sink.log()
		whole := time.Second
		for i := 1; i < len(writes); i++ {
			if wait := writes[i].at.Sub(writes[i-1].at); wait < whole/2 || wait > whole {
				t.Errorf("wait %d was %v, want %v to %v", i, wait, whole/2, whole)
			}
			whole = min(2*whole, 5*time.Minute)
		}
		if whole != 5*time.Minute {
			t.Errorf("waits grew to %v in an hour, want 5m", whole)
		}
		if n := r.warnings(); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, r.log)
		}

		down.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if s := r.Status(); s.State != storage.OutboxIdle || s.Problem != (storage.Problem{}) || b.pending() != 0 {
			t.Errorf("status %+v with %d pending", s, b.pending())
		}
		down.Store(true)
		b.store(1, event)
		before := len(r.sink.log())
		r.Wake()
		time.Sleep(time.Second)
		synctest.Wait()
		if tries := len(r.sink.log()) - before; tries < 2 {
			t.Errorf("%d tries in the second after a failure that followed success, want 2", tries)
		}
		r.end()
	})
}

// While it waits, a Wake refreshes the count and does not knock at a server that is down.
func TestNewResultsDoNotShortenAWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1, event)
		r := run(t, b, newSink(func(context.Context, []perigee.Entry) answer {
			return answer{err: &perigee.Refusal{Reason: perigee.RefusedBusy, RetryAfter: 10 * time.Minute, Message: "slow down"}}
		}))
		for range 59 {
			time.Sleep(10 * time.Second)
			b.store(1, event)
			r.Wake()
		}
		synctest.Wait()
		if s := r.Status(); len(r.sink.log()) != 1 || s.Pending < 58 || s.State != storage.OutboxWaiting {
			t.Errorf("%d writes, status %+v; want one write and all pending counted", len(r.sink.log()), s)
		}
		r.end()
		if n := len(r.sink.log()); n != 1 {
			t.Errorf("%d writes after the end, want none at a server that asked to be left alone", n-1)
		}
	})
}

func TestRetryAfterIsHonouredUpToAnHour(t *testing.T) {
	for name, test := range map[string]struct{ asked, want time.Duration }{
		"as_asked":         {90 * time.Second, 90 * time.Second},
		"no_longer":        {24 * time.Hour, time.Hour},
		"not_told_backoff": {0, time.Second}, // the whole of the first
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := newBacklog()
				b.store(1, event)
				r := run(t, b, newSink(func(context.Context, []perigee.Entry) answer {
					return answer{err: &perigee.Refusal{Reason: perigee.RefusedBusy, RetryAfter: test.asked, Message: "busy"}}
				}))
				time.Sleep(test.want - test.want/1000)
				synctest.Wait()
				first := len(r.sink.log())
				if test.asked > 0 && first != 1 {
					t.Errorf("%d writes before %v, want 1", first, test.want)
				}
				time.Sleep(test.want / 500)
				synctest.Wait()
				if second := len(r.sink.log()); second != 2 {
					t.Errorf("%d writes after %v, want 2", second, test.want)
				}
				r.end()
			})
		})
	}
}

func TestWrongSetupIsSaidOnceAndTriedSeldom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1, event)
		var message atomic.Value
		var mended atomic.Bool
		message.Store("authorization failed")
		r := run(t, b, newSink(func(context.Context, []perigee.Entry) answer {
			if mended.Load() {
				return answer{takes: true}
			}
			return answer{err: &perigee.Refusal{Reason: perigee.RefusedSetup, Message: message.Load().(string), Remedy: "check the token"}}
		}))
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(r.sink.log()); n < 11 || n > 14 { // 5 min, give or take a tenth
			t.Errorf("%d tries in an hour, want about 12", n)
		}
		if n := r.warnings(); n != 1 {
			t.Errorf("told %d times, want once:\n%s", n, r.log)
		}
		if s := r.Status(); s.State != storage.OutboxBlocked || s.Problem.Message != "authorization failed" || s.Problem.Remedy != "check the token" || time.Since(s.Problem.Since) != time.Hour {
			t.Errorf("status %+v", s)
		}
		message.Store("bucket not found")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := r.warnings(); n != 2 {
			t.Errorf("told %d times after the message changed, want 2:\n%s", n, r.log)
		}
		mended.Store(true)
		r.Retry()
		synctest.Wait() // no time passes
		if b.pending() != 0 {
			t.Error("not sent right after Retry")
		}
		r.end()
	})
}

func TestOneBadResultIsFoundAndSetAside(t *testing.T) {
	for _, bad := range []int64{1, 4321, 10_000} {
		inBubble(t, func(t *testing.T) {
			b := newBacklog()
			b.store(10_000, event)
			sink := newSink(poisoned(func(e perigee.Entry) bool { return e.ID == bad }))
			r := run(t, b, sink)
			synctest.Wait()
			if bad == 10_000 && len(b.dead) == 0 {
				// It was refused before anything was taken: it waits for that.
				b.store(1, event)
				r.Wake()
				synctest.Wait()
			}
			if sink.count() < 9_999 || sink.has[key{perigee.EntryEvent, bad}] != 0 || b.pending() != 0 {
				t.Errorf("bad %d: %d delivered, %d pending", bad, sink.count(), b.pending())
			}
			if len(b.dead) != 1 || b.dead[key{perigee.EntryEvent, bad}] != "field type conflict" {
				t.Errorf("bad %d: dead letters %v", bad, b.dead)
			}
			// A batch of 1000 is halved ten times: two writes each, and a few more
			// batches than ten because others have their turns between.
			if most, writes := 11+3*bits.Len(1000), len(sink.log()); writes > most {
				t.Errorf("bad %d: %d writes, want %d at most", bad, writes, most)
			}
			if s := r.Status(); s.DeadLetters != 1 || s.Problem.Reason != "" {
				t.Errorf("bad %d: status %+v", bad, s)
			}
			r.end()
		})
	}
}

// The outbox remembers nothing of what it has set aside: whoever makes dead letters pending
// again after the server was mended has them sent.
func TestDeadLettersThatAreResentAreTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(20, event)
		var mended atomic.Bool
		sink := newSink(poisoned(func(e perigee.Entry) bool { return e.ID%4 == 0 && !mended.Load() }))
		r := run(t, b, sink)
		synctest.Wait()
		b.store(1, event) // the last refused one waits for something to be taken
		r.Wake()
		synctest.Wait()
		if len(b.dead) != 5 {
			t.Fatalf("%d set aside, want 5", len(b.dead))
		}
		mended.Store(true)
		b.mu.Lock()
		for k := range b.dead {
			delete(b.gone, k)
		}
		clear(b.dead)
		b.first = 0
		b.mu.Unlock()
		r.Wake()
		synctest.Wait()
		if sink.count() != 21 || b.pending() != 0 || len(b.dead) != 0 {
			t.Errorf("%d delivered, %d pending, %d set aside", sink.count(), b.pending(), len(b.dead))
		}
		r.end()
	})
}

// An outage that ended while its batch was being divided is written in its last form last.
func TestAnEarlierFormIsNotWrittenAfterALaterOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		outage := func(open bool) func(int64) perigee.Entry {
			return func(id int64) perigee.Entry {
				return perigee.Entry{ID: id, Kind: perigee.EntryOutage, Outage: &perigee.Outage{Stream: perigee.Stream{Site: "home", Link: "geo"}, Start: epoch, Open: open}}
			}
		}
		b.store(1, event)
		earlier := b.store(1, outage(true))
		b.store(2, event)
		first := true
		sink := newSink(func(ctx context.Context, entries []perigee.Entry) answer {
			if first {
				first = false
				b.store(1, outage(false))
				b.Forwarded(ctx, []perigee.Entry{outage(true)(earlier)}) // it waits no more
			}
			return poisoned(func(e perigee.Entry) bool { return e.ID == 1 })(ctx, entries)
		})
		r := run(t, b, sink)
		synctest.Wait()
		var last *perigee.Outage
		for _, w := range sink.log() {
			for _, e := range w.entries {
				if e.Outage != nil && w.err == nil {
					last = e.Outage
				}
			}
		}
		if last == nil || last.Open || b.pending() != 0 {
			t.Errorf("the sink was given %+v last, want the outage that ended; %d pending", last, b.pending())
		}
		r.end()
	})
}

// Results older than the database keeps are refused by the thousand: they are set aside,
// and never keep the others.
func TestManyBadResultsAmongGoodOnes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(5_000, event)
		sink := newSink(poisoned(func(e perigee.Entry) bool { return e.ID <= 700 }))
		r := run(t, b, sink)
		for range 100 {
			time.Sleep(10 * time.Minute)
			b.store(1, event)
			r.Wake()
		}
		synctest.Wait()
		if len(b.dead) != 700 || sink.count() != 4_400 || b.pending() != 0 {
			t.Errorf("%d set aside, %d delivered, %d pending; want 700, 4400, 0", len(b.dead), sink.count(), b.pending())
		}
		r.end()
	})
}

// A server that refuses everything is broken, not everything it is given.
func TestNothingIsSetAsideWhenEverythingIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(3_000, event)
		b.store(3_000, window)
		var mended atomic.Bool
		sink := newSink(func(_ context.Context, entries []perigee.Entry) answer {
			if mended.Load() {
				return answer{takes: true}
			}
			return refuse(perigee.RefusedContent, "field type conflict")
		})
		r := run(t, b, sink)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(b.dead) != 0 || b.pending() != 6_000 {
			t.Errorf("%d set aside, %d pending; want 0 and 6000", len(b.dead), b.pending())
		}
		s := r.Status()
		if s.State != storage.OutboxBlocked || s.Problem.Reason != perigee.RefusedSetup || !strings.Contains(s.Problem.Message, "field type conflict") || s.Problem.Remedy == "" {
			t.Errorf("status %+v", s)
		}
		if n := len(sink.log()); n > 2_000+24*14 {
			t.Errorf("%d writes in a day", n)
		}
		mended.Store(true)
		r.Retry()
		synctest.Wait()
		if len(b.dead) != 0 || sink.count() != 6_000 || r.Status().Problem.Reason != "" {
			t.Errorf("mended: %d set aside, %d delivered, status %+v", len(b.dead), sink.count(), r.Status())
		}
		r.end()
	})
}

// One kind may be refused as a whole while others are taken, e.g. if another program made
// a measurement of that name. A hundred at most are set aside then.
func TestAKindThatIsRefusedAsAWholeIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		sink := newSink(poisoned(func(e perigee.Entry) bool { return e.Kind == perigee.EntryWindow }))
		r := run(t, b, sink)
		for range 1000 {
			b.store(1, window)
			b.store(1, event)
			r.Wake()
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		if len(b.dead) > 100 {
			t.Errorf("%d set aside, want 100 at most", len(b.dead))
		}
		if s := r.Status(); s.Problem.Reason != perigee.RefusedSetup || !strings.Contains(s.Problem.Message, "every window") {
			t.Errorf("status %+v", s)
		}
		r.end()
	})
}

func TestTooLargeBatchesAreMadeSmaller(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(20_000, event)
		const huge = 77
		sink := newSink(func(_ context.Context, entries []perigee.Entry) answer {
			if len(entries) > 100 || len(entries) > 0 && entries[0].ID == huge && len(entries) == 1 {
				return refuse(perigee.RefusedTooLarge, "request body too large")
			}
			for _, e := range entries {
				if e.ID == huge {
					return refuse(perigee.RefusedTooLarge, "request body too large")
				}
			}
			return answer{takes: true}
		})
		r := run(t, b, sink)
		synctest.Wait()
		if sink.count() != 19_999 || len(b.dead) != 1 || b.pending() != 0 {
			t.Errorf("%d delivered, %d set aside, %d pending", sink.count(), len(b.dead), b.pending())
		}
		refused := 0
		for _, w := range sink.log() {
			if w.err != nil {
				refused++
			}
		}
		if refused > len(sink.log())/5 {
			t.Errorf("%d of %d writes were refused: the smaller size is not remembered", refused, len(sink.log()))
		}
		r.end()
	})
}

// The sink takes a batch and its answer is lost: the batch is sent again, and a sink that
// is a set has everything once.
func TestALostAcknowledgementIsNoLoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(10_000, event)
		chance := rand.New(rand.NewPCG(3, 4))
		sink := newSink(func(context.Context, []perigee.Entry) answer {
			if chance.IntN(3) == 0 {
				return answer{takes: true, err: errors.New("connection reset by peer")}
			}
			return answer{takes: true}
		})
		r := run(t, b, sink)
		time.Sleep(time.Hour)
		synctest.Wait()
		if sink.count() != 10_000 || b.pending() != 0 || len(b.dead) != 0 {
			t.Errorf("%d in the sink, %d pending, %d set aside", sink.count(), b.pending(), len(b.dead))
		}
		r.end()
	})
}

func TestAWriteThatHangsEndsAtItsDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1, event)
		hangs := 1
		r := run(t, b, newSink(func(ctx context.Context, _ []perigee.Entry) answer {
			if hangs--; hangs >= 0 {
				<-ctx.Done()
				return answer{err: ctx.Err()}
			}
			return answer{takes: true}
		}))
		time.Sleep(storage.DefaultTimeout - time.Millisecond)
		if s := r.Status(); s.State != storage.OutboxSending {
			t.Errorf("state %q before the deadline", s.State)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if p := r.Status().Problem; p.Reason != perigee.RefusedUnreachable || p.Message != "the server did not answer within 30s" {
			t.Errorf("problem %+v", p)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := r.Status(); s.State != storage.OutboxIdle || s.Failures != 1 || b.pending() != 0 {
			t.Errorf("status %+v, %d pending", s, b.pending())
		}
		r.end()
	})
}

// A paced batch is small, and its deadline leaves room for it.
func TestPacedBatchesTakeAboutASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1_000, window)
		var deadlines []time.Duration
		r := run(t, b, newSink(func(ctx context.Context, _ []perigee.Entry) answer {
			d, _ := ctx.Deadline()
			deadlines = append(deadlines, time.Until(d))
			return answer{takes: true}
		}), func(o *storage.OutboxOptions) { o.Rate = func() int64 { return 64_000 } })
		synctest.Wait()
		for i, w := range r.sink.log() {
			if n := len(w.entries); n > 16 { // 8 kB a second, of 1 kB at least before compression
				t.Errorf("write %d has %d windows", i, n)
			}
			if deadlines[i] < storage.DefaultTimeout+100*time.Millisecond || deadlines[i] > storage.DefaultTimeout+3*time.Second {
				t.Errorf("write %d has %v", i, deadlines[i])
			}
		}
		if b.pending() != 0 {
			t.Errorf("%d pending", b.pending())
		}
		r.end()
	})
}

func TestAStoreThatFailsIsWaitedFor(t *testing.T) {
	for _, method := range []string{"Forwarded", "SetAside", "Oldest", "LinkStates"} {
		t.Run(method, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := newBacklog()
				b.store(10, event)
				failures := 3
				b.fail = func(m string) error {
					if m == method && failures > 0 {
						failures--
						return errDisk
					}
					return nil
				}
				sink := newSink(poisoned(func(e perigee.Entry) bool { return e.ID == 7 }))
				r := run(t, b, sink)
				synctest.Wait()
				if s := r.Status(); s.State != storage.OutboxWaiting || s.Problem.Reason != storage.ReasonStore || !strings.Contains(s.Problem.Message, "disk full") {
					t.Errorf("status %+v", s)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if sink.count() != 9 || len(b.dead) != 1 || b.pending() != 0 || r.Status().Problem.Reason != "" {
					t.Errorf("%d delivered, %d set aside, %d pending, status %+v", sink.count(), len(b.dead), b.pending(), r.Status())
				}
				r.end()
			})
		})
	}
}

func TestHoldKeepsFromWriting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1, event)
		r := run(t, b, newSink(func(context.Context, []perigee.Entry) answer {
			time.Sleep(3 * time.Second)
			return answer{takes: true}
		}))
		time.Sleep(time.Second)
		begin := time.Now()
		release := r.Hold(t.Context())
		if waited := time.Since(begin); waited != 2*time.Second {
			t.Errorf("Hold returned after %v, want when the write under way was over, after 2s", waited)
		}
		b.store(1, event)
		r.Wake()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, s := len(r.sink.log()), r.Status(); n != 1 || s.State != storage.OutboxHeld {
			t.Errorf("%d writes, state %q while held", n, s.State)
		}
		release()
		release()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if b.pending() != 0 {
			t.Error("not sent after release")
		}
		r.end()
	})
}

func TestTheEndIsATryAndBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		r := run(t, b, newSink(nil))
		synctest.Wait()
		b.store(1, event) // the last window, and nobody wakes it
		r.end()
		if b.pending() != 0 {
			t.Error("what was pending at the end was not sent")
		}
	})
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.store(1, event)
		r := run(t, b, newSink(func(ctx context.Context, _ []perigee.Entry) answer {
			<-ctx.Done()
			return answer{err: ctx.Err()}
		}))
		synctest.Wait()
		begin := time.Now()
		r.end()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("Run took %v to end while a write hung", took)
		}
	})
}

// state returns that of a link whose rollups are forwarded until then.
func state(last, rolled time.Time) perigee.LinkState {
	return perigee.LinkState{LinkRecord: perigee.LinkRecord{Site: perigee.Site{Name: "home"}, Link: perigee.Link{ID: "geo", Orbit: perigee.OrbitGEO}, Last: last},
		At: last.Truncate(time.Hour), Rolled: rolled}
}

func TestLinkStatesAreSentWhenTheyChange(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.states = []perigee.LinkState{state(epoch, time.Time{})}
		r := run(t, b, newSink(nil))
		synctest.Wait()
		sent := func() int { return len(r.sink.states) }
		if sent() != 1 {
			t.Fatalf("%d states sent at the start, want 1", sent())
		}
		live := func(make func(int64) perigee.Entry, s perigee.LinkState) {
			b.mu.Lock()
			b.states = []perigee.LinkState{s}
			b.mu.Unlock()
			b.store(1, make)
			r.Wake()
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		for i := range 18 {
			live(window, state(epoch.Add(time.Duration(i+1)*10*time.Second), time.Time{}))
		}
		if sent() != 3 && sent() != 4 { // after 60, 120 and perhaps 180 s
			t.Errorf("%d states sent within 3 minutes, want one a minute", sent())
		}
		time.Sleep(time.Minute) // so that the last of them is out
		synctest.Wait()
		before := sent()
		if got := r.sink.states[before-1].Last; !got.Equal(epoch.Add(3 * time.Minute)) {
			t.Errorf("last sent state is of %v, want the latest", got)
		}
		live(window, state(epoch.Add(4*time.Minute), time.Time{}))
		live(hour, state(epoch.Add(4*time.Minute), epoch)) // right after the other
		if got := sent(); got != before+2 {
			t.Errorf("%d states, want one more at once when rollups are complete, after %d", got, before+1)
		}
		before = sent()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := sent(); got != before {
			t.Errorf("%d states more while nothing changed", got-before)
		}
		r.end()
	})
}

func TestARefusedLinkStateIsLeftOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		other := state(epoch, time.Time{})
		other.Link.ID = "bad"
		b.states = []perigee.LinkState{state(epoch, time.Time{}), other}
		b.store(3, window)
		r := run(t, b, newSink(poisoned(func(e perigee.Entry) bool { return e.Link != nil && e.Link.Link.ID == "bad" })))
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(r.sink.states) != 1 || len(b.dead) != 0 || b.pending() != 0 || r.Status().Problem.Reason != "" {
			t.Errorf("states %v, %d dead, %d pending, status %+v", r.sink.states, len(b.dead), b.pending(), r.Status())
		}
		if n := strings.Count(r.log.String(), "what is known of a link"); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
		r.end()
	})
}

// Whatever fails, and whenever the process ends, nothing is lost: each result is in the
// sink, or pending, or set aside because it was bad, and once all is well all are in the
// sink.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	for seed := range uint64(100) {
		inBubble(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 5)) // of the sink and the store
			well, calm := false, rand.New(rand.NewPCG(seed, 6))
			bad := func(e perigee.Entry) bool { return e.ID%97 == 13 }
			b := newBacklog()
			b.fail = func(string) error {
				if !well && chance.IntN(10) == 0 {
					return errDisk
				}
				return nil
			}
			sink := newSink(func(ctx context.Context, entries []perigee.Entry) answer {
				fault := chance.IntN(12)
				if well {
					fault = 11
				}
				switch {
				case fault == 0:
					return answer{err: errors.New("connection refused")}
				case fault == 1:
					return answer{takes: true, but: bad, err: errors.New("connection reset by peer")}
				case fault == 2:
					<-ctx.Done()
					return answer{err: ctx.Err()}
				case fault == 3:
					<-ctx.Done()
					return answer{takes: true, but: bad, err: ctx.Err()}
				case fault == 4:
					return answer{err: &perigee.Refusal{Reason: perigee.RefusedBusy, RetryAfter: 20 * time.Second}}
				case fault == 5:
					return refuse(perigee.RefusedSetup, "authorization failed")
				case len(entries) > 60:
					return refuse(perigee.RefusedTooLarge, "too large")
				}
				time.Sleep(time.Duration(chance.IntN(1000)) * time.Millisecond)
				return poisoned(bad)(ctx, entries)
			})
			for range 4 { // lives of the process
				b.store(calm.IntN(400), event)
				b.store(calm.IntN(400), window)
				r := run(t, b, sink)
				for range calm.IntN(20) {
					time.Sleep(time.Duration(calm.Int64N(int64(20 * time.Second))))
					b.store(1, window)
					r.Wake()
				}
				time.Sleep(time.Duration(calm.Int64N(int64(time.Minute))))
				r.end()
				for _, e := range b.all {
					if k := keyOf(e); b.gone[k] && b.dead[k] == "" && sink.has[k] == 0 {
						t.Fatalf("seed %d: %v is neither pending nor in the sink", seed, k)
					}
				}
			}
			well = true
			r := run(t, b, sink)
			for range 50 { // live results go on
				time.Sleep(10 * time.Second)
				b.store(1, func(id int64) perigee.Entry {
					if bad(perigee.Entry{ID: id}) {
						return event(id + 1_000_000)
					}
					return event(id)
				})
				r.Wake()
			}
			r.end()
			for _, e := range b.all {
				k := keyOf(e)
				if delivered, dead := sink.has[k] > 0, b.dead[k] != ""; delivered == bad(e) || dead != bad(e) {
					t.Fatalf("seed %d: %v delivered %v, set aside %v, bad %v", seed, k, delivered, dead, bad(e))
				}
			}
		})
	}
}

// What the monitor tells of itself goes with the states of links, about once a minute,
// and says how the outbox fares; it counts as no result.
func TestTheMonitorsStateGoesWithLinkStates(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBacklog()
		b.states = []perigee.LinkState{state(epoch, time.Time{})}
		asked := 0
		r := run(t, b, newSink(nil), func(o *storage.OutboxOptions) {
			o.Now = func() time.Time { return epoch.Add(time.Hour) }
			o.Monitor = func(context.Context) (perigee.MonitorState, error) {
				asked++
				return perigee.MonitorState{Site: "home", Budgets: []perigee.BudgetUse{{Link: "geo", Used: 7}}}, nil
			}
		})
		for i := range 30 { // 5 minutes
			b.mu.Lock()
			b.states = []perigee.LinkState{state(epoch.Add(time.Duration(i)*time.Second), time.Time{})}
			b.mu.Unlock()
			b.store(1, window)
			r.Wake()
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		r.end()
		told := 0
		for _, w := range r.sink.log() {
			for _, e := range w.entries {
				if e.Monitor == nil {
					continue
				}
				if told++; w.entries[0].Kind != perigee.EntryLink {
					t.Errorf("the monitor's state went with %v", w.entries)
				}
				m := e.Monitor
				if m.Site != "home" || len(m.Budgets) != 1 || !m.At.Equal(epoch.Add(time.Hour)) || m.Pending < 0 || m.Pending > 1 || (m.Pending == 0) != m.Oldest.IsZero() {
					t.Errorf("it says %+v", m)
				}
			}
		}
		if told < 5 || told > 6 || asked != told { // at the start and after each minute
			t.Errorf("told %d times within 5 minutes, asked %d times; want one a minute", told, asked)
		}
		if got := r.Status().Sent; got != 30 {
			t.Errorf("%d results sent, want the 30 windows", got)
		}
	})
}

// A monitor's state that is refused, or cannot be had, is left out: the states of links
// and all results go all the same, and nothing is set aside.
func TestAMonitorsStateThatFailsIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		told   error
		bad    bool
		logged int
	}{
		{"the_server_refuses_it", nil, true, 1},
		{"it_cannot_be_had", errDisk, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := newBacklog()
				b.states = []perigee.LinkState{state(epoch, time.Time{})}
				b.store(3, window)
				sink := newSink(poisoned(func(e perigee.Entry) bool { return c.bad && e.Monitor != nil }))
				r := run(t, b, sink, func(o *storage.OutboxOptions) {
					o.Monitor = func(context.Context) (perigee.MonitorState, error) { return perigee.MonitorState{}, c.told }
				})
				for i := range 3 {
					time.Sleep(2 * time.Minute)
					b.mu.Lock()
					b.states = []perigee.LinkState{state(epoch.Add(time.Duration(i+1)*time.Second), time.Time{})}
					b.mu.Unlock()
					b.store(1, window)
					r.Wake()
					synctest.Wait()
				}
				r.end()
				if len(sink.states) != 4 || sink.count() != 6 || len(b.dead) != 0 || r.Status().Problem.Reason != "" {
					t.Errorf("%d states and %d results taken, %d dead, status %+v; want 4, 6 and 0", len(sink.states), sink.count(), len(b.dead), r.Status())
				}
				if n := strings.Count(r.log.String(), "what the monitor tells of itself"); n != c.logged {
					t.Errorf("told %d times, want %d", n, c.logged)
				}
			})
		})
	}
}
