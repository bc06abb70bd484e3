package perigee

import "time"

// MonitorState is what a monitor tells of itself at one time, for those who read a Sink.
// It is no result: nothing keeps it, and what a Sink did not take at the time is lost.
type MonitorState struct {
	// Site is that of the monitor; empty where one store holds many.
	Site string

	// At is when it was so. Later states of the same minute replace earlier ones.
	At time.Time

	Maker Maker     // what it measures by
	Since time.Time // when it was started or reloaded to do so; zero if not known

	Pending     int64     // results that were stored and not acknowledged
	Oldest      time.Time // the earliest time among them; zero if there are none
	DeadLetters int64     // results that the Sink will never take

	Budgets []BudgetUse // of each link that is measured
}

// BudgetUse is what perigee moved over a link in its billing period, and what it may.
// Bytes are those on the wire, both directions together.
type BudgetUse struct {
	Link  LinkID
	Orbit Orbit

	Start, End time.Time // of the billing period

	Used      int64 // by perigee, and what was used before it counted
	Allowance int64 // 0 if the link has no budget
	Device    int64 // moved by the link's device, whoever moved it; negative if not known
}
