package transfer_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/transfer"
)

// TestShortTestSaysWhatALongOneSaysOnGEO makes tests of 10 s on some links, one after the
// other, and of 60 s on others at the same time. The steady rates of the short ones are that
// of the long ones, or they say that there is none; means over everything are not, for a
// part of them that depends on the length of the test is slow start.
func TestShortTestSaysWhatALongOneSaysOnGEO(t *testing.T) {
	long(t)
	const (
		longs  = 2 // links
		shorts = 3
		each   = 5 // short tests on a link
	)
	for _, w := range []way{
		{perigee.LoadDown, "cubic", transfer.AutoStreams(perigee.OrbitGEO, perigee.LoadDown)},
		{perigee.LoadUp, "cubic", transfer.AutoStreams(perigee.OrbitGEO, perigee.LoadUp)},
	} {
		t.Run(w.name(), func(t *testing.T) {
			l := copies(t, 1, slices.Repeat([]lab.Profile{lab.GEO()}, longs+shorts)...)
			results, err := abreast(t, l, func(i int) []transfer.Options {
				if i < longs {
					return []transfer.Options{by(t, l, i, w, time.Minute)}
				}
				var tests []transfer.Options
				for range each {
					tests = append(tests, by(t, l, i, w, 10*time.Second))
				}
				return tests
			})
			if err != nil {
				t.Fatal(err)
			}
			full, brief := slices.Concat(results[:longs]...), slices.Concat(results[longs:]...)
			steady, whole := mean(full, rate), mean(full, wholeRate)
			for _, r := range full {
				t.Logf("60 s: steady %.2f Mbit/s after %.1f s; everything %.2f", r.Rate/1e6, r.Ramp.Seconds(), r.WholeRate/1e6)
			}
			found, near, bias, naive, worst := 0, 0, 0.0, 0.0, 0.0
			for _, r := range brief {
				off, everything := r.Rate/steady-1, r.WholeRate/whole-1
				naive += math.Abs(everything) / float64(len(brief))
				t.Logf("10 s: steady %.2f Mbit/s after %.1f s, %+.1f %% (%v); everything %.2f, %+.1f %%",
					r.Rate/1e6, r.Ramp.Seconds(), 100*off, r.Steady, r.WholeRate/1e6, 100*everything)
				if !r.Steady {
					continue
				}
				found++
				bias += off
				worst = max(worst, math.Abs(off))
				if math.Abs(off) <= 0.05 {
					near++
				}
			}
			bias /= float64(max(1, found))
			t.Logf("%d of %d short tests have a steady rate, %d of these within 5 %%, the farthest off by %.1f %%, on average %+.1f %%; means over everything are off by %.1f %%",
				found, len(brief), near, 100*worst, 100*bias, 100*naive)
			if found*4 < len(brief)*3 || near < found || math.Abs(bias) > 0.02 {
				t.Errorf("%d of %d short tests have a steady rate, and %d of these lie within 5 %%, on average %+.1f %%; want three quarters, all, and 2 %%",
					found, len(brief), near, 100*bias)
			}
			if naive < 0.05 {
				t.Errorf("means over everything are off by %.1f %% only: the link does not test what it is for", 100*naive)
			}
		})
	}
}

// TestFewConnectionsClaimNothingTheyDoNotKnow makes tests of 10 s with fewer connections
// than fill the link in time, and with BBR. Few of them have a steady rate, but that is the
// link's.
func TestFewConnectionsClaimNothingTheyDoNotKnow(t *testing.T) {
	long(t)
	needCongestion(t, "bbr")
	const links, each = 4, 3
	claims, near := 0, 0
	for _, w := range []way{{perigee.LoadDown, "cubic", 8}, {perigee.LoadDown, "cubic", 16}, {perigee.LoadDown, "cubic", 32}, {perigee.LoadDown, "bbr", 4}} {
		l := copies(t, 2, slices.Repeat([]lab.Profile{lab.GEO()}, links)...)
		results, err := abreast(t, l, func(i int) []transfer.Options {
			return slices.Repeat([]transfer.Options{by(t, l, i, w, 10*time.Second)}, each)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range slices.Concat(results...) {
			off := r.Rate/ideal(lab.GEO().Down.Rate) - 1
			t.Logf("%v: %.2f Mbit/s after %.1f s, %+.1f %% of the link (%v); everything %.2f", w, r.Rate/1e6, r.Ramp.Seconds(), 100*off, r.Steady, r.WholeRate/1e6)
			if !r.Steady {
				continue
			}
			claims++
			if math.Abs(off) <= 0.05 {
				near++
			}
		}
		l.Close()
	}
	t.Logf("%d tests have a steady rate, %d of these within 5 %% of the link's", claims, near)
	if claims < 10 || near*20 < claims*19 {
		t.Errorf("%d tests have a steady rate, %d of these within 5 %% of the link's; want 10 and more, and 95 %%", claims, near)
	}
}

// TestShortTestSaysWhatALongPathCarries is the above for every day: a path as long, with a
// rate that is known and without stray losses. A machine that stands still for a moment
// makes a hole in it, and a test that rightly is not called steady: then it is made again,
// twice at most.
func TestShortTestSaysWhatALongPathCarries(t *testing.T) {
	const carries, tries = 20e6, 3
	for try := 1; ; try++ {
		l := newLab(t, plain("geo", carries, 310*time.Millisecond, 1600e3))
		o := by(t, l, 0, way{perigee.LoadDown, "cubic", transfer.AutoStreams(perigee.OrbitGEO, perigee.LoadDown)}, 10*time.Second)
		w := watch(&o, l, "geo")
		r := run(t, o)
		// A busy machine lets less through than the link would carry.
		truth := min(ideal(carries), w.rate(r.Ramp, r.Length))
		l.Close()
		t.Logf("steady %.2f Mbit/s after %.1f s (%v); everything %.2f; the link carries %.2f and delivered %.2f",
			r.Rate/1e6, r.Ramp.Seconds(), r.Steady, r.WholeRate/1e6, ideal(carries)/1e6, truth/1e6)
		if r.WholeRate > 0.93*ideal(carries) || !within(r.Ramp.Seconds(), 1, 5) {
			t.Errorf("%.2f Mbit/s over everything, ramp %v: the path does not test what it is for", r.WholeRate/1e6, r.Ramp)
		}
		switch {
		case within(r.Rate/truth, 0.95, 1.05) && r.Steady:
			return
		case try == tries || r.Steady: // what is called steady must be right each time
			t.Fatalf("steady %.2f Mbit/s (%v), the link delivered %.2f", r.Rate/1e6, r.Steady, truth/1e6)
		}
	}
}
