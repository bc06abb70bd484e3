package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is new is written at once, what repeats itself once a minute, and however much is
// said the log stays bounded.
func TestRepeatedLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &log{}
		r := newRepeats(out)
		s := streams{err: r}
		for range 30 {
			s.notef("perigee: the cable is cut")
			s.log().Warn("no way out", "link", "geo")
			time.Sleep(time.Second)
		}
		s.notef("perigee: another")
		lines := func() []string { return strings.Split(strings.TrimSpace(out.String()), "\n") }
		if got := lines(); len(got) != 3 || got[0] != "perigee: the cable is cut" || !strings.HasSuffix(got[1], `level=WARN msg="no way out" link=geo`) || got[2] != "perigee: another" {
			t.Fatalf("after 30 s:\n%s", out)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if got := lines(); len(got) != 5 || !strings.HasPrefix(got[3]+got[4], "perigee: 29 times more in a minute: ") || got[4] != "perigee: 29 times more in a minute: perigee: the cable is cut" && got[3] != "perigee: 29 times more in a minute: perigee: the cable is cut" {
			t.Fatalf("after a minute:\n%s", out)
		}
		s.notef("perigee: the cable is cut") // a minute later it is new again
		if got := lines(); len(got) != 6 {
			t.Fatalf("after that:\n%s", out)
		}
		r.Close()

		flood := &log{}
		r = newRepeats(flood)
		for i := range 10_000 {
			fmt.Fprintf(r, "line %d %s\n", i, strings.Repeat("x", 10_000))
		}
		r.Close()
		got := strings.Split(strings.TrimSpace(flood.String()), "\n")
		if len(got) != repeatLines+1 || got[repeatLines] != "perigee: 9800 more lines in a minute were left out" {
			t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
		}
		if n := len(flood.String()); n > (repeatLines+1)*(repeatBytes+10) {
			t.Errorf("%d bytes", n)
		}
	})
}
