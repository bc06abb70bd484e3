package api

import (
	"context"
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

	// Of the disruption that it is part of.
	Class           *string    `json:"class" doc:"What the disruption looked like that it is part of: monitor, local, scheduled_gap, slot_edge, short, long. Null while that is not judged: in live events."`
	Blame           *string    `json:"blame" doc:"What failed: target, link, lan, local, path, monitor, unknown. Null as class."`
	Why             *string    `json:"why" doc:"The evidence, in a sentence. Null as class."`
	DisruptionStart *time.Time `json:"disruption_start" doc:"When that disruption began: outages of one blame with the same are one. Null as class."`
	Maker
}

// NewOutage returns the wire form of an outage that is not judged yet.
func NewOutage(o perigee.Outage) Outage {
	return Outage{
		Site: o.Stream.Site, Link: string(o.Stream.Link), StreamName: newStreamName(o.Stream),
		Start: o.Start.UTC(), End: defined(o.End.UTC(), !o.Open), Open: o.Open,
		DurationSeconds: seconds(o.End.Sub(o.Start).Seconds()), Probes: o.Probes, Reason: o.Reason,
	}
}

// outageName names an outage.
type outageName struct {
	stream perigee.Stream
	start  time.Time
}

func nameOf(o perigee.Outage) outageName { return outageName{o.Stream, o.Start.UTC()} }

// NewOutages returns the wire form of outages, with what the disruptions that they are
// part of say of them, and what measured them.
func NewOutages(outages []perigee.Outage, disruptions []perigee.Disruption, made []perigee.Provenance) []Outage {
	of := map[outageName]*perigee.Disruption{}
	for i := range disruptions {
		for _, o := range disruptions[i].Outages {
			of[nameOf(o)] = &disruptions[i]
		}
	}
	list := make([]Outage, 0, len(outages))
	for _, o := range outages {
		one := NewOutage(o)
		one.Maker = makerOf(made, o.Stream.Site, o.Stream.Link, o.Start)
		if d := of[nameOf(o)]; d != nil {
			class, blame, start := string(d.Class), string(d.Blame), d.Start.UTC()
			one.Class, one.Blame, one.Why, one.DisruptionStart = &class, &blame, &d.Why, &start
		}
		list = append(list, one)
	}
	return list
}

type outagesInput struct {
	Link string `query:"link" doc:"Name of the link; all if absent."`
	StreamParams
	RangeParams
}

type outagesOutput struct {
	Body []Outage `nullable:"false"`
}

func (s *server) outages(ctx context.Context, in *outagesInput) (*outagesOutput, error) {
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	q, err := in.StreamParams.query(from, to, linkList(in.Link)...)
	if err != nil {
		return nil, err
	}
	if err := s.checkLinks(ctx, in.Site, "link", q.Links); err != nil {
		return nil, err
	}
	outages, err := s.store.Outages(ctx, q)
	if err != nil || len(outages) == 0 {
		return &outagesOutput{Body: []Outage{}}, err
	}
	disruptions, err := perigee.Disruptions(ctx, s.store, perigee.DisruptionQuery{Site: in.Site, Links: q.Links, From: from, To: to})
	if err != nil && perigee.CodeOf(err) != perigee.CodeInvalid {
		return nil, err
	} // of too many sites to judge each, outages are told as they are
	made, err := s.made(ctx, in.Site, time.Time{}, to, q.Links...) // one may have begun before
	if err != nil {
		return nil, err
	}
	return &outagesOutput{Body: NewOutages(outages, disruptions, made)}, nil
}
