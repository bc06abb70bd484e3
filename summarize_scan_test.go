package perigee

import (
	"testing"
	"time"
)

// Whatever the range, its parts follow one another without a break, hours and days
// are whole, and days lie in long ranges only.
func TestPartsCoverRange(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		from, to time.Time
		coarsest Resolution
		want     []Resolution
	}{
		{"short", day.Add(time.Minute), day.Add(3 * time.Hour), Days, []Resolution{Windows}},
		{"windows_asked", day, day.Add(1000 * time.Hour), Windows, []Resolution{Windows}},
		{"half_a_day", day.Add(time.Minute), day.Add(12*time.Hour + time.Second), Days, []Resolution{Windows, Hours, Windows}},
		{"whole_hours", day, day.Add(12 * time.Hour), Days, []Resolution{Hours}},
		{"weeks", day.Add(8*time.Hour + time.Second), day.Add(30*24*time.Hour + 9*time.Hour + 1), Days,
			[]Resolution{Windows, Hours, Days, Hours, Windows}},
		{"weeks_by_hours", day.Add(time.Second), day.Add(30 * 24 * time.Hour), Hours, []Resolution{Windows, Hours}},
		{"nothing", day, day, Days, nil},
		{"before_1970", time.Date(1969, 12, 30, 23, 30, 0, 0, time.UTC), time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC), Hours, []Resolution{Windows, Hours}},
	} {
		at := c.from
		list := parts(c.from, c.to, c.coarsest)
		var got []Resolution
		for _, p := range list {
			got = append(got, p.resolution)
			length := map[Resolution]time.Duration{Windows: 1, Hours: time.Hour, Days: 24 * time.Hour}[p.resolution]
			if !p.from.Equal(at) || !p.from.Before(p.to) || p.from.UnixNano()%int64(length) != 0 || p.to.UnixNano()%int64(length) != 0 {
				t.Errorf("%s: part %+v after %s", c.name, p, at)
			}
			at = p.to
		}
		if !at.Equal(c.to) && len(list) > 0 {
			t.Errorf("%s: parts end at %s, want %s", c.name, at, c.to)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: parts %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: parts %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

// A step is one of the round ones and gives no more points than asked.
func TestStepFor(t *testing.T) {
	for _, c := range []struct {
		length, want time.Duration
		limit        int
	}{
		{time.Minute, 10 * time.Second, 500},
		{time.Hour, 10 * time.Second, 500},
		{24 * time.Hour, 5 * time.Minute, 500}, // 2 min would give 720
		{30 * 24 * time.Hour, 2 * time.Hour, 500},
		{3650 * 24 * time.Hour, 8 * 24 * time.Hour, 500},
	} {
		if got := stepFor(c.length, c.limit); got != c.want {
			t.Errorf("stepFor(%s, %d) = %s, want %s", c.length, c.limit, got, c.want)
		}
	}
}
