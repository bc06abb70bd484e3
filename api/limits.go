package api

import (
	"context"
	"net/http"
	"runtime"
	"strings"
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

	// maxWaiting questions wait for their turn, each for turnTimeout at most.
	maxWaiting  = 256
	turnTimeout = 10 * time.Second

	// maxExports exports are written at once, and as many wait. An export is bounded
	// by its reader's line, so it would keep a turn from others for long.
	maxExports = 4

	// maxLiveEach bounds the streams of one who asks, of maxLiveClients in all.
	maxLiveEach = maxLiveClients / 2
)

// maxRunning questions are worked on at once. Each takes a processor, or waits for a
// database; more at once would all take longer.
func maxRunning() int { return max(8, 4*runtime.GOMAXPROCS(0)) }

// withTurn lets a question wait until few enough others are worked on. Streams are
// bounded by themselves.
func (s *server) withTurn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		turns := s.turns
		switch {
		case !strings.HasPrefix(r.URL.Path, prefix+"/"), r.URL.Path == prefix+"/live":
			next.ServeHTTP(w, r)
			return
		case r.URL.Path == prefix+"/export":
			turns = s.exports
		}
		ctx, cancel := context.WithTimeout(r.Context(), turnTimeout)
		leave, ok := turns.Wait(ctx, askerOf(r.Context()).key)
		cancel()
		if !ok {
			p := newProblem(perigee.CodeUnavailable, "the monitor is busy with other questions", "Ask again in a few seconds, and fewer at once.")
			s.refused.count(p)
			p.write(w)
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// withWriteDeadline gives a client time to accept an answer that is ready. What takes
// longer sets its own.
func withWriteDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(turnTimeout + queryTimeout + writeTimeout)) // unsupported by some writers
		next.ServeHTTP(w, r)
	})
}

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
	unauthenticated, permission, tooMany, busy, wrong atomic.Int64
}

func (r *turnedAway) count(p *Problem) {
	switch perigee.Code(p.Code) {
	case perigee.CodeUnauthenticated:
		r.unauthenticated.Add(1)
	case perigee.CodePermission:
		r.permission.Add(1)
	case perigee.CodeTooMany:
		r.tooMany.Add(1)
	case perigee.CodeUnavailable:
		r.busy.Add(1)
	}
}
