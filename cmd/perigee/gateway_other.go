//go:build !linux

package main

import (
	"fmt"
	"net/netip"
	"runtime"

	"perigee"
)

// gateway is known on Linux alone.
func gateway(l perigee.Link, _ netip.Addr) (netip.Addr, error) {
	return netip.Addr{}, &perigee.Error{Code: perigee.CodeInvalid,
		Message: fmt.Sprintf("first_hop: auto of link %s needs Linux; on %s write the first hop's address", l.ID, runtime.GOOS)}
}
