package icmp

import (
	"encoding/binary"
	"errors"

	"perigee"
)

// The echo message, RFC 792 and RFC 4443:
//
//	 0  type  1  code  2..3  checksum  4..5  identifier  6..7  sequence number
//	 8..15  magic           says that the packet is perigee's, and the layout's version
//	16..23  session         random, new for each run of a prober
//	24..31  seq             the probe's whole number, of which the header has 16 bits
//	32..    padding         the pattern that ping sends, byte i is i + 8
//
// Session and seq decide what a reply answers. The header's identifier and sequence
// number only help the kernel and those who look at captures: they wrap, and other
// programs use them too.
const (
	headerSize = 8
	stampSize  = 24 // magic, session, seq

	// MinSize is the smallest ICMP message that holds what tells replies apart.
	MinSize = headerSize + stampSize

	// DefaultSize is that of ping: 56 bytes of data.
	DefaultSize = 64

	// MaxSize keeps probes in one Ethernet frame, with either IP header.
	MaxSize = 1452

	magic = "perigee\x01"
)

// Message types.
const (
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
)

// Reasons why a packet is not a reply to this session.
var (
	errShort    = errors.New("icmp: message too short")
	errType     = errors.New("icmp: not an echo reply")
	errChecksum = errors.New("icmp: wrong checksum")
	errForeign  = errors.New("icmp: not a probe of this session")
)

// newRequest returns an echo request of size bytes with everything but sequence
// number and checksum filled in.
func newRequest(family perigee.Family, id uint16, session uint64, size int) []byte {
	p := make([]byte, size)
	p[0] = echoRequest4
	if family == perigee.IPv6 {
		p[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(p[4:], id)
	copy(p[8:], magic)
	binary.BigEndian.PutUint64(p[16:], session)
	for i := MinSize; i < size; i++ {
		p[i] = byte(i + 8)
	}
	return p
}

// setSeq makes p the request of probe seq.
func setSeq(p []byte, seq perigee.Seq) {
	binary.BigEndian.PutUint16(p[6:], uint16(seq))
	binary.BigEndian.PutUint64(p[24:], uint64(seq))
	binary.BigEndian.PutUint16(p[2:], 0)
	if p[0] == echoRequest4 { // ICMPv6 sums addresses too: the kernel does it
		binary.BigEndian.PutUint16(p[2:], checksum(p))
	}
}

// parseReply returns which probe of session p answers, or why it answers none.
// Packets that were cut short on their way are accepted if seq is whole.
func parseReply(p []byte, family perigee.Family, session uint64) (perigee.Seq, error) {
	if len(p) < MinSize {
		return 0, errShort
	}
	reply := byte(echoReply4)
	if family == perigee.IPv6 {
		reply = echoReply6
	}
	if p[0] != reply || p[1] != 0 {
		return 0, errType
	}
	if string(p[8:16]) != magic || binary.BigEndian.Uint64(p[16:]) != session {
		return 0, errForeign
	}
	// The kernel does not check the sum for raw IPv4 sockets; for others it has.
	if family != perigee.IPv6 && checksum(p) != 0 {
		return 0, errChecksum
	}
	return perigee.Seq(binary.BigEndian.Uint64(p[24:])), nil
}

// checksum returns the internet checksum of p (RFC 1071). Over a message that holds
// its own checksum it is 0.
func checksum(p []byte) uint16 {
	var sum uint64
	for len(p) >= 2 {
		sum += uint64(p[0])<<8 | uint64(p[1])
		p = p[2:]
	}
	if len(p) == 1 {
		sum += uint64(p[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
