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
// the gap's: a machine that wakes or starts has no network at first.
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
		v := e.compare(p, s)
		if o.Stream.Load == LoadDown || o.Stream.Load == LoadUp {
			v.why += "; a transfer of the monitor's own ran over " + string(p.link)
		}
		return v
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
			return blame("most of it lies in a gap of the monitor (%s): what else happened then is not known", g.Reason)
		}
		if g.Reason == GapClockStep || g.Reason == GapStalled || g.Reason == GapStoreDamaged {
			continue // the network was there all the time
		}
		since := s.from.Sub(g.End)
		if since > -gapTouch && since <= gapTouch && length < LongDisruption && !e.silentBefore(pathOf(o.Stream), g, s.from) {
			return blame("it began as the monitor did after a gap (%s), and was over within %s", g.Reason, LongDisruption)
		}
	}
	return judgment{}, false
}

// silentBefore reports whether p is known to have been silent when a gap began or in it,
// before start: what begins as it ends may be the same failure still. A gap after a crash
// begins with what was not stored any more; an outage may have been.
func (e *evidence) silentBefore(p path, g Gap, start time.Time) bool {
	return e.silent[p].within(span{g.Start.Add(-gapTouch), earlier(g.End, start)}) > 0
}

// scene is how other paths did during the silence of one.
type scene struct {
	path
	targets tally  // others over the same link by the same IP version, or silent ones by the other if there are none
	links   tally  // others to the same target by it
	version []path // those over the same link that answered by the other IP version, if none did by this
	hop     fate   // of the link's first hop
}

// scene looks at the paths around p in s.
func (e *evidence) scene(p path, s span) scene {
	around := func(selected func(path) bool) tally {
		return e.count(s, func(o path) bool { return o != p && o.target != FirstHop && selected(o) })
	}
	c := scene{
		path:    p,
		targets: around(func(o path) bool { return o.link == p.link && o.family == p.family }),
		links:   around(func(o path) bool { return o.target == p.target && o.family == p.family }),
		hop:     e.firstHop(p.link, s),
	}
	if other := around(func(o path) bool { return o.link == p.link && o.family != p.family }); c.targets.answered == nil {
		c.version = other.answered
		if c.targets.measured() == 0 && other.answered == nil {
			c.targets = other // silence by the other version is better evidence than none
		}
	}
	return c
}

// compare says by the fates of the other paths who is to blame for the silence of p in s.
func (e *evidence) compare(p path, s span) judgment {
	c := e.scene(p, s)
	noLinkBut := c.links.answered != nil || c.links.measured() == 0
	switch {
	case p.target == FirstHop:
		return c.firstHopLost()
	case 2*e.measured[p].within(s) < s.to.Sub(s.from) && !s.to.Before(e.last[p.link]):
		return c.unknown("it is too early to tell: what others did at the time is stored when the fate of their probes is decided")
	case c.hop == silent:
		return judgment{cause: cause{blame: BlameLAN}, why: fmt.Sprintf("the first hop of %s did not answer either", p.link)}
	case c.targets.measured() == 0 && c.links.measured() == 0 && c.version == nil:
		return c.unknown("one link and one target were measured, so %s cannot be told from %s%s", p.link, p.target, beyond(c.hop))
	case c.targets.silent == nil && c.links.answered == nil && c.targets.measured()+c.links.measured() > 0:
		return c.targetLost()
	case c.version != nil && noLinkBut:
		return judgment{cause: cause{blame: BlamePath, link: p.link},
			why: fmt.Sprintf("%s lost %s by %s, and reached %s by the other IP version", p.link, p.target, versions[p.family], some(c.version, byTarget))}
	case c.targets.answered == nil && noLinkBut:
		return c.linkLost()
	case c.targets.answered == nil:
		return e.bothLost(c, s)
	case c.targets.silent == nil:
		return judgment{cause: cause{BlamePath, p.link, p.target},
			why: fmt.Sprintf("%s lost %s, but not %s; and %s reached %s", p.link, p.target, some(c.targets.answered, byTarget), some(c.links.answered, byLink), p.target)}
	}
	return c.unknown("%s lost %d of %s, and %d of %s lost %s", p.link, len(c.targets.silent)+1, count(c.targets.measured()+1, "target"),
		len(c.links.silent)+1, count(c.links.measured()+1, "link"), p.target)
}

var versions = map[Family]string{IPv4: "IPv4", IPv6: "IPv6"}

// unknown blames nobody.
func (c scene) unknown(format string, args ...any) judgment {
	return judgment{cause: cause{BlameUnknown, c.link, c.target}, why: fmt.Sprintf(format, args...)}
}

// targetLost judges a target that was lost over all links, or over the only one, while
// others were not.
func (c scene) targetLost() judgment {
	why := fmt.Sprintf("%s lost %s", all(len(c.links.silent)+1, "link"), c.target)
	if c.targets.answered != nil {
		why += fmt.Sprintf(", while %s answered over %s", some(c.targets.answered, byTarget), c.link)
	} else {
		why += "; no other target was measured, so what all links share is not excluded" + beyond(c.hop)
	}
	return judgment{cause: cause{blame: BlameTarget, target: c.target}, why: why}
}

// linkLost judges a link over which all targets were lost, while others reached them or
// were not measured.
func (c scene) linkLost() judgment {
	why := fmt.Sprintf("%s lost %s", c.link, c.target)
	if c.targets.silent != nil {
		why = fmt.Sprintf("%s lost %s", c.link, all(len(c.targets.silent)+1, "target"))
	}
	if c.links.answered != nil {
		why += fmt.Sprintf(", while %s reached %s", some(c.links.answered, byLink), c.target)
	}
	if c.hop == unmeasured {
		why += "; its first hop is not probed, so the way to it is not excluded"
	}
	return judgment{cause: cause{blame: BlameLink, link: c.link}, why: why + beyond(c.hop)}
}

// bothLost judges a silence of all targets over a link and of all links to a target.
func (e *evidence) bothLost(c scene, s span) judgment {
	everything := e.count(s, func(o path) bool { return o.target != FirstHop })
	switch {
	case everything.answered != nil:
		return judgment{cause: cause{blame: BlameLink, link: c.link},
			why: fmt.Sprintf("%s reached no target; and %s was lost over every link, so two things failed at once", c.link, c.target)}
	case c.hop == answered:
		return judgment{cause: cause{blame: BlameUnknown}, why: "no link reached any target, though first hops answered: something beyond them that all links share"}
	}
	return judgment{cause: cause{blame: BlameUnknown}, why: "no link reached any target: the LAN, the power or the machine; a first_hop for each link would tell"}
}

// firstHopLost judges the silence of a first hop.
func (c scene) firstHopLost() judgment {
	if heard := append(c.targets.answered, c.version...); heard != nil {
		return judgment{cause: cause{BlameTarget, c.link, c.target},
			why: fmt.Sprintf("the first hop of %s did not answer, while %s did beyond it", c.link, some(heard, byTarget))}
	}
	return judgment{cause: cause{blame: BlameLAN}, why: fmt.Sprintf("the first hop of %s did not answer", c.link)}
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
