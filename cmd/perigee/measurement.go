package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/probes/bind"
	"perigee/probes/icmp"
)

// newProber makes a prober of real packets; tests replace it where time is not real.
var newProber = func(o icmp.Options) (perigee.Prober, error) { return icmp.New(o) }

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
	streams, _, err := measuredStreams(p, o.clock, nil)
	if err != nil {
		return nil, err
	}
	return newRunner(p, streams, o)
}

// proberDefinition is what makes a prober: two with the same measure the same.
type proberDefinition struct {
	bind                  bind.Options
	address               string
	family                perigee.Family
	lossTimeout, interval time.Duration
	size                  int
	toward                netip.Addr // where a first hop is asked for; else the zero value
}

// definedProbers are the probers that there are, by stream.
type definedProbers map[perigee.Stream]struct {
	proberDefinition
	perigee.Prober
}

// measuredStreams returns what p measures. Of those that are defined as they were in
// known, the probers are the same.
func measuredStreams(p plan, clock perigee.Clock, known definedProbers) ([]probes.Stream, definedProbers, error) {
	var all []probes.Stream
	defined := definedProbers{}
	for _, l := range p.probed() {
		for _, t := range p.targetsOf(l) {
			key := perigee.Stream{Site: p.site.Name, Link: l.ID, Target: t.ID,
				Method: perigee.MethodICMP, Family: family(t), Load: perigee.LoadIdle}
			entry := defined[key]
			entry.proberDefinition = proberDefinition{
				bind: bindOptions(l), address: t.Address, family: family(t), lossTimeout: p.lossTimeoutFor(l),
				interval: min(p.interval, p.loadInterval()), size: icmpHeader + p.size,
			}
			resolve := resolver(t, l, p.somewhere())
			if resolve != nil {
				entry.toward = p.somewhere()
			}
			if k, ok := known[key]; ok && k.proberDefinition == entry.proberDefinition {
				entry.Prober = k.Prober
			} else {
				prober, err := newProber(icmp.Options{
					Bind: entry.bind, Address: entry.address, Family: entry.family, LossTimeout: entry.lossTimeout,
					Interval: entry.interval, Size: entry.size, Clock: clock, Resolve: resolve,
				})
				if err != nil {
					return nil, nil, fmt.Errorf("link %s to target %s: %w", l.ID, t.ID, err)
				}
				entry.Prober = prober
			}
			defined[key] = entry
			all = append(all, probes.Stream{Key: key, Prober: entry.Prober, LossTimeout: entry.lossTimeout})
		}
	}
	return all, defined, nil
}

// newRunner makes the runner of p's streams.
func newRunner(p plan, streams []probes.Stream, o measurementOptions) (*probes.Runner, error) {
	options := runnerOptions(p, streams)
	options.Limit, options.Clock, options.Epoch, options.Record, options.OnSingleton = o.limit, o.clock, o.epoch, o.record, o.singleton
	options.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	return probes.New(options)
}

// runnerOptions are those that a plan says.
func runnerOptions(p plan, streams []probes.Stream) probes.Options {
	return probes.Options{
		Site: p.site.Name, Streams: streams, Interval: p.interval, LoadInterval: p.loadInterval(), Window: p.window, OutageAfter: p.outageAfter,
	}
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
			if _, err = tryBinding(binder, t, p.somewhere()); errors.Is(err, os.ErrPermission) {
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
