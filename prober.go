package perigee

import "context"

// Prober sends the probes of one stream and hears their replies. It knows neither
// schedule nor storage.
//
// Every Seq given to Send is emitted exactly once with its final Outcome:
// SendFailed at once, Received when the reply comes, Late when a late reply comes,
// Lost at the late horizon. Probes that are undecided when Run ends, for whatever
// reason, are emitted as Skipped before it returns: a caller that wants their fate
// stops sending and waits before it cancels ctx.
//
// The emitter may be called from Send and from Run, also at the same time; it must not
// block or call back into the prober.
type Prober interface {
	// Send sends probe seq now. It never waits for the network. Calling it
	// while Run is not running emits SendFailed.
	Send(seq Seq, emit Emitter)

	// Run opens the socket and hears replies until ctx ends or the prober
	// fails. It returns nil if ctx ended, else why it cannot go on; it may be
	// run again then.
	Run(ctx context.Context, emit Emitter) error

	// Proof returns evidence of the link last used.
	Proof() Proof
}

// Emitter receives what a prober learns. Both methods are safe for concurrent use.
type Emitter interface {
	// Singleton tells the outcome of a probe.
	Singleton(Singleton)

	// Duplicate tells that a further reply to probe seq came.
	Duplicate(seq Seq)

	// Event tells of a change that results must be read with: rebound, target
	// resolved anew. Site, link and time are filled in by the receiver.
	Event(kind EventKind, detail string)
}
