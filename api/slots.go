package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"perigee"
	"perigee/stats"
)

// SlotsResponse answers /slots, and is what perigee slots --json prints.
type SlotsResponse struct {
	Link string `json:"link"`
	Site string `json:"site"`
	StreamName
	From            time.Time   `json:"from"`
	To              time.Time   `json:"to"`
	IntervalSeconds float64     `json:"interval_seconds" doc:"Time between probes."`
	PeriodSeconds   int         `json:"period_seconds" doc:"Length of a slot."`
	LeapSeconds     int         `json:"leap_seconds" doc:"Seconds by which GPS time, on which slots lie, is taken to be ahead of UTC."`
	Phases          []SlotPhase `json:"phases" nullable:"false" doc:"The seconds of a slot; 0 begins where slots meet."`
	BestPhase       *int        `json:"best_phase" doc:"The phase with the greatest prominence; null if nothing was compared."`

	EdgeStepSeconds  *float64 `json:"edge_step_seconds" doc:"Mean step at phase 0."`
	OtherStepSeconds *float64 `json:"other_step_seconds" doc:"Mean step at phases not next to it."`
	EdgeStepRatio    *float64 `json:"edge_step_ratio" doc:"Of the two: 2.5 and more on Starlink, about 1 elsewhere. Null if steps elsewhere have no size."`
	ChanceRatio      float64  `json:"chance_ratio" doc:"Probability that phase 0 would be so prominent without slots."`

	LossAtEdge       EdgeShare `json:"loss_at_edge" doc:"Of lost probes."`
	LossPeriodAtEdge EdgeShare `json:"loss_period_at_edge" doc:"Of runs of two or more lost probes, by where they began."`

	Detected *bool    `json:"detected" doc:"Whether there are slots; null if the clock is too doubtful to say."`
	Verdict  string   `json:"verdict" doc:"A sentence to quote."`
	Warnings []string `json:"warnings" nullable:"false"`

	Slots []Slot `json:"slots" nullable:"false" doc:"Each slot with probes, in the order measured. Empty unless asked for with series=true."`

	Provenance Provenance `json:"provenance" doc:"What made these results: version, configuration, methods."`
}

// SlotPhase is one second of the slots.
type SlotPhase struct {
	Phase       int       `json:"phase" doc:"Seconds since the slot began."`
	Count       int64     `json:"count" doc:"Probes sent."`
	Lost        int64     `json:"lost" doc:"Those lost or late."`
	LossPeriods int64     `json:"loss_periods" doc:"Runs of two or more lost probes that began in it."`
	RTTSeconds  PhaseRTT  `json:"rtt_seconds" doc:"Of the others; null inside if there are none."`
	StepSeconds PhaseStep `json:"step_seconds" doc:"Differences of the medians of the second before and this one, as absolute values."`
	Prominence  *float64  `json:"prominence_ratio" doc:"Share of the steps around it that a step exceeds; 0.5 by chance. Null if nothing was compared."`
	Compared    int64     `json:"compared" doc:"Steps that could be compared."`
}

// PhaseRTT are round-trip times of one phase.
type PhaseRTT struct {
	Min *float64 `json:"min"`
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
}

// PhaseStep are the steps at one phase.
type PhaseStep struct {
	Count int64    `json:"count"`
	Mean  *float64 `json:"mean" doc:"Null if count is 0, as the next."`
	P50   *float64 `json:"p50"`
}

// EdgeShare says how much of something lies within a second of where slots meet; both
// are null if there is nothing.
type EdgeShare struct {
	Ratio       *float64 `json:"ratio" doc:"Share that lies there."`
	ChanceRatio *float64 `json:"chance_ratio" doc:"Share of the probes that were sent there."`
}

// Slot is one slot.
type Slot struct {
	Start time.Time `json:"start"`
	Count int64     `json:"count" doc:"Probes sent."`
	Lost  int64     `json:"lost"`
	Min   *float64  `json:"min_rtt_seconds" doc:"Null if none was answered, as the next."`
	P50   *float64  `json:"p50_rtt_seconds"`
}

// NewSlotsResponse returns the wire form of an analysis, with each slot if series.
func NewSlotsResponse(a perigee.SlotAnalysis, series bool, made []perigee.Provenance) SlotsResponse {
	s := a.Statistics
	ratio, ratioDefined := s.StepRatio()
	r := SlotsResponse{
		Provenance: NewProvenance(made),
		Link:       string(a.Stream.Link), Site: a.Stream.Site, StreamName: newStreamName(a.Stream), From: a.From.UTC(), To: a.To.UTC(),
		IntervalSeconds: a.Interval.Seconds(), PeriodSeconds: a.Grid.Period, LeapSeconds: a.LeapSeconds,
		Phases: make([]SlotPhase, 0, len(s.Phases)), BestPhase: defined(s.Best, s.BestDefined),
		EdgeStepSeconds: maybeSeconds(s.Edge.Mean, s.Edge.Count > 0), OtherStepSeconds: maybeSeconds(s.Other.Mean, s.Other.Count > 0),
		EdgeStepRatio: defined(significant(ratio), ratioDefined), ChanceRatio: significant(s.Chance),
		LossAtEdge:       newEdgeShare(s.AtEdge(func(p stats.SlotPhase) int64 { return p.Lost })),
		LossPeriodAtEdge: newEdgeShare(s.AtEdge(func(p stats.SlotPhase) int64 { return p.LossPeriods })),
		Detected:         defined(a.Detected, a.DetectedDefined), Verdict: a.Verdict, Warnings: append([]string{}, a.Warnings...), Slots: []Slot{},
	}
	for i, p := range s.Phases {
		r.Phases = append(r.Phases, SlotPhase{
			Phase: i, Count: p.Sent, Lost: p.Lost, LossPeriods: p.LossPeriods,
			RTTSeconds:  PhaseRTT{Min: maybeSeconds(p.RTT.Min, p.RTT.Count > 0), P50: maybeSeconds(p.RTT.Quantile(0.5)), P95: maybeSeconds(p.RTT.Quantile(0.95))},
			StepSeconds: PhaseStep{Count: p.Steps.Count, Mean: maybeSeconds(p.Steps.Mean, p.Steps.Count > 0), P50: maybeSeconds(p.Steps.Quantile(0.5))},
			Prominence:  defined(significant(p.Prominence), p.Compared > 0), Compared: p.Compared,
		})
	}
	if series {
		for _, slot := range s.Slots {
			some := slot.Sent > slot.Lost
			r.Slots = append(r.Slots, Slot{
				Start: time.Unix(a.Grid.Start(slot.Number), 0).UTC(), Count: slot.Sent, Lost: slot.Lost,
				Min: maybeSeconds(slot.Min, some), P50: maybeSeconds(slot.Median, some),
			})
		}
	}
	return r
}

func newEdgeShare(share, chance float64, ok bool) EdgeShare {
	return EdgeShare{Ratio: defined(significant(share), ok), ChanceRatio: defined(significant(chance), ok)}
}

// significant rounds to six figures: what lies below is noise of arithmetic.
func significant(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	if rounded := math.Round(v*scale) / scale; !math.IsNaN(rounded) && !math.IsInf(rounded, 0) {
		return rounded
	}
	return v
}

// maxSlotSeries is the longest range of which each slot is told: 5760 of them.
const maxSlotSeries = 24 * time.Hour

type slotsInput struct {
	Link        string `query:"link" required:"true" doc:"Name of the link."`
	Site        string `query:"site" doc:"Name of the site; needed only if the store holds several."`
	Target      string `query:"target" doc:"Name of the target; the one with the most probes if absent."`
	Family      string `query:"family" enum:"ipv4,ipv6" doc:"IP version; IPv4 if measured, else IPv6, if absent."`
	LeapSeconds string `query:"leap_seconds" example:"18" doc:"Seconds by which GPS time is ahead of UTC, 1 to 60; 18 if absent."`
	RangeParams
	Series string `query:"series" enum:"true,false" default:"false" doc:"Whether each slot is wanted, of a day at most."`
}

type slotsOutput struct {
	Body SlotsResponse
}

func (s *server) slots(ctx context.Context, in *slotsInput) (*slotsOutput, error) {
	if in.Link == "" {
		return nil, badParameter("link", "link is missing", "Say whose slots: link=NAME; /api/v1/links lists the names.")
	}
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	leap, err := parseLeapSeconds(in.LeapSeconds)
	if err != nil {
		return nil, err
	}
	if err := oneOf("series", in.Series, "true", "false"); err != nil {
		return nil, err
	}
	series := in.Series == "true"
	if length := to.Sub(from); length > perigee.MaxSlotsRange {
		return nil, badParameter("from", fmt.Sprintf("from: the range is longer than %d days", perigee.MaxSlotsRange/(24*time.Hour)), "Ask for a shorter range: every single probe of it is read.")
	} else if series && length > maxSlotSeries {
		return nil, badParameter("series", "series: the range is longer than a day", "Ask for a shorter range, or leave series out.")
	}
	if err := oneOf("family", in.Family, "ipv4", "ipv6"); err != nil {
		return nil, err
	}
	record, err := s.findLink(ctx, in.Site, in.Link)
	if err != nil {
		return nil, err
	}
	q := perigee.SlotQuery{
		Site: record.Site.Name, Link: record.Link.ID, Target: perigee.TargetID(in.Target), Family: perigee.Family(in.Family),
		From: from, To: to, LeapSeconds: leap,
	}
	if s.clock != nil {
		q.Clock = s.clock()
	}
	analysis, err := perigee.Slots(ctx, s.store, q)
	if errors.Is(err, perigee.ErrNoSingletons) {
		return nil, newProblem(perigee.CodeNotEnoughData, fmt.Sprintf("slots of link %s need single probes, and of this range there are only statistics", in.Link),
			"A monitor keeps single probes for storage.keep.singletons (14 days), InfluxDB does not hold them: ask the monitor that measures, and for a later range.")
	}
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, analysis.Stream.Site, analysis.From, analysis.To, analysis.Stream.Link)
	if err != nil {
		return nil, err
	}
	return &slotsOutput{NewSlotsResponse(analysis, series, made)}, nil
}

// parseLeapSeconds reads by how much GPS time is ahead of UTC; 0, the present, if absent.
func parseLeapSeconds(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || !digits(s) || n < 1 || n > 60 {
		return 0, badParameter("leap_seconds", fmt.Sprintf("leap_seconds: %q is not a number from 1 to 60", s), "Leave it out, unless a leap second was inserted since 2017.")
	}
	return n, nil
}
