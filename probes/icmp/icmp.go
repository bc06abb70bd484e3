// Package icmp measures by ICMP echo (RFC 792, RFC 4443): one Prober sends the echo
// requests of one stream over one link to one target and decides what became of each.
//
// What a reply answers is told by a random session number and the probe's whole
// number in its data, so neither other pingers nor the wrapping of ICMP's 16-bit
// sequence numbers nor replies from an earlier run can be mistaken. Round-trip times
// are of the monotonic clock alone: the send stamp is taken right before the system
// call, the receive stamp is when the reply was read less the time that it had lain
// in the socket. Setting the wall clock changes neither.
//
// A probe is received if its reply comes within the loss timeout, late if within the
// late horizon, else lost; the table that decides is pure and of fixed size. A probe
// that the system refuses to send is reported as such, with the reason.
//
// The way out is package bind's business. The prober looks for a changed device,
// address or route before each send, and opens a new socket when it must; while the
// link is gone, each probe fails with the cause and nothing is sent elsewhere.
//
// Host names are resolved by the system's resolver, which uses the system's routes
// and not the link's.
package icmp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// Options tell New what to probe and how. Zero values mean the defaults given.
type Options struct {
	// Bind says which link the probes are kept on.
	Bind bind.Options

	// Address is the target: an IP address or a host name.
	Address string

	// Family is the IP version. By default it is the address's, and IPv4 for
	// a host name.
	Family perigee.Family

	// LossTimeout is the waiting time after which a probe counts as lost; by
	// default that of a terrestrial link.
	LossTimeout time.Duration

	// Interval is the mean time between probes. Memory for probes under way
	// is reserved by it; by default for 10 probes a second.
	Interval time.Duration

	// Size is the ICMP message's size in bytes, MinSize to MaxSize; by
	// default DefaultSize.
	Size int

	// Clock is required.
	Clock perigee.Clock

	// Resolve looks up the addresses of a host; network is "ip4" or "ip6". By
	// default the system's resolver is asked.
	Resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Prober implements perigee.Prober.
type Prober struct {
	opts   Options
	family perigee.Family
	link   link

	// sending serializes Send, and with it all that opens or replaces the
	// socket. It is taken before mu.
	sending sync.Mutex
	id      uint16
	request []byte
	down    error      // why the last look at the link failed, nil if it did not
	stale   bool       // a send or receive failed: look at the link again
	looked  netip.Addr // the target of the last look

	mu       sync.Mutex // guards what follows
	running  bool
	stopping bool // Run's context has ended
	session  uint64
	table    *table
	socket   socket // nil before the link was first there
	armed    bool   // socket has a deadline
	target   netip.Addr
	proof    perigee.Proof
	losses   int   // consecutive
	fatal    error // why Run cannot go on

	wake     chan struct{} // tells Run of a new socket or of fatal
	resolveC chan struct{} // asks for resolving the host again
}

// link is what Prober needs of a bind.Binder.
type link interface {
	Changed() bool
	Path(remote netip.Addr) (bind.Path, error)
	Open(remote netip.Addr, id uint16) (socket, error)
	Close() error
}

// socket is what Prober needs of a bind.Socket.
type socket interface {
	Send(p []byte, to netip.Addr) error
	Receive(*bind.Message) error
	ReceiveNow(*bind.Message) error
	SetDeadline(time.Time) error
	Path() bind.Path
	Close() error
}

// boundLink is the link of real probers.
type boundLink struct{ *bind.Binder }

func (l boundLink) Open(remote netip.Addr, id uint16) (socket, error) {
	s, err := l.ListenICMP(remote, id)
	if err != nil {
		return nil, err // a nil *bind.Socket must not become a socket that is not nil
	}
	return s, nil
}

const (
	defaultLossTimeout = 3 * time.Second
	defaultInterval    = 100 * time.Millisecond
)

// New returns a prober. It checks o only: the link and the target need not be there
// yet.
func New(o Options) (*Prober, error) {
	if o.LossTimeout == 0 {
		o.LossTimeout = defaultLossTimeout
	}
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Resolve == nil {
		o.Resolve = net.DefaultResolver.LookupNetIP
	}
	p := &Prober{
		opts:     o,
		family:   o.Family,
		wake:     make(chan struct{}, 1),
		resolveC: make(chan struct{}, 1),
	}
	addr, err := netip.ParseAddr(o.Address)
	if err == nil {
		addr = addr.Unmap()
		if zone := addr.Zone(); zone != "" {
			if o.Bind.Interface != "" && o.Bind.Interface != zone {
				return nil, invalid("target %s is not on interface %s", o.Address, o.Bind.Interface)
			}
			o.Bind.Interface = zone
		}
		p.target = addr.WithZone("")
		if p.family == "" {
			p.family = familyOf(addr)
		}
	} else if p.family == "" {
		p.family = perigee.IPv4
	}
	switch {
	case o.Clock == nil:
		return nil, invalid("icmp: no clock given")
	case o.Address == "":
		return nil, invalid("icmp: no target given")
	case p.family != perigee.IPv4 && p.family != perigee.IPv6:
		return nil, invalid("icmp: %q is not an address family", p.family)
	case p.target.IsValid() && familyOf(p.target) != p.family:
		return nil, invalid("target %s is not of family %s", o.Address, p.family)
	case p.target.IsMulticast() || p.target.IsUnspecified():
		return nil, invalid("target %s is not one host's address", o.Address)
	case o.LossTimeout < 0 || o.Interval < 0:
		return nil, invalid("target %s: loss timeout and interval must be positive", o.Address)
	case o.Size < MinSize || o.Size > MaxSize:
		return nil, invalid("target %s: size %d is not between %d and %d bytes", o.Address, o.Size, MinSize, MaxSize)
	}
	binder, err := bind.New(o.Bind)
	if err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "target " + o.Address, Err: err}
	}
	p.link = boundLink{binder}
	return p, nil
}

func invalid(format string, args ...any) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

func familyOf(a netip.Addr) perigee.Family {
	if a.Is6() {
		return perigee.IPv6
	}
	return perigee.IPv4
}

// Family returns the IP version of the probes.
func (p *Prober) Family() perigee.Family { return p.family }

// Proof returns the device and addresses last used. Before the first reply they are
// what the kernel's routing says, then the local address is the one that replies came
// to.
func (p *Prober) Proof() perigee.Proof {
	p.mu.Lock()
	defer p.mu.Unlock()
	proof := p.proof
	proof.Remote = p.target
	return proof
}

// begin makes p ready for a run with a new session.
func (p *Prober) begin() error {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return &perigee.Error{Code: perigee.CodeInternal, Message: "icmp: prober to " + p.opts.Address + " runs already"}
	}
	p.id, p.session = uint16(rand.Uint32()), rand.Uint64()
	p.request = newRequest(p.family, p.id, p.session, p.opts.Size)
	p.table = newTable(p.opts.LossTimeout, p.opts.Interval)
	p.down, p.stale, p.looked = nil, false, netip.Addr{}
	p.running, p.stopping, p.armed, p.fatal, p.losses = true, false, false, nil, 0
	return nil
}

// end frees what the run used and emits what it leaves undecided.
func (p *Prober) end(cause string, emit perigee.Emitter) {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.mu.Lock()
	p.running = false
	if p.socket != nil {
		p.socket.Close()
		p.socket = nil
	}
	var left []perigee.Singleton
	p.table.abandon(cause, func(s perigee.Singleton) { left = append(left, s) })
	p.mu.Unlock()
	p.link.Close()
	for _, s := range left {
		emit.Singleton(s)
	}
}
