package bind

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Binder binds sockets to one link.
type Binder struct {
	opts   Options
	looked atomic.Int64 // Unix seconds of the last time that Changed said yes
}

// New checks o and returns a Binder for it. It does not look at the system: a device
// that does not exist yet is found when it appears.
func New(o Options) (*Binder, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Mark != 0 || o.Namespace != "" {
		return nil, &Error{Reason: ReasonUnsupported, Detail: "macOS has no marks and no namespaces: " + o.String()}
	}
	return &Binder{opts: o}, nil
}

// Options returns what b binds to.
func (b *Binder) Options() Options { return b.opts }

// Close does nothing; b can be used again.
func (b *Binder) Close() error { return nil }

// Changed reports once a second that devices or addresses may have changed.
func (b *Binder) Changed() bool {
	now := time.Now().Unix()
	return b.looked.Swap(now) != now
}

// Do runs f.
func (b *Binder) Do(f func() error) error { return f() }

// Path returns the way that packets to remote take now, or why they cannot leave. If
// remote is not valid, only the device is looked at.
func (b *Binder) Path(remote netip.Addr) (Path, error) {
	dev, err := b.device()
	if err != nil {
		return Path{}, err
	}
	p := Path{Index: dev.Index, Name: dev.Name, Bound: true, Source: b.opts.Source, Local: b.opts.Source}
	if dev.Flags&net.FlagUp == 0 {
		return p, &Error{Reason: ReasonInterfaceDown, Detail: "interface " + dev.Name}
	}
	if dev.Flags&net.FlagRunning == 0 {
		return p, &Error{Reason: ReasonNoCarrier, Detail: "interface " + dev.Name}
	}
	return p, nil
}

func (b *Binder) device() (*net.Interface, error) {
	if b.opts.Interface != "" {
		dev, err := net.InterfaceByName(b.opts.Interface)
		if err != nil {
			return nil, &Error{Reason: ReasonNoDevice, Detail: "interface " + b.opts.Interface, Err: err}
		}
		return dev, nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("bind: list interfaces: %w", err)
	}
	for i := range all {
		addrs, err := all[i].Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().WithZone("") == b.opts.Source {
				return &all[i], nil
			}
		}
	}
	return nil, &Error{Reason: ReasonNoAddress, Detail: "source " + b.opts.Source.String()}
}

// DialControl binds a socket of package net before it connects; it is made for
// net.Dialer.Control. The dialer must have no LocalAddr.
func (b *Binder) DialControl(network, address string, c syscall.RawConn) error {
	remote, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("bind: address %q is not resolved: %w", address, err)
	}
	path, err := b.Path(remote.Addr())
	if err != nil {
		return err
	}
	var bindErr error
	err = c.Control(func(fd uintptr) { bindErr = apply(int(fd), remote.Addr().Unmap().Is6(), path) })
	return errors.Join(err, bindErr)
}

// apply ties socket fd to path. It is the one place where that is done.
func apply(fd int, six bool, path Path) error {
	level, option := unix.IPPROTO_IP, unix.IP_BOUND_IF
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_BOUND_IF
	}
	if err := unix.SetsockoptInt(fd, level, option, path.Index); err != nil {
		return &Error{Reason: reasonOfErrno(err), Detail: "interface " + path.Name, Err: err}
	}
	if !path.Source.IsValid() {
		return nil
	}
	if err := unix.Bind(fd, sockaddr(path.Source, six, path.Index)); err != nil {
		return &Error{Reason: reasonOfErrno(err), Detail: "source " + path.Source.String(), Err: err}
	}
	return nil
}

func sockaddr(addr netip.Addr, six bool, index int) unix.Sockaddr {
	if !six {
		return &unix.SockaddrInet4{Addr: addr.Unmap().As4()}
	}
	sa := &unix.SockaddrInet6{Addr: addr.As16()}
	if addr.IsLinkLocalUnicast() {
		sa.ZoneId = uint32(index)
	}
	return sa
}

// Socket is an ICMP echo socket kept on a link. One goroutine may send while another
// receives; Close and SetDeadline may be called at any time. It may hear replies to
// other sockets.
type Socket struct {
	file   *os.File
	conn   syscall.RawConn
	path   Path
	six    bool
	data   [maxMessage]byte
	closed atomic.Bool
}

// ListenICMP opens an unprivileged echo socket on the way to remote. It fails with
// the reason why packets cannot leave, if so.
func (b *Binder) ListenICMP(remote netip.Addr, _ uint16) (*Socket, error) {
	remote = remote.Unmap()
	path, err := b.Path(remote)
	if err != nil {
		return nil, err
	}
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if remote.Is6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, proto)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, &Error{Reason: reasonOfErrno(err), Detail: "open ICMP socket", Err: err}
	}
	if err = apply(fd, remote.Is6(), path); err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &Socket{file: os.NewFile(uintptr(fd), "icmp"), path: path, six: remote.Is6()}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// Path returns the way that s was opened on.
func (s *Socket) Path() Path { return s.path }

// Privileged reports whether s is a raw socket.
func (s *Socket) Privileged() bool { return false }

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
	var sendErr error
	err := s.conn.Write(func(fd uintptr) bool {
		sendErr = unix.Sendto(int(fd), p, 0, sockaddr(to, s.six, s.path.Index))
		return true
	})
	if err != nil {
		return s.brief(err)
	}
	return sendErr
}

// Receive waits for a packet. It returns os.ErrDeadlineExceeded at the deadline and
// os.ErrClosed when s is closed.
func (s *Socket) Receive(m *Message) error { return s.receive(m, true) }

// ReceiveNow returns a packet that is there already, or os.ErrDeadlineExceeded. It
// returns none after the deadline.
func (s *Socket) ReceiveNow(m *Message) error { return s.receive(m, false) }

func (s *Socket) receive(m *Message, wait bool) error {
	for {
		var n int
		var readErr error
		err := s.conn.Read(func(fd uintptr) bool {
			n, _, readErr = unix.Recvfrom(int(fd), s.data[:], 0)
			return !wait || readErr != unix.EAGAIN
		})
		switch {
		case err != nil:
			return s.brief(err)
		case readErr == unix.EAGAIN:
			return os.ErrDeadlineExceeded
		case readErr != nil:
			return readErr
		}
		*m = Message{Data: s.data[:n], Local: s.path.Local, Interface: s.path.Index, Read: time.Now()}
		if s.six || m.stripIPv4() {
			return nil
		}
	}
}

// brief turns errors after Close into os.ErrClosed.
func (s *Socket) brief(err error) error {
	if s.closed.Load() {
		return os.ErrClosed
	}
	return err
}
