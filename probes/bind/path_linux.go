package bind

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// path finds the way to remote by the rules of the package comment. The caller holds
// b.mu and has connected.
func (b *Binder) path(remote netip.Addr) (Path, error) {
	dev, err := b.device(remote)
	if err != nil {
		return Path{}, err
	}
	if dev.index == 0 { // a namespace alone, and no address to look up yet
		return Path{}, nil
	}
	p := Path{
		Index:  dev.index,
		Name:   dev.name,
		Bound:  b.opts.Interface != "" || b.opts.Source.IsValid() || b.opts.Mark != 0,
		Source: b.opts.Source,
	}
	switch {
	case !dev.up():
		return p, &Error{Reason: ReasonInterfaceDown, Detail: "interface " + dev.name}
	case !dev.carrier():
		return p, &Error{Reason: ReasonNoCarrier, Detail: "interface " + dev.name}
	case !remote.IsValid():
		return p, nil
	}
	if p.Bound {
		if p.Source, err = b.source(dev, remote); err != nil {
			return p, err
		}
	}
	ask := lookup{remote: remote, source: p.Source, mark: b.opts.Mark}
	if p.Bound {
		ask.index = dev.index
	}
	r, err := b.kernel.route(ask)
	if err != nil {
		return p, routeError(remote, dev, err)
	}
	p.Local = p.Source
	if !p.Local.IsValid() {
		p.Local = r.local
	}
	return p, nil
}

// device finds the device that the options lead to. Its index is 0 if they name none
// and remote is not valid.
func (b *Binder) device(remote netip.Addr) (device, error) {
	o := b.opts
	if o.Source.IsValid() && remote.IsValid() && o.Source.Is6() != remote.Is6() {
		return device{}, &Error{Reason: ReasonNoAddress, Detail: fmt.Sprintf("source %s for target %s: other address family", o.Source, remote)}
	}
	switch {
	case o.Interface != "":
		return b.kernel.device(o.Interface, 0)
	case o.Source.IsValid():
		index, err := b.owner(o.Source)
		if err != nil {
			return device{}, err
		}
		return b.kernel.device("", index)
	case !remote.IsValid():
		return device{}, nil
	}
	r, err := b.kernel.route(lookup{remote: remote, mark: o.Mark})
	if err != nil {
		return device{}, routeError(remote, device{}, err)
	}
	if o.Mark != 0 {
		if err := b.checkMark(remote, r); err != nil {
			return device{}, err
		}
	}
	return b.kernel.device("", r.index)
}

// checkMark refuses the route r if the mark has no part in its choice: then the
// mark's own table has no route, and packets would leave by another link's.
func (b *Binder) checkMark(remote netip.Addr, r route) error {
	if b.table != 0 && r.table == b.table {
		return nil
	}
	if plain, err := b.kernel.route(lookup{remote: remote}); err == nil && plain.table == r.table && plain.index == r.index {
		return &Error{Reason: ReasonNoRoute, Detail: fmt.Sprintf("mark %#x has no route to %s of its own", b.opts.Mark, remote)}
	}
	b.table = r.table
	return nil
}

// owner returns the index of the device that has addr.
func (b *Binder) owner(addr netip.Addr) (int, error) {
	all, err := b.kernel.addresses()
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		if a.prefix.Addr() == addr {
			return a.index, nil
		}
	}
	for _, a := range all { // all of 127.0.0.0/8 is local
		if a.prefix.Addr().IsLoopback() && a.prefix.Contains(addr) {
			return a.index, nil
		}
	}
	return 0, &Error{Reason: ReasonNoAddress, Detail: "source " + addr.String()}
}

// source returns the address to bind to on dev for packets to remote, invalid if the
// kernel shall choose it; or an error if there is no route to remote by dev.
func (b *Binder) source(dev device, remote netip.Addr) (netip.Addr, error) {
	ask := lookup{remote: remote, source: b.opts.Source, index: dev.index, mark: b.opts.Mark, match: true}
	_, err := b.kernel.route(ask)
	if err == nil || dev.direct() || remote.IsLinkLocalUnicast() || errors.Is(err, errKernelSilent) {
		return b.opts.Source, nil
	}
	if b.opts.Source.IsValid() {
		return b.opts.Source, routeError(remote, dev, err)
	}
	all, listErr := b.kernel.addresses()
	if listErr != nil {
		return netip.Addr{}, listErr
	}
	for _, a := range all {
		if a.index != dev.index || !a.global || a.prefix.Addr().Is6() != remote.Is6() {
			continue
		}
		ask.source = a.prefix.Addr()
		if _, err := b.kernel.route(ask); err == nil {
			return ask.source, nil
		}
	}
	return netip.Addr{}, routeError(remote, dev, err)
}

// routeError says why there is no route to remote.
func routeError(remote netip.Addr, dev device, err error) error {
	errno, ok := errors.AsType[unix.Errno](err)
	if !ok {
		return err
	}
	detail := "to " + remote.String()
	if dev.name != "" {
		detail += " by " + dev.name
	}
	reason := ReasonNoRoute
	if errno == unix.EINVAL || errno == unix.EADDRNOTAVAIL {
		reason = ReasonNoAddress
	}
	return &Error{Reason: reason, Detail: detail, Err: err}
}
