package farend

import (
	"errors"
	"io"
	"os"
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// stream is one of a session's data connections.
type stream struct {
	session *session
	number  int
	conn    *connection

	base  bind.TCPInfo // before any payload
	known bool         // base is
}

// errTooMuch tells of a client that sends more than it was granted.
var errTooMuch = errors.New("the client sends more than was granted")

// patience is how long a write may take before it is looked at how far it has come: a
// slow link takes seconds for one, and that is no idleness.
const patience = 500 * time.Millisecond

// bufferSize is how much a stream moves in one call. What helps a few fast streams
// would be a waste for many.
func bufferSize(streams int) int {
	return min(max(wire.PayloadSize/streams, 32<<10), 256<<10)
}

// receive reads and counts payload until the stream's end, which is no error.
func (s *stream) receive() error {
	buffer := make([]byte, bufferSize(s.session.asked.Streams))
	for {
		n, err := s.conn.Read(buffer)
		if n > 0 && !s.session.tally.add(s.number, n) {
			return errTooMuch
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send writes payload from time zero on, until there is no more or the session is over.
func (s *stream) send() error {
	select {
	case <-s.session.tally.begun:
	case <-s.session.over:
		return nil
	}
	payload, size := s.session.payload, bufferSize(s.session.asked.Streams)
	// Streams begin at different places, or one would send what another just sent.
	at := s.number * (len(payload) / s.session.asked.Streams)
	for {
		if at+size > len(payload) {
			at = 0
		}
		n := s.session.allowance.Take(size)
		if n == 0 {
			s.conn.closeWrite()
			return nil
		}
		rest, err := s.write(payload[at : at+n])
		if rest > 0 {
			s.session.allowance.Give(rest)
			if !s.session.cut.Load() {
				s.conn.closeWrite() // the time is over
			}
			return err
		}
		at += n
	}
}

// write writes and counts b. It returns how much of it could not be written; without an
// error the session was over before.
func (s *stream) write(b []byte) (rest int, err error) {
	wait := patience
	if s.conn.encrypted() {
		wait = s.session.limits.IdleTimeout // a TLS connection is broken by the first write that does not end in time
	}
	for len(b) > 0 {
		s.conn.tcp.SetWriteDeadline(time.Now().Add(wait))
		if s.session.isOver() { // looked at after the deadline is set, or an interrupt could be undone
			return len(b), nil
		}
		n, err := s.conn.Write(b)
		if n > 0 {
			s.session.tally.add(s.number, n)
			b = b[n:]
		}
		if err != nil && (s.conn.encrypted() || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return len(b), err
		}
	}
	return 0, nil
}
