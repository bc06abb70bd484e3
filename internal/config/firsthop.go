package config

import (
	"net/netip"
	"strings"

	"perigee"
)

// FirstHopAuto asks for the gateway of the route over the link.
const FirstHopAuto = "auto"

// firstHops reads what stands at the links' own ends: an address, or FirstHopAuto.
func (r *reader) firstHops(raw []rawLink, links []perigee.Link) map[perigee.LinkID]string {
	var hops map[perigee.LinkID]string
	for i, l := range links {
		v := raw[i].FirstHop
		hop, ok := r.firstHop(v, l)
		switch {
		case !ok:
		case !l.Bound() && !r.unclear(raw[i]):
			r.problem(v.key, v.path, "is of a link that is not probed; give the link interface, source, fwmark or namespace, or remove the key")
		default:
			if hops == nil {
				hops = make(map[perigee.LinkID]string)
			}
			hops[l.ID] = hop
		}
	}
	return hops
}

// firstHop reads what stands at one link's own end.
func (r *reader) firstHop(v value, l perigee.Link) (string, bool) {
	s, ok := r.word(v)
	if !ok {
		return "", false
	}
	if s == FirstHopAuto {
		return s, true
	}
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		r.wrong(v, "is no address; write that of the router or dish alone, without a prefix length")
	case err != nil:
		r.wrong(v, "is no address; write that of the router or dish at the end of the cable, such as 192.168.1.1, or auto for the route's gateway")
	case addr.Zone() != "":
		r.wrong(v, "has a zone; write an address without it, or auto")
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		r.wrong(v, "is not the address of one host; write that of the router or dish at the end of the cable, or auto")
	case l.Source.IsValid() && l.Source.Is4() != addr.Unmap().Is4():
		r.wrong(v, "is of another IP version than the link's source; write an address of the same")
	default:
		return addr.Unmap().String(), true
	}
	return "", false
}
