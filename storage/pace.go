package storage

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostChunk is what is written at once at most: one packet of Ethernet.
	mostChunk = 1460

	// leastChunk is what is written at once at least, so that headers do not
	// outweigh what they carry at the lowest rates.
	leastChunk = 512

	// chunkTime is how long a chunk between the two takes at the rate. A probe is
	// delayed no longer by it than by any other packet.
	chunkTime = 20 * time.Millisecond

	// countEvery is how often the bytes of a connection that moves some are told.
	countEvery = 5 * time.Second
)

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Pacer spaces out what its connections write, together, to a rate, in pieces of a packet
// at most and without bursts. Reading is not paced. The zero value does not pace until
// SetRate is called. All methods are safe for concurrent use.
type Pacer struct {
	mu   sync.Mutex
	rate int64     // bits per second of payload; 0 is unlimited
	next time.Time // when the next chunk may be written
}

// NewPacer returns a pacer to that many bits of payload a second; 0 is unlimited.
func NewPacer(bitsPerSecond int64) *Pacer { return &Pacer{rate: max(0, bitsPerSecond)} }

// Rate returns the bits of payload per second; 0 is unlimited.
func (p *Pacer) Rate() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate
}

// SetRate changes the rate, from the next chunk on.
func (p *Pacer) SetRate(bitsPerSecond int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = max(0, bitsPerSecond)
}

// reserve returns how many of n bytes may be written at once, and after what wait. Each
// chunk takes its time after it, so that in any time t no more than rate * t and one
// chunk are written.
func (p *Pacer) reserve(n int, now time.Time) (chunk int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		p.next = now
		return n, 0
	}
	chunk = min(n, chunkSize(p.rate))
	if p.next.Before(now) {
		p.next = now
	}
	wait = p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(chunk) * 8 / float64(p.rate) * float64(time.Second)))
	return chunk, wait
}

// chunkSize returns how much is written at once at a rate.
func chunkSize(bitsPerSecond int64) int {
	return int(min(mostChunk, max(leastChunk, float64(bitsPerSecond)/8*chunkTime.Seconds())))
}

// Dial returns a dialer whose connections are paced. count, if it is not nil, is told the
// local address of a connection and the bytes it read and wrote since it was told last:
// every few seconds while some move, and when it is closed. It is called while reading,
// writing and closing wait for it, from several goroutines. dial may be nil: the
// system's.
//
// Bytes are those of the stream, without the headers of TCP and IP.
func (p *Pacer) Dial(dial DialFunc, count func(local netip.Addr, bytes int64)) DialFunc {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return p.wrap(conn, count), nil
	}
}

func (p *Pacer) wrap(conn net.Conn, count func(local netip.Addr, bytes int64)) *pacedConn {
	return &pacedConn{
		Conn:    conn,
		pacer:   p,
		closed:  make(chan struct{}),
		changed: make(chan struct{}),
		meter:   meter{count: count, local: localAddr(conn), last: time.Now()},
	}
}

// localAddr returns the address that conn leaves from, invalid if it has none.
func localAddr(conn net.Conn) netip.Addr {
	if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// pacedConn is a connection that writes no faster than its pacer allows.
type pacedConn struct {
	net.Conn
	pacer *Pacer
	meter meter

	writing sync.Mutex // held for a whole Write, so that two do not mix

	closing sync.Once
	closed  chan struct{}

	mu       sync.Mutex // guards what follows
	deadline time.Time  // of writes
	changed  chan struct{}
}

// Read implements net.Conn.
func (c *pacedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.meter.add(n)
	return n, err
}

// Write implements net.Conn. It returns os.ErrDeadlineExceeded and net.ErrClosed also
// while it waits for its turn.
func (c *pacedConn) Write(b []byte) (written int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		chunk, wait := c.pacer.reserve(len(b)-written, time.Now())
		if err := c.wait(wait); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written : written+chunk])
		written += n
		c.meter.add(n)
		if err != nil || written == len(b) {
			return written, err
		}
	}
}

// wait waits until a chunk may be written, the deadline passes, or c is closed.
func (c *pacedConn) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	turn := time.NewTimer(d)
	defer turn.Stop()
	for {
		deadline, changed := c.writeDeadline()
		var late <-chan time.Time
		stop := func() bool { return false }
		if !deadline.IsZero() {
			timer := time.NewTimer(time.Until(deadline))
			late, stop = timer.C, timer.Stop
		}
		select {
		case <-turn.C:
			stop()
			return nil
		case <-late:
			return os.ErrDeadlineExceeded
		case <-c.closed:
			stop()
			return net.ErrClosed
		case <-changed:
			stop()
		}
	}
}

func (c *pacedConn) writeDeadline() (time.Time, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deadline, c.changed
}

// SetDeadline implements net.Conn.
func (c *pacedConn) SetDeadline(t time.Time) error {
	c.setDeadline(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	c.setDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *pacedConn) setDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
}

// Close implements net.Conn.
func (c *pacedConn) Close() error {
	err := c.Conn.Close()
	c.closing.Do(func() {
		close(c.closed)
		c.meter.flush()
	})
	return err
}

// meter adds up the bytes of a connection and tells them now and then.
type meter struct {
	count func(local netip.Addr, bytes int64)
	local netip.Addr
	moved atomic.Int64 // not told yet

	mu     sync.Mutex // guards what follows
	last   time.Time  // when count was told
	closed bool
}

// add counts n bytes.
func (m *meter) add(n int) {
	if n <= 0 || m.count == nil {
		return
	}
	m.moved.Add(int64(n))
	if m.due(time.Now()) {
		m.tell()
	}
}

// due reports whether it is time to tell count, once for each time.
func (m *meter) due(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed && now.Sub(m.last) < countEvery {
		return false
	}
	m.last = now
	return true
}

// flush tells what was not told, and from now on whatever comes at once.
func (m *meter) flush() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	if m.count != nil {
		m.tell()
	}
}

func (m *meter) tell() {
	if n := m.moved.Swap(0); n > 0 {
		m.count(m.local, n)
	}
}
