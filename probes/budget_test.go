package probes

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
)

// november is a budget of 3 GB for months of the calendar, 10 % of it in reserve.
var november = Budget{Bytes: 3e9, Reserve: 0.1}

func inNovember(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }

func TestPlan(t *testing.T) {
	need := func(n Need) Need {
		if n.Now.IsZero() {
			n.Now = inNovember(16, 0) // half of the month is left
		}
		n.Every, n.Round, n.Cap = time.Hour, 100e6, 400e6
		return n
	}
	const half = 15 * 24 * time.Hour
	for _, c := range []struct {
		name     string
		need     Need
		round    int64
		distance time.Duration
		manual   int64
		skip     string
	}{
		{"half a month with half of the reserve: 100 MB from 2850 MB", Need{}, 400e6, half * 100 / 2850, 3e9, ""},
		{"what was used does not come back", Need{Spent: Use{Probing: 100e6, Forwarding: 200e6, Scheduled: 1000e6, Earlier: 50e6}},
			400e6, half * 100 / 1500, 1650e6, ""},
		{"transfers by hand take the reserve first", Need{Spent: Use{Manual: 150e6}}, 400e6, half * 100 / 2700, 2850e6, ""},
		{"and then the rest", Need{Spent: Use{Manual: 500e6}}, 400e6, half * 100 / 2500, 2500e6, ""},
		{"1000 B/s for 15 days are 1296 MB, with the margin 1360.8", Need{Steady: 1000}, 400e6, half * 1000 / 14892, 1639.2e6, ""},
		{"a transfer shrinks to what is left", Need{Spent: Use{Scheduled: 2790e6}}, 60e6, half * 100 / 60, 210e6, ""},
		{"down to a quarter of what one takes", Need{Spent: Use{Scheduled: 2825e6}}, 25e6, half * 100 / 25, 175e6, ""},
		{"and not below", Need{Spent: Use{Scheduled: 2826e6}}, 0, time.Hour, 174e6, "of the 174 MB that are left until 1 December 00:00, 0 B are needed for probing and forwarding and 150 MB kept for tests by hand; the rest is too little for a test, which takes about 100 MB"},
		{"used up", Need{Spent: Use{Scheduled: 3000e6}}, 0, time.Hour, 0, "the month's 3.00 GB are used up; there is more on 1 December 00:00"},
		{"more than used up", Need{Spent: Use{Scheduled: 3e9, Probing: 1e9}, Steady: 100}, 0, time.Hour, 0, "the month's 3.00 GB are used up; there is more on 1 December 00:00"},
		{"needed for probing", Need{Spent: Use{Manual: 2500e6}, Steady: 500}, 0, time.Hour, 0, "the 500 MB that are left until 1 December 00:00 are needed for probing and forwarding"},
		{"probing alone needs more", Need{Steady: 1200}, 0, time.Hour, 3e9 - 1632.96e6, "probing and forwarding alone need about 3.27 GB of a month's 3.00 GB: raise the budget, or probe less often"},
		{"the last hour is for one more", Need{Now: inNovember(30, 23), Spent: Use{Scheduled: 2900e6}}, 99_583_333, time.Hour * 10_000 / 9958, 100e6, ""},
		{"an hour is the least distance", Need{Now: inNovember(30, 23)}, 400e6, time.Hour, 3e9, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := november.Plan(need(c.need))
			if c.need.Now.IsZero() && (!a.Start.Equal(inNovember(1, 0)) || !a.End.Equal(inNovember(31, 0))) {
				t.Errorf("month from %v to %v", a.Start, a.End)
			}
			near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-4*want+2 }
			if !near(float64(a.Round), float64(c.round)) || !near(float64(a.Distance), float64(c.distance)) || !near(float64(a.Manual), float64(c.manual)) || a.Skip != c.skip {
				t.Errorf("round %d, distance %v, manual %d, skip %q;\nwant  %d, %v, %d, %q", a.Round, a.Distance, a.Manual, a.Skip, c.round, c.distance, c.manual, c.skip)
			}
			if want := float64(a.Distance) / float64(time.Hour); a.Stretch != want {
				t.Errorf("stretch %v, want %v", a.Stretch, want)
			}
			if a.Spent != c.need.Spent.Total() || a.Left != max(0, november.Bytes-a.Spent) {
				t.Errorf("spent %d, left %d", a.Spent, a.Left)
			}
		})
	}
}

// Whatever is asked, what is allowed fits: nothing is negative, and round, reserve and
// what probing is expected to move are together not more than what is left.
func TestPlanNeverPassesTheBudget(t *testing.T) {
	rng := seeded(11)
	any := func(most float64) int64 { return int64(most * math.Pow(rng.Float64(), 3)) }
	for range 20_000 {
		b := Budget{Bytes: 1e6 + any(1e12), Month: BillingMonth{ResetsOn: rng.IntN(32)}, Reserve: rng.Float64()}
		n := Need{
			Now:   inNovember(1+rng.IntN(60), rng.IntN(24)).Add(time.Duration(any(float64(time.Hour)))),
			Every: 5*time.Minute + time.Duration(any(float64(100*time.Hour))), Round: any(1e10), Cap: any(1e10), Steady: float64(any(1e6)),
			Spent: Use{any(1e11), any(1e11), any(1e11), any(1e11), any(1e11)},
		}
		a := b.Plan(n)
		switch {
		case a.Round < 0 || a.Manual < 0 || a.Reserved < 0 || a.Left < 0 || a.Steady < 0:
			t.Fatalf("negative: %+v of %+v, %+v", a, b, n)
		case a.Round > 0 && a.Round+a.Reserved+a.Steady > a.Left, a.Manual > 0 && a.Manual+a.Steady > a.Left, n.Cap > 0 && a.Round > n.Cap:
			t.Fatalf("too much: %+v of %+v, %+v", a, b, n)
		case (a.Round == 0) != (a.Skip != ""):
			t.Fatalf("a round of %d and %q", a.Round, a.Skip)
		case a.Stretch < 1 || a.Distance < n.Every:
			t.Fatalf("stretch %v, distance %v of %v", a.Stretch, a.Distance, n.Every)
		case !a.End.After(n.Now) || a.Start.After(n.Now):
			t.Fatalf("%v is not within %v to %v", n.Now, a.Start, a.End)
		}
	}
}

func TestSpentOfAMonthThatBeganBefore(t *testing.T) {
	move := func(l *Ledger, day int, bytes int64) {
		l.Add(Moved{inNovember(day, 0), perigee.PurposeTransfer, bytes})
	}
	var sinceOctober, since16 Ledger
	move(&sinceOctober, -3, 1e6)
	for _, l := range []*Ledger{&sinceOctober, &since16} {
		move(l, 16, 10e6)
		move(l, 20, 20e6)
	}
	told := november
	told.Used, told.UsedOn = 700e6, inNovember(18, 0)
	later := told
	later.UsedOn = inNovember(25, 0)
	old := told
	old.UsedOn = inNovember(-2, 0)
	now := inNovember(21, 0)
	for _, c := range []struct {
		name               string
		budget             Budget
		ledger             *Ledger
		scheduled, earlier int64
	}{
		{"counted from the beginning", november, &sinceOctober, 30e6, 0},
		{"counted from the middle: the first half as even use", november, &since16, 30e6, 1500e6},
		{"not counted yet: two thirds of the month as even use", november, &Ledger{}, 0, 2000e6},
		{"told: it stands for what was counted before", told, &since16, 20e6, 700e6},
		{"told with a date to come: nothing counted is left out", later, &since16, 30e6, 700e6},
		{"told of another month", old, &since16, 30e6, 1500e6},
	} {
		if u := c.budget.Spent(c.ledger, now); u.Scheduled != c.scheduled || u.Earlier != c.earlier || u.Total() != c.scheduled+c.earlier {
			t.Errorf("%s: %+v, want scheduled %d and earlier %d", c.name, u, c.scheduled, c.earlier)
		}
	}
}

func TestLedgerSumsByPurpose(t *testing.T) {
	var l Ledger
	if _, ok := l.First(); ok || l.Since(time.Time{}, inNovember(2, 0)) != (Use{}) {
		t.Error("an empty ledger holds something")
	}
	for i, p := range []perigee.Purpose{perigee.PurposeProbing, perigee.PurposeOutbox, perigee.PurposeTransfer, perigee.PurposeManual} {
		l.Add(Moved{inNovember(2, i), p, int64(i + 1)})
	}
	for _, c := range []struct {
		from time.Time
		want Use
	}{
		{inNovember(1, 0), Use{1, 2, 3, 4, 0}},
		{inNovember(2, 0), Use{1, 2, 3, 4, 0}},
		{inNovember(2, 1), Use{0, 2, 3, 4, 0}},
		{inNovember(2, 1).Add(14 * time.Minute), Use{0, 2, 3, 4, 0}}, // to the quarter of an hour, rather more
		{inNovember(2, 1).Add(15 * time.Minute), Use{0, 0, 3, 4, 0}},
		{inNovember(2, 4), Use{}},
	} {
		if got := l.Since(c.from, inNovember(2, 4)); got != c.want {
			t.Errorf("since %v: %+v, want %+v", c.from, got, c.want)
		}
	}
	if first, ok := l.First(); !ok || !first.Equal(inNovember(2, 0)) {
		t.Errorf("begins at %v", first)
	}
}

func TestLedgersClockDoesNotGoBack(t *testing.T) {
	var l Ledger
	l.Add(Moved{inNovember(20, 0), perigee.PurposeManual, 1})
	l.Add(Moved{inNovember(35, 0), perigee.PurposeManual, 10}) // the clock is set to 5 December
	if at := l.Add(Moved{inNovember(21, 0), perigee.PurposeManual, 100}); !at.Equal(inNovember(35, 0)) {
		t.Errorf("entered at %v, want 5 December", at)
	}
	l.Add(Moved{inNovember(36, 7), perigee.PurposeManual, 1000})
	for from, want := range map[time.Time]int64{
		inNovember(1, 0):  1111, // November has all of it: the clock may be right now
		inNovember(31, 0): 1110, // and December all since it was first seen: it may have been right then
		inNovember(36, 0): 1000,
	} {
		if got := l.Since(from, inNovember(36, 7)).Total(); got != want {
			t.Errorf("since %v: %d, want %d", from, got, want)
		}
	}
}

func TestLedgerFollowsAClockThatWasAheadByYears(t *testing.T) {
	var l Ledger
	enter := func(at time.Time, bytes int64) time.Time { return l.Add(Moved{at, perigee.PurposeManual, bytes}) }
	enter(inNovember(20, 0), 1)
	wrong := time.Date(2038, 1, 19, 3, 0, 0, 0, time.UTC)
	enter(wrong, 10)
	if at := enter(inNovember(21, 0), 100); !at.Equal(inNovember(21, 0)) {
		t.Errorf("entered at %v, want the time that the clock shows", at)
	}
	enter(inNovember(32, 0), 1000)
	for _, c := range []struct {
		from, now time.Time
		want      int64
	}{
		{inNovember(1, 0), inNovember(22, 0), 1101}, // what comes later than now, but not by years, counts
		{inNovember(31, 0), inNovember(33, 0), 1000},
		{wrong.AddDate(0, 0, -18), wrong, 10},
	} {
		if got := l.Since(c.from, c.now).Total(); got != c.want {
			t.Errorf("since %v at %v: %d, want %d", c.from, c.now, got, c.want)
		}
	}
}

func TestLedgerDoesNotFollowAClockThatWasNeverSet(t *testing.T) {
	var l Ledger
	l.Add(Moved{inNovember(20, 0), perigee.PurposeManual, 1})
	l.Add(Moved{inNovember(22, 0), perigee.PurposeManual, 10})
	unset := time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC)
	if at := l.Add(Moved{unset, perigee.PurposeManual, 100}); !at.Equal(inNovember(22, 0)) {
		t.Errorf("entered at %v, want the latest time there was", at)
	}
	for _, now := range []time.Time{unset, inNovember(22, 1)} {
		start, _ := november.Month.Period(now)
		if got := l.Since(start, now).Total(); got != 111 {
			t.Errorf("at %v: %d, want all of it", now, got)
		}
	}
}

// However the clock was set, a ledger made of what was stored is the same.
func TestLedgerSurvivesARestart(t *testing.T) {
	rng := seeded(12)
	for range 50 {
		var l, again Ledger
		stored := map[time.Time]int64{}
		now := inNovember(1, 0)
		for range 300 {
			now = now.Add(time.Duration(rng.Int64N(int64(3 * time.Hour))))
			if rng.IntN(20) == 0 {
				now = now.Add(time.Duration((rng.Float64() - 0.5) * float64(200*24*time.Hour)))
			}
			n := rng.Int64N(1000)
			stored[l.Add(Moved{now, perigee.PurposeProbing, n})] += n
		}
		for _, at := range slices.SortedFunc(maps.Keys(stored), time.Time.Compare) {
			if got := again.Add(Moved{at, perigee.PurposeProbing, stored[at]}); !got.Equal(at) {
				t.Fatalf("stored at %v, entered at %v", at, got)
			}
		}
		if !reflect.DeepEqual(l, again) {
			t.Fatal("the ledger is another one")
		}
	}
}

func TestExpectedRound(t *testing.T) {
	if got := ExpectedRound(nil, 400); got != 400 {
		t.Errorf("of none: %d, want the estimate", got)
	}
	if got := ExpectedRound([]int64{100, 50, 30}, 400); got != 60 {
		t.Errorf("of 100, 50 and 30: %d, want 60", got)
	}
}

func TestEstimateTransfer(t *testing.T) {
	for _, c := range []struct {
		orbit     perigee.Orbit
		direction perigee.Load
		takes     time.Duration
		max       int64
		want      float64
	}{
		{perigee.OrbitStarlink, perigee.LoadDown, 10 * time.Second, 200e6, 200e6},      // 250 MB at 200 Mbit/s, but for the cap
		{perigee.OrbitStarlink, perigee.LoadUp, 10 * time.Second, 200e6, 25e6 / 0.9},   // 20 Mbit/s
		{perigee.OrbitGEO, perigee.LoadDown, 20 * time.Second, 0, 125e6 / 0.9},         // no cap
		{perigee.OrbitTerrestrial, perigee.LoadUp, 4 * time.Second, 200e6, 25e6 / 0.9}, // 50 Mbit/s
		{perigee.OrbitCellular, perigee.LoadUp, 8 * time.Second, 5e6, 5e6},             // capped
	} {
		if got := EstimateTransfer(c.orbit, c.direction, c.takes, c.max); math.Abs(float64(got)-c.want) > 1 {
			t.Errorf("%s %s for %v: %d, want %.0f", c.orbit, c.direction, c.takes, got, c.want)
		}
	}
	for _, o := range perigee.Orbits {
		if EstimateTransfer(o, perigee.LoadDown, time.Second, 0) <= 0 || EstimateTransfer(o, perigee.LoadUp, time.Second, 0) <= 0 {
			t.Errorf("nothing is expected of %s", o)
		}
	}
}

func TestAmounts(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 9994: "9.99 kB", 9996: "10.0 kB", 99_949: "99.9 kB", 99_951: "100 kB",
		999_499: "999 kB", 999_501: "1.00 MB", 1_932_000_000: "1.93 GB", 200_000_000_000: "200 GB", 1_000_000_000_000_000: "1000 TB",
	} {
		if got := amount(bytes); got != want {
			t.Errorf("amount(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func TestReasonsTellTheTimeOfTheProvider(t *testing.T) {
	b := Budget{Bytes: 1e9, Month: BillingMonth{ResetsOn: 12, Location: mustZone(t, "Australia/Sydney")}}
	a := b.Plan(Need{Now: inNovember(20, 0), Spent: Use{Scheduled: 1e9}, Every: time.Hour})
	if !strings.HasSuffix(a.Skip, "on 12 December 00:00") {
		t.Errorf("reason %q", a.Skip)
	}
}
