package api

import (
	"bytes"
	"maps"
	"math"
	"sync"
	"time"

	"perigee"
)

// Feed takes what the measuring process has just stored to those who want it at once:
// the clients of /live and the counters of /metrics. The zero value is ready.
type Feed struct {
	mu      sync.Mutex // guards all below
	streams map[perigee.Stream]*streamTotals
	last    map[perigee.Stream]perigee.Throughput // the newest of each, without series
	clients map[*liveClient]struct{}
	dropped int64 // clients that were too slow
	events  int64
}

// streamTotals is what /metrics says of a stream.
type streamTotals struct {
	counts    perigee.Counts // since the process started
	rttCount  int64
	rttSum    float64             // seconds
	quantiles map[float64]float64 // of the last window's RTT, seconds; never changed, only replaced
	lastLoss  *float64            // of the last window; nil if nothing was sent
	lastEnd   time.Time
	outage    bool // whether one is open
}

// liveClient is one reader of /live. Its events channel is closed when it is dropped.
type liveClient struct {
	events chan []byte
}

const (
	// maxLiveClients bounds the readers of /live at one time.
	maxLiveClients = 64

	// liveBacklog is how many events a reader may lag behind before it is dropped:
	// some windows of a monitor with a dozen streams.
	liveBacklog = 64
)

// Publish tells of a batch that the store has acknowledged. It never waits for a
// client: one that does not keep up is dropped and may connect again.
func (f *Feed) Publish(b perigee.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range b.Samples {
		f.count(s)
		f.send("sample", NewSample(s))
	}
	for _, t := range b.Throughputs {
		f.remember(t)
		f.send("throughput", NewThroughput(t))
	}
	for _, o := range b.Outages {
		f.totals(o.Stream).outage = o.Open
		f.send("outage", NewOutage(o))
	}
	for _, g := range b.Gaps {
		f.send("gap", NewGap(g))
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

// remember keeps t for /metrics, if it is the newest of its stream.
func (f *Feed) remember(t perigee.Throughput) {
	if f.last == nil {
		f.last = map[perigee.Stream]perigee.Throughput{}
	}
	if t.Start.Before(f.last[t.Stream].Start) {
		return
	}
	t.Series, t.TCP, t.TCPReceiver = nil, nil, nil
	f.last[t.Stream] = t
}

func (f *Feed) count(s perigee.Sample) {
	t := f.totals(s.Stream)
	t.counts.Merge(s.Counts)
	t.rttCount += s.RTT.Count
	t.rttSum += s.RTT.Mean * float64(s.RTT.Count)
	t.quantiles = map[float64]float64{}
	for _, q := range metricQuantiles {
		v, ok := s.RTT.Quantile(q)
		if !ok {
			v = math.NaN() // what the Prometheus format says for "undefined"
		}
		t.quantiles[q] = v
	}
	t.lastLoss = defined(s.Counts.LossRatio())
	t.lastEnd = s.End()
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
			delete(f.clients, c)
			close(c.events)
			f.dropped++
		}
	}
}

// subscribe adds a client. It reports false if there are too many.
func (f *Feed) subscribe() (*liveClient, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.clients) >= maxLiveClients {
		return nil, false
	}
	if f.clients == nil {
		f.clients = map[*liveClient]struct{}{}
	}
	c := &liveClient{events: make(chan []byte, liveBacklog)}
	f.clients[c] = struct{}{}
	return c, true
}

// unsubscribe removes a client, if it was not dropped before.
func (f *Feed) unsubscribe(c *liveClient) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.clients, c)
}

// feedState is a copy of a Feed's figures.
type feedState struct {
	streams map[perigee.Stream]streamTotals
	last    map[perigee.Stream]perigee.Throughput
	clients int
	dropped int64
	events  int64
}

func (f *Feed) state() feedState {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := feedState{streams: make(map[perigee.Stream]streamTotals, len(f.streams)), last: maps.Clone(f.last), clients: len(f.clients), dropped: f.dropped, events: f.events}
	for stream, t := range f.streams {
		s.streams[stream] = *t
	}
	return s
}
