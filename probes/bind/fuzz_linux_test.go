package bind

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// told returns a message of the kernel as part of an answer to request 7.
func told(r *request) []byte {
	b := *r
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint32(b[8:], 7)
	return b
}

// FuzzKernelAnswer gives the readers of routing netlink whatever may come on its socket.
// What they say is in it: a name and addresses no longer than it, prefixes that are ones,
// and nothing of messages that answer another request.
func FuzzKernelAnswer(f *testing.F) {
	link := newRequest(unix.RTM_NEWLINK, 0)
	header(link, unix.IfInfomsg{Index: 3, Type: unix.ARPHRD_ETHER, Flags: unix.IFF_UP})
	link.attr(unix.IFLA_IFNAME, []byte("wan0\x00"))
	link.attr(unix.IFLA_STATS64, make([]byte, 192))
	address := newRequest(unix.RTM_NEWADDR, 0)
	header(address, unix.IfAddrmsg{Family: unix.AF_INET, Prefixlen: 24, Index: 3})
	address.attr(unix.IFA_LOCAL, netip.MustParseAddr("192.0.2.7").AsSlice())
	address.attr(unix.IFA_ADDRESS, netip.MustParseAddr("192.0.2.1").AsSlice())
	way := newRequest(unix.RTM_NEWROUTE, 0)
	header(way, unix.RtMsg{Family: unix.AF_INET6, Type: unix.RTN_UNICAST})
	way.attr32(unix.RTA_OIF, 3)
	way.attr32(unix.RTA_TABLE, 254)
	way.attr(unix.RTA_PREFSRC, netip.MustParseAddr("2001:db8::7").AsSlice())
	failed := newRequest(unix.NLMSG_ERROR, 0)
	*failed = binary.NativeEndian.AppendUint32(*failed, uint32(0xffffffed)) // ENODEV
	done := newRequest(unix.NLMSG_DONE, 0)
	for _, b := range [][]byte{told(link), told(address), told(way), told(failed), append(told(address), told(done)...), told(link)[:40], {}} {
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, datagram []byte, dump bool) {
		// The kernel's answers are read into a buffer that is aligned.
		aligned := make([]uint64, len(datagram)/8+1)
		datagram = append(unsafe.Slice((*byte)(unsafe.Pointer(&aligned[0])), len(aligned)*8)[:0], datagram...)
		k := &rtnetlink{seq: 7}
		var d device
		k.take(datagram, dump, d.take)
		if len(d.name) > len(datagram) {
			t.Errorf("a name of %d bytes in %d", len(d.name), len(datagram))
		}
		var all addresses
		k.take(datagram, dump, all.take)
		for _, a := range all {
			if !a.prefix.IsValid() {
				t.Errorf("%v of device %d is no prefix", a.prefix, a.index)
			}
		}
		// 16 bytes of head and 8 of struct ifaddrmsg, and an address of 4 with its head.
		if most := len(datagram) / 32; len(all) > most {
			t.Errorf("%d addresses in %d bytes", len(all), len(datagram))
		}
		var r route
		_, err := k.take(datagram, dump, r.take)
		if err == unix.ENETUNREACH && dump {
			t.Error("a message of a dump ended it")
		}
		var c DeviceCounters
		counted := false
		k.take(datagram, dump, func(m syscall.NetlinkMessage) error { return c.take(m, &counted) })
		if !counted && (c.RxBytes != 0 || c.TxBytes != 0) {
			t.Errorf("counters %+v that nobody told", c)
		}
		k.seq = 8 // another request's: the sequence number stands in each message
		d = device{}
		k.take(datagram, true, func(m syscall.NetlinkMessage) error {
			if m.Header.Seq != 8 {
				t.Errorf("message %d is taken for an answer to 8", m.Header.Seq)
			}
			return nil
		})
	})
}

// FuzzTCPInfo gives the reader of TCP's state as much of it as kernels of any age may
// know: what lies beyond is not known, and never a count of somebody else's bytes.
func FuzzTCPInfo(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 104)) // of Linux 3.10
	full := make([]byte, unsafe.Sizeof(unix.TCPInfo{}))
	for i := range full {
		full[i] = byte(i)
	}
	f.Add(full)
	f.Fuzz(func(t *testing.T, b []byte) {
		var raw unix.TCPInfo
		size := copy(unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unsafe.Sizeof(raw)), b)
		i := parseTCPInfo(&raw, uintptr(size))
		for _, c := range []struct {
			name  string
			end   uintptr
			value int64
		}{
			{"bytes acknowledged", unsafe.Offsetof(raw.Bytes_acked) + 8, i.BytesAcked}, {"bytes received", unsafe.Offsetof(raw.Bytes_received) + 8, i.BytesReceived},
			{"segments out", unsafe.Offsetof(raw.Segs_out) + 4, i.SegsOut}, {"bytes sent", unsafe.Offsetof(raw.Bytes_sent) + 8, i.BytesSent}, {"out of order", unsafe.Offsetof(raw.Rcv_ooopack) + 4, i.RcvOutOfOrder},
		} {
			if uintptr(size) < c.end && c.value != -1 {
				t.Errorf("%s is %d in %d bytes, of which it ends at %d", c.name, c.value, size, c.end)
			}
		}
		if i.RTT < 0 || i.MinRTT < 0 || i.RcvRTT < 0 || uintptr(size) < unsafe.Offsetof(raw.Min_rtt)+4 && i.MinRTT != 0 {
			t.Errorf("round trips %v, %v, %v in %d bytes", i.RTT, i.MinRTT, i.RcvRTT, size)
		}
	})
}
