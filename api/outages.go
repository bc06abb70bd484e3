package api

import (
	"time"

	"perigee"
)

// Outage is a time in which a stream had no answered probe.
type Outage struct {
	Site string `json:"site"`
	Link string `json:"link"`
	StreamName
	Start           time.Time  `json:"start" doc:"When the first unanswered probe was sent."`
	End             *time.Time `json:"end" doc:"When the next answered probe was sent; null while it lasts."`
	Open            bool       `json:"open" doc:"Whether it still lasted when last heard of."`
	DurationSeconds float64    `json:"duration_seconds" doc:"While open, up to the last unanswered probe known."`
	Probes          int64      `json:"probes" doc:"Unanswered probes."`
	Reason          string     `json:"reason" doc:"What the system said, or \"no replies\"."`
}

// NewOutage returns the wire form of an outage.
func NewOutage(o perigee.Outage) Outage {
	return Outage{
		Site: o.Stream.Site, Link: string(o.Stream.Link), StreamName: newStreamName(o.Stream),
		Start: o.Start.UTC(), End: defined(o.End.UTC(), !o.Open), Open: o.Open,
		DurationSeconds: seconds(o.End.Sub(o.Start).Seconds()), Probes: o.Probes, Reason: o.Reason,
	}
}

// Gap is a time in which the monitor itself was not measuring. It says nothing of the
// link.
type Gap struct {
	Site            string    `json:"site"`
	Link            *string   `json:"link" doc:"Null: all links."`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	DurationSeconds float64   `json:"duration_seconds"`
	Reason          string    `json:"reason" enum:"stopped,crashed,suspended,stalled,clock_step"`
	Detail          string    `json:"detail"`
}

// NewGap returns the wire form of a gap.
func NewGap(g perigee.Gap) Gap {
	return Gap{
		Site: g.Site, Link: defined(string(g.Link), g.Link != ""), Start: g.Start.UTC(), End: g.End.UTC(),
		DurationSeconds: seconds(g.End.Sub(g.Start).Seconds()), Reason: string(g.Reason), Detail: g.Detail,
	}
}
