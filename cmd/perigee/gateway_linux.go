package main

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"perigee"
	"perigee/probes/bind"
)

// gateway returns the first hop of the way over l toward an address. It only asks the
// kernel's tables, in the link's namespace; nothing is sent.
func gateway(l perigee.Link, toward netip.Addr) (hop netip.Addr, err error) {
	binder, err := bind.New(bindOptions(l))
	if err != nil {
		return hop, err
	}
	defer binder.Close()
	path, err := binder.Path(toward)
	if err != nil {
		return hop, err
	}
	options := netlink.RouteGetOptions{Mark: l.Mark}
	if path.Bound {
		options.OifIndex = path.Index
	}
	if path.Source.IsValid() {
		options.SrcAddr = path.Source.AsSlice()
	}
	err = binder.Do(func() error {
		routes, err := netlink.RouteGetWithOptions(toward.AsSlice(), &options)
		if err != nil {
			return fmt.Errorf("ask the kernel for the way to %s: %w", toward, err)
		}
		for _, r := range routes {
			if gw, ok := netip.AddrFromSlice(r.Gw); ok {
				hop = gw.Unmap()
				return nil
			}
		}
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("the route of link %s to %s has no gateway; write the first hop's address, or remove first_hop", l.ID, toward)}
	})
	return hop, err
}
