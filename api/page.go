package api

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"perigee/dashboards"
)

// Check is one thing that must hold before the service is of use.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason" doc:"Why not, with the remedy; empty if OK."`

	State   string `json:"state" doc:"ok, warning or failed, as perigee doctor tells it."`
	Message string `json:"message" doc:"What was found; may be empty if OK."`
}

// Readiness answers /readyz.
type Readiness struct {
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

// readyTimeout is how long the checks may take together.
const readyTimeout = 5 * time.Second

func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	answer := Readiness{Ready: true, Checks: []Check{}}
	if s.ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		answer.Checks = append(answer.Checks, s.ready(ctx)...)
	}
	for i := range answer.Checks {
		c := &answer.Checks[i]
		answer.Ready = answer.Ready && c.OK
		switch {
		case c.State != "": // it was told
		case c.OK:
			c.State = "ok"
		default:
			c.State, c.Message = "failed", c.Reason
		}
	}
	if !s.mayReadAll(r.Context()) {
		answer.Checks = []Check{} // a load balancer needs no reasons
	}
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = Encode(w, answer) // the client has gone
}

// servePage serves one of the page's files, which it compresses once. Browsers ask again
// each time whether it has changed: a new version of the monitor may have begun.
func servePage(file dashboards.Page) http.HandlerFunc {
	compressed, shorter := gzipped(file.Content)
	return func(w http.ResponseWriter, r *http.Request) {
		content, tag := file.Content, file.ETag
		if shorter && takesGzip(r.Header) {
			// Other bytes need another tag (RFC 9110 section 8.8.3.3).
			content, tag = compressed, strings.TrimSuffix(tag, `"`)+`-gzip"`
			w.Header().Set("Content-Encoding", "gzip")
		}
		w.Header().Set("Content-Type", file.Type)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Vary", "Accept-Encoding")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}
