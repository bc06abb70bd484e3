//go:build !linux

package main

import (
	"net/netip"
	"runtime"

	"perigee"
)

// defaultRoute is known on Linux alone.
func defaultRoute() (device string, firstHop netip.Addr, err error) {
	return "", netip.Addr{}, &perigee.Error{Code: perigee.CodeInvalid,
		Message: "measuring without a configuration needs Linux; on " + runtime.GOOS + " write a perigee.yaml and name it with --config"}
}
