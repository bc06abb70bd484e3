package main

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/internal/lab"
	"perigee/probes/bind"
	"perigee/probes/transfer/farend"
	"perigee/probes/transfer/wire"
)

// demoMaxBytes bounds a transfer of the demo: eight seconds of its fastest links.
const demoMaxBytes = 200_000_000

// transfers returns the mean time between a link's transfers; 0 is none.
func (c demoCommand) transfers() time.Duration {
	if c.For > 0 && c.For < 2*c.Transfers {
		return 0
	}
	return c.Transfers
}

// startDemoFarEnd serves transfers on the lab's far host, for the plan that it completes,
// until the returned function is called.
func startDemoFarEnd(ctx context.Context, l *lab.Lab, every time.Duration, p *plan) (stop func() error, err error) {
	address := net.JoinHostPort(lab.Target().String(), strconv.Itoa(wire.DefaultPort))
	listener, err := l.FarListen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// Every link knows the congestion controls that this kernel has.
	known, err := bind.Congestions()
	if err != nil {
		return nil, err
	}
	congestion := slices.DeleteFunc([]string{"cubic", "bbr"}, func(name string) bool { return !slices.Contains(known, name) })
	key := wire.NewKey()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- farend.Serve(ctx, listener, farend.Options{Key: key, Congestion: congestion}) }()

	p.farEnds = []farEnd{{target: p.targets[0].ID, address: address, key: key}}
	if every > 0 {
		p.transfer = &config.Transfer{
			Every: every, Schedule: config.DefaultSchedule, Method: config.TransferPerigee,
			Directions: []perigee.Load{perigee.LoadDown, perigee.LoadUp}, Streams: []int{1, 8}, Congestion: congestion,
			MaxBytes: demoMaxBytes, Precision: config.DefaultPrecision, BusyAbove: config.DefaultBusyAbove, LoadedInterval: config.DefaultLoadedInterval,
		}
	}
	return func() error { cancel(); return <-ended }, nil
}
