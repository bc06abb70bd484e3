package wire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// magic begins the first message of either end. The version's byte follows it.
const magic = "perigee"

// Sizes of the parts of a handshake.
const (
	nonceSize    = 32
	macSize      = sha256.Size
	greetingSize = len(magic) + 1 + nonceSize
	helloHead    = len(magic) + 1 + 1 + 16 + 2 + nonceSize + 2 // to the request's length
	answerHead   = 1 + 2
)

// Kind is what a connection is for.
type Kind byte

// The kinds.
const (
	Control Kind = 1
	Data    Kind = 2
)

// The states of an answer.
const (
	accepted = 0
	refused  = 1
)

// Errors of a handshake that are no Refusal.
var (
	// ErrForeign tells that the other end speaks another protocol.
	ErrForeign = errors.New("whoever answers there is no perigee far end")

	// ErrVersion tells that it speaks another version of this one.
	ErrVersion = errors.New("the far end speaks another version of the protocol; run the same perigee at both ends")

	// ErrUnproven tells that a far end that accepts has not shown that it has the key.
	ErrUnproven = errors.New("whoever answers there does not have the key")
)

// Secret is what both ends of one connection know and others do not.
type Secret struct {
	Key Key

	// Binding ties the proofs to the TLS connection under them (see Binding), so
	// that nobody can stand between the ends; nil without TLS.
	Binding []byte
}

// Binding returns what Secret.Binding takes of a TLS connection whose handshake is done:
// keying material (RFC 5705, RFC 9266) that both its ends know and nobody between them.
// Who checks it by the key need not check certificates.
func Binding(state tls.ConnectionState) ([]byte, error) {
	return state.ExportKeyingMaterial("EXPORTER-perigee-transfer", nil, 32)
}

// mac proves knowledge of the key to the other end. Its label keeps one end's proof from
// being taken for the other's, and the messages hold the nonces of both.
func (s Secret) mac(label string, messages ...[]byte) []byte {
	h := hmac.New(sha256.New, s.Key.secret[:])
	io.WriteString(h, label)
	h.Write([]byte{byte(len(s.Binding))})
	h.Write(s.Binding)
	for _, m := range messages {
		h.Write(m)
	}
	return h.Sum(nil)
}

// The labels of the proofs.
const (
	clientProof = "perigee transfer 1 client\x00"
	serverProof = "perigee transfer 1 server\x00"
)

// OpenControl is the client's handshake on a control connection: it asks for a session.
// A no is a *Refusal.
func OpenControl(rw io.ReadWriter, s Secret, start Start) (Granted, error) {
	if err := start.Check(); err != nil {
		return Granted{}, err
	}
	request, err := json.Marshal(start)
	if err != nil {
		return Granted{}, err
	}
	body, err := clientHandshake(rw, s, hello{kind: Control, request: request})
	if err != nil {
		return Granted{}, err
	}
	var g Granted
	if err := json.Unmarshal(body, &g); err != nil {
		return Granted{}, fmt.Errorf("what is granted: %w", err)
	}
	return g, g.check()
}

// OpenData is the client's handshake on a data connection: it joins a session as one of
// its streams, from 0 on. A no is a *Refusal.
func OpenData(rw io.ReadWriter, s Secret, session SessionID, stream int) error {
	if stream < 0 || stream >= MaxStreams {
		return fmt.Errorf("stream %d is not between 0 and %d", stream, MaxStreams-1)
	}
	_, err := clientHandshake(rw, s, hello{kind: Data, session: session, stream: uint16(stream)})
	return err
}

// clientHandshake greets, says h and returns the body of a yes.
func clientHandshake(rw io.ReadWriter, s Secret, h hello) ([]byte, error) {
	greeting, err := readGreeting(rw)
	if err != nil {
		return nil, err
	}
	rand.Read(h.nonce[:]) // never fails
	said := h.append(nil)
	if _, err := rw.Write(append(said, s.mac(clientProof, greeting, said)...)); err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	answer, proof, err := readAnswer(rw)
	if err != nil {
		return nil, err
	}
	proven := hmac.Equal(proof, s.mac(serverProof, greeting, said, answer))
	body := answer[answerHead:]
	if answer[0] == refused {
		r := &Refusal{Proven: proven}
		if err := json.Unmarshal(body, r); err != nil {
			return nil, fmt.Errorf("a refusal that cannot be read: %w", err)
		}
		r.Code, r.Message = RefusalCode(printable(string(r.Code))), printable(r.Message)
		return nil, r
	}
	if !proven {
		return nil, ErrUnproven
	}
	return body, nil
}

// readGreeting returns the far end's first message as it came.
func readGreeting(r io.Reader) ([]byte, error) {
	b := make([]byte, greetingSize)
	// The nonce is read only when the version says that there is one.
	if _, err := io.ReadFull(r, b[:len(magic)+1]); err != nil {
		return nil, fmt.Errorf("waiting for the greeting: %w", err)
	}
	switch {
	case string(b[:len(magic)]) != magic:
		return nil, ErrForeign
	case b[len(magic)] != Version:
		return nil, ErrVersion
	}
	if _, err := io.ReadFull(r, b[len(magic)+1:]); err != nil {
		return nil, fmt.Errorf("waiting for the greeting: %w", unexpected(err))
	}
	return b, nil
}

// readAnswer returns the far end's answer without its proof, and the proof.
func readAnswer(r io.Reader) (answer, proof []byte, err error) {
	head := make([]byte, answerHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, fmt.Errorf("waiting for the answer: %w", err)
	}
	size := int(binary.BigEndian.Uint16(head[1:]))
	if head[0] != accepted && head[0] != refused || size > MaxAnswer {
		return nil, nil, fmt.Errorf("an answer of state %d and %d bytes is not of this protocol", head[0], size)
	}
	b := append(head, make([]byte, size+macSize)...)
	if _, err := io.ReadFull(r, b[answerHead:]); err != nil {
		return nil, nil, fmt.Errorf("waiting for the answer: %w", unexpected(err))
	}
	return b[:answerHead+size], b[answerHead+size:], nil
}

// hello is a client's request without its proof.
type hello struct {
	kind    Kind
	session SessionID // zero on a control connection
	stream  uint16
	nonce   [nonceSize]byte
	request []byte
}

func (h hello) append(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, Version, byte(h.kind))
	b = append(b, h.session[:]...)
	b = binary.BigEndian.AppendUint16(b, h.stream)
	b = append(b, h.nonce[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.request)))
	return append(b, h.request...)
}

// readHello reads a client's request, as it came and in its parts, and its proof.
func readHello(r io.Reader) (said []byte, h hello, proof []byte, err error) {
	said = make([]byte, helloHead, helloHead+macSize+128)
	if _, err := io.ReadFull(r, said[:len(magic)+1]); err != nil {
		return nil, hello{}, nil, err
	}
	switch {
	case string(said[:len(magic)]) != magic:
		return nil, hello{}, nil, errors.New("the client speaks another protocol")
	case said[len(magic)] != Version:
		return nil, hello{}, nil, &Refusal{Code: RefusedVersion,
			Message: fmt.Sprintf("the far end speaks version %d of the protocol, not %d; run the same perigee at both ends", Version, said[len(magic)])}
	}
	if _, err := io.ReadFull(r, said[len(magic)+1:]); err != nil {
		return nil, hello{}, nil, unexpected(err)
	}
	p := said[len(magic)+1:]
	h.kind = Kind(p[0])
	copy(h.session[:], p[1:])
	h.stream = binary.BigEndian.Uint16(p[17:])
	copy(h.nonce[:], p[19:])
	size := int(binary.BigEndian.Uint16(p[19+nonceSize:]))
	if size > MaxRequest {
		return nil, hello{}, nil, &Refusal{Code: RefusedRequest, Message: fmt.Sprintf("a request of %d bytes is longer than %d", size, MaxRequest)}
	}
	said = append(said, make([]byte, size+macSize)...)
	if _, err := io.ReadFull(r, said[helloHead:]); err != nil {
		return nil, hello{}, nil, unexpected(err)
	}
	said, proof = said[:helloHead+size], said[helloHead+size:]
	h.request = said[helloHead:]
	return said, h, proof, nil
}

// A Request is what a client has asked and proved that it may ask. It is answered once,
// with Accept or Refuse.
type Request struct {
	Kind Kind

	Start Start // of a control connection

	Session SessionID // of a data connection
	Stream  int

	secret         Secret
	greeting, said []byte
}

// ServerHandshake is the far end's: it greets and reads what the client wants. A client
// that the protocol or the key keeps out has been refused when it returns; the error is
// then a *Refusal.
func ServerHandshake(rw io.ReadWriter, s Secret) (*Request, error) {
	r := &Request{secret: s, greeting: newGreeting()}
	if _, err := rw.Write(r.greeting); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	err := r.read(rw)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		if err := r.Refuse(rw, refusal); err != nil {
			return nil, fmt.Errorf("refusing a client (%s): %w", refusal.Code, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func newGreeting() []byte {
	b := make([]byte, greetingSize)
	n := copy(b, magic)
	b[n] = Version
	rand.Read(b[n+1:]) // never fails
	return b
}

func (r *Request) read(from io.Reader) error {
	said, h, proof, err := readHello(from)
	if err != nil {
		return err
	}
	r.said = said
	if !hmac.Equal(proof, r.secret.mac(clientProof, r.greeting, said)) {
		return &Refusal{Code: RefusedKey, Message: "the client does not have the far end's key; give both the same key file"}
	}
	return r.parse(h)
}

// parse takes what h asks.
func (r *Request) parse(h hello) error {
	r.Kind, r.Session, r.Stream = h.kind, h.session, int(h.stream)
	switch h.kind {
	case Data:
		if r.Stream >= MaxStreams || len(h.request) > 0 {
			return &Refusal{Code: RefusedRequest, Message: fmt.Sprintf("stream %d with a request of %d bytes is not of this protocol", r.Stream, len(h.request))}
		}
	case Control:
		if err := json.Unmarshal(h.request, &r.Start); err != nil {
			return &Refusal{Code: RefusedRequest, Message: "the request cannot be read: " + err.Error()}
		}
		if err := r.Start.Check(); err != nil {
			return &Refusal{Code: RefusedRequest, Message: "the request cannot be granted: " + err.Error()}
		}
	default:
		return &Refusal{Code: RefusedRequest, Message: fmt.Sprintf("a connection of kind %d is not of this protocol", h.kind)}
	}
	return nil
}

// Accept answers yes. On a data connection g is not sent.
func (r *Request) Accept(w io.Writer, g Granted) error {
	var body []byte
	if r.Kind == Control {
		var err error
		if body, err = json.Marshal(g); err != nil {
			return err
		}
	}
	return r.answer(w, accepted, body)
}

// Refuse answers no.
func (r *Request) Refuse(w io.Writer, refusal *Refusal) error {
	body, err := json.Marshal(Refusal{Code: refusal.Code, Message: printable(refusal.Message), RetryAfter: refusal.RetryAfter})
	if err != nil {
		return err
	}
	return r.answer(w, refused, body)
}

func (r *Request) answer(w io.Writer, state byte, body []byte) error {
	b := append([]byte{state}, binary.BigEndian.AppendUint16(nil, uint16(len(body)))...)
	b = append(b, body...)
	_, err := w.Write(append(b, r.secret.mac(serverProof, r.greeting, r.said, b)...))
	return err
}

// unexpected turns the end of a stream inside a message into the error that says so.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
