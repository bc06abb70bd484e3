package probes

import (
	"testing"
	"time"

	"perigee"
)

// script drives a tracker with one probe each 100 ms: r received, l lost, a late, f
// send failed, s skipped.
func script(tr *tracker, s *span, at time.Duration, outcomes string) time.Duration {
	for _, o := range outcomes {
		p := perigee.Singleton{At: at}
		switch o {
		case 'r':
			p.Outcome = perigee.Received
		case 'l':
			p.Outcome = perigee.Lost
		case 'a':
			p.Outcome = perigee.Late
		case 'f':
			p.Outcome, p.Cause = perigee.SendFailed, "interface down"
		case 's':
			p.Outcome, p.Cause = perigee.Skipped, "late"
		}
		tr.judge(s, p)
		at += 100 * time.Millisecond
	}
	return at
}

func TestOutages(t *testing.T) {
	ms := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Millisecond) }
	for _, c := range []struct {
		name, outcomes string
		want           []perigee.Outage // told, in order; Stream left out
	}{
		{"none", "rrrrrrrrrrrrrrrr", nil},
		{"too_short", "rlllllllllr", nil}, // 0.1 to 1.0 s
		{"just_long_enough", "rllllllllllr", []perigee.Outage{ // 0.1 to 1.1 s; open was never known
			{Start: ms(100), End: ms(1100), Probes: 10, Reason: perigee.NoReplies}}},
		{"open_then_ended", "rlllllllllllllr", []perigee.Outage{
			{Start: ms(100), End: ms(1100), Open: true, Probes: 11, Reason: perigee.NoReplies},
			{Start: ms(100), End: ms(1400), Probes: 13, Reason: perigee.NoReplies}}},
		{"late_is_unanswered", "raaaaaaaaaar", []perigee.Outage{
			{Start: ms(100), End: ms(1100), Probes: 10, Reason: perigee.NoReplies}}},
		{"commonest_reason", "rlllfffffffr", []perigee.Outage{
			{Start: ms(100), End: ms(1100), Probes: 10, Reason: "interface down"}}},
		{"skipped_is_neither", "rssssssssssssssr", nil},
		{"skipped_does_not_end_it", "rlllssssllllr", []perigee.Outage{
			{Start: ms(100), End: ms(1100), Open: true, Probes: 7, Reason: perigee.NoReplies},
			{Start: ms(100), End: ms(1200), Probes: 7, Reason: perigee.NoReplies}}},
		// Two at the ends of a long skipped stretch are still two unanswered.
		{"one_probe_is_no_outage", "rlssssssssssssssssr", nil},
		{"from_the_first_probe", "llllllllllr", []perigee.Outage{
			{Start: ms(0), End: ms(1000), Probes: 10, Reason: perigee.NoReplies}}},
		{"two", "llllllllllrrffffffffffr", []perigee.Outage{
			{Start: ms(0), End: ms(1000), Probes: 10, Reason: perigee.NoReplies},
			{Start: ms(1200), End: ms(2200), Probes: 10, Reason: "interface down"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := grid{window: time.Minute}
			g.begin(reading(0))
			tr := &tracker{stream: testKey, after: time.Second}
			script(tr, g.cur, 0, c.outcomes)
			checkOutages(t, tr.take(), c.want)
		})
	}
}

func checkOutages(t *testing.T, got, want []perigee.Outage) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("told %d outages, want %d:\ngot  %v\nwant %v", len(got), len(want), got, want)
	}
	for i, w := range want {
		w.Stream = testKey
		if got[i] != w {
			t.Errorf("outage %d is\n     %+v\nwant %+v", i, got[i], w)
		}
	}
}

// Nobody knows how an outage went on while the monitor did not measure.
func TestGapEndsAnOutage(t *testing.T) {
	g := grid{window: time.Minute}
	g.begin(reading(0))
	tr := &tracker{stream: testKey, after: time.Second}
	script(tr, g.cur, 0, "llllllllllll") // open from 1.0 s, the last at 1.1 s
	g.cut(1200*time.Millisecond, breakGap)
	g.begin(reading(9 * time.Second))
	script(tr, g.cur, 9*time.Second, "lllr") // 0.3 s: not an outage of its own
	checkOutages(t, tr.take(), []perigee.Outage{
		{Start: noon, End: noon.Add(time.Second), Open: true, Probes: 11, Reason: perigee.NoReplies},
		{Start: noon, End: noon.Add(1200 * time.Millisecond), Probes: 12, Reason: perigee.NoReplies},
	})
}

// The clock is set forward by an hour within an outage of 2.3 s: both parts together
// are as long as it was, and neither contains the hour.
func TestClockStepDividesAnOutage(t *testing.T) {
	g := grid{window: time.Minute}
	g.begin(reading(0))
	tr := &tracker{stream: testKey, after: time.Second}
	at := script(tr, g.cur, 0, "llllllllllll")
	g.cut(at, breakStep) // 1.2 s
	later := reading(at)
	later.Wall = later.Wall.Add(time.Hour)
	g.begin(later)
	script(tr, g.cur, at, "lllllllllllr") // 1.2 to 2.3 s
	hour := noon.Add(time.Hour)
	checkOutages(t, tr.take(), []perigee.Outage{
		{Start: noon, End: noon.Add(time.Second), Open: true, Probes: 11, Reason: perigee.NoReplies},
		{Start: noon, End: noon.Add(1200 * time.Millisecond), Probes: 12, Reason: perigee.NoReplies},
		{Start: hour.Add(1200 * time.Millisecond), End: hour.Add(1200 * time.Millisecond), Open: true, Probes: 1, Reason: perigee.NoReplies},
		{Start: hour.Add(1200 * time.Millisecond), End: hour.Add(2300 * time.Millisecond), Probes: 11, Reason: perigee.NoReplies},
	})
}

// A run that is not an outage yet when the clock is set back is told by the new clock.
func TestClockStepWithinAYoungRun(t *testing.T) {
	g := grid{window: time.Minute}
	g.begin(reading(0))
	tr := &tracker{stream: testKey, after: time.Second}
	at := script(tr, g.cur, 0, "lllll")
	g.cut(at, breakStep)
	earlier := reading(at)
	earlier.Wall = earlier.Wall.Add(-time.Hour)
	g.begin(earlier)
	script(tr, g.cur, at, "lllllr")
	past := noon.Add(-time.Hour)
	checkOutages(t, tr.take(), []perigee.Outage{
		{Start: past, End: past.Add(time.Second), Probes: 10, Reason: perigee.NoReplies},
	})
}

func TestOpenOutageIsRenewedOnlyIfItGrew(t *testing.T) {
	g := grid{window: time.Minute}
	g.begin(reading(0))
	tr := &tracker{stream: testKey, after: time.Second}
	at := script(tr, g.cur, 0, "lllllllllllll") // 0 to 1.2 s
	tr.take()
	tr.renew()
	checkOutages(t, tr.take(), []perigee.Outage{
		{Start: noon, End: noon.Add(1200 * time.Millisecond), Open: true, Probes: 13, Reason: perigee.NoReplies},
	})
	tr.renew()
	script(tr, g.cur, at, "sss")
	tr.renew()
	checkOutages(t, tr.take(), nil)
}
