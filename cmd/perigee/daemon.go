package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/storage/sqlite"
)

// A daemon measures a plan into a store and answers from it.
type daemon struct {
	s        streams
	clock    *bootClock
	held     *holding // what was measured before the time of day was known
	store    *sqlite.Store
	instance string // of store
	runner   *probes.Runner
	appends  appends
	feed     api.Feed
	account  *account
	listener net.Listener

	latencies *probes.Latencies
	probers   definedProbers // of the runner; of newDaemon, then of Reload alone
	answers   atomic.Pointer[http.Handler]
	callers   *api.Callers // of all answers
	watch     *watch
	hungNote  sync.Mutex // guards the file that tells of parts that hang

	grounds grounds

	reloading sync.Mutex // held while a configuration comes into effect
	live      liveParts  // what runs; guarded by reloading

	mu sync.RWMutex // guards parts
	parts
}

// newDaemon opens the store, records the gap since its last life and builds the
// measurement: limit probes for each stream, or without end if it is 0. Run takes over
// listener. Nothing is sent before Run. It fails with CodePermission, and touches no
// store, if this process may not probe. A store whose damage is met only on the way is set
// aside when it is closed: it is begun again then.
func newDaemon(ctx context.Context, s streams, p plan, listener net.Listener, limit int) (d *daemon, err error) {
	for range 3 {
		if d, err = tryDaemon(ctx, s, p, listener, limit); !sqlite.Damaged(err) {
			break
		}
	}
	return d, err
}

// healing is how a store of p is healed, by what the system's clock says.
func healing(s streams, p plan) *sqlite.Healing {
	read := systemClock()
	return &sqlite.Healing{Site: p.site.Name, Now: func() time.Time { return read().Wall }, Told: func(text string) { s.notef("perigee: %s", text) }}
}

func tryDaemon(ctx context.Context, s streams, p plan, listener net.Listener, limit int) (_ *daemon, err error) {
	if err := permitted(p); err != nil {
		return nil, err
	}
	d := &daemon{s: s, listener: listener, latencies: probes.NewLatencies(latencyReach)}
	d.callers, d.watch = api.NewCallers(d.now), d.newDaemonWatch()
	d.plan = p
	d.store, err = sqlite.Open(ctx, storeFile(p.storePath), sqlite.Options{Heal: healing(s, p)})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.store.Close())
		}
	}()
	if err = d.store.Describe(ctx, p.site, p.links); err != nil {
		return nil, err
	}
	if d.instance, err = d.store.Instance(ctx); err != nil {
		return nil, err
	}
	d.feed.Measured(p.maker(d.instance))
	if d.clock, err = newBootClock(ctx, d.store, p); err != nil {
		return nil, err
	}
	if d.held, err = newHolding(ctx, d.store, p, d.clock, s); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.held.Close())
		}
	}()
	started := d.clock.read().Wall
	d.since = d.dated()
	previous, epoch, err := d.held.active().Begin(ctx, started)
	if err != nil {
		return nil, err
	}
	if err = d.recordStart(ctx, previous, started); err != nil {
		return nil, err
	}
	if err = d.tellHungBefore(ctx); err != nil {
		return nil, err
	}
	if d.account, err = newAccount(ctx, d.store, p, d.now); err != nil {
		return nil, err
	}
	streams, probers, err := measuredStreams(p, d.clock.read, nil)
	if err != nil {
		return nil, err
	}
	d.probers = probers
	d.runner, err = newRunner(p, streams, measurementOptions{
		clock: d.clock.read, epoch: epoch, limit: limit, record: d.record, singleton: d.latencies.Singleton,
	})
	if err != nil {
		return nil, err
	}
	for _, st := range d.runner.Status() {
		d.feed.Expect(st.Stream)
	}
	if d.forward, err = d.newForward(ctx, p); err != nil {
		return nil, err
	}
	if d.transfer, err = d.newTransfer(ctx, p); err != nil {
		return nil, err
	}
	d.measure = newMeasuring(d.transfer, p, d.now)
	return d, nil
}

const (
	// latencyReach is how long probes are remembered for the transfers beside them:
	// the longest transfer and what comes before and after it.
	latencyReach = 10 * time.Minute

	// historyReach is how far back transfers tell what the next will move.
	historyReach = 31 * 24 * time.Hour
)

// record stores what was measured, and tells of it once it is safe.
func (d *daemon) record(ctx context.Context, b perigee.Batch) error {
	b, dated, err := d.append(ctx, b)
	if err != nil {
		return err
	}
	d.account.probed(b.Samples)
	if !dated {
		return nil
	}
	d.feed.Publish(b)
	d.woken()
	return nil
}

// append stores b, and returns it as it was stored. It reports false if it is held until
// the time of day is known.
func (d *daemon) append(ctx context.Context, b perigee.Batch) (perigee.Batch, bool, error) {
	b, dated, err := d.held.append(ctx, b)
	d.appends.note(err, d.now())
	return b, dated, err
}

// hold keeps forwarding off the network.
func (d *daemon) hold(ctx context.Context) (release func()) {
	forward := d.current().forward
	if forward == nil {
		return func() {}
	}
	return forward.outbox.Hold(ctx)
}

// transfersSince returns the transfers of this site that were made since from.
func (d *daemon) transfersSince(ctx context.Context, from time.Time) ([]perigee.Throughput, error) {
	var list []perigee.Throughput
	for t, err := range d.store.Throughputs(ctx, perigee.Query{Site: d.plan.site.Name, From: from}) {
		if err != nil {
			return nil, err
		}
		t.Series, t.TCP, t.TCPReceiver = nil, nil, nil
		list = append(list, t)
	}
	return list, nil
}

// recordStart stores that measuring begins, and the gap since it last ended.
func (d *daemon) recordStart(ctx context.Context, previous perigee.Run, now time.Time) error {
	measured, err := d.plan.measured(ctx, d.held.active())
	if err != nil {
		return err
	}
	if err := lastBefore(ctx, d.held.active(), measured, previous.Started, now); err != nil {
		return err
	}
	b := perigee.Batch{
		Gaps:   probes.StartupGaps(previous, measured, now),
		Events: []perigee.Event{{Site: d.plan.site.Name, Time: now, Kind: perigee.EventStarted, Detail: d.plan.maker(d.instance).Detail()}},
	}
	if b, dated, err := d.append(ctx, b); err != nil || !dated {
		return err
	} else {
		d.feed.Publish(b) // nobody listens yet, but it is counted
	}
	return nil
}

// measured returns what a store knows of the links that are probed.
func (p plan) measured(ctx context.Context, store perigee.Store) ([]perigee.LinkRecord, error) {
	known, err := store.Links(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(known, func(l perigee.LinkRecord) bool {
		return l.Site.Name != p.site.Name || !slices.ContainsFunc(p.probed(), func(q perigee.Link) bool { return q.ID == l.Link.ID })
	}), nil
}

// Run measures and serves until ctx ends or the limit is reached, then stores what is still open and closes
// the store.
func (d *daemon) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, d.held.Close(), d.store.Close()) }()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	group, measuring := errgroup.WithContext(ctx)
	keeping, stopKeeping := context.WithCancel(measuring)
	defer stopKeeping()
	d.reloading.Lock()
	d.live = liveParts{group: group, ctx: keeping}
	d.live.begin(d, d.parts)
	d.reloading.Unlock()
	group.Go(func() error {
		// The page answers while the last windows are waited for.
		defer stopServing()
		defer stopKeeping()
		err := d.runner.Run(measuring)
		d.live.end(d)
		return err
	})
	group.Go(func() error {
		if d.listener == nil {
			return nil
		}
		d.answer()
		return api.ServeTLS(serving, d.listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			(*d.answers.Load()).ServeHTTP(w, r)
		}), d.current().plan.door.certificates)
	})
	if d.listener != nil {
		group.Go(func() error { return d.watchPage(serving) })
	}
	dating := d.watch.heart("dating of held results", "(*holding).Run")
	group.Go(func() error {
		defer dating.end()
		return d.held.Run(keeping, dating.Beat, d.runner.SetEpoch, d.grounds.forget, d.woken)
	})
	counting := d.watch.heart("account of bytes", "(*account).Run")
	group.Go(func() error {
		defer counting.end()
		return keepAlive(keeping, counting.run(func(ctx context.Context) error { return d.account.Run(ctx, counting.Beat) }),
			func(err error) { d.tellRestart(keeping, counting.name, err) })
	})
	group.Go(func() error { return d.watchParts(serving) })
	err = group.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// The last bytes of the way to the database are counted when it is closed.
	return errors.Join(err, d.forward.Close(), d.account.record(ending), d.account.Close(), d.transfer.Close(), d.recordEnd(ending))
}

// recordEnd stores that measuring ended properly.
func (d *daemon) recordEnd(ctx context.Context) error {
	now, store := d.clock.read().Wall, d.held.active()
	return errors.Join(
		store.Append(ctx, perigee.Batch{Events: []perigee.Event{{Site: d.plan.site.Name, Time: now, Kind: perigee.EventStopped, Detail: d.current().plan.maker(d.instance).Detail()}}}),
		store.End(ctx, now))
}

// handler answers the API and the page from the store.
func (d *daemon) handler() http.Handler {
	now := d.current()
	o := answering(d.s, d.store, now.plan.door)
	o.Now, o.Ready, o.Feed, o.Outbox, o.Maker = d.now, d.ready, &d.feed, now.forward.api(), now.plan.maker(d.instance)
	o.Budget, o.Measure, o.Clock = now.transfer, now.measure, clockQuality
	o.Collectors, o.Callers = d.collectors(), d.callers
	return api.New(o)
}

// woken has what waits in the store forwarded.
func (d *daemon) woken() {
	if forward := d.current().forward; forward != nil {
		forward.outbox.Wake()
	}
}

// now is the time of day, as far as it is known.
func (d *daemon) now() time.Time { return d.clock.guess() }

// dated is now, or zero if the time of day is not known.
func (d *daemon) dated() time.Time {
	if !d.clock.known.Load() {
		return time.Time{}
	}
	return d.now()
}

// ready reports each stream and the store, for /readyz.
func (d *daemon) ready(ctx context.Context) []api.Check {
	_, err := d.store.Links(ctx)
	checks := []api.Check{checkOf("store", cmp.Or(err, d.store.Unhealed()))}
	for _, f := range d.grounds.of(d.current().plan, d.clock.doubted(), d.clock.read().Mono) {
		checks = append(checks, f.asCheck())
	}
	if err := d.runner.StoreError(); err != nil {
		checks = append(checks, api.Check{Name: "recording", Reason: err.Error()})
	}
	checks = append(checks, d.watch.checks()...)
	if forward := d.current().forward; forward != nil {
		checks = append(checks, forward.check())
	}
	for _, st := range d.runner.Status() {
		c := api.Check{Name: fmt.Sprintf("stream %s to %s", st.Stream.Link, st.Stream.Target), OK: st.Running}
		if !c.OK {
			c.Reason = cmp.Or(st.LastError, "the prober does not run")
		}
		checks = append(checks, c)
	}
	return checks
}

// describe says in lines what a plan does, and what it costs.
func (p plan) describe() string {
	var b strings.Builder
	for _, l := range p.links {
		if !l.Bound() {
			fmt.Fprintf(&b, "  link %s (%s): not probed, it only receives imports\n", l.ID, l.Orbit)
			continue
		}
		fmt.Fprintf(&b, "  link %s (%s) by %s, loss timeout %s, about %s a month%s%s\n", l.ID, l.Orbit, binding(l), p.lossTimeoutFor(l), byteSize(p.bytesPerMonth()), p.budgetText(l.ID), p.firstHopText(l.ID))
	}
	for _, t := range p.targets {
		fmt.Fprintf(&b, "  target %s: %s every %s\n", t.ID, t.Address, p.interval)
	}
	if t := p.transfer; t != nil {
		fmt.Fprintf(&b, "  throughput of each link about every %s with %s, at most %s each time and way\n", t.Every, p.otherEndText(), byteSize(float64(t.MaxBytes)))
	}
	fmt.Fprintf(&b, "  results in %s\n", p.storePath)
	if p.influxdb != nil {
		fmt.Fprintf(&b, "  forwarded to InfluxDB at %s, bucket %s%s\n", p.influxdb.URL, p.influxdb.Bucket, viaText(p.influxdb.Via))
	}
	return b.String()
}

// budgetText says in words what may be moved over a link.
func (p plan) budgetText(id perigee.LinkID) string {
	b, ok := p.budgets[id]
	if !ok {
		return ""
	}
	return fmt.Sprintf(" of a budget of %s", byteSize(float64(b.Bytes)))
}

// firstHopText says in words which first hop of a link is probed.
func (p plan) firstHopText(id perigee.LinkID) string {
	switch hop := p.firstHops[id]; hop {
	case "":
		return ""
	case config.FirstHopAuto:
		return ", first hop by its route"
	default:
		return ", first hop " + hop
	}
}

// otherEndText says in words who transfers are made with.
func (p plan) otherEndText() string {
	t := p.transferSettings()
	switch id := p.otherEnd(); {
	case id != "":
		i := slices.IndexFunc(p.farEnds, func(f farEnd) bool { return f.target == id })
		return fmt.Sprintf("far end %s at %s", id, p.farEnds[i].address)
	case t.Server != "":
		return "public server " + t.Server
	}
	return "the nearest public server of speedtest.net"
}

// viaText says in words which link results leave by.
func viaText(via perigee.LinkID) string {
	if via == "" {
		return ""
	}
	return ", over link " + string(via)
}

// binding says in words how probes are kept on a link.
func binding(l perigee.Link) string {
	var ways []string
	if l.Interface != "" {
		ways = append(ways, "device "+l.Interface)
	}
	if l.Source.IsValid() {
		ways = append(ways, "source "+l.Source.String())
	}
	if l.Mark != 0 {
		ways = append(ways, fmt.Sprintf("mark %#x", l.Mark))
	}
	if l.Namespace != "" {
		ways = append(ways, "namespace "+l.Namespace)
	}
	return strings.Join(ways, ", ")
}
