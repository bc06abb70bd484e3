//go:build linux

package icmp

import (
	"encoding/binary"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"perigee/probes/bind/bindtest"
)

// tun makes a device behind which 198.18.0.0/15 answers echo requests: request number
// n (from 0) gets replies after the delays of script(n). Both live as long as t.
func tun(t testing.TB, name, address string, script func(n int) []time.Duration) {
	t.Helper()
	bindtest.Need(t)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no TUN devices: %v", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), name)
	var pending sync.WaitGroup
	t.Cleanup(func() { file.Close(); pending.Wait() })
	l, err := netlink.LinkByName(name)
	if err == nil {
		var addr *netlink.Addr
		if addr, err = netlink.ParseAddr(address); err == nil {
			err = netlink.AddrAdd(l, addr)
		}
	}
	if err == nil {
		err = netlink.LinkSetUp(l)
	}
	if err != nil {
		t.Fatal(err)
	}
	pending.Go(func() {
		buf := make([]byte, 2048)
		for n := 0; ; {
			size, err := file.Read(buf)
			if err != nil {
				return // closed
			}
			if size < 28 || buf[0] != 0x45 || buf[9] != unix.IPPROTO_ICMP || buf[20] != echoRequest4 {
				continue
			}
			p := append([]byte(nil), buf[:size]...)
			copy(p[12:16], buf[16:20])
			copy(p[16:20], buf[12:16])
			copy(p[20:], answer(p[20:]))
			binary.BigEndian.PutUint16(p[10:], 0)
			binary.BigEndian.PutUint16(p[10:], checksum(p[:20]))
			for _, delay := range script(n) {
				if delay == 0 {
					file.Write(p)
				} else {
					time.AfterFunc(delay, func() { file.Write(p) }) // an error after the end is nothing
				}
			}
			n++
		}
	})
}
