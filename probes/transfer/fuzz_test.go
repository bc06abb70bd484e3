package transfer

import (
	"bytes"
	"testing"
	"time"
	"unicode"

	"perigee"
	"perigee/probes/transfer/wire"
)

// FuzzFarEnd gives the client whatever a far end may tell once a session is open. What is
// made of it is bounded by what a session may be, whatever the far end's word.
func FuzzFarEnd(f *testing.F) {
	told := func(frames ...wire.Frame) []byte {
		var b bytes.Buffer
		for _, frame := range frames {
			if err := wire.WriteFrame(&b, frame); err != nil {
				f.Fatal(err)
			}
		}
		return b.Bytes()
	}
	tcp := &wire.TCP{RTT: wire.Seconds(5e7), MinRTT: wire.Seconds(4e7), Window: 1e5, DeliveryRate: 1e7, Receiver: &wire.TCPReceiver{Space: 1e5, OutOfOrder: -1}}
	first := wire.State{At: wire.Seconds(1e8), Bytes: []int64{1, 2}, Arrived: []int64{1, 2}, Waiting: []int64{0, 7}, TCP: tcp}
	second := wire.State{At: wire.Seconds(2e8), From: 2, Bytes: []int64{3}, ArrivedFrom: 1, Arrived: []int64{9, 3}, TCP: tcp}
	last := wire.Result{Ended: wire.EndedByStop, Length: wire.Seconds(3e8), Bytes: 6, Streams: []int64{6}, Steps: []int64{1, 2, 3}, TCP: tcp}
	f.Add(told(first, second, last))
	f.Add(told(second, first, second))
	f.Add(told(last, first))
	f.Add(told(wire.Result{Ended: "tired", Message: "no\x1b[2J more"}))
	f.Add(told(wire.Go{}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		far := farSide{done: make(chan struct{})}
		far.hear(bytes.NewReader(b))
		if result, err := far.word(); (result == nil) != (err != nil) {
			t.Errorf("its word is %+v, and why there is none %v", result, err)
		}
		if len(far.steps) > wire.MaxSteps || len(far.arrived) > wire.MaxSteps || len(far.arrived) != len(far.waiting) {
			t.Errorf("%d steps, %d arrivals and %d that wait", len(far.steps), len(far.arrived), len(far.waiting))
		}
		// States are recorded once a second of the far end's time, which is a day at most.
		if most := int(24*time.Hour/tcpEvery) + 1; len(far.tcp) > most || len(far.tcpReceiver) > len(far.tcp) {
			t.Errorf("%d states of senders and %d of receivers", len(far.tcp), len(far.tcpReceiver))
		}
		reason, err := far.ending()
		if reason == "" || (err != nil) != (reason == perigee.StoppedByFailure) {
			t.Errorf("ends by %q: %v", reason, err)
		}
		if err != nil && (len(err.Error()) > 1000 || bytes.ContainsFunc([]byte(err.Error()), unicode.IsControl)) {
			t.Errorf("says %q", err)
		}
		steps := far.counted(time.Second)
		if len(steps) > whole(time.Second) || sum(steps) < 0 {
			t.Errorf("counted %v", steps)
		}
		r := run{far: farSide{steps: far.steps, result: far.result, err: far.err}}
		for _, reason := range []perigee.StopReason{perigee.StoppedAtTime, perigee.StoppedAtCap, perigee.StoppedByFailure} {
			if steps, last := r.farCounts(reason, time.Second); last < 0 || sum(steps) < 0 || reason != perigee.StoppedAtCap && len(steps) > whole(time.Second) {
				t.Errorf("%s: %d steps, the last at %v", reason, len(steps), last)
			}
		}
	})
}
