package probes

import (
	"maps"
	"sync"

	"perigee"
)

// SetLoad tells that a transfer of this service loads a link from now on, or, with
// LoadIdle, no longer does. From then on probes of the link go to its streams of that
// load, every Options.LoadInterval while there is one. Links that are not probed have
// no streams and are ignored.
//
// It returns when that is in effect: what is sent later belongs to the new load. A
// transfer therefore begins after SetLoad has returned, and ends before it is called
// again. A probe keeps the load under which it was sent, whenever its reply comes.
//
// Before Run the load is in effect as soon as probes are sent, after it there is none.
// SetLoad is safe for concurrent use; it waits for one pass of Run's loop, so it must not
// be called from OnSingleton.
func (r *Runner) SetLoad(link perigee.LinkID, load perigee.Load) { r.loads.set(link, load) }

// loads is what SetLoad asks of the loop.
type loads struct {
	asked chan struct{} // wakes the loop

	mu     sync.Mutex // guards what follows
	wanted map[perigee.LinkID]perigee.Load
	opened bool          // the loop applies what is wanted
	done   chan struct{} // closed when what is wanted is in effect; nil if it is already
}

func newLoads() loads {
	return loads{asked: make(chan struct{}, 1), wanted: map[perigee.LinkID]perigee.Load{}}
}

func (l *loads) set(link perigee.LinkID, load perigee.Load) {
	l.mu.Lock()
	l.wanted[link] = load
	if !l.opened {
		l.mu.Unlock()
		return
	}
	if l.done == nil {
		l.done = make(chan struct{})
	}
	done := l.done
	l.mu.Unlock()
	select {
	case l.asked <- struct{}{}:
	default: // it will wake already
	}
	<-done
}

// open applies what was wanted before the loop began, by calling turn.
func (l *loads) open(turn func(map[perigee.LinkID]perigee.Load)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = true
	turn(l.wanted)
}

// apply makes what is wanted true by calling turn, if it is not true already.
func (l *loads) apply(turn func(map[perigee.LinkID]perigee.Load)) {
	l.mu.Lock()
	done, wanted := l.done, maps.Clone(l.wanted)
	l.done = nil
	l.mu.Unlock()
	if done != nil {
		turn(wanted)
		close(done)
	}
}

// close tells that the loop has ended: nobody needs to wait any longer.
func (l *loads) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = false
	if l.done != nil {
		close(l.done)
		l.done = nil
	}
}

// turn has the probes of each link go to the lines of its load, from the last look on: up
// to it all that was due has been planned, so each instant is of one load. Instants of
// the groups that were awake do not move.
func (r *Runner) turn(wanted map[perigee.LinkID]perigee.Load) {
	now := r.before.Mono
	for _, f := range r.feeds {
		if to := f.line(wanted[f.key().Link]); to != f.current {
			f.current.pause(r.grid.cur, now)
			f.turn(to)
		}
	}
	for _, g := range r.groups {
		if !g.loaded {
			continue
		}
		was := g.awake
		g.awake = false
		for _, l := range g.lines {
			g.awake = g.awake || l.current()
		}
		if g.awake && !was {
			g.next = g.schedule.Next(now)
		}
	}
}
