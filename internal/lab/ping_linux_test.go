package lab_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"perigee/internal/lab"
)

// pinger sends echo requests from a raw socket bound to a link's device.
type pinger struct {
	t    testing.TB
	conn net.PacketConn
	v6   bool
	id   int
}

func newPinger(t testing.TB, e lab.Endpoint, v6 bool, id int) *pinger {
	t.Helper()
	network, address := "ip4:icmp", "0.0.0.0"
	if v6 {
		network, address = "ip6:ipv6-icmp", "::"
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), e.Device) }), err)
	}}
	conn, err := config.ListenPacket(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &pinger{t: t, conn: conn, v6: v6, id: id}
}

// send sends request seq to dst; the payload begins with seq.
func (p *pinger) send(dst netip.Addr, seq int) error {
	message := icmp.Message{Type: ipv4.ICMPTypeEcho}
	if p.v6 {
		message.Type = ipv6.ICMPTypeEchoRequest
	}
	data := binary.BigEndian.AppendUint64(make([]byte, 0, 56), uint64(seq))
	message.Body = &icmp.Echo{ID: p.id, Seq: seq, Data: data[:56]}
	b, err := message.Marshal(nil)
	if err != nil {
		return err
	}
	_, err = p.conn.WriteTo(b, &net.IPAddr{IP: dst.AsSlice()})
	return err
}

// reply is an echo reply as it came.
type reply struct {
	seq int
	at  time.Time
}

// receive returns the replies until there are n, or within has passed.
func (p *pinger) receive(n int, within time.Duration) []reply {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		p.t.Fatal(err)
	}
	var replies []reply
	b := make([]byte, lab.MTU)
	for len(replies) < n {
		size, _, err := p.conn.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			p.t.Fatal(err)
		}
		at := time.Now()
		protocol, want := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
		if p.v6 {
			protocol, want = 58, ipv6.ICMPTypeEchoReply
		}
		message, err := icmp.ParseMessage(protocol, b[:size])
		if err != nil || message.Type != want {
			continue
		}
		if echo := message.Body.(*icmp.Echo); echo.ID == p.id {
			replies = append(replies, reply{echo.Seq, at})
		}
	}
	return replies
}

// every calls fn at each interval, n times, unless ctx ends.
func every(ctx context.Context, interval time.Duration, n int, fn func(i int)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := range n {
		fn(i)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
