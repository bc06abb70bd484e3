package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"perigee"
)

// Budget tells what was moved over each link and what may still be, as far as it is
// asked from here. It may be called at any time.
type Budget interface {
	Budgets(ctx context.Context) ([]BudgetState, error)
}

// BudgetState is what was moved over a link in its billing period, and what may still
// be. Bytes are those on the wire, both directions together.
type BudgetState struct {
	Site string
	Link perigee.LinkID

	Start, End time.Time // of the billing period

	Allowance int64 // of the period; 0 if the link has no budget, then nothing is decided by what follows
	Left      int64 // of it
	Steady    int64 // what probing and forwarding are expected to move until the end
	Reserved  int64 // kept for transfers that somebody asks for
	Round     int64 // the most that scheduled transfers may move now; 0 if none may be made
	Manual    int64 // the most that a transfer that somebody asks for may move now

	// Used is what perigee moved in the period, by purpose; PurposeEarlier stands
	// for what it did not see.
	Used map[perigee.Purpose]int64

	// Device is all that the link's device moved in the period by its own counters;
	// negative if not known.
	Device int64

	NextTest time.Time // when the next scheduled transfer is due; zero if none is
	Stretch  float64   // by how much scheduled transfers are further apart than configured, to save bytes; 1 if not
	Skip     string    // why no scheduled transfer may be made now; empty if one may
}

// PurposeEarlier is what was used before perigee counted: told, or assumed.
const PurposeEarlier perigee.Purpose = "earlier"

// The states of a budget.
const (
	BudgetNone      = "none"      // the link has no budget
	BudgetOK        = "ok"        // transfers are made as configured
	BudgetStretched = "stretched" // they are further apart, so that the bytes last
	BudgetWaiting   = "waiting"   // none may be made now
	BudgetUsedUp    = "used_up"   // nothing is left
)

// LinkBudget answers for one link.
type LinkBudget struct {
	Site          string      `json:"site"`
	Link          string      `json:"link"`
	State         string      `json:"state" enum:"none,ok,stretched,waiting,used_up"`
	StateText     string      `json:"state_text" doc:"The state in a few words, e.g. \"62.0 of 200 GB used, 18 days left\"."`
	PeriodStart   time.Time   `json:"period_start"`
	PeriodEnd     time.Time   `json:"period_end"`
	Allowance     *int64      `json:"allowance_bytes" doc:"Of the period, both directions together; null if the link has no budget, as are the next four."`
	Left          *int64      `json:"left_bytes" doc:"Of the allowance."`
	Steady        *int64      `json:"steady_bytes" doc:"What probing and forwarding are expected to move until the period ends."`
	Reserved      *int64      `json:"reserved_bytes" doc:"Kept for measurements that somebody asks for."`
	Manual        *int64      `json:"manual_bytes" doc:"The most that one of those may move now."`
	UsedTotal     int64       `json:"used_bytes" doc:"What perigee moved in the period, and what was used before it counted."`
	Used          []BudgetUse `json:"used" nullable:"false" doc:"The same by purpose."`
	Device        *int64      `json:"device_bytes" doc:"All that the link's device moved in the period by the kernel's counters, whoever moved it; null if not known."`
	NextTest      *time.Time  `json:"next_test" doc:"When the next scheduled transfer is due; null if none is."`
	NextTestBytes *int64      `json:"next_test_bytes" doc:"The most that it may move; null without a budget."`
	Stretch       *float64    `json:"stretch" doc:"How many times further apart than configured scheduled transfers are, so that the bytes last; null without a budget."`
}

// BudgetUse is what was moved for one purpose.
type BudgetUse struct {
	Purpose string `json:"purpose" doc:"probing, outbox, transfer (scheduled), manual, or earlier: what was used before perigee counted. Others may follow."`
	Bytes   int64  `json:"bytes"`
}

// NewLinkBudget returns the wire form of a budget.
func NewLinkBudget(b BudgetState, now time.Time) LinkBudget {
	any := b.Allowance > 0
	r := LinkBudget{
		Site: b.Site, Link: string(b.Link), State: budgetState(b), StateText: budgetText(b, now), PeriodStart: b.Start.UTC(), PeriodEnd: b.End.UTC(),
		Allowance: defined(b.Allowance, any), Left: defined(b.Left, any), Steady: defined(b.Steady, any), Reserved: defined(b.Reserved, any),
		Manual: defined(b.Manual, any), UsedTotal: b.used(), Used: []BudgetUse{}, Device: defined(b.Device, b.Device >= 0),
		NextTest: maybeTime(b.NextTest), NextTestBytes: defined(b.Round, any), Stretch: defined(b.Stretch, any),
	}
	for _, purpose := range slices.Sorted(maps.Keys(b.Used)) {
		r.Used = append(r.Used, BudgetUse{string(purpose), b.Used[purpose]})
	}
	return r
}

func (b BudgetState) used() (total int64) {
	for _, bytes := range b.Used {
		total += bytes
	}
	return total
}

// noticeable is the least stretch that is worth a word.
const noticeable = 1.05

func budgetState(b BudgetState) string {
	switch {
	case b.Allowance <= 0:
		return BudgetNone
	case b.Left <= 0:
		return BudgetUsedUp
	case b.Skip != "":
		return BudgetWaiting
	case b.Stretch >= noticeable:
		return BudgetStretched
	}
	return BudgetOK
}

func budgetText(b BudgetState, now time.Time) string {
	state := budgetState(b)
	if state == BudgetNone {
		return byteWords(b.used()) + " moved, no budget"
	}
	text := fmt.Sprintf("%s of %s used, %s left", byteWords(b.Allowance-b.Left), byteWords(b.Allowance), inWords(max(b.End.Sub(now), 0)))
	switch {
	case b.Skip != "":
		text += "; no transfers now: " + b.Skip
	case state == BudgetUsedUp:
		text += "; no transfers until then"
	case state == BudgetStretched:
		text += fmt.Sprintf("; transfers are %s times further apart than configured, so that it lasts", strconv.FormatFloat(b.Stretch, 'f', 1, 64))
	}
	return text
}

// byteWords writes bytes for a reader: three digits and a unit.
func byteWords(n int64) string {
	value, unit := float64(n), "B"
	for _, larger := range []string{"kB", "MB", "GB", "TB"} {
		if value < 999.5 {
			break
		}
		value, unit = value/1000, larger
	}
	decimals := 0
	switch {
	case unit == "B" || value >= 99.95:
	case value >= 9.995:
		decimals = 1
	default:
		decimals = 2
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + " " + unit
}

type budgetOutput struct {
	Body []LinkBudget `nullable:"false"`
}

func (s *server) budgets(ctx context.Context, _ *struct{}) (*budgetOutput, error) {
	if s.budget == nil {
		return nil, newProblem(perigee.CodeNotFound, "this process moves nothing over links, so it keeps no account", "Ask the monitor itself.")
	}
	states, err := s.budget.Budgets(ctx)
	if err != nil {
		return nil, err
	}
	out := &budgetOutput{Body: make([]LinkBudget, 0, len(states))}
	for _, b := range states {
		out.Body = append(out.Body, NewLinkBudget(b, s.now()))
	}
	return out, nil
}
