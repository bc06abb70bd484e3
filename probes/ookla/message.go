package ookla

import (
	"time"

	"perigee"
	"perigee/probes/bind"
)

// Parent and child are the same program and speak JSON, one value a line. On the
// child's standard input comes a request and, when it is to end early, an order; the
// input's end means that the parent has gone. On its standard output go messages.

// request is what the parent asks for.
type request struct {
	Binding            bind.Options
	Family             perigee.Family
	Load               perigee.Load
	Server, Directory  string
	Streams            int
	MaxDuration, Setup time.Duration
	MaxBytes           int64
	RTT                time.Duration
}

func newRequest(o Options) request {
	return request{
		Binding: o.Binding, Family: o.Stream.Family, Load: o.Stream.Load, Server: o.Server, Directory: o.Directory, Streams: o.Streams,
		MaxDuration: o.MaxDuration, Setup: o.Setup, MaxBytes: o.MaxBytes, RTT: o.Steady.RTT,
	}
}

// order makes the child end now and report.
type order struct{ Stop bool }

// message is what the child tells: one of these at a time. The last is ended or failed.
type message struct {
	Started  *started  `json:",omitempty"`
	Progress *progress `json:",omitempty"`
	Ended    *ended    `json:",omitempty"`
	Failed   *failure  `json:",omitempty"`
}

// started comes when the first payload is asked for.
type started struct {
	Server string           // for people
	Target perigee.TargetID // its number or address
}

// progress comes every step.
type progress struct {
	Counts []int64           // the series since the last message
	TCP    *perigee.TCPState `json:",omitempty"` // of connections that send payload
}

// ended is the transfer's end.
type ended struct {
	Stop   perigee.StopReason
	Length time.Duration
	Counts []int64 // the rest of the series; its last may be of less than a step

	Proof         perigee.Proof
	Connect       perigee.Connect
	Congestion    string
	WireBytes     int64
	Retransmitted int64
}

// failure is an error in place of a result.
type failure struct {
	Code    perigee.Code
	Message string
}
