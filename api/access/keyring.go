package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Why a token is refused. Who is refused is told no more than that.
var (
	ErrUnknown = errors.New("the token is not known")
	ErrExpired = errors.New("the token has expired")
)

// lookAgain is how long a file is taken to be as it was: a token that was revoked is
// refused after at most so long.
const lookAgain = time.Second

// A Keyring knows the tokens in a file, as it is now.
type Keyring struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex // guards all below
	tokens  map[string]Token
	seen    fs.FileInfo // the file that was read last, whether it could be used or not
	looked  time.Time
	problem error // why the file as it is now cannot be used
}

// OpenKeyring reads the tokens in the file at path. If it cannot be used, no token is
// accepted until it can, and Problem tells why: a monitor must not stop measuring for
// that. now is the wall clock, log is told when the file changes and when it cannot be
// used.
func OpenKeyring(path string, now func() time.Time, log *slog.Logger) *Keyring {
	k := &Keyring{path: path, now: now, log: log}
	k.look(now())
	return k
}

// Check returns the token that text is. It fails with ErrUnknown or ErrExpired; the
// token that has expired is returned with the latter.
func (k *Keyring) Check(text string) (Token, error) {
	id, _ := idOf(text) // "" is nobody's
	hash := Hash(sha256.Sum256([]byte(text)))
	return k.find(id, hash)
}

// Still reports whether t, as Check returned it, is good now, and for the same.
func (k *Keyring) Still(t Token) bool {
	now, err := k.find(t.ID, t.Hash)
	return err == nil && now.Scope == t.Scope
}

func (k *Keyring) find(id string, hash Hash) (Token, error) {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if since := now.Sub(k.looked); since >= lookAgain || since < 0 {
		k.look(now)
	}
	t, known := k.tokens[id]
	// The comparison takes as long for an id that nobody has.
	if subtle.ConstantTimeCompare(t.Hash[:], hash[:]) != 1 || !known {
		return Token{}, ErrUnknown
	}
	if t.Expired(now) {
		return t, ErrExpired
	}
	return t, nil
}

// Problem returns why the file as it is now cannot be used; nil if it can.
func (k *Keyring) Problem() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(k.now())
	return k.problem
}

// look reads the file again if it is another than at last. k.mu is held, but by
// OpenKeyring.
func (k *Keyring) look(now time.Time) {
	k.looked = now
	info, err := os.Stat(k.path)
	if err == nil && k.seen != nil && same(info, k.seen) {
		return
	}
	tokens, info, err := read(k.path)
	k.seen = info
	if err != nil {
		if k.problem == nil || k.problem.Error() != err.Error() {
			k.log.Error("the tokens file cannot be used; the tokens that it held before stay in force", "error", err, "tokens", len(k.tokens))
		}
		k.problem = err
		return
	}
	k.problem = nil
	byID := make(map[string]Token, len(tokens))
	for _, t := range tokens {
		byID[t.ID] = t
	}
	if k.tokens != nil {
		k.log.Info("the tokens file was read again", "tokens", len(byID))
	}
	k.tokens = byID
}

// same reports whether a and b are one file with one content, as far as names tell.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}
