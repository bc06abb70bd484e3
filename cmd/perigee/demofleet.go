package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/internal/fleet"
	"perigee/storage"
	"perigee/storage/sqlite"
)

const (
	// mostHistory bounds --history: 1,000 homes make a day of it in a few minutes.
	mostHistory = 400 * 24 * time.Hour

	// drainLimit bounds how long a fleet that ends waits until all is forwarded.
	drainLimit = 10 * time.Minute

	// tellEvery is how often a fleet says how it does.
	tellEvery = 10 * time.Second
)

// fleetFlags make the demo a fleet.
type fleetFlags struct {
	Fleet   int           `placeholder:"HOMES" help:"Simulate so many homes of four links each, windows at real cadence, instead of emulating links: no packets, for load and demonstration."`
	History string        `placeholder:"DURATION" help:"With --fleet: begin with a history of that length, e.g. 24h."`
	Forward string        `placeholder:"FILE" type:"path" help:"With --fleet: forward to the storage.influxdb of this configuration."`
	Window  time.Duration `default:"10s" help:"With --fleet: length of windows."`
}

// simulation is a fleet with its store and its way to InfluxDB.
type simulation struct {
	s       streams
	store   *sqlite.Store
	fleet   *fleet.Fleet
	forward *forwarding // nil: nowhere
	history time.Duration
}

// runFleet simulates homes until ctx ends or c.For is over.
func (c demoCommand) runFleet(ctx context.Context, s streams) (err error) {
	ctx, stop := interruptible(ctx, s)
	defer stop()
	m := &simulation{s: s}
	if c.History != "" {
		var ok bool
		if m.history, ok = api.ParseDuration(c.History); !ok || m.history > mostHistory {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--history %q is not a duration such as 24h, at most 400d", c.History)}
		}
	}
	if c.Store == "" {
		if c.Store, err = os.MkdirTemp("", "perigee-fleet-"); err != nil {
			return fmt.Errorf("make a directory for the results: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Store)) }()
	}
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	if m.store, err = sqlite.Open(ctx, storeFile(c.Store), sqlite.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.store.Close()) }()
	if c.Forward != "" {
		if m.forward, err = m.forwardTo(ctx, c.Forward); err != nil {
			return err
		}
	}
	m.fleet, err = fleet.New(fleet.Options{Homes: c.Fleet, Seed: c.Seed, Window: c.Window, Interval: min(c.Window, fleet.DefaultInterval),
		Append: m.append, Describe: m.store.Describe})
	if err != nil {
		return err
	}
	s.notef("perigee demo: %d simulated homes of four links, windows of %s, no packets\n  results in %s\n  page and API at http://%s/", c.Fleet, c.Window, c.Store, listener.Addr())
	if m.forward != nil {
		s.notef("  forwarded to InfluxDB at %s, bucket %s", m.forward.db.URL, m.forward.db.Bucket)
	}
	if err := m.run(ctx, c.For, listener); err != nil {
		return err
	}
	return m.conclude(c.JSON)
}

// forwardTo prepares to forward to the database of a configuration.
func (m *simulation) forwardTo(ctx context.Context, file string) (*forwarding, error) {
	loaded, err := config.LoadServe(file)
	if err != nil {
		return nil, err
	}
	return newForwarding(ctx, m.store, forwardOptions{db: loaded.InfluxDB, now: time.Now, log: m.s.log(),
		monitor: func(context.Context) (perigee.MonitorState, error) { return perigee.MonitorState{}, nil }}) // of all homes, none of which has a budget
}

// append stores a batch of the fleet.
func (m *simulation) append(ctx context.Context, b perigee.Batch) error {
	if err := m.store.Append(ctx, b); err != nil {
		return err
	}
	if m.forward != nil {
		m.forward.outbox.Wake()
	}
	return nil
}

// run simulates for so long, or until ctx ends if that is 0, then waits until all is
// forwarded.
func (m *simulation) run(ctx context.Context, length time.Duration, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	others, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group.Go(func() error {
		defer stop()
		if err := m.simulate(ctx, length); err != nil {
			return err
		}
		if length == 0 || m.forward == nil {
			return nil
		}
		return m.drained(ctx)
	})
	group.Go(func() error { return api.Serve(others, listener, m.handler()) })
	group.Go(func() error {
		return storage.Keeper{Store: m.store, Retention: storage.DefaultRetention, Now: time.Now,
			Failed: func(err error) { m.s.notef("perigee: keeping the store in order: %v", err) }}.Run(others)
	})
	if m.forward != nil {
		group.Go(func() error { return m.forward.Run(others) })
	}
	group.Go(func() error {
		ticker := time.NewTicker(tellEvery)
		defer ticker.Stop()
		for {
			select {
			case <-others.Done():
				return nil
			case <-ticker.C:
				m.tell()
			}
		}
	})
	return group.Wait()
}

// simulate makes the history and then windows as they become due.
func (m *simulation) simulate(ctx context.Context, length time.Duration) error {
	if m.history > 0 {
		now := time.Now()
		m.s.notef("making %s of history", m.history)
		if err := m.fleet.Backfill(ctx, now.Add(-m.history), now); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	return m.fleet.Run(ctx)
}

// drained waits until nothing is pending.
func (m *simulation) drained(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		pending, _, dead, err := m.store.Pending(ctx)
		if err != nil {
			return err
		}
		if pending == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("%d results still wait for InfluxDB, %d were refused for good", pending, dead), Err: ctx.Err()}
		case <-ticker.C:
		}
	}
}

// tell says how the fleet does.
func (m *simulation) tell() {
	made := m.fleet.Stats()
	line := fmt.Sprintf("%d windows made", made.Windows)
	if made.Behind > time.Second {
		line += fmt.Sprintf(", %s behind", made.Behind.Round(time.Second))
	}
	if m.forward != nil {
		status := m.forward.outbox.Status()
		line += fmt.Sprintf("; %d results forwarded, %d wait", status.Sent, status.Pending)
		if status.Problem.Reason != "" {
			line += ": " + status.Problem.Message
		}
	}
	m.s.notef("%s", line)
}

// handler answers the API and the page from the store.
func (m *simulation) handler() http.Handler {
	o := answering(m.s, m.store, door{})
	o.Outbox = m.forward.api()
	return api.New(o)
}

// fleetJSON is what a fleet prints at its end with --json.
type fleetJSON struct {
	Homes     int    `json:"homes"`
	Windows   int64  `json:"windows"`
	Outages   int64  `json:"outages"`
	Planned   int64  `json:"planned"`
	Received  int64  `json:"received"`
	Forwarded *int64 `json:"forwarded"`
	Pending   *int64 `json:"pending"`
	Dead      *int64 `json:"dead_letters"`
}

// conclude says what was made and what became of it.
func (m *simulation) conclude(asJSON bool) error {
	made := m.fleet.Stats()
	out := fleetJSON{Homes: made.Homes, Windows: made.Windows, Outages: made.Outages, Planned: made.Counts.Planned, Received: made.Counts.Received}
	if m.forward != nil {
		status := m.forward.outbox.Status()
		out.Forwarded, out.Pending, out.Dead = &status.Sent, &status.Pending, &status.DeadLetters
	}
	if asJSON {
		return writeJSON(m.s.out, out)
	}
	_, err := fmt.Fprintf(m.s.out, "%d homes made %d windows of %d probes, %d received, and %d outages\n", out.Homes, out.Windows, out.Planned, out.Received, out.Outages)
	if out.Forwarded != nil && err == nil {
		_, err = fmt.Fprintf(m.s.out, "%d results forwarded, %d wait, %d refused for good\n", *out.Forwarded, *out.Pending, *out.Dead)
	}
	return err
}
