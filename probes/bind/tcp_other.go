//go:build !linux

package bind

import (
	"runtime"
	"syscall"
)

// errTCPUnknown answers what only Linux tells.
var errTCPUnknown = &Error{Reason: ReasonUnsupported, Detail: "the state of TCP connections on " + runtime.GOOS + " is not known here"}

// SetCongestion fails.
func SetCongestion(syscall.RawConn, string) error { return errTCPUnknown }

// Congestion fails.
func Congestion(syscall.RawConn) (string, error) { return "", errTCPUnknown }

// Congestions fails.
func Congestions() ([]string, error) { return nil, errTCPUnknown }

// ReadTCPInfo fails.
func ReadTCPInfo(syscall.RawConn) (TCPInfo, error) { return TCPInfo{}, errTCPUnknown }

// LimitNotSent fails.
func LimitNotSent(syscall.RawConn, int) error { return errTCPUnknown }

// BufferLimits fails.
func BufferLimits() (rcv, snd int64, err error) { return 0, 0, errTCPUnknown }

// SetBuffers does nothing: the system sizes buffers as it can.
func SetBuffers(syscall.RawConn, int, int) error { return nil }
