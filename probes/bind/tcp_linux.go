package bind

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's settings of TCP, in the namespace of the thread that reads them.
const (
	availableCongestions = "/proc/sys/net/ipv4/tcp_available_congestion_control"
	receiveLimits        = "/proc/sys/net/ipv4/tcp_rmem"
	sendLimits           = "/proc/sys/net/ipv4/tcp_wmem"
	receiveMax           = "/proc/sys/net/core/rmem_max"
	sendMax              = "/proc/sys/net/core/wmem_max"
)

// SetCongestion chooses the congestion control of a TCP socket.
func SetCongestion(c syscall.RawConn, name string) error {
	return control(c, func(fd int) error {
		err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
		switch {
		case errors.Is(err, unix.ENOENT):
			return &Error{Reason: ReasonUnsupported, Err: err,
				Detail: fmt.Sprintf("congestion control %q (if the kernel has it as a module: `modprobe tcp_%s`)", name, name)}
		case errors.Is(err, unix.EPERM):
			return &Error{Reason: ReasonPermission, Err: err,
				Detail: fmt.Sprintf("congestion control %q (add it to `sysctl net.ipv4.tcp_allowed_congestion_control`, or run with CAP_NET_ADMIN)", name)}
		case err != nil:
			return &Error{Reason: reasonOfErrno(err), Detail: fmt.Sprintf("congestion control %q", name), Err: err}
		}
		return nil
	})
}

// Congestion returns the congestion control of a TCP socket.
func Congestion(c syscall.RawConn) (name string, err error) {
	err = control(c, func(fd int) (err error) {
		name, err = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		return err
	})
	return name, err
}

// Congestions returns the congestion controls that this process may choose, in the
// kernel's order. Modules that are not loaded yet are not among them.
func Congestions() ([]string, error) {
	known, err := os.ReadFile(availableCongestions)
	if err != nil {
		return nil, fmt.Errorf("bind: congestion controls: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("bind: congestion controls: %w", os.NewSyscallError("socket", err))
	}
	defer unix.Close(fd)
	var mine []string
	for _, name := range strings.Fields(string(known)) {
		// To choose it is the one question that capabilities cannot answer wrongly.
		if unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) == nil {
			mine = append(mine, name)
		}
	}
	return mine, nil
}

// ReadTCPInfo returns what the kernel knows of a TCP connection.
func ReadTCPInfo(c syscall.RawConn) (info TCPInfo, err error) {
	err = control(c, func(fd int) error {
		var raw unix.TCPInfo
		size := uint32(unsafe.Sizeof(raw))
		// Without the length that comes back, fields that an older kernel lacks
		// could not be told from zeros.
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return os.NewSyscallError("getsockopt TCP_INFO", errno)
		}
		info = parseTCPInfo(&raw, uintptr(size))
		return nil
	})
	return info, err
}

// optionTimestamps is TCPI_OPT_TIMESTAMPS.
const optionTimestamps = 1

// parseTCPInfo takes what it knows of the first size bytes of raw.
func parseTCPInfo(raw *unix.TCPInfo, size uintptr) TCPInfo {
	count := func(end uintptr, value uint64) int64 {
		if end > size {
			return -1
		}
		return int64(value)
	}
	i := TCPInfo{
		RTT:           time.Duration(raw.Rtt) * time.Microsecond,
		SndMSS:        int(raw.Snd_mss),
		RcvMSS:        int(raw.Rcv_mss),
		Timestamps:    raw.Options&optionTimestamps != 0,
		SndCwnd:       int64(raw.Snd_cwnd),
		Unacked:       int64(raw.Unacked),
		Lost:          int64(raw.Lost),
		BytesAcked:    count(unsafe.Offsetof(raw.Bytes_acked)+8, raw.Bytes_acked),
		BytesReceived: count(unsafe.Offsetof(raw.Bytes_received)+8, raw.Bytes_received),
		BytesSent:     count(unsafe.Offsetof(raw.Bytes_sent)+8, raw.Bytes_sent),
		BytesRetrans:  count(unsafe.Offsetof(raw.Bytes_retrans)+8, raw.Bytes_retrans),
		NotSent:       count(unsafe.Offsetof(raw.Notsent_bytes)+4, uint64(raw.Notsent_bytes)),
		SegsOut:       count(unsafe.Offsetof(raw.Segs_out)+4, uint64(raw.Segs_out)),
		SegsIn:        count(unsafe.Offsetof(raw.Segs_in)+4, uint64(raw.Segs_in)),
		DeliveryRate:  count(unsafe.Offsetof(raw.Delivery_rate)+8, raw.Delivery_rate),
		RcvRTT:        time.Duration(raw.Rcv_rtt) * time.Microsecond,
		RcvSpace:      int64(raw.Rcv_space),
		DataSegsIn:    count(unsafe.Offsetof(raw.Data_segs_in)+4, uint64(raw.Data_segs_in)),
		RcvOutOfOrder: count(unsafe.Offsetof(raw.Rcv_ooopack)+4, uint64(raw.Rcv_ooopack)),
		DSACKDups:     count(unsafe.Offsetof(raw.Dsack_dups)+4, uint64(raw.Dsack_dups)),
	}
	if i.BytesRetrans < 0 {
		i.BytesRetrans = int64(raw.Total_retrans) * int64(raw.Snd_mss)
	}
	// Before the first sample the kernel says "as great as can be".
	if unsafe.Offsetof(raw.Min_rtt)+4 <= size && raw.Min_rtt != ^uint32(0) {
		i.MinRTT = time.Duration(raw.Min_rtt) * time.Microsecond
	}
	return i
}

// LimitNotSent makes writes to a TCP socket wait while n bytes of payload or more have been
// written and not sent. Without it a sender hands megabytes to a slow link's socket, which
// go on leaving when the sender has long stopped.
func LimitNotSent(c syscall.RawConn, n int) error {
	return control(c, func(fd int) error {
		return os.NewSyscallError("setsockopt TCP_NOTSENT_LOWAT", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n))
	})
}

// BufferLimits returns how many bytes TCP may use for a connection's buffers by itself,
// in the namespace of the calling thread. Of these, half is for certain there for
// payload; the rest is the kernel's own accounting.
func BufferLimits() (rcv, snd int64, err error) {
	if rcv, err = lastNumber(receiveLimits); err != nil {
		return 0, 0, err
	}
	snd, err = lastNumber(sendLimits)
	return rcv, snd, err
}

// lastNumber returns the last number in a file of the kernel's settings.
func lastNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("bind: buffer limits: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return 0, fmt.Errorf("bind: buffer limits: %s is empty", path)
	}
	n, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bind: buffer limits: %s: %w", path, err)
	}
	return n, nil
}

// A buffer is one of a socket's two, and the names of what bounds it.
type buffer struct {
	name          string
	option, force int
	limits, max   string
	sysctl        string
}

var (
	receiveBuffer = buffer{"receive", unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, receiveLimits, receiveMax, "net.ipv4.tcp_rmem"}
	sendBuffer    = buffer{"send", unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, sendLimits, sendMax, "net.ipv4.tcp_wmem"}
)

// SetBuffers sees to it that a TCP socket can have rcv bytes of payload under way to it
// and snd bytes from it; 0 asks for nothing. Where the kernel's own sizing reaches as
// far, it is left alone, for a buffer that is set is not sized any more. The receive
// buffer must be set before connecting, or the window that was agreed on bounds it.
//
// The error, which names the remedy, means that the socket may be too small and works
// nevertheless.
func SetBuffers(c syscall.RawConn, rcv, snd int) error {
	return control(c, func(fd int) error {
		return errors.Join(receiveBuffer.enlarge(fd, rcv), sendBuffer.enlarge(fd, snd))
	})
}

// enlarge makes room for need bytes of payload. Numbers that the kernel counts in are
// twice as great as what is asked for, in settings and in answers alike.
func (b buffer) enlarge(fd, need int) error {
	if need <= 0 {
		return nil
	}
	auto, err := lastNumber(b.limits)
	if err != nil {
		return err
	}
	if auto >= 2*int64(need) {
		return nil
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.force, need) == nil {
		return nil
	}
	// Not permitted to go beyond the maximum: take that if it is any better.
	if most, err := lastNumber(b.max); err == nil && 2*min(most, int64(need)) > auto {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.option, need) == nil && most >= int64(need) {
			return nil
		}
		auto = 2 * most
	}
	return &Error{Reason: ReasonPermission, Detail: b.remedy(auto/2, need)}
}

// remedy says how to let TCP have need bytes of payload where it has room for have.
func (b buffer) remedy(have int64, need int) string {
	least, standard := "4096", "131072"
	if text, err := os.ReadFile(b.limits); err == nil {
		if fields := strings.Fields(string(text)); len(fields) == 3 {
			least, standard = fields[0], fields[1]
		}
	}
	return fmt.Sprintf("%s buffer of %d bytes where %d are needed: run `sysctl -w %s=\"%s %s %d\"` or give CAP_NET_ADMIN",
		b.name, have, need, b.sysctl, least, standard, 2*need)
}

// control runs f with a connection's descriptor.
func control(c syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
