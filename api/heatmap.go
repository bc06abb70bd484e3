package api

import (
	"context"
	"time"

	"perigee"
)

// HeatmapResponse answers /heatmap: a metric of one stream by weekday and hour.
type HeatmapResponse struct {
	Metric   string        `json:"metric"`
	Unit     string        `json:"unit" doc:"Unit of the values: seconds or ratio."`
	Link     string        `json:"link"`
	Site     string        `json:"site"`
	Target   *string       `json:"target" doc:"Null if nothing was measured in the range, as are method and family."`
	Method   *string       `json:"method"`
	Family   *string       `json:"family"`
	Load     string        `json:"load"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Timezone string        `json:"timezone" doc:"In which hours and weekdays are."`
	Cells    []HeatmapCell `json:"cells" nullable:"false" doc:"From Monday, 0:00, at most 168. An hour of the week in which nothing was planned has no cell."`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// HeatmapCell is one hour of the week: the clock hours of the range that begin in it, as
// one.
type HeatmapCell struct {
	Weekday string `json:"weekday" enum:"Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday"`
	Hour    int    `json:"hour" doc:"0 to 23."`
	StepValues
	Hours int `json:"hours" doc:"How many clock hours were measured, in part or whole."`
}

// NewHeatmapResponse returns the wire form of h.
func NewHeatmapResponse(h perigee.Heatmap, made []perigee.Provenance) HeatmapResponse {
	s := h.Stream
	r := HeatmapResponse{
		Provenance: NewProvenance(made),
		Metric:     string(h.Metric.Name), Unit: h.Metric.Unit, Link: string(s.Link), Site: s.Site,
		Target: defined(string(s.Target), s.Target != ""), Method: defined(string(s.Method), s.Method != ""),
		Family: defined(string(s.Family), s.Family != ""), Load: string(s.Load),
		From: h.From.UTC(), To: h.To.UTC(), Timezone: h.Zone.String(), Cells: make([]HeatmapCell, 0, len(h.Cells)),
	}
	for _, c := range h.Cells {
		r.Cells = append(r.Cells, HeatmapCell{Weekday: c.Weekday.String(), Hour: c.Hour, StepValues: newStepValues(c.StepValues), Hours: c.Hours})
	}
	return r
}

type heatmapInput struct {
	DrawnParams
	Timezone string `query:"timezone" example:"Australia/Sydney" doc:"IANA time zone of hours and weekdays; UTC if absent."`
}

type heatmapOutput struct {
	Body HeatmapResponse
}

func (s *server) heatmap(ctx context.Context, in *heatmapInput) (*heatmapOutput, error) {
	q, err := s.drawn(ctx, in.DrawnParams)
	if err != nil {
		return nil, err
	}
	zone, err := parseTimezone(in.Timezone)
	if err != nil {
		return nil, err
	}
	heatmap, err := perigee.HeatmapOf(ctx, s.store, perigee.HeatmapQuery{
		Site: q.Site, Link: q.Link, Target: q.Target, Family: q.Family, Load: q.Load, Metric: q.Metric, From: q.From, To: q.To, Zone: zone,
	})
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, q.Site, q.From, q.To, q.Link)
	if err != nil {
		return nil, err
	}
	return &heatmapOutput{NewHeatmapResponse(heatmap, made)}, nil
}
