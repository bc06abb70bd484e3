package transfer

import (
	"sync"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// account knows what a transfer's connections have moved over the wire.
type account struct {
	mu    sync.Mutex // guards what follows
	lines []line
}

// line is what is known of one connection, also after it was closed.
type line struct {
	conn  *connection
	data  bool
	info  bind.TCPInfo
	known bool
}

// open takes c into account. data tells that payload goes over it.
func (a *account) open(c *connection, data bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, line{conn: c, data: data})
}

// tally is the sum over connections at one time.
type tally struct {
	known bool // the system tells all of what follows

	wire int64 // bytes on the wire, both directions, all connections

	// Of data connections alone:
	sent, retransmitted int64 // payload and TLS; sent counts what was sent again as often
	unacked, lost       int64 // segments under way, and of these taken for lost
	unsent              int64 // payload and TLS in sockets that has not been sent yet
	header, mss         int   // of a segment
	received            int64

	state    perigee.TCPState         // of the connections as senders
	receiver perigee.TCPReceiverState // and as receivers
}

// look asks the system about all connections.
func (a *account) look() tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := tally{known: len(a.lines) > 0}
	var rtts, received time.Duration
	n, receiving := 0, 0
	for i := range a.lines {
		l := &a.lines[i]
		// A closed connection keeps what was last known.
		if info, err := bind.ReadTCPInfo(l.conn.raw); err == nil {
			l.info, l.known = info, true
		}
		moved, known := l.info.WireBytes(l.conn.six)
		if !l.known || !known {
			t.known = false
			continue
		}
		t.wire += moved
		if !l.data {
			continue
		}
		t.add(l)
		rtts += l.info.RTT
		n++
		if l.info.RcvRTT > 0 {
			received += l.info.RcvRTT
			receiving++
		}
	}
	t.state.RTT = rtts / time.Duration(max(1, n))
	t.receiver.RTT = received / time.Duration(max(1, receiving))
	return t
}

// arrived reports whether all that was written to data connections has been acknowledged.
func (t *tally) arrived() bool { return t.unacked == 0 && t.unsent == 0 }

func (t *tally) add(l *line) {
	i := l.info
	t.sent += i.BytesSent
	t.retransmitted += i.BytesRetrans
	t.unacked += i.Unacked
	t.lost += i.Lost
	t.unsent += max(0, i.NotSent)
	t.received += i.BytesReceived
	t.header, t.mss = max(t.header, i.SegmentHeader(l.conn.six)), max(t.mss, i.SndMSS)
	t.state.Window += i.SndCwnd * int64(i.SndMSS)
	t.state.Retransmitted += i.BytesRetrans
	t.state.DeliveryRate += float64(max(0, i.DeliveryRate)) * 8
	if i.MinRTT > 0 && (t.state.MinRTT == 0 || i.MinRTT < t.state.MinRTT) {
		t.state.MinRTT = i.MinRTT
	}
	t.receiver.MinRTT = t.state.MinRTT
	t.receiver.Space += i.RcvSpace
	t.receiver.Received += i.BytesReceived
	t.receiver.Segments = addKnown(t.receiver.Segments, i.DataSegsIn)
	t.receiver.OutOfOrder = addKnown(t.receiver.OutOfOrder, i.RcvOutOfOrder)
}

// addKnown returns a + b; negative, which is not known, if one of them is.
func addKnown(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// dataLines returns what was last known of the data connections, and of which of them
// anything is.
func (a *account) dataLines() (infos []bind.TCPInfo, known []bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lines {
		if l.data {
			infos, known = append(infos, l.info), append(known, l.known)
		}
	}
	return infos, known
}
