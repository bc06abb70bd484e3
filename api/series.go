package api

import (
	"context"
	"time"

	"perigee"
)

// SeriesResponse answers /series: a metric of one stream over time.
type SeriesResponse struct {
	Metric      string        `json:"metric"`
	Unit        string        `json:"unit" doc:"Unit of the values: seconds or ratio."`
	Link        string        `json:"link"`
	Site        string        `json:"site"`
	Target      *string       `json:"target" doc:"Null if nothing was measured in the range, as are method and family."`
	Method      *string       `json:"method"`
	Family      *string       `json:"family"`
	Load        string        `json:"load"`
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"`
	StepSeconds float64       `json:"step_seconds"`
	Points      []SeriesPoint `json:"points" nullable:"false" doc:"In order of time. A step in which nothing was planned has no point: it was a gap, neither zero nor an outage."`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// SeriesPoint is one step of a series.
type SeriesPoint struct {
	Start time.Time `json:"start" doc:"On the grid of steps since the Unix epoch."`
	StepValues
}

// StepValues is what was measured in one step of a series, or in one hour of the week.
type StepValues struct {
	Value     *float64        `json:"value" doc:"Median of a metric with a value per packet, mean of an estimate, else the ratio itself."`
	Quantiles SeriesQuantiles `json:"quantiles" doc:"Null inside unless the metric has a value per packet."`
	LossRatio *float64        `json:"loss_ratio" doc:"(lost + late) / sent; null if nothing was sent."`
	Counts    Counts          `json:"counts"`
}

// SeriesQuantiles are the quantiles of one step.
type SeriesQuantiles struct {
	Q05 *float64 `json:"0.05"`
	Q50 *float64 `json:"0.5"`
	Q95 *float64 `json:"0.95"`
}

// NewSeriesResponse returns the wire form of a series.
func NewSeriesResponse(t perigee.TimeSeries, made []perigee.Provenance) SeriesResponse {
	s := t.Stream
	r := SeriesResponse{
		Provenance: NewProvenance(made),
		Metric:     string(t.Metric.Name), Unit: t.Metric.Unit, Link: string(s.Link), Site: s.Site,
		Target: defined(string(s.Target), s.Target != ""), Method: defined(string(s.Method), s.Method != ""),
		Family: defined(string(s.Family), s.Family != ""), Load: string(s.Load),
		From: t.From.UTC(), To: t.To.UTC(), StepSeconds: t.Step.Seconds(), Points: make([]SeriesPoint, 0, len(t.Points)),
	}
	for _, p := range t.Points {
		r.Points = append(r.Points, SeriesPoint{Start: p.Start.UTC(), StepValues: newStepValues(p.StepValues)})
	}
	return r
}

func newStepValues(v perigee.StepValues) StepValues {
	return StepValues{
		Value: maybeSeconds(v.Value, v.Defined),
		Quantiles: SeriesQuantiles{
			Q05: maybeSeconds(v.P5, v.QuantilesDefined), Q50: maybeSeconds(v.P50, v.QuantilesDefined), Q95: maybeSeconds(v.P95, v.QuantilesDefined),
		},
		LossRatio: defined(v.LossRatio, v.LossDefined), Counts: newCounts(v.Counts),
	}
}

// DrawnParams say which metric of which stream is drawn. Exported as RangeParams is.
type DrawnParams struct {
	Metric string `query:"metric" enum:"rtt,loss_ratio,jitter,pdv,availability" default:"rtt" doc:"What to draw."`
	Link   string `query:"link" required:"true" doc:"Name of the link."`
	Site   string `query:"site" doc:"Name of the site; needed only if the store holds several."`
	Target string `query:"target" doc:"Name of the target; the one with the most probes if absent."`
	Family string `query:"family" enum:"ipv4,ipv6" doc:"IP version; IPv4 if measured, else IPv6, if absent."`
	Load   string `query:"load" enum:"idle,down,up" default:"idle" doc:"Whether the link carried a transfer of the monitor's own."`
	RangeParams
}

// drawn reads what is to be drawn, of one link that is known.
func (s *server) drawn(ctx context.Context, p DrawnParams) (perigee.SeriesQuery, error) {
	var q perigee.SeriesQuery
	if p.Link == "" {
		return q, badParameter("link", "link is missing", "Say whose: link=NAME; /api/v1/links lists the names.")
	}
	metric, err := parseMetric(p.Metric, perigee.Metric.Drawable)
	if err != nil {
		return q, err
	}
	from, to, err := p.RangeParams.parse(s.now())
	if err != nil {
		return q, err
	}
	streams, err := StreamParams{Target: p.Target, Family: p.Family, Load: p.Load}.query(from, to)
	if err != nil {
		return q, err
	}
	record, err := s.findLink(ctx, p.Site, p.Link)
	return perigee.SeriesQuery{
		Site: record.Site.Name, Link: record.Link.ID, Target: perigee.TargetID(p.Target), Family: streams.Family, Load: streams.Load,
		Metric: metric.Name, From: from, To: to,
	}, err
}

type seriesInput struct {
	DrawnParams
	Step string `query:"step" example:"5m" doc:"Length of a step; chosen for at most 500 steps if absent."`
}

type seriesOutput struct {
	Body SeriesResponse
}

func (s *server) series(ctx context.Context, in *seriesInput) (*seriesOutput, error) {
	q, err := s.drawn(ctx, in.DrawnParams)
	if err != nil {
		return nil, err
	}
	if q.Step, err = parseStep(in.Step, q.To.Sub(q.From)); err != nil {
		return nil, err
	}
	series, err := perigee.Series(ctx, s.store, q)
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, q.Site, q.From, q.To, q.Link)
	if err != nil {
		return nil, err
	}
	return &seriesOutput{NewSeriesResponse(series, made)}, nil
}
