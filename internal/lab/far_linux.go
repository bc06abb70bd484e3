package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// FarDo runs fn on a thread in the far namespace: sockets that fn opens on its own
// goroutine are far sockets, and stay so wherever they are used. What fn starts on
// other goroutines is at home; so is what package net does on goroutines of its own,
// such as dialling a name or several addresses.
func (l *Lab) FarDo(fn func() error) error { return l.far.at(fn) }

// FarListen listens on the far host, as net.Listen does.
func (l *Lab) FarListen(ctx context.Context, network, address string) (net.Listener, error) {
	var listener net.Listener
	err := l.FarDo(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: far host: %w", err)
	}
	return listener, nil
}

// FarListenPacket listens for packets on the far host, as net.ListenPacket does.
func (l *Lab) FarListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := l.FarDo(func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: far host: %w", err)
	}
	return conn, nil
}

// FarStart starts cmd on the far host. The program is killed when the lab is closed or
// this process ends, however it ends; to wait for it is the caller's.
func (l *Lab) FarStart(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	request := startRequest{cmd, make(chan error, 1)}
	select {
	case l.starter.requests <- request:
		return <-request.done
	case <-l.starter.ended:
		return errors.New("lab: far host: the lab is closed")
	}
}

// starter is a thread in the far namespace that starts programs. It lives as long as
// the lab: the programs it starts get their death signal when it ends.
type starter struct {
	requests    chan startRequest
	stop, ended chan struct{}
}

type startRequest struct {
	cmd  *exec.Cmd
	done chan error
}

func startStarter(ns netns.NsHandle) (*starter, error) {
	s := &starter{requests: make(chan startRequest), stop: make(chan struct{}), ended: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(s.ended)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if err := unix.Setns(int(ns), unix.CLONE_NEWNET); err != nil {
			ready <- fmt.Errorf("lab: enter namespace: %w", err)
			return
		}
		close(ready)
		for {
			select {
			case r := <-s.requests:
				r.done <- r.cmd.Start()
			case <-s.stop:
				return
			}
		}
	}()
	if err := <-ready; err != nil {
		<-s.ended
		return nil, err
	}
	return s, nil
}

func (s *starter) close() {
	close(s.stop)
	<-s.ended
}
