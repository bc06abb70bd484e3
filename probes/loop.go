package probes

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"perigee"
)

const (
	// settle is how long the beginning waits for the probers to open their
	// sockets: a probe due before that would count as a failed send.
	settle = 250 * time.Millisecond

	// collectEvery is how often results are collected and how far looks at the
	// clocks are apart at most.
	collectEvery = 250 * time.Millisecond

	// drainEvery is how often the end looks whether all is decided.
	drainEvery = 20 * time.Millisecond

	// drainQuiet is how long after the last outcome the end still waits for
	// duplicates.
	drainQuiet = time.Second
)

// measure plans and sends probes until ctx ends or the limit is reached.
func (r *Runner) measure(ctx context.Context) {
	r.before = r.clock()
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	now := r.clock()
	r.before, r.wanted, r.sending = now, now.Mono, true
	r.collect = now.Mono + collectEvery
	r.grid.begin(now)
	for _, g := range r.groups {
		g.next = g.schedule.Next(now.Mono)
	}
	r.loads.open(r.turn)
	defer r.loads.close()
	timer.Reset(0)
	for {
		reloads := r.reloads
		if r.reload != nil {
			reloads = nil // one at a time
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.loads.asked:
		case c := <-reloads:
			r.prepare(c)
		}
		r.look()
		r.applyReload()
		done := true
		for _, g := range r.groups {
			r.sendDue(g)
			done = done && (g.loaded || r.exhausted(g))
		}
		if done {
			return
		}
		r.loads.apply(r.turn) // when what was due before has been sent
		if r.before.Mono >= r.collect {
			r.collectResults()
		}
		r.wanted = r.collect
		for _, g := range r.groups {
			if !r.exhausted(g) {
				r.wanted = min(r.wanted, g.next)
			}
		}
		timer.Reset(r.wanted - r.clock().Mono)
	}
}

// look reads the clocks and deals with what happened to them, and to us, since the look
// before.
func (r *Runner) look() {
	now := r.clock()
	r.looked.beat(now.Mono)
	seen := now // by the clock of the look before, if that was provisional
	dated := perigee.Provisional(r.before.Wall) && !perigee.Provisional(now.Wall)
	if dated {
		seen.Wall = r.before.Wall.Add(now.Mono - r.before.Mono + now.Suspended - r.before.Suspended)
	}
	c := compare(r.before, seen, r.wanted, r.options.Interval)
	var then perigee.Reading // as the clocks would stand had nothing happened
	if c.stopped != "" {
		then = ahead(r.before, c.cut)
		r.stopped(c, then, seen)
	} else {
		then = ahead(r.before, now.Mono)
	}
	if c.step != 0 {
		r.stepped(c.step, now)
	}
	if dated {
		r.grid.epoch = r.epoch.Load()
	}
	if r.sending {
		switch {
		case c.stopped != "":
			r.restart(then, now, breakGap)
			for _, g := range r.groups {
				g.next = g.schedule.Next(now.Mono) // what was due meanwhile is not planned
			}
		case c.step != 0:
			r.restart(then, now, breakStep)
		case dated:
			r.restart(then, now, breakDated)
		default:
			r.grid.advance(now)
		}
	}
	r.before = now
}

// ahead returns the reading that clocks which only run on from from show at mono.
func ahead(from perigee.Reading, mono time.Duration) perigee.Reading {
	return perigee.Reading{Wall: from.Wall.Add(mono - from.Mono), Mono: mono, Suspended: from.Suspended}
}

// restart cuts the current window where the clocks showed then and begins another now.
func (r *Runner) restart(then, now perigee.Reading, cause breakCause) {
	r.grid.advance(then)
	r.grid.cut(then.Mono, cause)
	r.grid.begin(now)
}

// stopped records that the monitor was not measuring from then to now.
func (r *Runner) stopped(c change, then, now perigee.Reading) {
	cause, detail := "the monitor was stalled", fmt.Sprintf("the monitor did not run for %v", round(now.Mono-then.Mono))
	if c.stopped == perigee.GapSuspended {
		cause, detail = "the machine was suspended", fmt.Sprintf("the machine was suspended for %v", round(c.asleep))
	}
	for _, l := range r.open() {
		l.interrupt(r.before.Mono, cause)
	}
	if !r.sending {
		return // what follows the end is no gap of this run
	}
	r.pending.Gaps = append(r.pending.Gaps, perigee.Gap{
		Site: r.options.Site, Start: then.Wall, End: then.Wall.Add(now.Mono - then.Mono + c.asleep),
		Reason: c.stopped, Detail: detail,
	})
}

// stepped records that the wall clock was set by step and shows now.
func (r *Runner) stepped(step time.Duration, now perigee.Reading) {
	kind, start := perigee.EventClockForward, now.Wall.Add(-step)
	detail := fmt.Sprintf("the wall clock was set forward by %v", round(step))
	if step < 0 {
		kind, start = perigee.EventClockBack, now.Wall
		detail = fmt.Sprintf("the wall clock was set back by %v", round(-step))
		r.grid.epoch++
	}
	r.pending.Gaps = append(r.pending.Gaps, perigee.Gap{
		Site: r.options.Site, Start: start, End: now.Wall, Reason: perigee.GapClockStep, Detail: detail,
	})
	r.pending.Events = append(r.pending.Events, perigee.Event{
		Site: r.options.Site, Time: now.Wall, Kind: kind, Detail: detail,
	})
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// skipLate plans the probes of a group that are due before an instant and late by an
// interval or more by the last look, and skips them: another is due by then.
func (r *Runner) skipLate(g *group, before time.Duration) {
	now := r.before.Mono
	for ; g.next <= now-g.interval && g.next < before && !r.exhausted(g); g.next = g.schedule.Next(g.next) {
		g.planned++
		s := r.grid.at(g.next)
		for _, l := range g.lines {
			if l.current() {
				l.skip(l.plan(s, g.next), "the monitor was late")
			}
		}
	}
}

// sendDue plans the probes of a group that are due by the last look.
func (r *Runner) sendDue(g *group) {
	now := r.before.Mono
	r.skipLate(g, math.MaxInt64)
	for ; g.next <= now && !r.exhausted(g); g.next = g.schedule.Next(g.next) {
		g.planned++
		for i, l := range g.lines {
			if l.current() {
				g.seqs[i] = l.plan(r.grid.cur, now)
			}
		}
		for i, l := range g.lines { // back to back: nothing else happens between
			if l.current() {
				l.send(g.seqs[i])
			}
		}
	}
}

// exhausted reports whether a group plans no more: it has planned as many probes as it
// may, or is for a load that no link is under.
func (r *Runner) exhausted(g *group) bool {
	if g.loaded {
		return !g.awake
	}
	return r.options.Limit > 0 && g.planned >= r.options.Limit
}

// collectResults hands what can be recorded by now to the recorder.
func (r *Runner) collectResults() {
	r.collect = r.before.Mono + collectEvery
	b := r.pending
	r.pending = perigee.Batch{}
	for _, l := range r.open() {
		l.collect(r.before.Mono, &b)
	}
	for _, f := range r.openFeeds() {
		b.Events = append(b.Events, f.takeEvents()...)
	}
	r.retire()
	slices.SortStableFunc(b.Samples, func(a, c perigee.Sample) int { return a.Start.Compare(c.Start) })
	r.recorder.push(b)
}

// drain waits until every probe has its outcome and duplicates are no longer likely, at
// most until the late horizon of the last probe has passed for certain.
func (r *Runner) drain() {
	if r.sending {
		r.look()
		r.grid.cut(r.before.Mono, breakGap)
		r.sending = false
	}
	deadline := r.before.Mono + r.horizon + decisionGrace
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for r.before.Mono < deadline && !r.quiet() {
		r.wanted = r.before.Mono + drainEvery
		<-ticker.C
		r.look()
		if r.before.Mono >= r.collect {
			r.collectResults()
		}
	}
}

// quiet reports whether all probes are decided and the last was some time ago.
func (r *Runner) quiet() bool {
	last := time.Duration(math.MinInt64)
	for _, l := range r.open() {
		n, decided := l.undecided()
		if n > 0 {
			return false
		}
		last = max(last, decided)
	}
	return r.before.Mono >= last+drainQuiet
}

// flush hands all that is left to the recorder. The probers have ended.
func (r *Runner) flush() {
	b := r.pending
	r.pending = perigee.Batch{}
	for _, l := range r.open() {
		l.flush(&b)
	}
	for _, f := range r.openFeeds() {
		b.Events = append(b.Events, f.takeEvents()...)
	}
	slices.SortStableFunc(b.Samples, func(a, c perigee.Sample) int { return a.Start.Compare(c.Start) })
	r.recorder.push(b)
}
