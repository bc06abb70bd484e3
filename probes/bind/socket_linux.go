package bind

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket is an ICMP echo socket kept on a link. One goroutine may send while another
// receives; Close and SetDeadline may be called at any time.
//
// It hears only replies to its own identifier. The kernel filters, so other pingers
// on the machine cost nothing.
type Socket struct {
	file *os.File
	conn syscall.RawConn
	path Path
	raw  bool
	six  bool

	closed atomic.Bool

	sending   sending
	receiving receiving
}

// sending is what a send needs, kept to save allocations.
type sending struct {
	data []byte
	to   unix.Sockaddr
	v4   unix.SockaddrInet4
	v6   unix.SockaddrInet6
	err  error
	do   func(fd uintptr) bool
}

// receiving is what a receive needs, kept to save allocations.
type receiving struct {
	data    [maxMessage]byte
	control [256]byte
	vector  unix.Iovec
	header  unix.Msghdr
	clock   waitClock
	n       int
	err     error
	wait    func(fd uintptr) bool
	now     func(fd uintptr) bool
}

// base is what monotonic readings count from.
var base = time.Now()

// ListenICMP opens an echo socket on the way to remote: a raw one where that is
// permitted, else an unprivileged one. Requests sent by it must carry the identifier
// id, which should differ between sockets; with unprivileged sockets the kernel puts
// in another and undoes that by filtering.
//
// It fails with the reason why packets cannot leave, if so.
func (b *Binder) ListenICMP(remote netip.Addr, id uint16) (*Socket, error) {
	remote = remote.Unmap()
	path, err := b.Path(remote)
	if err != nil {
		return nil, err
	}
	s := &Socket{path: path, six: remote.Is6()}
	var fd int
	if err := b.Do(func() (err error) { fd, s.raw, err = icmpSocket(s.six); return err }); err != nil {
		return nil, err
	}
	err = b.apply(fd, s.six, path)
	if err == nil {
		err = s.configure(fd, id)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), "icmp")
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	s.prepare()
	return s, nil
}

// icmpSocket opens a raw ICMP socket or, if that is not permitted, an unprivileged
// one.
func icmpSocket(six bool) (fd int, raw bool, err error) {
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if six {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err = unix.Socket(family, unix.SOCK_RAW|flags, proto)
	if err == nil {
		return fd, true, nil
	}
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return 0, false, &Error{Reason: reasonOfErrno(err), Detail: "open ICMP socket", Err: err}
	}
	if fd, err = unix.Socket(family, unix.SOCK_DGRAM|flags, proto); err != nil {
		detail := "open ICMP socket"
		if reasonOfErrno(err) == ReasonPermission {
			detail = icmpRemedies
		}
		return 0, false, &Error{Reason: reasonOfErrno(err), Detail: detail, Err: err}
	}
	return fd, false, nil
}

// configure makes fd hear only replies to id, and tell how packets came.
func (s *Socket) configure(fd int, id uint16) error {
	level, info := unix.IPPROTO_IP, unix.IP_PKTINFO
	if s.six {
		level, info = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	if err := unix.SetsockoptInt(fd, level, info, 1); err != nil {
		return fmt.Errorf("bind: packet information: %w", err)
	}
	// 64-bit stamps need Linux 5.1; without stamps replies are timed when read.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	if !s.raw {
		return nil
	}
	if s.six {
		var others unix.ICMPv6Filter
		for i := range others.Data {
			others.Data[i] = ^uint32(0)
		}
		others.Data[echoReply6>>5] &^= 1 << (echoReply6 & 31)
		if err := unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &others); err != nil {
			return fmt.Errorf("bind: ICMPv6 filter: %w", err)
		}
	}
	program := echoFilter(s.six, id)
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return fmt.Errorf("bind: packet filter: %w", err)
	}
	// A raw socket hears from the moment it is opened, and it was not yet bound
	// nor filtered then.
	var scrap [1]byte
	for {
		if _, _, err := syscall.Recvfrom(fd, scrap[:], 0); err != nil && err != syscall.EINTR {
			return nil
		}
	}
}

// prepare sets up what sends and receives reuse.
func (s *Socket) prepare() {
	tx, rx := &s.sending, &s.receiving
	tx.do = func(fd uintptr) bool {
		for {
			tx.err = unix.Sendto(int(fd), tx.data, 0, tx.to)
			if tx.err != unix.EINTR {
				return true
			}
		}
	}
	rx.vector.Base = &rx.data[0]
	rx.vector.SetLen(len(rx.data))
	rx.header.Iov = &rx.vector
	rx.header.SetIovlen(1)
	read := func(fd uintptr) {
		for {
			rx.header.Control = &rx.control[0]
			rx.header.SetControllen(len(rx.control))
			n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&rx.header)), 0)
			rx.n, rx.err = int(n), nil
			if errno != 0 {
				rx.n, rx.err = 0, errno
			}
			if errno != unix.EINTR {
				return
			}
		}
	}
	rx.wait = func(fd uintptr) bool { read(fd); return rx.err != unix.EAGAIN }
	rx.now = func(fd uintptr) bool { read(fd); return true }
	start := now()
	rx.clock.wait(0, start.UnixNano(), start.Sub(base))
}

// Path returns the way that s was opened on.
func (s *Socket) Path() Path { return s.path }

// Privileged reports whether s is a raw socket.
func (s *Socket) Privileged() bool { return s.raw }

// Close closes s and ends a Receive that waits.
func (s *Socket) Close() error {
	s.closed.Store(true)
	return s.file.Close()
}

// SetDeadline lets Receive return os.ErrDeadlineExceeded from t on, the one that waits
// too. The zero time is no deadline.
func (s *Socket) SetDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// Send sends p, an ICMP message with its checksum, to an address of the family that s
// was opened for. It does not wait.
func (s *Socket) Send(p []byte, to netip.Addr) error {
	tx := &s.sending
	tx.data = p
	if s.six {
		tx.v6.Addr, tx.v6.ZoneId = to.As16(), 0
		if to.IsLinkLocalUnicast() {
			tx.v6.ZoneId = uint32(s.path.Index)
		}
		tx.to = &tx.v6
	} else {
		tx.v4.Addr = to.Unmap().As4()
		tx.to = &tx.v4
	}
	if err := s.conn.Write(tx.do); err != nil {
		if s.closed.Load() {
			return os.ErrClosed
		}
		return err
	}
	return tx.err
}

// Receive waits for a packet. It returns os.ErrDeadlineExceeded at the deadline and
// os.ErrClosed when s is closed.
func (s *Socket) Receive(m *Message) error {
	return s.receive(m, s.receiving.wait)
}

// ReceiveNow returns a packet that is there already, or os.ErrDeadlineExceeded. It
// returns none after the deadline.
func (s *Socket) ReceiveNow(m *Message) error {
	return s.receive(m, s.receiving.now)
}

func (s *Socket) receive(m *Message, how func(uintptr) bool) error {
	rx := &s.receiving
	for {
		if err := s.conn.Read(how); err != nil {
			if s.closed.Load() {
				return os.ErrClosed // raw connections have an error of their own for it
			}
			return err
		}
		if rx.err == unix.EAGAIN {
			return os.ErrDeadlineExceeded
		}
		if rx.err != nil {
			return rx.err
		}
		m.Read = now()
		stamp := m.parse(rx.control[:rx.header.Controllen])
		m.Waited = rx.clock.wait(stamp, m.Read.UnixNano(), m.Read.Sub(base))
		m.Data = rx.data[:rx.n]
		if !s.raw || s.six || m.stripIPv4() {
			return nil
		}
	}
}

// now reads both clocks at one moment. The runtime reads one after the other; if the
// thread lost its processor in between, the two readings do not belong together, which
// shows in the next.
func now() time.Time {
	t := time.Now()
	for range 3 {
		next := time.Now()
		if torn := next.Round(0).Sub(t.Round(0)) - next.Sub(t); torn.Abs() < tornTolerance {
			break
		}
		t = next
	}
	return t
}

// parse takes the packet's way from control messages and returns the kernel's receive
// stamp in Unix nanoseconds, 0 if there is none.
func (m *Message) parse(control []byte) (stamp int64) {
	m.Local, m.Interface = netip.Addr{}, 0
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(control) {
			return stamp
		}
		data := control[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS_NEW && len(data) >= 16:
			stamp = int64(binary.NativeEndian.Uint64(data))*1e9 + int64(binary.NativeEndian.Uint64(data[8:]))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// struct in_pktinfo: index, local address of the route, destination of the header
			m.Interface = int(binary.NativeEndian.Uint32(data))
			m.Local = netip.AddrFrom4([4]byte(data[8:]))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			m.Local = netip.AddrFrom16([16]byte(data))
			m.Interface = int(binary.NativeEndian.Uint32(data[16:]))
		}
		next := unix.CmsgSpace(size - unix.CmsgLen(0))
		if next > len(control) {
			return stamp
		}
		control = control[next:]
	}
	return stamp
}
