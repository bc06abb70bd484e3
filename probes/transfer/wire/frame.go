package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A Frame is what goes over a control connection after its handshake: Go and Stop to the
// far end, State and Result from it.
type Frame interface {
	frame() byte
	check() error
}

// Go asks the far end to begin: all streams have joined. Going down it starts to write.
//
// The far end's time zero is when Go or the first payload arrives, whichever comes first:
// they travel on different connections.
type Go struct{}

// Stop says that the client has had enough, or has sent all. The far end answers with
// Result.
//
// Going down the far end throws away what it has written and not sent yet. Going up it
// reads the streams to their ends before, but for Drain at most; a client that wants no
// more of its payload delivered resets its streams and gives 0.
type Stop struct {
	Drain Seconds `json:"drain_seconds,omitempty"`
}

// State is what the far end knows of the session so far. It comes once for each Step from
// time zero on, in order, however late.
type State struct {
	// At is how long after time zero TCP was looked up.
	At Seconds `json:"at_seconds"`

	// From is the number of the first step in Bytes; Bytes what was counted in it and
	// those that follow: received going up, handed to the system for sending going down.
	// Every step comes in exactly one State or in none: what is missing at the end is in
	// Result.
	From  int     `json:"from"`
	Bytes []int64 `json:"bytes"`

	// Going up, Arrived is what of the payload that came in order until now had arrived at
	// the far end's system in step ArrivedFrom and those after it, in whatever order;
	// Waiting, if anything does, is what arrived in the same steps and is held back still,
	// because something before it is missing. They may replace what was told before of the
	// same steps. Sizes are those of TCP's payload. Without Arrived, the far end's system
	// does not tell, or the far end is older.
	ArrivedFrom int     `json:"arrived_from,omitempty"`
	Arrived     []int64 `json:"arrived,omitempty"`
	Waiting     []int64 `json:"waiting,omitempty"`

	TCP *TCP `json:"tcp,omitempty"` // nil where the far end's system does not tell all of it
}

// Result is the far end's last word.
type Result struct {
	Ended   End    `json:"ended"`
	Message string `json:"message,omitempty"` // what went wrong, if anything

	// Length is from time zero to the last payload; 0 without payload.
	Length Seconds `json:"length_seconds"`

	Bytes   int64   `json:"bytes"`   // payload: received going up, handed to the system going down
	Streams []int64 `json:"streams"` // of which each stream
	Steps   []int64 `json:"steps"`   // of which in each Step from time zero on; ends with the last that is not 0

	TCP *TCP `json:"tcp,omitempty"` // at the end, before connections are closed
}

// End says why a session ended.
type End string

// The ends.
const (
	EndedByStop     End = "stop"     // the client said so
	EndedByCap      End = "cap"      // all bytes that were granted have been moved
	EndedByTime     End = "time"     // it took as long as was granted
	EndedByIdleness End = "idle"     // nothing moved for too long
	EndedByClient   End = "client"   // the client did what the protocol does not allow
	EndedByFailure  End = "failure"  // a connection broke
	EndedByShutdown End = "shutdown" // the far end was told to end
)

// TCP sums up the far end's ends of the streams: RTT is the mean over connections, MinRTT
// the least of them, the rest are sums.
type TCP struct {
	RTT           Seconds `json:"rtt_seconds"`     // smoothed
	MinRTT        Seconds `json:"min_rtt_seconds"` // 0 if not known
	Window        int64   `json:"window_bytes"`    // congestion window
	Sent          int64   `json:"sent_bytes"`      // payload and TLS, with what was sent again
	Acked         int64   `json:"acked_bytes"`
	Received      int64   `json:"received_bytes"`
	Retransmitted int64   `json:"retransmitted_bytes"`
	SegmentsOut   int64   `json:"segments_out"`
	SegmentsIn    int64   `json:"segments_in"`
	DeliveryRate  float64 `json:"delivery_rate_bits_per_second"` // the kernel's estimate

	Receiver *TCPReceiver `json:"receiver,omitempty"` // nil if the far end is older
}

// TCPReceiver sums up what the far end's ends of the streams know of what comes: RTT is
// the mean over connections that have one, the rest are sums.
type TCPReceiver struct {
	RTT        Seconds `json:"rtt_seconds"`           // the receivers' estimate; 0 if not known
	Space      int64   `json:"space_bytes"`           // what they expect in one round trip
	Segments   int64   `json:"segments"`              // with payload, those that came twice included
	OutOfOrder int64   `json:"out_of_order_segments"` // of these, while one before them was missing; negative if not known
}

func (Go) frame() byte     { return 1 }
func (Stop) frame() byte   { return 2 }
func (State) frame() byte  { return 16 }
func (Result) frame() byte { return 17 }

func (Go) check() error { return nil }

func (s Stop) check() error {
	if s.Drain < 0 || s.Drain.Duration() > MaxDrain {
		return fmt.Errorf("a stop that waits for %v is not of this protocol", s.Drain)
	}
	return nil
}

func (s State) check() error {
	if s.From < 0 || s.From > MaxSteps || len(s.Bytes) > MaxSteps-s.From || !countsFit(s.Bytes...) {
		return errors.New("a state counts out of bounds")
	}
	if s.ArrivedFrom < 0 || s.ArrivedFrom > MaxSteps || len(s.Arrived) > MaxSteps-s.ArrivedFrom || !countsFit(s.Arrived...) ||
		len(s.Waiting) > len(s.Arrived) || !countsFit(s.Waiting...) {
		return errors.New("a state tells arrivals out of bounds")
	}
	return s.TCP.check()
}

func (r Result) check() error {
	var streams, steps int64
	if len(r.Streams) > MaxStreams || len(r.Steps) > MaxSteps || !countsFit(r.Bytes) || !countsFit(r.Streams...) || !countsFit(r.Steps...) {
		return errors.New("a result counts out of bounds")
	}
	for _, n := range r.Streams {
		streams += n
	}
	for _, n := range r.Steps {
		steps += n
	}
	if streams != r.Bytes || steps != r.Bytes {
		return fmt.Errorf("a result of %d bytes counts %d in its streams and %d in its steps", r.Bytes, streams, steps)
	}
	return r.TCP.check()
}

func (t *TCP) check() error {
	if t != nil && (!countsFit(t.Window, t.Sent, t.Acked, t.Received, t.Retransmitted, t.SegmentsOut, t.SegmentsIn) || t.DeliveryRate < 0) {
		return errors.New("a TCP state counts out of bounds")
	}
	if t != nil && t.Receiver != nil && (!countsFit(t.Receiver.Space, t.Receiver.Segments) || t.Receiver.OutOfOrder > MaxBytes) {
		return errors.New("a TCP receiver counts out of bounds")
	}
	return nil
}

// frameHead is a frame's length (of its body) and type.
const frameHead = 4 + 1

// WriteFrame writes f.
func WriteFrame(w io.Writer, f Frame) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if len(body) > MaxFrame {
		return fmt.Errorf("a frame of %d bytes is longer than %d", len(body), MaxFrame)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, frameHead+len(body)), uint32(len(body)))
	b = append(b, f.frame())
	_, err = w.Write(append(b, body...))
	return err
}

// maxClientFrame bounds what a client may say in a frame.
const maxClientFrame = 256

// ReadFrame reads one Frame. The end of r before a frame is io.EOF.
func ReadFrame(r io.Reader) (Frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size, kind := binary.BigEndian.Uint32(head[:]), head[4]
	limit := uint32(MaxFrame)
	if kind < (State{}).frame() {
		limit = maxClientFrame
	}
	if size > limit {
		return nil, fmt.Errorf("a frame of type %d and %d bytes is longer than %d", kind, size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, unexpected(err)
	}
	switch kind {
	case Go{}.frame():
		return decode[Go](body)
	case Stop{}.frame():
		return decode[Stop](body)
	case State{}.frame():
		return decode[State](body)
	case Result{}.frame():
		r, err := decode[Result](body)
		if err != nil {
			return nil, err
		}
		result := r.(Result)
		result.Ended, result.Message = End(printable(string(result.Ended))), printable(result.Message)
		return result, nil
	}
	return nil, fmt.Errorf("a frame of type %d is not of this protocol", kind)
}

func decode[F Frame](body []byte) (Frame, error) {
	var f F
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, fmt.Errorf("a frame of type %d: %w", f.frame(), err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}
