package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/storage"
	"perigee/storage/influx"
	"perigee/storage/sqlite"
)

// forwarding is what a daemon has of the way to InfluxDB.
type forwarding struct {
	db      config.InfluxDB
	metered []perigee.LinkID
	account func(perigee.LinkID, int64)

	store    *sqlite.Store
	instance string
	way      *way
	pacer    *storage.Pacer
	client   *influx.Client
	outbox   *storage.Outbox

	mu    sync.Mutex               // guards what follows
	moved map[perigee.LinkID]int64 // bytes since the start; of "" where no link of ours is used
}

// forwardOptions say what a forwarding works with.
type forwardOptions struct {
	links   []perigee.Link
	metered []perigee.LinkID
	db      config.InfluxDB
	timeout time.Duration // of each call; the client's default if 0
	now     func() time.Time
	log     *slog.Logger

	// account is told of bytes that were moved over a link; nil: nobody is.
	account func(perigee.LinkID, int64)

	beat func(time.Duration) // as of storage.OutboxOptions

	// monitor tells what the database is to know of the monitor; nil: nothing.
	monitor func(context.Context) (perigee.MonitorState, error)
}

// newForwarding prepares to forward what store holds. It sends nothing.
func newForwarding(ctx context.Context, store *sqlite.Store, o forwardOptions) (_ *forwarding, err error) {
	f := &forwarding{
		db: o.db, metered: o.metered, account: o.account, store: store, moved: map[perigee.LinkID]int64{},
	}
	if f.instance, err = store.Instance(ctx); err != nil {
		return nil, err
	}
	if f.way, err = newWay(o.links, o.db.Via); err != nil {
		return nil, err
	}
	f.pacer = storage.NewPacer(max(0, o.db.Limit(o.metered)))
	f.client, err = openInflux(o.db, influx.Options{Instance: f.instance, Timeout: o.timeout, Dial: f.pacer.Dial(f.dial, f.count)})
	if err != nil {
		return nil, errors.Join(err, f.way.Close())
	}
	f.outbox = storage.NewOutbox(storage.OutboxOptions{
		Backlog: store, Sink: f.client, Now: o.now, Log: o.log, Timeout: o.timeout, Rate: f.pacer.Rate,
		Monitor: o.monitor, Beat: o.beat,
	})
	return f, nil
}

// dial connects to the database and sets the pace that the way asks for.
func (f *forwarding) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := f.way.dial(ctx, network, address)
	if err != nil || f.db.Bandwidth != 0 || f.db.Via != "" {
		return conn, err
	}
	// Nobody said how fast: it depends on the link that the system chose.
	rate := int64(0)
	if local, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		if link, ok := f.way.linkOf(local.AddrPort().Addr()); ok && slices.Contains(f.metered, link) {
			rate = config.MeteredBandwidth
		}
	}
	f.pacer.SetRate(rate)
	return conn, nil
}

// count notes bytes that a connection from the given address moved.
func (f *forwarding) count(local netip.Addr, bytes int64) {
	link, _ := f.way.linkOf(local)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved[link] += bytes
	if f.account != nil {
		f.account(link, bytes)
	}
}

// Run forwards until ctx ends, and for a few seconds more what is still pending.
func (f *forwarding) Run(ctx context.Context) error {
	return errors.Join(f.outbox.Run(ctx), f.Close())
}

// Close gives back the connection and what holds its binding; f may be nil.
func (f *forwarding) Close() error {
	if f == nil {
		return nil
	}
	f.client.Close()
	return f.way.Close()
}

// api is what the API may ask of f; nil, which says that nothing is forwarded, if f is.
func (f *forwarding) api() api.Outbox {
	if f == nil {
		return nil
	}
	return f
}

// check tells /readyz whether results get through, or what a person must do.
func (f *forwarding) check() api.Check {
	status := f.outbox.Status()
	if status.Problem.Reason == "" {
		return api.Check{Name: "influxdb", OK: true}
	}
	reason := fmt.Sprintf("%s; %d results wait", status.Problem.Message, status.Pending)
	if status.Problem.Remedy != "" {
		reason += "; " + status.Problem.Remedy
	}
	return api.Check{Name: "influxdb", Reason: reason}
}

// OutboxStatus implements api.Outbox.
func (f *forwarding) OutboxStatus(context.Context) (api.OutboxState, error) {
	status := f.outbox.Status()
	f.mu.Lock()
	moved := maps.Clone(f.moved)
	f.mu.Unlock()
	state := api.OutboxState{
		State: string(status.State), URL: f.db.URL, Bucket: f.db.Bucket, Instance: f.instance,
		Pending: status.Pending, Oldest: optionalTime(status.Oldest), DeadLetters: status.DeadLetters,
		Sent: status.Sent, Writes: status.Writes, Failures: status.Failures,
		LastSuccess: optionalTime(status.LastSuccess), NextTry: optionalTime(status.NextTry), BytesSent: moved,
	}
	if p := status.Problem; p.Reason != "" {
		state.Problem = &api.OutboxProblem{Reason: p.Reason, Message: p.Message, Remedy: p.Remedy, Since: p.Since}
	}
	return state, nil
}

// optionalTime returns t, nil if it is zero.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// DeadLetters implements api.Outbox.
func (f *forwarding) DeadLetters(ctx context.Context, limit int) ([]perigee.DeadLetter, error) {
	return f.store.DeadLetters(ctx, limit)
}

// Resend implements api.Outbox.
func (f *forwarding) Resend(ctx context.Context, ids []int64) (int, error) {
	n, err := f.store.Resend(ctx, ids)
	if n > 0 {
		f.outbox.Wake()
	}
	return n, err
}

// Retry implements api.Outbox.
func (f *forwarding) Retry() { f.outbox.Retry() }
