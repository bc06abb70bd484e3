package api

import (
	"context"
	"time"

	"perigee"
)

// TargetSummary is what one stream did over a range.
type TargetSummary struct {
	StreamName
	Statistics
	Availability *float64 `json:"availability" doc:"1 minus the share of planned time inside outages; null if nothing was planned."`
}

// NewTargetSummary returns the wire form of a summary.
func NewTargetSummary(s perigee.Summary) TargetSummary {
	return TargetSummary{
		StreamName: newStreamName(s.Sample.Stream), Statistics: newStatistics(s.Sample),
		Availability: defined(s.Availability, s.AvailabilityDefined),
	}
}

// SummaryResponse answers /links/{link}/summary.
type SummaryResponse struct {
	Link         string          `json:"link"`
	Site         string          `json:"site"`
	Orbit        *string         `json:"orbit" doc:"Kind of path; null if the link was never described."`
	From         time.Time       `json:"from"`
	To           time.Time       `json:"to"`
	FloorSeconds *float64        `json:"floor_seconds" doc:"Least round-trip time that physics allows; null for orbits without a stated altitude."`
	Targets      []TargetSummary `json:"targets" nullable:"false" doc:"One for each stream measured in the range."`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// NewSummaryResponse returns the summaries of one link over [from, to).
func NewSummaryResponse(link perigee.LinkRecord, from, to time.Time, summaries []perigee.Summary, made []perigee.Provenance) SummaryResponse {
	r := SummaryResponse{
		Provenance: NewProvenance(made),
		Link:       string(link.Link.ID), Site: link.Site.Name, Orbit: maybeOrbit(link.Link.Orbit), From: from.UTC(), To: to.UTC(),
		FloorSeconds: maybeSeconds(perigee.Floor(link.Link, link.Site)),
		Targets:      make([]TargetSummary, 0, len(summaries)),
	}
	for _, s := range summaries {
		r.Targets = append(r.Targets, NewTargetSummary(s))
	}
	return r
}

func maybeOrbit(o perigee.Orbit) *string { return defined(string(o), o != "") }

type summaryInput struct {
	Link string `path:"link" doc:"Name of the link, percent-encoded."`
	Site string `query:"site" doc:"Name of the site; needed only if several have a link of this name."`
	RangeParams
	Target string `query:"target" doc:"Name of the target; all if absent."`
	Family string `query:"family" enum:"ipv4,ipv6" doc:"IP version; both if absent."`
	Load   string `query:"load" enum:"idle,down,up" doc:"Whether the link carried a transfer of the monitor's own; each if absent."`
}

type summaryOutput struct {
	Body SummaryResponse
}

func (s *server) summary(ctx context.Context, in *summaryInput) (*summaryOutput, error) {
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	record, err := s.findLink(ctx, in.Site, in.Link)
	if err != nil {
		return nil, err
	}
	q, err := StreamParams{Site: record.Site.Name, Target: in.Target, Family: in.Family, Load: in.Load}.query(from, to, record.Link.ID)
	if err != nil {
		return nil, err
	}
	summaries, err := perigee.Summarize(ctx, s.store, q)
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, record.Site.Name, from, to, record.Link.ID)
	if err != nil {
		return nil, err
	}
	return &summaryOutput{NewSummaryResponse(record, from, to, summaries, made)}, nil
}
