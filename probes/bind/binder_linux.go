package bind

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Binder binds sockets to one link.
type Binder struct {
	opts Options

	mu sync.Mutex // guards what follows

	// kernel is the channel to routing netlink in the link's namespace, nil
	// until it is needed and after the namespace was replaced.
	kernel *rtnetlink

	// namespace identifies the namespace that kernel belongs to.
	namespace fileID

	// table is the routing table that the mark led to, 0 if not known yet.
	table uint32
}

// fileID identifies a file; a namespace that is made anew under its name has
// another.
type fileID struct{ dev, ino uint64 }

// New checks o and returns a Binder for it. It does not look at the system: a device
// that does not exist yet is found when it appears.
func New(o Options) (*Binder, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Binder{opts: o}, nil
}

// Options returns what b binds to.
func (b *Binder) Options() Options { return b.opts }

// Close frees what b holds. b can be used again and then starts anew.
func (b *Binder) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reset()
	return nil
}

func (b *Binder) reset() {
	if b.kernel != nil {
		b.kernel.close()
		b.kernel = nil
	}
}

// Changed reports whether devices, addresses or routes may have changed since the
// last call, or cannot be watched. It does not wait and costs about a microsecond,
// so it can be asked before each packet.
func (b *Binder) Changed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kernel == nil {
		return true
	}
	if b.opts.Namespace != "" {
		if id, err := identify(b.namespacePath()); err != nil || id != b.namespace {
			b.reset()
			return true
		}
	}
	return b.kernel.changed()
}

// Path returns the way that packets to remote take now, or why they cannot leave. If
// remote is not valid, only the device is looked at.
func (b *Binder) Path(remote netip.Addr) (Path, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kernel == nil {
		if err := b.connect(); err != nil {
			return Path{}, err
		}
	}
	p, err := b.path(remote.Unmap())
	if errors.Is(err, errKernelSilent) {
		b.reset()
	}
	return p, err
}

// connect opens the channel to the kernel, in the link's namespace.
func (b *Binder) connect() error {
	return b.Do(func() error {
		id := fileID{}
		if b.opts.Namespace != "" {
			var err error
			if id, err = identify(b.namespacePath()); err != nil {
				return &Error{Reason: ReasonNoNamespace, Detail: "namespace " + b.opts.Namespace, Err: err}
			}
		}
		k, err := dialRTNetlink()
		if err != nil {
			return &Error{Reason: reasonOfErrno(err), Detail: "open routing netlink", Err: err}
		}
		b.kernel, b.namespace = k, id
		return nil
	})
}

func (b *Binder) namespacePath() string {
	if strings.ContainsRune(b.opts.Namespace, '/') {
		return b.opts.Namespace
	}
	return filepath.Join("/run/netns", b.opts.Namespace)
}

func identify(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, nil
}

// Do runs f on a thread in the link's namespace. Sockets that f opens stay in that
// namespace for good; goroutines that f starts are not in it.
func (b *Binder) Do(f func() error) error {
	if b.opts.Namespace == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked: it ends with this goroutine, so that
		// no other goroutine can find itself in the namespace.
		runtime.LockOSThread()
		if err := b.enter(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func (b *Binder) enter() error {
	fd, err := unix.Open(b.namespacePath(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &Error{Reason: ReasonNoNamespace, Detail: "namespace " + b.opts.Namespace, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		detail := "namespace " + b.opts.Namespace
		if errors.Is(err, unix.EPERM) {
			detail += " (entering it needs CAP_SYS_ADMIN: run as root or with `setcap cap_net_raw,cap_sys_admin+ep`)"
		}
		return &Error{Reason: reasonOfErrno(err), Detail: detail, Err: err}
	}
	return nil
}

// DialControl binds a socket of package net before it connects; it is made for
// net.Dialer.Control. The dialer must have no LocalAddr, and dial inside Do if the
// link is a namespace.
func (b *Binder) DialControl(network, address string, c syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("bind: address %q: %w", address, err)
	}
	remote, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("bind: address %q is not resolved: %w", address, err)
	}
	if b.opts.Namespace != "" {
		want, err := identify(b.namespacePath())
		here, errHere := identify("/proc/thread-self/ns/net")
		if err != nil || errHere != nil || want != here {
			return &Error{Reason: ReasonNoNamespace, Detail: "dial " + address + ": not inside namespace " + b.opts.Namespace}
		}
	}
	path, err := b.Path(remote)
	if err != nil {
		return err
	}
	var bindErr error
	err = c.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // saves ports; old kernels do without
		bindErr = b.apply(int(fd), remote.Unmap().Is6(), path)
	})
	return errors.Join(err, bindErr)
}

// apply ties socket fd to path. It is the one place where that is done.
func (b *Binder) apply(fd int, six bool, path Path) error {
	if b.opts.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(b.opts.Mark)); err != nil {
			detail := fmt.Sprintf("mark %#x", b.opts.Mark)
			if errors.Is(err, unix.EPERM) {
				detail += " (run `setcap cap_net_raw,cap_net_admin+ep` on the perigee binary, or in a systemd unit " +
					"AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN)"
			}
			return &Error{Reason: reasonOfErrno(err), Detail: detail, Err: err}
		}
	}
	if path.Bound {
		if err := unix.BindToDevice(fd, path.Name); err != nil {
			detail := "interface " + path.Name
			if errors.Is(err, unix.EPERM) {
				detail += " (before Linux 5.7 this needs `setcap cap_net_raw+ep` on the perigee binary)"
			}
			return &Error{Reason: reasonOfErrno(err), Detail: detail, Err: err}
		}
	}
	if path.Source.IsValid() {
		if err := unix.Bind(fd, sockaddr(path.Source, six, path.Index)); err != nil {
			return &Error{Reason: reasonOfErrno(err), Detail: "source " + path.Source.String(), Err: err}
		}
	}
	return nil
}

// sockaddr returns addr with port 0; index is the scope of a link-local IPv6 address.
func sockaddr(addr netip.Addr, six bool, index int) unix.Sockaddr {
	if six {
		sa := &unix.SockaddrInet6{Addr: addr.As16()}
		if addr.IsLinkLocalUnicast() {
			sa.ZoneId = uint32(index)
		}
		return sa
	}
	return &unix.SockaddrInet4{Addr: addr.As4()}
}
