package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/internal/lab"
)

// demoCommand measures four emulated links. The process that the user started only
// holds the page's listener and the store's directory; the lab and the daemon run in a
// child, inside network namespaces of their own that no packet can leave.
type demoCommand struct {
	For      time.Duration `placeholder:"DURATION" help:"Measure for so long, then print the comparison and end. Default: until interrupted."`
	JSON     bool          `name:"json" help:"Print the comparison as JSON, as the REST API's /compare, and nothing else on standard output."`
	Truth    string        `placeholder:"FILE" type:"path" help:"Write what the lab really did to every packet, as JSON lines."`
	Store    string        `placeholder:"DIR" type:"path" help:"Keep the results in DIR. Default: a directory that is removed at the end."`
	Listen   string        `default:"127.0.0.1:8480" placeholder:"HOST:PORT" help:"Where the API and the page listen (default ${default}; the next free port if it is in use)."`
	Interval time.Duration `default:"200ms" help:"Time between probes on each link."`
	// A short demo has none: latency under load is kept apart, but a minute is too
	// short to give any of it away.
	Transfers time.Duration `default:"10m" help:"Mean time between throughput tests of each link; 0 is none, and so is a demo shorter than two of them."`
	// The default seed's first minute is an ordinary one: the levels of its slots
	// have the long run's mean, and none is extreme.
	Seed uint64 `default:"12" help:"Seed of what the links do; the same seed, the same minute."`

	fleetFlags `embed:""`
}

// Bounds of --transfers.
const (
	leastTransfers = time.Minute
	mostTransfers  = 24 * time.Hour
)

// demoLinks are the links of the demo, best first.
var demoLinks = []perigee.Link{
	{ID: "fibre", Orbit: perigee.OrbitTerrestrial},
	{ID: "starlink", Orbit: perigee.OrbitStarlink},
	{ID: "leo", Orbit: perigee.OrbitLEO},
	{ID: "geo", Orbit: perigee.OrbitGEO},
}

// Run implements the command, in either process.
func (c demoCommand) Run(ctx context.Context, s streams) error {
	if c.Fleet != 0 {
		return c.runFleet(ctx, s)
	}
	if c.History != "" || c.Forward != "" {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "--history and --forward need --fleet HOMES"}
	}
	if c.Interval < 10*time.Millisecond || c.Interval > time.Minute {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--interval %s is not between 10ms and 1m", c.Interval)}
	}
	if c.Transfers != 0 && (c.Transfers < leastTransfers || c.Transfers > mostTransfers) {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--transfers %s is neither 0 nor between %s and %s", c.Transfers, leastTransfers, mostTransfers)}
	}
	if c.For != 0 && c.For < c.Interval {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--for %s has no time for a single probe every %s", c.For, c.Interval)}
	}
	if os.Getenv(demoEnv) != "" && lab.Isolated() {
		return c.inside(ctx, s)
	}
	return c.outside(ctx, s)
}

// outside prepares what must outlive or reach out of the lab, and runs the child.
func (c demoCommand) outside(ctx context.Context, s streams) (err error) {
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("pass on the listener: %w", err)
	}
	defer file.Close()
	fate := keepStore
	if c.Store == "" {
		fate = discardStore
		if c.Store, err = os.MkdirTemp("", "perigee-demo-"); err != nil {
			return fmt.Errorf("make a directory for the results: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Store)) }()
	}
	child, err := lab.Command(ctx, c.arguments(), file)
	if err != nil {
		return err
	}
	child.Stdout, child.Stderr = s.out, s.err
	child.Env = append(child.Environ(), demoEnv+"="+fate)
	// A Ctrl-C at the terminal reaches this process alone, which hands it on.
	child.SysProcAttr.Setpgid = true
	return supervise(child)
}

// listen opens the listener of the page, on any port if the usual one is in use.
func (c demoCommand) listen(ctx context.Context) (net.Listener, error) {
	listener, err := listen(ctx, config.API{Listen: c.Listen})
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(c.Listen)
		listener, err = listen(ctx, config.API{Listen: net.JoinHostPort(host, "0")})
	}
	return listener, err
}

// arguments repeats the command for the child.
func (c demoCommand) arguments() []string {
	args := []string{"demo", "--store=" + c.Store, "--listen=" + c.Listen, "--for=" + c.For.String(),
		"--interval=" + c.Interval.String(), "--transfers=" + c.Transfers.String(), "--seed=" + strconv.FormatUint(c.Seed, 10)}
	if c.JSON {
		args = append(args, "--json")
	}
	if c.Truth != "" {
		args = append(args, "--truth="+c.Truth)
	}
	return args
}

// supervise runs the child, hands signals on to it, and returns its failure as the
// exit status it chose. The child has told the user why.
func supervise(child *lab.Child) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		if errors.Is(err, lab.ErrForbidden) {
			return &perigee.Error{Code: perigee.CodePermission, Message: "the demo needs network namespaces", Err: err}
		}
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case sig := <-signals:
			// It may have ended just now; Wait tells.
			_ = child.Process.Signal(sig)
		case err := <-ended:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
				return errExit(exit.ExitCode())
			}
			return err
		}
	}
}

// inside runs the lab and the daemon.
func (c demoCommand) inside(ctx context.Context, s streams) (err error) {
	listener, err := inheritedListener()
	if err != nil {
		return err
	}
	if os.Getenv(demoEnv) == discardStore {
		lab.WhenOrphaned(func() { _ = os.RemoveAll(c.Store) }) // nobody is left to be told
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	truth, err := c.openTruth()
	if err != nil {
		return err
	}
	l, err := newDemoLab(c.Seed, truth)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDemoLab(l, truth)) }()
	p := demoPlan(l)
	p.interval, p.storePath = c.Interval, c.Store
	far, err := startDemoFarEnd(ctx, l, c.transfers(), &p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, far()) }()
	begin := time.Now()
	// So many probes take so long, less at most one interval.
	d, err := newDaemon(ctx, s, p, listener, int(c.For/c.Interval))
	if err != nil {
		return err
	}
	c.greet(s, p, listener)
	if err := d.Run(ctx); err != nil {
		return err
	}
	return c.conclude(context.WithoutCancel(ctx), s, begin)
}
