//go:build !linux && !darwin

package bind

import (
	"net/netip"
	"runtime"
	"syscall"
	"time"
)

var errUnsupported = &Error{Reason: ReasonUnsupported, Detail: "binding to a link on " + runtime.GOOS}

// Binder cannot be made on this system.
type Binder struct{ opts Options }

// New fails: this system is not supported.
func New(Options) (*Binder, error) { return nil, errUnsupported }

// Options returns what b binds to.
func (b *Binder) Options() Options { return b.opts }

// Close does nothing.
func (b *Binder) Close() error { return nil }

// Changed reports false.
func (b *Binder) Changed() bool { return false }

// Do fails.
func (b *Binder) Do(func() error) error { return errUnsupported }

// Path fails.
func (b *Binder) Path(netip.Addr) (Path, error) { return Path{}, errUnsupported }

// DialControl fails.
func (b *Binder) DialControl(network, address string, c syscall.RawConn) error { return errUnsupported }

// ListenICMP fails.
func (b *Binder) ListenICMP(netip.Addr, uint16) (*Socket, error) { return nil, errUnsupported }

// Socket cannot be made on this system.
type Socket struct{}

// Path returns nothing.
func (s *Socket) Path() Path { return Path{} }

// Privileged reports false.
func (s *Socket) Privileged() bool { return false }

// Close does nothing.
func (s *Socket) Close() error { return nil }

// SetDeadline does nothing.
func (s *Socket) SetDeadline(time.Time) error { return errUnsupported }

// Send fails.
func (s *Socket) Send([]byte, netip.Addr) error { return errUnsupported }

// Receive fails.
func (s *Socket) Receive(*Message) error { return errUnsupported }

// ReceiveNow fails.
func (s *Socket) ReceiveNow(*Message) error { return errUnsupported }

func reasonOfErrno(error) Reason { return ReasonOther }
