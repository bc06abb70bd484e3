package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"perigee"
)

// Problem is the body of every answer that is not a success: a problem document
// (RFC 9457, application/problem+json). Its type is about:blank, so Title is the
// name of the status; Code is what programs branch on.
type Problem struct {
	Type      string `json:"type" doc:"Always about:blank: code tells problems apart."`
	Title     string `json:"title" doc:"Name of the HTTP status."`
	Status    int    `json:"status" doc:"HTTP status."`
	Code      string `json:"code" enum:"invalid,not_found,permission,not_enough_data,unavailable,internal,unauthenticated,too_many,too_dear" doc:"Kind of failure; never changes its meaning."`
	Detail    string `json:"detail" doc:"What is wrong, for people."`
	Remedy    string `json:"remedy" doc:"What to do about it, for people."`
	Parameter string `json:"parameter,omitempty" doc:"The query or path parameter at fault, if one is."`

	cause     error  // for the log
	challenge string // WWW-Authenticate, if a token would help
	wait      string // Retry-After, in seconds, if waiting helps
}

// statuses is the one place where codes become statuses.
var statuses = map[perigee.Code]int{
	perigee.CodeInvalid:       http.StatusBadRequest,
	perigee.CodeNotFound:      http.StatusNotFound,
	perigee.CodePermission:    http.StatusForbidden,
	perigee.CodeNotEnoughData: http.StatusConflict,
	perigee.CodeUnavailable:   http.StatusServiceUnavailable,
	perigee.CodeInternal:      http.StatusInternalServerError,

	perigee.CodeUnauthenticated: http.StatusUnauthorized,
	perigee.CodeTooMany:         http.StatusTooManyRequests,
	perigee.CodeTooDear:         http.StatusUnprocessableEntity,
}

// remedies stand in for a remedy of its own: messages of the domain name theirs.
var remedies = map[perigee.Code]string{
	perigee.CodeInvalid:       "Correct the request; /api/v1/openapi.json describes it.",
	perigee.CodeNotFound:      "Check the name; /api/v1/links lists the links.",
	perigee.CodePermission:    "Run perigee doctor on the monitor.",
	perigee.CodeNotEnoughData: "Ask for a longer range, or again when more has been measured.",
	perigee.CodeUnavailable:   "Try again in a few seconds.",
	perigee.CodeInternal:      "See the monitor's log; if it recurs, please report it.",

	perigee.CodeUnauthenticated: "Send a token, as Authorization: Bearer TOKEN.",
	perigee.CodeTooMany:         "Ask less often.",
	perigee.CodeTooDear:         "Ask for a shorter range, or for less in it.",
}

func newProblem(code perigee.Code, detail, remedy string) *Problem {
	status := statuses[code]
	if remedy == "" {
		remedy = remedies[code]
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: string(code), Detail: detail, Remedy: remedy}
}

// badParameter is the problem of a parameter that cannot be understood.
func badParameter(name, detail, remedy string) *Problem {
	p := newProblem(perigee.CodeInvalid, detail, remedy)
	p.Parameter = name
	return p
}

// problemOf turns any error into a Problem. What is not meant for users stays in its
// cause: an error without a code is shown as an internal error and nothing else.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) {
		p := newProblem(perigee.CodeUnavailable, fmt.Sprintf("the answer was not ready within %s", queryTimeout), "Ask for a shorter range, or try again.")
		p.cause = err
		return p
	}
	code, detail := perigee.CodeInternal, "internal error"
	if e, ok := errors.AsType[*perigee.Error](err); ok && e.Code != perigee.CodeInternal && statuses[e.Code] != 0 {
		code, detail = e.Code, e.Message
	}
	p := newProblem(code, detail, "")
	p.cause = err
	return p
}

// Error returns the detail and the cause.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Detail + ": " + p.cause.Error()
	}
	return p.Detail
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus makes a Problem an answer of its own (huma.StatusError).
func (p *Problem) GetStatus() int { return p.Status }

// ContentType names the media type of problem documents (huma.ContentTypeFilter).
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// GetHeaders asks clients to wait where trying again helps, and for a token where that
// does (huma.HeadersError).
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch {
	case p.wait != "":
		h.Set("Retry-After", p.wait)
	case p.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	return h
}

// write answers a request with p.
func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Del("Content-Disposition")
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = Encode(w, p) // the client has gone; nobody is left to be told
}
