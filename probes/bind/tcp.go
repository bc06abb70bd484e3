package bind

import "time"

// TCPInfo is what the kernel knows of a TCP connection. A count that the kernel does not
// tell, because it is older than the field, is negative.
type TCPInfo struct {
	RTT    time.Duration // smoothed; 0 before the first
	MinRTT time.Duration // least of the connection's last minutes; 0 if not known (before Linux 4.6)

	SndMSS     int // payload bytes in a full segment that leaves, options taken off
	RcvMSS     int // the kernel's estimate of the same for segments that come
	Timestamps bool

	SndCwnd int64 // congestion window, segments
	Unacked int64 // segments under way, lost ones included
	Lost    int64 // of these, segments that the sender takes for lost

	BytesAcked    int64 // payload that the peer has acknowledged; since Linux 4.1
	BytesReceived int64 // payload that came in order; since Linux 4.1
	BytesSent     int64 // payload that left, each retransmission counted again; since Linux 4.19
	BytesRetrans  int64 // payload that left again; since Linux 4.19, before it segments times SndMSS
	NotSent       int64 // payload written and not sent for the first time yet; since Linux 4.6

	SegsOut, SegsIn int64 // segments with or without payload; since Linux 4.2

	// Of what comes:
	RcvRTT        time.Duration // the receiver's estimate of the round trip; 0 before the first
	RcvSpace      int64         // payload that it expects in one round trip, by which its buffer is sized
	DataSegsIn    int64         // segments with payload, those that came twice included; since Linux 4.6
	RcvOutOfOrder int64         // of these, those that came while one before them was missing; since Linux 5.4

	// DSACKDups is how many segments the peer told to have come twice; since Linux 4.19.
	DSACKDups int64

	// DeliveryRate is how fast the peer was last seen to receive, bytes per second;
	// since Linux 4.9.
	DeliveryRate int64
}

// Sizes of headers without options, and of the timestamp option as Linux pads it.
const (
	headerIPv4   = 20
	headerIPv6   = 40
	headerTCP    = 20
	timestampOpt = 12
)

// SegmentHeader returns how many bytes of IP and TCP header each segment of the
// connection has, selective acknowledgements apart.
func (i TCPInfo) SegmentHeader(six bool) int {
	n := headerIPv4 + headerTCP
	if six {
		n = headerIPv6 + headerTCP
	}
	if i.Timestamps {
		n += timestampOpt
	}
	return n
}

// WireBytes returns how many bytes of IP packets the connection has moved by the
// sockets' device in both directions; false if the kernel does not tell.
//
// Payload that came twice and selective acknowledgements are not in it: the kernel does
// not tell. Both come of losses; only where a sender takes for lost what is not do they
// reach a few per cent.
func (i TCPInfo) WireBytes(six bool) (int64, bool) {
	if i.BytesSent < 0 || i.BytesReceived < 0 || i.SegsOut < 0 || i.SegsIn < 0 {
		return 0, false
	}
	return i.BytesSent + i.BytesReceived + (i.SegsOut+i.SegsIn)*int64(i.SegmentHeader(six)), true
}

// goalRate is the rate, in bytes per second, that one connection's buffers must be able
// to carry at any round trip time: 100 Mbit/s.
const goalRate = 100e6 / 8

// NeededBuffer returns how many bytes of payload each of some connections that share a
// path must be able to have under way, so that together they fill 100 Mbit/s at the
// given round trip time. One of several is given room for twice its share, since shares
// are never even.
func NeededBuffer(rtt time.Duration, connections int) int {
	share := 1.0
	if connections > 2 {
		share = 2 / float64(connections)
	}
	return int(goalRate * rtt.Seconds() * share)
}
