package lab_test

import (
	"slices"
	"testing"
	"time"

	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
)

func delayed(up, down time.Duration) lab.Profile {
	return lab.Profile{Name: "test", Up: lab.Direction{Delay: up}, Down: lab.Direction{Delay: down}}
}

// quantile returns the q-quantile of d by nearest rank; d is sorted.
func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

func TestPingMeetsTheDelayOfItsLink(t *testing.T) {
	l := labtest.New(t, 1,
		lab.Link{Name: "near", Profile: delayed(5*time.Millisecond, 15*time.Millisecond)},
		lab.Link{Name: "wide", Profile: delayed(70*time.Millisecond, 30*time.Millisecond)},
	)
	const n = 100
	for _, c := range []struct {
		link     string
		v6       bool
		up, down time.Duration
	}{
		{"near", false, 5 * time.Millisecond, 15 * time.Millisecond},
		{"wide", true, 70 * time.Millisecond, 30 * time.Millisecond},
	} {
		end, _ := l.Link(c.link)
		target := lab.Target()
		if c.v6 {
			target = lab.Target6()
		}
		p := newPinger(t, end, c.v6, 7)
		every(t.Context(), 5*time.Millisecond, n, func(i int) {
			if err := p.send(target, i); err != nil {
				t.Fatal(err)
			}
		})
		if got := len(p.receive(n, 10*time.Second)); got != n {
			t.Errorf("%s: %d replies, want %d", c.link, got, n)
		}
	}

	var late []time.Duration
	records := l.Truth()
	// A connection of an earlier test may still say goodbye over the new link.
	records = slices.DeleteFunc(records, func(r lab.Record) bool { return !r.Echo.Present })
	for _, r := range records {
		if r.Fate != lab.Delivered {
			t.Errorf("%+v: want it delivered", r)
			continue
		}
		late = append(late, r.Actual-r.Planned)
	}
	if len(records) != 4*n {
		t.Errorf("%d records, want %d: each request and each reply, nothing else", len(records), 4*n)
	}
	trips := lab.RoundTrips(records)
	if len(trips) != 2*n {
		t.Errorf("%d round trips, want %d", len(trips), 2*n)
	}
	for _, trip := range trips {
		want := 20 * time.Millisecond
		if trip.Link == "wide" {
			want = 100 * time.Millisecond
		}
		if trip.Fate != lab.Delivered || trip.RTT < want {
			t.Errorf("%+v: want delivered after at least %v", trip, want)
		}
	}
	if m := quantile(late, 0.5); m < 0 || m > 200*time.Microsecond {
		t.Errorf("packets are delivered %v after their time (median), want within 0.2 ms", m)
	}
	t.Logf("delivered late by p50 %v p95 %v p99 %v max %v", quantile(late, .5), quantile(late, .95), quantile(late, .99), quantile(late, 1))
}
