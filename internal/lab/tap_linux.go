package lab

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// tapBytes is how much of a packet a tap sees: enough to tell echoes apart.
	tapBytes = 64

	// tapBuffer is the size of a tap's queue in bytes, for some thousand echoes.
	tapBuffer = 8 << 20

	// tapAge is the oldest stamp that is believed: an older one means that the
	// wall clock was set in between.
	tapAge = int64(10e9)
)

// A tap tells when the kernel handed ICMP packets to a device. The engine reads a
// packet from the device only when its thread gets to run, which on a virtual machine
// whose processors are taken away now and then may be milliseconds later; a truth log
// with that time would blame the measuring for the lab's own delay.
//
// Taps stamp ICMP alone: it is what round trips are compared by, and bulk traffic need
// not pay.
type tap struct {
	fd   int
	data [tapBytes]byte
	oob  [64]byte
}

// openTap listens on the device of the calling thread's namespace.
func openTap(index int) (*tap, error) {
	// Protocol 0: nothing comes before the filter is in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tap: %w", permission(err))
	}
	filter := unix.SockFprog{Len: uint16(len(tapFilter)), Filter: &tapFilter[0]}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, tapBuffer) != nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, tapBuffer) // as much as is allowed
		}
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tap: %w", err)
	}
	return &tap{fd: fd}, nil
}

// networkOrder returns v with its bytes as they stand in a packet.
func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

// tapFilter passes tapBytes of each outgoing ICMP or ICMPv6 packet and nothing else.
var tapFilter = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: packetType},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.PACKET_OUTGOING, Jf: 7},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0}, // IP version
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x60, Jt: 2},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9}, // protocol
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMP, Jt: 3, Jf: 2},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6}, // next header
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMPV6, Jt: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: tapBytes},
}

// packetType is where a filter finds the packet's type (linux/filter.h: SKF_AD_OFF +
// SKF_AD_PKTTYPE).
const packetType = 1<<32 - 0x1000 + 4

// entered returns when packet, just read from the device, was handed to it, and now if
// it cannot tell.
func (t *tap) entered(packet []byte, now instant) instant {
	want := packet[:min(len(packet), tapBytes)]
	for {
		stamp, n, err := t.next()
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return now
		}
		if !bytes.Equal(t.data[:n], want) {
			continue // one that the device did not take
		}
		if age := now.wall - stamp; stamp > 0 && age >= 0 && age < tapAge {
			return now.add(-age)
		}
		return now
	}
}

// next reads the next packet and its stamp, in nanoseconds of wall time; 0 is none.
func (t *tap) next() (stamp int64, n int, err error) {
	n, oobn, _, _, err := unix.Recvmsg(t.fd, t.data[:], t.oob[:], unix.MSG_DONTWAIT)
	if err != nil {
		return 0, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(t.oob[:oobn])
	if err != nil {
		return 0, n, nil
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			return (*unix.Timespec)(unsafe.Pointer(&m.Data[0])).Nano(), n, nil
		}
	}
	return 0, n, nil
}

func (t *tap) close() { unix.Close(t.fd) }
