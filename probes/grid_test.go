package probes

import (
	"testing"
	"time"

	"perigee"
)

// noon is on every grid that divides an hour.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// reading returns the clocks at mono, on a machine whose wall clock showed noon at 0.
func reading(mono time.Duration) perigee.Reading {
	return perigee.Reading{Wall: noon.Add(mono), Mono: mono}
}

func TestGridBeginsAtAWholeMillisecondAndKeepsToMultiples(t *testing.T) {
	g := grid{window: 10 * time.Second}
	g.begin(reading(3*time.Second + 1234567*time.Nanosecond))
	s := g.cur
	if want := noon.Add(3001 * time.Millisecond); !s.start.Equal(want) {
		t.Errorf("first span starts at %v, want %v", s.start, want)
	}
	if want := 3001 * time.Millisecond; s.mono != want {
		t.Errorf("first span starts at mono %v, want %v: At must be right against Start", s.mono, want)
	}
	if want := 6999 * time.Millisecond; s.length != want {
		t.Errorf("first span lasts %v, want %v", s.length, want)
	}
	g.advance(reading(34 * time.Second))
	for i, want := range []time.Duration{10, 20, 30} {
		if s := g.recent[i+1]; !s.start.Equal(noon.Add(want*time.Second)) || s.length != 10*time.Second {
			t.Errorf("span %d is %v + %v, want 12:00:%d + 10s", i+1, s.start, s.length, want)
		}
	}
	if got := g.at(25 * time.Second); got != g.recent[2] {
		t.Errorf("25 s lies in the span from %v, want from 12:00:20", got.start)
	}
	if got := g.at(0); got != g.recent[0] {
		t.Errorf("before all spans the oldest counts, got %v", got.start)
	}
}

// 7 s do not divide the time from year 1 to 1970, on which time.Truncate counts.
func TestGridCountsFromTheUnixEpoch(t *testing.T) {
	g := grid{window: 7 * time.Second}
	g.begin(reading(0))
	if border := g.cur.start.Add(g.cur.length); border.Unix()%7 != 0 {
		t.Errorf("border at Unix second %d, want a multiple of 7", border.Unix())
	}
}

// The wall clock gains 100 ms per window: below the threshold of a step. Starts stay on
// the grid, each once, and the windows become shorter on the monotonic clock.
func TestGridAbsorbsASlewedClock(t *testing.T) {
	g := grid{window: 10 * time.Second}
	rate := 1.01
	at := func(mono time.Duration) perigee.Reading {
		return perigee.Reading{Wall: noon.Add(time.Duration(float64(mono) * rate)), Mono: mono}
	}
	g.begin(at(0))
	seen := map[time.Time]bool{}
	var last *span
	for mono := time.Duration(0); mono < time.Hour; mono += 100 * time.Millisecond {
		g.advance(at(mono))
		if g.cur == last {
			continue
		}
		if seen[g.cur.start] {
			t.Fatalf("start %v twice", g.cur.start)
		}
		seen[g.cur.start] = true
		if g.cur.start.Unix()%10 != 0 {
			t.Fatalf("start %v is off the grid", g.cur.start)
		}
		if last != nil && g.cur.mono != last.end {
			t.Fatalf("span begins at %v, the one before ends at %v", g.cur.mono, last.end)
		}
		// The border may be seen 100 ms late and was planned without the drift of
		// one window, 100 ms more.
		if off := g.cur.wall(mono).Sub(at(mono).Wall).Abs(); off > 250*time.Millisecond {
			t.Fatalf("span from %v is off the wall clock by %v", g.cur.start, off)
		}
		last = g.cur
	}
	// One hour on the monotonic clock is 3636 s on the wall clock: 363 borders.
	if n := len(seen); n < 363 || n > 365 {
		t.Errorf("%d spans, want 364", n)
	}
}

// However far many small steps add up, a window keeps at least half and at most one and
// a half of its length on the monotonic clock.
func TestGridAbsorbsLittleByLittle(t *testing.T) {
	for _, c := range []struct{ wall, want time.Duration }{
		{18 * time.Second, 5 * time.Second},
		{3 * time.Second, 15 * time.Second},
		{11 * time.Second, 9 * time.Second},
	} {
		g := grid{window: 10 * time.Second}
		g.begin(reading(0))
		g.advance(perigee.Reading{Wall: noon.Add(c.wall), Mono: 10 * time.Second})
		if got := g.cur.end - g.cur.mono; got != c.want || g.cur.length != 10*time.Second {
			t.Errorf("clock at %v after 10 s: the next window takes %v, want %v", c.wall, got, c.want)
		}
	}
}

func TestGridCut(t *testing.T) {
	g := grid{window: 10 * time.Second}
	g.begin(reading(0))
	s := g.cur
	g.cut(2500*time.Millisecond+1, breakGap)
	if want := 2501 * time.Millisecond; s.length != want {
		t.Errorf("length %v, want %v: whole milliseconds that hold all probes", s.length, want)
	}
	if !s.part.broken || !s.part.wall.Equal(noon.Add(2500*time.Millisecond+1)) {
		t.Errorf("part ended at %v, broken %v", s.part.wall, s.part.broken)
	}
	g.begin(reading(4 * time.Second))
	if g.cur.part == s.part {
		t.Error("time after a cut belongs to the part before")
	}
	if want := 6 * time.Second; g.cur.length != want {
		t.Errorf("the window after a cut lasts %v, want %v up to the grid", g.cur.length, want)
	}
}

func TestCompare(t *testing.T) {
	const interval = 200 * time.Millisecond
	before := perigee.Reading{Wall: noon, Mono: 100 * time.Second, Suspended: 5 * time.Second}
	wanted := before.Mono + interval
	for _, c := range []struct {
		name            string
		wall, mono, sus time.Duration // since before
		want            change
	}{
		{"on_time", interval, interval, 0, change{}},
		{"early", 0, 0, 0, change{}},
		{"late_by_less_than_a_second", 1100 * time.Millisecond, 1100 * time.Millisecond, 0, change{}},
		{"stalled", 3 * time.Second, 3 * time.Second, 0,
			change{stopped: perigee.GapStalled, cut: wanted}},
		{"slewed", interval + 128*time.Millisecond, interval, 0, change{}}, // exactly the threshold
		{"set_forward", interval + time.Hour, interval, 0, change{step: time.Hour}},
		{"set_back", interval - time.Hour, interval, 0, change{step: -time.Hour}},
		{"set_back_by_a_leap_second", interval - time.Second, interval, 0, change{step: -time.Second}},
		// The monotonic clock stood still while the machine slept.
		{"asleep", interval + time.Minute, interval, time.Minute,
			change{stopped: perigee.GapSuspended, cut: wanted, asleep: time.Minute}},
		{"asleep_before_the_loop_was_due", time.Minute, 0, time.Minute,
			change{stopped: perigee.GapSuspended, cut: before.Mono, asleep: time.Minute}},
		{"asleep_and_set_forward", interval + time.Minute + time.Hour, interval, time.Minute,
			change{stopped: perigee.GapSuspended, cut: wanted, asleep: time.Minute, step: time.Hour}},
		// What took the larger part of the time names the gap.
		{"asleep_and_slow_to_wake", 63 * time.Second, 3 * time.Second, time.Minute,
			change{stopped: perigee.GapSuspended, cut: wanted, asleep: time.Minute}},
		{"stalled_and_asleep_for_a_moment", 31 * time.Second, 30 * time.Second, time.Second,
			change{stopped: perigee.GapStalled, cut: wanted, asleep: time.Second}},
		{"stalled_and_set_back", 3*time.Second - time.Hour, 3 * time.Second, 0,
			change{stopped: perigee.GapStalled, cut: wanted, step: -time.Hour}},
		{"error_of_reading_two_clocks", interval, interval, time.Millisecond, change{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := perigee.Reading{Wall: before.Wall.Add(c.wall), Mono: before.Mono + c.mono, Suspended: before.Suspended + c.sus}
			if got := compare(before, now, wanted, interval); got != c.want {
				t.Errorf("compare = %+v, want %+v", got, c.want)
			}
		})
	}
	// At an interval of 5 s a second of lateness is nothing: two intervals count.
	now := perigee.Reading{Wall: noon.Add(14 * time.Second), Mono: before.Mono + 14*time.Second, Suspended: before.Suspended}
	if got := compare(before, now, before.Mono+5*time.Second, 5*time.Second); got != (change{}) {
		t.Errorf("compare at 5 s = %+v, want nothing", got)
	}
}
