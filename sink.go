package perigee

import (
	"context"
	"fmt"
	"time"
)

// Entry is one result on its way from a store to a Sink. Exactly one of its pointers
// is set, the one that Kind names.
type Entry struct {
	// ID names the entry, together with Kind, to the store that handed it out.
	ID   int64
	Kind EntryKind

	// Orbit is that of the link, as it was described when the result was stored;
	// empty if it was not. Of a LinkState it is the one in effect now.
	Orbit Orbit

	Sample     *Sample     // of EntryWindow, without singletons; of EntryHour
	Throughput *Throughput // of EntryThroughput
	Outage     *Outage     // of EntryOutage
	Gap        *Gap        // of EntryGap
	Event      *Event      // of EntryEvent
	Link       *LinkState  // of EntryLink

	Monitor *MonitorState // of EntryMonitor
}

// EntryKind tells what an Entry carries.
type EntryKind string

// The kinds of entries.
const (
	EntryWindow     EntryKind = "window"
	EntryHour       EntryKind = "hour"
	EntryThroughput EntryKind = "throughput"
	EntryOutage     EntryKind = "outage"
	EntryGap        EntryKind = "gap"
	EntryEvent      EntryKind = "event"
	EntryLink       EntryKind = "link"
	EntryMonitor    EntryKind = "monitor" // never kept, nor a dead letter
)

// Time returns when what e carries began.
func (e Entry) Time() time.Time {
	switch {
	case e.Sample != nil:
		return e.Sample.Start
	case e.Throughput != nil:
		return e.Throughput.Start
	case e.Outage != nil:
		return e.Outage.Start
	case e.Gap != nil:
		return e.Gap.Start
	case e.Event != nil:
		return e.Event.Time
	case e.Link != nil:
		return e.Link.At
	case e.Monitor != nil:
		return e.Monitor.At
	}
	return time.Time{}
}

// LinkState is what a store knows of a link at one time, for those who read a Sink.
type LinkState struct {
	LinkRecord

	// At is when it was known, a whole hour: later states of the same hour
	// replace earlier ones.
	At time.Time

	// Rolled tells that every window of the link that starts before it was
	// forwarded, and that the rollup of every hour before it was too. The zero
	// time is none.
	Rolled time.Time
}

// DeadLetter is an entry that a Sink will never take as it is.
type DeadLetter struct {
	ID     int64
	Kind   EntryKind
	Stream Stream    // of the entry; gaps, events and links have site and link alone
	Time   time.Time // of the entry
	Reason string    // the sink's words
	Since  time.Time // when it was refused
}

// Sink takes results onward, e.g. to a database elsewhere. Write returns nil only when
// the sink has acknowledged all entries. It is given the same entries again if it
// failed or its success was not seen; writing them twice leaves the sink as writing
// them once.
//
// Its errors are *Refusal if the sink can tell what should follow, else any.
type Sink interface {
	Write(ctx context.Context, entries []Entry) error
}

// Refusal is why a Sink did not take entries, and what follows from it.
type Refusal struct {
	Reason     RefusalReason
	RetryAfter time.Duration // how long the sink asks to be left alone; 0 if it does not
	Message    string        // what is wrong, in the sink's words where it has any
	Remedy     string        // what a person can do about it; empty if waiting is all
	Err        error         // the cause, if any
}

// RefusalReason tells kinds of refusal apart by what is to be done.
type RefusalReason string

// The reasons of refusals.
const (
	// RefusedUnreachable: no answer, or none that makes sense. Keep and retry.
	RefusedUnreachable RefusalReason = "unreachable"

	// RefusedBusy: asks to wait. Keep and retry after RetryAfter.
	RefusedBusy RefusalReason = "busy"

	// RefusedSetup: credentials, organization or bucket are wrong. Keep, say so
	// once, and try seldom: a person must act.
	RefusedSetup RefusalReason = "setup"

	// RefusedTooLarge: too much at once. Split.
	RefusedTooLarge RefusalReason = "too_large"

	// RefusedContent: at least one entry will never be taken as it is; others
	// may have been. Split until it is alone, set it aside, go on.
	RefusedContent RefusalReason = "content"
)

// Error returns the message, the remedy and the cause.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("%s: %s", r.Reason, r.Message)
	if r.Remedy != "" {
		text += " (" + r.Remedy + ")"
	}
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }
