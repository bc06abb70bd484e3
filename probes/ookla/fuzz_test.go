package ookla

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"testing"
	"time"

	"perigee"
	"perigee/probes/bind"
)

// nobody is a child's standard input that takes everything.
type nobody struct{ io.Writer }

func (nobody) Close() error { return nil }

// FuzzChildMessages gives the parent whatever a child may write before it ends: the
// library in it shares its memory with ours, and may have broken it. A result is one that
// can be stored; all else is an error.
func FuzzChildMessages(f *testing.F) {
	lines := func(messages ...message) []byte {
		var b bytes.Buffer
		for _, m := range messages {
			if err := json.NewEncoder(&b).Encode(m); err != nil {
				f.Fatal(err)
			}
		}
		return b.Bytes()
	}
	begun := message{Started: &started{"Example (Town)", "12345"}}
	moving := message{Progress: &progress{Counts: []int64{1e5, 2e5, 3e5}, TCP: &perigee.TCPState{At: step, RTT: 5e7, Window: 1e5}}}
	over := message{Ended: &ended{Stop: perigee.StoppedAtTime, Length: 450 * time.Millisecond, Counts: []int64{3e5, 1e5}, Proof: perigee.Proof{Remote: netip.MustParseAddr("192.0.2.1")}, Retransmitted: -1}}
	f.Add(lines(begun, moving, over), true)
	f.Add(lines(begun, moving, moving, moving, moving, over), false)
	f.Add(lines(message{Failed: &failure{perigee.CodeUnavailable, "no server"}}), false)
	f.Add(lines(begun, message{Ended: &ended{Length: -time.Minute}}), true)
	f.Add([]byte("panic: out of order\n\ngoroutine 1"), true)
	f.Add([]byte("{}\nnull\n[]\n"), false)
	f.Fuzz(func(t *testing.T, text []byte, up bool) {
		o := Options{Stream: perigee.Stream{Load: perigee.LoadDown}, Binding: bind.Options{Interface: "wan0"}, Precision: 0.05, Command: nil}
		if up {
			o.Stream.Load = perigee.LoadUp
		}
		var told int64
		o.OnProgress = func(p Progress) { told = p.Bytes }
		o.Streams, o.MaxDuration, o.Setup = defaultStreams, defaultMaxDuration, defaultSetup
		o.Clock = func() perigee.Reading { return perigee.Reading{Wall: time.Unix(1_772_402_400, 0)} }
		p := &process{in: nobody{io.Discard}, requests: json.NewEncoder(io.Discard), messages: make(chan message), quit: make(chan struct{})}
		p.ending.Do(func() {}) // there is no process to kill
		defer close(p.quit)
		go p.listen(bytes.NewReader(text))
		r := run{o: o, process: p}
		got, err := r.follow(context.Background())
		if err != nil {
			if perigee.CodeOf(err) == "" || err.Error() == "" {
				t.Errorf("error %T %v", err, err)
			}
			return
		}
		if err := got.Check(); err != nil || got.Bytes < told && told > 0 {
			t.Errorf("a result of %d bytes, told %d: %v", got.Bytes, told, err)
		}
		var again perigee.Throughput
		if err := again.Unpack(got.Pack(nil)); err != nil {
			t.Errorf("the result cannot be stored and read: %v", err)
		}
	})
}

// FuzzChildRequest gives the child whatever may stand on its standard input: without a
// request that is whole it does nothing and says so.
func FuzzChildRequest(f *testing.F) {
	whole, err := json.Marshal(request{Load: perigee.LoadDown, Server: "192.0.2.1:8080", Streams: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:len(whole)-1])
	f.Add([]byte("null"))
	f.Add([]byte(`{"Streams":"1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var q request
		if json.NewDecoder(bytes.NewReader(text)).Decode(&q) == nil && q.Binding != (bind.Options{}) {
			t.Skip("it would be done")
		}
		var out bytes.Buffer
		err := Child(bytes.NewReader(text), &out)
		if err == nil && out.Len() == 0 { // with an error, something may still be written
			t.Errorf("%q: nothing is told", text)
		}
	})
}
