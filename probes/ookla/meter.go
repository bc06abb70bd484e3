package ookla

import (
	"sync"
	"time"

	"perigee"
)

// meter counts what connections carry, and says when the transfer is over.
//
// Payload is what was read from connections going down, and going up what the peer has
// acknowledged: what is merely handed to the socket may wait there for seconds.
type meter struct {
	up    bool
	limit int64 // bytes of all connections in both directions; 0 is none

	// over is closed when the transfer has come to its end by itself.
	over chan struct{}

	polling sync.Mutex // held while acknowledgements are asked for and counted

	mu       sync.Mutex // guards what follows
	conns    []*conn
	spent    int64     // of limit: read, written, and what reads have set aside
	promised int64     // of limit: what requests may come to
	start    time.Time // of the transfer; zero before
	polled   time.Duration
	series   []int64
	told     int   // counts that were given out, and do not change any more
	payload  int64 // sum of the series
	asked    bool  // a connection took a request
	broken   int64 // payload when a request last failed
	ended    bool
	stop     perigee.StopReason
	err      error
}

func newMeter(up bool, limit int64) *meter {
	return &meter{up: up, limit: limit, over: make(chan struct{})}
}

// begin starts the series. What moved before counts against the limit alone.
func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.start = time.Now()
	m.promised = m.spent
}

// end says why the transfer is over; only the first call counts.
func (m *meter) end(stop perigee.StopReason, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.ended, m.stop, m.err = true, stop, err
	close(m.over)
}

// requestOverhead is room for the headers of a request and its answer.
const requestOverhead = 4 << 10

// promise sets aside room for a request of the given payload. Connections are not
// held to it, for what a server has sent is in the link before it is read: asking for
// no more is the only cap that holds there too.
func (m *meter) promise(size int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	need := promiseOf(size)
	if m.limit != 0 && m.promised+need > m.limit {
		return false
	}
	m.promised += need
	return true
}

// promiseOf is a request's payload and all that goes with it, TLS records included.
func promiseOf(size int64) int64 { return size + size/256 + requestOverhead }

// room is how much of the limit no request was promised; false if there is no limit.
func (m *meter) room() (int64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limit - m.promised, m.limit != 0
}

// reserve takes up to n bytes of the limit for a read or write, 0 if it is used up.
func (m *meter) reserve(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit != 0 {
		n = int(min(int64(n), max(m.limit-m.spent, 0)))
	}
	m.spent += int64(n)
	return n
}

// settle gives back what a read or write reserved and did not move, and counts payload
// that was read.
func (m *meter) settle(reserved, moved int, payload bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spent -= int64(reserved - moved)
	if payload && m.asked && moved > 0 {
		now := time.Since(m.start)
		m.count(now, now, int64(moved))
	}
}

// count adds n bytes that came evenly between from and to. The caller holds mu.
func (m *meter) count(from, to time.Duration, n int64) {
	first := max(int(from/step), m.told)
	last := max(int(to/step), first)
	m.extend(last + 1)
	m.payload += n
	from = max(from, time.Duration(first)*step)
	given := int64(0)
	for i := first; i < last; i++ {
		edge := time.Duration(i+1) * step
		share := int64(float64(n)*float64(edge-from)/float64(to-from)) - given
		m.series[i] += share
		given += share
	}
	m.series[last] += n - given
}

func (m *meter) extend(length int) {
	for len(m.series) < length {
		m.series = append(m.series, 0)
	}
}

// poll asks the kernel for news, and counts what was acknowledged since it was last
// called. It ends the transfer if headers and retransmissions, which no connection sees,
// use up the limit.
func (m *meter) poll() { m.pollAt(0) }

// pollAt is poll for what moved until at, since the start; 0 is now.
func (m *meter) pollAt(at time.Duration) {
	m.polling.Lock()
	defer m.polling.Unlock()
	m.mu.Lock()
	conns := m.conns
	m.mu.Unlock()
	var acknowledged, wire int64
	for _, c := range conns {
		a, w := c.poll()
		acknowledged += a
		wire += w
	}
	if m.limit != 0 && wire >= m.limit {
		m.end(perigee.StoppedAtCap, nil)
	}
	if !m.up {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at == 0 {
		at = time.Since(m.start)
	}
	at = max(at, m.polled)
	if m.asked {
		m.count(m.polled, at, acknowledged)
	}
	m.polled = at
}

// tell returns the counts that are complete and were not told yet.
func (m *meter) tell() []int64 {
	m.poll()
	m.mu.Lock()
	defer m.mu.Unlock()
	complete := max(int(time.Since(m.start)/step), m.told)
	m.extend(complete)
	counts := m.series[m.told:complete]
	m.told = complete
	return append([]int64(nil), counts...)
}

// finish closes the connections, and returns the counts that were not told yet, the last
// perhaps of less than a step, and how long the transfer took.
func (m *meter) finish() (counts []int64, length time.Duration) {
	m.mu.Lock()
	length = time.Since(m.start)
	conns := m.conns
	m.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	m.pollAt(length)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.extend(max(int((length+step-1)/step), m.told))
	counts = append([]int64(nil), m.series[m.told:]...)
	length = max(length, time.Duration(len(m.series)-1)*step) // a count beside its time, by the scheduler's doing
	m.told = len(m.series)
	return counts, length
}

// reached notes that a connection took a request. What moves before, such as a TLS
// handshake that fails in the end, is no payload.
func (m *meter) reached() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = true
}

// moved reports whether there was any payload.
func (m *meter) moved() bool {
	m.poll()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.payload > 0
}

// requestBroke decides what becomes of a request whose connection failed. Servers close
// connections as they like, and the next request makes a new one; but if nothing moved
// since the last time, the link or the server is gone.
func (m *meter) requestBroke(err error) {
	m.poll()
	m.mu.Lock()
	now := m.payload
	again := now > m.broken
	m.broken = now
	m.mu.Unlock()
	if !again {
		m.end(perigee.StoppedByFailure, err)
	}
}

// silent reports whether nothing came in the later half of the transfer.
func (m *meter) silent() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.series[len(m.series)/2:] {
		if n != 0 {
			return false
		}
	}
	return true
}

// ending is why the transfer is over, after over was closed.
func (m *meter) ending() (perigee.StopReason, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stop, m.err
}
