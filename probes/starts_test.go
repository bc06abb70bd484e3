package probes

import (
	"fmt"
	"math"
	"testing"
	"time"

	"perigee"
)

// startsFrom returns n starts one after the other, as a daemon makes them.
func startsFrom(s Starts, begin time.Time, n int, stretch float64) []time.Time {
	starts := make([]time.Time, 0, n)
	now, last := begin, time.Time{}
	for range n {
		at := s.Next(now, last, stretch)
		starts = append(starts, at)
		now, last = at, at
	}
	return starts
}

var startsBegin = time.Date(2026, 11, 3, 7, 41, 12, 345, time.UTC)

// chiSquareOfSlots is the chi-square statistic of starts over the 15 seconds of
// Starlink's period, and the probability that uniform starts give one as large. With an
// even number of degrees of freedom, 14, that is exp(-x/2) * sum of (x/2)^k / k! for k
// below 7.
func chiSquareOfSlots(starts []time.Time) (chi2, p float64) {
	var counts [15]float64
	for _, at := range starts {
		counts[time.Duration(at.UnixNano())%(15*time.Second)/time.Second]++
	}
	want := float64(len(starts)) / 15
	for _, n := range counts {
		chi2 += (n - want) * (n - want) / want
	}
	term := math.Exp(-chi2 / 2)
	for k := 1.0; k <= 7; k++ {
		p += term
		term *= chi2 / 2 / k
	}
	return chi2, p
}

var startIntervals = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour}

func TestStartsMeetEveryPartOfStarlinksPeriod(t *testing.T) {
	for _, spacing := range []Spacing{SpacingHashed, SpacingPoisson, SpacingPeriodic} {
		for _, every := range startIntervals {
			for _, stretch := range []float64{1, 1.37, 7.2} {
				s := Starts{Spacing: spacing, Every: every, Site: "lighthouse", Link: "starlink"}
				chi2, p := chiSquareOfSlots(startsFrom(s, startsBegin, 2000, stretch))
				t.Logf("%-8s every %v stretched by %v: chi-square %.1f, p = %.3g", spacing, every, stretch, chi2, p)
				if spacing == SpacingPeriodic {
					// On the full minute all 2,000 fall into one of 15 bins.
					if p >= 1e-6 {
						t.Errorf("periodic every %v: p = %.3g, but cron must be seen to alias", every, p)
					}
				} else if p <= 0.01 {
					t.Errorf("%s every %v stretched by %v: p = %.3g, want above 0.01", spacing, every, stretch, p)
				}
			}
		}
	}
}

// One site may have luck. Of many, one in a hundred is below 0.01: of 360, 3.6 +- 1.9.
func TestStartsOfManySitesAreUniform(t *testing.T) {
	below, all := 0, 0
	for i := range 20 {
		for _, spacing := range []Spacing{SpacingHashed, SpacingPoisson} {
			for _, every := range startIntervals {
				for _, stretch := range []float64{1, 1.37, 7.2} {
					s := Starts{Spacing: spacing, Every: every, Site: fmt.Sprint("site ", i), Link: "starlink"}
					all++
					if _, p := chiSquareOfSlots(startsFrom(s, startsBegin, 500, stretch)); p < 0.01 {
						below++
					}
				}
			}
		}
	}
	t.Logf("%d of %d are below 0.01", below, all)
	if below > 11 {
		t.Errorf("%d of %d sites' starts are not uniform with p < 0.01, want 3.6 +- 1.9", below, all)
	}
}

func TestStartsAreUniformToTheNanosecond(t *testing.T) {
	s := Starts{Every: time.Hour, Site: "home", Link: "starlink"}
	whole, odd := 0, 0
	for _, at := range startsFrom(s, startsBegin, 1000, 1) {
		if at.Nanosecond()%int(time.Millisecond) == 0 {
			whole++
		}
		odd += at.Nanosecond() % 2
	}
	// Uniform, one in a million is a whole millisecond, and half are odd: 500 +- 4 * 15.8.
	if whole > 1 || odd < 437 || odd > 563 {
		t.Errorf("%d of 1000 at whole milliseconds, %d at odd nanoseconds", whole, odd)
	}
}

// Every start of each spacing is later than the one before, and the mean distance is
// the stretched interval.
func TestStartsKeepTheirMeanDistance(t *testing.T) {
	for _, spacing := range []Spacing{SpacingHashed, SpacingPoisson, SpacingPeriodic} {
		for _, stretch := range []float64{0, 1, 1.37, 2, 31.5} {
			s := Starts{Spacing: spacing, Every: 30 * time.Minute, Site: "home", Link: "geo"}
			starts := startsFrom(s, startsBegin, 3000, stretch)
			least, most := time.Duration(math.MaxInt64), time.Duration(0)
			for i, at := range starts[1:] {
				d := at.Sub(starts[i])
				least, most = min(least, d), max(most, d)
			}
			mean := float64(starts[len(starts)-1].Sub(starts[0])) / float64(len(starts)-1) / float64(s.Every)
			want := max(stretch, 1)
			// The standard error of a Poisson process' mean over 3,000 is 1.8 %; of the
			// others far less.
			if math.Abs(mean/want-1) > 0.06 {
				t.Errorf("%s stretched by %v: mean distance %.3f intervals, want %.3f", spacing, stretch, mean, want)
			}
			if least <= 0 {
				t.Errorf("%s stretched by %v: a start follows another after %v", spacing, stretch, least)
			}
			if spacing != SpacingHashed {
				continue
			}
			low, high := (want-1)/2, (3*want+1)/2
			if l, m := float64(least)/float64(s.Every), float64(most)/float64(s.Every); l < low || m > high {
				t.Errorf("hashed stretched by %v: distances from %.2f to %.2f intervals, want %.2f to %.2f", stretch, l, m, low, high)
			}
		}
	}
}

func TestHashedStartsLieOneInEachInterval(t *testing.T) {
	s := Starts{Every: time.Hour, Site: "home", Link: "starlink"}
	first := startsBegin.Truncate(time.Hour)
	for i, at := range startsFrom(s, first, 500, 1) {
		if from := first.Add(time.Duration(i) * time.Hour); at.Before(from) || !at.Before(from.Add(time.Hour)) {
			t.Fatalf("start %d is at %v, want within the hour from %v", i, at, from)
		}
	}
}

func TestPeriodicStartsAreThoseOfCron(t *testing.T) {
	s := Starts{Spacing: SpacingPeriodic, Every: 30 * time.Minute}
	for i, at := range startsFrom(s, startsBegin, 10, 1) {
		if want := time.Date(2026, 11, 3, 8, 30*i, 0, 0, time.UTC); !at.Equal(want) {
			t.Errorf("start %d at %v, want %v", i, at, want)
		}
	}
}

// A daemon that asks at any time between two starts, having been restarted, gets the
// same start.
func TestRestartsKeepTheStarts(t *testing.T) {
	for _, spacing := range []Spacing{SpacingHashed, SpacingPoisson, SpacingPeriodic} {
		s := Starts{Spacing: spacing, Every: time.Hour, Site: "home", Link: "starlink"}
		starts := startsFrom(s, startsBegin, 50, 1)
		for i, want := range starts[1:] {
			last := starts[i]
			for n := range 7 {
				now := last.Add(time.Duration(n) * want.Sub(last) / 6)
				if got := s.Next(now, last, 1); !got.Equal(want) {
					t.Errorf("%s: at %v the start after %v is %v, want %v", spacing, now, last, got, want)
				}
				// If not even the last start is known the plan is the same, but for a
				// start that was due within the last minute.
				if got := s.Next(now, time.Time{}, 1); now.Sub(last) > startGrace && !got.Equal(want) {
					t.Errorf("%s: at %v the start is %v, want %v", spacing, now, got, want)
				}
			}
		}
	}
}

func TestSitesAndLinksStartApart(t *testing.T) {
	// 1,000 sites within one hour: over 60 minutes that is 16.7 a minute, and the fullest
	// of 60 such bins is hardly above 16.7 + 5 * 4.1 = 37.
	var minutes [60]int
	seen := map[time.Time]string{}
	for i := range 1000 {
		site := fmt.Sprint("home ", i)
		for _, link := range []perigee.LinkID{"starlink", "geo"} {
			at := Starts{Every: time.Hour, Site: site, Link: link}.Next(startsBegin.Truncate(time.Hour).Add(startGrace), time.Time{}, 1)
			if other, ok := seen[at]; ok {
				t.Errorf("%s and %s both start at %v", other, site, at)
			}
			seen[at] = site
			if link == "geo" {
				minutes[at.Minute()]++
			}
		}
	}
	for minute, n := range minutes {
		if n > 37 {
			t.Errorf("%d of 1000 sites start in minute %d", n, minute)
		}
	}
	if (Starts{Every: time.Hour, Site: "a", Link: "bc"}).hash("x", 1, 0) == (Starts{Every: time.Hour, Site: "ab", Link: "c"}).hash("x", 1, 0) {
		t.Error("site a with link bc is hashed as site ab with link c")
	}
}

func TestStartsAfterSleepAndClockSteps(t *testing.T) {
	for _, spacing := range []Spacing{SpacingHashed, SpacingPoisson, SpacingPeriodic} {
		s := Starts{Spacing: spacing, Every: time.Hour, Site: "home", Link: "starlink"}
		for _, stretch := range []float64{1, 4.4} {
			last := s.Next(startsBegin, time.Time{}, stretch)

			due := s.Next(last.Add(time.Second), last, stretch)
			if got := s.Next(due.Add(startGrace), last, stretch); !got.Equal(due) {
				t.Errorf("%s: a start noticed a minute late is moved from %v to %v", spacing, due, got)
			}
			if got := s.Next(due.Add(startGrace+1), last, stretch); !got.After(due.Add(time.Nanosecond)) {
				t.Errorf("%s: a start noticed too late, at %v, is made up for at %v", spacing, due, got)
			}

			// Three days asleep: one start, not 72, and none in the past.
			awake := last.Add(72 * time.Hour)
			if got := s.Next(awake, last, stretch); got.Before(awake.Add(-startGrace)) {
				t.Errorf("%s: after sleeping until %v the start is %v", spacing, awake, got)
			}

			// The clock is set back a little: no start is made twice.
			for _, back := range []time.Duration{time.Second, 20 * time.Minute, time.Hour} {
				if got := s.Next(last.Add(-back), last, stretch); !got.After(last) {
					t.Errorf("%s: clock set back by %v: start %v after the one at %v", spacing, back, got, last)
				}
			}
			// It is set back by a month: starts go on there.
			early := last.Add(-30 * 24 * time.Hour)
			if got := s.Next(early, last, stretch); got.Sub(early) > 40*s.Every {
				t.Errorf("%s: clock set back by a month: the next start is %v away", spacing, got.Sub(early))
			}
		}
	}
}

func TestStartsBeforeTheEpoch(t *testing.T) {
	s := Starts{Spacing: SpacingPeriodic, Every: time.Hour}
	now := time.Date(1969, 12, 31, 20, 30, 0, 0, time.UTC) // a clock that was never set
	if got, want := s.Next(now, time.Time{}, 1), now.Add(30*time.Minute); !got.Equal(want) {
		t.Errorf("start at %v, want %v", got, want)
	}
}
