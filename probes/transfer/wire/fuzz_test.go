package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"
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

// proven is a far end that has the key and answers whatever it is told to.
type proven struct {
	Request
	state byte
	body  []byte
	bytes.Buffer
}

// Write hears the client's request and answers it.
func (p *proven) Write(said []byte) (int, error) {
	p.said = bytes.Clone(said[:len(said)-macSize])
	return len(said), p.answer(&p.Buffer, p.state, p.body)
}

// FuzzProvenAnswer gives the client what a far end with the key may grant or refuse:
// grants are within what was asked of the protocol, and refusals are words for a terminal.
func FuzzProvenAnswer(f *testing.F) {
	f.Add(byte(accepted), []byte(`{"session":"000102030405060708090a0b0c0d0e0f","congestion":"bbr","max_duration_seconds":20,"max_bytes":1000}`))
	f.Add(byte(accepted), []byte(`{"max_duration_seconds":1e300,"max_bytes":-1}`))
	f.Add(byte(refused), []byte(`{"code":"too_many_clients","message":"8 clients are served\u001b[2J","retry_after_seconds":5}`))
	f.Add(byte(refused), []byte(`{"retry_after_seconds":-1}`))
	f.Add(byte(7), []byte("{}"))
	secret := Secret{Key: NewKey()}
	f.Fuzz(func(t *testing.T, state byte, body []byte) {
		if len(body) > MaxAnswer {
			t.Skip()
		}
		far := &proven{Request: Request{Kind: Control, secret: secret, greeting: newGreeting()}, state: state, body: body}
		far.Buffer.Write(far.greeting)
		granted, err := OpenControl(far, secret, start)
		if err == nil {
			if state != accepted || granted.check() != nil {
				t.Errorf("state %d with %q is taken for %+v", state, body, granted)
			}
			return
		}
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok {
			return
		}
		if !refusal.Proven || state != refused || refusal.RetryAfter < 0 || len(refusal.Message)+len(refusal.Code) > 600 {
			t.Errorf("%q is taken for %+v", body, refusal)
		}
		if strings.ContainsFunc(string(refusal.Code)+refusal.Message, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is said as %q", body, refusal.Message)
		}
	})
}

// FuzzKey gives the reader of keys whatever may stand in a file: what is taken is a whole
// key, and nothing of the file stands in an error, which may be logged.
func FuzzKey(f *testing.F) {
	f.Add(NewKey().Reveal())
	f.Add(strings.Repeat("0", 64))
	f.Add(" \n" + strings.Repeat("aB", 32) + "\r\n")
	f.Add("hunter2 is no key")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		if err != nil {
			if secret := strings.TrimSpace(text); len(secret) > 12 && strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the key: %v", err)
			}
			return
		}
		if key.IsZero() || !strings.EqualFold(key.Reveal(), strings.TrimSpace(text)) {
			t.Errorf("%q is read as %q", text, key.Reveal())
		}
	})
}
