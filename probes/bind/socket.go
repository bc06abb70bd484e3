package bind

import (
	"net/netip"
	"time"
)

// Message is what a Socket received.
type Message struct {
	// Data is the ICMP message, without IP header. It is valid until the next
	// receive on the socket.
	Data []byte

	// Local is the address that the packet came to, and Interface the index
	// of the device that it came by: proof of the way. Invalid and 0 if the
	// system does not tell.
	Local     netip.Addr
	Interface int

	// Read is when the packet was read, with a monotonic reading.
	Read time.Time

	// Waited is how long the packet lay in the socket before Read, by the
	// kernel's receive stamp; 0 if that cannot be told for sure, e.g. because
	// the wall clock was set meanwhile.
	Waited time.Duration
}

// maxMessage is the longest packet received: an echo reply of ours is far shorter.
const maxMessage = 2048

// stripIPv4 removes the IP header from m.Data. It reports false if there is no whole
// one.
func (m *Message) stripIPv4() bool {
	if len(m.Data) < 20 {
		return false
	}
	size := int(m.Data[0]&15) * 4
	if size < 20 || size > len(m.Data) {
		return false
	}
	m.Data = m.Data[size:]
	return true
}
