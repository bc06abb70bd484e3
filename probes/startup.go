package probes

import (
	"time"

	"perigee"
)

// StartupGaps returns the gaps between the previous life of the monitor and now, one
// for each link that was measured: from the end of its last sample. links are those
// that are measured now. The reason is stopped if the previous run ended properly, else
// crashed.
//
// A link that was never measured has no gap. That of a link which the previous run did
// not measure begins when that run started: what was before was told then. There is no
// gap either if the clock now shows an earlier time than its start.
func StartupGaps(previous perigee.Run, links []perigee.LinkRecord, now time.Time) []perigee.Gap {
	if previous.ID == 0 {
		return nil
	}
	reason, detail := perigee.GapCrashed, "the monitor ended without a word"
	if !previous.Ended.IsZero() {
		reason, detail = perigee.GapStopped, "the monitor was stopped"
	}
	var gaps []perigee.Gap
	for _, l := range links {
		if l.Last.IsZero() {
			continue
		}
		start := l.Last
		if previous.Started.After(start) {
			start = previous.Started
		}
		if !start.Before(now) {
			continue
		}
		gaps = append(gaps, perigee.Gap{
			Site: l.Site.Name, Link: l.Link.ID, Start: start, End: now, Reason: reason, Detail: detail,
		})
	}
	return gaps
}
