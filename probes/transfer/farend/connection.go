package farend

import (
	"crypto/tls"
	"net"
	"net/netip"
	"syscall"

	"perigee/probes/transfer/wire"
)

// connection is a TCP connection, and TLS over it where that is spoken.
type connection struct {
	net.Conn // what is read and written
	tcp      *net.TCPConn
	raw      syscall.RawConn // of tcp
	from     netip.Addr
}

func newConnection(tcp *net.TCPConn) (*connection, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: tcp, tcp: tcp, raw: raw}
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		c.from = a.AddrPort().Addr().Unmap()
	}
	return c, nil
}

// site returns what counts as one address: an IPv6 host may choose among 2^64.
func (c *connection) site() netip.Prefix {
	bits := c.from.BitLen()
	if c.from.Is6() {
		bits = 64
	}
	p, _ := c.from.Prefix(bits) // only an invalid address has no prefix
	return p
}

// handshake speaks TLS, if config says so, and returns what the key's proofs are bound to.
// It ends with the connection's deadline, or when the connection is closed.
func (c *connection) handshake(config *tls.Config) (binding []byte, err error) {
	if config == nil {
		return nil, nil
	}
	t := tls.Server(c.tcp, config)
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	c.Conn = t
	return wire.Binding(t.ConnectionState())
}

// encrypted reports whether TLS is spoken.
func (c *connection) encrypted() bool { return c.Conn != net.Conn(c.tcp) }

// closeWrite tells the peer that nothing more comes, and lets it have what is on its way.
func (c *connection) closeWrite() {
	if t, ok := c.Conn.(*tls.Conn); ok {
		t.CloseWrite()
	}
	c.tcp.CloseWrite()
}

// abort closes c at once: what has been written and not sent is thrown away, and the
// kernel keeps nothing of it.
func (c *connection) abort() {
	c.tcp.SetLinger(0)
	c.tcp.Close()
}
