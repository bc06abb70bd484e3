package perigee

import (
	"fmt"
	"time"

	"perigee/stats"
)

const (
	// mostSlotEdge is how long a disruption where slots meet may last: outages
	// there take 0.3 to 1.1 s, and each end is known to one probe interval, 200 ms
	// by default and up to half a second here.
	mostSlotEdge = 2 * time.Second

	// nearEdge is how near to where slots meet one must begin. By chance 2 of 15
	// do.
	nearEdge = time.Second
)

// classOf classes a disruption by its time, and completes its blame and why. longest is
// the longest of its outages, days those of all streams.
func (e *evidence) classOf(d *Disruption, longest Outage, days map[Stream][]appointment, q DisruptionQuery) DisruptionClass {
	if r, ok := recurs(appointmentOf(longest, q.Location), days[longest.Stream], q.Location); ok {
		d.Why = r + "; " + d.Why
		return ClassScheduled
	}
	if off, ok := e.atSlotEdge(*d, q.LeapSeconds); ok {
		if d.Blame == BlameUnknown {
			d.Blame = BlameLink
		}
		side := "after"
		if off < 0 {
			side = "before"
		}
		d.Why = fmt.Sprintf("it began %.2f s %s Starlink's slots met (one in seven does by chance); %s", off.Abs().Seconds(), side, d.Why)
		return ClassSlotEdge
	}
	if d.Duration() < LongDisruption {
		return ClassShort
	}
	return ClassLong
}

// atSlotEdge returns how far from an edge of Starlink's slots d began, negative before
// it. It reports false if d is not of a Starlink link, or does not look like a change of
// satellites.
func (e *evidence) atSlotEdge(d Disruption, leap int) (time.Duration, bool) {
	if d.Blame != BlameLink && d.Blame != BlameUnknown || len(d.Links) != 1 || e.orbits[d.Links[0]] != OrbitStarlink || d.Duration() > mostSlotEdge {
		return 0, false
	}
	if leap == 0 {
		leap = LeapSeconds
	}
	period := time.Duration(stats.StarlinkGrid(leap).Period) * time.Second
	gps := d.Start.Add(time.Duration(leap) * time.Second)
	off := gps.Sub(floorTime(gps, period))
	if off > period/2 {
		off -= period
	}
	return off, off.Abs() <= nearEdge
}
