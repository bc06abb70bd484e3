package bind_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"perigee/probes/bind"
	"perigee/probes/bind/bindtest"
)

// datagrams sends n datagrams of 1000 bytes to target by d, inside do.
func datagrams(t *testing.T, do func(func() error) error, d *net.Dialer, n int) {
	t.Helper()
	err := do(func() error {
		conn, err := d.Dial("udp", target+":9")
		if err != nil {
			return err
		}
		defer conn.Close()
		for sent := 0; sent < n; {
			// The far host answers that nobody listens, which the next write reports
			// instead of sending.
			if _, err := conn.Write(make([]byte, 1000)); err == nil {
				sent++
			} else if !errors.Is(err, syscall.ECONNREFUSED) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reach sends target datagrams by d, inside do, until it answers that nobody listens. What
// is sent then leaves at once: before, it may wait in the kernel for the neighbour's address.
func reach(t *testing.T, do func(func() error) error, d *net.Dialer) {
	t.Helper()
	err := do(func() error {
		conn, err := d.Dial("udp", target+":9")
		if err != nil {
			return err
		}
		defer conn.Close()
		for range 10 {
			if _, err := conn.Write([]byte{0}); errors.Is(err, syscall.ECONNREFUSED) {
				return nil
			}
			if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
				return err
			}
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNREFUSED) {
				return nil
			}
		}
		return errors.New("the far host does not answer")
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCountersAreOfTheLinksOwnDevice(t *testing.T) {
	twoLinks(t)
	remote := netip.MustParseAddr(target)
	bindtest.Rule(t, 0x10, "", 102)
	wan1 := newBinder(t, bind.Options{Mark: 0x10})
	wan0 := newBinder(t, bind.Options{Interface: "wan0"})
	reach(t, wan1.Do, &net.Dialer{Control: wan1.DialControl})
	before0, err0 := wan0.Counters(netip.Addr{})
	before1, err1 := wan1.Counters(remote)
	if err0 != nil || err1 != nil {
		t.Fatal(err0, err1)
	}
	datagrams(t, wan1.Do, &net.Dialer{Control: wan1.DialControl}, 1000)
	after0, err0 := wan0.Counters(netip.Addr{})
	after1, err1 := wan1.Counters(remote)
	if err0 != nil || err1 != nil {
		t.Fatal(err0, err1)
	}
	if after0.Name != "wan0" || after1.Name != "wan1" || after1.Index != bindtest.Index(t, "wan1") {
		t.Errorf("counters are of %s and %s", after0.Name, after1.Name)
	}
	// 1000 bytes of payload, 28 of headers, 14 of Ethernet; a few packets may be
	// the kernels' own chatter.
	sent, packets := after1.TxBytes-before1.TxBytes, after1.TxPackets-before1.TxPackets
	if packets < 1000 || packets > 1020 || sent < 1000*1042 || sent > 1000*1042+20*100 {
		t.Errorf("wan1 counts %d bytes in %d packets, want 1000 of 1042", sent, packets)
	}
	ip := after1.IPBytes() - before1.IPBytes() - (after1.RxBytes - before1.RxBytes) + 14*(after1.RxPackets-before1.RxPackets)
	if want := sent - 14*packets; ip != want {
		t.Errorf("wan1 counts %d bytes of IP sent, want %d", ip, want)
	}
	if other := after0.TxPackets - before0.TxPackets; other > 20 {
		t.Errorf("wan0 sent %d packets meanwhile", other)
	}
}

func TestCountersAreReadInsideTheNamespace(t *testing.T) {
	inside, far := bindtest.NewHost(t), bindtest.NewHost(t)
	far.AddAddress(target + "/32")
	far.Connect("wan0", "10.1.0.2/24")
	inside.Adopt("wan0", "10.1.0.2/24", "10.1.0.1")
	b := newBinder(t, bind.Options{Namespace: inside.Path()})
	remote := netip.MustParseAddr(target)
	reach(t, b.Do, &net.Dialer{Control: b.DialControl})
	before, err := b.Counters(remote)
	if err != nil {
		t.Fatal(err)
	}
	datagrams(t, b.Do, &net.Dialer{Control: b.DialControl}, 100)
	after, err := b.Counters(remote)
	if err != nil {
		t.Fatal(err)
	}
	if n := after.TxPackets - before.TxPackets; after.Name != "wan0" || n < 100 || n > 120 {
		t.Errorf("%s counts %d packets, want wan0 and 100", after.Name, n)
	}
	if c, err := b.Counters(netip.Addr{}); bind.ReasonOf(err) != bind.ReasonNoDevice {
		t.Errorf("counters without an address = %+v, %v: which device was meant?", c, err)
	}
}
