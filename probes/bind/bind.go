// Package bind keeps sockets on one link. It is the only place that knows how a
// device, a source address, a firewall mark or a network namespace ties packets to a
// way out of the site, for every method of measuring.
//
// The rule it keeps: a packet leaves by its link or not at all. On Linux every socket
// is bound to a device (SO_BINDTODEVICE) unless a namespace alone names the link:
//
//   - an interface is bound to as it is named. If the device has no route without a
//     source address, but has one with an address of its own (the usual "from
//     ADDRESS lookup TABLE" policy rules), that address is bound too;
//   - a source address alone does not keep packets on a link: when the link's route
//     goes, the kernel sends them by the default route with the same source. So the
//     device that owns the address is looked up and bound as well;
//   - a mark leaves the choice to policy routing. The device that the rules choose is
//     bound, and the routing table is remembered: if the mark's table later has no
//     route, the kernel would fall through to the main table, which counts here as
//     "no route". A mark that makes no difference to routing is refused likewise;
//   - a namespace is entered by a thread of its own, which ends afterwards; inside,
//     the other options apply, and with none of them the namespace's own routes do.
//
// Given together, all options apply. What cannot be applied is an error; there is no
// falling back to the default route.
//
// Devices come and go. A Binder hears of changes from the kernel and finds a device
// again by name, address or mark; Changed tells when to look, Path what there is now.
//
// The package opens ICMP sockets (ListenICMP) and prepares sockets of package net
// (DialControl, inside Do). It neither encodes nor times anything; durations are
// time.Duration. Methods of Binder are safe for concurrent use; Socket says its own.
//
// On macOS sockets are bound with IP_BOUND_IF; marks and namespaces do not exist
// there. Other systems are not supported and say so.
package bind

import (
	"fmt"
	"net/netip"
	"strings"
)

// Options say which way packets leave. At least one must be set; all that are set
// apply together.
type Options struct {
	// Interface is the device's name.
	Interface string

	// Source is the local address. An IPv6 zone names the interface.
	Source netip.Addr

	// Mark is the firewall mark for policy routing; 0 is none. Linux only.
	Mark uint32

	// Namespace is a network namespace: a name as "ip netns" knows it, or a
	// path with a slash in it. Linux only.
	Namespace string
}

// String describes o in the words of the configuration.
func (o Options) String() string {
	var parts []string
	if o.Namespace != "" {
		parts = append(parts, "namespace "+o.Namespace)
	}
	if o.Interface != "" {
		parts = append(parts, "interface "+o.Interface)
	}
	if o.Source.IsValid() {
		parts = append(parts, "source "+o.Source.String())
	}
	if o.Mark != 0 {
		parts = append(parts, fmt.Sprintf("mark %#x", o.Mark))
	}
	return strings.Join(parts, ", ")
}

// maxName is the longest device name: IFNAMSIZ less its terminating zero.
const maxName = 15

// validate checks what can be checked without asking the system, and takes the
// interface from the source's zone.
func (o *Options) validate() error {
	o.Source = o.Source.Unmap()
	if zone := o.Source.Zone(); zone != "" {
		if o.Interface != "" && o.Interface != zone {
			return fmt.Errorf("bind: source %s is not on interface %s", o.Source, o.Interface)
		}
		o.Interface, o.Source = zone, o.Source.WithZone("")
	}
	switch {
	case *o == Options{}:
		return fmt.Errorf("bind: no interface, source, mark or namespace given")
	case len(o.Interface) > maxName || strings.ContainsAny(o.Interface, "/ \t\n\x00"):
		return fmt.Errorf("bind: %q is not an interface name", o.Interface)
	case o.Source.IsValid() && (o.Source.IsUnspecified() || o.Source.IsMulticast()):
		return fmt.Errorf("bind: source %s is not an address of one interface", o.Source)
	case strings.ContainsRune(o.Namespace, 0):
		return fmt.Errorf("bind: %q is not a namespace", o.Namespace)
	}
	return nil
}

// Path is the way that packets to one address take, as the system stands now.
type Path struct {
	// Index and Name tell the device that packets leave by; 0 and "" if the
	// system does not tell.
	Index int
	Name  string

	// Bound is set if sockets are bound to that device.
	Bound bool

	// Source is the address that sockets are bound to; invalid if the kernel
	// chooses it for each packet.
	Source netip.Addr

	// Local is the address that packets have as their source; invalid if the
	// system does not tell.
	Local netip.Addr
}

// Serves reports whether a socket opened on p is still right where the system now
// says o: same device, same bound address.
func (p Path) Serves(o Path) bool {
	if p.Bound != o.Bound || p.Source != o.Source {
		return false
	}
	return !p.Bound || p.Index == o.Index
}
