package farend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/arrival"
	"perigee/probes/transfer/wire"
)

// session is one transfer. The goroutine of its control connection owns it: it alone
// runs and ends it. Those of its data connections move payload.
type session struct {
	asked   wire.Start
	granted wire.Granted
	limits  Options
	site    netip.Prefix
	opened  time.Time
	control *connection

	tally     *tally
	allowance *wire.Allowance // of what the far end sends
	payload   []byte          // what it sends; set before tally begins

	over chan struct{} // closed when streams shall move no more; by the owner alone
	cut  atomic.Bool   // nor may the client take what it got for all there was

	left chan error // the end of each stream that joined
	slow sync.Once  // has been told that its buffers are small

	// Of the owner alone:
	reported int            // steps that the client has been told
	arrivals arrival.Record // of what comes, going up

	mu      sync.Mutex     // guards what follows
	streams []*stream      // by number; nil until it joins
	closed  bool           // no stream may join any more
	running sync.WaitGroup // streams that joined and have not ended
}

func newSession(asked wire.Start, granted wire.Granted, limits Options, control *connection) *session {
	return &session{
		asked: asked, granted: granted, limits: limits, control: control, site: control.site(), opened: time.Now(),
		tally:     newTally(asked.Streams, granted.MaxBytes),
		allowance: wire.NewAllowance(granted.MaxBytes),
		over:      make(chan struct{}),
		left:      make(chan error, asked.Streams),
		streams:   make([]*stream, asked.Streams),
	}
}

// join makes c the session's stream of a number. The caller answers the client and
// calls the stream's run.
func (s *session) join(c *connection, number int) (*stream, *wire.Refusal) {
	st := &stream{session: s, number: number, conn: c}
	if base, err := bind.ReadTCPInfo(c.raw); err == nil {
		st.base, st.known = base, true
	}
	if refusal := s.prepare(c); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || number >= len(s.streams) || s.streams[number] != nil {
		return nil, &wire.Refusal{Code: wire.RefusedSession,
			Message: fmt.Sprintf("stream %d is not one that the session of %d waits for", number, len(s.streams))}
	}
	c.tcp.SetDeadline(time.Time{}) // from here on the session's, which may end at any time
	s.streams[number] = st
	s.running.Add(1)
	return st, nil
}

// prepare makes a connection that is to send as the client wants it.
func (s *session) prepare(c *connection) *wire.Refusal {
	if s.asked.Direction != wire.Down {
		return nil
	}
	if s.asked.Congestion != "" {
		if err := bind.SetCongestion(c.raw, s.asked.Congestion); err != nil {
			return &wire.Refusal{Code: wire.RefusedCongestion, Message: err.Error()}
		}
	}
	if info, err := bind.ReadTCPInfo(c.raw); err == nil {
		if err := bind.SetBuffers(c.raw, 0, bind.NeededBuffer(info.RTT, s.asked.Streams)); err != nil {
			s.slow.Do(func() { s.limits.Log.Warn("streams may be slower than their path", "client", c.from, "error", err) })
		}
	}
	return nil
}

// run moves the stream's payload. It returns when the session is over or the stream has
// come to its end.
func (s *stream) run() {
	defer s.session.running.Done()
	if s.session.asked.Direction == wire.Up {
		s.session.left <- s.receive()
	} else {
		s.session.left <- s.send()
	}
}

func (s *session) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *session) joined() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams)
}

// run serves the session until its end, and says what came of it. The client has been
// told what is granted; it is not told the result.
func (s *session) run(ctx context.Context, frames <-chan wire.Frame, broken <-chan error) wire.Result {
	ended, err := s.conduct(ctx, frames, broken)
	if s.tally.hasBegun() && ended != wire.EndedByFailure {
		s.tell(s.look()) // the last steps; whoever does not get it has the result
	}
	s.end()
	r := s.tally.result()
	r.Ended = ended
	if err != nil {
		r.Message = err.Error()
	}
	if ended == wire.EndedByStop && r.Bytes == s.granted.MaxBytes {
		r.Ended = wire.EndedByCap
	}
	streams := s.joined()
	r.TCP = sumTCP(readTCP(streams))
	for _, st := range streams {
		if st != nil {
			st.conn.abort()
		}
	}
	return r
}

// end stops the streams and waits for them.
func (s *session) end() {
	s.cut.Store(true)
	if !s.isOver() {
		close(s.over)
	}
	s.mu.Lock()
	s.closed = true
	for _, st := range s.streams {
		if st != nil {
			st.conn.tcp.SetDeadline(time.Unix(1, 0)) // whoever reads or writes wakes up
		}
	}
	s.mu.Unlock()
	s.running.Wait()
}

// conduct takes the session from its grant to its end and says why it ended.
func (s *session) conduct(ctx context.Context, frames <-chan wire.Frame, broken <-chan error) (wire.End, error) {
	limit := time.NewTimer(s.limits.SetupTimeout) // of the part of the session that it is in
	defer limit.Stop()
	timeUp := func() (wire.End, error) {
		return wire.EndedByIdleness, fmt.Errorf("no payload within %v of the grant", s.limits.SetupTimeout)
	}
	var ticks <-chan time.Time
	begun, left := s.tally.begun, 0
	draining := false           // the client has stopped, going up
	stopped := wire.EndedByStop // why the session ends when it does
	idle := idleness{timeout: s.limits.IdleTimeout}
	for {
		select {
		case <-ctx.Done():
			return wire.EndedByShutdown, errors.New("the far end is stopping")
		case err := <-broken:
			return wire.EndedByFailure, fmt.Errorf("control connection: %w", err)
		case <-limit.C:
			if ended, err := timeUp(); ended != "" {
				return ended, err
			}
			// Going down, what was written until now may arrive.
			stopped = wire.EndedByTime
			close(s.over)
			limit.Reset(wire.MaxDrain)
			timeUp = func() (wire.End, error) { return wire.EndedByTime, nil }
		case <-begun:
			begun = nil
			if draining {
				continue // the client stopped before its first payload came
			}
			s.expect()
			ticker := time.NewTicker(wire.Step)
			defer ticker.Stop()
			ticks = ticker.C
			limit.Reset(s.granted.MaxDuration.Duration())
			timeUp = s.timeUp
		case <-ticks:
			state := s.look()
			if err := s.tell(state); err != nil {
				return wire.EndedByFailure, fmt.Errorf("control connection: %w", err)
			}
			if tcp := state.TCP; idle.tooLong(time.Now(), s.tally.moved(), tcp) {
				return wire.EndedByIdleness, fmt.Errorf("no payload moved for %v", s.limits.IdleTimeout)
			}
		case err := <-s.left:
			if err == errTooMuch {
				return wire.EndedByClient, err
			}
			if left++; draining && left == s.asked.Streams {
				return wire.EndedByStop, nil
			}
		case f := <-frames:
			switch f := f.(type) {
			case wire.Go:
				if slices.Contains(s.joined(), nil) {
					return wire.EndedByClient, errors.New("go came before all streams had joined")
				}
				if s.asked.Direction == wire.Down && s.payload == nil {
					s.payload = wire.NewPayload()
				}
				s.tally.begin()
			case wire.Stop:
				if s.asked.Direction == wire.Down || f.Drain == 0 || left == s.asked.Streams {
					return stopped, nil
				}
				draining = true
				limit.Reset(f.Drain.Duration())
				timeUp = func() (wire.End, error) { return wire.EndedByStop, nil }
			default:
				return wire.EndedByClient, fmt.Errorf("the client says what only the far end may: %T", f)
			}
		}
	}
}

// expect begins to look at when payload arrives.
func (s *session) expect() {
	if s.asked.Direction != wire.Up {
		return
	}
	streams := s.joined()
	bases, ok := make([]bind.TCPInfo, len(streams)), make([]bool, len(streams))
	for i, st := range streams {
		if st != nil {
			bases[i], ok[i] = st.base, st.known
		}
	}
	s.arrivals.Look(0, bases, ok)
}

// look returns what has come since it was last told.
func (s *session) look() wire.State {
	infos, ok := readTCP(s.joined())
	steps, at := s.tally.completed(s.reported)
	state := wire.State{At: wire.Seconds(at), From: s.reported, Bytes: steps, TCP: sumTCP(infos, ok)}
	if s.asked.Direction == wire.Up {
		s.arrivals.Look(at, infos, ok)
	}
	return state
}

// tell tells the client a state, if a step is over since the last.
func (s *session) tell(state wire.State) error {
	if len(state.Bytes) == 0 {
		return nil
	}
	if s.asked.Direction == wire.Up {
		state.ArrivedFrom, state.Arrived, state.Waiting = s.arrivals.Changed(wire.Step)
	}
	s.reported += len(state.Bytes)
	return s.say(state)
}

// timeUp says how a session ends that has taken the time granted; not yet, going down.
func (s *session) timeUp() (wire.End, error) {
	if s.asked.Direction == wire.Up {
		return wire.EndedByTime, nil
	}
	return "", nil
}

// sayTimeout is how long a frame may wait to be taken by the system, which has room for
// minutes of them.
const sayTimeout = 2 * time.Second

// say sends f to the client.
func (s *session) say(f wire.Frame) error {
	s.control.tcp.SetWriteDeadline(time.Now().Add(sayTimeout))
	return wire.WriteFrame(s.control, f)
}

// listen hands what the client says to frames until it says no more; the reason goes to
// broken. It returns when the control connection is closed.
func (s *session) listen(frames chan<- wire.Frame, broken chan<- error, ended <-chan struct{}) {
	for {
		f, err := wire.ReadFrame(s.control)
		if err == io.EOF {
			err = errors.New("closed by the client")
		}
		if err != nil {
			broken <- err
			return
		}
		select {
		case frames <- f:
		case <-ended:
			// Nobody asks any more. What comes is read nevertheless: a connection
			// that is closed with something unread loses what it had to say.
		}
	}
}

// idleness notices that nothing moves.
type idleness struct {
	timeout time.Duration
	moved   int64
	since   time.Time
}

// tooLong reports whether neither the payload counted nor what the other ends have
// acknowledged has changed for too long.
func (i *idleness) tooLong(now time.Time, counted int64, tcp *wire.TCP) bool {
	if tcp != nil {
		counted += tcp.Acked
	}
	if counted != i.moved || i.since.IsZero() {
		i.moved, i.since = counted, now
	}
	return now.Sub(i.since) > i.timeout
}
