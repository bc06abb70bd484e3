package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"perigee"
	"perigee/api/access"
	"perigee/dashboards"
)

// An asker is who asks.
type asker struct {
	key string // that limits count by: the token's id, or the address

	// token is what was shown, meaningful if known. session is the secret of the
	// session that was shown in its stead; empty if it was the token itself.
	token   access.Token
	known   bool
	session string
}

type askerKey struct{}

// askerOf returns who asks.
func askerOf(ctx context.Context) asker {
	a, _ := ctx.Value(askerKey{}).(asker)
	return a
}

// sessionPath is where sessions begin and end.
const sessionPath = prefix + "/session"

// needs returns what a request needs a token for; "" if it needs none. Only what is named
// here is open, so that whatever is added is not.
func needs(r *http.Request) access.Scope {
	if r.URL.RawPath == "" { // written as plainly as it can be
		_, page := dashboards.Pages[r.URL.Path]
		if page || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			return ""
		}
		if r.URL.Path == sessionPath {
			return access.ScopeRead
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return access.ScopeRead
	}
	return access.ScopeProbe
}

// withAuthentication lets only those ask who may, if there are tokens, and says to those
// behind it who that is.
func (s *server) withAuthentication(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := asker{key: access.AddressKey(r.RemoteAddr)}
		if s.keys != nil {
			var p *Problem
			if a, p = s.identify(r, a); p == nil {
				p = a.may(needs(r))
			}
			if p != nil && needs(r) != "" {
				s.refuse(w, r, a, p)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askerKey{}, a)))
	})
}

// The words of refusals. Each begins the WWW-Authenticate header (RFC 6750 section 3).
const (
	challenge      = `Bearer realm="perigee"`
	wrongToken     = challenge + `, error="invalid_token"`
	needsMoreScope = challenge + `, error="insufficient_scope", scope="probe"`
)

// identify returns who shows a token or the session of one, or what is wrong with it.
func (s *server) identify(r *http.Request, a asker) (asker, *Problem) {
	if text, given := bearer(r.Header); given {
		token, err := s.keys.Check(text)
		if err != nil {
			return a, s.wrongToken(a, token, err)
		}
		return asker{key: token.ID, token: token, known: true}, nil
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		token, ok := s.sessions.Find(cookie.Value)
		if !ok || !s.keys.Still(token) {
			return a, unauthenticated("the session has ended", "Sign in again with a token.", wrongToken)
		}
		return asker{key: token.ID, token: token, known: true, session: cookie.Value}, nil
	}
	return a, unauthenticated("a token is needed", "Send one as Authorization: Bearer TOKEN, or sign in on the page; perigee token add makes them.", challenge)
}

// bearer returns the token that a request shows. It reports false if it shows none; what
// is no token, or several, is shown all the same.
func bearer(h http.Header) (text string, given bool) {
	for _, value := range h.Values("Authorization") {
		scheme, rest, _ := strings.Cut(strings.TrimLeft(value, " "), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue // that of a proxy before us
		}
		if given {
			return "", true
		}
		text, given = strings.Trim(rest, " "), true
	}
	return text, given
}

// wrongToken is the problem of a token that is refused. Attempts are logged, as far as
// they are not too many, without what was shown.
func (s *server) wrongToken(a asker, token access.Token, err error) *Problem {
	s.refused.wrong.Add(1)
	allowed, wait := s.attempts.Allow(a.key)
	if !allowed {
		return tooMany("too many wrong tokens came from this address", wait)
	}
	if errors.Is(err, access.ErrExpired) {
		s.log.Warn("an expired token was refused", "address", a.key, "token", token.ID, "name", token.Name)
		return unauthenticated("the token has expired", "Ask the monitor's operator for another; perigee token add makes them.", wrongToken)
	}
	s.log.Warn("a token was refused", "address", a.key)
	return unauthenticated("the token is not known", "Check that it is whole; perigee token list shows those that there are.", wrongToken)
}

// may returns nil if a may do what needs a scope.
func (a asker) may(need access.Scope) *Problem {
	if need == "" || a.known && a.token.Scope.Allows(need) {
		return nil
	}
	p := newProblem(perigee.CodePermission, fmt.Sprintf("the token's scope is %s, and this needs %s", a.token.Scope, need), "Use a token of that scope; perigee token add --scope probe makes one.")
	p.challenge = needsMoreScope
	return p
}

// refuse answers who may not ask. That costs little, but not nothing: one who goes on is
// told to wait.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, a asker, p *Problem) {
	if ok, wait := s.rate.Allow(a.key); !ok {
		p = tooMany("too many requests", wait)
	}
	s.refused.count(p)
	p.write(w)
}

// unauthenticated is the problem of a request that shows no token that is good.
func unauthenticated(detail, remedy, challenge string) *Problem {
	p := newProblem(perigee.CodeUnauthenticated, detail, remedy)
	p.challenge = challenge
	return p
}

// tooMany is the problem of a request that is one too many.
func tooMany(detail string, wait time.Duration) *Problem {
	seconds := int(math.Ceil(wait.Seconds()))
	p := newProblem(perigee.CodeTooMany, detail, fmt.Sprintf("Ask again after %d s, and less often.", max(seconds, 1)))
	p.wait = strconv.Itoa(max(seconds, 1))
	return p
}

// stillKnown reports whether who asked, for what is answered for long, may go on.
func (s *server) stillKnown(ctx context.Context) bool {
	a := askerOf(ctx)
	if s.keys == nil {
		return true
	}
	if a.session != "" {
		if _, ok := s.sessions.Find(a.session); !ok {
			return false
		}
	}
	return a.known && s.keys.Still(a.token)
}

// mayReadAll reports whether who asks may see what is behind an open path.
func (s *server) mayReadAll(ctx context.Context) bool {
	return s.keys == nil || askerOf(ctx).known
}
