package ookla_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"path"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perigee/probes/bind"
)

// fileSizes are those that public servers have.
var fileSizes = map[string]int64{
	"random350x350.jpg": 245388, "random500x500.jpg": 505544, "random750x750.jpg": 1118012, "random1000x1000.jpg": 1986284,
	"random1500x1500.jpg": 4468241, "random2000x2000.jpg": 7907740, "random2500x2500.jpg": 12407926, "random3000x3000.jpg": 17816816,
	"random3500x3500.jpg": 24262167, "random4000x4000.jpg": 31625365,
}

// server speaks what a public server and the directory of servers speak, and counts.
type server struct {
	address  string
	listed   func(s *server) []listed // by the directory
	wrong    func(w http.ResponseWriter, r *http.Request) bool
	unframed bool // files come without their length
	paced    bool // each stream moves 64 KiB in 5 ms at most, so that loopback does not use up the machine
	tls      *tls.Config
	web      *http.Server

	requests atomic.Int64

	mu      sync.Mutex
	sources map[netip.Addr]int
	sent    int64 // bytes that the client's kernel has acknowledged, of closed connections
	got     int64 // bytes read, headers included
	agents  map[string]int
}

type listed struct {
	ID      string `json:"id" xml:"id,attr"`
	URL     string `json:"url" xml:"url,attr"`
	Host    string `json:"host" xml:"host,attr"`
	Name    string `json:"name" xml:"name,attr"`
	Sponsor string `json:"sponsor" xml:"sponsor,attr"`
}

// serve starts a server on a listener, until t ends.
func serve(t testing.TB, listener net.Listener, change func(s *server)) *server {
	t.Helper()
	s := &server{address: listener.Addr().String(), sources: map[netip.Addr]int{}, agents: map[string]int{}}
	if change != nil {
		change(s)
	}
	s.web = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	var counting net.Listener = countingListener{listener, s}
	if s.tls != nil {
		counting = tls.NewListener(counting, s.tls)
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.web.Serve(counting) })
	t.Cleanup(func() {
		s.web.Close()
		wg.Wait()
	})
	return s
}

// local starts a server on loopback.
func local(t testing.TB, change func(s *server)) *server {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, listener, func(s *server) {
		s.paced = true
		if change != nil {
			change(s)
		}
	})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	s.mu.Lock()
	s.sources[netip.MustParseAddrPort(r.RemoteAddr).Addr()]++
	s.agents[r.UserAgent()]++
	s.mu.Unlock()
	if s.wrong != nil && s.wrong(w, r) {
		return
	}
	name := path.Base(r.URL.Path)
	size, download := fileSizes[name]
	switch {
	case download && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "image/jpeg")
		if !s.unframed {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		block := make([]byte, 64<<10)
		for size > 0 {
			n, err := w.Write(block[:min(size, int64(len(block)))])
			if err != nil {
				return
			}
			size -= int64(n)
			s.pause()
		}
	case name == "upload.php" && r.Method == http.MethodPost:
		got, block := 0, make([]byte, 64<<10)
		for {
			n, err := r.Body.Read(block)
			got += n
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			s.pause()
		}
		fmt.Fprintf(w, "size=%d", got)
	case name == "latency.txt":
		io.WriteString(w, "test=test\n")
	case r.URL.Path == "/api/js/servers" && s.listed != nil:
		json.NewEncoder(w).Encode(s.listed(s))
	case r.URL.Path == "/api/ios-config.php" && s.listed != nil:
		io.WriteString(w, "<settings><servers>")
		for _, l := range s.listed(s) {
			fmt.Fprintf(w, `<server url=%q id=%q host=%q name=%q sponsor=%q/>`, l.URL, l.ID, l.Host, l.Name, l.Sponsor)
		}
		io.WriteString(w, "</servers></settings>")
	default:
		http.NotFound(w, r)
	}
}

func (s *server) pause() {
	if s.paced {
		<-time.After(5 * time.Millisecond)
	}
}

// entry is how the directory lists s.
func (s *server) entry(id string) listed {
	return listed{ID: id, URL: "http://" + s.address + "/speedtest/upload.php", Host: s.address, Name: "Nowhere", Sponsor: "Nobody"}
}

// counted returns the server's counts, after all connections have gone.
func (s *server) counted() (sent, got int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.got
}

// seen returns the addresses that requests came from.
func (s *server) seen() map[netip.Addr]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources
}

type countingListener struct {
	net.Listener
	server *server
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c.(*net.TCPConn), l.server, sync.Once{}}, nil
}

// countingConn counts what its kernel knows to have arrived, and what is read.
type countingConn struct {
	*net.TCPConn
	server *server
	once   sync.Once
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.server.mu.Lock()
	c.server.got += int64(n)
	c.server.mu.Unlock()
	return n, err
}

// Write hides ReadFrom, and so does not hide Write from the server.
func (c *countingConn) Write(p []byte) (int, error) { return c.TCPConn.Write(p) }

func (c *countingConn) Close() error {
	c.once.Do(func() {
		raw, err := c.SyscallConn()
		if err != nil {
			return
		}
		if info, err := bind.ReadTCPInfo(raw); err == nil {
			c.server.mu.Lock()
			c.server.sent += max(info.BytesAcked, 0)
			c.server.mu.Unlock()
		}
	})
	return c.TCPConn.Close()
}

// patience is longer than anything here takes: what lasts until then has no end.
const patience = 2 * time.Minute
