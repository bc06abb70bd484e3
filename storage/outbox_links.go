package storage

import (
	"context"
	"slices"
	"time"

	"perigee"
)

// linkStatesEvery is how often states of links are sent that differ in nothing but small
// things, such as the end of the last sample.
const linkStatesEvery = time.Minute

// linkName names a link.
type linkName struct {
	site string
	link perigee.LinkID
}

func nameOf(s perigee.LinkState) linkName { return linkName{s.Site.Name, s.Link.ID} }

// linkStates is what an outbox remembers of the states of links. They are not pending in
// the store: they are asked for, and sent when they differ from what was sent last.
type linkStates struct {
	acknowledged map[linkName]perigee.LinkState
	refused      map[linkName]string // messages that were logged
	monitor      string              // the one that was logged of the monitor's state
	sent         time.Time           // when they were sent last; zero: never
	stale        bool                // results went out since they were asked for
	rolled       bool                // hours did: rollups may have become complete
	failed       bool                // results come first
}

func newLinkStates() linkStates {
	return linkStates{acknowledged: map[linkName]perigee.LinkState{}, refused: map[linkName]string{}, stale: true}
}

// forwarded notes that entries went out.
func (l *linkStates) forwarded(entries []perigee.Entry) {
	l.stale, l.failed = true, false
	for _, e := range entries {
		l.rolled = l.rolled || e.Kind == perigee.EntryHour
	}
}

// due reports whether it is time to ask for the states.
func (l *linkStates) due(now time.Time) bool {
	return l.stale && !l.failed && (l.rolled || !now.Before(l.next()))
}

// next returns when the states are sent next, if they are stale.
func (l *linkStates) next() time.Time {
	if l.sent.IsZero() {
		return l.sent
	}
	return l.sent.Add(linkStatesEvery)
}

// changed returns those of states that are to be sent now.
func (l *linkStates) changed(states []perigee.LinkState, now time.Time) []perigee.LinkState {
	var changed []perigee.LinkState
	rolled := false
	for _, s := range states {
		before, known := l.acknowledged[nameOf(s)]
		if known && sameState(before, s) {
			continue
		}
		changed = append(changed, s)
		rolled = rolled || s.Rolled.After(before.Rolled)
	}
	if now.Before(l.next()) && !rolled {
		return nil
	}
	return changed
}

// sameState reports whether a and b say the same.
func sameState(a, b perigee.LinkState) bool {
	return a.Site == b.Site && a.Link == b.Link && a.First.Equal(b.First) && a.Last.Equal(b.Last) &&
		a.At.Equal(b.At) && a.Rolled.Equal(b.Rolled)
}

// sendLinks sends the states of links that changed. One that the server refuses for what
// it is is logged and left out until it changes again.
func (o *Outbox) sendLinks(ctx context.Context) rest {
	states, err := o.Backlog.LinkStates(ctx, o.Now())
	if err != nil {
		o.links.failed = true
		return o.stumbled(err)
	}
	now := time.Now()
	early := now.Before(o.links.next())
	changed := o.links.changed(states, now)
	o.links.rolled = false
	if len(changed) == 0 {
		// What changed but little is sent when its time has come.
		o.links.stale = early
		return rest{}
	}
	monitor := o.monitorEntries(ctx)
	pieces := [][]perigee.LinkState{changed}
	for len(pieces) > 0 {
		piece := pieces[len(pieces)-1]
		pieces = pieces[:len(pieces)-1]
		entries := linkEntries(piece)
		err := o.write(ctx, slices.Concat(entries, monitor))
		reason := perigee.RefusalReason("")
		if err != nil {
			reason = refusalOf(err).Reason
		}
		switch refuses := reason == perigee.RefusedContent || reason == perigee.RefusedTooLarge; {
		case refuses && monitor != nil: // perhaps it is this, which may be lost
			o.refusedMonitor(refusalOf(err).Message)
			monitor, pieces = nil, append(pieces, piece)
			continue
		case refuses && len(piece) > 1:
			half := len(piece) / 2
			pieces = append(pieces, piece[half:], piece[:half])
			continue
		case refuses:
			o.refusedLink(piece[0], refusalOf(err).Message)
		case err != nil:
			o.links.failed = true
			return o.resting(ctx, o.course.judge(entries, err, o.Rand.Float64()))
		default:
			o.course.judge(entries, nil, 0)
			o.acknowledgedOnce()
			monitor = nil // it was taken with them
		}
		for _, s := range piece {
			o.links.acknowledged[nameOf(s)] = s
		}
	}
	o.links.sent, o.links.stale = now, false
	return rest{}
}

func linkEntries(states []perigee.LinkState) []perigee.Entry {
	entries := make([]perigee.Entry, len(states))
	for i := range states {
		entries[i] = perigee.Entry{Kind: perigee.EntryLink, Orbit: states[i].Link.Orbit, Link: &states[i]}
	}
	return entries
}

// monitorEntries returns what the monitor tells of itself; none if it tells nothing.
func (o *Outbox) monitorEntries(ctx context.Context) []perigee.Entry {
	if o.Monitor == nil {
		return nil
	}
	state, err := o.Monitor(ctx)
	if err != nil {
		return nil // what there is to say of a store that fails is said elsewhere
	}
	o.refreshSometimes(ctx)
	status := o.Status()
	state.At, state.Pending, state.Oldest, state.DeadLetters = o.Now(), status.Pending, status.Oldest, status.DeadLetters
	return []perigee.Entry{{Kind: perigee.EntryMonitor, Monitor: &state}}
}

// refusedMonitor logs why the monitor's state may have been refused, once for each message.
func (o *Outbox) refusedMonitor(message string) {
	if o.links.monitor == message {
		return
	}
	o.links.monitor = message
	o.Log.Warn("the server may refuse what the monitor tells of itself; results are forwarded all the same", "problem", message)
}

// refusedLink logs why a state was refused, once for each message.
func (o *Outbox) refusedLink(s perigee.LinkState, message string) {
	if o.links.refused[nameOf(s)] == message {
		return
	}
	o.links.refused[nameOf(s)] = message
	o.Log.Warn("the server refuses what is known of a link; its results are forwarded all the same", "site", s.Site.Name, "link", string(s.Link.ID), "problem", message)
}
