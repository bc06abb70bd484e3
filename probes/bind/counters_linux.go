package bind

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// headerEthernet is what Ethernet devices, veth and loopback count beside the IP packet.
const headerEthernet = 14

// Counters returns the kernel's counters of the device that packets to remote leave by,
// which may be in another namespace than this process. If remote is not valid, a link
// that is bound by a mark or a namespace alone has no device.
func (b *Binder) Counters(remote netip.Addr) (DeviceCounters, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kernel == nil {
		if err := b.connect(); err != nil {
			return DeviceCounters{}, err
		}
	}
	dev, err := b.device(remote.Unmap())
	var c DeviceCounters
	switch {
	case err != nil:
	case dev.index == 0:
		return c, &Error{Reason: ReasonNoDevice, Detail: "counters of " + b.opts.String() + ": the device depends on the address, and none is given"}
	default:
		c, err = b.kernel.counters(dev)
	}
	if errors.Is(err, errKernelSilent) {
		b.reset()
	}
	return c, err
}

// counters asks for the 64-bit statistics of a device: struct rtnl_link_stats64 begins
// with packets received and sent, and bytes received and sent.
func (k *rtnetlink) counters(dev device) (DeviceCounters, error) {
	req := newRequest(unix.RTM_GETLINK, 0)
	header(req, unix.IfInfomsg{Index: int32(dev.index)})
	c := DeviceCounters{Index: dev.index, Name: dev.name}
	told := false
	err := k.do(req, func(m syscall.NetlinkMessage) error { return c.take(m, &told) })
	if err == nil && !told {
		err = errors.New("the kernel tells no statistics")
	}
	if err != nil {
		return c, fmt.Errorf("bind: counters of %s: %w", dev.name, err)
	}
	return c, nil
}

// take reads counters out of a message about a device, and notes in told if it has any.
func (c *DeviceCounters) take(m syscall.NetlinkMessage, told *bool) error {
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return nil
	}
	switch (*unix.IfInfomsg)(unsafe.Pointer(&m.Data[0])).Type {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		c.Header = headerEthernet
	}
	return eachAttr(m, func(kind uint16, value []byte) {
		if kind != unix.IFLA_STATS64 || len(value) < 32 {
			return
		}
		*told = true
		for i, to := range []*int64{&c.RxPackets, &c.TxPackets, &c.RxBytes, &c.TxBytes} {
			*to = int64(binary.NativeEndian.Uint64(value[8*i:]))
		}
	})
}
