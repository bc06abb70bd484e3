package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"perigee"
)

// runCommand is the daemon.
type runCommand struct {
	configFlag `embed:""`
	Store      string `placeholder:"DIR" help:"Directory of the stored results. Default: storage.path of the configuration."`
	Listen     string `placeholder:"HOST:PORT" help:"Where the API and the page listen. Default: api.listen of the configuration."`
}

// Run implements the command.
func (c runCommand) Run(ctx context.Context, s streams) error {
	p, err := c.plan()
	if err != nil {
		return err
	}
	if c.Store != "" {
		p.storePath = c.Store
	}
	if c.Listen != "" {
		p.listen = c.Listen
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	listener, err := listen(ctx, p.listen)
	if err != nil {
		return err
	}
	d, err := newDaemon(ctx, s, p, listener, 0)
	if err != nil {
		listener.Close()
		return err
	}
	s.notef("perigee: %s", p.origin)
	for _, w := range p.warnings {
		s.notef("warning: %s", w)
	}
	s.notef("%s  page and API at http://%s/", p.describe(), listener.Addr())
	return d.Run(ctx)
}

// listen opens the listener of the API and the page.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("listen address %q is not HOST:PORT, e.g. 127.0.0.1:8480", address)}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, &perigee.Error{Code: perigee.CodeInvalid,
			Message: fmt.Sprintf("listen address %q is not loopback, and this version has no access control; listen on 127.0.0.1 and put a proxy with authentication or an SSH tunnel before it", address)}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("listen on %s: the port is in use; is another perigee running? Choose another with --listen", address), Err: err}
	case err != nil:
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "listen on " + address, Err: err}
	}
	return listener, nil
}
