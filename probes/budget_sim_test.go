package probes

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"perigee"
)

// clockStep sets the clock of a simulated site: from then on it is ahead of the true
// time by ahead.
type clockStep struct {
	at    time.Duration // since the beginning
	ahead time.Duration
}

// budgetSim is a site that measures with a budget. What it moves is counted by true
// time beside what the ledger believes.
type budgetSim struct {
	budget Budget
	starts Starts
	steady float64 // bytes per second of probing and forwarding, on average and as expected
	begin  time.Time
	days   int
	steps  []clockStep // in order
	manual int         // transfers by hand a month, of 20 to 100 MB
	rng    *rand.Rand

	// What survives a restart: the rows of a store, one for each time and purpose.
	rows   []Moved
	last   time.Time
	rounds []int64

	ledger Ledger

	// The truth.
	moved   map[time.Time]int64 // by the beginning of the billing month
	tests   []time.Time
	bytes   []int64
	reasons map[string]bool
	refused int // transfers by hand that were not allowed in full
}

// simTick is how often a simulated site looks at its clock.
const simTick = 10 * time.Minute

// run lets the days pass, tick by tick.
func (s *budgetSim) run(t *testing.T) {
	t.Helper()
	s.moved, s.reasons = map[time.Time]int64{}, map[string]bool{}
	var at time.Time // the next start
	for passed := time.Duration(0); passed < time.Duration(s.days)*24*time.Hour; passed += simTick {
		truth := s.begin.Add(passed)
		now := truth.Add(s.ahead(passed))
		if s.happens(5 * 24 * time.Hour) {
			s.restart()
		}
		bytes := int64(s.steady * simTick.Seconds() * (0.5 + s.rng.Float64()))
		s.move(truth, Moved{now, perigee.PurposeProbing, bytes * 4 / 5})
		s.move(truth, Moved{now, perigee.PurposeOutbox, bytes - bytes*4/5})

		if s.manual > 0 && s.happens(30*24*time.Hour/time.Duration(s.manual)) {
			wanted := 20e6 + int64(s.rng.Float64()*80e6)
			allowed := s.plan(now).Manual
			if allowed < wanted {
				s.refused++
			}
			s.move(truth, Moved{now, perigee.PurposeManual, s.transfer(wanted, allowed)})
		}
		if at.Sub(now) >= simTick && s.rng.IntN(4) > 0 {
			continue
		}
		a := s.plan(now)
		if at = s.starts.Next(now, s.last, a.Stretch); at.Sub(now) >= simTick {
			continue
		}
		s.last = at
		if a.Skip != "" {
			s.reasons[a.Skip] = true
			continue
		}
		wire := s.transfer(20e6+int64(s.rng.Float64()*100e6), a.Round)
		if wire > a.Round {
			t.Fatalf("a transfer moved %d bytes of %d", wire, a.Round)
		}
		s.move(truth, Moved{now, perigee.PurposeTransfer, wire})
		s.rounds = append(s.rounds, wire)
		s.tests, s.bytes = append(s.tests, truth), append(s.bytes, wire)
	}
}

// happens reports whether that happens now which happens once in a time, on average.
func (s *budgetSim) happens(every time.Duration) bool { return s.rng.Int64N(int64(every/simTick)) == 0 }

// transfer returns the bytes on the wire of a transfer that wants some and may move at
// most limit, of which it leaves up to a fourteenth: what is on its way counts.
func (s *budgetSim) transfer(wanted, limit int64) int64 {
	return int64(float64(min(wanted, limit)) * (0.93 + 0.07*s.rng.Float64()))
}

func (s *budgetSim) plan(now time.Time) Allotment {
	const estimate = 2 * 200e6 // far more than will be moved
	last := s.rounds[max(0, len(s.rounds)-10):]
	return s.budget.Plan(Need{
		Now: now, Spent: s.budget.Spent(&s.ledger, now), Every: s.starts.Every,
		Round: ExpectedRound(last, estimate), Cap: estimate, Steady: s.steady,
	})
}

func (s *budgetSim) move(truth time.Time, m Moved) {
	month, _ := s.budget.Month.Period(truth)
	s.moved[month] += m.Bytes
	m.At = s.ledger.Add(m)
	for i := range s.rows[max(0, len(s.rows)-4):] {
		if row := &s.rows[len(s.rows)-1-i]; row.At.Equal(m.At) && row.Purpose == m.Purpose {
			row.Bytes += m.Bytes
			return
		}
	}
	s.rows = append(s.rows, m)
}

// restart makes the ledger anew of what a store has.
func (s *budgetSim) restart() {
	s.ledger = Ledger{}
	for _, m := range s.rows {
		s.ledger.Add(m)
	}
}

// ahead returns how far the site's clock is ahead of the truth.
func (s *budgetSim) ahead(passed time.Duration) time.Duration {
	var d time.Duration
	for _, step := range s.steps {
		if passed >= step.at {
			d = step.ahead
		}
	}
	return d
}

// spread returns how even the transfers from one time to another were: the largest
// distance between two, over the mean distance, and the least and the largest share of
// the bytes that a fifth of the time has.
func (s *budgetSim) spread(from, to time.Time) (largest, least, most float64) {
	var distance time.Duration
	var fifths [5]float64
	before, n, sum := from, 0, 0.0
	for i, at := range s.tests {
		if at.Before(from) || !at.Before(to) {
			continue
		}
		distance = max(distance, at.Sub(before))
		before = at
		fifths[5*at.Sub(from)/to.Sub(from)] += float64(s.bytes[i])
		sum += float64(s.bytes[i])
		n++
	}
	distance = max(distance, to.Sub(before))
	for i := range fifths {
		fifths[i] /= sum
	}
	return float64(distance) * float64(n) / float64(to.Sub(from)), slices.Min(fifths[:]), slices.Max(fifths[:])
}

var simBegin = time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC) // a month of 30 days

func newBudgetSim(bytes int64, seed uint64) *budgetSim {
	return &budgetSim{
		budget: Budget{Bytes: bytes, Month: BillingMonth{ResetsOn: 12}, Reserve: 0.1},
		starts: Starts{Every: time.Hour, Site: fmt.Sprint("site ", seed), Link: "starlink"},
		steady: 250, // a probe a second to one target, and forwarding: 650 MB a month
		begin:  simBegin,
		days:   30,
		rng:    seeded(seed),
	}
}

// check fails unless a whole true month moved at most the budget and at least a share
// of it.
func (s *budgetSim) check(t *testing.T, month time.Time, least float64) {
	t.Helper()
	share := float64(s.moved[month]) / float64(s.budget.Bytes)
	if share > 1 {
		t.Errorf("the month from %v moved %.3f of its budget", month, share)
	}
	if share < least {
		t.Errorf("the month from %v moved only %.3f of its budget, want %.2f", month, share, least)
	}
}

func TestMonthsKeepTheirBudgetAndUseIt(t *testing.T) {
	seeds := uint64(3)
	if os.Getenv("PERIGEE_LONG") != "" {
		seeds = 20
	}
	for _, c := range []struct {
		bytes       int64
		manual      int
		starts      Spacing
		clockIsSet  bool    // ahead and back
		largest     float64 // distance over mean distance
		least, most float64 // share of a fifth of the month
	}{
		// About 18 transfers of 20 to 110 MB: a single one more makes a fifth of 0.25.
		{bytes: 2e9, starts: SpacingHashed, largest: 3.2, least: 0.05, most: 0.35},
		{bytes: 2e9, manual: 4, starts: SpacingHashed, largest: 5, most: 0.45}, // those may take the last of the month
		{bytes: 2e9, manual: 4, starts: SpacingHashed, clockIsSet: true, largest: 5, most: 0.45},
		{bytes: 2e9, starts: SpacingPoisson, largest: 20, most: 0.7}, // as uneven as chance is
		{bytes: 2e9, starts: SpacingPeriodic, largest: 3.2, least: 0.05, most: 0.35},
		// About 420 transfers.
		{bytes: 30e9, manual: 20, starts: SpacingHashed, largest: 2.8, least: 0.17, most: 0.24},
		{bytes: 30e9, manual: 20, starts: SpacingHashed, clockIsSet: true, largest: 3.3, least: 0.17, most: 0.24},
	} {
		name := fmt.Sprintf("%s, %d by hand, %s, clock set %v", amount(c.bytes), c.manual, c.starts, c.clockIsSet)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var used, tests, largest, least, most extent
			for seed := range seeds {
				s := newBudgetSim(c.bytes, 100+seed)
				s.manual, s.starts.Spacing = c.manual, c.starts
				if c.clockIsSet {
					s.steps = []clockStep{
						{100 * time.Hour, -7 * time.Hour}, {103 * time.Hour, 0},
						{300 * time.Hour, 50 * time.Hour}, {305 * time.Hour, 0},
						{500 * time.Hour, 26 * time.Hour}, {510 * time.Hour, -3 * time.Hour}, {511 * time.Hour, 0},
					}
				}
				s.run(t)
				s.check(t, simBegin, 0.85)
				l, lo, hi := s.spread(simBegin, simBegin.AddDate(0, 1, 0))
				used.add(100 * float64(s.moved[simBegin]) / float64(c.bytes))
				tests.add(float64(len(s.tests)))
				largest.add(l)
				least.add(lo)
				most.add(hi)
			}
			t.Logf("%s: used %.1f to %.1f %%, %.0f to %.0f transfers, spread %.1f to %.1f, fifths %.2f to %.2f",
				name, used.low, used.high, tests.low, tests.high, largest.low, largest.high, least.low, most.high)
			if largest.high > c.largest || least.low < c.least || most.high > c.most {
				t.Errorf("spread: largest distance %.2f of the mean, fifths %.3f to %.3f; want at most %.2f, %.2f to %.2f",
					largest.high, least.low, most.high, c.largest, c.least, c.most)
			}
		})
	}
}

// extent is the range of what was added to it.
type extent struct {
	low, high float64
	some      bool
}

func (e *extent) add(v float64) {
	if !e.some {
		e.low, e.high, e.some = v, v, true
	}
	e.low, e.high = min(e.low, v), max(e.high, v)
}

// 200 GB last for every hour: nothing is stretched.
func TestAmpleBudgetStretchesNothing(t *testing.T) {
	for seed := range uint64(2) {
		s := newBudgetSim(200e9, seed)
		s.manual = 20
		s.run(t)
		s.check(t, simBegin, 0.2)
		if len(s.tests) < 718 || s.refused > 0 {
			t.Errorf("%d of 720 transfers were made and %d by hand refused", len(s.tests), s.refused)
		}
	}
}

func TestBudgetBelowWhatProbingNeeds(t *testing.T) {
	s := newBudgetSim(1e9, 1)
	s.steady = 1680 // five probes a second to two targets: 4.4 GB a month
	s.run(t)
	if len(s.tests) > 0 {
		t.Errorf("%d transfers were made", len(s.tests))
	}
	want := "probing and forwarding alone need about 4.57 GB of a month's 1.00 GB: raise the budget, or probe less often"
	if len(s.reasons) != 1 || !s.reasons[want] {
		t.Errorf("reasons %v, want %q", s.reasons, want)
	}
}

// Perigee is installed on the 20th of 30 days.
func TestBudgetOfAMonthThatBeganBefore(t *testing.T) {
	installed := simBegin.AddDate(0, 0, 19)
	for _, c := range []struct {
		name        string
		used        int64
		usedOn      time.Time
		least, most float64 // of the budget, moved until the end of the month
	}{
		{"unknown_use", 0, time.Time{}, 0.85 * 11 / 30, 11.0 / 30}, // as if the month had been used evenly
		{"nothing_used", 0, installed, 0.85, 1},
		{"some_used", 800e6, installed, 0.50, 0.60}, // 1.2 GB of 2 are left
		{"all_used", 2e9, installed, 0, 0.15},       // probing goes on
		{"told_of_the_month_before", 2e9, simBegin.AddDate(0, 0, -1), 0.85 * 11 / 30, 11.0 / 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newBudgetSim(2e9, 3)
			s.begin, s.days = installed, 11
			s.budget.Used, s.budget.UsedOn = c.used, c.usedOn
			s.run(t)
			share := float64(s.moved[simBegin]) / 2e9
			t.Logf("%.3f of the budget in %d transfers", share, len(s.tests))
			if share < c.least || share > c.most {
				t.Errorf("%.3f of the budget was moved, want %.3f to %.3f", share, c.least, c.most)
			}
		})
	}
}

// The clock is wrong over the border of two months, for hours and for days, before and
// after it, and perigee is restarted meanwhile. Whatever it said, no true month moves
// more than its budget, but for what a clock that is ahead takes from another month: as
// much as that one, which has just begun, allows in the meantime, and one transfer.
func TestClockStepsOverTheBorderHandOutNothingTwice(t *testing.T) {
	const day = 24 * time.Hour
	sizes := []int64{2e9}
	if os.Getenv("PERIGEE_LONG") != "" {
		sizes = append(sizes, 10e9, 30e9)
	}
	for name, c := range map[string]struct {
		steps []clockStep
		ahead float64 // days that the clock shows the next month while this one lasts
	}{
		"back into the month before for two days":   {[]clockStep{{33 * day, -5 * day}, {35 * day, 0}}, 0},
		"back into the month before for ten days":   {[]clockStep{{40 * day, -20 * day}, {50 * day, 0}}, 0},
		"back and never corrected until the border": {[]clockStep{{33 * day, -10 * day}, {50 * day, 0}}, 0},
		"ahead into the next month for six hours":   {[]clockStep{{10 * day, 25 * day}, {10*day + 6*time.Hour, 0}}, 0},
		"ahead into the next month for two days":    {[]clockStep{{10 * day, 25 * day}, {12 * day, 0}}, 0},
		"ahead at the end of a month":               {[]clockStep{{29 * day, 2 * day}, {30 * day, 0}}, 1},
		"to and fro around the border":              {[]clockStep{{29 * day, 2 * day}, {30 * day, -2 * day}, {31 * day, 2 * day}, {33 * day, 0}}, 1},
		"ahead by years for six hours":              {[]clockStep{{10 * day, 4039 * day}, {10*day + 6*time.Hour, 0}}, 0.25},
		"years back, as without a battery":          {[]clockStep{{15 * day, -4000 * day}, {15*day + time.Hour, 0}, {36 * day, -4000 * day}, {37 * day, 0}}, 0},
	} {
		for _, bytes := range sizes {
			t.Run(fmt.Sprintf("%s/%s", name, amount(bytes)), func(t *testing.T) {
				t.Parallel()
				s := newBudgetSim(bytes, 5)
				s.days, s.steps, s.manual = 61, c.steps, 3
				s.run(t)
				excess := 0.0
				if c.ahead > 0 {
					excess = c.ahead/30 + 120e6/float64(bytes)
				}
				if name == "ahead by years for six hours" && s.moved[simBegin.AddDate(0, 1, 0)] < bytes*85/100 {
					t.Error("the months that follow are not used")
				}
				for month, moved := range s.moved {
					share := float64(moved) / float64(bytes)
					t.Logf("%s: %.3f of the budget", month.Format("2 January"), share)
					if share > 1+excess {
						t.Errorf("the true month from %v moved %.3f of its budget, want at most %.3f", month, share, 1+excess)
					}
				}
			})
		}
	}
}
