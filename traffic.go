package perigee

// Purpose says what bytes were moved over a link for, in the account that budgets are
// kept by.
type Purpose string

// The purposes.
const (
	PurposeProbing  Purpose = "probing"  // latency probes and their replies
	PurposeOutbox   Purpose = "outbox"   // results on their way to a database
	PurposeTransfer Purpose = "transfer" // scheduled transfers
	PurposeManual   Purpose = "manual"   // measurements that somebody asked for

	// PurposeDevice is all that the link's device moved by its own counters,
	// whoever moved it: the others are parts of it.
	PurposeDevice Purpose = "device"
)
