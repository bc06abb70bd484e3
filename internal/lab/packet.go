package lab

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers that the truth log looks into.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// describe fills in what the truth log says of the IP packet b. It reports false, and
// leaves r half filled, if b is not an IP packet.
func describe(r *Record, b []byte) bool {
	r.Length = len(b)
	r.SrcPort, r.DstPort, r.Echo = 0, 0, Echo{}
	if len(b) < 20 {
		return false
	}
	var body []byte
	switch b[0] >> 4 {
	case 4:
		header := int(b[0]&0xf) * 4
		if header < 20 || header > len(b) {
			return false
		}
		r.Protocol = b[9]
		r.Src = netip.AddrFrom4([4]byte(b[12:16]))
		r.Dst = netip.AddrFrom4([4]byte(b[16:20]))
		if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return true // a later fragment has no header of its protocol
		}
		body = b[header:]
	case 6:
		if len(b) < 40 {
			return false
		}
		r.Protocol = b[6]
		r.Src = netip.AddrFrom16([16]byte(b[8:24]))
		r.Dst = netip.AddrFrom16([16]byte(b[24:40]))
		body = b[40:]
	default:
		return false
	}
	switch r.Protocol {
	case protoTCP, protoUDP:
		if len(body) >= 4 {
			r.SrcPort = binary.BigEndian.Uint16(body)
			r.DstPort = binary.BigEndian.Uint16(body[2:])
		}
	case protoICMP, protoICMPv6:
		if len(body) >= 8 {
			e := Echo{Type: body[0], Present: true, ID: binary.BigEndian.Uint16(body[4:]), Seq: binary.BigEndian.Uint16(body[6:])}
			v6 := r.Protocol == protoICMPv6
			if v6 && e.Type != 128 && e.Type != 129 || !v6 && e.Type != 8 && e.Type != 0 {
				break
			}
			e.DataLen = uint8(copy(e.Data[:], body[8:]))
			r.Echo = e
		}
	}
	return true
}

// linkLocalMulticast reports whether the packet is a kernel's own chatter on a link
// (group membership reports and the like): it is not carried and not logged.
func linkLocalMulticast(dst netip.Addr) bool { return dst.IsLinkLocalMulticast() }
