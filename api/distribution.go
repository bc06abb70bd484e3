package api

import (
	"context"
	"time"

	"perigee"
)

// DistributionResponse answers /distribution.
type DistributionResponse struct {
	Metric string             `json:"metric" enum:"rtt,pdv"`
	Unit   string             `json:"unit" doc:"Unit of the values: seconds."`
	From   time.Time          `json:"from"`
	To     time.Time          `json:"to"`
	Links  []LinkDistribution `json:"links" nullable:"false"`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// LinkDistribution is how the values of one stream are distributed.
type LinkDistribution struct {
	Link         string          `json:"link"`
	Site         string          `json:"site"`
	Orbit        *string         `json:"orbit" doc:"Kind of path; null if the link was never described."`
	Target       *string         `json:"target" doc:"Null if nothing was measured in the range, as are method and family."`
	Method       *string         `json:"method"`
	Family       *string         `json:"family"`
	Load         string          `json:"load"`
	Counts       Counts          `json:"counts"`
	LossRatio    *float64        `json:"loss_ratio" doc:"(lost + late) / sent; null if nothing was sent."`
	FloorSeconds *float64        `json:"floor_seconds" doc:"Least round-trip time that physics allows; null for orbits without a stated altitude."`
	Points       []QuantilePoint `json:"points" nullable:"false" doc:"The quantile function of the received probes at shares that are the same in every answer; empty if nothing was received."`
}

// QuantilePoint is a point of a quantile function.
type QuantilePoint struct {
	P     float64 `json:"p" doc:"Share of the values that are at or below value: 0 is the smallest, 1 the largest."`
	Value float64 `json:"value" doc:"Exact at 0 and 1, else within 0.5 % of the round-trip time."`
}

// NewDistributionResponse returns the wire form of d.
func NewDistributionResponse(d perigee.Distributions, made []perigee.Provenance) DistributionResponse {
	r := DistributionResponse{Provenance: NewProvenance(made), Metric: string(d.Metric.Name), Unit: d.Metric.Unit, From: d.From.UTC(), To: d.To.UTC(), Links: make([]LinkDistribution, 0, len(d.Links))}
	for _, l := range d.Links {
		s := l.Stream
		link := LinkDistribution{
			Link: string(s.Link), Site: s.Site, Orbit: maybeOrbit(l.Orbit),
			Target: defined(string(s.Target), s.Target != ""), Method: defined(string(s.Method), s.Method != ""),
			Family: defined(string(s.Family), s.Family != ""), Load: string(s.Load),
			Counts: newCounts(l.Counts), LossRatio: defined(l.Counts.LossRatio()), FloorSeconds: maybeSeconds(l.Floor, l.FloorDefined),
			Points: make([]QuantilePoint, 0, len(l.Quantiles)),
		}
		for _, p := range l.Quantiles {
			link.Points = append(link.Points, QuantilePoint{p.P, seconds(p.Value)})
		}
		r.Links = append(r.Links, link)
	}
	return r
}

type distributionInput struct {
	Links  string `query:"links" example:"starlink,geo" doc:"Names of the links, separated by commas; all if absent."`
	Metric string `query:"metric" enum:"rtt,pdv" default:"rtt" doc:"Whose values are told."`
	StreamParams
	RangeParams
}

type distributionOutput struct {
	Body DistributionResponse
}

func (s *server) distribution(ctx context.Context, in *distributionInput) (*distributionOutput, error) {
	metric, err := parseMetric(in.Metric, perigee.Metric.Distributed)
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
	streams, err := in.StreamParams.query(from, to)
	if err != nil {
		return nil, err
	}
	if err := s.checkSideBySide(ctx, in.Site, links); err != nil {
		return nil, err
	}
	distributions, err := perigee.DistributionsOf(ctx, s.store, perigee.DistributionQuery{
		Site: in.Site, Links: links, Metric: metric.Name, From: from, To: to,
		Target: perigee.TargetID(in.Target), Family: streams.Family, Load: streams.Load,
	})
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, in.Site, from, to, links...)
	if err != nil {
		return nil, err
	}
	return &distributionOutput{NewDistributionResponse(distributions, made)}, nil
}
