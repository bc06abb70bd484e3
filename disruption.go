package perigee

import (
	"context"
	"slices"
	"time"
)

// DisruptionClass says what a disruption looked like.
type DisruptionClass string

// The classes, in the order in which they are tried: the first that fits is taken.
const (
	ClassMonitor   DisruptionClass = "monitor"       // an artefact of the monitor: beside a gap, or its prober failed
	ClassLocal     DisruptionClass = "local"         // the system refused to send: interface down, no route
	ClassScheduled DisruptionClass = "scheduled_gap" // at the same time of day on several days
	ClassSlotEdge  DisruptionClass = "slot_edge"     // brief, where Starlink's slots meet
	ClassShort     DisruptionClass = "short"         // below LongDisruption
	ClassLong      DisruptionClass = "long"
)

// DisruptionClasses lists every class in the order of the constants.
var DisruptionClasses = []DisruptionClass{ClassMonitor, ClassLocal, ClassScheduled, ClassSlotEdge, ClassShort, ClassLong}

// LongDisruption is from when on a disruption is long: ITU-T G.826 calls a path
// unavailable after ten consecutive severely errored seconds.
const LongDisruption = 10 * time.Second

// Blame says what failed, as far as the other links and targets tell.
type Blame string

// Those that can be blamed. BlameLink, BlameLAN, BlameLocal and BlameUnknown are charged
// to the link, see Charged.
const (
	BlameTarget  Blame = "target"  // it did not answer over any link
	BlameLink    Blame = "link"    // beyond its first hop, where that is probed
	BlameLAN     Blame = "lan"     // the link's first hop did not answer either
	BlameLocal   Blame = "local"   // the monitor's own machine could not send
	BlamePath    Blame = "path"    // a part of what goes over the link: one target, or one IP version
	BlameMonitor Blame = "monitor" // nothing is known to have failed but the monitor
	BlameUnknown Blame = "unknown" // there is nothing to tell by
)

// Blames lists everything that can be blamed, in the order of the constants.
var Blames = []Blame{BlameTarget, BlameLink, BlameLAN, BlameLocal, BlamePath, BlameMonitor, BlameUnknown}

// Charged reports whether what b is blamed for makes a link unavailable. A target that
// is down, a way to one target of several, and the monitor do not.
func (b Blame) Charged() bool {
	switch b {
	case BlameTarget, BlamePath, BlameMonitor:
		return false
	}
	return true
}

// Disruption is outages of one cause: those that overlap in time, or are less than a
// second apart, for which the same is to blame.
type Disruption struct {
	Site  string
	Start time.Time
	End   time.Time // while Open, or if the monitor ended before it, the last unanswered probe known
	Open  bool

	Class DisruptionClass
	Blame Blame
	Why   string // a sentence that gives the evidence

	Links   []LinkID   // that were hit, by name
	Targets []TargetID // that were not heard over them, by name
	Probes  int64      // unanswered
	Outages []Outage   // what was merged, by start, then stream
}

// Duration returns the time from start to end, gaps included.
func (d Disruption) Duration() time.Duration { return d.End.Sub(d.Start) }

// DisruptionQuery asks what went wrong. Zero fields select all.
type DisruptionQuery struct {
	Site  string
	Links []LinkID // disruptions that hit one of them

	// From and To bound the range; disruptions that overlap it are selected.
	From, To time.Time

	// Location tells the time of day, at which scheduled gaps return; UTC if nil.
	Location *time.Location

	LeapSeconds int // of Starlink's slots; LeapSeconds if 0
}

// Disruptions merges the outages of a range by cause, and says of each what it looked
// like and what is to blame, ordered by start. docs/metrics.md has the rules.
//
// The evidence is outages up to two weeks around the range, to see what returns, and
// within it gaps, rollups of what was measured, and windows around short outages. It fails with
// CodeNotFound for an unknown link, and with CodeInvalid if more than mostSites sites
// have outages.
func Disruptions(ctx context.Context, store Store, q DisruptionQuery) ([]Disruption, error) {
	known, err := findLinks(ctx, store, q.Site, q.Links)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	if q.From, q.To, err = resolveRange(q.From, q.To, known); err != nil {
		return nil, err
	}
	if q.Location == nil {
		q.Location = time.UTC
	}
	e, err := gather(ctx, store, q)
	if err != nil {
		return nil, err
	}
	var selected []Disruption
	for _, site := range e {
		for _, d := range site.disruptions(q) {
			if d.Start.Before(q.To) && (d.End.After(q.From) || !d.Start.Before(q.From)) && d.hits(q.Links) {
				selected = append(selected, d)
			}
		}
	}
	slices.SortStableFunc(selected, func(a, b Disruption) int { return a.Start.Compare(b.Start) })
	return selected, nil
}

// hits reports whether d hit one of links; any if there are none.
func (d Disruption) hits(links []LinkID) bool {
	return len(links) == 0 || slices.ContainsFunc(d.Links, func(l LinkID) bool { return slices.Contains(links, l) })
}
