package api

import (
	"context"
	"time"

	"perigee"
)

// UsualResponse answers /links/{link}/usual.
type UsualResponse struct {
	Link    string        `json:"link"`
	Site    string        `json:"site"`
	From    time.Time     `json:"from" doc:"Seven days before to."`
	To      time.Time     `json:"to" doc:"A minute ago."`
	Streams []UsualStream `json:"streams" nullable:"false" doc:"One for each idle stream that was measured in that time."`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// UsualStream is what is usual of one stream.
type UsualStream struct {
	StreamName
	MeasuredSeconds float64    `json:"measured_seconds" doc:"How long it was measured; gaps are no part of it."`
	Enough          bool       `json:"enough" doc:"Whether that is an hour or longer; below it the rest says little."`
	RTTSeconds      UsualRTT   `json:"rtt_seconds"`
	LossRatio       UsualRatio `json:"loss_ratio"`
}

// UsualRTT are quantiles of all received probes; null if nothing was received.
type UsualRTT struct {
	Low    *float64 `json:"low" doc:"5 % quantile."`
	Median *float64 `json:"median"`
	High   *float64 `json:"high" doc:"95 % quantile. The median of a minute outside of low to high is unusual."`
}

// UsualRatio is the loss ratio of the whole and of its worse parts.
type UsualRatio struct {
	Mean *float64 `json:"mean" doc:"Of all probes; null if nothing was sent."`
	High *float64 `json:"high" doc:"95 % quantile of the loss ratios of clock hours, of minutes while less than a day was measured; null if none was measured for half of it."`
}

// NewUsualResponse returns the wire form of u.
func NewUsualResponse(u perigee.Usual, made []perigee.Provenance) UsualResponse {
	r := UsualResponse{Provenance: NewProvenance(made), Link: string(u.Link), Site: u.Site, From: u.From.UTC(), To: u.To.UTC(), Streams: make([]UsualStream, 0, len(u.Streams))}
	for _, s := range u.Streams {
		r.Streams = append(r.Streams, UsualStream{
			StreamName: newStreamName(s.Stream), MeasuredSeconds: s.Measured.Seconds(), Enough: s.Enough,
			RTTSeconds: UsualRTT{Low: maybeSeconds(s.RTTLow, s.RTTDefined), Median: maybeSeconds(s.RTTMedian, s.RTTDefined), High: maybeSeconds(s.RTTHigh, s.RTTDefined)},
			LossRatio:  UsualRatio{Mean: defined(s.LossMean, s.LossDefined), High: maybeSeconds(s.LossHigh, s.LossHighDefined)},
		})
	}
	return r
}

type usualOutput struct {
	Body UsualResponse
}

// usualDelay is how long ago what is usual ends: the minute that is held against it has no
// part in it.
const usualDelay = time.Minute

func (s *server) usual(ctx context.Context, in *linkInput) (*usualOutput, error) {
	record, err := s.findLink(ctx, in.Site, in.Link)
	if err != nil {
		return nil, err
	}
	usual, err := perigee.UsualOf(ctx, s.store, perigee.UsualQuery{Site: record.Site.Name, Link: record.Link.ID, To: s.now().Add(-usualDelay)})
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, record.Site.Name, usual.From, usual.To, record.Link.ID)
	if err != nil {
		return nil, err
	}
	return &usualOutput{NewUsualResponse(usual, made)}, nil
}
