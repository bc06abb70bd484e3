package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"perigee/api"
	"perigee/storage/sqlite"
)

// groundAge is how long findings stand before they are looked for again: whoever asks
// /readyz every second must not have the disk written to as often.
const groundAge = time.Minute

// ground checks what measuring p stands on: the configuration, the binding of each link,
// who may ask, clock and disk. Both doctor and /readyz say it. doubt is why the time of day cannot be
// right, nil if it can. Nothing is sent.
func ground(p plan, doubt error) []finding {
	findings := []finding{{Check: "configuration", State: stateOK, Message: p.origin}}
	for _, w := range p.warnings {
		findings = append(findings, finding{Check: "configuration", State: stateWarning, Message: w})
	}
	for _, l := range p.probed() {
		findings = append(findings, checkLink(l, p.targetsOf(l), p.somewhere())...)
	}
	findings = append(findings, checkTokens(p.api, time.Now())...)
	findings = append(findings, checkCertificate(p.api, time.Now())...)
	findings = append(findings, checkTime(doubt), checkDisk(p.storePath))
	return append(findings, checkAsides(storeFile(p.storePath))...)
}

// checkAsides tells of damaged stores that were set aside, for as long as they are there.
func checkAsides(file string) (findings []finding) {
	list, err := sqlite.Asides(file)
	if err != nil {
		return []finding{failed("damage", err)}
	}
	for _, a := range list {
		findings = append(findings, finding{Check: "damage", State: stateWarning,
			Message: fmt.Sprintf("the store was damaged on %s: %s was set aside (%s)", a.At.Format(time.DateTime+" MST"), a.Path, byteSize(float64(a.Size))),
			Remedy:  "see the event store_damaged for what was carried over, and test the disk and the memory; remove its files when nothing more is wanted of them",
		})
	}
	return findings
}

// checkTime says whether the time of day can be right, and how good the clock is.
func checkTime(doubt error) finding {
	f := checkClock()
	if doubt != nil {
		f = failed(f.Check, doubt)
		f.Remedy = "set the clock, or let chrony or systemd-timesyncd do so; results are kept until then, and dated"
	}
	return f
}

// doubtOf says why the time of day cannot be right by what a store knows, nil if it can.
// The store may not exist.
func doubtOf(ctx context.Context, p plan) error {
	store, err := sqlite.OpenReader(ctx, storeFile(p.storePath))
	if err != nil {
		c := bootClock{real: systemClock(), floor: clockFloor{built: builtAt()}} // what is wrong with the store is told by its check
		c.begun = c.real()
		return c.doubt()
	}
	defer store.Close()
	c, err := newBootClock(ctx, store, p)
	if err != nil || c.known.Load() {
		return nil
	}
	return c.doubt()
}

// asCheck is a finding as /readyz tells it.
func (f finding) asCheck() api.Check {
	c := api.Check{Name: f.Check, OK: f.State != stateFailed, State: f.State, Message: f.Message}
	if !c.OK {
		c.Reason = f.Message
		if f.Remedy != "" {
			c.Reason += "; " + f.Remedy
		}
	}
	return c
}

// grounds remembers findings for a while.
type grounds struct {
	mu    sync.Mutex // guards what follows; held while they are looked for
	at    time.Duration
	found []finding
}

// of returns the findings of p as of now, on the monotonic clock, or of a little before.
func (g *grounds) of(p plan, doubt error, now time.Duration) []finding {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.found == nil || now-g.at >= groundAge {
		g.found, g.at = ground(p, doubt), now
	}
	return g.found
}

// forget has them looked for again.
func (g *grounds) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.found = nil
}
