package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"perigee"
	"perigee/probes/transfer/wire"
)

// setupTime is how long it may take until all connections of a transfer have come about.
const setupTime = 30 * time.Second

// connection is one connection of a transfer, kept on the link.
type connection struct {
	net.Conn // payload goes in and out here: through TLS, if there is any

	tcp    *net.TCPConn
	raw    syscall.RawConn
	six    bool
	secret wire.Secret
	timing perigee.Connect
}

// resolve returns the addresses of the far end.
func (o *Options) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	network := "ip"
	switch o.Stream.Family {
	case perigee.IPv4:
		network = "ip4"
	case perigee.IPv6:
		network = "ip6"
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	var all []netip.AddrPort
	for _, a := range found {
		all = append(all, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	return all, nil
}

// connect connects to one address of the far end. prepare, if not nil, sets up the
// socket before.
func (o *Options) connect(ctx context.Context, remote netip.AddrPort, prepare func(syscall.RawConn) error) (*connection, error) {
	var begun time.Time
	dialer := net.Dialer{Control: func(network, address string, c syscall.RawConn) error {
		if err := o.Binder.DialControl(network, address, c); err != nil {
			return err
		}
		if prepare != nil {
			if err := prepare(c); err != nil {
				return err
			}
		}
		begun = time.Now() // the SYN leaves next
		return nil
	}}
	var conn net.Conn
	// One address at a time: for several, the dialer would begin threads of its own,
	// outside of the link's namespace.
	err := o.Binder.Do(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", remote.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn, tcp: conn.(*net.TCPConn), six: remote.Addr().Is6(), secret: wire.Secret{Key: o.Key}}
	c.timing.TCP = time.Since(begun)
	if c.raw, err = c.tcp.SyscallConn(); err == nil && o.TLS != nil {
		err = c.encrypt(ctx, o.TLS, o.Address)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// encrypt puts TLS around c.
func (c *connection) encrypt(ctx context.Context, config *tls.Config, address string) error {
	config = config.Clone()
	// Short records at first would cost headers that say nothing of the link.
	config.DynamicRecordSizingDisabled = true
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secured := tls.Client(c.tcp, config)
	begun := time.Now()
	if err := secured.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	c.timing.TLS = time.Since(begun)
	binding, err := wire.Binding(secured.ConnectionState())
	if err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	c.Conn, c.secret.Binding = secured, binding
	return nil
}

// within runs a handshake on c that ends with ctx.
func (c *connection) within(ctx context.Context, handshake func() error) error {
	stop := context.AfterFunc(ctx, func() { c.tcp.SetDeadline(time.Unix(1, 0)) })
	err := handshake()
	if !stop() {
		return context.Cause(ctx) // which err only shows
	}
	return err
}

// abort closes c at once and throws away what was written and not sent.
func (c *connection) abort() {
	c.tcp.SetLinger(0)
	c.tcp.Close()
}

// stopwatch times the first answer to the last thing written.
type stopwatch struct {
	net.Conn
	asked, answered time.Time
}

func (s *stopwatch) Write(p []byte) (int, error) {
	s.asked, s.answered = time.Now(), time.Time{}
	return s.Conn.Write(p)
}

func (s *stopwatch) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 && s.answered.IsZero() {
		s.answered = time.Now()
	}
	return n, err
}

// took returns how long the answer took; 0 if there was none.
func (s *stopwatch) took() time.Duration {
	if s.asked.IsZero() || s.answered.IsZero() {
		return 0
	}
	return s.answered.Sub(s.asked)
}

// dial opens the control connection, to the first of the far end's addresses that answers.
func (o *Options) dial(ctx context.Context) (*connection, netip.AddrPort, error) {
	addresses, err := o.resolve(ctx)
	if err != nil {
		return nil, netip.AddrPort{}, &perigee.Error{Code: perigee.CodeUnavailable, Message: "transfer: the far end's address", Err: err}
	}
	var failures []error
	for _, a := range addresses {
		c, err := o.connect(ctx, a, nil)
		if err == nil {
			return c, a, nil
		}
		failures = append(failures, err)
	}
	return nil, netip.AddrPort{}, &perigee.Error{Code: perigee.CodeUnavailable,
		Message: "transfer: the far end at " + o.Address + " cannot be reached", Err: errors.Join(failures...)}
}
