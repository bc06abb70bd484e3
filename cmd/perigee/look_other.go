//go:build !linux

package main

import (
	"context"

	"perigee"
)

// look fails: devices and routes are read on Linux only.
func look() (machine, error) {
	return machine{}, &perigee.Error{Code: perigee.CodeInvalid, Message: "perigee init looks at machines with Linux only; write the configuration by hand, docs/configuration.md has the keys"}
}

// askDish is never reached.
func askDish(context.Context, string) bool { return false }
