package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"perigee"
)

type compareInput struct {
	Links    string `query:"links" example:"starlink,geo" doc:"Names of the links, separated by commas; all if absent."`
	Metric   string `query:"metric" enum:"rtt,loss_ratio,jitter,pdv,availability,throughput_down,throughput_up,rtt_loaded" default:"rtt" doc:"What to compare by."`
	Quantile string `query:"quantile" enum:"0.5,0.95,0.99" default:"0.5" doc:"Quantile that verdicts are about, of a metric that has a value per packet."`
	StreamParams
	RangeParams
	By           string `query:"by" enum:"hour,weekday,day,phase,load,target,family" doc:"Compare in each group alone: hour of the day, weekday, day, second of Starlink's slots, load, target or IP version."`
	Timezone     string `query:"timezone" example:"Australia/Sydney" doc:"Time zone of hours, weekdays and days, by its name in the IANA database; UTC if absent."`
	LeapSeconds  string `query:"leap_seconds" example:"18" doc:"Seconds by which GPS time is ahead of UTC, by=phase; 18 if absent."`
	Baseline     string `query:"baseline" doc:"Name of the link that all others are compared with; each with every other if absent."`
	BaselineFrom string `query:"baseline_from" example:"7d" doc:"Beginning of an earlier period that each link is compared with, written as from; links are compared with each other if absent."`
	BaselineTo   string `query:"baseline_to" doc:"End of that period; if absent it is as long as the range, but ends before it."`
}

type compareOutput struct {
	Body CompareResponse
}

func (s *server) compare(ctx context.Context, in *compareInput) (*compareOutput, error) {
	q, err := in.question(s.now())
	if err != nil {
		return nil, err
	}
	if err := s.checkSideBySide(ctx, in.Site, q.Links); err != nil {
		return nil, err
	}
	if in.Baseline != "" {
		if err := s.checkLinks(ctx, in.Site, "baseline", []perigee.LinkID{q.Baseline}); err != nil {
			return nil, err
		}
	}
	comparison, err := perigee.Compare(ctx, s.store, q)
	if err != nil {
		return nil, err
	}
	return &compareOutput{NewCompareResponse(comparison)}, nil
}

// question reads the parameters.
func (in *compareInput) question(now time.Time) (perigee.CompareQuery, error) {
	metric, err := parseMetric(in.Metric, func(m perigee.Metric) bool { return m.Comparable })
	if err != nil {
		return perigee.CompareQuery{}, err
	}
	links, err := parseLinks(in.Links)
	if err != nil {
		return perigee.CompareQuery{}, err
	}
	from, to, err := in.RangeParams.parse(now)
	if err != nil {
		return perigee.CompareQuery{}, err
	}
	streams, err := in.StreamParams.query(from, to)
	if err != nil {
		return perigee.CompareQuery{}, err
	}
	q := perigee.CompareQuery{
		Site: in.Site, Links: links, Metric: metric.Name, From: from, To: to,
		Target: perigee.TargetID(in.Target), Family: streams.Family, Load: streams.Load,
		By: perigee.Grouping(in.By), Baseline: perigee.LinkID(in.Baseline),
	}
	if err := oneOf("quantile", in.Quantile, "0.5", "0.95", "0.99"); err != nil {
		return q, err
	}
	if in.Quantile != "" {
		q.Quantile, _ = strconv.ParseFloat(in.Quantile, 64) // one of these
	}
	groupings := make([]string, len(perigee.Groupings))
	for i, g := range perigee.Groupings {
		groupings[i] = string(g)
	}
	if err := oneOf("by", in.By, groupings...); err != nil {
		return q, err
	}
	if q.Zone, err = parseTimezone(in.Timezone); err != nil {
		return q, err
	}
	if q.LeapSeconds, err = parseLeapSeconds(in.LeapSeconds); err != nil {
		return q, err
	}
	for _, p := range []struct {
		name, text string
		time       *time.Time
	}{{"baseline_from", in.BaselineFrom, &q.BaselineFrom}, {"baseline_to", in.BaselineTo, &q.BaselineTo}} {
		if p.text != "" {
			if *p.time, err = parseTime(p.name, p.text, now); err != nil {
				return q, err
			}
		}
	}
	return q, nil
}

// maxCompared is how many links one comparison takes: as many as one monitor keeps.
// Its work grows with the square of their number.
const maxCompared = 64

// checkSideBySide refuses to put links side by side that are not known, or of several
// sites, or of a fleet.
func (s *server) checkSideBySide(ctx context.Context, site string, links []perigee.LinkID) error {
	records, err := s.store.Links(ctx)
	if err != nil {
		return err
	}
	if err := checkKnown(records, site, "links", links); err != nil {
		return err
	}
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
