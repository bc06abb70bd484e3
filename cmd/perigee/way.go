package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"perigee"
	"perigee/probes/bind"
)

// dialSystem connects as the system decides; tests replace it where time is not real.
var dialSystem = (&net.Dialer{}).DialContext

// A way is how results leave for the database: over one link, or as the system decides.
type way struct {
	binder *bind.Binder // nil: as the system decides
	links  []perigee.Link
	via    perigee.LinkID // of binder
}

// newWay returns the way over the link named via, of links; any way if via is empty.
func newWay(links []perigee.Link, via perigee.LinkID) (*way, error) {
	w := &way{links: links, via: via}
	if via == "" {
		return w, nil
	}
	for _, l := range links {
		if l.ID == via {
			binder, err := bind.New(bindOptions(l))
			if err != nil {
				return nil, fmt.Errorf("storage.influxdb.via: link %s: %w", via, err)
			}
			w.binder = binder
			return w, nil
		}
	}
	return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("storage.influxdb.via: there is no link %s", via)}
}

// Close gives back what holds the binding.
func (w *way) Close() error {
	if w.binder == nil {
		return nil
	}
	return w.binder.Close()
}

// dial connects to the database. Over a link, the socket is bound like a probe's, and
// there is no other way if that fails.
func (w *way) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.binder == nil {
		return dialSystem(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	// Names are resolved by the system's own routes, as those of targets are.
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Control: w.binder.DialControl}
	var failures []error
	for _, a := range addresses {
		var conn net.Conn
		// One address at a time: for several, the dialer would begin threads of
		// its own, outside of the link's namespace.
		err := w.binder.Do(func() (err error) {
			conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port))
			return err
		})
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("link %s: %w", w.via, errors.Join(failures...))
}

// linkOf returns the link that a connection from the given local address leaves by; none
// if it is not one of the way's links, such as loopback.
func (w *way) linkOf(local netip.Addr) (perigee.LinkID, bool) {
	if w.via != "" {
		return w.via, true
	}
	local = local.Unmap()
	for _, l := range w.links {
		if l.Source == local && local.IsValid() || l.Interface != "" && hasAddress(l.Interface, local) {
			return l.ID, true
		}
	}
	return "", false
}

// hasAddress reports whether a device of this namespace has an address.
func hasAddress(device string, address netip.Addr) bool {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return false
	}
	addresses, err := i.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == address {
			return true
		}
	}
	return false
}
