package wire

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"strings"
)

// Key is the secret that a far end and its clients share. It does not print.
type Key struct {
	secret [32]byte
}

// NewKey draws a key.
func NewKey() Key {
	var k Key
	rand.Read(k.secret[:]) // never fails
	return k
}

// ErrKey tells of a text that is no key.
var ErrKey = errors.New("not a key: a key is 64 hexadecimal digits, as \"perigee reflect --new-key FILE\" writes them")

// ParseKey reads a key file's contents: 64 hexadecimal digits, with white space around
// them at most.
func ParseKey(text string) (Key, error) {
	var k Key
	text = strings.TrimSpace(text)
	if len(text) != hex.EncodedLen(len(k.secret)) {
		return Key{}, ErrKey
	}
	if _, err := hex.Decode(k.secret[:], []byte(text)); err != nil || k.IsZero() {
		return Key{}, ErrKey
	}
	return k, nil
}

// ReadKey reads a key file.
func ReadKey(r io.Reader) (Key, error) {
	text, err := io.ReadAll(io.LimitReader(r, 1<<10)) // who names a device by mistake gets an answer
	if err != nil {
		return Key{}, err
	}
	return ParseKey(string(text))
}

// Reveal returns the text that a key file holds.
func (k Key) Reveal() string { return hex.EncodeToString(k.secret[:]) }

// IsZero reports whether k is no key at all.
func (k Key) IsZero() bool { return k == Key{} }

// String keeps the secret out of logs.
func (k Key) String() string { return "(key)" }

// GoString keeps it out of %#v too.
func (k Key) GoString() string { return "wire.Key{…}" }
