package transfer_test

import (
	"math"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
)

// lossy is a long link that loses packets now and then.
func lossy(rate int64, delay time.Duration) lab.Profile {
	p := plain("wan", rate, delay, 400e3)
	p.Down.Loss, p.Up.Loss = 0.002, 0.002
	return p
}

// TestBothEndsOfTheConnectionsAreTold holds what the kernels say against a link whose delay
// and deliveries are known.
func TestBothEndsOfTheConnectionsAreTold(t *testing.T) {
	const delay = 50 * time.Millisecond // one way
	l := newLab(t, lossy(20e6, delay))
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		t.Run(string(load), func(t *testing.T) {
			o := over(t, l, "wan", load)
			o.Streams, o.Congestion, o.MaxDuration = 4, "cubic", 3200*time.Millisecond
			way := lab.Up
			if load == perigee.LoadDown {
				way = lab.Down
			}
			before := l.Stats("wan").Delivered[way]
			r := run(t, o)
			packets := l.Stats("wan").Delivered[way] - before
			if len(r.TCP) < 3 || len(r.TCPReceiver) < 3 {
				t.Fatalf("%d states of the sender and %d of the receiver in %v", len(r.TCP), len(r.TCPReceiver), r.Length)
			}
			for _, s := range r.TCP {
				if s.RTT < 2*delay || s.MinRTT < 2*delay || s.MinRTT > s.RTT || s.Window <= 0 {
					t.Errorf("the sender says %+v of a path of %v", s, 2*delay)
				}
			}
			var last perigee.TCPReceiverState
			for _, s := range r.TCPReceiver {
				// A busy machine adds to it; at first no payload has come back.
				if s.RTT < 2*delay && (s.RTT > 0 || s.At > time.Second) || s.RTT > time.Second || s.MinRTT < 2*delay || s.MinRTT > time.Second || s.Space <= 0 {
					t.Errorf("the receiver says %+v of a path of %v", s, 2*delay)
				}
				if s.At <= last.At || s.Received < last.Received || s.Segments < last.Segments || s.OutOfOrder < last.OutOfOrder {
					t.Errorf("%+v comes after %+v", s, last)
				}
				// Segments of 1448 bytes at most, each in a packet.
				if s.Received > s.Segments*1448 || s.Segments > packets || s.OutOfOrder > s.Segments {
					t.Errorf("%+v of %d packets", s, packets)
				}
				last = s
			}
			if last.OutOfOrder == 0 {
				t.Error("no segment came out of order where one in 500 is lost")
			}
			if more := float64(last.Received) / float64(r.Bytes); more > 1.05 || more < 0.5 {
				t.Errorf("received %d bytes at %v, the transfer %d in %v", last.Received, last.At, r.Bytes, r.Length)
			}
		})
	}
}

// TestPayloadStandsWhereTheLinkCarriedIt compares the series with what the link delivered
// until each moment. A program gets what follows a lost packet half a second later,
// or more.
func TestPayloadStandsWhereTheLinkCarriedIt(t *testing.T) {
	needCongestion(t, "bbr") // which goes on at the link's rate
	const rate = 10e6
	const delay = 250 * time.Millisecond
	l := newLab(t, lossy(rate, delay))
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		t.Run(string(load), func(t *testing.T) {
			o := over(t, l, "wan", load)
			o.Streams, o.Congestion, o.MaxDuration = 1, "bbr", 6*time.Second
			w := watch(&o, l, "wan")
			before := l.Stats("wan")
			r := run(t, o)
			after := l.Stats("wan")
			if !r.ByArrival || len(r.TCPReceiver) == 0 || r.TCPReceiver[len(r.TCPReceiver)-1].OutOfOrder == 0 {
				t.Fatalf("by arrival: %v, of the receiver %+v; nothing was held back", r.ByArrival, r.TCPReceiver)
			}
			// Going up, the far end counts from when the first payload comes, which a busy
			// machine sees late.
			shifts := []time.Duration{0}
			if load == perigee.LoadUp {
				shifts = []time.Duration{delay, delay + 50*time.Millisecond, delay + 100*time.Millisecond, delay + 200*time.Millisecond, delay + 300*time.Millisecond}
			}
			late := int64(math.MaxInt64)
			for _, shift := range shifts {
				late = min(late, w.farthest(r, shift))
			}
			// What was sent again and had not been lost came twice, of which the series
			// has nothing; besides, what the link carries in two steps.
			lost := after.Entered[w.way] - before.Entered[w.way] - after.Delivered[w.way] + before.Delivered[w.way]
			twice := max(0, r.Retransmitted-1448*lost)
			if most := int64(2*rate/8/10) + twice; late > most {
				t.Errorf("the series is off by %d bytes of what the link had carried at the time, want %d at most, %d came twice", late, most, twice)
			}
		})
	}
}

// farthest returns how far the series of r is at most from what the link had delivered at
// the same time, if the series begins a little later than the transfer. The last second is
// left out: what is held back at the end is not in the series.
func (w *witness) farthest(r perigee.Throughput, shift time.Duration) int64 {
	var most int64
	for _, look := range w.looks {
		at := look.elapsed - shift
		if at < 0 || at > r.Length-time.Second {
			continue
		}
		carried := look.payload - w.looks[0].payload
		for i, n := range r.Series {
			begin := time.Duration(i) * r.SeriesStep
			if share := float64(at-begin) / float64(r.SeriesStep); share > 0 {
				carried -= int64(min(1, share) * float64(n))
			}
		}
		most = max(most, carried, -carried)
	}
	return most
}
