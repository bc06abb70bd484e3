package bind_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

// connection returns both ends of a TCP connection over loopback.
func connection(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	if far, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

func raw(t *testing.T, c syscall.Conn) syscall.RawConn {
	t.Helper()
	r, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTCPInfoCountsPayloadOfBothEnds(t *testing.T) {
	near, far := connection(t)
	const size = 1 << 20
	go near.Write(make([]byte, size))
	if _, err := io.CopyN(io.Discard, far, size); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write([]byte("all here")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(near, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	n, err := bind.ReadTCPInfo(raw(t, near))
	if err != nil {
		t.Fatal(err)
	}
	f, err := bind.ReadTCPInfo(raw(t, far))
	if err != nil {
		t.Fatal(err)
	}
	if f.BytesReceived != size || n.BytesReceived != 8 {
		t.Errorf("received %d there and %d here, want %d and 8", f.BytesReceived, n.BytesReceived, size)
	}
	if n.BytesSent-n.BytesRetrans != size || n.BytesAcked < size {
		t.Errorf("sent %d of which %d again, %d acknowledged, want %d once", n.BytesSent, n.BytesRetrans, n.BytesAcked, size)
	}
	if n.NotSent != 0 || n.RTT <= 0 || n.MinRTT <= 0 || n.SndMSS < 536 || n.SndCwnd < 1 || n.SegsOut < 2 || f.SegsIn < 2 {
		t.Errorf("%+v is not the state of a connection that sent %d bytes", n, size)
	}
}

func TestTCPInfoOfAClosedConnectionIsAnError(t *testing.T) {
	near, _ := connection(t)
	r := raw(t, near)
	near.Close()
	if info, err := bind.ReadTCPInfo(r); err == nil {
		t.Errorf("ReadTCPInfo = %+v, want an error", info)
	}
}

func TestCongestionControlIsChosen(t *testing.T) {
	mine, err := bind.Congestions()
	if err != nil || len(mine) == 0 {
		t.Fatalf("Congestions = %v, %v", mine, err)
	}
	near, _ := connection(t)
	for _, name := range mine {
		if err := bind.SetCongestion(raw(t, near), name); err != nil {
			t.Errorf("%s is listed: %v", name, err)
		}
		if got, err := bind.Congestion(raw(t, near)); got != name || err != nil {
			t.Errorf("Congestion = %q, %v after choosing %q", got, err, name)
		}
	}
	err = bind.SetCongestion(raw(t, near), "nonesuch")
	if bind.ReasonOf(err) != bind.ReasonUnsupported || !strings.Contains(err.Error(), "modprobe tcp_nonesuch") {
		t.Errorf("unknown congestion control: %v, want a hint at its module", err)
	}
}

func TestCongestionsAreThoseOfThisProcess(t *testing.T) {
	bindtest.Need(t)
	setting(t, "net/ipv4/tcp_allowed_congestion_control", "reno")
	bindtest.Unprivileged(t, func() error {
		mine, err := bind.Congestions()
		// The default may be chosen without asking.
		standard, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
		want := []string{"reno", strings.TrimSpace(string(standard))}
		for _, name := range mine {
			if !slices.Contains(want, name) {
				t.Errorf("Congestions = %v without a right to more than %v", mine, want)
			}
		}
		if !slices.Contains(mine, "reno") {
			t.Errorf("Congestions = %v lacks reno", mine)
		}
		return err
	})
}

// setting changes a setting of the kernel in the test's namespace until t ends.
func setting(t *testing.T, name, value string) {
	t.Helper()
	path := "/proc/sys/" + name
	before, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(value), 0)
	}
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("not permitted to set %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(path, before, 0) })
}

func bufferOf(t *testing.T, c syscall.RawConn, option int) (size int) {
	t.Helper()
	var err error
	if outer := c.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option) }); outer != nil || err != nil {
		t.Fatal(outer, err)
	}
	return size
}

func TestBuffersGrowOnlyWhereTheKernelWouldStop(t *testing.T) {
	bindtest.Need(t)
	if os.Getuid() != 0 {
		t.Skip("buffers are forced by root alone")
	}
	setting(t, "net/ipv4/tcp_rmem", "4096 131072 1000000")
	setting(t, "net/ipv4/tcp_wmem", "4096 16384 2000000")
	if rcv, snd, err := bind.BufferLimits(); rcv != 1000000 || snd != 2000000 || err != nil {
		t.Fatalf("BufferLimits = %d, %d, %v, want what is set", rcv, snd, err)
	}
	near, _ := connection(t)
	c := raw(t, near)
	rcv, snd := bufferOf(t, c, unix.SO_RCVBUF), bufferOf(t, c, unix.SO_SNDBUF)
	if err := bind.SetBuffers(c, 500000, 1000000); err != nil {
		t.Error(err)
	}
	if r, s := bufferOf(t, c, unix.SO_RCVBUF), bufferOf(t, c, unix.SO_SNDBUF); r != rcv || s != snd {
		t.Errorf("buffers went from %d and %d to %d and %d where the kernel's own sizing suffices", rcv, snd, r, s)
	}
	if err := bind.SetBuffers(c, 9000000, 8000000); err != nil {
		t.Error(err)
	}
	if r, s := bufferOf(t, c, unix.SO_RCVBUF), bufferOf(t, c, unix.SO_SNDBUF); r != 18000000 || s != 16000000 {
		t.Errorf("buffers are %d and %d, want 18000000 and 16000000: twice what was asked for", r, s)
	}
}

func TestBuffersThatMayNotGrowNameTheSetting(t *testing.T) {
	bindtest.Need(t)
	setting(t, "net/ipv4/tcp_rmem", "4096 131072 1000000")
	near, _ := connection(t)
	c := raw(t, near)
	bindtest.Unprivileged(t, func() error {
		most, err := os.ReadFile("/proc/sys/net/core/rmem_max")
		if err != nil {
			t.Skip("the namespace does not show rmem_max")
		}
		t.Logf("rmem_max is %s", strings.TrimSpace(string(most)))
		err = bind.SetBuffers(c, 900<<20, 0)
		if bind.ReasonOf(err) != bind.ReasonPermission || !strings.Contains(err.Error(), `net.ipv4.tcp_rmem="4096 131072 1887436800"`) {
			t.Errorf("SetBuffers = %v, want the setting that would do", err)
		}
		return nil
	})
}

func TestNeededBufferIsThatOf100MbitPerSecond(t *testing.T) {
	for _, c := range []struct {
		rtt         time.Duration
		connections int
		want        int
	}{
		{640 * time.Millisecond, 1, 8e6}, // 100e6 / 8 * 0.64
		{640 * time.Millisecond, 2, 8e6}, // the shares may be uneven
		{640 * time.Millisecond, 8, 2e6}, // twice an eighth
		{0, 1, 0},
	} {
		if got := bind.NeededBuffer(c.rtt, c.connections); got != c.want {
			t.Errorf("NeededBuffer(%v, %d) = %d, want %d", c.rtt, c.connections, got, c.want)
		}
	}
}
