package storage

import (
	"time"

	"perigee"
)

// OutboxState is what an Outbox does now.
type OutboxState string

// The states of an Outbox.
const (
	OutboxIdle    OutboxState = "idle"    // nothing is pending
	OutboxSending OutboxState = "sending" // something is, and is on its way
	OutboxWaiting OutboxState = "waiting" // before it tries again
	OutboxBlocked OutboxState = "blocked" // until a person acts; it tries again seldom
	OutboxHeld    OutboxState = "held"    // by Hold
)

// OutboxStatus is what an Outbox tells of itself.
type OutboxStatus struct {
	State OutboxState

	Pending     int64     // entries; a few seconds old while sending
	Oldest      time.Time // the earliest time among them; zero if there are none
	DeadLetters int64

	Sent        int64     // entries acknowledged since the start
	Writes      int64     // writes tried since the start, link states included
	Failures    int64     // those of them that were not acknowledged
	LastSuccess time.Time // of a write; zero if there was none

	Problem Problem   // that keeps results here; its zero is none
	NextTry time.Time // while waiting or blocked; else zero
}

// ReasonStore is the reason of a Problem of the local store, not of the sink.
const ReasonStore perigee.RefusalReason = "store"

// Problem is why results do not get through.
type Problem struct {
	Reason  perigee.RefusalReason // empty: there is none
	Message string
	Remedy  string    // empty if waiting is all
	Since   time.Time // when results got through no more
}

// Status tells what the outbox does and how it fares.
func (o *Outbox) Status() OutboxStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	status := o.status
	if o.holds > 0 && o.inFlight == nil {
		status.State, status.NextTry = OutboxHeld, time.Time{}
	}
	return status
}

// update changes the status.
func (o *Outbox) update(change func(*OutboxStatus)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.status)
}

// troubled makes p the problem and logs it if it is news: another reason, or other words
// of one that a person must act on. The words of a broken network vary all the time.
func (o *Outbox) troubled(p Problem) {
	var before Problem
	o.update(func(s *OutboxStatus) {
		before = s.Problem
		if p.Since = before.Since; p.Since.IsZero() {
			p.Since = o.Now()
		}
		s.Problem = p
	})
	if p.Reason == before.Reason && (p.Message == before.Message || p.Reason == perigee.RefusedUnreachable || p.Reason == perigee.RefusedBusy) {
		return
	}
	attributes := []any{"reason", string(p.Reason), "problem", p.Message}
	if p.Remedy != "" {
		attributes = append(attributes, "remedy", p.Remedy)
	}
	o.Log.Warn("results are kept here: they cannot be forwarded", attributes...)
}

// recovered ends the problem, if it is of the sink (or of the store).
func (o *Outbox) recovered(ofStore bool) {
	var before Problem
	o.update(func(s *OutboxStatus) {
		if before = s.Problem; (before.Reason == ReasonStore) == ofStore {
			s.Problem = Problem{}
		} else {
			before = Problem{}
		}
	})
	if before.Reason != "" {
		o.Log.Info("results are forwarded again", "reason", string(before.Reason), "after", o.Now().Sub(before.Since).Round(time.Second))
	}
}
