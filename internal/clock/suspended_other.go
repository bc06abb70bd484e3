//go:build !linux

package clock

import "time"

// SinceBoot reports false: there is no such clock that processes share.
func SinceBoot() (time.Duration, bool) { return 0, false }

// suspended returns 0: the system does not tell.
func suspended() time.Duration { return 0 }
