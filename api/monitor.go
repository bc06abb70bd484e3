package api

import "context"

// MonitorResponse answers /monitor: what the process is that answers here. It does not
// change while the process runs.
type MonitorResponse struct {
	Version  string `json:"version"`
	Measures bool   `json:"measures" doc:"Whether it measures, and so has something to tell at /live. If not, ask /links from time to time."`
	Forwards bool   `json:"forwards" doc:"Whether it forwards results to InfluxDB, and so has an /outbox."`
	Budgets  bool   `json:"budgets" doc:"Whether it keeps an account of what it moves over links, and so has a /budget."`
	Probes   bool   `json:"probes" doc:"Whether it makes measurements that somebody asks for by POST /probes."`
	Tokens   bool   `json:"tokens" doc:"Whether it asks for tokens, and so has a /session."`
}

type monitorOutput struct {
	Body MonitorResponse
}

func (s *server) monitor(context.Context, *struct{}) (*monitorOutput, error) {
	return &monitorOutput{MonitorResponse{Version: s.version, Measures: s.feed != nil, Forwards: s.outbox != nil, Budgets: s.budget != nil, Probes: s.measure != nil, Tokens: s.keys != nil}}, nil
}
