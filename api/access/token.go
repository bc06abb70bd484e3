package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"perigee"
)

// A Scope is what the holder of a token may do.
type Scope string

// The scopes. ScopeProbe includes ScopeRead: who asks for a measurement reads what came
// of it.
const (
	ScopeRead  Scope = "read"  // every question
	ScopeProbe Scope = "probe" // also measurements, and what is done with waiting results
)

// Scopes are all of them, the least first.
var Scopes = []Scope{ScopeRead, ScopeProbe}

// Allows reports whether a holder of s may do what needs scope need.
func (s Scope) Allows(need Scope) bool { return s == need || s == ScopeProbe && need == ScopeRead }

// A Hash is the SHA-256 of a token's whole text.
type Hash [sha256.Size]byte

// A Token is what is kept of a token: everything but its secret.
type Token struct {
	ID      string // in the token's text too, so that one that was found can be told; no secret
	Name    string // whose it is, for people
	Scope   Scope
	Created time.Time // to the second, UTC
	Expires time.Time // it is good until then; zero: for ever
	Hash    Hash
}

// Expired reports whether t was good until now at most.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// String names t without what proves it.
func (t Token) String() string { return fmt.Sprintf("token %s (%s)", t.ID, t.Name) }

const (
	// prefix begins every token, so that one in a log or a repository can be searched
	// for: pgt_[a-z2-7]{8}_[a-z2-7]{52}.
	prefix = "pgt_"

	idBytes     = 5  // 8 letters
	secretBytes = 32 // 52 letters

	idLength     = 8
	secretLength = 52
	textLength   = len(prefix) + idLength + 1 + secretLength
)

// letters are those of ids and secrets: base32 (RFC 4648) in lower case, which a double
// click selects whole.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken makes a token, and its text, which is kept nowhere.
func newToken(name string, scope Scope, created, expires time.Time) (t Token, text string) {
	id, secret := make([]byte, idBytes), make([]byte, secretBytes)
	_, _ = rand.Read(id)     // never fails (crypto/rand)
	_, _ = rand.Read(secret) // never fails
	t = Token{ID: letters.EncodeToString(id), Name: name, Scope: scope, Created: created.UTC().Truncate(time.Second), Expires: expires}
	if !expires.IsZero() {
		t.Expires = expires.UTC().Truncate(time.Second)
	}
	text = prefix + t.ID + "_" + letters.EncodeToString(secret)
	t.Hash = sha256.Sum256([]byte(text))
	return t, text
}

// idOf returns the id in a token's text. It reports false if text is no token.
func idOf(text string) (id string, ok bool) {
	if len(text) != textLength || !strings.HasPrefix(text, prefix) || text[len(prefix)+idLength] != '_' {
		return "", false
	}
	id = text[len(prefix) : len(prefix)+idLength]
	return id, lettersOnly(id) && lettersOnly(text[len(prefix)+idLength+1:])
}

func lettersOnly(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// maxName bounds a name.
const maxName = 64

// CheckName refuses what cannot be a token's name: names stand between blanks in the
// file, and in logs.
func CheckName(name string) error {
	plain := name != "" && len(name) <= maxName && name[0] != '#'
	for i := range len(name) {
		c := name[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-@", c) >= 0)
	}
	if !plain {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("token name: use 1 to %d letters, digits and . _ - @, such as grafana or ann@laptop", maxName)}
	}
	return nil
}

func parseHash(s string) (h Hash, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || strings.ToLower(s) != s {
		return h, false
	}
	copy(h[:], b)
	return h, true
}
