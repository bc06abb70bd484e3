package lab

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Options configures a Lab.
type Options struct {
	// Seed decides everything that is random.
	Seed uint64

	// Links are the lab's links, at least one and at most 250.
	Links []Link

	// Truth receives the truth log as lines of JSON, from one goroutine; nil
	// is none. It is written about ten times a second and complete after Flush
	// and Close.
	Truth io.Writer

	// KeepTruth keeps all records in memory, for Lab.Truth. It is meant for
	// tests: about 200 bytes a packet.
	KeepTruth bool
}

// Link is a link to be made.
type Link struct {
	// Name is unique in the lab. The link's device, of this name followed by
	// 0, must be one that Linux accepts: at most 15 characters in all, none of
	// them a slash, colon or space.
	Name    string
	Profile Profile
}

// Device returns the name of the link's device, the same at home and far.
func (l Link) Device() string { return l.Name + "0" }

// maxLinks is how many links the address plan has room for.
const maxLinks = 250

func (o Options) validate() error {
	if len(o.Links) == 0 || len(o.Links) > maxLinks {
		return fmt.Errorf("lab: %d links: must be 1 to %d", len(o.Links), maxLinks)
	}
	seen := make(map[string]bool)
	for _, l := range o.Links {
		if l.Name == "" || len(l.Device()) > 15 || strings.ContainsAny(l.Name, "/: \t\n") || l.Name[0] == '.' {
			return fmt.Errorf("lab: link %q: its name must have 1 to 14 characters without slash, colon and space", l.Name)
		}
		if seen[l.Name] {
			return fmt.Errorf("lab: link %q: there are two of this name", l.Name)
		}
		seen[l.Name] = true
		if err := l.Profile.Validate(); err != nil {
			return fmt.Errorf("lab: link %s: %w", l.Name, err)
		}
	}
	return nil
}

// Endpoint tells where a link's ends are.
type Endpoint struct {
	Name   string
	Number int // from 1
	Device string

	// Home and Home6 are the addresses of the home device, Far and Far6 those
	// of its peer.
	Home, Home6 netip.Addr
	Far, Far6   netip.Addr

	// Mark is the firewall mark that sends packets over the link.
	Mark uint32
}

// endpoint returns the plan for link number n.
func endpoint(l Link, n int) Endpoint {
	v6 := func(last byte) netip.Addr {
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 7: byte(n), 15: last})
	}
	return Endpoint{
		Name: l.Name, Number: n, Device: l.Device(), Mark: uint32(n),
		Home: netip.AddrFrom4([4]byte{198, 18, byte(n), 1}), Far: netip.AddrFrom4([4]byte{198, 18, byte(n), 2}),
		Home6: v6(1), Far6: v6(2),
	}
}

// The far host's addresses: all of these prefixes, see the package comment.
var (
	farPrefix  = netip.MustParsePrefix("198.18.255.0/24")
	farPrefix6 = netip.MustParsePrefix("2001:db8:0:ff::/64")
	target     = netip.MustParseAddr("198.18.255.1")
	target6    = netip.MustParseAddr("2001:db8:0:ff::1")
)

// Target returns the far host's first IPv4 address, 198.18.255.1.
func Target() netip.Addr { return target }

// Target6 returns the far host's first IPv6 address, 2001:db8:0:ff::1.
func Target6() netip.Addr { return target6 }
