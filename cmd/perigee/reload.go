package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"perigee"
	"perigee/storage"
)

// parts is what of a daemon follows its configuration.
type parts struct {
	plan     plan
	transfer *transferring
	measure  *measuring
	forward  *forwarding // nil: nowhere
	since    time.Time   // when the plan came into effect; zero if the time of day was not known
}

// current returns the parts as they are now.
func (d *daemon) current() parts {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.parts
}

func (d *daemon) forwardHeart() *heart { return d.watch.heart("forwarding", "storage.(*Outbox).Run") }

func (d *daemon) transferHeart() *heart { return d.watch.heart("transfers", "probes.(*Transfers).Run") }

// newForward prepares to forward what p says; nil if it says nothing.
func (d *daemon) newForward(ctx context.Context, p plan) (*forwarding, error) {
	if p.influxdb == nil {
		return nil, nil
	}
	return newForwarding(ctx, d.store, forwardOptions{
		links: p.links, metered: p.metered, db: *p.influxdb, now: d.now, log: d.s.log(), beat: d.forwardHeart().Beat,
		account: func(link perigee.LinkID, bytes int64) { d.account.add(link, perigee.PurposeOutbox, bytes) },
		monitor: func(ctx context.Context) (perigee.MonitorState, error) {
			now := d.current()
			state, err := now.transfer.monitorState(ctx)
			state.Maker, state.Since = now.plan.maker(d.instance), now.since
			return state, err
		},
	})
}

// newTransfer prepares to make the transfers of p.
func (d *daemon) newTransfer(ctx context.Context, p plan) (*transferring, error) {
	history, err := d.transfersSince(ctx, d.now().Add(-historyReach))
	if err != nil {
		return nil, err
	}
	return newTransferring(p, transferringOptions{
		clock: d.clock.guessed, account: d.account, latencies: d.latencies, setLoad: d.runner.SetLoad, hold: d.hold,
		record: d.record, log: d.s.log(), horizon: p.horizon(), history: history, beat: d.transferHeart().Beat,
	})
}

// answer has requests answered by the parts that there are now.
func (d *daemon) answer() {
	h := d.handler()
	d.answers.Store(&h)
}

// liveParts is what runs of a daemon's parts. The daemon's reloading guards it.
type liveParts struct {
	group *errgroup.Group
	ctx   context.Context // ends when the daemon does

	transfer, keeper, forward livePart
}

// livePart is something that runs until it is ended. The zero value is nothing.
type livePart struct {
	stop context.CancelFunc
	done <-chan struct{}
}

// start runs f, as soon as the time of day is known, and again should it end by itself.
func (l *liveParts) start(d *daemon, h *heart, f func(context.Context) error) livePart {
	name := h.name
	ctx, stop := context.WithCancel(l.ctx)
	done := make(chan struct{})
	l.group.Go(func() error {
		defer close(done)
		defer stop()
		if !d.clock.await(ctx) {
			return nil
		}
		defer h.end()
		return keepAlive(ctx, h.run(f), func(err error) { d.tellRestart(ctx, name, err) })
	})
	return livePart{stop, done}
}

// end ends it and waits until it has.
func (l livePart) end() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
}

// begin starts all parts.
func (l *liveParts) begin(d *daemon, p parts) {
	l.beginTransfer(d, p)
	l.beginKeeper(d, p)
	l.beginForward(d, p)
}

func (l *liveParts) beginTransfer(d *daemon, p parts) {
	l.transfer = l.start(d, d.transferHeart(), p.transfer.Run)
}

func (l *liveParts) beginKeeper(d *daemon, p parts) {
	h := d.watch.heart("keeping the store in order", "storage.Keeper.Run")
	keeper := storage.Keeper{Store: d.store, Retention: p.plan.retention, Now: d.now, Beat: h.Beat,
		Failed: func(err error) { d.s.notef("perigee: keeping the store in order: %v", err) }}
	l.keeper = l.start(d, h, keeper.Run)
}

func (l *liveParts) beginForward(d *daemon, p parts) {
	l.forward = livePart{}
	if p.forward != nil {
		l.forward = l.start(d, d.forwardHeart(), p.forward.outbox.Run)
	}
}

// end ends what measures, for good.
func (l *liveParts) end(d *daemon) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	l.transfer.end()
	d.current().measure.Close()
}

// Reload has the daemon do what p says instead. What p does not change goes on untouched:
// links that stay the same are probed without a gap, the store, the account of bytes and
// what waits to be forwarded stay. It returns when all is in effect, or why nothing, or not
// all, could be.
func (d *daemon) Reload(ctx context.Context, p plan) (err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.live.ctx == nil || d.live.ctx.Err() != nil {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: "the daemon does not run"}
	}
	was := d.current()
	if p.site.Name != was.plan.site.Name {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("site.name: is %s now and %s in the configuration: restart perigee to measure as another site", was.plan.site.Name, p.site.Name)}
	}
	if len(p.probed()) == 0 {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "links: none is bound, so nothing would be measured"}
	}
	if p.storePath != was.plan.storePath {
		d.s.notef("warning: storage.path: stays %s until perigee is restarted", was.plan.storePath)
	}
	if !reflect.DeepEqual(p.api, was.plan.api) {
		d.s.notef("warning: api: stays as it was until perigee is restarted")
	}
	// Who may ask is never left to a plan that nobody has opened a door for.
	p.storePath, p.api, p.door, p.begun = was.plan.storePath, was.plan.api, was.plan.door, was.plan.begun
	if err := permitted(p); err != nil {
		return err
	}
	streams, probers, err := measuredStreams(p, d.clock.read, d.probers)
	if err != nil {
		return err
	}
	taken := false
	is := parts{plan: p, transfer: was.transfer, measure: was.measure, forward: was.forward, since: d.dated()}
	defer func() {
		if taken {
			return
		}
		if is.forward != was.forward {
			err = errors.Join(err, is.forward.Close())
		}
		if is.transfer != was.transfer && is.transfer != nil {
			err = errors.Join(err, is.transfer.Close())
		}
	}()
	newForward := !reflect.DeepEqual([]any{was.plan.links, was.plan.metered, was.plan.influxdb}, []any{p.links, p.metered, p.influxdb})
	if newForward {
		if is.forward, err = d.newForward(ctx, p); err != nil {
			return err
		}
	}
	newTransfer := !sameTransfers(was.plan, p)
	if newTransfer {
		if is.transfer, err = d.newTransfer(ctx, p); err != nil {
			return err
		}
	}
	if err := errors.Join(d.held.Describe(ctx, p), d.account.Reload(ctx, p)); err != nil {
		return err
	}
	if err := d.runner.Reload(ctx, runnerOptions(p, streams)); err != nil {
		return err
	}
	d.probers, taken = probers, true
	for _, s := range streams {
		d.feed.Expect(s.Key)
	}
	if newTransfer {
		d.live.transfer.end()
		was.measure.Close()
		is.measure = newMeasuring(is.transfer, p, d.now)
		is.measure.remember(was.measure)
	}
	if newForward {
		d.live.forward.end()
	}
	d.mu.Lock()
	d.parts = is
	d.mu.Unlock()
	if newTransfer {
		d.live.beginTransfer(d, is)
		err = was.transfer.Close()
	}
	if newForward {
		err = errors.Join(err, was.forward.Close())
	}
	if newForward {
		d.live.beginForward(d, is)
	}
	if p.retention != was.plan.retention {
		d.live.keeper.end()
		d.live.beginKeeper(d, is)
	}
	d.feed.Measured(p.maker(d.instance))
	d.answer()
	d.grounds.forget()
	return errors.Join(err, d.record(ctx, perigee.Batch{Events: []perigee.Event{{
		Site: p.site.Name, Time: d.clock.read().Wall, Kind: perigee.EventReloaded, Detail: p.maker(d.instance).Detail(),
	}}}))
}

// sameTransfers reports whether two plans measure alike what is not probed all the time.
func sameTransfers(a, b plan) bool {
	of := func(p plan) []any {
		return []any{p.links, p.targets, p.firstHops, p.interval, p.window, p.lossTimeout, p.size, p.budgets, p.farEnds, p.transfer}
	}
	return reflect.DeepEqual(of(a), of(b))
}

// hangups has the process told of hang-up signals, which ask for the configuration to be
// read again, instead of ending. stop ends that.
func hangups() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1) // those that come while one is worked on are one
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reloadOn reads the configuration again at each signal until ctx ends. What is wrong with
// it is told as `perigee config check` tells it, and changes nothing. wait waits for it to
// end.
func (d *daemon) reloadOn(ctx context.Context, signals <-chan os.Signal, read func() (plan, error)) (wait func()) {
	var group sync.WaitGroup
	h := d.watch.heart("reading the configuration", "(*daemon).reloadOn")
	group.Go(func() {
		defer h.end()
		for {
			h.end() // of what was asked
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			h.Beat(reloadPatience)
			p, err := read()
			if err == nil {
				err = d.Reload(ctx, p)
			}
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				report(d.s, err)
				d.s.notef("perigee: the configuration was not taken; what was measured before goes on")
				continue
			}
			for _, w := range p.warnings {
				d.s.notef("warning: %s", w)
			}
			d.s.notef("perigee: read again: %s\n%s", p.origin, p.describe())
		}
	})
	return group.Wait
}
