package transfer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"perigee"
	"perigee/probes/transfer/wire"
)

// farSide is what the far end has told over the control connection.
type farSide struct {
	done chan struct{} // closed when nothing more comes

	mu     sync.Mutex // guards what follows
	steps  []int64    // what it counted; without holes
	latest *wire.TCP

	// What its system knew of its ends, as sender and as receiver.
	tcp         []perigee.TCPState
	tcpReceiver []perigee.TCPReceiverState
	trips       trips

	// When payload arrived at its system, going up: without holes, of equal length.
	arrived, waiting []int64
	result           *wire.Result
	err              error // why it fell silent, if result is nil
}

// hear reads frames until the far end's last word, or until r ends.
func (f *farSide) hear(r io.Reader) {
	defer close(f.done)
	for {
		frame, err := wire.ReadFrame(r)
		f.mu.Lock()
		switch frame := frame.(type) {
		case wire.State:
			f.take(frame)
		case wire.Result:
			f.result = &frame
			f.steps = frame.Steps
			if frame.TCP != nil {
				f.latest = frame.TCP
			}
		default:
			if err == nil {
				err = fmt.Errorf("the far end sent a frame of type %T, which is ours to send", frame)
			}
			f.err = err
		}
		over := f.result != nil || f.err != nil
		f.mu.Unlock()
		if over {
			return
		}
	}
}

// take adds a state to what is known. Steps that leave a hole are in the result later.
func (f *farSide) take(s wire.State) {
	if s.From == len(f.steps) {
		f.steps = append(f.steps, s.Bytes...)
	}
	if len(s.Arrived) > 0 && s.ArrivedFrom <= len(f.arrived) {
		f.arrived = append(f.arrived[:s.ArrivedFrom], s.Arrived...)
		f.waiting = append(append(f.waiting[:s.ArrivedFrom], s.Waiting...), make([]int64, len(s.Arrived)-len(s.Waiting))...)
	}
	if s.TCP == nil {
		return
	}
	f.latest = s.TCP
	at := s.At.Duration()
	f.trips.add(at, s.TCP.RTT.Duration(), s.TCP.MinRTT.Duration())
	// A state comes for each step; one of ten is enough to see a window grow.
	if n := len(f.tcp); n == 0 || at >= f.tcp[n-1].At+tcpEvery {
		f.tcp = append(f.tcp, stateOf(at, s.TCP))
		if s.TCP.Receiver != nil {
			f.tcpReceiver = append(f.tcpReceiver, receiverStateOf(at, s.TCP))
		}
	}
}

// tcpEvery is how often the state of both ends is recorded.
const tcpEvery = time.Second

func receiverStateOf(at time.Duration, t *wire.TCP) perigee.TCPReceiverState {
	r := t.Receiver
	return perigee.TCPReceiverState{At: at, RTT: r.RTT.Duration(), MinRTT: t.MinRTT.Duration(),
		Space: r.Space, Received: t.Received, Segments: r.Segments, OutOfOrder: max(-1, r.OutOfOrder)}
}

func stateOf(at time.Duration, t *wire.TCP) perigee.TCPState {
	return perigee.TCPState{
		At: at, RTT: t.RTT.Duration(), MinRTT: t.MinRTT.Duration(),
		Window: t.Window, Retransmitted: t.Retransmitted, DeliveryRate: t.DeliveryRate,
	}
}

// counted returns the far end's counts of the steps that were over at then.
func (f *farSide) counted(then time.Duration) []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.steps[:min(len(f.steps), whole(then))])
}

// word returns the far end's last word, or why there is none.
func (f *farSide) word() (*wire.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.result, f.err
}

// ending returns what the far end's last word means for the transfer.
func (f *farSide) ending() (perigee.StopReason, error) {
	result, err := f.word()
	switch {
	case result == nil && errors.Is(err, io.EOF):
		return perigee.StoppedByFailure, errors.New("the far end closed the connection")
	case result == nil:
		return perigee.StoppedByFailure, fmt.Errorf("the connection broke: %w", err)
	}
	switch result.Ended {
	case wire.EndedByTime, wire.EndedByStop:
		return perigee.StoppedAtTime, nil
	case wire.EndedByCap:
		return perigee.StoppedAtCap, nil
	}
	if result.Message != "" {
		return perigee.StoppedByFailure, fmt.Errorf("the far end ended the transfer: %s (%s)", result.Message, result.Ended)
	}
	return perigee.StoppedByFailure, fmt.Errorf("the far end ended the transfer (%s)", result.Ended)
}
