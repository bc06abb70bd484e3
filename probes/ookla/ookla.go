// Package ookla measures throughput against the public servers that speak the HTTP
// protocol of speedtest.net, for sites that have no far end of their own.
//
// It owns the way there: finding a server, the connections, what is counted on them and
// the limits. It does not own the steady part's statistics (package stats), schedules,
// latency under load or the byte budget.
//
// The library behind it, speedtest-go, takes over http.DefaultClient, ends late, counts
// what it hands to the socket and takes any answer for payload. Therefore:
//
//   - it runs in a child process alone, which Run starts, reads and kills. What the
//     library takes over when the program starts is given back (guard.go);
//   - its requests travel by connections of ours, bound to the link like a probe's, and
//     never through a proxy; any answer but 200 ends the test as an error;
//   - bytes are counted on the connections, every 100 ms: going down those that were
//     read, going up those that the server's kernel has acknowledged. Rates follow from
//     these counts, never from the library's;
//   - no more is asked for than the byte cap has room for;
//   - the library's jitter, loss and averages are not used.
//
// Rates are bits per second of TCP payload, HTTP headers included. A Run has no state
// beside it: several may run at once, over different links or the same.
//
// docs/ookla.md tells the rest: what a result is worth, and what the limits are.
package ookla

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"perigee"
	"perigee/probes/bind"
	"perigee/stats"
)

// What is taken where Options say nothing.
const (
	defaultStreams     = 4
	defaultMaxDuration = 15 * time.Second
	defaultSetup       = 20 * time.Second
)

// step is how long each count of the series lasts.
const step = 100 * time.Millisecond

// grace is how long the child may take to report when it is told to end, before it is
// killed.
const grace = time.Second

// leastBytes is the smallest byte cap that a transfer can begin with: the smallest file
// of a server, and what finding the server takes.
const leastBytes = 1 << 20

// Options say what to measure.
type Options struct {
	// Stream is what the result belongs to. Its Load is the direction; Method is
	// set by Run. An empty Target becomes the server's number or address, an empty
	// Family takes whichever the server has first.
	Stream perigee.Stream

	// Binding is the link; without one nothing is sent.
	Binding bind.Options

	// Server is a server's number in the directory, its host and port, or the URL
	// of either scheme before host and port. No other is used in its place. If it is
	// empty the one that answers soonest of those the directory names is used.
	Server string

	// Directory is the base URL of the directory of servers; speedtest.net's own if
	// empty. It is asked if Server does not say how to reach it.
	Directory string

	// Streams is how many connections there are at once; 4 if 0.
	Streams int

	// MaxDuration bounds the transfer; 15 s if 0. Setup bounds what comes before it,
	// finding and reaching a server; 20 s if 0.
	MaxDuration, Setup time.Duration

	// MaxBytes bounds what the connections carry in both directions, headers of HTTP
	// and TLS included; 0 is no bound, less than 1 MiB is an error. No more than that is
	// ever asked for or sent. Headers of IP and TCP and retransmissions are looked at
	// every 100 ms and may go beyond it by so much traffic.
	MaxBytes int64

	// Steady is what is known for finding the steady part. Its RTT, if known, also
	// sizes the connections' buffers.
	Steady stats.SteadyOptions

	// Precision is the error, as a share of the rate, at which the transfer ends
	// before MaxDuration; 0 is never.
	Precision float64

	// OnProgress is told every 100 ms how the transfer goes; nil is nobody. It runs
	// on the goroutine of Run and must not block.
	OnProgress func(Progress)

	// Command returns the program that calls Child with its standard input and
	// output, not started yet.
	Command func() *exec.Cmd

	// Clock tells the wall time of Start; the system's if nil.
	Clock perigee.Clock
}

// Progress is how a transfer goes.
type Progress struct {
	Server string
	At     time.Duration // since the first payload was asked for
	Bytes  int64         // payload so far
	Rate   float64       // bits per second over the last second
}

// withDefaults returns o with defaults filled in, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	o.Stream.Method = perigee.MethodOokla
	if o.Streams == 0 {
		o.Streams = defaultStreams
	}
	if o.MaxDuration == 0 {
		o.MaxDuration = defaultMaxDuration
	}
	if o.Setup == 0 {
		o.Setup = defaultSetup
	}
	if o.Clock == nil {
		o.Clock = func() perigee.Reading { return perigee.Reading{Wall: time.Now().Round(0)} }
	}
	switch {
	case o.Stream.Load != perigee.LoadDown && o.Stream.Load != perigee.LoadUp:
		return o, invalid("%q is no direction: give %q or %q", o.Stream.Load, perigee.LoadDown, perigee.LoadUp)
	case o.Binding == bind.Options{}:
		return o, invalid("no link given: nothing is sent without one")
	case o.Streams < 1 || o.Streams > maxStreams:
		return o, invalid("%d streams: must be 1 to %d", o.Streams, maxStreams)
	case o.MaxDuration < step:
		return o, invalid("a transfer of %v: must take at least %v", o.MaxDuration, step)
	case o.Setup < 0 || o.Precision < 0:
		return o, invalid("neither time to set up nor precision can be negative")
	case o.MaxBytes < 0 || o.MaxBytes > 0 && o.MaxBytes < leastBytes:
		return o, invalid("a cap of %d bytes: must be 0 for none, or at least %d", o.MaxBytes, leastBytes)
	case o.Command == nil:
		return o, &perigee.Error{Code: perigee.CodeInternal, Message: "ookla: no command for the child given"}
	}
	return o, nil
}

// maxStreams bounds connections to what a public server bears.
const maxStreams = 32

func invalid(format string, args ...any) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: "ookla: " + fmt.Sprintf(format, args...)}
}

// Run measures one transfer.
//
// It returns when the transfer has ended and the child with it: at MaxDuration, at the
// cap, at the asked precision, or within a second of ctx's end, whatever the server does. If
// payload moved before ctx ended or the connections broke, it is returned with Stop
// telling so and no error.
//
// Errors are *perigee.Error: CodeInvalid for Options that cannot be, CodeNotFound if the
// directory does not know Server, CodePermission if the system does not let the child
// bind to the link, CodeUnavailable if directory or server cannot be reached, say
// nothing, or answer anything but 200; ctx's own error if it ended before payload moved.
func Run(ctx context.Context, o Options) (perigee.Throughput, error) {
	o, err := o.withDefaults()
	if err != nil {
		return perigee.Throughput{}, err
	}
	if err := ctx.Err(); err != nil {
		return perigee.Throughput{}, err
	}
	p, err := startProcess(o.Command())
	if err != nil {
		return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeInternal, Message: "ookla: start the child", Err: err}
	}
	defer p.end()
	r := run{o: o, process: p}
	if err := p.send(newRequest(o)); err != nil {
		return perigee.Throughput{}, r.died(err)
	}
	return r.follow(ctx)
}
