package ookla

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// errCap ends connections at the byte cap.
var errCap = errors.New("the byte cap is reached")

// piece is how much is read or written at once at most. Reads set that much of the
// cap aside, so it must be small beside the least cap.
const piece = 32 << 10

// conn is a connection that is counted, beneath TLS if there is any.
type conn struct {
	net.Conn
	raw      syscall.RawConn
	meter    *meter
	transfer bool // carries the transfer, not its preparation
	six      bool
	connect  time.Duration

	mu         sync.Mutex // guards what follows
	info       bind.TCPInfo
	known      bool // info is
	closed     bool
	written    int64
	base       int64 // acknowledged before anything was written: the SYN
	told       int64 // acknowledged and counted
	read       int64
	congestion string
}

// adopt makes meter count what c carries.
func (m *meter) adopt(c *net.TCPConn, connect time.Duration) (*conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	// What still waits in the socket when the transfer is over must not load the link
	// any longer, nor move beyond the cap: closing, and be it by the process's end, drops it.
	if err := c.SetLinger(0); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	counted := &conn{Conn: c, raw: raw, meter: m, transfer: !m.start.IsZero(), connect: connect}
	counted.six = remoteOf(c).Is6()
	counted.refresh()
	if counted.known {
		counted.base = max(counted.info.BytesAcked, 0)
	}
	counted.congestion, _ = bind.Congestion(raw) // not known everywhere
	m.conns = append(m.conns, counted)
	return counted, nil
}

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func remoteOf(c net.Conn) netip.Addr { return addressOf(c.RemoteAddr()) }

// Read reads what the cap allows.
func (c *conn) Read(p []byte) (int, error) {
	reserved := c.meter.reserve(min(len(p), piece))
	if reserved == 0 && len(p) > 0 {
		c.meter.end(perigee.StoppedAtCap, nil)
		return 0, errCap
	}
	n, err := c.Conn.Read(p[:reserved])
	c.mu.Lock()
	c.read += int64(n)
	c.mu.Unlock()
	c.meter.settle(reserved, n, c.transfer && !c.meter.up)
	return n, err
}

// Write writes what the cap allows.
func (c *conn) Write(p []byte) (done int, err error) {
	for len(p) > 0 {
		reserved := c.meter.reserve(min(len(p), piece))
		if reserved == 0 {
			c.meter.end(perigee.StoppedAtCap, nil)
			return done, errCap
		}
		n, err := c.Conn.Write(p[:reserved])
		c.mu.Lock()
		c.written += int64(n)
		c.mu.Unlock()
		c.meter.settle(reserved, n, false)
		done += n
		if err != nil {
			return done, err
		}
		p = p[n:]
	}
	return done, nil
}

// Close remembers what the kernel knew of the connection, and closes it.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.refresh()
		c.closed = true
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// refresh asks the kernel, unless the connection is closed. The caller holds mu, or is
// alone.
func (c *conn) refresh() {
	if c.closed {
		return
	}
	if info, err := bind.ReadTCPInfo(c.raw); err == nil {
		c.info, c.known = info, true
	}
}

// poll asks the kernel for news. It returns how much of the transfer's payload the peer
// has acknowledged since the last call, or how much was written if the kernel does not
// tell, and how much the connection has moved over the link so far.
func (c *conn) poll() (acknowledged, wire int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
	if !c.transfer {
		return 0, c.wire()
	}
	now := c.written
	if c.known && c.info.BytesAcked >= 0 {
		now = c.info.BytesAcked - c.base
	}
	acknowledged = max(now-c.told, 0)
	c.told += acknowledged
	return acknowledged, c.wire()
}

// wire is what the connection has moved over the link, by the kernel's count of
// segments, or its payload if there is none. The caller holds mu.
func (c *conn) wire() int64 {
	if n, ok := c.info.WireBytes(c.six); c.known && ok {
		return n
	}
	return c.read + c.written
}

// state sums up the transfer's connections that are open; false if the kernel does not
// tell or there is none.
func (m *meter) state() (perigee.TCPState, bool) {
	m.mu.Lock()
	conns, at := m.conns, time.Since(m.start)
	m.mu.Unlock()
	s := perigee.TCPState{At: at}
	open := 0
	for _, c := range conns {
		c.mu.Lock()
		info, known, closed := c.info, c.known && c.transfer, c.closed
		c.mu.Unlock()
		if !known {
			continue
		}
		s.Retransmitted += max(info.BytesRetrans, 0)
		if closed {
			continue
		}
		open++
		s.RTT += info.RTT
		if info.MinRTT > 0 && (s.MinRTT == 0 || info.MinRTT < s.MinRTT) {
			s.MinRTT = info.MinRTT
		}
		s.Window += info.SndCwnd * int64(info.SndMSS)
		s.DeliveryRate += 8 * float64(max(info.DeliveryRate, 0))
	}
	if open == 0 {
		return s, false
	}
	s.RTT /= time.Duration(open)
	return s, true
}

// totals are sums over all connections at the end. What was still under way then is not
// in them.
type totals struct {
	wire          int64
	retransmitted int64 // of the transfer's connections; negative if not known
	congestion    string
	connect       time.Duration // of the transfer's first connection
	local, remote netip.Addr    // of the same
}

// totals sums up, after finish.
func (m *meter) totals() totals {
	m.mu.Lock()
	conns := m.conns
	m.mu.Unlock()
	var t totals
	for _, c := range conns {
		c.mu.Lock()
		t.wire += c.wire()
		if c.transfer {
			if !c.known || c.info.BytesRetrans < 0 {
				t.retransmitted = -1
			} else if t.retransmitted >= 0 {
				t.retransmitted += c.info.BytesRetrans
			}
			if t.connect == 0 {
				t.connect, t.congestion = c.connect, c.congestion
				t.local, t.remote = addressOf(c.LocalAddr()), remoteOf(c)
			}
		}
		c.mu.Unlock()
	}
	return t
}
