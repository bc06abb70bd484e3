package access

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// SessionLife is how long a session lasts, at most.
const SessionLife = 7 * 24 * time.Hour

const (
	// maxSessions and maxSessionsEach bound the sessions of all and of one token; the
	// oldest ends when there would be more.
	maxSessions     = 1024
	maxSessionsEach = 32

	sessionBytes = 32
)

// Sessions are those of this process: whoever has shown a token once has a session in its
// stead, so that the page need not keep the token. Each is bound to its token and ends
// with it, and all end with the process. The zero value is not ready; see NewSessions.
type Sessions struct {
	now func() time.Time

	mu  sync.Mutex // guards all
	all map[Hash]session
}

type session struct {
	token   Token
	expires time.Time
}

// NewSessions returns no sessions yet, on the clock now.
func NewSessions(now func() time.Time) *Sessions {
	return &Sessions{now: now, all: map[Hash]session{}}
}

// Begin begins a session of t, and returns the secret that names it and when it ends.
func (s *Sessions) Begin(t Token) (secret string, expires time.Time) {
	b := make([]byte, sessionBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	secret = letters.EncodeToString(b)
	now := s.now()
	expires = now.Add(SessionLife)
	if !t.Expires.IsZero() && t.Expires.Before(expires) {
		expires = t.Expires
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(t.ID, now)
	s.all[sha256.Sum256([]byte(secret))] = session{t, expires}
	return secret, expires
}

// makeRoom ends what is over, and the oldest of a token's, or of all, that has too many.
// All last as long, so the oldest is the one that ends first, but for tokens that end.
func (s *Sessions) makeRoom(id string, now time.Time) {
	var oldest, oldestOfID Hash
	count := 0
	for h, o := range s.all {
		if !now.Before(o.expires) {
			delete(s.all, h)
			continue
		}
		if first, ok := s.all[oldest]; !ok || o.expires.Before(first.expires) {
			oldest = h
		}
		if o.token.ID != id {
			continue
		}
		count++
		if first, ok := s.all[oldestOfID]; !ok || o.expires.Before(first.expires) {
			oldestOfID = h
		}
	}
	switch {
	case count >= maxSessionsEach:
		delete(s.all, oldestOfID)
	case len(s.all) >= maxSessions:
		delete(s.all, oldest)
	}
}

// Find returns the token that the session of the given secret was begun with, which may
// have ended since. It reports false if there is no such session, or no more.
func (s *Sessions) Find(secret string) (Token, bool) {
	// Looking a hash up tells by its time nothing of the secrets that are there.
	key := Hash(sha256.Sum256([]byte(secret)))
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[key]
	if !ok || !s.now().Before(found.expires) {
		return Token{}, false
	}
	return found.token, true
}

// End ends the session of the given secret, if there is one.
func (s *Sessions) End(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(secret)))
}
