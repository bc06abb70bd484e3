package wire

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync/atomic"
)

// PayloadSize is the length of a block of payload.
const PayloadSize = 1 << 20

// NewPayload returns PayloadSize random bytes. A sender writes them over and over: no
// compressor on the way that remembers less than a megabyte makes them shorter, and no two
// tests send the same.
func NewPayload() []byte {
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	b := make([]byte, PayloadSize)
	mathrand.NewChaCha8(seed).Read(b)
	return b
}

// Allowance is how many bytes of payload may still be sent, over all streams of a
// session. Its methods are safe for concurrent use.
//
// A stream takes before it writes and gives back what it could not write, so the streams
// together never write more than was allowed, and all of it unless they fail.
type Allowance struct {
	left atomic.Int64
}

// NewAllowance allows n bytes.
func NewAllowance(n int64) *Allowance {
	a := new(Allowance)
	a.left.Store(n)
	return a
}

// Take returns how many of at most n bytes may be written; 0 if all are taken.
func (a *Allowance) Take(n int) int {
	for {
		left := a.left.Load()
		taken := min(left, int64(n))
		if taken <= 0 {
			return 0
		}
		if a.left.CompareAndSwap(left, left-taken) {
			return int(taken)
		}
	}
}

// Give returns n bytes that were taken and not written.
func (a *Allowance) Give(n int) { a.left.Add(int64(n)) }
