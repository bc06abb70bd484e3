package transfer

import (
	"time"

	"perigee/probes/transfer/wire"
)

const (
	// writeSize is how much is written at once, and cappedSize if bytes on the wire
	// are capped.
	writeSize  = 256 << 10
	cappedSize = 32 << 10

	// notSentLimit is how much may wait in a socket: enough for the fastest links, and
	// little enough that a slow one is not sent seconds of it after the end.
	notSentLimit = 512 << 10

	// budgetPause is how long to wait until payload under way may have made room.
	budgetPause = 2 * time.Millisecond
)

// send writes payload to conn until the budget is used up, writing fails, or stop is
// closed. The end of payload is announced.
func (b *budget) send(conn *connection, block []byte, stop <-chan struct{}) error {
	size := writeSize
	if b.cap > 0 {
		size = cappedSize
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for at := 0; ; {
		if at+size > len(block) {
			at = 0
		}
		n, done := b.take(size)
		if n == 0 && done {
			return conn.tcp.CloseWrite()
		}
		if n == 0 {
			timer.Reset(budgetPause)
			select {
			case <-timer.C:
				continue
			case <-stop:
				return nil
			}
		}
		written, err := conn.Write(block[at : at+n])
		if err != nil {
			b.give(n - written)
			return err
		}
		at += n
	}
}

// newBlock returns payload to send over and over.
func newBlock() []byte { return wire.NewPayload() }
