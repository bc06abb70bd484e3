package storage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"perigee"
)

const (
	// farewell bounds the last try to deliver when Run is told to end.
	farewell = 3 * time.Second

	// bookkeeping bounds the wait for the local store to record what became of
	// entries; it is not cut short at the end, or they would be sent again.
	bookkeeping = 5 * time.Second

	// stepLimit is how long a step may take beside a write, which has its own limit: a
	// store that is locked refuses each of its questions after some seconds.
	stepLimit = 5 * time.Minute

	// refreshEvery is how often Pending is asked while there is much to do.
	refreshEvery = 5 * time.Second
)

// rest is what follows a step: nothing, if it is zero, or a wait.
type rest struct {
	state OutboxState
	wait  time.Duration
	shut  bool // it is not worth trying before wait is over
}

// Run forwards until ctx ends. Then it tries once more, for a few seconds at most, to
// deliver what is pending, unless the sink asked to be left alone, and returns nil.
func (o *Outbox) Run(ctx context.Context) error {
	// Steps live on for a while after ctx has ended.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	last := time.AfterFunc(math.MaxInt64, end)
	defer last.Stop()
	defer context.AfterFunc(ctx, func() { last.Reset(farewell) })()

	for life.Err() == nil {
		o.Beat(stepLimit)
		r := o.step(life)
		if r.wait == 0 {
			continue
		}
		if ctx.Err() != nil {
			break // that was the last try
		}
		if r.state == OutboxHeld {
			o.Beat(0)
		} else {
			o.Beat(r.wait + stepLimit)
		}
		if o.rest(ctx, life, r); ctx.Err() != nil && r.shut {
			break
		}
	}
	o.settle(life)
	o.refresh(context.WithoutCancel(ctx))
	o.update(func(s *OutboxStatus) { s.State, s.NextTry = OutboxIdle, time.Time{} })
	return nil
}

// rest waits as r says, until ctx ends, or until Retry. A Wake ends it only if nothing
// was pending.
func (o *Outbox) rest(ctx, life context.Context, r rest) {
	o.update(func(s *OutboxStatus) {
		s.State, s.NextTry = r.state, time.Time{}
		if r.state == OutboxWaiting || r.state == OutboxBlocked {
			s.NextTry = o.Now().Add(r.wait)
		}
	})
	timer := time.NewTimer(r.wait)
	defer timer.Stop()
	freed := o.freed
	if r.state != OutboxHeld {
		freed = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-o.again:
			return
		case <-freed:
			return
		case <-o.wake:
			if r.state == OutboxIdle {
				return
			}
			o.refreshSometimes(life)
		}
	}
}

// step does one thing and says whether to wait before the next: it tells the store what
// became of entries, or sends the states of links, or writes one batch.
func (o *Outbox) step(ctx context.Context) rest {
	if !o.begin() {
		return rest{OutboxHeld, math.MaxInt64, true}
	}
	defer o.end()
	if r := o.settle(ctx); r.wait > 0 {
		return r
	}
	if o.links.due(time.Now()) {
		return o.sendLinks(ctx)
	}
	entries, err := o.take(ctx)
	if err != nil {
		return o.stumbled(err)
	}
	o.stood()
	if len(entries) == 0 {
		o.refresh(ctx)
		return o.idle(time.Now())
	}
	o.refreshSometimes(ctx)
	err = o.write(ctx, entries)
	if err != nil && ctx.Err() != nil {
		return rest{OutboxIdle, o.Poll, true} // it was cut short, and nothing follows
	}
	return o.follow(ctx, entries, err)
}

// idle returns how long there is nothing to do.
func (o *Outbox) idle(now time.Time) rest {
	wait := o.Poll
	o.links.failed = false
	if o.links.stale {
		wait = min(wait, max(o.links.next().Sub(now), time.Millisecond))
	}
	return rest{state: OutboxIdle, wait: wait}
}

// take returns the next batch: from the newest and from what was refused or the oldest
// by turns, so that neither keeps the other from going out.
func (o *Outbox) take(ctx context.Context) ([]perigee.Entry, error) {
	size, bytes := o.course.size(), budget(o.Rate())
	size = min(size, 1+bytes/o.entrySize)

	live := o.live
	o.live = !o.live
	if live && (o.longer || o.hand.loose > 0 || o.course.doubtful()) && o.hand.loose < 2*o.MaxEntries {
		asked := size
		if o.course.doubtful() {
			asked += len(o.hand.held) // any but those that were refused already
		}
		newest, err := o.Backlog.Newest(ctx, asked)
		if err != nil {
			return nil, fmt.Errorf("read the newest results to forward: %w", err)
		}
		if newest = o.hand.others(newest); len(newest) > 0 {
			return o.fit(newest[:min(size, len(newest))], bytes), nil
		}
	}
	if piece := o.hand.pop(size); piece != nil {
		return piece, nil
	}
	asked := size + len(o.hand.held)
	oldest, err := o.Backlog.Oldest(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("read the oldest results to forward: %w", err)
	}
	full := len(oldest) >= asked
	oldest = o.hand.others(oldest)
	batch := o.fit(oldest[:min(size, len(oldest))], bytes)
	o.longer = full || len(batch) < len(oldest)
	return batch, nil
}

// fit returns the first of entries that may go in one batch, and learns their average size.
func (o *Outbox) fit(entries []perigee.Entry, bytes int) []perigee.Entry {
	if n := fitting(entries, bytes); n < len(entries) {
		entries = entries[:n]
	}
	if len(entries) > 0 {
		o.entrySize = max(1, sizeOf(entries)/len(entries))
	}
	return entries
}

// write gives entries to the sink.
func (o *Outbox) write(ctx context.Context, entries []perigee.Entry) error {
	o.update(func(s *OutboxStatus) {
		s.State, s.NextTry = OutboxSending, time.Time{}
		s.Writes++
	})
	within := deadline(o.Timeout, sizeOf(entries), o.Rate())
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	o.Beat(within + stepLimit)
	err := o.Sink.Write(limited, entries)
	if errors.Is(err, context.DeadlineExceeded) && limited.Err() != nil && ctx.Err() == nil {
		err = &perigee.Refusal{Reason: perigee.RefusedUnreachable, Err: err,
			Message: fmt.Sprintf("the server did not answer within %s", within.Round(time.Second)),
			Remedy:  "see whether it is overloaded, and the way to it"}
	}
	if err != nil {
		o.update(func(s *OutboxStatus) { s.Failures++ })
	}
	return err
}

// follow does what follows from the result of a write.
func (o *Outbox) follow(ctx context.Context, entries []perigee.Entry, err error) rest {
	doubtful := o.course.doubtful()
	v := o.course.judge(entries, err, o.Rand.Float64())
	switch v.move {
	case taken:
		o.acknowledgedOnce()
		o.update(func(s *OutboxStatus) { s.Sent += int64(len(entries)) })
		o.owed = entries
		o.hand.replace(entries)
		o.decide(doubtful)
		return o.settle(ctx)
	case divide:
		o.hand.divide(entries)
	case bury:
		o.convicts = append(o.convicts, refused{entries[0], v.problem.Message})
		return o.settle(ctx)
	case suspect:
		o.hand.suspect(refused{entries[0], v.problem.Message})
	case keep:
		// What came fresh from the store is read again; what was divided is not
		// found a second time for nothing.
		if o.hand.held[keyOf(entries[0])] {
			o.hand.push(entries)
		}
		return o.resting(ctx, v)
	}
	return rest{}
}

// decide says what becomes of the suspects when the sink took something: they are set
// aside. But if it was thought broken it may have been, when it refused them: they are
// tried once more.
func (o *Outbox) decide(wasDoubtful bool) {
	if o.course.doubtful() || len(o.hand.suspects) == 0 {
		return
	}
	suspects := o.hand.judged()
	if !wasDoubtful {
		o.convicts = append(o.convicts, suspects...)
		return
	}
	var entries []perigee.Entry
	for _, s := range suspects {
		entries = append(entries, s.entry)
	}
	o.course.accuse(entries)
	o.hand.push(entries)
}

// acknowledgedOnce notes that the sink took something.
func (o *Outbox) acknowledgedOnce() {
	o.update(func(s *OutboxStatus) { s.LastSuccess = o.Now() })
	if !o.course.doubtful() {
		o.recovered(false)
	}
}

// resting tells the problem of v and returns its wait.
func (o *Outbox) resting(ctx context.Context, v verdict) rest {
	if ctx.Err() == nil {
		o.troubled(v.problem)
	}
	o.refreshSometimes(ctx)
	return rest{v.state, v.wait, v.shut}
}

// settle tells the store what became of entries that it does not know of yet. Until it
// does, nothing else is written: a store that cannot record it cannot store results.
func (o *Outbox) settle(ctx context.Context) rest {
	if len(o.owed)+len(o.convicts) == 0 {
		return rest{}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	if len(o.owed) > 0 {
		if err := o.Backlog.Forwarded(ctx, o.owed); err != nil {
			return o.stumbled(fmt.Errorf("record that results were forwarded: %w", err))
		}
		o.gone(o.owed)
		o.links.forwarded(o.owed)
		o.owed = nil
	}
	for len(o.convicts) > 0 {
		c := o.convicts[0]
		if err := o.Backlog.SetAside(ctx, c.entry, c.reason, o.Now()); err != nil {
			return o.stumbled(fmt.Errorf("set aside a result that the server refuses: %w", err))
		}
		o.gone([]perigee.Entry{c.entry})
		o.update(func(s *OutboxStatus) { s.DeadLetters++ })
		o.Log.Warn("the server will never take a result: it was set aside", "kind", string(c.entry.Kind), "time", c.entry.Time(), "problem", c.reason)
		o.convicts = o.convicts[1:]
	}
	o.stood()
	return rest{}
}

// gone notes that entries are pending no more.
func (o *Outbox) gone(entries []perigee.Entry) {
	o.hand.release(entries...)
	o.update(func(s *OutboxStatus) { s.Pending = max(0, s.Pending-int64(len(entries))) })
}

// stumbled notes a failure of the backlog and returns the wait that follows.
func (o *Outbox) stumbled(err error) rest {
	o.stumbles++
	o.troubled(Problem{Reason: ReasonStore, Message: err.Error()})
	return rest{state: OutboxWaiting, wait: backoff(o.stumbles, o.Rand.Float64())}
}

// stood notes that the backlog works.
func (o *Outbox) stood() {
	if o.stumbles > 0 {
		o.stumbles = 0
		o.recovered(true)
	}
}

// refreshSometimes asks for the numbers of pending entries now and then.
func (o *Outbox) refreshSometimes(ctx context.Context) {
	if o.refreshed.IsZero() || time.Since(o.refreshed) >= refreshEvery {
		o.refresh(ctx)
	}
}

// refresh asks for the numbers of pending entries. If that fails the old ones stand.
func (o *Outbox) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, bookkeeping)
	defer cancel()
	pending, oldest, dead, err := o.Backlog.Pending(ctx)
	if err != nil {
		return
	}
	o.refreshed = time.Now()
	o.update(func(s *OutboxStatus) { s.Pending, s.Oldest, s.DeadLetters = pending, oldest, dead })
}
