//go:build !linux

package bind

import (
	"net/netip"
	"runtime"
)

// Counters fails: they are read on Linux alone.
func (b *Binder) Counters(netip.Addr) (DeviceCounters, error) {
	return DeviceCounters{}, &Error{Reason: ReasonUnsupported, Detail: "device counters on " + runtime.GOOS}
}
