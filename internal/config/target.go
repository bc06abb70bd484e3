package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"perigee"
)

// targets reads what is probed, and the far ends among it. One without an address is
// probed at the host of its far end, so that its round trips with and without load are
// those of the way that transfers take.
func (r *reader) targets(raw []rawTarget) ([]perigee.Target, []Reflector) {
	if len(raw) == 0 {
		if !r.reported("targets") {
			r.problem(start, "targets", "is missing or empty; list at least one, such as {name: cloudflare, address: 1.1.1.1}")
		}
		return nil, nil
	}
	if len(raw) > maxTargets {
		r.problem(raw[maxTargets].at, "targets", fmt.Sprintf("has %d targets; one monitor probes at most %d", len(raw), maxTargets))
		return nil, nil
	}
	var targets []perigee.Target
	var reflectors []Reflector
	lines := make(map[string]int, len(raw))
	for _, t := range raw {
		if !t.given {
			continue // reported
		}
		r.required(t.section, t.Name, t.path+".name", "give the target a name, which stands in every result")
		name, _ := r.name(t.Name)
		r.unique(lines, t.Name, name, "target")
		if name == string(perigee.FirstHop) {
			r.wrong(t.Name, "is kept for what stands at a link's own end; write its address as first_hop of the link, or use another name")
		}
		far, host, isFar := r.reflector(t)
		if isFar {
			far.Target = perigee.TargetID(name)
			reflectors = append(reflectors, far)
		}
		if !t.Reflector.given() && !r.meant[t.path+".reflector"] {
			r.required(t.section, t.Address, t.path+".address", "write an IP address or a host name")
		}
		address, ok := r.address(t.Address)
		if !t.Address.given() {
			address, ok = host, isFar
		}
		if ok {
			targets = append(targets, perigee.Target{ID: perigee.TargetID(name), Address: address})
		}
	}
	return targets, reflectors
}

// address reads where a target is: an IP address or a host name.
func (r *reader) address(v value) (string, bool) {
	s, ok := r.word(v)
	if !ok {
		return "", false
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		switch {
		case addr.Zone() != "":
			r.wrong(v, "has a zone, which means another thing on every link; write an address without %%%s", addr.Zone())
		case addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			r.wrong(v, "is not the address of one host; write that of a host that answers ping")
		default:
			return addr.Unmap().String(), true
		}
		return "", false
	}
	if strings.Contains(s, "://") {
		if u, err := url.Parse(s); err == nil && u.Hostname() != "" {
			r.problem(v.at, v.path, "is a URL; write its host alone: "+u.Hostname())
		} else {
			r.problem(v.at, v.path, "is a URL; write its host alone, such as example.net")
		}
		return "", false
	}
	if prefix, err := netip.ParsePrefix(s); err == nil {
		r.wrong(v, "is a prefix; write the address alone: %s", prefix.Addr())
		return "", false
	}
	if host, _, err := net.SplitHostPort(s); err == nil && host != "" {
		r.wrong(v, "has a port; ping has none, so write %s", host)
		return "", false
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		r.wrong(v, "has brackets; write %s", strings.TrimSuffix(inner, "]"))
		return "", false
	}
	if !hostName(s) {
		r.wrong(v, "is neither an IP address nor a host name; write one such as 1.1.1.1 or example.net, names of other scripts in their xn-- form")
		return "", false
	}
	return s, true
}

// hostName reports whether s can be a host name: labels of letters, digits, hyphens
// and, as hosts in the field have them, underscores; the last not a number, which
// would be an address with a slip in it.
func hostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	_, err := strconv.ParseUint(last, 0, 64)
	return err != nil && strings.Trim(last, "0123456789") != "" // 080 is no number of Go's
}
