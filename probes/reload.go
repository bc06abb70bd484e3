package probes

import (
	"context"
	"maps"
	"slices"
	"time"

	"perigee"
)

// reload is a change of what is measured.
type reload struct {
	options Options
	feeds   []*feed // as in options.Streams; those that go on are the runner's own

	since *span         // the change is made at the first border after it
	ready time.Duration // but not before probers have opened their sockets
	done  chan struct{} // closed when it is in effect
}

// Reload has the runner measure o.Streams, with o's Interval, LoadInterval, Spacing,
// Window and OutageAfter, from the next border between windows on; all else of o is
// ignored. It returns when that is in effect. Errors of o have CodeInvalid and change
// nothing; a runner that does not measure, or stops before, answers CodeUnavailable.
//
// A stream goes on as if nothing had happened, with its windows, numbers and outages, if
// it has the prober and the loss timeout that it had, and the settings named above are as
// they were. One that is there no more, or is there with another prober, is measured to
// the border; its probes keep their fate, its windows are recorded as ever, and then its
// prober is ended. A prober that is new is started a little before the border, so that
// nothing is missing between the two. An outage ends at the border for the one and may
// begin there for the other.
//
// One Reload is made at a time. If ctx ends first it may still come into effect.
func (r *Runner) Reload(ctx context.Context, o Options) error {
	o.Clock, o.Record, o.Rand, o.OnSingleton = r.options.Clock, r.options.Record, r.options.Rand, r.options.OnSingleton
	o.Site, o.Limit = r.options.Site, r.options.Limit
	o = withDefaults(o)
	if err := check(o); err != nil {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "probes: " + err.Error()}
	}
	c := &reload{options: o, done: make(chan struct{})}
	ended := &perigee.Error{Code: perigee.CodeUnavailable, Message: "probes: the runner does not measure"}
	if !r.started.Load() {
		return ended
	}
	select {
	case r.reloads <- c:
	case <-r.ended:
		return ended
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.done:
		return nil
	case <-r.ended:
		return ended
	case <-ctx.Done():
		return ctx.Err()
	}
}

// prepare starts the probers that are new.
func (r *Runner) prepare(c *reload) {
	was, is := r.options, c.options
	same := was.Interval == is.Interval && was.LoadInterval == is.LoadInterval && was.Spacing == is.Spacing &&
		was.Window == is.Window && was.OutageAfter == is.OutageAfter
	for _, s := range is.Streams {
		i := slices.IndexFunc(r.feeds, func(f *feed) bool {
			return same && f.key() == s.Key && f.prober == s.Prober && f.lines[0].lossTimeout == s.LossTimeout
		})
		if i >= 0 {
			c.feeds = append(c.feeds, r.feeds[i])
			continue
		}
		f := r.newFeed(is, s)
		r.launch(f)
		c.feeds = append(c.feeds, f)
	}
	c.since, c.ready = r.grid.cur, r.clock().Mono+settle
	r.reload = c
}

// applyReload makes the change that was prepared, if the last look crossed a border.
func (r *Runner) applyReload() {
	c := r.reload
	if c == nil || r.grid.cur == c.since {
		return
	}
	if c.since = r.grid.cur; r.before.Mono < c.ready {
		return // the next border then
	}
	r.reload = nil
	for _, g := range r.groups {
		r.skipLate(g, r.grid.cur.mono) // what a busy machine missed before the border is of those that were measured then
	}
	r.mu.Lock()
	was := r.feeds
	r.feeds, r.lines = c.feeds, linesOf(c.feeds)
	r.mu.Unlock()
	if c.options.Window != r.options.Window {
		r.grid.cut(r.before.Mono, breakStep) // nothing was planned in it
		r.grid.window = c.options.Window
		r.grid.begin(r.before)
	}
	r.options = c.options
	for _, f := range was {
		if !slices.Contains(c.feeds, f) {
			f.current.pause(r.grid.cur, r.before.Mono)
			r.leave(f)
			r.retired = append(r.retired, f)
		}
	}
	for _, f := range c.feeds {
		if slices.Contains(was, f) {
			continue
		}
		for _, l := range f.lines {
			if g := r.join(l); len(g.lines) == 1 && !g.loaded {
				g.next = g.schedule.Next(r.before.Mono)
			}
		}
	}
	r.loads.mu.Lock()
	wanted := maps.Clone(r.loads.wanted)
	r.loads.mu.Unlock()
	r.turn(wanted) // links that are new may be under load
	r.recorder.resize(len(c.feeds), c.options.Window)
	close(c.done)
}

// leave takes the lines of f out of their groups.
func (r *Runner) leave(f *feed) {
	for _, g := range r.groups {
		g.lines = slices.DeleteFunc(g.lines, func(l *line) bool { return l.feed == f })
		g.seqs = g.seqs[:len(g.lines)]
	}
	r.groups = slices.DeleteFunc(r.groups, func(g *group) bool { return len(g.lines) == 0 })
}

// retire ends the probers whose last windows have been handed on.
func (r *Runner) retire() {
	r.retired = slices.DeleteFunc(r.retired, func(f *feed) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, l := range f.lines {
			if len(l.builder.windows) > 0 {
				return false
			}
		}
		f.end()
		return true
	})
}

// openFeeds returns all feeds that may have windows to record.
func (r *Runner) openFeeds() []*feed { return slices.Concat(r.feeds, r.retired) }

// open returns their lines.
func (r *Runner) open() []*line { return linesOf(r.openFeeds()) }
