package perigee_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

// disruptions returns the only disruptions of a house.
func disruptions(t *testing.T, h *house, q perigee.DisruptionQuery) []perigee.Disruption {
	t.Helper()
	list, err := perigee.Disruptions(t.Context(), h.store(t), q)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Slots begin at 12, 27, 42 and 57 s of each minute while GPS time is 18 s ahead.
func TestSlotEdges(t *testing.T) {
	for name, c := range map[string]struct {
		orbit    perigee.Orbit
		from, to float64
		leap     int
		want     string
	}{
		"at_an_edge":               {perigee.OrbitStarlink, 27, 28.2, 0, "slot_edge link"},
		"just_before":              {perigee.OrbitStarlink, 26.1, 27.3, 0, "slot_edge link"},
		"a_second_after":           {perigee.OrbitStarlink, 28, 29.2, 0, "slot_edge link"},
		"too_far_after":            {perigee.OrbitStarlink, 28.1, 29.3, 0, "short unknown"},
		"too_far_before":           {perigee.OrbitStarlink, 25.9, 27.5, 0, "short unknown"},
		"as_long_as_may_be":        {perigee.OrbitStarlink, 27, 29, 0, "slot_edge link"},
		"too_long":                 {perigee.OrbitStarlink, 27, 29.1, 0, "short unknown"},
		"another_orbit":            {perigee.OrbitGEO, 27, 28.2, 0, "short unknown"},
		"after_a_leap_second":      {perigee.OrbitStarlink, 26, 27.2, 19, "slot_edge link"},
		"of_time_without_the_leap": {perigee.OrbitStarlink, 28, 29.2, 19, "short unknown"},
	} {
		h := newHouse(1, 1).fail("", "", c.from, c.to)
		h.links[0].Orbit = c.orbit
		d := disruptions(t, h, perigee.DisruptionQuery{LeapSeconds: c.leap})
		if got := fmt.Sprintf("%s %s", d[0].Class, d[0].Blame); got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, d[0].Why)
		}
	}
	// A target that fails over all links at an edge is no change of satellites.
	h := newHouse(2, 2).fail("", "far-1", 27, 28.2)
	h.links[0].Orbit, h.links[1].Orbit = perigee.OrbitStarlink, perigee.OrbitStarlink
	if got, want := h.say(disruptions(t, h, perigee.DisruptionQuery{})), "short target [link-1 link-2] [far-1] 27-28.2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLongBeginsAtTenSeconds(t *testing.T) {
	h := newHouse(1, 1).fail("", "", 100, 109.9).fail("", "", 200, 210)
	if got, want := h.say(disruptions(t, h, perigee.DisruptionQuery{})), "short unknown [link-1] [far-1] 100-109.9\nlong unknown [link-1] [far-1] 200-210"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOpenDisruptions(t *testing.T) {
	h := newHouse(1, 2).fail("", "", 3000, 3590).fail("", "", 1000, 1100)
	for i := range h.batch.Outages {
		h.batch.Outages[i].Open = true // the earlier one was left so by a monitor that ended
	}
	if got, want := h.say(disruptions(t, h, perigee.DisruptionQuery{})), "long link [link-1] [far-1 far-2] 1000-1100\nlong link [link-1] [far-1 far-2] 3000-3590 open"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Where a transfer begins, an outage goes on in another stream: it is one disruption.
func TestDisruptionsSpanLoads(t *testing.T) {
	h := newHouse(2, 2).fail("link-1", "", 600, 605)
	for _, o := range h.batch.Outages[:2] {
		o.Stream.Load, o.Start, o.End = perigee.LoadDown, h.at(605.05), h.at(615)
		h.batch.Outages = append(h.batch.Outages, o)
	}
	d := disruptions(t, h, perigee.DisruptionQuery{})
	if got, want := h.say(d), "long link [link-1] [far-1 far-2] 600-615"; got != want || len(d[0].Outages) != 4 || !strings.HasSuffix(d[0].Why, "a transfer of the monitor's own ran over link-1") {
		t.Errorf("got %s of %d outages (%s), want %s of 4", got, len(d[0].Outages), d[0].Why, want)
	}
}

// An outage is known before the windows of its time are stored: until then nobody is
// blamed.
func TestTooEarlyToTell(t *testing.T) {
	h := newHouse(2, 2).fail("link-1", "", 3599, 3602)
	d := disruptions(t, h, perigee.DisruptionQuery{To: h.at(3610)})
	if got := h.say(d); got != "short unknown [link-1] [far-1] 3599-3602\nshort unknown [link-1] [far-2] 3599-3602" || !strings.Contains(d[0].Why, "too early to tell") {
		t.Errorf("got %s (%s)", got, d[0].Why)
	}
	h.minutes++
	if got, want := h.say(disruptions(t, h, perigee.DisruptionQuery{})), "short link [link-1] [far-1 far-2] 3599-3602"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// nightly is a house of ten days with an outage of 90 s at the given hour and minutes of
// each of days, and n others at random.
func nightly(days []int, minute func(day int) float64, n int) *house {
	h := newHouse(1, 2)
	h.minutes = 10 * 24 * 60
	for _, day := range days {
		at := (float64(day*24*60) + minute(day)) * 60
		h.fail("", "", at, at+90)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range n {
		at := r.Float64() * float64(h.minutes-5) * 60
		h.fail("", "", at, at+90)
	}
	return h
}

func TestScheduledGaps(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	at := func(minute float64) func(int) float64 { return func(int) float64 { return minute } }
	for name, c := range map[string]struct {
		house     *house
		location  string
		scheduled int
		why       string
	}{
		"every_night":                {nightly(all, at(180), 0), "", 10, "it returns at about 03:00 (UTC), on 10 of 10 days"},
		"at_nearly_the_same_time":    {nightly(all, func(d int) float64 { return 180 + float64(d%3)*2 }, 0), "", 10, ""},
		"either_side_of_midnight":    {nightly(all[1:9], func(d int) float64 { return float64(d%2)*4 - 2 }, 0), "", 8, ""},
		"three_days_running":         {nightly(all[:3], at(180), 0), "", 3, ""},
		"two_days_are_a_coincidence": {nightly(all[:2], at(180), 0), "", 0, ""},
		"every_third_day":            {nightly([]int{0, 3, 6, 9}, at(180), 0), "", 0, ""},
		"every_second_day":           {nightly([]int{0, 2, 4, 6, 8}, at(180), 0), "", 5, ""},
		"an_hour_later_each_day":     {nightly(all, func(d int) float64 { return 180 + float64(d)*60 }, 0), "", 0, ""},
		"in_local_time":              {nightly(all, at(180), 0), "Australia/Canberra", 10, "at about 14:00 (Australia/Canberra)"},
		"among_a_few_others":         {nightly(all, at(180), 10), "", 10, ""},
		"hundreds_by_chance":         {nightly(nil, nil, 800), "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			location := time.UTC
			if c.location != "" {
				var err error
				if location, err = time.LoadLocation(c.location); err != nil {
					t.Skip(err)
				}
			}
			scheduled := 0
			for _, d := range disruptions(t, c.house, perigee.DisruptionQuery{Location: location}) {
				if d.Class == perigee.ClassScheduled {
					scheduled++
					if !strings.Contains(d.Why, c.why) {
						t.Errorf("why %q, want it to say %q", d.Why, c.why)
					}
				}
			}
			// Of many that come by chance one in a thousand may look scheduled.
			if slack := len(c.house.batch.Outages) / 200; scheduled < c.scheduled || scheduled > c.scheduled+slack {
				t.Errorf("%d scheduled, want %d", scheduled, c.scheduled)
			}
		})
	}
}

// What is asked for is the same in a range of an hour as in one of a week: what returns
// is looked for around the range.
func TestDisruptionsDoNotHangOnTheRange(t *testing.T) {
	h := nightly([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, func(int) float64 { return 180 }, 30)
	store := h.store(t)
	whole, err := perigee.Disruptions(t.Context(), store, perigee.DisruptionQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range whole {
		q := perigee.DisruptionQuery{From: want.Start.Add(30 * time.Second), To: want.Start.Add(60 * time.Second), Links: []perigee.LinkID{"link-1"}}
		part, err := perigee.Disruptions(t.Context(), store, q)
		if err != nil || len(part) != 1 || h.say(part) != h.say([]perigee.Disruption{want}) || part[0].Why != want.Why {
			t.Errorf("in 30 s of it: %s (%v), want %s (%s)", h.say(part), err, h.say([]perigee.Disruption{want}), want.Why)
		}
	}
}

// A path that was silent for just less than an outage was silent: both targets of
// link-1 were, one for 1.2 s and the other for 0.8 s.
func TestBriefSilenceIsEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		run  float64
		want string
	}{
		"silent_for_most_of_it": {0.8, "short link"},
		"lost_one_probe":        {0.2, "short path"},
	} {
		h := newHouse(2, 2).fail("link-1", "far-1", 605, 606.2)
		var runs stats.LossRuns
		for i := range 50 {
			runs.Add(float64(i) >= 26 && float64(i) < 26+5*c.run, 0.2)
		}
		h.minutes = 10 // then windows of 10 s
		for _, l := range h.links {
			for _, target := range h.targets {
				for i := range 12 {
					s := perigee.Sample{Stream: h.stream(l.ID, target), Start: h.at(600 + float64(10*i)), Length: 10 * time.Second, Interval: 200 * time.Millisecond,
						LossTimeout: 3 * time.Second, Counts: perigee.Counts{Planned: 50, Sent: 50, Received: 50}, LossRuns: stats.LossRuns{Packets: 50}}
					if i == 0 && l.ID == "link-1" && target == "far-2" {
						s.LossRuns = runs
					}
					h.batch.Samples = append(h.batch.Samples, s)
				}
			}
		}
		d := disruptions(t, h, perigee.DisruptionQuery{})
		if got := fmt.Sprintf("%s %s", d[0].Class, d[0].Blame); got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, d[0].Why)
		}
	}
}

func TestDisruptionsRefusals(t *testing.T) {
	store := newHouse(1, 1).store(t)
	if _, err := perigee.Disruptions(t.Context(), store, perigee.DisruptionQuery{Links: []perigee.LinkID{"moon"}}); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("unknown link: %v", err)
	}
	if list, err := perigee.Disruptions(t.Context(), storagetest.NewMemory(), perigee.DisruptionQuery{}); err != nil || len(list) != 0 {
		t.Errorf("empty store: %v, %v", list, err)
	}
	var b perigee.Batch
	for i := range 65 {
		s := newHouse(1, 1).stream("link-1", "far-1")
		s.Site = fmt.Sprintf("site-%d", i)
		b.Outages = append(b.Outages, perigee.Outage{Stream: s, Start: epoch, End: epoch.Add(time.Minute), Probes: 300, Reason: perigee.NoReplies})
	}
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := perigee.Disruptions(t.Context(), store, perigee.DisruptionQuery{}); perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), "name one of them") {
		t.Errorf("65 sites: %v", err)
	}
	if list, err := perigee.Disruptions(t.Context(), store, perigee.DisruptionQuery{Site: "home"}); err != nil || len(list) != 0 {
		t.Errorf("one of them: %v, %v", list, err)
	}
}
