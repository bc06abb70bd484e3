package fleet

import (
	"context"
	"sync"
	"time"

	"perigee"
)

const (
	// together is how long windows that become due wait for those of other homes,
	// so that a commit carries many.
	together = 100 * time.Millisecond

	// most is how many homes a batch holds when the fleet catches up or makes
	// history.
	most = 250
)

// A turn is one window of one home. Turns are numbered in the order in which they
// become due, since the Unix epoch: turn t is of home t mod N and of the window that
// begins t div N windows after the epoch.

// Fleet makes the windows of many homes. Run and Backfill may be called one after the
// other, not at the same time; all other methods are safe for concurrent use.
type Fleet struct {
	options Options
	homes   []*home
	busy    sync.Mutex // held by Run and Backfill

	// cursor is the next turn, see turn; begun tells that it has a meaning. Both
	// belong to the holder of busy.
	cursor int64
	begun  bool

	ledger ledger
}

// New makes a fleet that has not begun. Errors have CodeInvalid.
func New(o Options) (*Fleet, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &Fleet{options: o, homes: make([]*home, o.Homes)}
	for i := range f.homes {
		f.homes[i] = newHome(i, o)
	}
	return f, nil
}

// Run makes windows as they become due until ctx ends; it returns nil then. It goes on
// where Backfill or an earlier Run ended, as fast as it can until it has caught up; else
// it begins with the windows that become due from now on. A batch that is being appended
// when ctx ends is given a few seconds to be finished.
func (f *Fleet) Run(ctx context.Context) error {
	if !f.busy.TryLock() {
		return errBusy
	}
	defer f.busy.Unlock()
	now := f.options.Now()
	if !f.begun {
		f.cursor, f.begun = f.firstAfter(now), true
	}
	f.ledger.run(true, f.cursor)
	defer func() { f.ledger.run(false, f.cursor) }()
	for {
		end := min(f.firstAfter(now), f.cursor+most)
		if err := f.make(ctx, end); err != nil || ctx.Err() != nil {
			return ended(ctx, err)
		}
		if now = f.options.Now(); !f.due(f.cursor).After(now) {
			continue // behind
		}
		wait := f.due(f.cursor).Sub(now)
		wait += time.Duration(floorMod(-now.Add(wait).UnixNano(), int64(together)))
		if !sleep(ctx, wait) {
			return nil
		}
		now = f.options.Now()
	}
}

// Backfill makes all windows that lie within [from, to], as fast as it can, in order of
// time. Run then goes on after them. It returns ctx.Err() if ctx ends before all are
// made, and an error with CodeInvalid if some of them were made already.
func (f *Fleet) Backfill(ctx context.Context, from, to time.Time) error {
	if !f.busy.TryLock() {
		return errBusy
	}
	defer f.busy.Unlock()
	window, homes := int64(f.options.Window), int64(len(f.homes))
	begin := -floorDiv(-from.UnixNano(), window) * homes
	end := floorDiv(to.UnixNano(), window) * homes
	if f.begun && begin < f.cursor {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "fleet: history from " + from.UTC().Format(time.RFC3339) + " on was made already"}
	}
	if begin >= end {
		return nil
	}
	f.cursor, f.begun = begin, true
	for f.cursor < end {
		if err := f.make(ctx, min(f.cursor+most, end)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// make makes the turns from the cursor up to end and has them stored.
func (f *Fleet) make(ctx context.Context, end int64) error {
	if f.cursor >= end {
		return nil
	}
	var e entry
	var b perigee.Batch
	n := int(end-f.cursor) * len(kinds)
	b.Samples, e.samples = make([]perigee.Sample, 0, n), make([]sampleEntry, 0, n)
	for turn := f.cursor; turn < end; turn++ {
		h, start := f.turn(turn)
		if err := f.describe(ctx, h); err != nil {
			return err
		}
		for _, l := range h.links {
			s, outages := l.sample(start)
			b.Samples = append(b.Samples, s)
			b.Outages = append(b.Outages, outages...)
			e.add(l, s, outages)
		}
	}
	if err := f.insist(ctx, func(ctx context.Context) error { return f.options.Append(ctx, b) }); err != nil {
		return err
	}
	f.cursor = end
	f.ledger.post(e, end)
	return nil
}

// describe tells of a home that has not been told of.
func (f *Fleet) describe(ctx context.Context, h *home) error {
	if h.described || f.options.Describe == nil {
		return nil
	}
	err := f.insist(ctx, func(ctx context.Context) error { return f.options.Describe(ctx, h.site, h.describe()) })
	h.described = err == nil
	return err
}

// turn returns the home of a turn and the beginning of its window.
func (f *Fleet) turn(turn int64) (*home, int64) {
	homes := int64(len(f.homes))
	return f.homes[floorMod(turn, homes)], floorDiv(turn, homes) * int64(f.options.Window)
}

// due returns when a turn is due.
func (f *Fleet) due(turn int64) time.Time {
	homes, window := int64(len(f.homes)), int64(f.options.Window)
	return time.Unix(0, (floorDiv(turn, homes)+1)*window+floorMod(turn, homes)*window/homes)
}

// firstAfter returns the first turn that is due after now; all before it are due.
func (f *Fleet) firstAfter(now time.Time) int64 {
	homes, window := int64(len(f.homes)), int64(f.options.Window)
	windows := floorDiv(now.UnixNano(), window)
	turn := (windows-1)*homes + floorMod(now.UnixNano(), window)*homes/window
	for !f.due(turn).After(now) {
		turn++
	}
	return turn
}

// floorDiv returns a / m rounded down.
func floorDiv(a, m int64) int64 { return (a - floorMod(a, m)) / m }

// sleep waits and reports whether ctx lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
