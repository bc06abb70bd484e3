package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/clock"
	"perigee/probes"
)

const (
	// mostWaiting bounds the measurements that wait or are being made.
	mostWaiting = 16

	// mostRemembered bounds those that can still be asked about.
	mostRemembered = 200

	// askedProbes is how many probes a latency measurement sends.
	askedProbes = 20
)

// measuring makes measurements that somebody asks for through the API. It implements
// api.Measure.
type measuring struct {
	transferring *transferring
	plan         plan
	now          func() time.Time

	ctx  context.Context // of all measurements; ended by stop
	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex // guards what follows
	states []*api.ProbeState
	count  int64
	next   *measuring // that has taken over; nil: none has
}

func newMeasuring(t *transferring, p plan, now func() time.Time) *measuring {
	m := &measuring{transferring: t, plan: p, now: now}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Close ends all measurements and waits for them.
func (m *measuring) Close() {
	m.stop()
	m.wait.Wait()
}

// remember takes over what can be asked about from another, which is closed. Who still
// asks that one asks m.
func (m *measuring) remember(other *measuring) {
	other.mu.Lock()
	defer other.mu.Unlock()
	m.states, m.count = other.states, other.count
	other.next = m
}

// latest returns what has taken over from m, m itself if nothing has.
func (m *measuring) latest() *measuring {
	for {
		m.mu.Lock()
		next := m.next
		m.mu.Unlock()
		if next == nil {
			return m
		}
		m = next
	}
}

// StartProbe implements api.Measure.
func (m *measuring) StartProbe(_ context.Context, p api.ProbeRequest) (string, error) {
	m = m.latest()
	if _, ok := m.plan.link(perigee.LinkID(p.Link)); !ok {
		return "", &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("link %s is not configured", p.Link)}
	}
	if !slices.ContainsFunc(m.plan.probed(), func(l perigee.Link) bool { return string(l.ID) == p.Link }) {
		return "", &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("link %s only receives imports: it is never measured", p.Link)}
	}
	run, err := m.job(p)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	waiting := 0
	for _, s := range m.states {
		if s.Ended.IsZero() {
			waiting++
		}
	}
	if waiting >= mostWaiting {
		return "", &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("%d measurements wait already; ask again when some have ended", waiting)}
	}
	if m.ctx.Err() != nil {
		return "", &perigee.Error{Code: perigee.CodeUnavailable, Message: "the monitor is ending"}
	}
	m.count++
	state := &api.ProbeState{ID: strconv.FormatInt(m.count, 10), Request: p, State: api.ProbeQueued, Asked: m.now()}
	m.states = append(m.states, state)
	if extra := len(m.states) - mostRemembered; extra > 0 {
		m.states = slices.Delete(m.states, 0, extra)
	}
	m.wait.Go(func() {
		err := run(m.ctx, state)
		m.change(func() {
			state.State, state.Ended, state.Err = api.ProbeDone, m.now(), err
			if err != nil {
				state.State = api.ProbeFailed
			}
		})
	})
	return state.ID, nil
}

// change changes states.
func (m *measuring) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// began notes that a measurement has its turn.
func (m *measuring) began(s *api.ProbeState) {
	m.change(func() {
		if s.Began.IsZero() {
			s.State, s.Began = api.ProbeRunning, m.now()
		}
	})
}

// Probe implements api.Measure.
func (m *measuring) Probe(_ context.Context, id string) (api.ProbeState, error) {
	m = m.latest()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.states {
		if s.ID == id {
			state := *s
			state.Throughputs, state.Samples = slices.Clone(s.Throughputs), slices.Clone(s.Samples)
			return state, nil
		}
	}
	return api.ProbeState{}, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("no measurement %s is remembered", id)}
}

// job returns what makes a measurement, or why it cannot be.
func (m *measuring) job(p api.ProbeRequest) (func(context.Context, *api.ProbeState) error, error) {
	if p.Method == api.ProbeICMP {
		return m.latency(p)
	}
	job := probes.Transfer{Link: perigee.LinkID(p.Link), Target: perigee.TargetID(p.Target), Streams: p.Streams, Congestion: p.Congestion, Anyway: p.Anyway}
	known := func(f farEnd) bool { return f.target == job.Target }
	if job.Target != "" && !slices.ContainsFunc(m.plan.farEnds, known) {
		return nil, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("target %s has no far end that transfers could be made with", p.Target)}
	}
	if job.Streams == 0 {
		job.Streams = m.transferring.settings.Streams[0]
	}
	if job.Congestion == "" {
		job.Congestion = m.transferring.settings.Congestion[0]
	}
	job.MaxBytes = m.transferring.settings.MaxBytes // nobody means to spend a month's plan at once
	if p.Bytes != nil {
		job.MaxBytes = *p.Bytes
	}
	if p.Seconds != nil {
		job.MaxDuration = time.Duration(*p.Seconds * float64(time.Second))
	}
	directions := []perigee.Load{perigee.LoadDown, perigee.LoadUp}
	if p.Direction == "down" || p.Direction == "up" {
		directions = []perigee.Load{perigee.Load(p.Direction)}
	}
	return func(ctx context.Context, s *api.ProbeState) error {
		for _, direction := range directions {
			job := job
			job.Direction = direction
			job.Progress = func(now probes.TransferProgress) {
				if now.Phase != probes.PhaseWaiting {
					m.began(s)
					m.change(func() { s.Progress = newProgress(direction, now) })
				}
			}
			result, err := m.transferring.Ask(ctx, job)
			m.change(func() {
				s.Progress = nil
				if result.Bytes > 0 {
					s.Throughputs = append(s.Throughputs, result)
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// newProgress returns the wire form of how far a transfer is.
func newProgress(direction perigee.Load, p probes.TransferProgress) *api.ProbeProgress {
	out := &api.ProbeProgress{Direction: string(direction), Phase: p.Phase, Elapsed: p.Elapsed.Seconds(), Bytes: p.Bytes, BitsPerSecond: p.Rate}
	if p.Error >= 0 {
		out.ErrorRatio = &p.Error
	}
	return out
}

// latency returns a measurement of latency beside the one that always goes on.
func (m *measuring) latency(p api.ProbeRequest) (func(context.Context, *api.ProbeState) error, error) {
	narrow := m.plan
	link, _ := m.plan.link(perigee.LinkID(p.Link))
	narrow.links, narrow.firstHops = []perigee.Link{link}, nil
	if p.Target != "" {
		i := slices.IndexFunc(m.plan.targets, func(t perigee.Target) bool { return string(t.ID) == p.Target })
		if i < 0 {
			return nil, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("target %s is not configured", p.Target)}
		}
		narrow.targets = m.plan.targets[i : i+1]
	}
	narrow.interval = min(narrow.interval, time.Second)
	limit := askedProbes
	if p.Seconds != nil {
		limit = max(1, int(*p.Seconds/narrow.interval.Seconds()))
	}
	return func(ctx context.Context, s *api.ProbeState) error {
		m.began(s)
		runner, err := newMeasurement(narrow, measurementOptions{clock: clock.System(), limit: limit, record: func(_ context.Context, b perigee.Batch) error {
			m.transferring.account.probed(b.Samples)
			m.change(func() {
				for _, sample := range b.Samples {
					sample.Singletons = nil
					s.Samples = append(s.Samples, sample)
				}
			})
			return nil
		}})
		if err != nil {
			return err
		}
		return runner.Run(ctx)
	}, nil
}
