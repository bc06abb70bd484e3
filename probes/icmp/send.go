package icmp

import (
	"fmt"
	"net/netip"

	"perigee"
	"perigee/probes/bind"
)

// Causes of probes that were not sent, besides those of bind.Reason.
const (
	causeNotRunning  = "prober not running"
	causeNotResolved = "target not resolved"
	causeTooMany     = "too many probes under way"
)

// Send implements perigee.Prober. It takes some ten microseconds; when the link has
// changed, some hundreds.
func (p *Prober) Send(seq perigee.Seq, emit perigee.Emitter) {
	p.sending.Lock()
	defer p.sending.Unlock()
	sock, to, cause := p.ready(emit)
	if cause == "" {
		if cause = p.transmit(sock, to, seq); p.stale {
			// The system's error number is ambiguous; the link's state is not.
			if _, err := p.link.Path(to); err != nil {
				cause = causeOf(err)
			}
		}
	}
	if cause != "" {
		emit.Singleton(perigee.Singleton{Seq: seq, At: p.opts.Clock().Mono, Outcome: perigee.SendFailed, Cause: cause})
	}
}

// transmit sends probe seq. It returns why it was not sent, or "" if it was or if its
// outcome is decided already.
func (p *Prober) transmit(sock socket, to netip.Addr, seq perigee.Seq) (cause string) {
	setSeq(p.request, seq)
	p.mu.Lock()
	if !p.running {
		p.mu.Unlock()
		return causeNotRunning
	}
	// In the table first: a reply may be read before the system call returns.
	added := p.table.add(seq, p.opts.Clock().Mono)
	p.mu.Unlock()
	if !added {
		return causeTooMany
	}
	err := sock.Send(p.request, to)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		if !p.armed {
			p.arm()
		}
		return ""
	case !p.table.remove(seq): // decided meanwhile: the run ended
		return ""
	}
	p.stale = true
	return causeOf(err)
}

// causeOf returns the words for why something was not sent.
func causeOf(err error) string { return string(bind.ReasonOf(err)) }

// ready returns the socket to send by and the target, or why there is none. It finds
// the link again if it has changed.
func (p *Prober) ready(emit perigee.Emitter) (sock socket, to netip.Addr, cause string) {
	p.mu.Lock()
	running, to, sock, fatal := p.running && !p.stopping, p.target, p.socket, p.fatal
	p.mu.Unlock()
	switch {
	case !running:
		return nil, to, causeNotRunning
	case fatal != nil:
		return nil, to, causeOf(fatal)
	case !to.IsValid():
		return nil, to, causeNotResolved
	}
	changed := p.link.Changed() // always asked, so that it forgets
	if !changed && !p.stale && p.down == nil && sock != nil && p.looked == to {
		return sock, to, ""
	}
	p.looked, p.stale = to, false
	sock, p.down = p.look(sock, to, emit)
	if p.down != nil {
		return nil, to, causeOf(p.down)
	}
	return sock, to, ""
}

// look finds the way to the target anew. It returns sock if that still serves, else
// a new socket, which takes its place.
func (p *Prober) look(sock socket, to netip.Addr, emit perigee.Emitter) (socket, error) {
	path, err := p.link.Path(to)
	if err == nil && (sock == nil || !sock.Path().Serves(path)) {
		if sock, err = p.link.Open(to, p.id); err == nil {
			path = sock.Path()
		}
	}
	if err != nil {
		p.giveUpIfHopeless(err)
		return nil, err
	}
	proof := perigee.Proof{InterfaceIndex: path.Index, InterfaceName: path.Name, Local: path.Local}
	p.mu.Lock()
	before := p.proof
	if !proof.Local.IsValid() && proof.InterfaceIndex == before.InterfaceIndex {
		proof.Local = before.Local
	}
	p.proof = proof
	if old := p.socket; old != sock {
		p.socket, p.armed = sock, false
		p.arm()
		if old != nil {
			old.Close() // Receive returns, and Run goes on with the new one
		}
		p.wakeRun()
	}
	p.mu.Unlock()
	if before.Local.IsValid() && proof != before {
		emit.Event(perigee.EventRebound, describe(before)+" -> "+describe(proof))
	}
	return sock, nil
}

// giveUpIfHopeless ends Run if err will not pass by itself.
func (p *Prober) giveUpIfHopeless(err error) {
	code := perigee.CodePermission
	switch bind.ReasonOf(err) {
	case bind.ReasonPermission:
	case bind.ReasonUnsupported:
		code = perigee.CodeInvalid
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fatal = &perigee.Error{Code: code, Message: "probing " + p.opts.Address, Err: err}
	p.arm()
	p.wakeRun()
}

func (p *Prober) wakeRun() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func describe(proof perigee.Proof) string {
	return fmt.Sprintf("%s (%d) %s", proof.InterfaceName, proof.InterfaceIndex, proof.Local)
}
