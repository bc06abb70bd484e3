package ookla

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// dialer makes the connections, each bound to the link like a probe.
type dialer struct {
	binder  *bind.Binder
	family  perigee.Family
	timeout time.Duration // of one attempt
	receive int           // bytes of payload that connections must have room for, 0 for any
	send    int
	meter   *meter
}

// errOver is why there are no more connections when the transfer is over.
var errOver = errors.New("the transfer is over")

// control binds a socket and sizes its buffers. It is also the library's, for sockets
// that it might open itself.
func (d *dialer) control(network, address string, c syscall.RawConn) error {
	if err := d.binder.DialControl(network, address, c); err != nil {
		return err
	}
	// Buffers that are too small make a slower transfer, not a wrong one.
	_ = bind.SetBuffers(c, d.receive, d.send)
	return nil
}

// dial connects by the link.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	select {
	case <-d.meter.over:
		return nil, errOver
	default:
	}
	dialer := net.Dialer{Timeout: d.timeout, Control: d.control}
	var failures []error
	for _, a := range addresses {
		var c net.Conn
		start := time.Now()
		// One address at a time: for several, net.Dialer would begin threads of
		// its own, outside of the link's namespace.
		err := d.binder.Do(func() (err error) {
			c, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port))
			return err
		})
		if err == nil {
			return d.meter.adopt(c.(*net.TCPConn), time.Since(start))
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// resolve returns a host's addresses of the family asked for. Names are resolved by the
// system's own routes, as those of targets are.
func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	network := map[perigee.Family]string{perigee.IPv4: "ip4", perigee.IPv6: "ip6", "": "ip"}[d.family]
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%s has no address of family %s", host, d.family)
	}
	return addresses, nil
}

// transport returns an HTTP transport of its own connections, as many as streams kept
// between requests, which waits for an answer so long; 0 is for ever. It knows no proxy:
// that would be measured instead of the link.
func (d *dialer) transport(streams int, answer time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:           d.dial,
		TLSHandshakeTimeout:   d.timeout,
		ResponseHeaderTimeout: answer,
		DisableCompression:    true,
		MaxIdleConns:          streams,
		MaxIdleConnsPerHost:   streams,
		ReadBufferSize:        piece,
		WriteBufferSize:       piece,
	}
}
