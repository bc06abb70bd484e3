package farend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"perigee/probes/transfer/wire"
)

// Serve serves clients that come to a TCP listener until ctx ends, which is no error. It
// closes the listener; all sessions and connections have ended when it returns.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	o, err := o.complete()
	if err != nil {
		l.Close()
		return err
	}
	s := &server{
		limits:   o,
		door:     newDoor(o.MaxStrangers),
		sessions: sessions{limits: o, daily: daily{limit: o.MaxBytesPerDay}, open: map[wire.SessionID]*session{}},
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() {
		l.Close()
		s.door.close()
	})
	defer func() {
		cancel()
		if stop() { // never, as ctx has ended; but then nobody else would close them
			l.Close()
			s.door.close()
		}
		s.running.Wait()
	}()
	return s.accept(ctx, l)
}

type server struct {
	limits   Options
	door     *door
	sessions sessions
	refusals seldom
	running  sync.WaitGroup // the goroutines of connections
}

// acceptPause is how long the far end waits when the system has no descriptor for one
// more connection.
const acceptPause = 100 * time.Millisecond

func (s *server) accept(ctx context.Context, l net.Listener) error {
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("far end: %w", err)
		case err != nil:
			s.refusals.warn(s.limits.Log, "no connection can be accepted", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			conn.Close()
			return fmt.Errorf("far end: %T is no TCP listener", l)
		}
		c, err := newConnection(tcp)
		if err != nil {
			tcp.Close()
			continue
		}
		g := s.door.enter(ctx, c)
		if g == nil {
			c.abort()
			continue
		}
		s.running.Go(func() { s.serve(ctx, c, g) })
	}
}

// serve takes a stranger's connection to its end.
func (s *server) serve(ctx context.Context, c *connection, g *guest) {
	welcome, err := s.welcome(ctx, c)
	if err != nil {
		s.door.leave(g)
		c.tcp.Close()
		if refusal, ok := errors.AsType[*wire.Refusal](err); ok {
			s.refusals.warn(s.limits.Log, "client refused", "client", c.from, "code", string(refusal.Code), "reason", refusal.Message)
		} else {
			s.limits.Log.Debug("connection ended before it was known", "client", c.from, "error", err)
		}
		return
	}
	s.door.leave(g) // if it was shown out just now, the next read or write says so
	welcome()
}

// welcome finds out what a stranger wants, and answers. What it returns serves the client.
func (s *server) welcome(ctx context.Context, c *connection) (serve func(), err error) {
	c.tcp.SetDeadline(time.Now().Add(s.limits.HandshakeTimeout))
	binding, err := c.handshake(s.limits.TLS)
	if err != nil {
		return nil, err
	}
	request, err := wire.ServerHandshake(c, wire.Secret{Key: s.limits.Key, Binding: binding})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, refuse(c, request, &wire.Refusal{Code: wire.RefusedStopping, Message: "the far end is stopping; try again later"})
	}
	if request.Kind == wire.Data {
		return s.welcomeData(c, request)
	}
	return s.welcomeControl(ctx, c, request)
}

// refuse tells the client and returns refusal.
func refuse(c *connection, request *wire.Request, refusal *wire.Refusal) error {
	if err := request.Refuse(c, refusal); err != nil {
		return fmt.Errorf("refusing a client (%s): %w", refusal.Code, err)
	}
	return refusal
}

func (s *server) welcomeData(c *connection, request *wire.Request) (serve func(), err error) {
	session := s.sessions.find(request.Session)
	if session == nil {
		return nil, refuse(c, request, &wire.Refusal{Code: wire.RefusedSession, Message: "there is no such session, or no more; ask for one on a control connection"})
	}
	stream, refusal := session.join(c, request.Stream)
	if refusal != nil {
		return nil, refuse(c, request, refusal)
	}
	// The session closes the connection, as its last state is read before.
	if err := request.Accept(c, wire.Granted{}); err != nil {
		s.limits.Log.Debug("stream lost as it joined", "client", c.from, "error", err)
	}
	return stream.run, nil
}

func (s *server) welcomeControl(ctx context.Context, c *connection, request *wire.Request) (serve func(), err error) {
	session, refusal := s.sessions.begin(request.Start, c)
	if refusal != nil {
		return nil, refuse(c, request, refusal)
	}
	if err := request.Accept(c, session.granted); err != nil {
		s.sessions.end(session, 0)
		return nil, err
	}
	c.tcp.SetDeadline(time.Time{})
	return func() { s.conduct(ctx, session) }, nil
}

// lingering is how long the far end waits for a client that has its result to close.
const lingering = 2 * time.Second

// conduct serves a session and closes its control connection.
func (s *server) conduct(ctx context.Context, session *session) {
	frames, broken, ended := make(chan wire.Frame), make(chan error, 1), make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() { session.listen(frames, broken, ended) })
	result := session.run(ctx, frames, broken)
	close(ended)
	// The place is free before the client knows, so that it may ask again at once.
	s.sessions.end(session, result.Bytes)
	s.log(session, result)
	session.say(result)
	session.control.closeWrite()
	// A client that does not close waits with the strangers, and goes with them.
	if g := s.door.enter(ctx, session.control); g != nil {
		session.control.tcp.SetReadDeadline(time.Now().Add(lingering))
		listening.Wait()
		s.door.leave(g)
	}
	session.control.tcp.Close()
	listening.Wait()
}

func (s *server) log(session *session, r wire.Result) {
	level := slog.LevelInfo
	if r.Message != "" {
		level = slog.LevelWarn
	}
	s.limits.Log.Log(context.Background(), level, "session ended", "client", session.control.from, "direction", string(session.asked.Direction),
		"streams", session.asked.Streams, "congestion", session.granted.Congestion, "bytes", r.Bytes, "length_seconds", r.Length.Duration().Seconds(),
		"ended", string(r.Ended), "reason", r.Message)
}

// seldom logs what strangers could cause at will, once in logPause at most.
type seldom struct {
	mu     sync.Mutex
	next   time.Time
	silent int
}

const logPause = 10 * time.Second

func (q *seldom) warn(log *slog.Logger, message string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if now.Before(q.next) {
		q.silent++
		return
	}
	if q.silent > 0 {
		args = append(args, "not_logged_before", q.silent)
	}
	log.Warn(message, args...)
	q.next, q.silent = now.Add(logPause), 0
}
