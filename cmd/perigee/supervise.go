package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"perigee"
)

// A part that ends by itself is begun again after partPauseMin, doubling up to partPauseMax
// while it keeps ending. One that ran for partPauseMax is taken as healthy.
const (
	partPauseMin = time.Second
	partPauseMax = time.Minute
)

var errNoReason = errors.New("it ended without a reason")

// keepAlive runs f until ctx ends, and again whenever it ends or panics before that, after
// told has been told why. What f returns because ctx has ended is returned.
func keepAlive(ctx context.Context, f func(context.Context) error, told func(error)) error {
	pause := partPauseMin
	for {
		began := time.Now()
		err := guarded(ctx, f)
		if ctx.Err() != nil {
			return err
		}
		if err == nil {
			err = errNoReason
		}
		told(err)
		if time.Since(began) >= partPauseMax {
			pause = partPauseMin
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, partPauseMax)
	}
}

// guarded runs f and turns a panic into an error that names where it was.
func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return f(ctx)
}

// tellRestart records that a part of the daemon ended by itself and is begun again.
func (d *daemon) tellRestart(ctx context.Context, name string, err error) {
	d.s.notef("perigee: %s ended and is begun again: %v", name, err)
	detail, _, _ := strings.Cut(name+": "+err.Error(), "\n")
	// It is one of many things that a store which does not answer will not be told.
	_ = d.record(ctx, perigee.Batch{Events: []perigee.Event{{
		Site: d.current().plan.site.Name, Time: d.clock.read().Wall, Kind: perigee.EventPartRestart, Detail: detail,
	}}})
}
