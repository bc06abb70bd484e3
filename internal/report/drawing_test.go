package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"perigee"
)

// What was not measured is hatched, over the time that it was not, and never an outage.
func TestGapsAreDrawnAsNotMeasured(t *testing.T) {
	r := oneDay()
	l := r.Links[0]
	l.Disruptions, l.Transfers = nil, nil
	l.RTT = series(r.From, r.To, 5*time.Minute, func(i int) bool { return i >= 60 && i < 72 }) // 5:00 to 6:00
	d := rttChart(r, l)
	if d.Has("down") || d.Has("excused") || d.Has("busy") {
		t.Error("a gap is drawn as something else")
	}
	holes := paths(d, "unmeasured")
	if len(holes) != 1 {
		t.Fatalf("%d paths, want one", len(holes))
	}
	hour := (fullWidth - plotMargin - plotLeft) / 24.0
	hole := rects(t, holes[0])
	if len(hole) != 1 || math.Abs(hole[0].x-(plotLeft+5*hour)) > 0.1 || math.Abs(hole[0].width-hour) > 0.1 {
		t.Errorf("hatched are %+v, want the hour from five", hole)
	}
	// The line breaks there.
	if median := paths(d, "median"); len(median) != 1 || strings.Count(median[0], "M") != 2 {
		t.Errorf("the median is drawn as %q, want two pieces", median)
	}
}

// Steps in which a transfer of ours ran were measured, but under load.
func TestTransfersAreNotDrawnAsGaps(t *testing.T) {
	r := oneDay()
	l := r.Links[0]
	l.RTT = series(r.From, r.To, 5*time.Minute, func(i int) bool { return i == 36 || i >= 60 && i < 72 })
	l.Transfers = []Transfer{{Start: day.Add(3*time.Hour + time.Minute), Length: 2 * time.Minute, Direction: perigee.LoadDown}}
	d := rttChart(r, l)
	if busy, holes := paths(d, "busy"), paths(d, "unmeasured"); len(busy) != 1 || len(holes) != 1 || strings.Count(busy[0], "M") != 1 || strings.Count(holes[0], "M") != 1 {
		t.Errorf("shaded are %v, hatched %v", busy, holes)
	}
}

func TestOutagesAreDrawnWhereTheyWere(t *testing.T) {
	r := oneDay()
	d := rttChart(r, r.Links[0])
	down, excused := rects(t, paths(d, "down")[0]), rects(t, paths(d, "excused")[0])
	hour := (fullWidth - plotMargin - plotLeft) / 24.0
	if len(down) != 1 || math.Abs(down[0].x-(plotLeft+hour)) > 0.1 || down[0].width < leastBarPix {
		t.Errorf("outage at %+v", down)
	}
	if len(excused) != 1 || math.Abs(excused[0].x-(plotLeft+2*hour)) > 0.1 || excused[0].y < down[0].y {
		t.Errorf("outage that is not charged at %+v", excused)
	}
}

// One spike must not flatten a day, and must not be hidden either.
func TestSpikesAreMarkedBeyondTheAxis(t *testing.T) {
	r := oneDay()
	l := r.Links[0]
	l.RTT.Points[100].P95 = 5
	d := rttChart(r, l)
	top, above, highest := rttTop(l.RTT.Points)
	if top > 0.2 || above != 1 || highest != 5 {
		t.Errorf("axis to %v, %d above, %v at most", top, above, highest)
	}
	if !d.Has("beyond") || !strings.Contains(d.Description, "1\u00a0step") || !strings.Contains(d.Description, "5000") {
		t.Errorf("%s", d.Description)
	}
	for i := range l.RTT.Points {
		l.RTT.Points[i].P95 = 5
	}
	if top, above, _ := rttTop(l.RTT.Points); top < 5 || above != 0 {
		t.Errorf("axis to %v with %d above, though all is high", top, above)
	}
	if top, _, _ := rttTop(nil); top != 0 {
		t.Errorf("axis of nothing to %v", top)
	}
}

// Lost packets of a step are drawn however few they are.
func TestSmallLossIsSeen(t *testing.T) {
	r := oneDay()
	l := r.Links[0]
	for i := range l.RTT.Points {
		l.RTT.Points[i].LossRatio = 0
	}
	if d := lossChart(r, l); d.Has("loss") {
		t.Error("loss is drawn where nothing was lost")
	}
	l.RTT.Points[3].LossRatio = 1e-6
	loss := paths(lossChart(r, l), "loss")
	if len(loss) != 1 || rects(t, loss[0])[0].height < leastBarPix {
		t.Errorf("loss is drawn as %q", loss)
	}
}

func TestCalendarTellsUnmeasuredFromDown(t *testing.T) {
	zone, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	r := oneDay()
	r.Zone = zone
	r.From, r.To = time.Date(2026, 3, 30, 0, 0, 0, 0, zone), time.Date(2026, 4, 9, 12, 0, 0, 0, zone) // clocks go back on 5 April
	l := r.Links[0]
	l.Days.Periods = nil
	add := func(d int, planned, down time.Duration) {
		from := time.Date(2026, 3, d, 0, 0, 0, 0, zone)
		l.Days.Periods = append(l.Days.Periods, perigee.Reliability{From: from, To: from.AddDate(0, 0, 1), Planned: planned, Down: down})
	}
	add(30, 24*time.Hour, 0)
	add(31, 24*time.Hour, 24*time.Hour)
	add(31+5, 25*time.Hour, time.Second)
	add(31+6, 6*time.Hour, 0)
	list := calendars(r, l)
	if len(list) != 1 {
		t.Fatalf("%d drawings", len(list))
	}
	count := map[string]int{}
	var values []string
	for _, m := range list[0].Marks {
		count[m.Class]++
		if strings.HasPrefix(m.Class, "dayvalue") {
			values = append(values, m.Text)
		}
	}
	// 11 days: 4 measured, 7 not; of 61 days in two months the other 50 are outside.
	if count["cell unmeasured"] != 7 || count["cell full"] != 2 || count["cell bad"] != 1 || count["cell fine"] != 1 || count["cell outside"] != 50 || count["corner"] != 1 {
		t.Errorf("%v", count)
	}
	if got := strings.Join(values, " "); got != "100 0.0 – – – – 99.99 100 – – –" {
		t.Errorf("days show %s", got)
	}
	if want := "2 with no outage, 1 with 99.9 % and more, 0 with 99 % and more, 0 with 95 % and more, 1 with below 95 %"; !strings.Contains(list[0].Description, want) {
		t.Errorf("%s", list[0].Description)
	}
}

func TestTimeTicksAreRound(t *testing.T) {
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	for _, c := range []struct {
		name     string
		from     time.Time
		length   time.Duration
		zone     *time.Location
		want     string
		wantMost int
	}{
		{"minutes", day.Add(90 * time.Second), 20 * time.Minute, time.UTC, "00:05 00:10 00:15 00:20", 9},
		{"a_day", day, 24 * time.Hour, time.UTC, "31 Jan 03:00 06:00 09:00 12:00 15:00 18:00 21:00 1 Feb", 9},
		{"a_day_elsewhere", day, 24 * time.Hour, sydney, "12:00 15:00 18:00 21:00 1 Feb 03:00 06:00 09:00", 9},
		{"a_week_over_a_change", time.Date(2026, 4, 2, 0, 0, 0, 0, sydney), 7 * 24 * time.Hour, sydney, "2 Apr 3 Apr 4 Apr 5 Apr 6 Apr 7 Apr 8 Apr", 9},
		{"a_year", day, 365 * 24 * time.Hour, time.UTC, "Mar 2026 May 2026 Jul 2026 Sep 2026 Nov 2026 Jan 2027", 9},
		{"forty_years", day, 40 * 365 * 24 * time.Hour, time.UTC, "2031 2036 2041 2046 2051 2056 2061 2066", 9},
		{"seconds", day, 8 * time.Second, time.UTC, "31 Jan 00:00:01 00:00:02 00:00:03 00:00:04 00:00:05 00:00:06 00:00:07 00:00:08", 9},
		{"few", day, 24 * time.Hour, time.UTC, "31 Jan 06:00 12:00 18:00 1 Feb", 4},
	} {
		var labels []string
		for _, tick := range timeTicks(c.from, c.from.Add(c.length), c.zone, c.wantMost) {
			labels = append(labels, tick.label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestValueTicksAreRound(t *testing.T) {
	for top, want := range map[float64]int{0: 1, 1: 3, 0.02: 5, 300: 4, 7e6: 4} {
		ticks := valueTicks(top)
		if len(ticks) != want || ticks[0] != 0 || ticks[len(ticks)-1] > top*1.001 {
			t.Errorf("up to %v: %v, want %d", top, ticks, want)
		}
	}
	for v := 1e-6; v < 1e10; v *= 1.7 {
		if top := niceTop(v); top < v*0.999 || top > 1.6*v {
			t.Errorf("an axis for %v ends at %v", v, top)
		}
	}
}
