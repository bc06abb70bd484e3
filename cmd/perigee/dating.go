package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"perigee"
	"perigee/probes"
	"perigee/storage/sqlite"
)

// dating gives held results their place in time.
type dating struct {
	boot  time.Time // when the machine's boot was, and the epoch in nanoseconds
	epoch int64

	begun    bool // the main store knows of the run
	previous perigee.Run
}

// datedMark begins the detail of the event by which a held store knows that it is being
// moved, and by what: however often that is begun anew, it must come to the same times.
const datedMark = "the machine was booted at "

// begunDating returns what moves a held store, if that was begun.
func begunDating(ctx context.Context, early *sqlite.Store) (dating, bool, error) {
	events, err := early.Events(ctx, perigee.Query{})
	if err != nil {
		return dating{}, false, err
	}
	for _, e := range events {
		text, ok := strings.CutPrefix(e.Detail, datedMark)
		if e.Kind != perigee.EventClockSet || !ok {
			continue
		}
		boot, err := time.Parse(time.RFC3339Nano, text)
		return dating{boot: boot}, true, err
	}
	return dating{}, false, nil
}

// date returns the time of day of a provisional time.
func (d *dating) date(t time.Time) time.Time { return t.Add(d.boot.Sub(time.Unix(0, 0))) }

// begin has the main store begin a run when the first of the held ones began, and decides
// by what they are dated. It may be called again if it fails.
func (d *dating) begin(ctx context.Context, h *holding, early *sqlite.Store, boot time.Time) error {
	events, err := early.Events(ctx, perigee.Query{})
	if err != nil {
		return err
	}
	first := time.Unix(0, 0).Add(h.clock.sinceBoot(h.clock.real()))
	for _, e := range events {
		if e.Kind == perigee.EventStarted {
			first = e.Time
			break
		}
	}
	if !d.begun {
		d.boot = boot
		if d.previous, d.epoch, err = h.main.Begin(ctx, d.date(first)); err != nil {
			return err
		}
		d.boot, d.begun = boot.Add(time.Duration(d.epoch)), true
	}
	measured, err := h.planned().measured(ctx, h.main)
	if err != nil {
		return err
	}
	if err := h.main.Append(ctx, perigee.Batch{Gaps: probes.StartupGaps(d.previous, measured, d.date(first))}); err != nil {
		return err
	}
	return early.Append(ctx, perigee.Batch{Events: []perigee.Event{{Site: h.planned().site.Name, Time: time.Unix(0, 0).Add(h.clock.sinceBoot(h.clock.real())),
		Kind: perigee.EventClockSet, Detail: datedMark + d.boot.UTC().Format(time.RFC3339Nano)}}})
}

// move copies all that is held to the main store, each thing once however often it is
// begun, and marks the time that it is of.
func (d *dating) move(ctx context.Context, h *holding, early *sqlite.Store, moved func()) error {
	all := perigee.Query{}
	var b perigee.Batch
	flush := func() error {
		if b.Empty() {
			return nil
		}
		err := h.main.Append(ctx, b.Dated(d.boot))
		b = perigee.Batch{}
		moved()
		return err
	}
	var windows int
	var from, to time.Time
	// First those that have their singletons, then all: what is there already stays.
	for pass, samples := range []func(context.Context, perigee.Query) iter.Seq2[perigee.Sample, error]{early.Singletons, early.Samples} {
		for s, err := range samples(ctx, all) {
			if err != nil {
				return err
			}
			if b.Samples = append(b.Samples, s); len(b.Samples) == datedAtOnce {
				if err := flush(); err != nil {
					return err
				}
			}
			if pass == 0 {
				continue
			}
			if windows++; from.IsZero() {
				from = s.Start
			}
			to = s.End()
		}
		if err := flush(); err != nil {
			return err
		}
	}
	for t, err := range early.Throughputs(ctx, all) {
		if err != nil {
			return err
		}
		b.Throughputs = append(b.Throughputs, t)
	}
	var err error
	if b.Outages, err = d.newOutages(ctx, h, early); err != nil {
		return err
	}
	if b.Gaps, err = early.Gaps(ctx, all); err != nil {
		return err
	}
	if b.Events, err = early.Events(ctx, all); err != nil {
		return err
	}
	for i := range b.Events {
		e := &b.Events[i]
		if e.Kind == perigee.EventClockSet && windows > 0 {
			e.Detail = fmt.Sprintf("%d windows from %s to %s were measured before the time of day was known, and are dated by the monotonic clock",
				windows, d.date(from).UTC().Format(time.RFC3339), d.date(to).UTC().Format(time.RFC3339))
		}
	}
	if windows > 0 {
		b.Events = append(b.Events, perigee.Event{Site: h.planned().site.Name, Time: from, Kind: perigee.EventClockUnset, Detail: "the clock had not been set since the machine was switched on"})
	}
	return flush()
}

// newOutages returns the held outages that the main store does not know. What it knows may
// have gone on since.
func (d *dating) newOutages(ctx context.Context, h *holding, early *sqlite.Store) ([]perigee.Outage, error) {
	known, err := h.main.Outages(ctx, perigee.Query{From: d.boot})
	if err != nil {
		return nil, err
	}
	held, err := early.Outages(ctx, perigee.Query{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(held, func(o perigee.Outage) bool {
		return slices.ContainsFunc(known, func(k perigee.Outage) bool { return k.Stream == o.Stream && k.Start.Equal(d.date(o.Start)) })
	}), nil
}
