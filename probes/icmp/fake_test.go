//go:build linux || darwin

package icmp

import (
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// fakeLink is a link for tests in a synctest bubble: its socket answers as script
// says, in the bubble's time.
type fakeLink struct {
	// script returns after which delays replies to probe seq come.
	script func(seq perigee.Seq) []time.Duration

	mu      sync.Mutex
	changed bool
	pathErr error
	sendErr error
	path    bind.Path
	sockets []*fakeSocket
}

func (l *fakeLink) Changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.changed
	l.changed = false
	return changed
}

func (l *fakeLink) Path(netip.Addr) (bind.Path, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path, l.pathErr
}

func (l *fakeLink) Open(netip.Addr, uint16) (socket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pathErr != nil {
		return nil, l.pathErr
	}
	s := &fakeSocket{
		link:     l,
		path:     l.path,
		replies:  make(chan fakeReply, 1024),
		closed:   make(chan struct{}),
		deadline: make(chan time.Time, 1),
	}
	l.sockets = append(l.sockets, s)
	return s, nil
}

func (l *fakeLink) Close() error { return nil }

// set changes the link's state.
func (l *fakeLink) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.changed = true
}

// fakeReply is a packet and when it came, which the kernel would stamp on it.
type fakeReply struct {
	packet []byte
	at     time.Time
}

type fakeSocket struct {
	link     *fakeLink
	path     bind.Path
	replies  chan fakeReply
	closed   chan struct{}
	deadline chan time.Time // a new one, for the receive that waits

	mu   sync.Mutex
	sent []netip.Addr
	due  time.Time // the deadline in force
}

func (s *fakeSocket) Path() bind.Path { return s.path }

func (s *fakeSocket) Close() error { close(s.closed); return nil }

func (s *fakeSocket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = t
	select {
	case <-s.deadline:
	default:
	}
	s.deadline <- t
	return nil
}

func (s *fakeSocket) Send(p []byte, to netip.Addr) error {
	s.link.mu.Lock()
	err := s.link.sendErr
	s.link.mu.Unlock()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.sent = append(s.sent, to)
	s.mu.Unlock()
	reply := answer(p)
	var seq perigee.Seq
	for _, b := range p[24:32] {
		seq = seq<<8 | perigee.Seq(b)
	}
	for _, delay := range s.link.script(seq) {
		time.AfterFunc(delay, func() {
			select {
			case <-s.closed:
			case s.replies <- fakeReply{reply, time.Now()}:
			}
		})
	}
	return nil
}

func (s *fakeSocket) Receive(m *bind.Message) error {
	for {
		s.mu.Lock()
		due := s.due
		s.mu.Unlock()
		var expired <-chan time.Time
		if !due.IsZero() {
			if !time.Now().Before(due) {
				return os.ErrDeadlineExceeded
			}
			expired = time.After(time.Until(due))
		}
		select {
		case p := <-s.replies:
			*m = s.message(p)
			return nil
		case <-s.deadline:
		case <-expired:
		case <-s.closed:
			return os.ErrClosed
		}
	}
}

func (s *fakeSocket) message(r fakeReply) bind.Message {
	return bind.Message{Data: r.packet, Local: s.path.Local, Interface: s.path.Index, Read: time.Now(), Waited: time.Since(r.at)}
}

func (s *fakeSocket) ReceiveNow(m *bind.Message) error {
	select {
	case p := <-s.replies:
		*m = s.message(p)
		return nil
	default:
		return os.ErrDeadlineExceeded
	}
}

// newFake returns a prober on a fake link whose replies come after the delays of
// script.
func newFake(t testing.TB, o Options, script func(perigee.Seq) []time.Duration) (*Prober, *fakeLink) {
	t.Helper()
	o.Bind = bind.Options{Interface: "wan0"}
	p := newProber(t, o)
	l := &fakeLink{
		script: script,
		path:   bind.Path{Index: 3, Name: "wan0", Bound: true, Local: netip.MustParseAddr("10.1.0.2")},
	}
	p.link = l
	return p, l
}
