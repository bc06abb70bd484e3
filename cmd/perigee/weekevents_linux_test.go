package main

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"
)

// weekEvent is something that happens.
type weekEvent struct {
	at time.Duration // since the beginning
	do func()
}

// weekOutage is a time in which some links answer no probe; failing tells that none can be
// sent.
type weekOutage struct {
	at, length time.Duration
	links      []int
	failing    bool
}

// outages are the outages of the week: each day four short ones of Starlink, and one more.
func (w *week) outages() []weekOutage {
	var all []weekOutage
	for d := range w.days {
		for n := range 4 {
			all = append(all, weekOutage{at: time.Duration(d)*day + time.Duration(6*n+1)*time.Hour + 17*time.Minute, length: 4 * time.Second, links: []int{2}})
		}
	}
	return append(all, slices.DeleteFunc([]weekOutage{
		{at: 10*time.Hour + 7*time.Minute, length: 5 * time.Minute, links: []int{3}},
		{at: day + 6*time.Hour + 40*time.Minute, length: 2 * time.Minute, links: []int{0, 1, 2, 3}},
		{at: 3*day + 20*time.Hour + 11*time.Minute, length: 10 * time.Minute, links: []int{1}, failing: true},
		{at: 5*day + 12*time.Hour + 3*time.Minute, length: 45 * time.Minute, links: []int{0}},
	}, func(o weekOutage) bool { return o.at > time.Duration(w.days)*day })...)
}

// The times at which other things happen, since the beginning.
const (
	weekRestart   = day                  // the daemon is ended, and begun again a minute later
	weekSleep     = 2*day + 2*time.Hour  // the machine sleeps for 20 minutes
	weekAway      = 3 * day              // the database goes
	weekBack      = 4 * day              // and comes back
	weekForward   = 4*day + 10*time.Hour // the clock is set forward by 90 s
	weekBackwards = 5*day + 15*time.Hour // and back by 40 s
)

// events are what happens in the week, in order. Each hour the daemon is asked what the
// page asks, somebody listens for ten minutes, and each day at three it reads its
// configuration again.
func (w *week) events() []weekEvent {
	var all []weekEvent
	at := func(t time.Duration, do func()) {
		if t < time.Duration(w.days)*day {
			all = append(all, weekEvent{t, do})
		}
	}
	for _, o := range w.outages() {
		change := func(is bool) func() {
			return func() {
				for _, i := range o.links {
					w.links[i].set(func() { w.links[i].silent, w.links[i].failing = is && !o.failing, is && o.failing })
				}
			}
		}
		at(o.at, change(true))
		at(o.at+o.length, change(false))
	}
	for d := range w.days {
		at(time.Duration(d)*day+3*time.Hour, func() { w.reload(d + 1) })
		at(time.Duration(d+1)*day-time.Minute, w.measure)
		for h := range 24 {
			at(time.Duration(d)*day+time.Duration(h)*time.Hour+31*time.Minute, w.ask)
		}
	}
	at(weekRestart, func() {
		w.daemon.end()
		time.Sleep(time.Minute)
		w.live()
	})
	at(weekSleep, func() {
		for i, l := range w.links {
			l.set(func() { w.asleep[i] = int64(len(l.waiting)) })
		}
		w.clock.sleep(20 * time.Minute)
	})
	at(weekAway, func() { w.tunnel.away.Store(true) })
	at(weekBack, func() { w.tunnel.away.Store(false) })
	at(weekForward, func() { w.clock.set(90 * time.Second) })
	at(weekBackwards, func() { w.clock.set(-40 * time.Second) })
	// The sleep has moved the time of day by 20 minutes.
	month := time.Date(2027, time.March, 31, 13, 0, 0, 0, time.UTC).Sub(weekStart) - 20*time.Minute
	at(month, func() {
		for _, l := range w.links {
			w.monthly = append(w.monthly, l.counted())
		}
	})
	at(time.Duration(w.days)*day-30*time.Second, func() {
		var err error
		if w.budgets, err = w.daemon.current().transfer.Budgets(w.t.Context()); err != nil {
			w.t.Error(err)
		}
		for _, l := range w.links {
			w.budgeted = append(w.budgeted, l.counted())
		}
	})
	slices.SortStableFunc(all, func(a, b weekEvent) int { return cmp.Compare(a.at, b.at) })
	return all
}

// reload has the configuration read again.
func (w *week) reload(n int) {
	if err := w.daemon.Reload(w.t.Context(), w.plan(n)); err != nil {
		w.t.Error(err)
	}
	w.handler = w.daemon.handler()
}

// ask asks what the page asks, and listens for ten minutes.
func (w *week) ask() {
	for _, path := range []string{
		"/metrics", "/api/v1/links", "/api/v1/outbox", "/api/v1/budget", "/api/v1/throughput?from=7d&series=false", "/api/v1/outages?from=7d", "/api/v1/gaps?from=7d",
		"/api/v1/compare?metric=rtt&from=1h&links=fibre,leo,starlink,geo", "/api/v1/compare?metric=rtt&from=7d&links=starlink,geo",
		"/api/v1/series?metric=rtt&from=15m&link=geo", "/api/v1/slots?from=1h&link=starlink", "/api/v1/export?from=10m",
		"/api/v1/heatmap?metric=rtt&from=7d&link=leo&timezone=Australia/Sydney", "/api/v1/availability?from=7d&timezone=Australia/Sydney",
	} {
		answer := httptest.NewRecorder()
		w.handler.ServeHTTP(answer, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, path, nil))
		if answer.Code != http.StatusOK {
			w.t.Errorf("%s: %d %.300s", path, answer.Code, answer.Body)
		}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	go func() {
		defer cancel()
		w.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/live", nil))
	}()
}
