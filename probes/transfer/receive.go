package transfer

import (
	"errors"
	"io"
)

// readSize is how much is read at once: enough that a call's cost does not show.
const readSize = 256 << 10

// receive reads payload from c until it ends, and counts it. The end of payload is no
// error.
func (c *counts) receive(conn *connection) error {
	buf := make([]byte, readSize)
	for {
		n, err := conn.Read(buf)
		c.add(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
