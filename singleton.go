package perigee

import "time"

// Seq numbers the probes of one stream in send order, without a break and without
// wrapping, from 0 at the start of the process.
type Seq uint64

// Outcome is what became of one planned probe. Each planned probe has exactly one.
type Outcome uint8

// The outcomes. Planned = sent + SendFailed + Skipped, sent = Received + Late + Lost.
const (
	// Received: answered within the loss timeout. The only outcome with an RTT
	// in the statistics.
	Received Outcome = iota + 1

	// Late: answered, but after the loss timeout and before the late horizon.
	// Counts as lost for RTT (RFC 6673).
	Late

	// Lost: sent and not answered before the late horizon.
	Lost

	// SendFailed: the system refused to send, e.g. the interface is down.
	SendFailed

	// Skipped: due, but the monitor did not measure: it was too slow, or the
	// prober died between sending and hearing.
	Skipped
)

var outcomeNames = map[Outcome]string{Received: "received", Late: "late", Lost: "lost", SendFailed: "send_failed", Skipped: "skipped"}

// String returns the outcome's name as it stands in exports.
func (o Outcome) String() string {
	if name, ok := outcomeNames[o]; ok {
		return name
	}
	return "unknown"
}

// ParseOutcome is the inverse of String. It reports false for an unknown name.
func ParseOutcome(name string) (Outcome, bool) {
	for o, n := range outcomeNames {
		if n == name {
			return o, true
		}
	}
	return 0, false
}

// Arrived reports whether the probe has an RTT in the statistics.
func (o Outcome) Arrived() bool { return o == Received }

// Sent reports whether the probe left the machine.
func (o Outcome) Sent() bool { return o == Received || o == Late || o == Lost }

// Singleton is one probe and its outcome (RFC 2330 section 11).
type Singleton struct {
	Seq Seq

	// At is when the probe was sent, or was due if it was not sent, on the
	// monotonic clock; in a stored sample, the time since the sample's start.
	At time.Duration

	Outcome Outcome

	// RTT is the round-trip time if Outcome is Received or Late, else 0 and
	// meaningless.
	RTT time.Duration

	// Reordered is set if the reply came after the reply to a later probe.
	Reordered bool

	// Duplicates is how many further replies to this probe came.
	Duplicates int

	// Cause says in a few words why a probe was SendFailed or Skipped.
	Cause string
}

// LossTimeoutFor returns the default waiting time after which a probe counts as
// lost on a link of orbit o: 5 s on GEO, 3 s elsewhere. It is part of the metric and
// stored with each sample (RFC 6673).
func LossTimeoutFor(o Orbit) time.Duration {
	if o == OrbitGEO {
		return 5 * time.Second
	}
	return 3 * time.Second
}

// LateHorizon returns how long after sending a probe's fate is decided at last: a
// reply after the loss timeout but before the horizon makes the probe late, none
// makes it lost. It is twice the loss timeout.
func LateHorizon(lossTimeout time.Duration) time.Duration { return 2 * lossTimeout }
