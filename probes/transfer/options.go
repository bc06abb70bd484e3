package transfer

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// Options say what is transferred, how, and until when.
type Options struct {
	// Binder keeps the connections on their link.
	Binder *bind.Binder

	// Address is the far end's host and port. A name is resolved by the system's own
	// routes; its addresses are tried one after the other.
	Address string

	// Key is the secret shared with the far end.
	Key wire.Key

	// TLS, if not nil, encrypts all connections. The far end proves itself by the key,
	// so certificates need not be checked.
	TLS *tls.Config

	// Stream is what the result is stored as. Its Load is the direction; its Family, if
	// set, the addresses that are used.
	Stream perigee.Stream

	Streams    int    // connections at once; 0 is 1
	Congestion string // of the sender; empty is its system's choice

	// MaxDuration is when the transfer ends at the latest; 0 is ten seconds.
	MaxDuration time.Duration

	// MinDuration is when it may end early at the earliest.
	MinDuration time.Duration

	// MaxBytes caps what the transfer moves over the link in both directions, headers,
	// acknowledgements and retransmissions included; 0 is no cap.
	MaxBytes int64

	// Precision ends the transfer when the half-width of the rate's confidence interval
	// is no more than this share of it; 0 is never. Confidence is that interval's, 0.95
	// if 0.
	Precision, Confidence float64

	// Slot is how long the link keeps a capacity, 15 s on Starlink; 0 is no slots. A
	// transfer ends early after whole slots only. SlotLeap puts slots on the grid of
	// their own time, as in floor((unix + SlotLeap) / Slot): 18 s for GPS time.
	Slot, SlotLeap time.Duration

	// RTT is the link's idle round trip time. If it is 0, what the connections see
	// before the transfer is taken for it.
	RTT time.Duration

	// OnProgress is told ten times a second how far the transfer is. It must not
	// block.
	OnProgress func(Progress)

	// OnWarning is told what may make the result less than what the link can do, in a
	// sentence that names the remedy.
	OnWarning func(string)

	// Clock tells the wall time of the start; nil is the system's.
	Clock perigee.Clock
}

// Phase tells what a transfer is doing.
type Phase string

// The phases, in their order.
const (
	PhaseConnect Phase = "connecting"
	PhaseRamp    Phase = "ramp"   // the rate still rises
	PhaseSteady  Phase = "steady" // the rate is being measured
	PhaseEnd     Phase = "ending" // waiting for the far end's last word
)

// Progress is how far a transfer is.
type Progress struct {
	Phase   Phase
	Elapsed time.Duration // since the first payload was asked for
	Bytes   int64         // payload received

	// Rate is the mean of the steady part in bits per second, or that of the last
	// second while there is none.
	Rate float64

	ErrorRatio float64       // of Rate, as Throughput.Error; negative if it cannot be told yet
	Ramp       time.Duration // meaningful in PhaseSteady
}

// defaultDuration is how long a transfer takes that nobody has bounded.
const defaultDuration = 10 * time.Second

// check returns o with its defaults, or what is wrong with it.
func (o Options) check() (Options, error) {
	invalid := func(format string, args ...any) (Options, error) {
		return o, &perigee.Error{Code: perigee.CodeInvalid, Message: "transfer: " + fmt.Sprintf(format, args...)}
	}
	if o.Streams == 0 {
		o.Streams = 1
	}
	if o.MaxDuration == 0 {
		o.MaxDuration = defaultDuration
	}
	if o.Confidence == 0 {
		o.Confidence = 0.95
	}
	if o.Clock == nil {
		o.Clock = func() perigee.Reading { return perigee.Reading{Wall: time.Now().Round(0)} }
	}
	if o.OnProgress == nil {
		o.OnProgress = func(Progress) {}
	}
	if o.OnWarning == nil {
		o.OnWarning = func(string) {}
	}
	_, _, err := net.SplitHostPort(o.Address)
	switch {
	case o.Binder == nil:
		return invalid("no link is given")
	case err != nil:
		return invalid("the far end's address must be host:port: %v", err)
	case o.Key.IsZero():
		return invalid("no key is given")
	case o.Stream.Load != perigee.LoadDown && o.Stream.Load != perigee.LoadUp:
		return invalid("%q is no direction: give %q or %q", o.Stream.Load, perigee.LoadDown, perigee.LoadUp)
	case o.Streams < 0 || o.Streams > wire.MaxStreams:
		return invalid("%d streams are not between 1 and %d", o.Streams, wire.MaxStreams)
	case o.MaxDuration < 0 || o.MaxDuration > wire.MaxDuration:
		return invalid("a duration of %v is not between 0 and %v", o.MaxDuration, wire.MaxDuration)
	case o.MaxBytes < 0:
		return invalid("%d bytes cannot be a cap", o.MaxBytes)
	case o.Precision < 0 || o.Confidence <= 0 || o.Confidence >= 1:
		return invalid("a precision of %v at a confidence of %v is not one", o.Precision, o.Confidence)
	}
	return o, nil
}

// down reports whether payload comes to us.
func (o *Options) down() bool { return o.Stream.Load == perigee.LoadDown }
