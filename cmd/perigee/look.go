package main

import "net/netip"

// A machine is what can be seen of this one's network without sending anything.
type machine struct {
	host    string
	devices []device
}

// A device is one that a way out may lead over.
type device struct {
	name      string
	kind      deviceKind
	up        bool
	addresses []netip.Prefix
	ways      []wayOut

	dishRoute     bool // a route of its own to where a Starlink dish answers
	dishNeighbour bool // the dish was spoken with over it, as the kernel remembers
}

// A wayOut is a default route over a device.
type wayOut struct {
	gateway netip.Addr // invalid on a point-to-point device
	metric  int
	table   int // 254 is the main one

	// By which packets find a table that is not the main one; zero if no rule tells.
	source netip.Addr
	mark   uint32
}

// mainTable is the routing table that packets find by themselves (rtnetlink(7)).
const mainTable = 254

// deviceKind is what a device is, as far as the kernel tells.
type deviceKind string

// The kinds.
const (
	kindWired    deviceKind = "wired"
	kindWifi     deviceKind = "wifi"
	kindCellular deviceKind = "cellular"
	kindDialUp   deviceKind = "ppp"
	kindTunnel   deviceKind = "tunnel" // what goes in leaves again by another device
)

var (
	// dishAddress is where every Starlink dish answers those behind it, and dishPort is
	// its gRPC interface, which needs no key.
	dishAddress = netip.AddrFrom4([4]byte{192, 168, 100, 1})
	dishPort    = uint16(9200)

	// dishNetwork is what a dish that has no connection gives addresses of.
	dishNetwork = netip.MustParsePrefix("192.168.100.0/24")

	// starlinkGateway is the gateway that a dish names to a router behind it.
	starlinkGateway = netip.AddrFrom4([4]byte{100, 64, 0, 1})

	// sharedSpace is what carriers number their customers with (RFC 6598).
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
)

// address returns the device's first address that lies in p.
func (d device) address(p netip.Prefix) (netip.Addr, bool) {
	for _, a := range d.addresses {
		if p.Contains(a.Addr()) {
			return a.Addr(), true
		}
	}
	return netip.Addr{}, false
}
