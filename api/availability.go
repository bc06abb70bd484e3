package api

import (
	"context"
	"time"

	"perigee"
)

// AvailabilityResponse answers /availability, and is what perigee outages --json prints
// as availability.
type AvailabilityResponse struct {
	From     time.Time          `json:"from"`
	To       time.Time          `json:"to"`
	By       string             `json:"by" enum:"day,month"`
	Timezone string             `json:"timezone" doc:"In which days and months begin."`
	Links    []LinkAvailability `json:"links" nullable:"false"`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// LinkAvailability is how often and how long a link failed.
type LinkAvailability struct {
	Site    string        `json:"site"`
	Link    string        `json:"link"`
	Orbit   *string       `json:"orbit" doc:"Null if the link was never described."`
	Total   Reliability   `json:"total"`
	Periods []Reliability `json:"periods" nullable:"false" doc:"Days or months in which it was measured, in order."`
}

// Reliability is how a link did in one period. A disruption counts where it begins; its
// time counts where it lies.
type Reliability struct {
	From             time.Time    `json:"from"`
	To               time.Time    `json:"to"`
	PlannedSeconds   float64      `json:"planned_seconds" doc:"How long the link was meant to be measured; gaps are no part of it."`
	DownSeconds      float64      `json:"down_seconds" doc:"How much of that lay in disruptions charged to the link."`
	Availability     *float64     `json:"availability" doc:"1 - down/planned; null if nothing was planned."`
	Failures         int          `json:"failures" doc:"Disruptions charged to the link: blamed on link, lan, local or unknown."`
	LongestSeconds   *float64     `json:"longest_seconds" doc:"The longest of them; null without any."`
	MTBFSeconds      *float64     `json:"mtbf_seconds" doc:"Mean time between failures: time up over failures; null without any."`
	MTBFAboveSeconds *float64     `json:"mtbf_above_seconds" doc:"Without failures the time up, which the mean time between them is more than; else, and if nothing was planned, null."`
	MTTRSeconds      *float64     `json:"mttr_seconds" doc:"Mean time to repair: time down over failures; null without any."`
	Classes          []ClassShare `json:"classes" nullable:"false" doc:"The failures by what they looked like."`
	Blamed           []BlameShare `json:"blamed" nullable:"false" doc:"The failures by what was to blame."`
	Excused          []BlameShare `json:"excused" nullable:"false" doc:"Disruptions not charged to the link: a target, a path to one of several, or the monitor."`
	ShortLosses      int64        `json:"short_losses" doc:"Loss periods too short to be outages, single lost probes among them, at the target measured most."`
}

// ClassShare are failures of one class.
type ClassShare struct {
	Class       string  `json:"class"`
	Count       int     `json:"count"`
	DownSeconds float64 `json:"down_seconds"`
}

// BlameShare are disruptions with one to blame.
type BlameShare struct {
	Blame       string  `json:"blame"`
	Count       int     `json:"count"`
	DownSeconds float64 `json:"down_seconds"`
}

// NewAvailabilityResponse returns the wire form of list, which answers q.
func NewAvailabilityResponse(q perigee.ReliabilityQuery, list []perigee.LinkReliability, made []perigee.Provenance) AvailabilityResponse {
	if len(list) > 0 { // as far as q was open, completed
		q.From, q.To = list[0].Total.From, list[0].Total.To
	}
	r := AvailabilityResponse{Provenance: NewProvenance(made), From: q.From.UTC(), To: q.To.UTC(), By: string(q.By), Timezone: q.Location.String(), Links: make([]LinkAvailability, 0, len(list))}
	for _, l := range list {
		orbit := string(l.Link.Link.Orbit)
		link := LinkAvailability{
			Site: l.Link.Site.Name, Link: string(l.Link.Link.ID), Orbit: defined(orbit, orbit != ""),
			Total: newReliability(l.Total), Periods: make([]Reliability, 0, len(l.Periods)),
		}
		for _, p := range l.Periods {
			link.Periods = append(link.Periods, newReliability(p))
		}
		r.Links = append(r.Links, link)
	}
	return r
}

func newReliability(r perigee.Reliability) Reliability {
	available, availableDefined := r.Availability()
	mtbf, mtbfDefined := r.MTBF()
	mttr, mttrDefined := r.MTTR()
	wire := Reliability{
		From: r.From.UTC(), To: r.To.UTC(), PlannedSeconds: seconds(r.Planned.Seconds()), DownSeconds: seconds(r.Down.Seconds()),
		Availability: maybeSeconds(available, availableDefined), Failures: r.Failures,
		LongestSeconds: maybeSeconds(r.Longest.Seconds(), r.Failures > 0),
		MTBFSeconds:    maybeSeconds(mtbf.Seconds(), mtbfDefined), MTBFAboveSeconds: maybeSeconds(mtbf.Seconds(), !mtbfDefined && r.Planned > 0),
		MTTRSeconds: maybeSeconds(mttr.Seconds(), mttrDefined),
		Classes:     []ClassShare{}, Blamed: newBlameShares(r.Blamed), Excused: newBlameShares(r.Excused), ShortLosses: r.ShortLosses,
	}
	for _, class := range perigee.DisruptionClasses {
		if s, ok := r.Classes[class]; ok {
			wire.Classes = append(wire.Classes, ClassShare{string(class), s.Count, seconds(s.Down.Seconds())})
		}
	}
	return wire
}

func newBlameShares(shares map[perigee.Blame]perigee.Share) []BlameShare {
	list := []BlameShare{}
	for _, blame := range perigee.Blames {
		if s, ok := shares[blame]; ok {
			list = append(list, BlameShare{string(blame), s.Count, seconds(s.Down.Seconds())})
		}
	}
	return list
}

type availabilityInput struct {
	Link        string `query:"link" doc:"Name of the link; all if absent."`
	Site        string `query:"site" doc:"Name of the site; all if absent."`
	By          string `query:"by" enum:"day,month" default:"day" doc:"What each period is."`
	Timezone    string `query:"timezone" example:"Australia/Sydney" doc:"IANA time zone in which days and months begin; UTC if absent."`
	LeapSeconds string `query:"leap_seconds" example:"18" doc:"Seconds by which GPS time is ahead of UTC, 1 to 60; 18 if absent."`
	RangeParams
}

type availabilityOutput struct {
	Body AvailabilityResponse
}

// maxAvailability bounds the periods of an answer: ten years by day.
const maxAvailability = 3660 * 24 * time.Hour

func (s *server) availability(ctx context.Context, in *availabilityInput) (*availabilityOutput, error) {
	if err := oneOf("by", in.By, string(perigee.ByDay), string(perigee.ByMonth)); err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	if to.Sub(from) > maxAvailability {
		return nil, badParameter("from", "from: the range is longer than ten years", "Ask for a shorter range.")
	}
	leap, err := parseLeapSeconds(in.LeapSeconds)
	if err != nil {
		return nil, err
	}
	location, err := parseTimezone(in.Timezone)
	if err != nil {
		return nil, err
	}
	q := perigee.ReliabilityQuery{Site: in.Site, Links: linkList(in.Link), From: from, To: to, By: perigee.CalendarUnit(in.By), Location: location, LeapSeconds: leap}
	if q.By == "" {
		q.By = perigee.ByDay
	}
	if err := s.checkLinks(ctx, in.Site, "link", q.Links); err != nil {
		return nil, err
	}
	list, err := perigee.ReliabilityOf(ctx, s.store, q)
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, in.Site, from, to, q.Links...)
	if err != nil {
		return nil, err
	}
	return &availabilityOutput{NewAvailabilityResponse(q, list, made)}, nil
}
