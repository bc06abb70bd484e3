package icmp

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// maxReceiveErrors is how many receives may fail in a row before the socket counts as
// broken. A single one may be news about the network.
const maxReceiveErrors = 16

// Run implements perigee.Prober.
func (p *Prober) Run(ctx context.Context, emit perigee.Emitter) (err error) {
	if err := p.begin(); err != nil {
		return err
	}
	defer func() {
		cause := "stopped"
		if err != nil {
			cause = "prober failed"
		}
		p.end(cause, emit)
	}()
	ctx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, p.stop)()
	if p.isName() {
		helpers.Go(func() { p.resolve(ctx, emit) })
	}
	p.tryLink(emit)
	return p.hear(ctx, emit)
}

// tryLink opens the socket before the first probe, so that a missing permission is
// known at once.
func (p *Prober) tryLink(emit perigee.Emitter) {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.ready(emit)
}

// stop ends a Receive that waits because the run is over.
func (p *Prober) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopping = true
	p.arm()
	p.wakeRun()
}

// arm sets the socket's deadline to when the next probe expires, or to the past if
// the run is over. The caller holds p.mu.
func (p *Prober) arm() {
	if p.socket == nil {
		return
	}
	if p.stopping || p.fatal != nil {
		p.socket.SetDeadline(time.Unix(1, 0))
		return
	}
	at, ok := p.table.next()
	p.armed = ok
	if !ok {
		p.socket.SetDeadline(time.Time{})
		return
	}
	p.socket.SetDeadline(time.Now().Add(at - p.opts.Clock().Mono))
}

// hear receives until ctx ends or the socket breaks.
func (p *Prober) hear(ctx context.Context, emit perigee.Emitter) error {
	var m bind.Message
	failures := 0
	for {
		p.mu.Lock()
		sock, fatal := p.socket, p.fatal
		p.mu.Unlock()
		if fatal != nil {
			return fatal
		}
		if ctx.Err() != nil {
			return nil
		}
		if sock == nil { // nothing was sent yet: nothing can come or expire
			select {
			case <-p.wake:
			case <-ctx.Done():
			}
			continue
		}
		err := sock.Receive(&m)
		switch {
		case err == nil:
			failures = 0
			p.heard(&m, emit)
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.expire(sock, &m, emit)
		case errors.Is(err, os.ErrClosed): // replaced
		default:
			if failures++; failures == maxReceiveErrors {
				return &perigee.Error{Code: perigee.CodeInternal, Message: "receiving from " + p.opts.Address, Err: err}
			}
		}
	}
}

// heard deals with a packet.
func (p *Prober) heard(m *bind.Message, emit perigee.Emitter) {
	at := p.clockAt(m.Read) - m.Waited
	seq, err := parseReply(m.Data, p.family, p.session)
	if err != nil {
		return
	}
	p.mu.Lock()
	s, what := p.table.reply(seq, at)
	if what == first {
		p.losses = 0
		if m.Local.IsValid() {
			p.proof.Local = m.Local
		}
	}
	p.mu.Unlock()
	switch what {
	case first:
		emit.Singleton(s)
	case duplicate:
		emit.Duplicate(seq)
	}
}

// clockAt returns what the prober's monotonic clock showed at t, a moment ago.
func (p *Prober) clockAt(t time.Time) time.Duration {
	var at time.Duration
	for range 3 {
		before := time.Now()
		mono := p.opts.Clock().Mono
		after := time.Now()
		at = mono - after.Sub(t)
		if after.Sub(before) < untorn {
			break // or the process lost its processor in between
		}
	}
	return at
}

// untorn is how long a look at the clock takes at most if nothing comes in between.
const untorn = 20 * time.Microsecond

// expire decides the probes whose time is over. Replies that are there already, e.g.
// because the process was stopped for a while, come first.
func (p *Prober) expire(sock socket, m *bind.Message, emit perigee.Emitter) {
	p.mu.Lock()
	if p.stopping || p.fatal != nil || p.socket != sock {
		p.mu.Unlock()
		return
	}
	sock.SetDeadline(time.Time{})
	now := p.opts.Clock().Mono
	p.mu.Unlock()
	for range len(p.table.slots) { // bounded, whatever the network sends
		if sock.ReceiveNow(m) != nil {
			break
		}
		p.heard(m, emit)
	}
	p.mu.Lock()
	var lost []perigee.Singleton
	p.table.expire(now, func(s perigee.Singleton) { lost = append(lost, s) })
	p.losses += len(lost)
	if p.losses >= lossesBeforeResolving {
		p.losses = 0
		p.askResolver()
	}
	if p.socket == sock {
		p.arm()
	}
	p.mu.Unlock()
	for _, s := range lost {
		emit.Singleton(s)
	}
}
