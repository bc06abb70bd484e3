package main

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/probes/icmp"
	"perigee/probes/transfer"
	"perigee/probes/transfer/wire"
	"perigee/storage"
	"perigee/storage/influx/influxtest"
	"perigee/storage/storagetest"
)

const (
	day = 24 * time.Hour

	// weekWindow is what a sample is made of.
	weekWindow = 10 * time.Second
)

// weekStart is the Monday of a week in which a month begins and, in Sydney, summer time
// ends.
var weekStart = time.Date(2027, time.March, 29, 0, 0, 0, 0, time.UTC)

// weekRetention is short, so that what is kept is steady well within the week.
var weekRetention = storage.Retention{Singletons: day, Windows: 3 * day}

// TestWeek runs the daemon for a week of its own time in minutes of ours: all of it as
// `perigee run` wires it, on a real file and before a real InfluxDB, but for what lies
// behind the sockets (see imaginedLink, tunnel and transfer), with four links at ten
// probes a second. What happens in the week is in events. Every probe must be in the
// store and at the database, once; every outage, gap and reading of the configuration on
// record; and at the end of the last day the process may be no larger than at the end of
// the second.
func TestWeek(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes minutes; set PERIGEE_LONG=1")
	}
	endureDays(t, 7, 100*time.Millisecond)
}

// TestDayAtTheUsualRate tells what a day at five probes a second takes of the disk, as
// TestWeek does at ten.
func TestDayAtTheUsualRate(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes a minute or two; set PERIGEE_LONG=1")
	}
	endureDays(t, 1, config.DefaultInterval)
}

// endureDays is so many days of the week.
func endureDays(t *testing.T, days int, interval time.Duration) {
	server := influxtest.Start(t)
	w := &week{bucket: server.Bucket(t), dir: t.TempDir(), tunnel: newTunnel(t, server.URL), days: days, interval: interval, url: server.URL, asleep: make([]int64, len(weekLinks))}
	token := filepath.Join(w.dir, "token")
	if err := os.WriteFile(token, []byte(server.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	w.token = token
	began := time.Now()
	synctest.Test(t, w.run)
	t.Logf("%d days took %s, %d writes to the database", days, time.Since(began).Round(time.Second), w.tunnel.done.Load())
	if !t.Failed() {
		w.reconcile(t, server)
	}
}

// week is days of a daemon.
type week struct {
	dir, bucket, url, token string
	tunnel                  *tunnel
	days                    int
	interval                time.Duration // between probes

	// Of the bubble.
	t         *testing.T
	begin     time.Duration // on the monotonic clock
	clock     *weekClock
	links     []*imaginedLink
	transfers *storagetest.Generator
	made      atomic.Int64 // transfers
	daemon    life
	words     *log
	handler   http.Handler
	sizes     []weekSize
	asleep    []int64      // probes on their way when the machine fell asleep
	ended     time.Time    // by its clock
	monthly   []probeTruth // when the month began
	budgets   []api.BudgetState
	budgeted  []probeTruth // when budgets were read
}

// weekLinks are the links of the week: what each is like when nothing happens.
var weekLinks = []struct {
	link        perigee.Link
	rtt, jitter time.Duration
	loss        float64
}{
	{perigee.Link{ID: "fibre", Orbit: perigee.OrbitTerrestrial}, 14 * time.Millisecond, 200 * time.Microsecond, 0.00001},
	{perigee.Link{ID: "leo", Orbit: perigee.OrbitLEO}, 66 * time.Millisecond, 7 * time.Millisecond, 0.004},
	{perigee.Link{ID: "starlink", Orbit: perigee.OrbitStarlink}, 27 * time.Millisecond, 15 * time.Millisecond, 0.01},
	{perigee.Link{ID: "geo", Orbit: perigee.OrbitGEO}, 610 * time.Millisecond, 30 * time.Millisecond, 0.002},
}

// run is the week, in a bubble.
func (w *week) run(t *testing.T) {
	w.t = t
	time.Sleep(time.Until(weekStart)) // a bubble begins in 2000
	w.replace()
	stop := w.tunnel.begin()
	w.live()
	w.begin = w.clock.read().Mono
	for _, e := range w.events() {
		time.Sleep(w.begin + e.at - w.clock.read().Mono)
		e.do()
	}
	w.ended = w.clock.read().Wall
	w.daemon.end()
	stop()
}

// replace puts what is imagined in the place of what is real, until the end of the test.
func (w *week) replace() {
	w.clock = &weekClock{base: time.Now()}
	prober, dial, made, system, synchronised := newProber, dialSystem, runTransfer, systemClock, clockSynchronised
	w.t.Cleanup(func() {
		newProber, dialSystem, runTransfer, systemClock, clockSynchronised = prober, dial, made, system, synchronised
	})
	systemClock = func() perigee.Clock { return w.clock.read }
	clockSynchronised = func() bool { return true }
	dialSystem = w.tunnel.dial
	w.transfers = storagetest.NewGenerator(1)
	runTransfer = w.transfer
	for i, l := range weekLinks {
		w.links = append(w.links, newImaginedLink(uint64(i), l.rtt, l.jitter, l.loss))
	}
	newProber = func(o icmp.Options) (perigee.Prober, error) {
		i := int(o.Bind.Source.As4()[3]) - 11
		w.links[i].clock, w.links[i].timeout = o.Clock, o.LossTimeout
		return w.links[i], nil
	}
}

// plan is what is measured; odd ones have another budget and another pace of forwarding.
func (w *week) plan(n int) plan {
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		w.t.Fatal(err)
	}
	p := plan{
		site:     perigee.Site{Name: "week"},
		targets:  []perigee.Target{{ID: "far", Address: "198.18.255.1"}},
		interval: w.interval, window: weekWindow, outageAfter: time.Second, size: 56, storePath: w.dir, retention: weekRetention,
		influxdb: &config.InfluxDB{URL: w.url, Bucket: w.bucket, TokenFile: w.token},
		budgets:  map[perigee.LinkID]probes.Budget{},
		farEnds:  []farEnd{{target: "far", address: "198.18.255.1:4862", key: wire.NewKey()}},
		begun:    weekStart, origin: "the week",
	}
	settings := p.transferSettings()
	settings.MaxBytes, settings.Streams, settings.BusyAbove = 40_000_000, []int{1, 4}, 10_000_000_000 // whatever else uses loopback
	p.transfer = &settings
	for i, l := range weekLinks {
		l.link.Source = netip.AddrFrom4([4]byte{127, 0, 0, byte(11 + i)})
		p.links = append(p.links, l.link)
		if i > 0 {
			p.budgets[l.link.ID] = probes.Budget{Bytes: 50_000_000_000 + int64(n%2), Month: probes.BillingMonth{ResetsOn: 1, Location: sydney}, Reserve: 0.1}
		}
	}
	return p
}

// live begins a life of the daemon.
func (w *week) live() {
	w.words = &log{}
	ctx, stop := context.WithCancel(w.t.Context())
	d, err := newDaemon(ctx, streams{err: w.words, out: w.words}, w.plan(0), nil, 0)
	if perigee.CodeOf(err) == perigee.CodePermission {
		w.t.Skip(err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.daemon = life{d, w.t, stop, make(chan error, 1)}
	go func() { w.daemon.ended <- d.Run(ctx) }()
	w.handler = d.handler()
}

// transfer imagines a transfer with a far end: it takes five seconds.
func (w *week) transfer(ctx context.Context, o transfer.Options) (perigee.Throughput, error) {
	r := w.transfers.Throughput(o.Stream, o.Clock().Wall)
	r.Stream.Family = perigee.IPv4
	r.Idle, r.Loaded = perigee.Latency{}, perigee.Latency{}
	r.TCP, r.TCPReceiver = every10th(r.TCP), every10th(r.TCPReceiver) // perigee records one a second
	timer := time.NewTimer(r.Length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return perigee.Throughput{}, ctx.Err()
	}
	w.made.Add(1)
	return r, nil
}

func every10th[T any](list []T) (kept []T) {
	for i := 9; i < len(list); i += 10 {
		kept = append(kept, list[i])
	}
	return kept
}
