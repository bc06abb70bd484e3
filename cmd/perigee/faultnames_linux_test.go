package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"perigee/internal/lab"
)

// A nameAnswer is what a name server does with questions.
type nameAnswer int32

const (
	nameAnswers nameAnswer = iota
	nameDead               // there is none: the port is closed
	nameHangs              // never answers
	nameMissing            // says that there is no such name
	nameFails              // says that it failed
)

func (a nameAnswer) String() string {
	return [...]string{"well", "dead", "hanging", "NXDOMAIN", "SERVFAIL"}[a]
}

// A nameServer answers questions for homeName on port 53 of the loopback, which is where
// the processes of this mount namespace ask.
type nameServer struct {
	t      *testing.T
	answer atomic.Int32
	mu     sync.Mutex
	conn   net.PacketConn // nil while dead
	ended  sync.WaitGroup
}

// newNameServer starts one that ends with the test, and has this mount namespace ask it.
func newNameServer(t *testing.T, dir string) *nameServer {
	t.Helper()
	file := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	n := &nameServer{t: t}
	n.open()
	t.Cleanup(func() {
		n.close()
		n.ended.Wait()
	})
	return n
}

// set chooses what happens to questions from now on.
func (n *nameServer) set(a nameAnswer) {
	n.answer.Store(int32(a))
	if a == nameDead {
		n.close()
	} else {
		n.open()
	}
}

func (n *nameServer) open() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		return
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		n.t.Error(err)
		return
	}
	n.conn = conn
	n.ended.Go(func() { n.serve(conn) })
}

func (n *nameServer) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		n.conn.Close()
		n.conn = nil
	}
}

func (n *nameServer) serve(conn net.PacketConn) {
	b := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if reply, ok := n.reply(b[:size]); ok {
			_, _ = conn.WriteTo(reply, from)
		}
	}
}

// reply answers a question. It reports false if there is no answer.
func (n *nameServer) reply(question []byte) ([]byte, bool) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil, false
	}
	m.Response, m.RecursionAvailable, m.Answers, m.Additionals = true, true, nil, nil
	switch nameAnswer(n.answer.Load()) {
	case nameHangs:
		return nil, false
	case nameFails:
		m.RCode = dnsmessage.RCodeServerFailure
	case nameMissing:
		m.RCode = dnsmessage.RCodeNameError
	default:
		switch q := m.Questions[0]; {
		case q.Name.String() != homeName+".":
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			// Another address of the far host, so that both targets' packets are told apart.
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: lab.Target().Next().As4()},
			}}
		}
	}
	reply, err := m.Pack()
	return reply, err == nil
}
