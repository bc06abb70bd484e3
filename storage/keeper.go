// Package storage holds the policies of keeping results, whatever store keeps them:
// how long what is kept, when rollups are made, and how results leave for a sink
// elsewhere. The stores and sinks themselves are in packages below it and know nothing
// of it.
package storage

import (
	"context"
	"time"
)

// DefaultInterval is how often a Keeper works if it is not told. Rollups are read right
// at any time, made or not, so this bounds only what has to be merged while reading.
const DefaultInterval = 10 * time.Minute

// keepLimit is how long rolling up and expiring may take: of years that were imported at
// once, on a small machine, a good part of an hour.
const keepLimit = 2 * time.Hour

// Retention is how long results are kept. Zero is forever. Rollups, throughputs, outages,
// gaps and events are always kept forever.
type Retention struct {
	Singletons time.Duration
	Windows    time.Duration // singletons go with their windows at the latest
}

// DefaultRetention keeps singletons for two weeks and windows for 400 days.
var DefaultRetention = Retention{Singletons: 14 * 24 * time.Hour, Windows: 400 * 24 * time.Hour}

// Expiry returns the starts before which singletons and windows are to be deleted now;
// the zero time is none.
func (r Retention) Expiry(now time.Time) (singletons, windows time.Time) {
	if r.Singletons > 0 {
		singletons = now.Add(-r.Singletons)
	}
	if r.Windows > 0 {
		windows = now.Add(-r.Windows)
	}
	return singletons, windows
}

// Keepable is a store that a Keeper can look after. Both methods may be interrupted and
// repeated, and let other writes through while they work.
type Keepable interface {
	// Roll brings the rollups of hours and days that ended by now up to date.
	Roll(ctx context.Context, now time.Time) error

	// Expire deletes singletons and windows that start before the given times;
	// the zero time deletes nothing.
	Expire(ctx context.Context, singletons, windows time.Time) error
}

// Keeper rolls up and expires at regular times.
type Keeper struct {
	Store     Keepable
	Retention Retention
	Interval  time.Duration    // DefaultInterval if zero
	Now       func() time.Time // the wall clock

	// Beat is told within what time Run will tell again, each time that it comes round.
	// Nil: nobody is.
	Beat func(within time.Duration)

	// Failed is told of each failure; the keeper goes on with the next time.
	Failed func(error)
}

// Run works at once and then at each interval until ctx ends. It returns nil then.
func (k Keeper) Run(ctx context.Context) error {
	interval := k.Interval
	if interval <= 0 {
		interval = DefaultInterval
	}
	beat := k.Beat
	if beat == nil {
		beat = func(time.Duration) {}
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		beat(keepLimit)
		if err := k.Keep(ctx); err != nil && ctx.Err() == nil {
			k.Failed(err)
		}
		beat(interval + keepLimit)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Keep rolls up and expires once.
func (k Keeper) Keep(ctx context.Context) error {
	now := k.Now()
	if err := k.Store.Roll(ctx, now); err != nil {
		return err
	}
	singletons, windows := k.Retention.Expiry(now)
	return k.Store.Expire(ctx, singletons, windows)
}
