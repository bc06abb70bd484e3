package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/client"
	"perigee/internal/clock"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/storage/sqlite"
)

// restBefore is how long a link is seen at rest before a transfer over it.
const restBefore = 5 * time.Second

// transferFlags make a probe a transfer.
type transferFlags struct {
	Transfer    bool          `help:"Measure throughput instead, over one link after the other."`
	Direction   string        `enum:"down,up,both" default:"both" help:"With --transfer: down, up or both."`
	Streams     int           `placeholder:"N" help:"With --transfer: connections at once. Default: the first configured, else by orbit: 8, or 64 down over GEO."`
	Congestion  string        `placeholder:"NAME" help:"With --transfer: congestion control of the sender, such as cubic or bbr."`
	MaxDuration time.Duration `placeholder:"DURATION" help:"With --transfer: how long it may take. Default: by orbit and round trip."`
	MaxBytes    string        `placeholder:"SIZE" help:"With --transfer: how much it may move over the link in each direction, such as 50MB. Default: as configured, or 200MB."`
	Far         string        `placeholder:"HOST:PORT" help:"With --transfer: a far end (perigee reflect) instead of the configured one."`
	KeyFile     string        `placeholder:"FILE" type:"path" help:"With --far: the file with its key."`
	TLS         bool          `name:"tls" help:"With --far: speak TLS with it."`
	Public      bool          `help:"With --transfer: a public server instead of the configured far end."`
	Server      string        `placeholder:"ID|HOST:PORT" help:"With --public: this server instead of the nearest."`
	Anyway      bool          `help:"With --transfer: do it although others load the link."`
}

// complete puts the flags into the plan.
func (f transferFlags) complete(p *plan) error {
	invalid := func(format string, args ...any) error {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	if !f.Transfer {
		if f.Far != "" || f.Public || f.Streams != 0 || f.MaxBytes != "" || f.MaxDuration != 0 || f.Congestion != "" {
			return invalid("--far, --public, --streams, --congestion, --max-bytes and --max-duration need --transfer")
		}
		return nil
	}
	t := p.transferSettings()
	if f.Streams < 0 || f.Streams > 64 {
		return invalid("--streams %d is not between 1 and 64", f.Streams)
	}
	if f.Streams > 0 {
		t.Streams = []int{f.Streams}
	}
	if f.Congestion != "" {
		t.Congestion = []string{f.Congestion}
	}
	if f.MaxDuration < 0 || f.MaxDuration > 5*time.Minute {
		return invalid("--max-duration %s is not between 1s and 5m", f.MaxDuration)
	}
	if f.MaxDuration > 0 {
		t.MaxDuration = f.MaxDuration
	}
	if f.MaxBytes != "" {
		n, ok := config.ParseBytes(f.MaxBytes)
		if !ok || n < 1_000_000 {
			return invalid("--max-bytes %q is not a size of 1MB or more, such as 50MB", f.MaxBytes)
		}
		t.MaxBytes = n
	}
	switch {
	case f.Far != "" && f.Public:
		return invalid("--far and --public exclude each other")
	case f.Far != "":
		if _, _, err := net.SplitHostPort(f.Far); err != nil {
			return invalid("--far %q is not a host with a port, such as far.example.net:4862", f.Far)
		}
		if f.KeyFile == "" {
			return invalid("--far needs --key-file, with the key that perigee reflect --new-key made")
		}
		far, err := openFarEnd(config.Reflector{Target: "far-end", Address: f.Far, KeyFile: f.KeyFile, TLS: f.TLS})
		if err != nil {
			return err
		}
		p.farEnds, t.Method = []farEnd{far}, config.TransferPerigee
	case f.Public || f.Server != "":
		p.farEnds, t.Method, t.Server = nil, config.TransferOokla, f.Server
	}
	t.Directions = []perigee.Load{perigee.LoadDown, perigee.LoadUp}
	if f.Direction != "both" {
		t.Directions = []perigee.Load{perigee.Load(f.Direction)}
	}
	p.transfer = &t
	return nil
}

// transfer measures throughput now. A daemon that runs from the same configuration is
// asked to do it: it knows the budget, and what else goes on.
func (c probeCommand) transfer(ctx context.Context, s streams, p plan) error {
	show := newTransferDisplay(s)
	if c.Far == "" && !c.Public && c.Server == "" && c.Interface == "" && c.Source == "" && c.Mark == 0 && c.Netns == "" {
		daemon, err := runningDaemon(ctx, p)
		if err != nil {
			return err
		}
		if daemon != nil {
			return c.throughDaemon(ctx, s, p, daemon, show)
		}
	}
	store, err := openForAccount(ctx, p)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	read := clock.System()
	now := func() time.Time { return read().Wall }
	account, err := newAccount(ctx, store, p, now)
	if err != nil {
		return err
	}
	defer account.Close()
	latencies := probes.NewLatencies(latencyReach)
	setLoad, measured := func(perigee.LinkID, perigee.Load) {}, make(chan error, 1)
	measuring, stopMeasuring := context.WithCancel(ctx)
	defer stopMeasuring()
	if len(p.targets) > 0 {
		runner, err := newMeasurement(p, measurementOptions{clock: read, singleton: latencies.Singleton, record: func(_ context.Context, b perigee.Batch) error {
			account.probed(b.Samples)
			return nil
		}})
		if err != nil {
			return err
		}
		setLoad = runner.SetLoad
		go func() { measured <- runner.Run(measuring) }()
	} else {
		measured <- nil
	}
	results := []perigee.Throughput{}
	t, err := newTransferring(unscheduled(p), transferringOptions{
		clock: read, account: account, latencies: latencies, setLoad: setLoad, log: s.log(), horizon: p.horizon(),
		record: func(_ context.Context, b perigee.Batch) error {
			results = append(results, b.Throughputs...)
			return nil
		},
	})
	if err != nil {
		return err
	}
	defer t.Close()
	transferring, stopTransferring := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- t.Run(transferring) }()

	failure := c.each(ctx, p, t, show)
	show.end()
	stopTransferring()
	stopMeasuring()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(<-ended, <-measured, account.record(last))
	wire := []api.Throughput{}
	for _, r := range results {
		one := api.NewThroughput(r)
		one.Maker = api.NewMaker(p.maker(""))
		wire = append(wire, one)
	}
	return errors.Join(failure, err, c.printThroughputs(s, wire))
}

// printThroughputs shows the final result.
func (c probeCommand) printThroughputs(s streams, all []api.Throughput) error {
	if c.JSON {
		return writeJSON(s.out, all)
	}
	return throughputTable(all).write(s.out, 2)
}

// unscheduled is p without a schedule.
func unscheduled(p plan) plan {
	if p.transfer != nil {
		t := *p.transfer
		t.Every = 0
		p.transfer = &t
	}
	return p
}

// each makes the transfers that were asked for, one after the other.
func (c probeCommand) each(ctx context.Context, p plan, t *transferring, show *transferDisplay) error {
	if len(p.targets) > 0 {
		show.say("watching the links at rest for " + restBefore.String())
		timer := time.NewTimer(restBefore)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
	var failures []error
	for _, l := range p.probed() {
		for _, direction := range t.settings.Directions {
			job := probes.Transfer{Link: l.ID, Target: p.otherEnd(), Direction: direction, Streams: t.settings.Streams[0], Congestion: t.settings.Congestion[0], MaxBytes: t.settings.MaxBytes, Anyway: c.Anyway}
			job.Progress = func(now probes.TransferProgress) { show.progress(l.ID, *newProgress(direction, now)) }
			if _, err := t.Ask(ctx, job); err != nil {
				failures = append(failures, fmt.Errorf("%s %s: %w", l.ID, direction, err))
			}
			if ctx.Err() != nil {
				return errors.Join(failures...)
			}
		}
	}
	return errors.Join(failures...)
}

// openForAccount opens the store that p's budgets are kept in; nil if there is none.
func openForAccount(ctx context.Context, p plan) (*sqlite.Store, error) {
	if p.storePath == "" {
		return nil, nil
	}
	if _, err := os.Stat(storeFile(p.storePath)); err != nil {
		return nil, nil // nothing was ever measured from here
	}
	return sqlite.Open(ctx, storeFile(p.storePath), sqlite.Options{})
}

// runningDaemon returns a client of the daemon that answers where p's would; nil if none
// does. It fails if one does that asks for a token and was not shown a good one.
func runningDaemon(ctx context.Context, p plan) (*client.Client, error) {
	if p.api.Listen == "" {
		return nil, nil
	}
	daemon, err := ownMonitor(p.api)
	if err != nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	links, err := daemon.Links(ctx)
	if code := perigee.CodeOf(err); code == perigee.CodeUnauthenticated || code == perigee.CodePermission {
		return nil, withTokenAdvice(err)
	}
	if err != nil {
		return nil, nil
	}
	for _, l := range p.probed() {
		if !slices.ContainsFunc(links, func(known api.Link) bool { return known.Link == string(l.ID) && known.Site == p.site.Name }) {
			return nil, nil // it is another one's
		}
	}
	return daemon, nil
}

// throughDaemon has the running daemon make the transfers.
func (c probeCommand) throughDaemon(ctx context.Context, s streams, p plan, daemon *client.Client, show *transferDisplay) error {
	show.say("the running monitor measures: it keeps the budget and the result")
	all := []api.Throughput{}
	var failures []error
	for _, l := range p.probed() {
		request := api.ProbeRequest{Link: string(l.ID), Method: api.ProbeTransfer, Direction: c.Direction, Streams: c.Streams, Congestion: c.Congestion, Anyway: c.Anyway}
		if c.MaxBytes != "" {
			request.Bytes = &p.transfer.MaxBytes
		}
		if c.MaxDuration > 0 {
			seconds := c.MaxDuration.Seconds()
			request.Seconds = &seconds
		}
		probe, err := daemon.StartProbe(ctx, request)
		for err == nil && probe.Ended == nil {
			if probe.Progress != nil {
				show.progress(l.ID, *probe.Progress)
			}
			if err = pause(ctx, 250*time.Millisecond); err == nil {
				probe, err = daemon.Probe(ctx, probe.ID)
			}
		}
		all = append(all, probe.Throughputs...)
		if err == nil && probe.Trouble != nil {
			err = &perigee.Error{Code: perigee.Code(probe.Trouble.Code), Message: probe.Trouble.Detail}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", l.ID, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	show.end()
	return errors.Join(errors.Join(failures...), c.printThroughputs(s, all))
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// throughputTable is how results look on a terminal.
func throughputTable(all []api.Throughput) *table {
	t := &table{}
	t.add("link", "direction", "rate", "error", "whole", "ramp", "idle p50", "loaded p50", "loaded p95", "moved", "ended by")
	for _, r := range all {
		bound := undefined
		if r.ErrorRatio != nil {
			bound = fmt.Sprintf("±%.1f %%", 100**r.ErrorRatio)
		}
		latency := func(seconds *float64) string {
			if seconds == nil {
				return undefined
			}
			return fmt.Sprintf("%.1f ms", 1000**seconds)
		}
		t.add(r.Link, r.Direction, bitRate(r.BitsPerSecond), bound, bitRate(r.WholeBitsPerSecond), fmt.Sprintf("%.1f s", r.RampSeconds),
			latency(r.RTTIdle.P50), latency(r.RTTLoaded.P50), latency(r.RTTLoaded.P95),
			byteSize(float64(r.WireBytes)), r.Stop)
	}
	return t
}

// bitRate writes a rate for a reader.
func bitRate(bitsPerSecond float64) string {
	switch {
	case bitsPerSecond >= 1e9:
		return fmt.Sprintf("%.2f Gbit/s", bitsPerSecond/1e9)
	case bitsPerSecond >= 1e6:
		return fmt.Sprintf("%.1f Mbit/s", bitsPerSecond/1e6)
	}
	return fmt.Sprintf("%.0f kbit/s", bitsPerSecond/1e3)
}

// transferDisplay shows how a transfer goes: one line, redrawn in place on a terminal,
// else a line now and then.
type transferDisplay struct {
	s        streams
	terminal bool

	mu    sync.Mutex // guards what follows
	drawn bool
	last  time.Time
	phase string
}

func newTransferDisplay(s streams) *transferDisplay {
	return &transferDisplay{s: s, terminal: newScoreboard(s, false, 0).terminal}
}

// say shows a sentence.
func (d *transferDisplay) say(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erase()
	d.s.notef("%s", text)
}

// progress shows how far a transfer over a link is.
func (d *transferDisplay) progress(link perigee.LinkID, p api.ProbeProgress) {
	every := 5 * time.Second
	if d.terminal {
		every = 100 * time.Millisecond
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); p.Phase == d.phase && now.Sub(d.last) < every {
		return
	} else {
		d.last, d.phase = now, p.Phase
	}
	line := fmt.Sprintf("%s %s: %s", link, p.Direction, p.Phase)
	if p.Bytes > 0 {
		line += fmt.Sprintf(", %.1f s, %s, %s", p.Elapsed, byteSize(float64(p.Bytes)), bitRate(p.BitsPerSecond))
	}
	if p.ErrorRatio != nil {
		line += fmt.Sprintf(" ±%.1f %%", 100**p.ErrorRatio)
	}
	d.erase()
	if d.terminal {
		fmt.Fprint(d.s.err, line)
		d.drawn = true
		return
	}
	d.s.notef("%s", line)
}

// end clears what is drawn.
func (d *transferDisplay) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erase()
}

func (d *transferDisplay) erase() {
	if d.drawn {
		fmt.Fprint(d.s.err, "\r\x1b[K")
		d.drawn = false
	}
}
