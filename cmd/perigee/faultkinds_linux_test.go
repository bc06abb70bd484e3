package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"perigee"
)

// A faultKind is one way in which something breaks.
type faultKind struct {
	name string

	// quick kinds are over within seconds: the ordinary tests have one of each.
	quick bool

	// strike breaks it, and mends it after a while. It returns what exactly was done.
	strike func(ctx context.Context, h *faultHome, r *rand.Rand) (detail string, err error)

	// recorded says in words what must be on record of it, and record finds that; the
	// fault lasted from one time to the other, by the daemon's clock.
	recorded string
	record   func(h *faultHome, l record, from, to time.Time) error

	// damages says that results which were stored may be lost with it.
	damages bool

	// device says that a device comes and goes, or changes.
	device bool

	// moves says that the daemon's clock was not the same all the time.
	moves bool

	// needs says why it cannot be had here; nil if it can.
	needs func() error
}

// faultKinds are all kinds of faults.
func faultKinds() []faultKind {
	return concat(processFaults, diskFaults, networkFaults, clockFaults, databaseFaults, farEndFaults, limitFaults)
}

func concat(lists ...[]faultKind) (all []faultKind) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// between draws a time; a short one if the campaign is among the ordinary tests.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	if !longFaults() {
		most = least + (most-least)/8
	}
	return least + time.Duration(r.Int64N(int64(most-least))).Truncate(10*time.Millisecond)
}

// A gap of one of the reasons must be on record of each link.
func gapOf(reasons ...perigee.GapReason) func(*faultHome, record, time.Time, time.Time) error {
	return func(_ *faultHome, l record, from, to time.Time) error {
		for _, link := range homeLinks {
			found := false
			for _, g := range l.gaps {
				for _, reason := range reasons {
					found = found || g.Reason == reason && (g.Link == "" || string(g.Link) == link) && !g.Start.After(to) && !g.End.Before(from)
				}
			}
			if !found {
				return fmt.Errorf("no gap of reason %v of link %s from %s to %s; gaps: %+v", reasons, link, from, to, last(l.gaps, 4))
			}
		}
		return nil
	}
}

// outageOf looks for an outage of a link at the time.
func outageOf(l record, link string, from, to time.Time) error {
	for _, o := range l.outages {
		if string(o.Stream.Link) == link && !o.Start.After(to) && !o.End.Before(from) {
			return nil
		}
	}
	return fmt.Errorf("no outage of link %s from %s to %s; outages: %+v", link, from, to, last(l.outages, 4))
}

// eventOf looks for an event of a kind, which may be told a little after the fault.
func eventOf(l record, kind perigee.EventKind, from, to time.Time) error {
	for _, e := range l.events {
		if e.Kind == kind && !e.Time.Before(from.Add(-time.Second)) && !e.Time.After(to.Add(recoverWithin)) {
			return nil
		}
	}
	return fmt.Errorf("no event %s from %s to %s; events: %+v", kind, from, to, last(l.events, 6))
}

func last[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// measuredOn is the record of a fault that does not concern the measuring: windows without
// a break, which is checked of every fault.
func measuredOn(*faultHome, record, time.Time, time.Time) error { return nil }

// processFaults befall the daemon's process.
var processFaults = []faultKind{
	{
		name: "kill -9", quick: true, recorded: "gap crashed", record: gapOf(perigee.GapCrashed),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			times := 1 + r.IntN(3)/2 // one in three is killed again while it starts
			for i := range times {
				if i > 0 {
					wait(ctx, restartAfter+between(r, 10*time.Millisecond, time.Second))
				}
				h.daemon.kill()
			}
			return fmt.Sprintf("%d times", times), nil
		},
	},
	{
		name: "SIGSTOP for seconds", quick: true, recorded: "gap stalled", record: gapOf(perigee.GapStalled),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return stopped(ctx, h, between(r, 3*time.Second, 12*time.Second))
		},
	},
	{
		name: "SIGSTOP for a minute", recorded: "gap stalled", record: gapOf(perigee.GapStalled),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return stopped(ctx, h, time.Minute+between(r, 0, 5*time.Second))
		},
	},
}

func stopped(ctx context.Context, h *faultHome, length time.Duration) (string, error) {
	h.daemon.signal(unix.SIGSTOP)
	wait(ctx, length)
	h.daemon.signal(unix.SIGCONT)
	return length.String(), nil
}

// clockFaults set the clock, and set it right again.
var clockFaults = []faultKind{
	{
		name: "clock set forward and back", quick: true, moves: true, recorded: "events clock_set_forward, clock_set_back; gaps clock_step", record: clockRecorded,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) { return step(ctx, h, r, 1) },
	},
	{
		name: "clock set back and forward", moves: true, recorded: "events clock_set_back, clock_set_forward; gaps clock_step", record: clockRecorded,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) { return step(ctx, h, r, -1) },
	},
}

// step sets the clock by two to eight hours, so that no time that it then shows is one at
// which anything else happened.
func step(ctx context.Context, h *faultHome, r *rand.Rand, sign time.Duration) (string, error) {
	by := sign * between(r, 2*time.Hour, 8*time.Hour)
	h.setClock(by)
	length := between(r, 4*time.Second, 9*time.Second)
	wait(ctx, length)
	h.setClock(-by)
	return fmt.Sprintf("by %v for %v", by, length), nil
}

// clockRecorded looks for both steps. The events carry the time after the step, by the clock
// that was set.
func clockRecorded(h *faultHome, l record, from, to time.Time) error {
	for _, kind := range []perigee.EventKind{perigee.EventClockForward, perigee.EventClockBack} {
		found := false
		for _, e := range l.events {
			at := h.shown(e.Time)
			found = found || e.Kind == kind && !at.Before(from.Add(-2*time.Second)) && !at.After(to.Add(2*time.Second))
		}
		if !found {
			return fmt.Errorf("no event %s from %s to %s; events: %+v", kind, from, to, last(l.events, 6))
		}
	}
	steps := 0
	for _, g := range l.gaps {
		if g.Reason == perigee.GapClockStep {
			steps++
		}
	}
	if steps == 0 {
		return fmt.Errorf("no gap of reason %s", perigee.GapClockStep)
	}
	return nil
}

// An era is a time in which a home's clock was ahead by the same.
type era struct {
	begun time.Time // by the machine's clock
	ahead time.Duration
}

// setClock steps the daemon's clock.
func (h *faultHome) setClock(by time.Duration) {
	h.clock.step(by)
	h.eras = append(h.eras, era{time.Now(), h.clock.ahead()})
}

// shown returns when, by the machine's clock, the daemon's showed t: steps are longer than a
// campaign, so no two eras have the same times. The daemon sees a step up to a quarter of a
// second late, and stamps by the time before until then.
func (h *faultHome) shown(t time.Time) time.Time {
	const late = time.Second
	until := time.Now()
	for i := len(h.eras) - 1; i >= 0; i-- {
		at := t.Add(-h.eras[i].ahead)
		if !at.Before(h.eras[i].begun.Add(-late)) && !at.After(until.Add(late)) {
			return at
		}
		until = h.eras[i].begun
	}
	return t
}

// databaseFaults befall the database, or what lies before it. Nothing is recorded of them:
// the outbox says what it lacks while it lacks it, and afterwards the database has it all.
var databaseFaults = []faultKind{
	{
		name: "database killed", quick: true, recorded: "windows without a break; all of them in the database afterwards", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			h.database.Kill()
			length := between(r, 2*time.Second, 10*time.Second)
			wait(ctx, length)
			h.database.Restart(h.t)
			return length.String(), nil
		},
	},
	{
		name: "database stopped (SIGSTOP)", recorded: "the same", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			h.database.Hang(h.t)
			length := between(r, 4*time.Second, 20*time.Second)
			wait(ctx, length)
			h.database.Resume(h.t)
			return length.String(), nil
		},
	},
	databaseBehind("database hangs", false, hangs),
	databaseBehind("database refuses connections", false, refuses),
	databaseBehind("database resets connections", false, resets),
	databaseBehind("database's acknowledgements lost", false, cutsAnswer),
	databaseBehind("database answers 500", false, every500),
	databaseBehind("database answers 429", false, every429),
	databaseBehind("database answers 401", false, every401),
}

// databaseBehind is a fault of the proxy before the database.
func databaseBehind(name string, quick bool, f fault) faultKind {
	return faultKind{
		name: name, quick: quick, recorded: "the same", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			h.proxy.set(f)
			length := between(r, 4*time.Second, 12*time.Second)
			wait(ctx, length)
			ask, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			outbox, err := h.api.Outbox(ask)
			h.proxy.set(noFault)
			h.proxy.CloseClientConnections() // what hung has ended with its server
			if err != nil {
				return "", err
			}
			// A call that hangs is no problem yet until it is given up.
			if f != hangs && outbox.Problem == nil && outbox.Pending > 16 {
				return "", fmt.Errorf("%d results wait, and the outbox says nothing of it: %+v", outbox.Pending, outbox)
			}
			if f == every401 { // a person has mended it, and says so
				_, err = h.api.Retry(ask)
			}
			return length.String(), err
		},
	}
}

// farEndFaults befall the other end of a transfer while it runs.
var farEndFaults = []faultKind{
	{
		name: "far end killed in mid transfer", quick: true, recorded: "event transfer_failed", record: transferFailed,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return inTransfer(ctx, h, r, func(time.Duration) { h.far.kill() })
		},
	},
	{
		name: "far end hangs in mid transfer", recorded: "event transfer_failed, or the transfer with what it moved", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return inTransfer(ctx, h, r, func(length time.Duration) {
				h.far.signal(unix.SIGSTOP)
				wait(ctx, length)
				h.far.signal(unix.SIGCONT)
			})
		},
	},
	{
		name: "daemon killed in mid transfer", recorded: "gap crashed", record: gapOf(perigee.GapCrashed),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return inTransfer(ctx, h, r, func(time.Duration) { h.daemon.kill() })
		},
	},
}

func transferFailed(_ *faultHome, l record, from, to time.Time) error {
	return eventOf(l, perigee.EventTransferFailed, from, to)
}
