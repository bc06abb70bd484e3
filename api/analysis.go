package api

import (
	"context"
	"fmt"
	"slices"

	"perigee"
)

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
	return &summaryOutput{NewSummaryResponse(record, from, to, summaries)}, nil
}

type compareInput struct {
	Links  string `query:"links" example:"starlink,geo" doc:"Names of the links, separated by commas; all if absent."`
	Metric string `query:"metric" enum:"rtt,loss_ratio,jitter,pdv,availability" default:"rtt" doc:"What to compare by."`
	StreamParams
	RangeParams
}

type compareOutput struct {
	Body CompareResponse
}

func (s *server) compare(ctx context.Context, in *compareInput) (*compareOutput, error) {
	metric, err := parseMetric(in.Metric)
	if err != nil {
		return nil, err
	}
	links, err := parseLinks(in.Links)
	if err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	q, err := in.StreamParams.query(from, to)
	if err != nil {
		return nil, err
	}
	records, err := s.store.Links(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkKnown(records, in.Site, "links", links); err != nil {
		return nil, err
	}
	if err := checkComparison(records, in.Site, links); err != nil {
		return nil, err
	}
	comparison, err := perigee.Compare(ctx, s.store, perigee.CompareQuery{
		Site: in.Site, Links: links, Metric: metric.Name, From: from, To: to,
		Target: perigee.TargetID(in.Target), Family: q.Family, Load: q.Load,
	})
	if err != nil {
		return nil, err
	}
	return &compareOutput{NewCompareResponse(comparison)}, nil
}

// maxCompared is how many links one comparison takes: as many as one monitor keeps.
// Its work grows with the square of their number.
const maxCompared = 64

// checkComparison refuses to compare the links of several sites, and of a fleet.
func checkComparison(records []perigee.LinkRecord, site string, links []perigee.LinkID) error {
	var sites []string
	compared := 0
	for _, r := range records {
		if (site == "" || r.Site.Name == site) && (len(links) == 0 || slices.Contains(links, r.Link.ID)) {
			compared++
			if len(sites) == 0 || sites[len(sites)-1] != r.Site.Name {
				sites = append(sites, r.Site.Name)
			}
		}
	}
	if len(sites) > 1 {
		return badParameter("site", fmt.Sprintf("the links belong to %d sites", len(sites)), "Say which with site=, one of "+listed(sites)+".")
	}
	if compared > maxCompared {
		return badParameter("links", fmt.Sprintf("%d links are more than one comparison takes (%d)", compared, maxCompared), "Name those to compare: links=a,b.")
	}
	return nil
}
