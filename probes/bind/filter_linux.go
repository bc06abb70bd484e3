package bind

import "golang.org/x/sys/unix"

// Echo reply types, RFC 792 and RFC 4443.
const (
	echoReply4 = 0
	echoReply6 = 129
)

// echoFilter returns a program that passes echo replies to identifier id and drops
// all else. Raw IPv4 sockets see packets from the IP header, IPv6 ones from the ICMP
// header.
func echoFilter(six bool, id uint16) []unix.SockFilter {
	const (
		loadByte   = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
		loadHalf   = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
		jumpEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer     = unix.BPF_RET | unix.BPF_K
		headerSize = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH // X = 4 * (packet[0] & 15)
		setIndex   = unix.BPF_LDX | unix.BPF_IMM
	)
	start, reply := unix.SockFilter{Code: headerSize}, uint32(echoReply4)
	if six {
		start, reply = unix.SockFilter{Code: setIndex}, echoReply6
	}
	return []unix.SockFilter{
		start,
		{Code: loadByte, K: 0},
		{Code: jumpEqual, K: reply, Jf: 3},
		{Code: loadHalf, K: 4},
		{Code: jumpEqual, K: uint32(id), Jf: 1},
		{Code: answer, K: 1 << 18}, // the whole packet
		{Code: answer, K: 0},
	}
}
