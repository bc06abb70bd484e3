package api

import (
	"context"
	"time"
)

// MonitorResponse answers /monitor: what the process is that answers here, and what made
// the results that it answers from. Of the former, only what is of the configuration
// changes while the process runs.
type MonitorResponse struct {
	Version           string     `json:"version"`
	ConfigurationHash *string    `json:"configuration_hash" doc:"Of the configuration that it measures by, as perigee config check prints it; null if it has none, or does not measure."`
	Instance          *string    `json:"instance" doc:"Of the store that it measures into; null if it does not measure."`
	Since             *time.Time `json:"since" doc:"Since when this version measures by this configuration, restarts apart; null if it does not measure, or that is not stored yet."`
	Measures          bool       `json:"measures" doc:"Whether it measures, and so has something to tell at /live. If not, ask /links from time to time."`
	Forwards          bool       `json:"forwards" doc:"Whether it forwards results to InfluxDB, and so has an /outbox."`
	Budgets           bool       `json:"budgets" doc:"Whether it keeps an account of what it moves over links, and so has a /budget."`
	Probes            bool       `json:"probes" doc:"Whether it makes measurements that somebody asks for by POST /probes."`
	Tokens            bool       `json:"tokens" doc:"Whether it asks for tokens, and so has a /session."`

	Provenance *Provenance `json:"provenance" doc:"What made all results that are stored; null if the store does not answer."`
}

type monitorOutput struct {
	Body MonitorResponse
}

func (s *server) monitor(ctx context.Context, _ *struct{}) (*monitorOutput, error) {
	// What the process is, it can tell whatever the store does.
	made, err := s.made(ctx, "", time.Time{}, time.Time{})
	var since time.Time
	for _, p := range made {
		if p.Maker == s.maker && p.Link == "" {
			since = p.From
		}
	}
	return &monitorOutput{MonitorResponse{Version: s.version, ConfigurationHash: maybeText(s.maker.Configuration), Instance: maybeText(s.maker.Instance), Since: maybeTime(since), Provenance: defined(NewProvenance(made), err == nil), Measures: s.feed != nil, Forwards: s.outbox != nil, Budgets: s.budget != nil, Probes: s.measure != nil, Tokens: s.keys != nil}}, nil
}
