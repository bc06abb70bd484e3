package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"

	"perigee"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/probes/bind"
	"perigee/probes/icmp"
)

// measurementOptions are what a measurement needs beside its plan.
type measurementOptions struct {
	clock     perigee.Clock
	epoch     int64
	limit     int // probes for each stream; 0 is without end
	record    func(context.Context, perigee.Batch) error
	singleton func(perigee.Stream, perigee.Singleton) // may be nil
}

// newMeasurement builds the probers of every link and target of p and the runner
// that drives them.
func newMeasurement(p plan, o measurementOptions) (*probes.Runner, error) {
	var all []probes.Stream
	for _, l := range p.probed() {
		for _, t := range p.targetsOf(l) {
			prober, err := icmp.New(icmp.Options{
				Bind:        bindOptions(l),
				Address:     t.Address,
				Family:      family(t),
				LossTimeout: p.lossTimeoutFor(l),
				Interval:    min(p.interval, p.loadInterval()),
				Size:        icmpHeader + p.size,
				Clock:       o.clock,
				Resolve:     resolver(t, l, p.somewhere()),
			})
			if err != nil {
				return nil, fmt.Errorf("link %s to target %s: %w", l.ID, t.ID, err)
			}
			all = append(all, probes.Stream{
				Key: perigee.Stream{Site: p.site.Name, Link: l.ID, Target: t.ID,
					Method: perigee.MethodICMP, Family: family(t), Load: perigee.LoadIdle},
				Prober:      prober,
				LossTimeout: p.lossTimeoutFor(l),
			})
		}
	}
	return probes.New(probes.Options{
		Site:         p.site.Name,
		Streams:      all,
		Interval:     p.interval,
		LoadInterval: p.loadInterval(),
		Window:       p.window,
		OutageAfter:  p.outageAfter,
		Limit:        o.limit,
		Clock:        o.clock,
		Rand:         rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		Epoch:        o.epoch,
		Record:       o.record,
		OnSingleton:  o.singleton,
	})
}

// resolver returns what looks up the address of t: the link's gateway, if that is what t
// stands for, else nil for the system's resolver.
func resolver(t perigee.Target, l perigee.Link, toward netip.Addr) func(context.Context, string, string) ([]netip.Addr, error) {
	if t.ID != perigee.FirstHop || t.Address != config.FirstHopAuto {
		return nil
	}
	return func(context.Context, string, string) ([]netip.Addr, error) {
		hop, err := gateway(l, toward)
		return []netip.Addr{hop}, err
	}
}

// permitted reports whether the system lets this process probe at all: waiting would
// not help if it does not. Links that cannot be bound for other reasons may come yet.
func permitted(p plan) error {
	for _, l := range p.probed() {
		binder, err := bind.New(bindOptions(l))
		if err != nil {
			return fmt.Errorf("link %s: %w", l.ID, err)
		}
		for _, t := range p.targets {
			if _, err = tryBinding(binder, t); errors.Is(err, os.ErrPermission) {
				break
			}
			err = nil
		}
		if err = errors.Join(err, binder.Close()); err != nil {
			return &perigee.Error{Code: perigee.CodePermission, Message: fmt.Sprintf("link %s", l.ID), Err: err}
		}
	}
	return nil
}

// bindOptions says how probes are kept on l.
func bindOptions(l perigee.Link) bind.Options {
	return bind.Options{Interface: l.Interface, Source: l.Source, Mark: l.Mark, Namespace: l.Namespace}
}
