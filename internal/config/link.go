package config

import (
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"perigee"
)

// maxLinks and maxTargets bound the streams that one monitor keeps: their product.
const (
	maxLinks   = 64
	maxTargets = 64
)

// links reads the ways out of the site. The result has one element for each of raw,
// with what could be read of it.
func (r *reader) links(raw []rawLink, site perigee.Site) []perigee.Link {
	if len(raw) == 0 {
		if !r.reported("links") {
			r.problem(start, "links", "is missing or empty; list at least one link, with name, orbit and interface, source, fwmark or namespace")
		}
		return nil
	}
	if len(raw) > maxLinks {
		r.problem(raw[maxLinks].at, "links", fmt.Sprintf("has %d links; one monitor keeps at most %d, so run a second one", len(raw), maxLinks))
		return nil
	}
	links := make([]perigee.Link, len(raw))
	lines := make(map[string]int, len(raw))
	bound, unclear := false, false
	for i, l := range raw {
		links[i] = r.link(l, site)
		r.unique(lines, l.Name, string(links[i].ID), "link")
		bound = bound || links[i].Bound()
		unclear = unclear || r.unclear(l)
	}
	if !bound && !unclear {
		r.problem(raw[0].at, "links", "no link says how its probes are kept on it, so nothing would be measured; give one interface, source, fwmark or namespace")
	}
	r.devices(raw, links)
	return links
}

// unclear reports whether something was said of how the probes of l are kept on it, be
// it wrong.
func (r *reader) unclear(l rawLink) bool {
	for key, v := range map[string]value{"interface": l.Interface, "source": l.Source, "fwmark": l.Mark, "namespace": l.Namespace} {
		path := join(l.path, key)
		if v.given() || r.meant[path] || r.reported(path) {
			return true
		}
	}
	return !l.given
}

// unique reports v if its name stands in lines already, and notes it there. The
// empty name was reported before.
func (r *reader) unique(lines map[string]int, v value, name, noun string) {
	if name == "" {
		return
	}
	if line, taken := lines[name]; taken {
		r.wrong(v, "is the name of the %s at line %d too; give each %s a name of its own", noun, line, noun)
		return
	}
	lines[name] = v.at.line
}

// link reads one link.
func (r *reader) link(raw rawLink, site perigee.Site) perigee.Link {
	var l perigee.Link
	if !raw.given {
		return l // reported
	}
	r.required(raw.section, raw.Name, raw.path+".name", "give the link a name, which stands in every result")
	if name, ok := r.name(raw.Name); ok {
		l.ID = perigee.LinkID(name)
	}
	r.required(raw.section, raw.Orbit, raw.path+".orbit", "use one of "+strings.Join(orbitNames(), ", "))
	if orbit, ok := r.oneOf(raw.Orbit, "an orbit", orbitNames()); ok {
		l.Orbit = perigee.Orbit(orbit)
	}
	l.Interface = r.device(raw.Interface)
	l.Source = r.source(raw.Source)
	l.Mark = r.mark(raw.Mark)
	l.Namespace = r.namespace(raw.Namespace)
	if reason, ok := r.text(raw.Reason); ok && strings.TrimSpace(reason) == "" {
		r.problem(raw.Reason.at, raw.Reason.path, "is blank; say why two links use one device")
	}
	if longitude, ok := r.number(raw.SatelliteLongitude, -180, 180, "degrees east"); ok {
		switch {
		case l.Orbit != "" && l.Orbit != perigee.OrbitGEO:
			r.problem(raw.SatelliteLongitude.at, raw.SatelliteLongitude.path, fmt.Sprintf("only a geostationary satellite stands at a longitude, and this link's orbit is %s; remove it or write orbit: geo", l.Orbit))
		case site.Located && !visible(site, longitude):
			r.problem(raw.SatelliteLongitude.at, raw.SatelliteLongitude.path, fmt.Sprintf("a satellite at %s is below the horizon of the site; check both longitudes, east is positive and west negative", raw.SatelliteLongitude.text))
		default:
			l.SatelliteLongitude, l.SatelliteKnown = longitude, true
			if !site.Located {
				r.warning(raw.SatelliteLongitude.key, raw.SatelliteLongitude.path, "has no effect without site.latitude and site.longitude; add them")
			}
		}
	}
	l.Plan = r.plan(raw.Plan)
	return l
}

// orbitNames lists the orbits.
func orbitNames() []string {
	names := make([]string, len(perigee.Orbits))
	for i, o := range perigee.Orbits {
		names[i] = string(o)
	}
	return names
}

// visible reports whether a geostationary satellite at longitude is above the horizon
// of site: the angle between the two as seen from the centre of the Earth is below
// arccos(6378 km / 42164 km).
func visible(site perigee.Site, longitude float64) bool {
	const radians = math.Pi / 180
	return math.Cos(site.Latitude*radians)*math.Cos((longitude-site.Longitude)*radians) > 6378.137/42164.0
}

// device reads the name of a network interface, by the kernel's rules for names.
func (r *reader) device(v value) string {
	s, ok := r.word(v)
	if !ok {
		return ""
	}
	const longest = 15 // IFNAMSIZ - 1
	if _, err := netip.ParseAddr(s); err == nil {
		r.wrong(v, "is an address, not a device; write it as source")
		return ""
	}
	bad := func(c rune) bool { return c == '/' || unicode.IsSpace(c) || !unicode.IsPrint(c) }
	if len(s) > longest || s == "." || s == ".." || strings.ContainsFunc(s, bad) {
		r.wrong(v, "is not the name of a network interface; write one of those that \"ip link\" lists, such as eth0")
		return ""
	}
	return s
}

// source reads the local address that a link's probes leave from.
func (r *reader) source(v value) netip.Addr {
	s, ok := r.word(v)
	if !ok {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		if prefix, err := netip.ParsePrefix(s); err == nil {
			r.wrong(v, "is a prefix; write the address alone: %s", prefix.Addr())
		} else if pair, err := netip.ParseAddrPort(s); err == nil {
			r.wrong(v, "has a port; write the address alone: %s", pair.Addr())
		} else {
			r.wrong(v, "is not an IP address; write one of this machine's such as 192.168.2.10, or give the device's name as interface")
		}
		return netip.Addr{}
	}
	switch {
	case addr.Zone() != "":
		r.wrong(v, "has a zone; write source: %q and interface: %s", addr.WithZone(""), addr.Zone())
	case addr.IsUnspecified():
		r.wrong(v, "is no particular address; write one of this machine's, or remove the key")
	case addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		r.wrong(v, "is a group address; write one of this machine's own")
	default:
		return addr.Unmap()
	}
	return netip.Addr{}
}

// mark reads a firewall mark.
func (r *reader) mark(v value) uint32 {
	if !v.given() {
		return 0
	}
	digits, base := v.text, 10
	if hex, ok := strings.CutPrefix(strings.ToLower(v.text), "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	switch {
	case v.kind == boolean || err != nil || base == 10 && len(digits) > 1 && digits[0] == '0':
		r.wrong(v, "is not a firewall mark; write a number up to 0xffffffff such as 0x10 or 16, without a mask")
	case n == 0:
		r.problem(v.at, v.path, "0 means no mark; write the mark that a routing rule looks for, or remove the key")
	}
	return uint32(n)
}

// namespace reads a network namespace, by name or absolute path.
func (r *reader) namespace(v value) string {
	s, ok := r.word(v)
	if !ok {
		return ""
	}
	unprintable := strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) || unicode.IsSpace(c) })
	if unprintable || s == "." || s == ".." || strings.Contains(s, "/") && !filepath.IsAbs(s) {
		r.wrong(v, "is not a network namespace; write a name that \"ip netns\" lists, or a path from the root such as /run/netns/wan")
		return ""
	}
	return s
}

// devices reports links that leave by the same device without saying why: they measure
// the same path, so a comparison of them says nothing, and it is commonly a mistake.
func (r *reader) devices(raw []rawLink, links []perigee.Link) {
	for i, b := range links {
		for j, a := range links[:i] {
			shared := sharedDevice(a, b)
			if shared == "" || raw[i].Reason.given() || raw[j].Reason.given() {
				continue
			}
			r.problem(raw[i].at, raw[i].path, fmt.Sprintf("uses %s like the link at line %d; give each link its own, or add a reason that says why two links use one device", shared, raw[j].at.line))
			break
		}
	}
}

// sharedDevice says what a and b both leave by, or nothing. Devices, addresses and
// marks are apart in different namespaces.
func sharedDevice(a, b perigee.Link) string {
	bare := func(l perigee.Link) bool { return l.Interface == "" && !l.Source.IsValid() }
	switch {
	case a.Namespace != b.Namespace:
		return ""
	case a.Interface != "" && a.Interface == b.Interface:
		return "interface " + a.Interface
	case a.Source.IsValid() && a.Source == b.Source && (a.Interface == "" || b.Interface == ""):
		return "source " + a.Source.String()
	case bare(a) && bare(b) && a.Mark != 0 && a.Mark == b.Mark:
		return fmt.Sprintf("fwmark 0x%x", a.Mark)
	case bare(a) && bare(b) && a.Namespace != "" && a.Mark == b.Mark:
		return "namespace " + a.Namespace
	}
	return ""
}

// families reports links whose source address can reach none of the targets because
// all have addresses of the other IP version.
func (r *reader) families(raw []rawLink, links []perigee.Link, targets []perigee.Target) {
	for i, l := range links {
		if !l.Source.IsValid() || len(targets) == 0 {
			continue
		}
		reachable := false
		for _, t := range targets {
			addr, err := netip.ParseAddr(t.Address)
			reachable = reachable || err != nil || addr.Unmap().Is4() == l.Source.Is4()
		}
		if !reachable {
			here, there := "IPv4", "IPv6"
			if l.Source.Is6() {
				here, there = there, here
			}
			r.wrong(raw[i].Source, "is %s and every target is %s; add a target with an %s address or a host name", here, there, here)
		}
	}
}
