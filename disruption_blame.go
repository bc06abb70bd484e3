package perigee

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What the probers say when it was not the link that failed.
const (
	reasonUnresolved = "target not resolved"
	reasonNotRunning = "prober not running"
	reasonTooMany    = "too many probes under way"
	reasonNoCarrier  = "no carrier"
	reasonNoNeighbor = "host unreachable" // the next hop does not answer on the device
)

// gapTouch is how near the end of a gap an outage must begin to be suspected of being
// the gap's: a machine that wakes has no network at first.
const gapTouch = 2 * time.Second

// cause is who is to blame for an outage. Outages of the same cause that overlap are one
// disruption.
type cause struct {
	blame  Blame
	link   LinkID   // empty if it concerns several
	target TargetID // likewise
}

// judgment is a cause and why.
type judgment struct {
	cause
	class DisruptionClass // ClassMonitor or ClassLocal; else it depends on the time
	why   string
}

// judge says who is to blame for an outage.
func (e *evidence) judge(o Outage) judgment {
	s, p := outageSpan(o), pathOf(o.Stream)
	if v, ok := e.monitors(o, s); ok {
		return v
	}
	switch {
	case o.silence():
		return e.compare(p, s)
	case o.Reason == reasonNoCarrier || o.Reason == reasonNoNeighbor:
		return judgment{cause{blame: BlameLAN}, ClassLocal, fmt.Sprintf("%s: the system said %q: the cable, or what is at its other end", p.link, o.Reason)}
	}
	return judgment{cause{blame: BlameLocal, link: p.link}, ClassLocal, fmt.Sprintf("%s: the system refused most probes with %q", p.link, o.Reason)}
}

// silence reports whether o is one of probes that were sent or could have been, and not
// answered. A first hop that is not known is no silence: the route is missing.
func (o Outage) silence() bool {
	return o.Reason == NoReplies || o.Reason == reasonUnresolved && o.Stream.Target != FirstHop
}

// monitors says whether the monitor itself is to blame.
func (e *evidence) monitors(o Outage, s span) (judgment, bool) {
	blame := func(format string, args ...any) (judgment, bool) {
		return judgment{cause{blame: BlameMonitor}, ClassMonitor, fmt.Sprintf(format, args...)}, true
	}
	switch o.Reason {
	case reasonNotRunning, reasonTooMany:
		return blame("the monitor failed to send most probes: %s", o.Reason)
	}
	length := s.to.Sub(s.from)
	for _, g := range e.gaps {
		if g.Link != "" && g.Link != o.Stream.Link {
			continue
		}
		hole := span{g.Start, g.End}
		if hole.overlap(s.from, s.to) > length/2 {
			return blame("the monitor itself was not measuring for most of it (%s)", g.Reason)
		}
		if g.Reason == GapClockStep {
			continue // measuring went on
		}
		since := s.from.Sub(g.End)
		if since > -gapTouch && since <= gapTouch && length < LongDisruption && !e.endedAt(pathOf(o.Stream), g.Start) {
			return blame("it began as the monitor did after a gap (%s), and was over within %s", g.Reason, LongDisruption)
		}
	}
	return judgment{}, false
}

// endedAt reports whether p was silent when a gap began: what follows the gap may be the
// same failure still.
func (e *evidence) endedAt(p path, start time.Time) bool {
	return e.silent[p].within(span{start.Add(-gapTouch), start}) > 0
}

// compare says by the fates of the other paths who is to blame for the silence of p in s.
func (e *evidence) compare(p path, s span) judgment {
	overLink := func(family Family) func(path) bool {
		return func(o path) bool {
			return o.link == p.link && o.target != FirstHop && o.target != p.target && (family == "" || o.family == family)
		}
	}
	others := e.count(s, overLink(p.family))
	if others.measured() == 0 { // the other IP version is better than nothing
		others = e.count(s, func(o path) bool { return o != p && o.link == p.link && o.target != FirstHop })
	}
	if p.target == FirstHop {
		return e.compareFirstHop(p, others)
	}
	links := e.count(s, func(o path) bool { return o.link != p.link && o.target == p.target && o.family == p.family })
	hop := e.firstHop(p.link, s)

	switch {
	case 2*e.measured[p].within(s) < s.to.Sub(s.from) && !s.to.Before(e.last[p.link]):
		return judgment{cause: cause{BlameUnknown, p.link, p.target},
			why: "it is too early to tell: what others did at the time is stored when the fate of their probes is decided"}
	case hop == silent:
		return judgment{cause: cause{blame: BlameLAN}, why: fmt.Sprintf("the first hop of %s did not answer either", p.link)}
	case others.measured() == 0 && links.measured() == 0:
		return judgment{cause: cause{BlameUnknown, p.link, p.target},
			why: fmt.Sprintf("one link and one target were measured, so %s cannot be told from %s%s", p.link, p.target, beyond(hop))}
	case links.answered == nil && others.silent == nil:
		why := fmt.Sprintf("%s lost %s", all(len(links.silent)+1, "link"), p.target)
		if others.answered == nil {
			why += "; no other target was measured, so what all links share is not excluded" + beyond(hop)
		} else {
			why += fmt.Sprintf(", while %s answered over %s", some(others.answered, byTarget), p.link)
		}
		return judgment{cause: cause{blame: BlameTarget, target: p.target}, why: why}
	case others.answered == nil && (links.answered != nil || links.measured() == 0):
		why := fmt.Sprintf("%s lost %s", p.link, p.target)
		if others.silent != nil {
			why = fmt.Sprintf("%s lost %s", p.link, all(len(others.silent)+1, "target"))
		}
		if links.answered != nil {
			why += fmt.Sprintf(", while %s reached %s", some(links.answered, byLink), p.target)
		}
		if hop == unmeasured {
			why += "; its first hop is not probed, so the way to it is not excluded"
		}
		return judgment{cause: cause{blame: BlameLink, link: p.link}, why: why + beyond(hop)}
	case others.answered == nil: // all targets over this link, and all links to this target
		return e.compareAll(p, s, hop)
	case links.answered != nil && others.silent == nil:
		return judgment{cause: cause{BlamePath, p.link, p.target},
			why: fmt.Sprintf("%s lost %s, but not %s; and %s reached %s", p.link, p.target, some(others.answered, byTarget), some(links.answered, byLink), p.target)}
	}
	return judgment{cause: cause{BlameUnknown, p.link, p.target},
		why: fmt.Sprintf("%s lost %d of %s, and %d of %s lost %s", p.link, len(others.silent)+1, count(others.measured()+1, "target"),
			len(links.silent)+1, count(links.measured()+1, "link"), p.target)}
}

// compareFirstHop judges the silence of a first hop.
func (e *evidence) compareFirstHop(p path, targets tally) judgment {
	if targets.answered != nil {
		return judgment{cause: cause{BlameTarget, p.link, p.target},
			why: fmt.Sprintf("the first hop of %s did not answer, while %s did beyond it", p.link, some(targets.answered, byTarget))}
	}
	return judgment{cause: cause{blame: BlameLAN}, why: fmt.Sprintf("the first hop of %s did not answer", p.link)}
}

// compareAll judges a silence of all targets over p's link and of all links to p's
// target.
func (e *evidence) compareAll(p path, s span, hop fate) judgment {
	if everything := e.count(s, func(o path) bool { return o.target != FirstHop }); everything.answered != nil {
		return judgment{cause: cause{blame: BlameLink, link: p.link},
			why: fmt.Sprintf("%s reached no target; and %s was lost over every link, so two things failed at once", p.link, p.target)}
	}
	if hop == answered {
		return judgment{cause: cause{blame: BlameUnknown}, why: "no link reached any target, though first hops answered: something beyond them that all links share"}
	}
	return judgment{cause: cause{blame: BlameUnknown}, why: "no link reached any target: the LAN, the power or the machine; a first_hop for each link would tell"}
}

// firstHop tells how the first hop of link did, by whatever IP version.
func (e *evidence) firstHop(link LinkID, s span) fate {
	t := e.count(s, func(o path) bool { return o.link == link && o.target == FirstHop })
	switch {
	case t.answered != nil:
		return answered
	case t.silent != nil:
		return silent
	}
	return unmeasured
}

// beyond says what an answering first hop excludes.
func beyond(hop fate) string {
	if hop == answered {
		return "; the first hop answered"
	}
	return ""
}

// all says "all 3 links", or "the one link".
func all(n int, noun string) string {
	if n == 1 {
		return "the one " + noun
	}
	return fmt.Sprintf("all %d %ss", n, noun)
}

// count says "1 link", "2 links".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func byLink(p path) (name, noun string)   { return string(p.link), "link" }
func byTarget(p path) (name, noun string) { return string(p.target), "target" }

// some names paths by what tells them apart, or counts them if they are many.
func some(paths []path, by func(path) (name, noun string)) string {
	set, noun := map[string]bool{}, ""
	for _, p := range paths {
		var name string
		name, noun = by(p)
		set[name] = true
	}
	names := sorted(set)
	switch n := len(names); {
	case n > 3:
		return count(n, "other "+noun)
	case n == 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// sorted returns the keys of a set in order.
func sorted[T ~string](set map[T]bool) []T { return slices.Sorted(maps.Keys(set)) }
