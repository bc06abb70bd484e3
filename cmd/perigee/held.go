package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"perigee"
	"perigee/storage"
	"perigee/storage/sqlite"
)

// heldRetention bounds what is held for a clock that nobody sets: four links at the usual
// rate make some 90 MB.
var heldRetention = storage.Retention{Singletons: 24 * time.Hour, Windows: 7 * 24 * time.Hour}

const (
	// heldPrefix and heldSuffix stand around the boot's id in the name of a file of held
	// results.
	heldPrefix, heldSuffix = "held-", ".db"

	// datedAtOnce is how many samples are dated in one transaction.
	datedAtOnce = 500

	// dateAgain is when dating is tried again after the store did not take it.
	dateAgain = 10 * time.Second
)

// A holding keeps what is measured while the time of day is not known: durably, in a store
// of its own beside the main one, under provisional times. Once the time is known, it is
// moved to the main store as if it had been known all along. What a process left that was
// killed meanwhile is moved by the next.
type holding struct {
	main  *sqlite.Store
	clock *bootClock
	s     streams

	mu    sync.RWMutex // guards what follows; held for reading while something is stored
	plan  plan
	early *sqlite.Store
	file  string    // of early
	boot  time.Time // when the machine's boot was; zero until that is known
}

// newHolding moves what earlier processes held to main, as far as it can be dated, and
// begins to hold if the time of day is not known.
func newHolding(ctx context.Context, main *sqlite.Store, p plan, c *bootClock, s streams) (*holding, error) {
	h := &holding{main: main, plan: p, clock: c, s: s}
	lost, err := h.takeOver(ctx)
	if err != nil {
		return nil, err
	}
	if !c.known.Load() {
		h.file = h.fileOf(bootID())
		if h.early, err = sqlite.Open(ctx, h.file, sqlite.Options{Heal: h.healing()}); err != nil {
			return nil, err
		}
		if err = h.early.Describe(ctx, p.site, p.links); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	if len(lost) > 0 {
		if err := h.active().Append(ctx, perigee.Batch{Events: lost}); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	return h, nil
}

// healing is how a file of held results is healed: its times are provisional ones.
func (h *holding) healing() *sqlite.Healing {
	o := healing(h.s, h.planned())
	o.Now = func() time.Time { return time.Unix(0, 0).Add(h.clock.sinceBoot(h.clock.real())) }
	return o
}

// fileOf returns where results of a boot are held.
func (h *holding) fileOf(boot string) string {
	return filepath.Join(filepath.Dir(storeFile(h.planned().storePath)), heldPrefix+cmp.Or(boot, "unknown")+heldSuffix)
}

// Close closes what is held.
func (h *holding) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.early == nil {
		return nil
	}
	return h.early.Close()
}

// Describe records the links of p.
func (h *holding) Describe(ctx context.Context, p plan) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plan = p
	err := h.main.Describe(ctx, p.site, p.links)
	if h.early != nil {
		err = errors.Join(err, h.early.Describe(ctx, p.site, p.links))
	}
	return err
}

// planned returns what is measured.
func (h *holding) planned() plan {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.plan
}

// active returns the store of what is measured now.
func (h *holding) active() *sqlite.Store {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.store()
}

// store is active for who holds mu.
func (h *holding) store() *sqlite.Store {
	if h.early != nil && h.boot.IsZero() {
		return h.early
	}
	return h.main
}

// append stores b and returns it as it was stored. It reports false if it is held.
func (h *holding) append(ctx context.Context, b perigee.Batch) (perigee.Batch, bool, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.boot.IsZero() {
		b = b.Dated(h.boot)
	}
	store := h.store()
	return b, store == h.main, store.Append(ctx, b)
}

// Run waits until the time of day is known, then has it shown, and moves what was held. It
// returns when that is done, or ctx ends: the next process goes on then. setEpoch is told
// the runner's epoch before the time is shown, settled is called then, and moved after each
// transaction.
func (h *holding) Run(ctx context.Context, beat func(time.Duration), setEpoch func(int64), settled, moved func()) error {
	if h.early == nil {
		return nil
	}
	h.s.notef("perigee: %v; results are kept, and dated once it is set", h.clock.doubted())
	keeper := storage.Keeper{Store: h.early, Retention: heldRetention, Now: func() time.Time { return h.clock.read().Wall },
		Failed: func(err error) { h.s.notef("perigee: keeping held results in order: %v", err) }}
	keeping, stopKeeping := context.WithCancel(ctx)
	kept := make(chan error, 1)
	go func() { kept <- keeper.Run(keeping) }()
	ticker := time.NewTicker(lookAtClock)
	for ctx.Err() == nil && h.clock.doubt() != nil {
		beat(lookAtClock + movePatience)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	ticker.Stop()
	stopKeeping()
	if err := <-kept; err != nil || ctx.Err() != nil {
		return err
	}
	var d dating
	h.persist(ctx, "dating held results", func() (err error) {
		beat(movePatience)
		if err = d.begin(ctx, h, h.early, h.clock.booted()); err == nil {
			setEpoch(d.epoch)
		}
		return err
	})
	if ctx.Err() != nil {
		return nil
	}
	h.mu.Lock()
	h.boot = d.boot
	h.clock.settle()
	h.mu.Unlock()
	settled()
	h.s.notef("perigee: the clock is set: %s", h.clock.guess().UTC().Format(time.RFC3339))
	h.persist(ctx, "moving held results", func() error {
		beat(movePatience)
		return d.move(ctx, h, h.early, func() { moved(); beat(movePatience) })
	})
	if ctx.Err() != nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	early := h.early
	h.early = nil
	return errors.Join(early.Close(), remove(h.file))
}

// persist tries until f succeeds or ctx ends: the store may be locked, or the disk full.
func (h *holding) persist(ctx context.Context, what string, f func() error) {
	for {
		err := f()
		if err == nil || ctx.Err() != nil {
			return
		}
		h.s.notef("perigee: %s: %v; trying again in %s", what, err, dateAgain)
		timer := time.NewTimer(dateAgain)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// takeOver moves what earlier processes held to the main store. It returns an event for
// what cannot be dated any more, because the machine was booted since.
func (h *holding) takeOver(ctx context.Context) (lost []perigee.Event, err error) {
	files, err := filepath.Glob(h.fileOf("*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		same := bootID() != "" && file == h.fileOf(bootID())
		event, err := h.takeOverFile(ctx, file, same)
		if err != nil {
			return nil, fmt.Errorf("held results: %w", err)
		}
		if event != nil {
			lost = append(lost, *event)
		}
	}
	return lost, nil
}

// takeOverFile does so for one file; same tells that it is of the current boot.
func (h *holding) takeOverFile(ctx context.Context, file string, same bool) (lost *perigee.Event, err error) {
	early, err := sqlite.Open(ctx, file, sqlite.Options{Heal: h.healing()})
	if err != nil {
		return nil, err
	}
	done := false // nothing of it is needed any more
	defer func() {
		if err = errors.Join(err, early.Close()); err == nil && done {
			err = remove(file)
		}
	}()
	d, begun, err := begunDating(ctx, early)
	if err != nil {
		return nil, err
	}
	if !begun && same && !h.clock.known.Load() {
		return nil, nil // it is held on
	}
	if !begun && !same {
		done = true
		return h.giveUp(ctx, early)
	}
	now := h.clock.real()
	last, _, err := early.Begin(ctx, time.Unix(0, 0).Add(h.clock.sinceBoot(now)))
	if err != nil {
		return nil, err
	}
	if !begun {
		if err := d.begin(ctx, h, early, h.clock.booted()); err != nil {
			return nil, err
		}
	}
	if err := d.move(ctx, h, early, func() {}); err != nil {
		return nil, err
	}
	if !begun && !last.Ended.IsZero() {
		if err := h.main.End(ctx, d.date(last.Ended)); err != nil {
			return nil, err
		}
	}
	done = true
	return nil, nil
}

// giveUp says what is lost with results that cannot be dated.
func (h *holding) giveUp(ctx context.Context, early *sqlite.Store) (*perigee.Event, error) {
	windows := 0
	var first, last time.Time
	for s, err := range early.Samples(ctx, perigee.Query{}) {
		if err != nil {
			return nil, err
		}
		if windows++; first.IsZero() {
			first = s.Start
		}
		last = s.End()
	}
	if windows == 0 {
		return nil, nil
	}
	return &perigee.Event{Site: h.planned().site.Name, Time: h.clock.read().Wall, Kind: perigee.EventStoreFailed, Detail: fmt.Sprintf(
		"%d windows of %v were given up: the machine was switched off before its clock was set, so nobody knows when they were measured",
		windows, last.Sub(first).Round(time.Second))}, nil
}

// remove removes a store's files.
func remove(file string) error {
	var errs []error
	for _, suffix := range []string{"-wal", "-shm", ".reserve", ".spare", "", ".lock"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
