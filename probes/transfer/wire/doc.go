// Package wire is the protocol between a transfer's client and the far end: its bytes,
// both ways, and nothing else. docs/transfer.md draws them.
//
// A connection begins with a handshake of three messages: the far end greets with a
// fresh nonce, the client says what it wants and proves with the key that it may, the far
// end answers and proves that it has the key as well. A session is one control
// connection, over which Frames go, and one data connection for each stream, over which
// nothing but payload goes.
//
// The package opens no socket, starts no goroutine and sets no deadline: it reads and
// writes what it is given. Every length is bounded before memory is taken for it, and a
// message is written with one call to Write. Sizes are bytes; times on the wire are
// seconds, in Go time.Duration inside Seconds.
package wire

import "time"

// Version is the version of the protocol, in every first message of both ends.
const Version = 1

// DefaultPort is the TCP port of far ends.
const DefaultPort = 4862

// Step is the length of the intervals in which both ends count payload.
const Step = 100 * time.Millisecond

// Bounds of the protocol. What is beyond them is refused by either end.
const (
	MaxStreams  = 64              // data connections of a session
	MaxDuration = 5 * time.Minute // from go to the last payload; its whole series fits in one frame
	MaxBytes    = 1 << 50         // any count of bytes or segments, so that sums do not overflow
	MaxRequest  = 1 << 10         // bytes of a client's request: read before the client is known
	MaxAnswer   = 4 << 10         // bytes of the far end's answer
	MaxFrame    = 64 << 10        // bytes of a frame's body
)

// MaxSteps is how many intervals a session can have. Counting goes on while what is
// under way at the end still arrives.
const MaxSteps = int((MaxDuration + MaxDrain) / Step)

// MaxDrain is how long payload under way may be waited for.
const MaxDrain = 30 * time.Second
