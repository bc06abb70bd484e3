package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"perigee"
	"perigee/probes"
	"perigee/probes/bind"
	"perigee/storage/sqlite"
)

// recordTraffic is how often the account is brought up to date: seldom, because each time
// is a write to what may be an SD card.
const recordTraffic = time.Minute

// An account keeps what this service moves over each link, by purpose, and beside it what
// the link's device moved by the kernel's own counters. It survives restarts.
type account struct {
	site  string
	store *sqlite.Store // nil: nothing is kept
	now   func() time.Time
	boot  string

	mu      sync.Mutex                      // guards what follows
	size    map[perigee.Family]int64        // bytes of a probe's IP packet
	binders map[perigee.LinkID]*bind.Binder // never changed, but replaced
	ledgers map[perigee.LinkID]*probes.Ledger
	totals  map[perigee.LinkID]map[perigee.Purpose]int64               // since the start
	owed    map[time.Time]map[perigee.LinkID]map[perigee.Purpose]int64 // not in the store yet

	recording sync.Mutex // held while the store is brought up to date
}

// newAccount reads what was counted in earlier lives.
func newAccount(ctx context.Context, store *sqlite.Store, p plan, now func() time.Time) (*account, error) {
	a := &account{
		site: p.site.Name, store: store, now: now, boot: bootID(),
		ledgers: map[perigee.LinkID]*probes.Ledger{}, totals: map[perigee.LinkID]map[perigee.Purpose]int64{}, owed: map[time.Time]map[perigee.LinkID]map[perigee.Purpose]int64{},
	}
	return a, a.Reload(ctx, p)
}

// Reload keeps the account of the links of p from now on. What was counted stands.
func (a *account) Reload(ctx context.Context, p plan) error {
	binders := map[perigee.LinkID]*bind.Binder{}
	ledgers := map[perigee.LinkID]*probes.Ledger{}
	for _, l := range p.probed() {
		b, err := bind.New(bindOptions(l))
		if err != nil {
			return errors.Join(fmt.Errorf("link %s: %w", l.ID, err), closeAll(binders))
		}
		binders[l.ID], ledgers[l.ID] = b, &probes.Ledger{}
		if a.store == nil || a.knows(l.ID) {
			continue
		}
		counted, err := a.store.Ledger(ctx, a.site, l.ID, time.Time{}) // all: the clock may be wrong now
		if err != nil {
			return errors.Join(err, closeAll(binders))
		}
		for _, m := range counted {
			ledgers[l.ID].Add(probes.Moved{At: m.At, Purpose: m.Purpose, Bytes: m.Bytes})
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.binders
	a.size = map[perigee.Family]int64{perigee.IPv4: p.packet(perigee.IPv4), perigee.IPv6: p.packet(perigee.IPv6)}
	a.binders = binders
	for id, ledger := range ledgers { // of a link that is gone, what is under way still counts
		if a.ledgers[id] == nil {
			a.ledgers[id], a.totals[id] = ledger, map[perigee.Purpose]int64{}
		}
	}
	return closeAll(old)
}

// knows reports whether a link has a ledger.
func (a *account) knows(link perigee.LinkID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ledgers[link] != nil
}

func closeAll(binders map[perigee.LinkID]*bind.Binder) error {
	var errs []error
	for _, b := range binders {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

// bootID identifies the system's boot, since which its devices count; empty where the
// system does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Close gives back what looks at devices.
func (a *account) Close() error { return closeAll(a.devices()) }

// devices returns what looks at devices.
func (a *account) devices() map[perigee.LinkID]*bind.Binder {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.binders
}

// add counts bytes that were moved over a link.
func (a *account) add(link perigee.LinkID, purpose perigee.Purpose, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ledger := a.ledgers[link]
	if ledger == nil || bytes == 0 {
		return // it left by no link of ours
	}
	at := ledger.Add(probes.Moved{At: a.now(), Purpose: purpose, Bytes: bytes})
	links := a.owed[at]
	if links == nil {
		links = map[perigee.LinkID]map[perigee.Purpose]int64{}
		a.owed[at] = links
	}
	if links[link] == nil {
		links[link] = map[perigee.Purpose]int64{}
	}
	links[link][purpose] += bytes
	a.totals[link][purpose] += bytes
}

// total returns what was moved over a link for a purpose since the start.
func (a *account) total(link perigee.LinkID, purpose perigee.Purpose) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.totals[link][purpose]
}

// forwardingRate returns what forwarding moved over a link in the last day, in bytes per
// second of the time that was counted.
func (a *account) forwardingRate(link perigee.LinkID) float64 {
	now := a.now()
	from := now.Add(-24 * time.Hour)
	a.mu.Lock()
	defer a.mu.Unlock()
	ledger := a.ledgers[link]
	first, any := ledger.First()
	if !any {
		return 0
	}
	counted := min(24*time.Hour, max(now.Sub(first), time.Hour))
	return float64(ledger.Since(from, now).Forwarding) / counted.Seconds()
}

// deviceSince returns what a link's device moved since from by the kernel's counters, as
// far as it was recorded; negative if nothing was.
func (a *account) deviceSince(ctx context.Context, link perigee.LinkID, from time.Time) (int64, error) {
	sums, err := a.store.Traffic(ctx, a.site, link, from, time.Time{})
	if err != nil {
		return -1, err
	}
	if bytes, ok := sums[perigee.PurposeDevice]; ok {
		return bytes, nil
	}
	return -1, nil
}

// probed counts what the probes of stored samples moved: an echo request for each that
// was sent, and as much for each reply.
func (a *account) probed(samples []perigee.Sample) {
	a.mu.Lock()
	size := a.size
	a.mu.Unlock()
	for _, s := range samples {
		if s.Stream.Target == perigee.FirstHop {
			continue // it does not leave the house
		}
		c := s.Counts
		a.add(s.Stream.Link, perigee.PurposeProbing, (c.Sent+c.Received+c.Late+c.Duplicates)*size[s.Stream.Family])
	}
}

// spent returns what a budget of the link has left, see probes.Budget.Spent.
func (a *account) spent(link perigee.LinkID, b probes.Budget, now time.Time) probes.Use {
	a.mu.Lock()
	defer a.mu.Unlock()
	return b.Spent(a.ledgers[link], now)
}

// device returns what the kernel says that a link's device has moved since it came up:
// bytes of IP packets of everybody.
func (a *account) device(link perigee.LinkID) (bind.DeviceCounters, error) {
	b := a.devices()[link]
	if b == nil {
		return bind.DeviceCounters{}, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("link %s is not measured", link)}
	}
	return b.Counters(netip.Addr{})
}

// record brings the store up to date. What it does not take is owed on.
func (a *account) record(ctx context.Context) error {
	if a.store == nil {
		return nil
	}
	a.recording.Lock()
	defer a.recording.Unlock()
	a.mu.Lock()
	owed := a.owed
	a.owed = map[time.Time]map[perigee.LinkID]map[perigee.Purpose]int64{}
	a.mu.Unlock()
	var errs []error
	for at, links := range owed {
		if err := a.store.AddTraffics(ctx, a.site, at, links); err != nil {
			errs = append(errs, fmt.Errorf("account for moved bytes: %w", err))
			a.owe(at, links)
		}
	}
	for link := range a.devices() {
		c, err := a.device(link)
		if err != nil {
			continue // a device that is away counts nothing
		}
		_, err = a.store.CountDevice(ctx, a.site, link, sqlite.DeviceReading{
			Device: c.Name, Boot: a.boot, At: a.now(),
			Rx: c.RxBytes - c.RxPackets*int64(c.Header), Tx: c.TxBytes - c.TxPackets*int64(c.Header),
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// owe takes back what the store did not take.
func (a *account) owe(at time.Time, links map[perigee.LinkID]map[perigee.Purpose]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := a.owed[at]
	if since == nil {
		a.owed[at] = links
		return
	}
	for link, purposes := range links {
		if since[link] == nil {
			since[link] = maps.Clone(purposes)
			continue
		}
		for purpose, bytes := range purposes {
			since[link][purpose] += bytes
		}
	}
}

// Run keeps the account until ctx ends; the last of it is for record, after all else has
// ended.
func (a *account) Run(ctx context.Context, beat func(time.Duration)) error {
	ticker := time.NewTicker(recordTraffic)
	defer ticker.Stop()
	beat(accountPatience)
	_ = a.record(ctx) // devices count from here on; what fails is owed
	for {
		beat(recordTraffic + accountPatience)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			_ = a.record(ctx)
		}
	}
}
