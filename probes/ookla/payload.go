package ookla

import (
	"crypto/rand"
	"io"
	"sync"
)

// payloadBlock is what uploads repeat. The library's own payload is one byte over and
// over, which links that compress carry at any rate one likes; this cannot be
// compressed by anything that looks back less than a megabyte.
var payloadBlock = sync.OnceValue(func() []byte {
	block := make([]byte, 1<<20)
	rand.Read(block) // never fails
	return block
})

// payload is the body of one upload.
type payload struct {
	left int64
	at   int
}

func newPayload(size int64) *payload { return &payload{left: size} }

// Read fills p with payload.
func (b *payload) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	block := payloadBlock()
	n := copy(p[:min(int64(len(p)), b.left)], block[b.at:])
	b.at = (b.at + n) % len(block)
	b.left -= int64(n)
	return n, nil
}

// Close does nothing.
func (b *payload) Close() error { return nil }
