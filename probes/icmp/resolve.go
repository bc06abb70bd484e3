package icmp

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"perigee"
)

const (
	// resolveEvery is how often a host name is looked up again. Addresses of
	// anycast and cloud hosts live for minutes; the lookup costs next to nothing.
	resolveEvery = 5 * time.Minute

	// resolveRest is the least time between lookups, and how often a name is
	// tried that has never resolved.
	resolveRest = 10 * time.Second

	resolveTimeout = 5 * time.Second

	// lossesBeforeResolving is after how many consecutive losses a host may
	// have moved.
	lossesBeforeResolving = 10
)

// isName reports whether the target is a host name.
func (p *Prober) isName() bool {
	_, err := netip.ParseAddr(p.opts.Address)
	return err != nil
}

// resolve keeps the target's address current until ctx ends.
func (p *Prober) resolve(ctx context.Context, emit perigee.Emitter) {
	for {
		wait := resolveRest
		if p.resolveOnce(ctx, emit) {
			wait = resolveEvery
		}
		if !p.rest(ctx, wait) {
			return
		}
	}
}

// rest waits until the host is to be looked up again. It reports false if ctx ended.
func (p *Prober) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(min(wait, resolveRest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	if wait -= resolveRest; wait <= 0 {
		return true
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
	case <-p.resolveC:
	case <-ctx.Done():
		return false
	}
	return true
}

// resolveOnce looks the host up. It reports whether it has an address. The present
// one is kept as long as it is among the answers, so that answers in changing order
// do not move the stream from host to host.
func (p *Prober) resolveOnce(ctx context.Context, emit perigee.Emitter) bool {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	network := "ip4"
	if p.family == perigee.IPv6 {
		network = "ip6"
	}
	found, err := p.opts.Resolve(ctx, network, p.opts.Address)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	found = slices.DeleteFunc(found, func(a netip.Addr) bool { return !a.IsValid() || familyOf(a) != p.family })
	p.mu.Lock()
	before := p.target
	if err != nil || len(found) == 0 || slices.Contains(found, before) {
		p.mu.Unlock()
		return before.IsValid()
	}
	p.target = found[0]
	p.mu.Unlock()
	if before.IsValid() {
		emit.Event(perigee.EventTargetResolved, before.String()+" -> "+found[0].String())
	}
	return true
}

// askResolver asks for a lookup ahead of time. The caller holds p.mu.
func (p *Prober) askResolver() {
	select {
	case p.resolveC <- struct{}{}:
	default:
	}
}
