//go:build !linux

package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"time"
)

// ErrForbidden is matched by errors that come from the system not allowing a lab.
var ErrForbidden = errors.New("not allowed by this system")

type unsupported struct{}

func (unsupported) Error() string {
	return "lab: emulated links need Linux: run it there, or in a virtual machine"
}
func (unsupported) Is(target error) bool { return target == ErrForbidden }

// WhenOrphaned does nothing: there are no isolated processes here.
func WhenOrphaned(func()) {}

// Isolated reports whether this process was started by Command: never on this system.
func Isolated() bool { return false }

// Usable returns why there is no lab on this system.
func Usable() error { return unsupported{} }

// InheritedFile returns nil on this system.
func InheritedFile(int) *os.File { return nil }

// Child is a process in namespaces of its own.
type Child struct{ *exec.Cmd }

// Command fails on this system.
func Command(context.Context, []string, ...*os.File) (*Child, error) { return nil, unsupported{} }

// Lab cannot be made on this system.
type Lab struct{}

// LinkStats counts the packets of one link.
type LinkStats struct {
	Entered   [3]int64 // by Way
	Delivered [3]int64 // packets, not copies, by Way
	Bytes     [3]int64 // of packets delivered, by Way
}

// New fails on this system.
func New(Options) (*Lab, error) { return nil, unsupported{} }

// The methods of a Lab, which cannot be had here.
func (*Lab) Close() error                                  { return unsupported{} }
func (*Lab) Links() []Endpoint                             { return nil }
func (*Lab) Link(string) (Endpoint, bool)                  { return Endpoint{}, false }
func (*Lab) Flush() error                                  { return unsupported{} }
func (*Lab) Truth() []Record                               { return nil }
func (*Lab) Dropped() int64                                { return 0 }
func (*Lab) Stats(string) LinkStats                        { return LinkStats{} }
func (*Lab) SetProfile(string, Profile) error              { return unsupported{} }
func (*Lab) Blackhole(string, bool) error                  { return unsupported{} }
func (*Lab) SetDown(string, bool) (time.Time, error)       { return time.Time{}, unsupported{} }
func (*Lab) Remove(string) (time.Time, error)              { return time.Time{}, unsupported{} }
func (*Lab) Restore(string, netip.Addr) (time.Time, error) { return time.Time{}, unsupported{} }
func (*Lab) FarDo(func() error) error                      { return unsupported{} }
func (*Lab) FarStart(*exec.Cmd) error                      { return unsupported{} }
func (*Lab) FarListen(context.Context, string, string) (net.Listener, error) {
	return nil, unsupported{}
}
func (*Lab) FarListenPacket(context.Context, string, string) (net.PacketConn, error) {
	return nil, unsupported{}
}
