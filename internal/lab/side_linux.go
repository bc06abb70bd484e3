package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// deviceQueue is the devices' queue in packets: more than any burst that a
	// sender's window allows, so that packets are dropped by the model only.
	deviceQueue = 50_000

	// firstMetric is the metric of the first link's route in the main table.
	firstMetric = 100

	// firstTable is the routing table of link 1, less one.
	firstTable = 1000

	// Rules stand before the main table's (32766).
	markPriority   = 1000
	sourcePriority = 2000
)

// side is one of the lab's two namespaces.
type side struct {
	ns   netns.NsHandle
	netl *netlink.Handle
	at   func(func() error) error // runs a function in the namespace
}

// openHome prepares the namespace the process lives in.
func openHome() (*side, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("lab: home namespace: %w", err)
	}
	return prepare(ns, func(fn func() error) error { return fn() })
}

// openFar makes the far namespace. Nothing but its descriptor holds it.
func openFar() (*side, error) {
	var ns netns.NsHandle
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return permission(err)
		}
		var err error
		ns, err = netns.Get()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: far namespace: %w", err)
	}
	s, err := prepare(ns, func(fn func() error) error { return inNamespace(ns, fn) })
	if err != nil {
		return nil, err
	}
	lo, err := s.netl.LinkByName("lo")
	if err == nil {
		err = s.addAddress(lo, netip.PrefixFrom(target, farPrefix.Bits()))
	}
	if err == nil {
		err = s.addAddress(lo, netip.PrefixFrom(target6, 128))
	}
	if err == nil && hasIPv6() {
		err = s.netl.RouteReplace(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(farPrefix6), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lab: far host's address: %w", err), s.close())
	}
	return s, nil
}

// prepare opens a side and sets what both need.
func prepare(ns netns.NsHandle, at func(func() error) error) (*side, error) {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("lab: namespace: %w", err)
	}
	s := &side{ns: ns, netl: h, at: at}
	err = at(setSysctls)
	var lo netlink.Link
	if err == nil {
		lo, err = h.LinkByName("lo")
	}
	if err == nil {
		err = h.LinkSetUp(lo)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lab: namespace: %w", err), s.close())
	}
	return s, nil
}

func (s *side) close() error {
	s.netl.Close()
	return s.ns.Close()
}

// onOwnThread runs fn on a thread that ends afterwards, so that what fn does to it
// touches no one else.
func onOwnThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		done <- fn()
	}()
	return <-done
}

// inNamespace runs fn on a thread in the network namespace ns.
func inNamespace(ns netns.NsHandle, fn func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(ns), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("lab: enter namespace: %w", err)
		}
		return fn()
	})
}

// sysctl is a setting of the calling thread's network namespace.
type sysctl struct {
	name, value string
	optional    bool // a kernel may lack it, or not let a user namespace set it
}

var sysctls = []sysctl{
	// Replies come in on every link, whatever link the route back would take.
	{"net/ipv4/conf/all/rp_filter", "0", false},
	{"net/ipv4/conf/default/rp_filter", "0", false},
	// The kernel answers every probe.
	{"net/ipv4/icmp_echo_ignore_all", "0", false},
	{"net/ipv4/icmp_ratelimit", "0", true},
	{"net/ipv4/icmp_ratemask", "0", true},
	{"net/ipv6/icmp/ratelimit", "0", true},
	// Sockets for ICMP without raw rights; in a user namespace only group 0 exists.
	{"net/ipv4/ping_group_range", "0 2147483647", true},
	{"net/ipv4/ping_group_range", "0 0", true},
	// TCP: no limit below a geostationary link's bandwidth times delay, and no
	// memory of earlier connections.
	{"net/ipv4/tcp_rmem", "4096 131072 67108864", true},
	{"net/ipv4/tcp_wmem", "4096 65536 67108864", true},
	{"net/ipv4/tcp_no_metrics_save", "1", true},
	// IPv6 without the chatter of autoconfiguration.
	{"net/ipv6/conf/default/addr_gen_mode", "1", true},
	{"net/ipv6/conf/default/accept_ra", "0", true},
	{"net/ipv6/conf/default/router_solicitations", "0", true},
	{"net/ipv6/conf/default/accept_dad", "0", true},
}

// setSysctls sets what must be; on ping_group_range the last one that is accepted
// would win, so a later one is tried only if the one before it failed.
func setSysctls() error {
	done := make(map[string]bool)
	for _, s := range sysctls {
		if done[s.name] {
			continue
		}
		err := os.WriteFile("/proc/sys/"+s.name, []byte(s.value), 0)
		done[s.name] = err == nil
		if err != nil && !s.optional {
			return permission(err)
		}
	}
	return nil
}

// openTUN makes a TUN device in the side's namespace and returns its descriptor. The
// device is gone when that is closed.
func (s *side) openTUN(name string) (fd int, err error) {
	err = s.at(func() error {
		fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", tunError(err))
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_TUN_EXCL)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("TUN device %s: %w", name, tunError(err))
		}
		return nil
	})
	return fd, err
}

// deviceUp brings a new device up.
func (s *side) deviceUp(name string) (netlink.Link, error) {
	dev, err := s.netl.LinkByName(name)
	if err != nil {
		return nil, err
	}
	return dev, errors.Join(
		s.netl.LinkSetMTU(dev, MTU),
		s.netl.LinkSetTxQLen(dev, deviceQueue),
		s.netl.LinkSetMulticastOff(dev),
		s.netl.LinkSetUp(dev),
	)
}

// configureFar gives the far device its addresses, and with them the routes back.
func (s *side) configureFar(e Endpoint) error {
	dev, err := s.deviceUp(e.Device)
	if err != nil {
		return err
	}
	// The prefix is wider than home's, so that home may change its address.
	return errors.Join(s.addAddress(dev, netip.PrefixFrom(e.Far, 24)), s.addAddress(dev, netip.PrefixFrom(e.Far6, 64)))
}

// configureHome gives the home device its addresses and routes. All of them vanish
// with the device, and the routes and the IPv6 address when it goes down.
func (s *side) configureHome(e Endpoint) error {
	dev, err := s.deviceUp(e.Device)
	if err != nil {
		return err
	}
	err = errors.Join(s.addAddress(dev, netip.PrefixFrom(e.Home, 30)), s.addAddress(dev, netip.PrefixFrom(e.Home6, 64)))
	if err != nil {
		return err
	}
	for _, to := range []netip.Prefix{farPrefix, farPrefix6} {
		index, source := dev.Attrs().Index, e.Home
		if to.Addr().Is6() {
			if source = e.Home6; !hasIPv6() {
				continue
			}
		}
		own := &netlink.Route{LinkIndex: index, Dst: ipNet(to), Src: source.AsSlice(), Table: firstTable + e.Number, Scope: unix.RT_SCOPE_LINK}
		main := &netlink.Route{LinkIndex: index, Dst: ipNet(to), Src: source.AsSlice(), Priority: firstMetric + e.Number, Scope: unix.RT_SCOPE_LINK}
		if err := errors.Join(s.netl.RouteReplace(own), s.netl.RouteReplace(main)); err != nil {
			return fmt.Errorf("route to %s: %w", to, err)
		}
	}
	return nil
}

// addRules makes the link's source addresses and mark choose its routing table. It is
// done once: rules do not vanish with the device. The rules name the link's whole
// prefixes, so that they hold for a new address too.
func (s *side) addRules(e Endpoint) error {
	for _, r := range rules(e) {
		if err := s.netl.RuleAdd(r); err != nil {
			return fmt.Errorf("rule: %s: %w", r, err)
		}
	}
	return nil
}

func (s *side) removeRules(e Endpoint) error {
	var errs []error
	for _, r := range rules(e) {
		if err := s.netl.RuleDel(r); err != nil {
			errs = append(errs, fmt.Errorf("rule: %s: %w", r, err))
		}
	}
	return errors.Join(errs...)
}

func rules(e Endpoint) []*netlink.Rule {
	var all []*netlink.Rule
	for _, from := range []netip.Prefix{netip.PrefixFrom(e.Home, 24).Masked(), netip.PrefixFrom(e.Home6, 64).Masked()} {
		family := unix.AF_INET
		if from.Addr().Is6() {
			if family = unix.AF_INET6; !hasIPv6() {
				continue
			}
		}
		bySource, byMark := netlink.NewRule(), netlink.NewRule()
		bySource.Family, bySource.Priority, bySource.Table, bySource.Src = family, sourcePriority+e.Number, firstTable+e.Number, ipNet(from)
		byMark.Family, byMark.Priority, byMark.Table, byMark.Mark = family, markPriority+e.Number, firstTable+e.Number, e.Mark
		all = append(all, bySource, byMark)
	}
	return all
}

// addAddress adds an address without duplicate address detection, which would make it
// wait a second.
func (s *side) addAddress(dev netlink.Link, p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		if !hasIPv6() {
			return nil
		}
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := s.netl.AddrReplace(dev, addr); err != nil {
		return fmt.Errorf("address %s: %w", p, err)
	}
	return nil
}

// hasIPv6 reports whether the kernel speaks IPv6. If not, the lab has IPv4 only.
var hasIPv6 = sync.OnceValue(func() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
})

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
