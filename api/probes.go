package api

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"perigee"
)

// Measure makes measurements that somebody asks for. Its methods may be called at any
// time, and together.
type Measure interface {
	// StartProbe begins a measurement, or lets it wait for its turn, and returns its
	// identity without waiting for the outcome. It fails with CodeNotFound for a link
	// or target that is not configured, CodeInvalid for one that cannot be measured
	// like this, CodePermission if a budget does not allow it, and CodeUnavailable if
	// too many wait already.
	StartProbe(ctx context.Context, p ProbeRequest) (id string, err error)

	// Probe tells how a measurement does. It fails with CodeNotFound if there is none
	// of this identity, or it ended long ago.
	Probe(ctx context.Context, id string) (ProbeState, error)
}

// The methods that can be asked for.
const (
	ProbeICMP     = "icmp"     // latency
	ProbeTransfer = "transfer" // throughput
)

// ProbeRequest asks for a measurement. What is absent is as configured.
type ProbeRequest struct {
	Link       string   `json:"link" doc:"Name of the link."`
	Method     string   `json:"method" enum:"icmp,transfer" doc:"Latency, or throughput."`
	Target     string   `json:"target,omitempty" doc:"Name of the target; the first that this can be measured with if absent."`
	Direction  string   `json:"direction,omitempty" enum:"down,up,both" doc:"Of a transfer; both if absent."`
	Streams    int      `json:"streams,omitempty" doc:"Connections at once, of a transfer."`
	Congestion string   `json:"congestion,omitempty" doc:"Congestion control, of a transfer."`
	Seconds    *float64 `json:"max_seconds,omitempty" doc:"How long it may take in each direction at most."`
	Bytes      *int64   `json:"max_bytes,omitempty" doc:"How much it may move at most, of a transfer."`
	Anyway     bool     `json:"anyway,omitempty" doc:"Make the transfer although others load the link."`
}

// check refuses what no monitor can measure.
func (p ProbeRequest) check() error {
	member := func(name, detail, remedy string) error {
		return newProblem(perigee.CodeInvalid, name+": "+detail, remedy)
	}
	if p.Link == "" {
		return member("link", "it is missing", "Name a link; /api/v1/links lists them.")
	}
	if p.Method != ProbeICMP && p.Method != ProbeTransfer {
		return member("method", fmt.Sprintf("%q is not known", p.Method), "Use icmp or transfer.")
	}
	switch p.Direction {
	case "", "down", "up", "both":
	default:
		return member("direction", fmt.Sprintf("%q is not known", p.Direction), "Use down, up or both.")
	}
	if p.Method == ProbeICMP && (p.Direction != "" || p.Streams != 0 || p.Congestion != "" || p.Bytes != nil) {
		return member("method", "icmp has no direction, streams, congestion or max_bytes", "Leave them out, or ask for a transfer.")
	}
	const mostStreams, mostSeconds = 64, 300
	if p.Streams < 0 || p.Streams > mostStreams {
		return member("streams", fmt.Sprintf("%d is not a number from 1 to %d", p.Streams, mostStreams), "1 and 8 tell the most.")
	}
	if p.Seconds != nil && !(*p.Seconds > 0 && *p.Seconds <= mostSeconds) {
		return member("max_seconds", fmt.Sprintf("%v is not between 0 and %d", *p.Seconds, mostSeconds), "10 is plenty for most links.")
	}
	if p.Bytes != nil && *p.Bytes <= 0 {
		return member("max_bytes", fmt.Sprintf("%d is not positive", *p.Bytes), "Leave it out for no bound but the budget.")
	}
	return nil
}

// ProbeState is how a measurement does.
type ProbeState struct {
	ID      string
	Request ProbeRequest
	State   string // queued, running, done or failed

	Asked, Began, Ended time.Time // zero if not yet

	// Progress is how far what is being measured is; nil if nothing is, or it is not
	// known.
	Progress *ProbeProgress

	// What was measured so far. Transfers are stored as all results are; samples are
	// here alone.
	Throughputs []perigee.Throughput
	Samples     []perigee.Sample

	Err error // why it failed
}

// The states of a measurement.
const (
	ProbeQueued  = "queued"  // waits for its turn: one link carries one transfer at a time
	ProbeRunning = "running" // is being made
	ProbeDone    = "done"
	ProbeFailed  = "failed"
)

// ProbeProgress is how far a transfer is.
type ProbeProgress struct {
	Direction     string   `json:"direction" enum:"down,up"`
	Phase         string   `json:"phase" doc:"What it does, in a word or two."`
	Elapsed       float64  `json:"elapsed_seconds"`
	Bytes         int64    `json:"bytes" doc:"Payload received so far."`
	BitsPerSecond float64  `json:"bits_per_second" doc:"Of the steady part, or of the last second while there is none."`
	ErrorRatio    *float64 `json:"error_ratio" doc:"Half-width of that rate's confidence interval as a share of it; null while it cannot be told."`
}

// Probe answers for a measurement that somebody asked for.
type Probe struct {
	ID          string         `json:"id"`
	State       string         `json:"state" enum:"queued,running,done,failed"`
	Request     ProbeRequest   `json:"request"`
	Asked       time.Time      `json:"asked"`
	Began       *time.Time     `json:"began" doc:"Null while it waits."`
	Ended       *time.Time     `json:"ended" doc:"Null until it has ended."`
	Progress    *ProbeProgress `json:"progress" doc:"Null unless a transfer is being made."`
	Throughputs []Throughput   `json:"throughputs" nullable:"false" doc:"What was measured of a transfer so far, with series."`
	Samples     []Sample       `json:"samples" nullable:"false" doc:"What was measured of latency so far."`
	Trouble     *ProbeTrouble  `json:"problem" doc:"Why it failed; null unless it did."`
}

// ProbeTrouble is why a measurement failed.
type ProbeTrouble struct {
	Code   string `json:"code" enum:"invalid,not_found,permission,not_enough_data,unavailable,internal" doc:"Kind of failure, as in problem documents."`
	Detail string `json:"detail" doc:"What is wrong, for people."`
	Remedy string `json:"remedy" doc:"What to do about it, for people."`
}

// NewProbe returns the wire form of a measurement.
func NewProbe(p ProbeState, by perigee.Maker) Probe {
	r := Probe{
		ID: p.ID, State: p.State, Request: p.Request, Asked: p.Asked.UTC(), Began: maybeTime(p.Began), Ended: maybeTime(p.Ended),
		Progress: p.Progress, Throughputs: []Throughput{}, Samples: []Sample{},
	}
	for _, t := range p.Throughputs {
		one := NewThroughput(t)
		one.Maker = NewMaker(by)
		r.Throughputs = append(r.Throughputs, one)
	}
	for _, s := range p.Samples {
		one := NewSample(s)
		one.Maker = NewMaker(by)
		r.Samples = append(r.Samples, one)
	}
	if p.Err != nil {
		problem := problemOf(p.Err)
		r.Trouble = &ProbeTrouble{problem.Code, problem.Detail, problem.Remedy}
	}
	return r
}

// location is where the measurement is found from now on.
func (p Probe) location() string { return prefix + "/probes/" + url.PathEscape(p.ID) }

// noMeasure is the problem of asking a process that does not measure to do it.
func (s *server) noMeasure() error {
	if s.measure != nil {
		return nil
	}
	return newProblem(perigee.CodeNotFound, "this process makes no measurements that somebody asks for", "Ask the monitor itself, or run perigee probe there.")
}

func (s *server) startProbe(ctx context.Context, in ProbeRequest) (Probe, error) {
	if err := s.noMeasure(); err != nil {
		return Probe{}, err
	}
	if err := in.check(); err != nil {
		return Probe{}, err
	}
	id, err := s.measure.StartProbe(ctx, in)
	if err != nil {
		return Probe{}, err
	}
	state, err := s.measure.Probe(ctx, id)
	return NewProbe(state, s.maker), err
}

type probeInput struct {
	ID string `path:"id" doc:"As POST /probes answered it."`
}

type probeOutput struct {
	Body Probe
}

func (s *server) probe(ctx context.Context, in *probeInput) (*probeOutput, error) {
	if err := s.noMeasure(); err != nil {
		return nil, err
	}
	state, err := s.measure.Probe(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &probeOutput{NewProbe(state, s.maker)}, nil
}
