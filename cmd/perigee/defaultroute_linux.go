package main

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"perigee"
)

// defaultRoute returns the device and the first hop of the IPv4 default route with
// the best metric. It only asks the kernel's tables; nothing is sent. The first hop is
// invalid on a point-to-point link without a gateway.
func defaultRoute() (device string, firstHop netip.Addr, err error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return "", netip.Addr{}, fmt.Errorf("read the routing table: %w", err)
	}
	best := -1
	for i, r := range routes {
		isDefault := r.Dst == nil
		if !isDefault {
			ones, _ := r.Dst.Mask.Size()
			isDefault = ones == 0
		}
		if isDefault && (best < 0 || r.Priority < routes[best].Priority) {
			best = i
		}
	}
	if best < 0 {
		return "", netip.Addr{}, &perigee.Error{Code: perigee.CodeInvalid,
			Message: "there is no configuration and no IPv4 default route to measure; write a perigee.yaml and name it with --config"}
	}
	route := routes[best]
	if len(route.MultiPath) > 0 {
		route.LinkIndex, route.Gw = route.MultiPath[0].LinkIndex, route.MultiPath[0].Gw
	}
	link, err := netlink.LinkByIndex(route.LinkIndex)
	if err != nil {
		return "", netip.Addr{}, fmt.Errorf("find the device of the default route: %w", err)
	}
	firstHop, _ = netip.AddrFromSlice(route.Gw)
	return link.Attrs().Name, firstHop.Unmap(), nil
}
