package api

import (
	"net/http"
	"sync/atomic"
	"time"

	"perigee"
)

const (
	// attemptBurst wrong tokens are refused with a reason and logged, then one each
	// attemptInterval. A token that is good is taken all the same: nobody can shut
	// another out by guessing.
	attemptBurst    = 10
	attemptInterval = 10 * time.Second

	// requestBurst requests may come at once, then one each requestInterval. A page
	// that is opened asks two dozen, Prometheus one each 15 s.
	requestBurst    = 1000
	requestInterval = 5 * time.Millisecond
)

// withRate refuses requests of who asks too often.
func (s *server) withRate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ok, wait := s.rate.Allow(askerOf(r.Context()).key); !ok {
			p := tooMany("too many requests", wait)
			s.refused.count(p)
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// turnedAway counts what was refused since the start, for /metrics.
type turnedAway struct {
	unauthenticated, permission, tooMany, wrong atomic.Int64
}

func (r *turnedAway) count(p *Problem) {
	switch perigee.Code(p.Code) {
	case perigee.CodeUnauthenticated:
		r.unauthenticated.Add(1)
	case perigee.CodePermission:
		r.permission.Add(1)
	case perigee.CodeTooMany:
		r.tooMany.Add(1)
	}
}
