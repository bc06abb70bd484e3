package perigee

import (
	"strings"
	"time"
)

// Outage is a time in which a stream had no answered probe for at least the
// configured time (1 s by default). It runs from the sending of the first
// unanswered probe to the sending of the next answered one.
type Outage struct {
	Stream Stream
	Start  time.Time

	// End is when it ended, or, while Open, the last unanswered probe known.
	End  time.Time
	Open bool

	Probes int64  // unanswered probes
	Reason string // what the system said ("interface down", "no route"), or NoReplies
}

func (o Outage) length() time.Duration { return o.End.Sub(o.Start) }

// NoReplies is the reason of an outage most of whose probes were sent and not answered.
const NoReplies = "no replies"

// Gap is a time in which the monitor itself was not measuring. It says nothing of
// the link and is never shown as an outage.
type Gap struct {
	Site   string
	Link   LinkID // empty: all links
	Start  time.Time
	End    time.Time
	Reason GapReason
	Detail string
}

// GapReason says why the monitor was not measuring.
type GapReason string

// The reasons of gaps.
const (
	GapStopped   GapReason = "stopped"   // ended properly and started again
	GapCrashed   GapReason = "crashed"   // ended without a word and started again
	GapSuspended GapReason = "suspended" // the machine slept
	GapStalled   GapReason = "stalled"   // the process did not run, e.g. SIGSTOP

	// GapClockStep: the wall clock was set. Forward, the gap is the time that
	// the clock never showed; back, Start equals End and no time is missing.
	GapClockStep GapReason = "clock_step"

	// GapStoreDamaged: it was measuring, and the results were lost with a damaged file.
	GapStoreDamaged GapReason = "store_damaged"
)

// Event is something that happened to the measuring that an analyst must know.
type Event struct {
	Site   string
	Link   LinkID // empty: all links
	Time   time.Time
	Kind   EventKind
	Detail string
}

// EventKind tells events apart.
type EventKind string

// The kinds of events.
const (
	EventStarted        EventKind = "started" // Detail is that of a Maker, as of the next two
	EventStopped        EventKind = "stopped"
	EventReloaded       EventKind = "reloaded" // the configuration was read again
	EventProberRestart  EventKind = "prober_restarted"
	EventPartRestart    EventKind = "part_restarted"  // of the monitor, other than a prober
	EventPartHung       EventKind = "part_hung"       // it did not come round in the time that it had promised
	EventRebound        EventKind = "rebound"         // the link's device or address changed
	EventTargetResolved EventKind = "target_resolved" // a target's address changed
	EventClockForward   EventKind = "clock_set_forward"
	EventClockBack      EventKind = "clock_set_back" // their count makes later window starts unique
	EventClockUnset     EventKind = "clock_unset"    // from here to the next clock_set, results were dated afterwards
	EventClockSet       EventKind = "clock_set"
	EventStoreFailed    EventKind = "store_failed"
	EventStoreDamaged   EventKind = "store_damaged" // a damaged file was set aside, or what can be read of it was carried over
	EventImported       EventKind = "imported"      // results came from a file; Detail is ImportedDetail's
	EventMeasured       EventKind = "measured"      // imported results brought their provenance; Detail is MeasuredDetail's

	// Of transfers that did not take place, or of which nothing stands. Detail is
	// TransferDetail's.
	EventTransferSkipped EventKind = "transfer_skipped"
	EventTransferFailed  EventKind = "transfer_failed"
)

// TransferDetail returns the detail of an event about a transfer: what was to be
// measured, and why it was not.
func TransferDetail(target TargetID, direction Load, reason string) string {
	return string(target) + " " + string(direction) + ": " + reason
}

// ParseTransferDetail is the inverse of TransferDetail. It reports false for what that did
// not make.
func ParseTransferDetail(detail string) (target TargetID, direction Load, ok bool) {
	for _, d := range []Load{LoadDown, LoadUp} {
		name, _, found := strings.Cut(detail, " "+string(d)+": ")
		if found && (!ok || len(name) < len(target)) {
			target, direction, ok = TargetID(name), d, true
		}
	}
	return target, direction, ok
}
