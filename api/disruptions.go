package api

import (
	"context"
	"fmt"
	"time"

	"perigee"
)

// Disruption is outages of one cause that overlap in time.
type Disruption struct {
	Site            string     `json:"site"`
	Start           time.Time  `json:"start"`
	End             *time.Time `json:"end" doc:"Null while it lasts."`
	Open            bool       `json:"open" doc:"Whether it still lasted when last heard of."`
	DurationSeconds float64    `json:"duration_seconds" doc:"While open, up to the last unanswered probe known."`
	Class           string     `json:"class" enum:"monitor,local,scheduled_gap,slot_edge,short,long" doc:"What it looked like; short is below 10 s."`
	Blame           string     `json:"blame" enum:"target,link,lan,local,path,monitor,unknown" doc:"What failed, as far as the other links and targets tell."`
	Why             string     `json:"why" doc:"The evidence, in a sentence."`
	Links           []string   `json:"links" nullable:"false" doc:"That were hit."`
	Targets         []string   `json:"targets" nullable:"false" doc:"That were not heard over them."`
	Probes          int64      `json:"probes" doc:"Unanswered probes."`
	Outages         int        `json:"outages" doc:"How many outages of streams were merged."`
	Maker
}

// NewDisruption returns the wire form of a disruption.
func NewDisruption(d perigee.Disruption) Disruption {
	return Disruption{
		Site: d.Site, Start: d.Start.UTC(), End: defined(d.End.UTC(), !d.Open), Open: d.Open, DurationSeconds: seconds(d.Duration().Seconds()),
		Class: string(d.Class), Blame: string(d.Blame), Why: d.Why, Links: texts(d.Links), Targets: texts(d.Targets), Probes: d.Probes, Outages: len(d.Outages),
	}
}

// NewDisruptions returns the wire form of a list, with what measured each on the first of
// its links.
func NewDisruptions(list []perigee.Disruption, made []perigee.Provenance) []Disruption {
	wire := make([]Disruption, 0, len(list))
	for _, d := range list {
		one := NewDisruption(d)
		if len(d.Links) > 0 {
			one.Maker = makerOf(made, d.Site, d.Links[0], d.Start)
		}
		wire = append(wire, one)
	}
	return wire
}

func texts[T ~string](names []T) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = string(n)
	}
	return list
}

type disruptionsInput struct {
	Link        string `query:"link" doc:"Name of a link that was hit; any if absent."`
	Site        string `query:"site" doc:"Name of the site; all if absent, 64 with outages at most."`
	Timezone    string `query:"timezone" example:"Australia/Sydney" doc:"IANA time zone of the time of day at which scheduled gaps return; UTC if absent."`
	LeapSeconds string `query:"leap_seconds" example:"18" doc:"Seconds by which GPS time is ahead of UTC, 1 to 60; 18 if absent."`
	RangeParams
	Limit string `query:"limit" example:"20" doc:"Only so many, 1 to 1000, the newest of the range; all if absent."`
}

// maxDisruptions is the largest limit.
const maxDisruptions = 1000

type disruptionsOutput struct {
	Body []Disruption `nullable:"false"`
}

func (s *server) disruptions(ctx context.Context, in *disruptionsInput) (*disruptionsOutput, error) {
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	leap, err := parseLeapSeconds(in.LeapSeconds)
	if err != nil {
		return nil, err
	}
	location, err := parseTimezone(in.Timezone)
	if err != nil {
		return nil, err
	}
	limit, err := parseLimit(in.Limit, maxDisruptions)
	if err != nil {
		return nil, err
	}
	links := linkList(in.Link)
	if err := s.checkLinks(ctx, in.Site, "link", links); err != nil {
		return nil, err
	}
	list, err := perigee.Disruptions(ctx, s.store, perigee.DisruptionQuery{Site: in.Site, Links: links, From: from, To: to, Location: location, LeapSeconds: leap})
	if err != nil {
		return nil, err
	}
	if in.Limit != "" {
		list = list[max(0, len(list)-limit):]
	}
	made, err := s.made(ctx, in.Site, time.Time{}, to) // one may have begun before
	if err != nil {
		return nil, err
	}
	return &disruptionsOutput{NewDisruptions(list, made)}, nil
}

// parseTimezone reads an IANA time zone; UTC if absent. "Local" is refused: whose would
// that be?
func parseTimezone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, badParameter("timezone", fmt.Sprintf("timezone: %q is no time zone", name), "Write an IANA name like Australia/Sydney, or leave it out for UTC.")
	}
	return location, nil
}

// OutageReport is what perigee outages --json prints.
type OutageReport struct {
	Disruptions  []Disruption         `json:"disruptions"`
	Availability AvailabilityResponse `json:"availability"`
}
