package api

import (
	"bytes"
	"maps"
	"sync"

	"perigee"
)

// Feed takes what the measuring process has just stored to those who want it at once:
// the clients of /live and the counters of /metrics. The zero value is ready.
type Feed struct {
	mu      sync.Mutex // guards all below
	streams map[perigee.Stream]*streamTotals
	last    map[perigee.Stream]perigee.Throughput // the newest of each, without series
	monitor monitorTotals
	maker   Maker
	clients map[*liveClient]struct{}
	askers  map[string]int // clients by who asks
	dropped int64          // clients that were too slow
	events  int64
}

// liveClient is one reader of /live. Its events channel is closed when it is dropped.
type liveClient struct {
	events chan []byte
	asker  string
}

const (
	// maxLiveClients bounds the readers of /live at one time.
	maxLiveClients = 64

	// liveBacklog is how many events a reader may lag behind before it is dropped:
	// some windows of a monitor with a dozen streams.
	liveBacklog = 64
)

// Measured says what measures what is published from now on.
func (f *Feed) Measured(m perigee.Maker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.maker = NewMaker(m)
}

// Publish tells of a batch that the store has acknowledged. It never waits for a
// client: one that does not keep up is dropped and may connect again.
func (f *Feed) Publish(b perigee.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range b.Samples {
		f.totals(s.Stream).add(s)
		one := NewSample(s)
		one.Maker = f.maker
		f.send("sample", one)
	}
	f.monitor.addTransfers(b)
	for _, t := range b.Throughputs {
		f.remember(t)
		one := NewThroughput(t)
		one.Maker = f.maker
		f.send("throughput", one)
	}
	for _, o := range b.Outages {
		f.totals(o.Stream).addOutage(o)
		one := NewOutage(o)
		one.Maker = f.maker
		f.send("outage", one)
	}
	for _, g := range b.Gaps {
		f.monitor.addGap(g)
		one := NewGap(g)
		one.Maker = f.maker
		f.send("gap", one)
	}
}

// Expect tells of streams that will be measured, so that /metrics counts from 0 for them,
// before and without their first sample.
func (f *Feed) Expect(streams ...perigee.Stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range streams {
		f.totals(s)
	}
}

func (f *Feed) totals(s perigee.Stream) *streamTotals {
	if f.streams == nil {
		f.streams = map[perigee.Stream]*streamTotals{}
	}
	t := f.streams[s]
	if t == nil {
		t = &streamTotals{}
		f.streams[s] = t
	}
	return t
}

// remember keeps t for /metrics, if it is the newest of its stream. The targets of our own
// far ends are those of the configuration; the public server may be another each time, so
// of those the newest alone is kept for each link and direction.
func (f *Feed) remember(t perigee.Throughput) {
	if f.last == nil {
		f.last = map[perigee.Stream]perigee.Throughput{}
	}
	if t.Start.Before(f.last[t.Stream].Start) {
		return
	}
	if t.Stream.Method == perigee.MethodOokla {
		maps.DeleteFunc(f.last, func(s perigee.Stream, _ perigee.Throughput) bool {
			s.Target, s.Family = t.Stream.Target, t.Stream.Family
			return s == t.Stream
		})
	}
	t.Series, t.TCP, t.TCPReceiver = nil, nil, nil
	f.last[t.Stream] = t
}

// send writes one server-sent event to every client.
func (f *Feed) send(name string, v any) {
	f.events++
	if len(f.clients) == 0 {
		return
	}
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	if err := Encode(&b, v); err != nil {
		panic(err) // only for a value that JSON cannot hold
	}
	b.WriteByte('\n')
	for c := range f.clients {
		select {
		case c.events <- b.Bytes():
		default:
			f.remove(c)
			close(c.events)
			f.dropped++
		}
	}
}

// subscribe adds a client of the given asker. It reports false if there are too many, in
// all or of that asker's.
func (f *Feed) subscribe(asker string) (*liveClient, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.clients) >= maxLiveClients || f.askers[asker] >= maxLiveEach {
		return nil, false
	}
	if f.clients == nil {
		f.clients, f.askers = map[*liveClient]struct{}{}, map[string]int{}
	}
	c := &liveClient{events: make(chan []byte, liveBacklog), asker: asker}
	f.clients[c] = struct{}{}
	f.askers[asker]++
	return c, true
}

// remove takes c off the list, if it is on it.
func (f *Feed) remove(c *liveClient) {
	if _, ok := f.clients[c]; !ok {
		return
	}
	delete(f.clients, c)
	if f.askers[c.asker]--; f.askers[c.asker] == 0 {
		delete(f.askers, c.asker)
	}
}

// unsubscribe removes a client, if it was not dropped before.
func (f *Feed) unsubscribe(c *liveClient) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(c)
}

// feedState is a copy of a Feed's figures.
type feedState struct {
	streams map[perigee.Stream]streamTotals
	last    map[perigee.Stream]perigee.Throughput
	monitor monitorTotals
	clients int
	dropped int64
	events  int64
}

// state returns the figures of one instant: those of a stream belong together.
func (f *Feed) state() feedState {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := feedState{streams: make(map[perigee.Stream]streamTotals, len(f.streams)), last: maps.Clone(f.last), monitor: f.monitor.clone(), clients: len(f.clients), dropped: f.dropped, events: f.events}
	for stream, t := range f.streams {
		s.streams[stream] = t.clone()
	}
	return s
}
