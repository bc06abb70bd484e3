package main

import "context"

// runCommand is the daemon.
type runCommand struct {
	configFlag `embed:""`
	Store      string `placeholder:"DIR" help:"Directory of the stored results. Default: storage.path of the configuration."`
	listenFlags
}

// Run implements the command.
func (c runCommand) Run(ctx context.Context, s streams) error {
	quiet := newRepeats(s.err)
	defer quiet.Close()
	s.err = quiet
	signals, ignore := hangups()
	defer ignore()
	p, err := c.read()
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	if p.door, err = openDoor(s, p.api); err != nil {
		return err
	}
	listener, err := listen(ctx, p.api)
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
	s.notef("%s  page and API at %s://%s/%s", p.describe(), p.door.scheme(), listener.Addr(), p.door.text(listener.Addr().String()))
	defer d.service().tell(ctx, s)()
	reloading, end := context.WithCancel(ctx)
	defer d.reloadOn(reloading, signals, c.read)()
	defer end()
	return d.Run(ctx)
}

// read reads the plan, and what the command line says instead.
func (c runCommand) read() (plan, error) {
	p, err := c.plan()
	if c.Store != "" {
		p.storePath = c.Store
	}
	c.listenFlags.apply(&p.api)
	return p, err
}
