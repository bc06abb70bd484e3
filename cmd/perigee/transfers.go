package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/probes/bind"
	"perigee/probes/ookla"
	"perigee/probes/transfer"
	"perigee/probes/transfer/wire"
)

const (
	// slotStarlink and leapGPS are the grid on which a dish's capacity changes.
	slotStarlink = 15 * time.Second
	leapGPS      = 18 * time.Second

	// transferLimit ends a transfer, with all that comes before and after, that does
	// not end by itself.
	transferLimit = 6 * time.Minute

	// lastRounds is how many transfers of each direction tell what the next will move:
	// a few turns of the usual combinations.
	lastRounds = 24

	// publicStreams is how many connections are made to a public server: no more than
	// a browser would.
	publicStreams = 6

	// othersFor is how long the link is watched for others' traffic.
	othersFor = 2 * time.Second
)

// runTransfer makes a transfer with a far end; tests replace it where time is not real.
var runTransfer = transfer.Run

// farEnd is a far end of our own that transfers go to and come from.
type farEnd struct {
	target  perigee.TargetID
	address string
	key     wire.Key
	tls     *tls.Config
}

// openFarEnd reads what a configured far end's files say.
func openFarEnd(r config.Reflector) (farEnd, error) {
	f := farEnd{target: r.Target, address: r.Address}
	file, err := os.Open(r.KeyFile)
	if err != nil {
		return f, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("key_file of target %s", r.Target), Err: err}
	}
	defer file.Close()
	if f.key, err = wire.ReadKey(file); err != nil {
		return f, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("key_file of target %s: %s", r.Target, r.KeyFile), Err: err}
	}
	if !r.TLS {
		return f, nil
	}
	f.tls = &tls.Config{MinVersion: tls.VersionTLS13}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return f, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("ca_file of target %s", r.Target), Err: err}
		}
		f.tls.RootCAs = x509.NewCertPool()
		if !f.tls.RootCAs.AppendCertsFromPEM(pem) {
			return f, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("ca_file of target %s: %s holds no certificate", r.Target, r.CAFile)}
		}
	}
	return f, nil
}

// transferring makes the transfers of a plan.
type transferring struct {
	*probes.Transfers

	plan      plan
	settings  config.Transfer
	clock     perigee.Clock
	account   *account // nil: nothing is accounted for
	latencies *probes.Latencies
	binders   map[perigee.LinkID]*bind.Binder
	log       *slog.Logger

	mu   sync.Mutex // guards what follows
	last map[transferKind][]int64
}

// transferKind tells apart what moves different amounts.
type transferKind struct {
	link      perigee.LinkID
	direction perigee.Load
}

// transferringOptions are what transfers need beside their plan.
type transferringOptions struct {
	clock     perigee.Clock
	account   *account
	latencies *probes.Latencies
	setLoad   func(perigee.LinkID, perigee.Load)
	hold      func(context.Context) (release func())
	record    func(context.Context, perigee.Batch) error
	log       *slog.Logger
	horizon   time.Duration
	beat      func(time.Duration) // as of probes.TransfersOptions

	// history yields transfers made in earlier lives, oldest first.
	history []perigee.Throughput
}

// newTransferring prepares to make the transfers of p. It sends nothing.
func newTransferring(p plan, o transferringOptions) (_ *transferring, err error) {
	t := &transferring{
		plan: p, settings: p.transferSettings(), clock: o.clock, account: o.account, latencies: o.latencies, log: o.log,
		binders: map[perigee.LinkID]*bind.Binder{}, last: map[transferKind][]int64{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	options := probes.TransfersOptions{
		Site: p.site.Name, Target: p.otherEnd(), Directions: t.settings.Directions, MaxBytes: t.settings.MaxBytes,
		Clock: o.clock, Make: t.make, Limit: transferLimit, BusyAbove: float64(t.settings.BusyAbove),
		SetLoad: o.setLoad, Latencies: o.latencies, Horizon: o.horizon, Hold: o.hold, Record: o.record, Beat: o.beat,
	}
	if o.account != nil {
		options.Plan, options.Others = t.allot, t.others
		options.Moved = o.account.add
	}
	for _, streams := range t.settings.Streams {
		for _, congestion := range t.settings.Congestion {
			options.Combinations = append(options.Combinations, probes.Combination{Streams: streams, Congestion: congestion})
		}
	}
	latest := map[perigee.LinkID]time.Time{}
	for _, h := range o.history {
		t.remember(h)
		latest[h.Stream.Link] = h.Start
	}
	for _, l := range p.probed() {
		if t.binders[l.ID], err = bind.New(bindOptions(l)); err != nil {
			return nil, fmt.Errorf("link %s: %w", l.ID, err)
		}
		link := probes.TransferLink{ID: l.ID, Last: latest[l.ID]}
		if p.transfer != nil {
			link.Starts = probes.Starts{Spacing: probes.Spacing(t.settings.Schedule), Every: t.settings.Every, Site: p.site.Name, Link: l.ID}
			if link.Last.IsZero() {
				link.Last = p.begun // a daemon that has just begun first sees the link at rest
			}
		}
		options.Links = append(options.Links, link)
	}
	t.Transfers, err = probes.NewTransfers(options)
	return t, err
}

// Close gives back what holds the links' bindings.
func (t *transferring) Close() error {
	var errs []error
	for _, b := range t.binders {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

// remember notes what a transfer moved.
func (t *transferring) remember(r perigee.Throughput) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := transferKind{r.Stream.Link, r.Stream.Load}
	list := append(t.last[kind], r.WireBytes)
	t.last[kind] = list[max(0, len(list)-lastRounds):]
}

// expected returns what a round of scheduled transfers over a link is expected to move.
func (t *transferring) expected(link perigee.Link) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var sum int64
	for _, direction := range t.settings.Directions {
		guess := probes.EstimateTransfer(link.Orbit, direction, t.duration(link, 0), t.settings.MaxBytes)
		sum += probes.ExpectedRound(t.last[transferKind{link.ID, direction}], guess)
	}
	return sum
}

// duration returns how long a transfer over a link takes at most.
func (t *transferring) duration(link perigee.Link, rtt time.Duration) time.Duration {
	if t.settings.MaxDuration > 0 {
		return t.settings.MaxDuration
	}
	return transfer.AutoDuration(link.Orbit, rtt)
}

// allot says what a link's budget allows; false if it has none.
func (t *transferring) allot(id perigee.LinkID, now time.Time) (probes.Allotment, bool) {
	b, ok := t.plan.budgets[id]
	if !ok {
		return probes.Allotment{}, false
	}
	link, _ := t.plan.link(id)
	return b.Plan(probes.Need{
		Now: now, Spent: t.account.spent(id, b, now), Every: cmp.Or(t.settings.Every, config.DefaultEvery), Round: t.expected(link),
		Cap: t.settings.MaxBytes * int64(len(t.settings.Directions)), Steady: t.plan.bytesPerSecond() + t.account.forwardingRate(id),
	}), true
}

// others measures what others than this service move over a link, in bits per second, by
// the kernel's counters of its device. What probes move is known by their plan: it is
// counted later, when they are decided.
func (t *transferring) others(ctx context.Context, link perigee.LinkID) (float64, error) {
	before, err := t.account.device(link)
	if err != nil {
		return 0, err
	}
	began, ours := time.Now(), t.account.total(link, perigee.PurposeOutbox)
	timer := time.NewTimer(othersFor)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-timer.C:
	}
	after, err := t.account.device(link)
	if err != nil {
		return 0, err
	}
	seconds := time.Since(began).Seconds()
	moved := after.IPBytes() - before.IPBytes() - (t.account.total(link, perigee.PurposeOutbox) - ours)
	return 8 * (float64(moved)/seconds - t.plan.bytesPerSecond()), nil
}

// make makes one transfer.
func (t *transferring) make(ctx context.Context, job probes.Transfer) (perigee.Throughput, error) {
	link, ok := t.plan.link(job.Link)
	if !ok {
		return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeNotFound, Message: fmt.Sprintf("there is no link %s", job.Link)}
	}
	var rtt time.Duration
	if t.latencies != nil {
		now := t.clock().Mono
		if idle := t.latencies.Between(job.Link, "", perigee.LoadIdle, now-time.Minute, now); idle.Received > 0 {
			rtt = time.Duration(idle.P50 * float64(time.Second))
		}
	}
	takes := t.duration(link, rtt)
	if job.MaxDuration > 0 {
		takes = job.MaxDuration
	}
	stream := perigee.Stream{Site: t.plan.site.Name, Link: job.Link, Target: job.Target, Load: job.Direction}
	var result perigee.Throughput
	var err error
	if i := slices.IndexFunc(t.plan.farEnds, func(f farEnd) bool { return f.target == job.Target }); i >= 0 {
		result, err = t.withFarEnd(ctx, job, link, t.plan.farEnds[i], stream, rtt, takes)
	} else {
		result, err = t.withPublicServer(ctx, job, link, stream, rtt, takes)
	}
	if result.Bytes > 0 && job.Purpose == perigee.PurposeTransfer {
		t.remember(result)
	}
	return result, err
}

func (t *transferring) withFarEnd(ctx context.Context, job probes.Transfer, link perigee.Link, far farEnd, stream perigee.Stream, rtt, takes time.Duration) (perigee.Throughput, error) {
	stream.Method = perigee.MethodTransfer
	if job.Streams == 0 {
		job.Streams = transfer.AutoStreams(link.Orbit, job.Direction)
	}
	o := transfer.Options{
		Binder: t.binders[link.ID], Address: far.address, Key: far.key, TLS: far.tls, Stream: stream,
		Streams: job.Streams, Congestion: job.Congestion, MaxDuration: takes, MaxBytes: job.MaxBytes,
		Precision: t.settings.Precision, RTT: rtt, Clock: t.clock,
		OnWarning: func(text string) { t.log.Warn(text, "link", link.ID, "direction", job.Direction) },
	}
	if link.Orbit == perigee.OrbitStarlink {
		o.Slot, o.SlotLeap = slotStarlink, leapGPS
	}
	if job.Progress != nil {
		o.OnProgress = func(p transfer.Progress) {
			job.Progress(probes.TransferProgress{Phase: string(p.Phase), Elapsed: p.Elapsed, Bytes: p.Bytes, Rate: p.Rate, Error: p.ErrorRatio})
		}
	}
	return runTransfer(ctx, o)
}

func (t *transferring) withPublicServer(ctx context.Context, job probes.Transfer, link perigee.Link, stream perigee.Stream, rtt, takes time.Duration) (perigee.Throughput, error) {
	stream.Target = ""
	if job.Streams == 0 {
		job.Streams = publicStreams
	}
	o := ookla.Options{
		Stream: stream, Binding: bindOptions(link), Server: t.settings.Server, Streams: job.Streams,
		MaxDuration: takes, MaxBytes: job.MaxBytes, Precision: t.settings.Precision, Command: newOoklaChild, Clock: t.clock,
	}
	o.Steady.RTT = rtt
	if link.Orbit == perigee.OrbitStarlink {
		o.Steady.Slot = slotStarlink
	}
	if job.Progress != nil {
		o.OnProgress = func(p ookla.Progress) {
			job.Progress(probes.TransferProgress{Phase: "transfer with " + p.Server, Elapsed: p.At, Bytes: p.Bytes, Rate: p.Rate, Error: -1})
		}
	}
	return ookla.Run(ctx, o)
}
