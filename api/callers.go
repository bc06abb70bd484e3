package api

import (
	"time"

	"perigee/api/access"
)

// Callers is what a process knows of those who ask: their sessions, and how much each has
// asked and tried. It outlives a handler that gives way to one with other Options, so that
// reading a configuration again signs nobody out and gives nobody new attempts. Sessions
// end with their tokens all the same.
type Callers struct {
	sessions *access.Sessions
	attempts *access.Rate  // of wrong tokens, by address
	rate     *access.Rate  // of requests, by token or address
	turns    *access.Turns // of questions
	exports  *access.Turns
	refused  turnedAway
}

// NewCallers returns a Callers of nobody; sessions end by the clock now.
func NewCallers(now func() time.Time) *Callers {
	return &Callers{
		sessions: access.NewSessions(now),
		attempts: access.NewRate(attemptBurst, attemptInterval, time.Now),
		rate:     access.NewRate(requestBurst, requestInterval, time.Now),
		turns:    access.NewTurns(maxRunning(), maxWaiting),
		exports:  access.NewTurns(maxExports, maxExports),
	}
}
