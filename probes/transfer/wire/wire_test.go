package wire

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var start = Start{Direction: Down, Streams: 4, Congestion: "bbr", MaxDuration: Seconds(20 * time.Second), MaxBytes: 1e9}

var granted = Granted{Session: SessionID{1, 2, 3}, Congestion: "bbr", MaxDuration: Seconds(10 * time.Second), MaxBytes: 5e8}

// served runs the far end's handshake on one end of a pipe and returns the other, and
// what the far end says of it. Whoever is let in is granted.
func served(t *testing.T, s Secret) (client net.Conn, outcome func() (*Request, error)) {
	t.Helper()
	client, far := net.Pipe()
	var r *Request
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		if r, err = ServerHandshake(far, s); err == nil {
			err = r.Accept(far, granted)
		}
	}()
	t.Cleanup(func() { client.Close(); <-done })
	return client, func() (*Request, error) { <-done; return r, err }
}

func TestBothEndsProveTheKey(t *testing.T) {
	s := Secret{Key: NewKey(), Binding: []byte("of this connection")}
	client, outcome := served(t, s)
	g, err := OpenControl(client, s, start)
	if err != nil || g != granted {
		t.Errorf("OpenControl = %+v, %v, want %+v", g, err, granted)
	}
	if r, err := outcome(); err != nil || r.Kind != Control || r.Start != start {
		t.Errorf("the far end heard %+v, %v", r, err)
	}

	client, outcome = served(t, s)
	if err := OpenData(client, s, granted.Session, 3); err != nil {
		t.Errorf("OpenData: %v", err)
	}
	if r, err := outcome(); err != nil || r.Kind != Data || r.Session != granted.Session || r.Stream != 3 {
		t.Errorf("the far end heard %+v, %v", r, err)
	}
}

func TestWhoIsKeptOut(t *testing.T) {
	s := Secret{Key: NewKey(), Binding: []byte("here")}
	for name, other := range map[string]Secret{
		"no_key":             {Binding: s.Binding},
		"wrong_key":          {Key: NewKey(), Binding: s.Binding},
		"another_connection": {Key: s.Key, Binding: []byte("there")}, // somebody between the ends
		"no_connection":      {Key: s.Key},
	} {
		t.Run(name, func(t *testing.T) {
			client, outcome := served(t, s)
			_, err := OpenControl(client, other, start)
			refusal, ok := errors.AsType[*Refusal](err)
			if !ok || refusal.Code != RefusedKey || refusal.Proven || !strings.Contains(refusal.Message, "same key file") {
				t.Errorf("the client hears %v", err)
			}
			if _, err := outcome(); !errors.As(err, &refusal) {
				t.Errorf("the far end says %v", err)
			}
		})
	}
}

// recorded keeps what goes through a connection.
type recorded struct {
	io.ReadWriter
	sent bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.ReadWriter.Write(b)
}

func TestReplayedRequestIsRefused(t *testing.T) {
	s := Secret{Key: NewKey()}
	client, _ := served(t, s)
	good := &recorded{ReadWriter: client}
	if _, err := OpenControl(good, s, start); err != nil {
		t.Fatal(err)
	}
	client, outcome := served(t, s)
	if _, err := io.ReadFull(client, make([]byte, greetingSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(good.sent.Bytes()); err != nil {
		t.Fatal(err)
	}
	answer, _, err := readAnswer(client)
	if err != nil || answer[0] != refused || !strings.Contains(string(answer), string(RefusedKey)) {
		t.Errorf("the answer to a replay is %q, %v", answer, err)
	}
	if _, err := outcome(); err == nil {
		t.Error("the far end accepts a replay")
	}
}

func TestFarEndWithoutTheKeyIsFound(t *testing.T) {
	client, far := net.Pipe()
	defer client.Close()
	go func() {
		defer far.Close()
		r := &Request{Kind: Control, secret: Secret{Key: NewKey()}, greeting: newGreeting()}
		far.Write(r.greeting)
		r.said, _, _, _ = readHello(far)
		r.Accept(far, granted)
	}()
	if _, err := OpenControl(client, Secret{Key: NewKey()}, start); !errors.Is(err, ErrUnproven) {
		t.Errorf("OpenControl = %v, want %v", err, ErrUnproven)
	}
}

// script answers reads from a text and forgets writes.
type script struct{ io.Reader }

func (script) Write(b []byte) (int, error) { return len(b), nil }

func TestClientKnowsWhoAnswers(t *testing.T) {
	for _, c := range []struct {
		says string
		want error
	}{
		{"SSH-2.0-OpenSSH_9.6\r\n", ErrForeign},
		{"HTTP/1.1 400 Bad Request\r\n", ErrForeign},
		{"perigee\x02", ErrVersion},
		{"", io.EOF},
		{"perigee\x01half a nonce", io.ErrUnexpectedEOF},
	} {
		if _, err := OpenControl(script{strings.NewReader(c.says)}, Secret{}, start); !errors.Is(err, c.want) {
			t.Errorf("a far end that says %q: %v, want %v", c.says, err, c.want)
		}
	}
}

func TestFarEndRefusesWhatIsNotOfTheProtocol(t *testing.T) {
	s := Secret{Key: NewKey()}
	long, err := json.Marshal(strings.Repeat("x", MaxRequest))
	if err != nil {
		t.Fatal(err)
	}
	request := func(change func(*Start)) []byte {
		asked := start
		change(&asked)
		b, err := json.Marshal(asked)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, h := range map[string]hello{
		"unknown_kind":       {kind: 3},
		"no_json":            {kind: Control, request: []byte("down, please")},
		"trailing_bytes":     {kind: Control, request: append(request(func(*Start) {}), 'x')},
		"too_long":           {kind: Control, request: long},
		"no_direction":       {kind: Control, request: request(func(s *Start) { s.Direction = "" })},
		"no_streams":         {kind: Control, request: request(func(s *Start) { s.Streams = 0 })},
		"too_many_streams":   {kind: Control, request: request(func(s *Start) { s.Streams = MaxStreams + 1 })},
		"too_long_to_run":    {kind: Control, request: request(func(s *Start) { s.MaxDuration = Seconds(MaxDuration) + 1000 })},
		"negative_bytes":     {kind: Control, request: request(func(s *Start) { s.MaxBytes = -1 })},
		"name_with_a_slash":  {kind: Control, request: request(func(s *Start) { s.Congestion = "../bbr" })},
		"stream_beyond":      {kind: Data, stream: MaxStreams},
		"request_for_a_data": {kind: Data, request: []byte("{}")},
	} {
		t.Run(name, func(t *testing.T) {
			client, outcome := served(t, s)
			go func() {
				greeting, err := readGreeting(client)
				if err != nil {
					return
				}
				said := h.append(nil)
				go io.Copy(io.Discard, client) // the far end may refuse before it has read all
				client.Write(append(said, s.mac(clientProof, greeting, said)...))
			}()
			if _, err := outcome(); !isRefusal(err, RefusedRequest) {
				t.Errorf("the far end says %v", err)
			}
		})
	}
}

func isRefusal(err error, code RefusalCode) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == code
}

func TestOtherVersionIsTold(t *testing.T) {
	var out bytes.Buffer
	rw := struct {
		io.Reader
		io.Writer
	}{strings.NewReader("perigee\x07"), &out}
	if _, err := ServerHandshake(rw, Secret{Key: NewKey()}); !isRefusal(err, RefusedVersion) {
		t.Errorf("ServerHandshake = %v", err)
	}
	if !strings.Contains(out.String(), "speaks version 1 of the protocol, not 7") {
		t.Errorf("the client hears %q", out.String())
	}
}

func TestWordsOfTheOtherEndAreHarmless(t *testing.T) {
	if got, want := printable("no\x1b[2J\n\xffway ✓"), "no?[2J??way ✓"; got != want {
		t.Errorf("printable = %q, want %q", got, want)
	}
	if got := printable(strings.Repeat("é", 200)); got != strings.Repeat("é", 150) {
		t.Errorf("printable kept %d bytes: %q", len(got), got)
	}
}

var tcp = TCP{RTT: Seconds(612e6), MinRTT: Seconds(600e6), Window: 7 << 20, Sent: 3e7, Acked: 2e7, Received: 100, Retransmitted: 4000,
	SegmentsOut: 20000, SegmentsIn: 10000, DeliveryRate: 98.5e6}

var receiving = TCP{Received: 1600, Receiver: &TCPReceiver{RTT: Seconds(640e6), Space: 28960, Segments: 3, OutOfOrder: -1}}

var frames = []Frame{
	Go{},
	Stop{},
	Stop{Drain: Seconds(2500 * time.Millisecond)},
	State{At: Seconds(100e6), From: 1, Bytes: []int64{1 << 40}, TCP: &tcp},
	State{At: Seconds(300e6), From: 2, Bytes: []int64{0, 1500}},
	State{At: Seconds(500e6), From: 4, Bytes: []int64{0}, ArrivedFrom: 2, Arrived: []int64{700, 800, 90}, Waiting: []int64{0, 1448}, TCP: &receiving},
	Result{Ended: EndedByStop, Length: Seconds(10.1e9), Bytes: 7, Streams: []int64{3, 4}, Steps: []int64{0, 7}, TCP: &tcp},
	Result{Ended: EndedByIdleness, Message: "nothing moved for 20s", Streams: []int64{0}, Steps: []int64{}},
}

func TestFramesComeBack(t *testing.T) {
	var b bytes.Buffer
	for _, f := range frames {
		if err := WriteFrame(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range frames {
		if got, err := ReadFrame(&b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ReadFrame = %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := ReadFrame(&b); err != io.EOF {
		t.Errorf("after the last frame: %v, want EOF", err)
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	frame := func(kind byte, body string) string { return fmt.Sprintf("\x00\x00\x00%c%c%s", len(body), kind, body) }
	for name, text := range map[string]string{
		"cut_in_the_head":     "\x00\x00\x00",
		"cut_in_the_body":     "\x00\x00\x00\x02\x01{",
		"unknown_type":        frame(5, "{}"),
		"no_json":             frame(2, "stop"),
		"client_too_long":     "\x00\x00\x01\x01\x02" + strings.Repeat(" ", 257),
		"longer_than_any":     "\x00\x01\x00\x01\x11",
		"four_gigabytes":      "\xff\xff\xff\xff\x11",
		"drain_too_long":      frame(2, `{"drain_seconds":31}`),
		"negative_drain":      frame(2, `{"drain_seconds":-1}`),
		"negative_count":      frame(16, `{"from":0,"bytes":[-1]}`),
		"step_out_of_bounds":  frame(16, `{"from":9999999,"bytes":[1]}`),
		"huge_count":          frame(16, `{"from":0,"bytes":[9000000000000000000]}`),
		"sums_do_not_add_up":  frame(17, `{"bytes":3,"streams":[3],"steps":[2]}`),
		"negative_tcp_window": frame(16, `{"tcp":{"window_bytes":-1}}`),
		"negative_arrival":    frame(16, `{"bytes":[1],"arrived":[-1]}`),
		"arrival_in_no_step":  frame(16, `{"bytes":[1],"arrived_from":9999999,"arrived":[1]}`),
		"arrival_before_all":  frame(16, `{"bytes":[1],"arrived_from":-1,"arrived":[1]}`),
		"waiting_and_nothing": frame(16, `{"bytes":[1],"waiting":[1]}`),
		"negative_segments":   frame(16, `{"tcp":{"receiver":{"segments":-1}}}`),
	} {
		if f, err := ReadFrame(strings.NewReader(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, f)
		}
	}
}

// TestLongestSeriesFits holds the bounds of the protocol together.
func TestLongestSeriesFits(t *testing.T) {
	r := Result{Ended: EndedByTime, Message: strings.Repeat("x", 300), Streams: make([]int64, MaxStreams), Steps: make([]int64, MaxSteps), TCP: &tcp}
	const perStep = 999_999_999 // 80 Gbit/s
	for i := range r.Steps {
		r.Steps[i] = perStep
		r.Bytes += perStep
	}
	r.Streams[0] = r.Bytes
	var b bytes.Buffer
	if err := WriteFrame(&b, r); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFrame(&b); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("ReadFrame: %v", err)
	}
}

func TestSecondsComeBackToTheNanosecond(t *testing.T) {
	for _, want := range []Seconds{0, 1, 612345678, Seconds(MaxDuration) - 1, 24 * Seconds(time.Hour)} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Seconds
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", b, got, err, want)
		}
	}
}

func TestKeys(t *testing.T) {
	k := NewKey()
	if got, err := ReadKey(strings.NewReader("\n" + k.Reveal() + "\r\n")); err != nil || got != k {
		t.Errorf("the key of a file is not the one written: %v", err)
	}
	for _, text := range []string{"", "secret", k.Reveal()[1:], k.Reveal() + "0", strings.Repeat("z", 64), strings.Repeat("0", 64)} {
		if _, err := ParseKey(text); err != ErrKey {
			t.Errorf("ParseKey(%q): %v", text, err)
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		shown := fmt.Sprintf(format, Secret{Key: k})
		if strings.Contains(shown, k.Reveal()[:8]) || len(shown) > 80 {
			t.Errorf("%s shows %s", format, shown)
		}
	}
	if b, err := json.Marshal([]any{k}); err != nil || string(b) != "[{}]" {
		t.Errorf("JSON shows %s, %v", b, err)
	}
}

// TestPayloadDoesNotCompress compresses what a stream would send in two rounds.
func TestPayloadDoesNotCompress(t *testing.T) {
	p := NewPayload()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.Write(p)
	}
	w.Close()
	if out.Len() < 2*len(p) {
		t.Errorf("%d bytes became %d", 2*len(p), out.Len())
	}
	if bytes.Equal(p, NewPayload()) {
		t.Error("two tests send the same")
	}
}

func TestAllowanceIsSharedExactly(t *testing.T) {
	const allowed, streams = 1_000_003, 8
	a := NewAllowance(allowed)
	taken := make([]int, streams)
	var wait sync.WaitGroup
	for i := range streams {
		wait.Go(func() {
			for n := 0; ; {
				if n = a.Take(1000); n == 0 {
					return
				}
				if n > 500 { // a short write
					a.Give(n - 500)
					n = 500
				}
				taken[i] += n
			}
		})
	}
	wait.Wait()
	sum := 0
	for _, n := range taken {
		sum += n
	}
	if rest := a.Take(allowed); sum+rest != allowed {
		t.Errorf("the streams took %d, %d are left, of %d", sum, rest, allowed)
	}
}
