package ookla

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/showwin/speedtest-go/speedtest"

	"perigee"
	"perigee/probes/bind"
)

// Child does one transfer for a parent that started this process with Options.Command,
// and returns when it is done or the parent has gone. Goroutines of the library are left
// behind: the process must end then.
//
// Failures of the transfer go to the parent; the error is for what cannot be told there.
func Child(in io.Reader, out io.Writer) error {
	orders := json.NewDecoder(in)
	var q request
	if err := orders.Decode(&q); err != nil {
		return fmt.Errorf("ookla: child: request: %w; this command is for perigee's own use", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			var o order
			if err := orders.Decode(&o); err != nil {
				return
			}
			if o.Stop {
				stop()
			}
		}
	}()
	done := make(chan error, 1)
	go func() {
		c := child{request: q, messages: json.NewEncoder(out)}
		done <- c.report(c.run(ctx))
	}()
	select {
	case err := <-done:
		return err
	case <-gone:
		return errors.New("ookla: child: the parent has gone")
	}
}

// child is one transfer.
type child struct {
	request
	messages *json.Encoder
	binder   *bind.Binder
	meter    *meter
	dialer   *dialer
	tripper  *transferTripper
}

// report tells the parent of a failure.
func (c *child) report(err error) error {
	if err == nil {
		return nil
	}
	code := perigee.CodeOf(err)
	if bind.ReasonOf(err) == bind.ReasonPermission {
		code = perigee.CodePermission
	}
	return c.messages.Encode(message{Failed: &failure{code, err.Error()}})
}

// run finds the server and does the transfer.
func (c *child) run(ctx context.Context) error {
	binder, err := bind.New(c.Binding)
	if err != nil {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "link", Err: err}
	}
	defer binder.Close()
	up := c.Load == perigee.LoadUp
	c.binder, c.meter = binder, newMeter(up, c.MaxBytes)
	c.dialer = &dialer{binder: binder, family: c.Family, timeout: c.Setup, meter: c.meter}
	if buffer := bind.NeededBuffer(c.RTT, c.Streams); up {
		c.dialer.send = buffer
	} else {
		c.dialer.receive = buffer
	}
	server, err := c.find(ctx)
	if err != nil {
		return err
	}
	return c.transfer(ctx, server)
}

// find returns the server to use.
func (c *child) find(ctx context.Context) (*speedtest.Server, error) {
	limited, cancel := context.WithTimeout(ctx, c.Setup)
	defer cancel()
	directory, err := parseDirectory(c.Directory)
	if err != nil {
		return nil, err
	}
	transport := c.dialer.transport(c.Streams, 0)
	defer transport.CloseIdleConnections()
	client := newLibrary(&setupTripper{limited, transport, directory}, c.dialer.control, c.Streams)
	server, err := findServer(limited, client, c.Server)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, unavailable(err, "no server was found within %v", c.Setup)
	}
	return server, err
}

func parseDirectory(base string) (*url.URL, error) {
	if base == "" {
		return nil, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("directory %q is no URL such as https://servers.example", base)}
	}
	return u, nil
}

// transfer moves payload until ctx ends, the time is up, or the meter says that it is over.
func (c *child) transfer(ctx context.Context, server *speedtest.Server) error {
	up := c.Load == perigee.LoadUp
	transport := c.dialer.transport(c.Streams, c.Setup)
	c.tripper = &transferTripper{base: transport, meter: c.meter, up: up, streams: int64(c.Streams)}
	// A new client, so that connections are new and how they come about is measured.
	server.Context = newLibrary(c.tripper, c.dialer.control, c.Streams)
	name, target := describe(server)
	c.meter.begin()
	if err := c.messages.Encode(message{Started: &started{name, target}}); err != nil {
		return err
	}
	go func() {
		// It returns only if it will not even begin: the tripper keeps it from ending.
		err := transferWith(context.Background(), server, up)
		c.meter.end(perigee.StoppedByFailure, errors.Join(errors.New("the library gave up"), err))
	}()
	stop, err := c.watch(ctx)
	c.meter.end(stop, err) // so that nothing new begins
	if answer, void := errors.AsType[*answerError](err); void {
		return unavailable(answer, "server %s", name)
	}
	counts, length := c.meter.finish()
	if !c.meter.moved() {
		return c.nothing(ctx, name, length, err)
	}
	if stop == perigee.StoppedAtTime && c.meter.silent() {
		stop = perigee.StoppedByFailure
	}
	return c.messages.Encode(message{Ended: c.end(stop, counts, length)})
}

// watch tells the parent how the transfer goes until it is over, and why that is.
func (c *child) watch(ctx context.Context) (perigee.StopReason, error) {
	tick := time.NewTicker(step)
	defer tick.Stop()
	limit := time.NewTimer(c.MaxDuration)
	defer limit.Stop()
	for {
		select {
		case <-tick.C:
			p := progress{Counts: c.meter.tell()}
			if c.meter.up {
				if state, ok := c.meter.state(); ok {
					p.TCP = &state
				}
			}
			if err := c.messages.Encode(message{Progress: &p}); err != nil {
				return perigee.StoppedByFailure, err
			}
		case <-limit.C:
			return perigee.StoppedAtTime, nil
		case <-ctx.Done():
			return perigee.StoppedByUser, nil
		case <-c.meter.over:
			return c.meter.ending()
		}
	}
}

// nothing is the error of a transfer that moved no payload.
func (c *child) nothing(ctx context.Context, server string, length time.Duration, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		verb := "sent"
		if c.meter.up {
			verb = "acknowledged"
		}
		return unavailable(nil, "server %s %s nothing in %v over %s", server, verb, length.Round(step), c.Binding)
	}
	return unavailable(err, "server %s cannot be reached over %s", server, c.Binding)
}

// end sums up.
func (c *child) end(stop perigee.StopReason, counts []int64, length time.Duration) *ended {
	t := c.meter.totals()
	e := ended{Stop: stop, Length: length, Counts: counts, WireBytes: t.wire, Retransmitted: -1}
	e.Connect = c.tripper.connect()
	e.Connect.TCP = t.connect
	if c.meter.up {
		e.Retransmitted, e.Congestion = t.retransmitted, t.congestion
	}
	e.Proof = perigee.Proof{Local: t.local, Remote: t.remote}
	if path, err := c.binder.Path(t.remote); err == nil {
		e.Proof.InterfaceIndex, e.Proof.InterfaceName = path.Index, path.Name
	}
	return &e
}
