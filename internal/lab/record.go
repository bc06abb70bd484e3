package lab

import (
	"net/netip"
	"time"
)

// Way is the way of a packet.
type Way uint8

// The two ways.
const (
	Up   Way = iota + 1 // home to far
	Down                // far to home
)

// String returns "up" or "down".
func (w Way) String() string {
	switch w {
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return "unknown"
}

// Fate is what became of a packet. Each packet has exactly one.
type Fate uint8

// The fates.
const (
	Delivered  Fate = iota + 1 // written to the other side, once or more
	LostRandom                 // Direction.Loss
	LostBurst                  // Direction.Burst
	LostEdge                   // an outage at a slot's edge or a handover
	QueueDrop                  // found the queue of the rate limit full
	LinkDown                   // the device to deliver it to was down or gone
	Blackholed                 // Lab.Blackhole
	InFlight                   // still on the way when the lab ended
)

var fateNames = [...]string{
	Delivered: "delivered", LostRandom: "lost_random", LostBurst: "lost_burst", LostEdge: "lost_edge",
	QueueDrop: "queue_drop", LinkDown: "link_down", Blackholed: "blackholed", InFlight: "in_flight",
}

// String returns the fate's name as it stands in the truth log.
func (f Fate) String() string {
	if f == 0 || int(f) >= len(fateNames) {
		return "unknown"
	}
	return fateNames[f]
}

// Record is one line of the truth log: one packet and what was done to it.
type Record struct {
	Link string
	Way  Way

	// Wall and Mono are when the packet entered the link: nanoseconds since
	// the Unix epoch, and of CLOCK_MONOTONIC.
	Wall, Mono int64

	Protocol uint8 // the IP protocol number, e.g. 1 for ICMP, 58 for ICMPv6
	Src, Dst netip.Addr
	Length   int // of the IP packet, in bytes

	// SrcPort and DstPort are those of TCP and UDP, else 0.
	SrcPort, DstPort uint16

	// Echo is set if the packet is an ICMP or ICMPv6 echo request or reply.
	Echo Echo

	Fate Fate

	// Planned is the delay that the model asked for, meaningful unless the
	// packet was lost or dropped on entry.
	Planned time.Duration

	// Actual is the delay that was really imposed: when the (first) copy was
	// written to the other side, minus entry. Meaningful if Fate is Delivered.
	Actual time.Duration

	// Copies is how many times the packet was delivered: 0 unless Fate is
	// Delivered, 2 if it was duplicated.
	Copies int

	// Reordered is set if the model held the packet back so that later ones
	// could overtake it.
	Reordered bool
}

// planned reports whether a packet of fate f was given a delay.
func (f Fate) planned() bool { return f == Delivered || f == LinkDown || f == InFlight }

// Echo is what the truth log keeps of an ICMP echo packet.
type Echo struct {
	Type    uint8 // 8 and 0 are ICMP's request and reply, 128 and 129 ICMPv6's
	Present bool
	ID, Seq uint16

	// Data is the beginning of the payload, DataLen bytes of it.
	Data    [16]byte
	DataLen uint8
}

// Request reports whether e is an echo request.
func (e Echo) Request() bool { return e.Present && (e.Type == 8 || e.Type == 128) }

// Reply reports whether e is an echo reply.
func (e Echo) Reply() bool { return e.Present && (e.Type == 0 || e.Type == 129) }
