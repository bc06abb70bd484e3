package bind

import (
	"errors"
	"fmt"
)

// Reason says in a few stable words why packets cannot leave. It is stored with
// results, so words are added, never changed.
type Reason string

// The reasons.
const (
	ReasonInterfaceDown Reason = "interface down"
	ReasonNoCarrier     Reason = "no carrier"
	ReasonNoDevice      Reason = "no such device"
	ReasonNoNamespace   Reason = "no such namespace"
	ReasonNoAddress     Reason = "address not available"
	ReasonNoRoute       Reason = "no route"
	ReasonHost          Reason = "host unreachable"
	ReasonPermission    Reason = "permission"
	ReasonBufferFull    Reason = "buffer full"
	ReasonTooLong       Reason = "message too long"
	ReasonUnsupported   Reason = "not supported here"
	ReasonOther         Reason = "send failed"
)

// Error is a failure to bind or to send.
type Error struct {
	Reason Reason
	Detail string // what it happened to, and the remedy if there is one
	Err    error  // the system's answer, if any
}

// Error returns detail, reason and the system's answer.
func (e *Error) Error() string {
	msg := "bind: " + string(e.Reason)
	if e.Detail != "" {
		msg = fmt.Sprintf("bind: %s: %s", e.Detail, e.Reason)
	}
	if e.Err != nil {
		msg += " (" + e.Err.Error() + ")"
	}
	return msg
}

// Unwrap returns the system's answer.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of the first *Error in err's chain, else the reason
// that the system's error number stands for. It returns "" for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return reasonOfErrno(err)
}

// The remedies for a refused ICMP socket.
const icmpRemedies = "ICMP sockets need a permission: run `setcap cap_net_raw+ep` on the perigee binary " +
	"(in a systemd unit: AmbientCapabilities=CAP_NET_RAW), " +
	"or allow unprivileged ones with `sysctl net.ipv4.ping_group_range=\"0 2147483647\"`"
