package main

import (
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
)

// What the fault campaign checks sees what it is there to see: records that are right pass,
// and each way in which they can be wrong is told.
func TestFaultChecksSeeWhatIsWrong(t *testing.T) {
	begin := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	window := func(link, target string, second int) perigee.Sample {
		return perigee.Sample{
			Stream: perigee.Stream{Site: "home", Link: perigee.LinkID(link), Target: perigee.TargetID(target), Load: perigee.LoadIdle},
			Start:  at(second), Length: 2 * time.Second, Counts: perigee.Counts{Planned: 10, Sent: 10, Received: 10},
		}
	}
	for name, c := range map[string]struct {
		change func(*record)
		want   string // a part of what is told; empty: nothing
	}{
		"all is well": {func(*record) {}, ""},
		"a hole":      {func(l *record) { l.samples = append(l.samples[:4], l.samples[8:]...) }, "untold"},
		"a hole that a gap tells of": {func(l *record) {
			l.samples = append(l.samples[:4], l.samples[8:]...)
			l.gaps = append(l.gaps, perigee.Gap{Start: at(2), End: at(4), Reason: perigee.GapCrashed})
		}, "lost"}, // it was acknowledged all the same
		"a stream breaks off":       {func(l *record) { l.samples = l.samples[:len(l.samples)-1] }, "nobody tells of the time"},
		"counts that do not add up": {func(l *record) { l.samples[3].Counts.Sent-- }, "counts"},
		"counts that are not those of the probes": {func(l *record) {
			l.samples[3].Singletons = []perigee.Singleton{{Outcome: perigee.Received}}
		}, "its probes make"},
		"a window that was told otherwise": {func(l *record) { l.samples[3].Counts.Received, l.samples[3].Counts.Lost = 9, 1 }, "changed"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &faultHome{acknowledged: map[windowKey]api.Counts{}}
			var l record
			before := map[windowKey]bool{}
			for second := 0; second < 10; second += 2 {
				for _, link := range homeLinks {
					for _, target := range []string{"far", "named"} {
						s := window(link, target, second)
						l.samples = append(l.samples, s)
						before[keyOf(s)] = true
						h.acknowledged[keyOf(s)] = api.Counts{Planned: 10, Sent: 10, Received: 10}
					}
				}
			}
			c.change(&l)
			var p problems
			l.addUp(&p)
			l.covered(at(0), at(10), &p)
			h.kept(before, l, false, &p)
			told := strings.Join(p.all(), "\n")
			if (c.want == "") != (told == "") || !strings.Contains(told, c.want) {
				t.Errorf("told %q, want %q", told, c.want)
			}
		})
	}
	var l record
	if gapOf(perigee.GapCrashed)(nil, l, at(0), at(1)) == nil || outageOf(l, "one", at(0), at(1)) == nil || eventOf(l, perigee.EventStoreDamaged, at(0), at(1)) == nil {
		t.Error("a record is found where there is none")
	}
}
