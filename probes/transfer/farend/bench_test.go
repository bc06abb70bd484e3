package farend

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"perigee/probes/transfer/wire"
)

// benchBytes is what each measurement moves.
const benchBytes int64 = 2 << 30

// BenchmarkFarEnd moves payload over loopback in both directions, and reports the rate
// and its ratio to bare sockets that move as much with buffers of the same size,
// measured in turn with it. Both ends share the machine.
func BenchmarkFarEnd(b *testing.B) {
	f := serve(b, Options{MaxDuration: wire.MaxDuration, MaxBytes: benchBytes, MaxBytesPerDay: wire.MaxBytes})
	for _, direction := range []wire.Direction{wire.Down, wire.Up} {
		for _, streams := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", direction, streams), func(b *testing.B) {
				var ours, bare time.Duration
				for b.Loop() {
					ours += f.transfer(b, direction, streams)
					bare += bareSocket(b)
				}
				b.ReportMetric(float64(benchBytes)*8*float64(b.N)/ours.Seconds()/1e9, "Gbit/s")
				b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
			})
		}
	}
}

func (f *far) transfer(b *testing.B, direction wire.Direction, streams int) time.Duration {
	c := f.open(b, "127.0.0.1", wire.Start{Direction: direction, Streams: streams})
	start := time.Now()
	c.say(wire.Go{})
	if direction == wire.Down {
		if n, err := c.download(); n != benchBytes || err != nil {
			b.Fatal(n, err)
		}
	} else if err := c.upload(benchBytes / int64(streams)); err != nil {
		b.Fatal(err)
	}
	c.say(wire.Stop{Drain: wire.Seconds(wire.MaxDrain)})
	if r, _ := c.result(); r.Bytes != benchBytes {
		b.Fatalf("%+v", r)
	}
	return time.Since(start)
}

// bareSocket writes and reads with nothing else to do.
func bareSocket(b *testing.B) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	peer, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	go func() {
		defer peer.Close()
		payload := wire.NewPayload()[:256<<10]
		for range benchBytes / int64(len(payload)) {
			if _, err := peer.Write(payload); err != nil {
				return
			}
		}
	}()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 256<<10))
	if n != benchBytes || err != nil {
		b.Fatal(n, err)
	}
	return time.Since(start)
}
