package wire

import (
	"bytes"
	"io"
	"reflect"
	"testing"
)

// FuzzServerHandshake gives the far end what anybody may send it.
func FuzzServerHandshake(f *testing.F) {
	h := hello{kind: Control, request: []byte(`{"direction":"down","streams":1}`)}.append(nil)
	f.Add(append(h, make([]byte, macSize)...))
	f.Add(append(hello{kind: Data, stream: 1}.append(nil), make([]byte, macSize)...))
	f.Add(h[:helloHead])
	f.Add(append(h[:helloHead-2:helloHead-2], 0xff, 0xff))
	f.Add([]byte("perigee\x02"))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	key := Secret{Key: NewKey()}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &counted{Reader: bytes.NewReader(b)}
		if _, err := ServerHandshake(r, key); err == nil {
			t.Error("somebody without the key was let in")
		}
		if limit := helloHead + MaxRequest + macSize; r.read > limit {
			t.Errorf("%d bytes were read of a stranger, more than %d", r.read, limit)
		}
		if r.written > greetingSize+answerHead+MaxAnswer+macSize {
			t.Errorf("%d bytes were written to a stranger", r.written)
		}
	})
}

// counted answers reads from a text and counts.
type counted struct {
	io.Reader
	read, written int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.read += n
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	c.written += len(b)
	return len(b), nil
}

// FuzzParseRequest reads what a client that has the key may ask.
func FuzzParseRequest(f *testing.F) {
	f.Add(byte(Control), uint16(0), []byte(`{"direction":"up","streams":8,"congestion":"bbr","max_duration_seconds":20.5,"max_bytes":1000}`))
	f.Add(byte(Control), uint16(0), []byte(`{"direction":"down","streams":-1}`))
	f.Add(byte(Data), uint16(63), []byte{})
	f.Add(byte(9), uint16(65535), []byte("{}"))
	f.Fuzz(func(t *testing.T, kind byte, stream uint16, request []byte) {
		var r Request
		if err := r.parse(hello{kind: Kind(kind), stream: stream, request: request}); err != nil {
			return
		}
		switch r.Kind {
		case Control:
			if err := r.Start.Check(); err != nil {
				t.Errorf("accepted %q: %v", request, err)
			}
		case Data:
			if r.Stream < 0 || r.Stream >= MaxStreams {
				t.Errorf("accepted stream %d", r.Stream)
			}
		default:
			t.Errorf("accepted kind %d", kind)
		}
	})
}

// FuzzClientHandshake gives a client what anybody who listens there may answer.
func FuzzClientHandshake(f *testing.F) {
	r := Request{Kind: Control, secret: Secret{Key: NewKey()}, greeting: newGreeting()}
	var yes, no bytes.Buffer
	r.Accept(&yes, granted)
	r.Refuse(&no, &Refusal{Code: RefusedClients, Message: "8 clients are served; try again", RetryAfter: Seconds(5e9)})
	f.Add(append(r.greeting[:greetingSize:greetingSize], yes.Bytes()...))
	f.Add(append(r.greeting[:greetingSize:greetingSize], no.Bytes()...))
	f.Add(r.greeting)
	f.Add([]byte("SSH-2.0-OpenSSH_9.6\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &counted{Reader: bytes.NewReader(b)}
		_, err := OpenControl(r, Secret{Key: NewKey()}, start)
		if err == nil {
			t.Error("the client believes a far end without the key")
		}
		if len(err.Error()) > 1000 {
			t.Errorf("the client says %d bytes", len(err.Error()))
		}
		if limit := greetingSize + answerHead + MaxAnswer + macSize; r.read > limit {
			t.Errorf("%d bytes were read, more than %d", r.read, limit)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	for _, frame := range frames {
		var b bytes.Buffer
		WriteFrame(&b, frame)
		f.Add(b.Bytes())
	}
	f.Add([]byte("\xff\xff\xff\xff\x11"))
	f.Add([]byte("\x00\x00\x00\x02\x09{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		// What is accepted is within bounds and means the same when written again.
		if err := got.check(); err != nil {
			t.Fatalf("accepted %+v: %v", got, err)
		}
		var again bytes.Buffer
		if err := WriteFrame(&again, got); err != nil {
			t.Skip(err) // a body near the bound may grow when written in full
		}
		back, err := ReadFrame(&again)
		if err != nil || !reflect.DeepEqual(normal(back), normal(got)) {
			t.Errorf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

// normal makes no difference between no list and an empty one, nor between words that a
// reader replaced once and twice.
func normal(f Frame) Frame {
	switch f := f.(type) {
	case State:
		f.Bytes = append([]int64{}, f.Bytes...)
		return f
	case Result:
		f.Streams, f.Steps = append([]int64{}, f.Streams...), append([]int64{}, f.Steps...)
		return f
	}
	return f
}
