package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"perigee/api"
)

// appends counts what became of the batches that the store was given.
type appends struct {
	mu      sync.Mutex // guards all below
	given   int64
	failed  int64
	last    time.Time // when one was taken last; zero: none was
	failing bool      // whether the last was not
}

// note counts a batch that was given at now; err is why it was not taken.
func (a *appends) note(err error, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given++
	if a.failing = err != nil; a.failing {
		a.failed++
		return
	}
	a.last = now
}

// storeState tells how the store does, for /metrics.
func (d *daemon) storeState(ctx context.Context) (api.StoreState, error) {
	s, err := d.store.State(ctx)
	if err != nil {
		return api.StoreState{}, err
	}
	recording := d.runner.Recording()
	d.appends.mu.Lock()
	defer d.appends.mu.Unlock()
	return api.StoreState{
		File: s.File, Log: s.Log, Free: s.Free, Windows: s.Windows, Oldest: s.Oldest, Newest: s.Newest, DiskFull: s.Full, Damaged: s.Damaged, Asides: s.Asides,
		Appends: d.appends.given, Failures: d.appends.failed, LastAppend: d.appends.last, Failing: d.appends.failing,
		Waiting: int64(recording.Waiting), GivenUp: recording.GivenUp,
	}, nil
}

// collectors are what /metrics tells beside what was measured.
func (d *daemon) collectors() []prometheus.Collector {
	now := d.current().plan
	return []prometheus.Collector{
		api.NewLinkCollector(now.site, now.links),
		api.NewStoreCollector(d.storeState),
	}
}
