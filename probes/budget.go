package probes

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// Budget is what may be moved over a link in each billing month, in bytes on the wire,
// both directions together. What it decides is in docs/budget.md, in words. It is pure:
// the time and what was used are passed in.
type Budget struct {
	Bytes int64
	Month BillingMonth

	// Reserve is the share of Bytes, 0 to 1, that scheduled transfers leave to
	// those that somebody asks for.
	Reserve float64

	// Used is what was used of the month that UsedOn lies in, by then. It stands
	// for whatever was recorded before. UsedOn is zero if that is not known.
	Used   int64
	UsedOn time.Time
}

const (
	// steadyMargin is kept for probing and forwarding beyond what is expected of them.
	steadyMargin = 0.05

	// leastTest is the least that a transfer is made with: below, it would see little
	// but its own beginning.
	leastTest = 1_000_000

	// leastShare of an expected round is the least that is made of one.
	leastShare = 0.25
)

// Spent returns what counts as used of the billing month that now lies in.
//
// If l begins within that month, and the budget does not tell what was used before, the
// month is assumed to have been used evenly until then: what is left then lasts as long
// as it would have.
func (b Budget) Spent(l *Ledger, now time.Time) Use {
	start, end := b.Month.Period(now)
	if !b.UsedOn.Before(start) && b.UsedOn.Before(end) {
		from := b.UsedOn
		if from.After(now) {
			from = start // not yet: nothing recorded is replaced
		}
		u := l.Since(from, now)
		u.Earlier = b.Used
		return u
	}
	u := l.Since(start, now)
	first, any := l.First()
	if !any {
		first = now.Truncate(quarter)
	}
	if first.After(start) && first.Before(end) {
		u.Earlier = int64(float64(b.Bytes) * float64(first.Sub(start)) / float64(end.Sub(start)))
	}
	return u
}

// Need is what a plan is made for.
type Need struct {
	Now   time.Time
	Spent Use // of the billing month, see Budget.Spent

	Every  time.Duration // the least mean distance of rounds of scheduled transfers; > 0
	Round  int64         // what a round is expected to move, see ExpectedRound
	Cap    int64         // the most that a round may move; 0 is no limit
	Steady float64       // bytes per second that probing and forwarding are expected to move
}

// Allotment is what a budget allows at one time.
type Allotment struct {
	Start, End time.Time // the billing month

	Spent    int64 // of the month's bytes
	Left     int64 // of them; 0 if more than all are spent
	Steady   int64 // what probing and forwarding are expected to move until the end, and a margin
	Reserved int64 // kept for transfers that somebody asks for

	// Round is the most that a round of scheduled transfers may move now, and
	// Distance the mean distance that rounds keep so that the month's bytes last.
	// Stretch is Distance in units of Need.Every, at least 1, as Starts takes it.
	Round    int64
	Distance time.Duration
	Stretch  float64

	// Manual is the most that a transfer that somebody asks for may move now.
	Manual int64

	// Skip says why there is no scheduled transfer; empty if there is one.
	Skip string
}

// Plan says what may be moved now. The sum of what it allows and what probing and
// forwarding are expected to move never passes the budget.
func (b Budget) Plan(n Need) Allotment {
	a := Allotment{Stretch: 1, Distance: n.Every, Spent: n.Spent.Total()}
	a.Start, a.End = b.Month.Period(n.Now)
	rest, month := a.End.Sub(n.Now), a.End.Sub(a.Start)
	a.Left = max(0, b.Bytes-a.Spent)
	a.Steady = steadyBytes(n.Steady, rest)
	a.Manual = max(0, a.Left-a.Steady)
	a.Reserved = b.reserved(n.Spent.Manual, float64(rest)/float64(month))

	free := a.Left - a.Steady - a.Reserved
	expected := cmp.Or(max(0, n.Round), n.Cap, leastTest)
	least := max(leastTest, int64(leastShare*float64(expected)))
	until := a.End.In(b.Month.location()).Format("2 January 15:04")
	switch whole := steadyBytes(n.Steady, month); {
	case whole > b.Bytes:
		a.Skip = fmt.Sprintf("probing and forwarding alone need about %s of a month's %s: raise the budget, or probe less often", amount(whole), amount(b.Bytes))
	case a.Left == 0:
		a.Skip = fmt.Sprintf("the month's %s are used up; there is more on %s", amount(b.Bytes), until)
	case a.Manual == 0:
		a.Skip = fmt.Sprintf("the %s that are left until %s are needed for probing and forwarding", amount(a.Left), until)
	case free < least:
		a.Skip = fmt.Sprintf("of the %s that are left until %s, %s are needed for probing and forwarding and %s kept for tests by hand; the rest is too little for a test, which takes about %s",
			amount(a.Left), until, amount(a.Steady), amount(a.Reserved), amount(expected))
	default:
		a.Round = free
		if n.Cap > 0 {
			a.Round = min(a.Round, n.Cap)
		}
		a.Distance = max(n.Every, time.Duration(float64(rest)*float64(expected)/float64(free)))
		a.Stretch = float64(a.Distance) / float64(n.Every)
	}
	return a
}

// reserved returns what is still kept for transfers by hand, of which manual bytes were
// made. What nobody asks for is given back evenly as the month passes, of which share is
// left.
func (b Budget) reserved(manual int64, share float64) int64 {
	whole := b.Reserve * float64(b.Bytes)
	return int64(max(0, min(whole-float64(manual), whole*share)))
}

// steadyBytes returns what a rate of bytes per second comes to, and the margin.
func steadyBytes(rate float64, over time.Duration) int64 {
	return int64(rate * over.Seconds() * (1 + steadyMargin))
}

// amount writes bytes for a reader: three digits and a unit.
func amount(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, larger := range []string{"kB", "MB", "GB", "TB"} {
		if value < 999.5 {
			break
		}
		value, unit = value/1000, larger
	}
	decimals := 0
	if unit != "B" {
		if value < 99.95 {
			decimals = 1
		}
		if value < 9.995 {
			decimals = 2
		}
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + " " + unit
}
