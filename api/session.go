package api

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"perigee"
)

// sessionCookie holds the secret of a session.
const sessionCookie = "perigee_session"

// SessionRequest asks for a session of the token that is sent with it.
type SessionRequest struct{}

// SessionResponse says whose the token is that a request shows, or that its session was
// begun with.
type SessionResponse struct {
	Name    string     `json:"name" doc:"Name of the token."`
	Scope   string     `json:"scope" enum:"read,probe" doc:"What it is good for: probe includes read."`
	Expires *time.Time `json:"expires" doc:"When the session ends, or the token if no session was begun; null: not by itself."`

	secret string
	secure bool
}

// cookie returns the cookie of a session that was begun.
func (r SessionResponse) cookie() *http.Cookie {
	c := &http.Cookie{Name: sessionCookie, Value: r.secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.secure}
	if r.Expires != nil {
		c.Expires = *r.Expires
	}
	return c
}

type sessionOutput struct {
	Body SessionResponse
}

// errNoTokens is the problem of asking for sessions where anybody may ask everything.
func errNoTokens() *Problem {
	return newProblem(perigee.CodeNotFound, "no tokens are asked for here", "Ask without one; docs/access.md says how to require them.")
}

// registerSession adds what begins and ends sessions.
func (s *server) registerSession(router chi.Router, api huma.API) {
	get(s, api, "session", "/session", "Whose the token is that this is asked with", nil, s.whose)
	post(s, router, api, "begin-session", "/session", "Begin a session of the token that this is asked with, in a cookie", s.beginSession)
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: sessionPath, Summary: "End the session",
		Responses: map[string]*huma.Response{
			"204":     {Description: "Ended"},
			"default": problemResponse(api),
		},
	})
	router.Delete(sessionPath, s.endSession)
}

func (s *server) whose(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
	if s.keys == nil {
		return nil, errNoTokens()
	}
	token := askerOf(ctx).token
	return &sessionOutput{SessionResponse{Name: token.Name, Scope: string(token.Scope), Expires: maybeTime(token.Expires)}}, nil
}

func (s *server) beginSession(ctx context.Context, _ SessionRequest) (SessionResponse, error) {
	if s.keys == nil {
		return SessionResponse{}, errNoTokens()
	}
	a := askerOf(ctx)
	if a.session != "" {
		return SessionResponse{}, unauthenticated("a session cannot begin another", "Send the token itself, as Authorization: Bearer TOKEN.", challenge)
	}
	secret, expires := s.sessions.Begin(a.token)
	return SessionResponse{Name: a.token.Name, Scope: string(a.token.Scope), Expires: maybeTime(expires), secret: secret, secure: encrypted(ctx)}, nil
}

// endSession ends the session that the request shows, and takes its cookie back.
func (s *server) endSession(w http.ResponseWriter, r *http.Request) {
	if p := s.notForeign(r); p != nil {
		p.write(w)
		return
	}
	if p := checkQuery(r.URL.RawQuery, nil); p != nil {
		p.write(w)
		return
	}
	if s.keys == nil {
		errNoTokens().write(w)
		return
	}
	s.sessions.End(askerOf(r.Context()).session)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: encrypted(r.Context())})
	w.WriteHeader(http.StatusNoContent)
}

type encryptedKey struct{}

// withEncryption notes whether a request came encrypted, at least to the last proxy: of
// one on this machine its word is taken. Who lies keeps a cookie from themselves.
func withEncryption(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		proxied := net.ParseIP(host).IsLoopback() && r.Header.Get("X-Forwarded-Proto") == "https"
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), encryptedKey{}, r.TLS != nil || proxied)))
	})
}

func encrypted(ctx context.Context) bool { is, _ := ctx.Value(encryptedKey{}).(bool); return is }
