package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"perigee/probes/bind"
)

// look reads the kernel's tables of devices, addresses, routes, rules and neighbours.
// Nothing is sent. Devices are in the order of their names.
func look() (machine, error) {
	m := machine{}
	m.host, _ = os.Hostname() // the site has another name then
	links, err := netlink.LinkList()
	if err != nil {
		return m, fmt.Errorf("read the devices: %w", err)
	}
	// The zero table is that of no route: it asks for those of all tables.
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return m, fmt.Errorf("read the routes: %w", err)
	}
	rules, err := netlink.RuleList(netlink.FAMILY_V4)
	if err != nil {
		return m, fmt.Errorf("read the rules of routing: %w", err)
	}
	for _, l := range links {
		a := l.Attrs()
		if a.Flags&net.FlagLoopback != 0 {
			continue
		}
		d := device{name: a.Name, kind: kindOf(l), up: a.Flags&net.FlagUp != 0 && a.OperState != netlink.OperDown && a.OperState != netlink.OperLowerLayerDown}
		addresses, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return m, fmt.Errorf("read the addresses of %s: %w", a.Name, err)
		}
		for _, address := range addresses {
			if ip, ok := netip.AddrFromSlice(address.IP.To4()); ok {
				ones, _ := address.Mask.Size()
				d.addresses = append(d.addresses, netip.PrefixFrom(ip, ones))
			}
		}
		for _, r := range routes {
			d.route(r, a.Index, rules)
		}
		neighbours, err := netlink.NeighList(a.Index, netlink.FAMILY_V4)
		if err != nil {
			return m, fmt.Errorf("read the neighbours at %s: %w", a.Name, err)
		}
		for _, n := range neighbours {
			known := n.State&(netlink.NUD_REACHABLE|netlink.NUD_STALE|netlink.NUD_DELAY|netlink.NUD_PROBE|netlink.NUD_PERMANENT) != 0
			d.dishNeighbour = d.dishNeighbour || known && n.IP.Equal(dishAddress.AsSlice())
		}
		m.devices = append(m.devices, d)
	}
	slices.SortFunc(m.devices, func(a, b device) int { return cmp.Compare(a.name, b.name) })
	return m, nil
}

// route takes note of what a route says of the device with an index.
func (d *device) route(r netlink.Route, index int, rules []netlink.Rule) {
	hops := []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw}}
	if len(r.MultiPath) > 0 {
		hops = r.MultiPath
	}
	for _, hop := range hops {
		if hop.LinkIndex != index || r.Type != unix.RTN_UNICAST {
			continue
		}
		if r.Dst != nil {
			if ones, _ := r.Dst.Mask.Size(); ones > 0 {
				d.dishRoute = d.dishRoute || ones >= dishNetwork.Bits() && r.Dst.Contains(dishAddress.AsSlice())
				continue
			}
		}
		w := wayOut{metric: r.Priority, table: r.Table}
		if gateway, ok := netip.AddrFromSlice(hop.Gw.To4()); ok {
			w.gateway = gateway
		}
		for _, rule := range rules {
			if rule.Table != r.Table || r.Table == mainTable {
				continue
			}
			if rule.Src != nil {
				if ip, ok := netip.AddrFromSlice(rule.Src.IP.To4()); ok {
					if ones, _ := rule.Src.Mask.Size(); ones == 32 {
						w.source = ip
					} else if own, ok := d.address(netip.PrefixFrom(ip, ones)); ok {
						w.source = own
					}
				}
			}
			w.mark = cmp.Or(w.mark, rule.Mark)
		}
		d.ways = append(d.ways, w)
	}
}

// kindOf tells what a device is, by the kernel's type of it and by sysfs, which says what
// type and name do not.
func kindOf(l netlink.Link) deviceKind {
	a := l.Attrs()
	dir := filepath.Join("/sys/class/net", a.Name)
	_, noWifi := os.Stat(filepath.Join(dir, "phy80211"))
	event, _ := os.ReadFile(filepath.Join(dir, "uevent"))
	switch {
	case strings.Contains(string(event), "DEVTYPE=wwan"), strings.HasPrefix(a.Name, "wwan"), strings.HasPrefix(a.Name, "rmnet"):
		return kindCellular
	case noWifi == nil, strings.HasPrefix(a.Name, "wlan"), strings.HasPrefix(a.Name, "wlp"):
		return kindWifi
	case a.EncapType == "ppp", strings.HasPrefix(a.Name, "ppp"):
		return kindDialUp
	case slices.Contains([]string{"wireguard", "tuntap", "tun", "gre", "gretun", "ipip", "sit", "vti", "xfrm", "ip6tnl", "vxlan", "geneve"}, l.Type()), a.Flags&net.FlagPointToPoint != 0:
		return kindTunnel
	}
	return kindWired
}

// dishTimeout is how long a dish at the other end of a cable may take.
const dishTimeout = 2 * time.Second

// askDish opens a connection to where a dish answers, over one device alone, and closes
// it again. It reports whether something answered.
func askDish(ctx context.Context, device string) bool {
	binder, err := bind.New(bind.Options{Interface: device})
	if err != nil {
		return false
	}
	defer binder.Close()
	dialer := net.Dialer{Timeout: dishTimeout, Control: binder.DialControl}
	conn, err := dialer.DialContext(ctx, "tcp4", netip.AddrPortFrom(dishAddress, dishPort).String())
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
