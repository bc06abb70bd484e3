package bind

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rtnetlink asks the kernel of one network namespace about devices, addresses and
// routes, and hears of their changes. Not safe for concurrent use.
type rtnetlink struct {
	query  int // socket for requests
	events int // socket subscribed to changes, non-blocking
	seq    uint32
	buf    []byte
}

// queryTimeout bounds the wait for the kernel's answer, which is normally there when
// the request returns.
const queryTimeout = 500 * time.Millisecond

// errKernelSilent means that an answer did not come: the channel must be reopened.
var errKernelSilent = errors.New("no answer from routing netlink")

// watched are the multicast groups whose messages may mean that a path changed.
const watched = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
	unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE |
	1<<(unix.RTNLGRP_IPV4_RULE-1) | 1<<(unix.RTNLGRP_IPV6_RULE-1)

// dialRTNetlink opens the channel in the namespace of the calling thread.
func dialRTNetlink() (*rtnetlink, error) {
	query, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	events, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		unix.Close(query)
		return nil, os.NewSyscallError("socket", err)
	}
	k := &rtnetlink{query: query, events: events, buf: make([]byte, 1<<16)}
	timeout := unix.NsecToTimeval(queryTimeout.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(query, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.Bind(query, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
		unix.Bind(events, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: watched}))
	if err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *rtnetlink) close() {
	unix.Close(k.query)
	unix.Close(k.events)
}

// changed reports whether messages of change have come, and forgets them.
func (k *rtnetlink) changed() bool {
	any := false
	for {
		_, _, err := syscall.Recvfrom(k.events, k.buf, syscall.MSG_TRUNC)
		switch err {
		case nil, syscall.ENOBUFS: // too many messages: some were lost, all mean change
			any = true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return any
		default:
			return true
		}
	}
}

// device is a network device.
type device struct {
	index int
	name  string
	flags uint32
}

func (d device) up() bool      { return d.flags&unix.IFF_UP != 0 }
func (d device) carrier() bool { return d.flags&unix.IFF_LOWER_UP != 0 }

// direct reports whether the device has no link layer addresses to ask for, so that
// the kernel can send by it without a route.
func (d device) direct() bool { return d.flags&(unix.IFF_NOARP|unix.IFF_POINTOPOINT) != 0 }

// device looks a device up, by name if one is given, else by index.
func (k *rtnetlink) device(name string, index int) (device, error) {
	req := newRequest(unix.RTM_GETLINK, 0)
	header(req, unix.IfInfomsg{Index: int32(index)})
	if name != "" {
		req.attr(unix.IFLA_IFNAME, append([]byte(name), 0))
	}
	var d device
	err := k.do(req, d.take)
	if errors.Is(err, unix.ENODEV) || err == nil && d.index == 0 {
		if name == "" {
			name = fmt.Sprintf("number %d", index)
		}
		return d, &Error{Reason: ReasonNoDevice, Detail: "interface " + name}
	}
	return d, err
}

// take reads a device out of a message about one.
func (d *device) take(m syscall.NetlinkMessage) error {
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return nil
	}
	info := (*unix.IfInfomsg)(unsafe.Pointer(&m.Data[0]))
	d.index, d.flags = int(info.Index), info.Flags
	return eachAttr(m, func(kind uint16, value []byte) {
		if kind == unix.IFLA_IFNAME && len(value) > 0 {
			d.name = string(value[:len(value)-1])
		}
	})
}

// address is one address of a device.
type address struct {
	index  int
	prefix netip.Prefix
	global bool
}

// addresses lists the addresses of all devices.
func (k *rtnetlink) addresses() ([]address, error) {
	req := newRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	header(req, unix.IfAddrmsg{})
	var all addresses
	err := k.do(req, all.take)
	return all, err
}

// addresses are those of all devices.
type addresses []address

// take reads an address out of a message about one.
func (all *addresses) take(m syscall.NetlinkMessage) error {
	if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
		return nil
	}
	info := (*unix.IfAddrmsg)(unsafe.Pointer(&m.Data[0]))
	var local, peer netip.Addr
	err := eachAttr(m, func(kind uint16, value []byte) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(value)
		}
	})
	if !local.IsValid() { // IPv6 has IFA_ADDRESS alone; on point-to-point links that is the peer's
		local = peer
	}
	if prefix := netip.PrefixFrom(local, int(info.Prefixlen)); prefix.IsValid() {
		*all = append(*all, address{
			index:  int(info.Index),
			prefix: prefix,
			global: info.Scope == unix.RT_SCOPE_UNIVERSE,
		})
	}
	return err
}

// route is the kernel's choice for packets to an address.
type route struct {
	index int
	local netip.Addr
	table uint32
}

// lookup says what a route is asked for. index, source and mark may be zero.
type lookup struct {
	remote, source netip.Addr
	index          int
	mark           uint32

	// match asks for an entry of the routing tables; without it the kernel
	// also answers what it would do with none (IPv4: treat remote as on the link).
	match bool
}

// route asks which way packets would take.
func (k *rtnetlink) route(l lookup) (route, error) {
	req := newRequest(unix.RTM_GETROUTE, 0)
	bits := uint8(l.remote.BitLen())
	msg := unix.RtMsg{Family: unix.AF_INET, Dst_len: bits, Flags: unix.RTM_F_LOOKUP_TABLE}
	if l.remote.Is6() {
		msg.Family = unix.AF_INET6
	}
	if l.match {
		msg.Flags |= unix.RTM_F_FIB_MATCH
	}
	if l.source.IsValid() {
		msg.Src_len = bits
	}
	header(req, msg)
	req.attr(unix.RTA_DST, l.remote.AsSlice())
	if l.source.IsValid() {
		req.attr(unix.RTA_SRC, l.source.AsSlice())
	}
	if l.index != 0 {
		req.attr32(unix.RTA_OIF, uint32(l.index))
	}
	if l.mark != 0 {
		req.attr32(unix.RTA_MARK, l.mark)
	}
	var r route
	err := k.do(req, r.take)
	return r, err
}

// take reads a route out of a message about one.
func (r *route) take(m syscall.NetlinkMessage) error {
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
		return nil
	}
	switch (*unix.RtMsg)(unsafe.Pointer(&m.Data[0])).Type {
	case unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return unix.ENETUNREACH
	}
	return eachAttr(m, func(kind uint16, value []byte) {
		switch {
		case kind == unix.RTA_OIF && len(value) == 4:
			r.index = int(binary.NativeEndian.Uint32(value))
		case kind == unix.RTA_TABLE && len(value) == 4:
			r.table = binary.NativeEndian.Uint32(value)
		case kind == unix.RTA_PREFSRC:
			r.local, _ = netip.AddrFromSlice(value)
		}
	})
}

// request is a netlink request being built.
type request []byte

func newRequest(kind uint16, flags uint16) *request {
	r := make(request, unix.SizeofNlMsghdr, 128)
	binary.NativeEndian.PutUint16(r[4:], kind)
	binary.NativeEndian.PutUint16(r[6:], unix.NLM_F_REQUEST|flags)
	return &r
}

// header appends the fixed part of a request to r: one of the kernel's own structs, whose
// size is a multiple of four.
func header[T unix.IfInfomsg | unix.IfAddrmsg | unix.RtMsg](r *request, h T) {
	*r = append(*r, unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h))...)
}

func (r *request) attr32(kind uint16, v uint32) {
	r.attr(kind, binary.NativeEndian.AppendUint32(nil, v))
}

func (r *request) attr(kind uint16, value []byte) {
	*r = binary.NativeEndian.AppendUint16(*r, uint16(unix.SizeofRtAttr+len(value)))
	*r = binary.NativeEndian.AppendUint16(*r, kind)
	*r = append(*r, value...)
	for len(*r)%unix.RTA_ALIGNTO != 0 {
		*r = append(*r, 0)
	}
}

// do sends r and calls each for every message of the answer. An error that the kernel
// answers is returned as its number.
func (k *rtnetlink) do(r *request, each func(syscall.NetlinkMessage) error) error {
	k.seq++
	msg := *r
	dump := binary.NativeEndian.Uint16(msg[6:])&unix.NLM_F_DUMP == unix.NLM_F_DUMP
	binary.NativeEndian.PutUint32(msg, uint32(len(msg)))
	binary.NativeEndian.PutUint32(msg[8:], k.seq)
	if err := unix.Sendto(k.query, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return errors.Join(errKernelSilent, err)
	}
	for limit := time.Now().Add(queryTimeout); time.Now().Before(limit); {
		n, _, err := syscall.Recvfrom(k.query, k.buf, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return errors.Join(errKernelSilent, err)
		}
		if over, err := k.take(k.buf[:n], dump, each); over {
			return err
		}
	}
	return errKernelSilent
}

// take calls each for the messages of a datagram that answer the last request, and
// reports whether they end the answer, or what went wrong does.
func (k *rtnetlink) take(datagram []byte, dump bool, each func(syscall.NetlinkMessage) error) (over bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return true, errors.Join(errKernelSilent, err)
	}
	for _, m := range messages {
		if m.Header.Seq != k.seq {
			continue // a late answer to an earlier request
		}
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(m.Data) < 4 {
				return true, errKernelSilent
			}
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return true, unix.Errno(-code)
			}
			return true, nil
		}
		if err := each(m); err != nil && !dump {
			return true, err
		}
		if !dump {
			return true, nil
		}
	}
	return false, nil
}

// eachAttr calls f for the attributes of m, which is no shorter than what stands before
// them. The standard library's reader panics if the last one lacks its padding.
func eachAttr(m syscall.NetlinkMessage, f func(kind uint16, value []byte)) error {
	head := map[uint16]int{unix.RTM_NEWLINK: unix.SizeofIfInfomsg, unix.RTM_NEWADDR: unix.SizeofIfAddrmsg, unix.RTM_NEWROUTE: unix.SizeofRtMsg}[m.Header.Type]
	for b := m.Data[head:]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return unix.EINVAL
		}
		f(binary.NativeEndian.Uint16(b[2:])&^uint16(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:size])
		padded := (size + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1)
		b = b[min(padded, len(b)):]
	}
	return nil
}
