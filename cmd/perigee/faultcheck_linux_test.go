package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee"
)

// untold is the longest time between two windows, or a window and a gap, that no record
// tells of: a start opens its sockets for a quarter of a second before it measures, and a
// window whose every probe the machine was late for is not stored.
const untold = time.Second

// A record is what a home's store held at one time.
type record struct {
	samples []perigee.Sample // with their singletons, those that still have them
	outages []perigee.Outage
	gaps    []perigee.Gap
	events  []perigee.Event
}

func keyOf(s perigee.Sample) windowKey {
	return windowKey{string(s.Stream.Link), string(s.Stream.Target), string(s.Stream.Load), s.Start.UnixNano()}
}

// look reads all that a home's store holds.
func (h *faultHome) look(ctx context.Context) (l record, err error) {
	store, err := h.open(ctx)
	if err != nil {
		return l, err
	}
	defer store.Close()
	single := map[windowKey][]perigee.Singleton{}
	for s, err := range store.Singletons(ctx, perigee.Query{}) {
		if err != nil {
			return l, err
		}
		single[keyOf(s)] = s.Singletons
	}
	for s, err := range store.Samples(ctx, perigee.Query{}) {
		if err != nil {
			return l, err
		}
		s.Singletons = single[keyOf(s)]
		l.samples = append(l.samples, s)
	}
	if l.outages, err = store.Outages(ctx, perigee.Query{}); err != nil {
		return l, err
	}
	if l.gaps, err = store.Gaps(ctx, perigee.Query{}); err != nil {
		return l, err
	}
	l.events, err = store.Events(ctx, perigee.Query{})
	return l, err
}

// planned returns how many probes of each window were planned, as windowsIn does.
func (l record) planned() map[mark]int64 {
	windows := map[mark]int64{}
	for _, s := range l.samples {
		windows[mark{s.Stream.Site, string(s.Stream.Link), string(s.Stream.Target), string(s.Stream.Load), s.Start.UnixNano()}] = s.Counts.Planned
	}
	return windows
}

// problems gathers what is wrong, the first few of each kind in words.
type problems struct {
	list []string
	more map[string]int
}

func (p *problems) add(kind, format string, args ...any) {
	if p.more == nil {
		p.more = map[string]int{}
	}
	if p.more[kind]++; p.more[kind] <= 3 {
		p.list = append(p.list, kind+": "+fmt.Sprintf(format, args...))
	}
}

// err sums up what is wrong; nil if nothing is.
func (p *problems) all() []string {
	for _, kind := range slices.Sorted(func(yield func(string) bool) {
		for kind := range p.more {
			if !yield(kind) {
				return
			}
		}
	}) {
		if n := p.more[kind]; n > 3 {
			p.list = append(p.list, fmt.Sprintf("%s: %d in all", kind, n))
		}
	}
	return p.list
}

// whole checks the file itself, and that no window and no probe is there twice.
func (h *faultHome) whole(ctx context.Context, p *problems) {
	db, err := sql.Open("sqlite", "file:"+h.storeFile()+"?mode=ro")
	if err != nil {
		p.add("store", "%v", err)
		return
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check").Scan(&verdict); err != nil || verdict != "ok" {
		p.add("store", "quick check: %q (%v)", verdict, err)
	}
	var twice int
	if err := db.QueryRowContext(ctx, "SELECT count(*) - count(DISTINCT start_ns || ' ' || stream) FROM windows").Scan(&twice); err != nil || twice != 0 {
		p.add("twice", "%d windows are in the store twice (%v)", twice, err)
	}
}

// addUp checks that the counts of each window add up, and are those of its probes.
func (l record) addUp(p *problems) {
	for _, s := range l.samples {
		if err := s.Counts.Check(); err != nil {
			p.add("counts", "window %v: %v", keyOf(s), err)
		}
		if s.Singletons == nil {
			continue
		}
		var c perigee.Counts
		for _, one := range s.Singletons {
			c.Add(one)
		}
		if c != s.Counts {
			p.add("counts", "window %v: %+v, its probes make %+v", keyOf(s), s.Counts, c)
		}
	}
}

// kept checks that all that was acknowledged before the store was read is there, as it was
// told. Of what a damaged store took with it a gap must tell; or, as gaps are those of links
// and the other target's window may be there, the event. It is not looked for any more.
func (h *faultHome) kept(before map[windowKey]bool, l record, damaged bool, p *problems) {
	there := map[windowKey]perigee.Counts{}
	for _, s := range l.samples {
		there[keyOf(s)] = s.Counts
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range before {
		told := h.acknowledged[key]
		c, ok := there[key]
		switch {
		case !ok:
			delete(h.acknowledged, key) // once is enough
			if !damaged || !l.gapAt(key) && !l.saysLost(h.newestAside()) {
				p.add("lost", "window %v was acknowledged and is not there, and nothing tells of it", key)
			}
		case c.Planned != told.Planned || c.Sent != told.Sent || c.Received != told.Received || c.Lost != told.Lost || c.Late != told.Late:
			p.add("changed", "window %v was acknowledged as %+v and is %+v", key, told, c)
		}
	}
}

// saysLost reports whether an event tells that not all of a damaged file could be read.
func (l record) saysLost(aside string) bool {
	return slices.ContainsFunc(l.events, func(e perigee.Event) bool {
		return e.Kind == perigee.EventStoreDamaged && aside != "" && strings.Contains(e.Detail, aside) &&
			(strings.Contains(e.Detail, "could not be read") || strings.Contains(e.Detail, "can be read") && strings.Contains(e.Detail, "nothing of it"))
	})
}

// gapAt reports whether a gap tells that a window is missing.
func (l record) gapAt(key windowKey) bool {
	for _, g := range l.gaps {
		if (g.Link == "" || string(g.Link) == key.link) && g.Start.UnixNano() <= key.start && g.End.UnixNano() > key.start {
			return true
		}
	}
	return false
}

// covered checks that every instant from one time to the other, by the daemon's clock, is of
// a window or a gap, for each stream that is measured.
func (l record) covered(from, to time.Time, p *problems) {
	type span struct{ start, end time.Time }
	for _, link := range homeLinks {
		for _, target := range []string{"far", "named"} {
			var spans []span
			for _, s := range l.samples {
				// While a transfer runs, its streams have the time that it takes.
				if string(s.Stream.Link) == link && string(s.Stream.Target) == target {
					spans = append(spans, span{s.Start, s.End()})
				}
			}
			for _, g := range l.gaps {
				if g.Link == "" || string(g.Link) == link {
					spans = append(spans, span{g.Start, g.End})
				}
			}
			slices.SortFunc(spans, func(a, b span) int { return a.start.Compare(b.start) })
			at := from
			for _, s := range spans {
				if s.start.After(to) {
					break
				}
				if s.start.Sub(at) > untold {
					p.add("untold", "%s to %s: nobody tells of %s from %s on", link, target, s.start.Sub(at).Round(time.Millisecond), at.UTC().Format(time.StampMilli))
				}
				if s.end.After(at) {
					at = s.end
				}
			}
			if to.Sub(at) > untold {
				p.add("untold", "%s to %s: nobody tells of the time from %s on", link, target, at.UTC().Format(time.StampMilli))
			}
		}
	}
}

// forwarded waits until the database has what the store holds, and checks that it has it
// once and unchanged, and nothing else but what it had before.
func (h *faultHome) forwarded(ctx context.Context, before record, held map[mark]int64, forgiven bool, p *problems) map[mark]int64 {
	limit := time.After(recoverWithin)
	var database map[mark]int64
	for {
		database = windowsAt(h.t, h.database, h.bucket)
		missing := 0
		for m := range before.planned() {
			if _, ok := database[m]; !ok {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		select {
		case <-limit:
			p.add("not forwarded", "%d windows of the store are not in the database after %s", missing, recoverWithin)
		case <-time.After(200 * time.Millisecond):
			continue
		}
		break
	}
	after, err := h.look(ctx)
	if err != nil {
		p.add("store", "%v", err)
		return database
	}
	stored := after.planned()
	for m, planned := range database {
		switch n, ok := stored[m]; {
		case !ok && !forgiven && held[m] == 0:
			p.add("forwarded only", "window %v is in the database and not in the store", m)
		case ok && n != planned:
			p.add("forwarded otherwise", "window %v has %d probes in the store, %d in the database", m, n, planned)
		}
	}
	for m, planned := range held {
		if database[m] != planned {
			p.add("gone from the database", "window %v had %d probes and has %d", m, planned, database[m])
		}
	}
	return database
}
