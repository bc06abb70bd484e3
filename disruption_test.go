package perigee_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// A house is a site whose links probe the same targets, and what went wrong there.
type house struct {
	links   []perigee.Link
	targets []perigee.TargetID
	hops    bool // first hops are probed too
	from    time.Time
	minutes int
	batch   perigee.Batch
}

func newHouse(links, targets int) *house {
	h := &house{from: epoch, minutes: 60}
	for i := range links {
		h.links = append(h.links, perigee.Link{ID: perigee.LinkID(fmt.Sprintf("link-%d", i+1)), Orbit: perigee.OrbitTerrestrial, Mark: uint32(i + 1)})
	}
	for i := range targets {
		h.targets = append(h.targets, perigee.TargetID(fmt.Sprintf("far-%d", i+1)))
	}
	return h
}

func (h *house) stream(link perigee.LinkID, target perigee.TargetID) perigee.Stream {
	s := perigee.Stream{Site: "home", Link: link, Target: target, Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	if strings.HasPrefix(string(target), "six") {
		s.Family = perigee.IPv6
	}
	return s
}

// withIPv6 adds a target that is probed by IPv6.
func (h *house) withIPv6(targets ...perigee.TargetID) *house {
	h.targets = append(h.targets, targets...)
	return h
}

// fail adds outages of the named links at the named targets ("" is all, first hops
// excluded) from seconds after the beginning on.
func (h *house) fail(link perigee.LinkID, target perigee.TargetID, from, to float64) *house {
	return h.failBecause(link, target, from, to, perigee.NoReplies)
}

func (h *house) failBecause(link perigee.LinkID, target perigee.TargetID, from, to float64, reason string) *house {
	targets := h.targets
	if target != "" {
		targets = []perigee.TargetID{target}
	}
	for _, l := range h.links {
		for _, t := range targets {
			if link == "" || l.ID == link {
				h.batch.Outages = append(h.batch.Outages, perigee.Outage{
					Stream: h.stream(l.ID, t), Start: h.at(from), End: h.at(to), Probes: int64((to - from) * 5), Reason: reason,
				})
			}
		}
	}
	return h
}

func (h *house) at(seconds float64) time.Time {
	return h.from.Add(time.Duration(seconds * float64(time.Second)))
}

func (h *house) gap(from, to float64, reason perigee.GapReason) *house {
	h.batch.Gaps = append(h.batch.Gaps, perigee.Gap{Site: "home", Start: h.at(from), End: h.at(to), Reason: reason})
	return h
}

// store returns a store that holds it all, with windows of a minute, or of an hour if it
// is about days, in which nothing was lost in a row: who is to blame is told by outages.
func (h *house) store(t testing.TB) perigee.Store {
	t.Helper()
	store := storagetest.NewMemory()
	h.fill(t, store)
	return store
}

func (h *house) fill(t testing.TB, store perigee.Store) {
	t.Helper()
	targets := h.targets
	if h.hops {
		targets = append(append([]perigee.TargetID{}, targets...), perigee.FirstHop)
	}
	length, end := time.Minute, h.from.Add(time.Duration(h.minutes)*time.Minute)
	if h.minutes >= 24*60 {
		length = time.Hour
	}
	b := h.batch
	for _, l := range h.links {
		for _, target := range targets {
			for at := h.from; at.Before(end); at = at.Add(length) {
				n := int64(length / (200 * time.Millisecond))
				b.Samples = append(b.Samples, perigee.Sample{
					Stream: h.stream(l.ID, target), Start: at, Length: length, Interval: 200 * time.Millisecond,
					LossTimeout: 3 * time.Second, Counts: perigee.Counts{Planned: n, Sent: n, Lost: n},
				})
			}
		}
	}
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, h.links); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// say writes disruptions in short: class, blame, links, targets, seconds from the
// beginning to the end.
func (h *house) say(list []perigee.Disruption) string {
	var lines []string
	for _, d := range list {
		end := ""
		if d.Open {
			end = " open"
		}
		lines = append(lines, fmt.Sprintf("%s %s %v %v %g-%g%s", d.Class, d.Blame, d.Links, d.Targets, d.Start.Sub(h.from).Seconds(), d.End.Sub(h.from).Seconds(), end))
	}
	return strings.Join(lines, "\n")
}

// Who is to blame follows from who else failed at the time.
func TestDisruptionsAreBlamed(t *testing.T) {
	withHops := func(h *house) *house { h.hops = true; return h }
	for name, c := range map[string]struct {
		house *house
		want  string
		why   string
	}{
		"a_target_over_all_links": {newHouse(3, 2).fail("", "far-1", 600, 660),
			"long target [link-1 link-2 link-3] [far-1] 600-660", "all 3 links lost far-1, while far-2 answered over link-1"},
		"a_link_at_all_targets": {newHouse(2, 2).fail("link-1", "", 600, 660),
			"long link [link-1] [far-1 far-2] 600-660", "link-1 lost all 2 targets, while link-2 reached far-1"},
		"a_link_beyond_its_first_hop": {withHops(newHouse(2, 2)).fail("link-1", "", 600, 660),
			"long link [link-1] [far-1 far-2] 600-660", "the first hop answered"},
		"a_link_with_its_first_hop": {withHops(newHouse(2, 2)).fail("link-1", "", 600, 660).fail("link-1", perigee.FirstHop, 600.1, 660.1),
			"long lan [link-1] [far-1 far-2 first-hop] 600-660.1", "the first hop of link-1 did not answer"},
		"a_first_hop_alone": {withHops(newHouse(2, 2)).fail("link-1", perigee.FirstHop, 600, 660),
			"long target [link-1] [first-hop] 600-660", "while far-1 and far-2 did beyond it"},
		"a_first_hop_that_never_answers_is_no_evidence": {withHops(newHouse(2, 2)).fail("link-1", perigee.FirstHop, 0, 3600).fail("link-1", "", 600, 660),
			"long target [link-1] [first-hop] 0-3600\nlong link [link-1] [far-1 far-2] 600-660", ""},
		"one_link_and_one_target": {newHouse(1, 1).fail("", "", 600, 609),
			"short unknown [link-1] [far-1] 600-609", "one link and one target were measured"},
		"one_link_and_two_targets": {newHouse(1, 2).fail("", "", 600, 609),
			"short link [link-1] [far-1 far-2] 600-609", "its first hop is not probed"},
		"one_link_and_one_of_two_targets": {newHouse(1, 2).fail("", "far-2", 600, 609),
			"short target [link-1] [far-2] 600-609", "the one link lost far-2, while far-1 answered over link-1"},
		"two_links_and_their_one_target": {newHouse(2, 1).fail("", "", 600, 609),
			"short target [link-1 link-2] [far-1] 600-609", "no other target was measured"},
		"one_of_two_links_at_one_target": {newHouse(2, 1).fail("link-2", "", 600, 609),
			"short link [link-2] [far-1] 600-609", "link-2 lost far-1, while link-1 reached far-1"},
		"one_target_over_one_link": {newHouse(2, 2).fail("link-1", "far-1", 600, 660),
			"long path [link-1] [far-1] 600-660", "link-1 lost far-1, but not far-2; and link-2 reached far-1"},
		"everything": {newHouse(2, 2).fail("", "", 600, 660),
			"long unknown [link-1 link-2] [far-1 far-2] 600-660", "no link reached any target"},
		"everything_with_first_hops": {withHops(newHouse(2, 2)).fail("", "", 600, 660).fail("", perigee.FirstHop, 600, 660),
			"long lan [link-1 link-2] [far-1 far-2 first-hop] 600-660", ""},
		"a_link_while_a_target_is_down": {newHouse(2, 3).fail("", "far-1", 600, 1200).fail("link-1", "far-2", 800, 830).fail("link-1", "far-3", 800, 830),
			"long target [link-1 link-2] [far-1] 600-1200\nlong link [link-1] [far-2 far-3] 800-830", ""},
		"an_interface_that_is_down": {newHouse(2, 2).failBecause("link-1", "", 600, 660, "interface down"),
			"local local [link-1] [far-1 far-2] 600-660", `refused most probes with "interface down"`},
		"a_target_while_a_link_is_unplugged": {newHouse(2, 2).failBecause("link-1", "", 0, 3600, "interface down").fail("link-2", "far-1", 600, 660),
			"local local [link-1] [far-1 far-2] 0-3600\nlong target [link-2] [far-1] 600-660", ""},
		"no_carrier": {newHouse(2, 2).failBecause("link-1", "", 600, 660, "no carrier"),
			"local lan [link-1] [far-1 far-2] 600-660", ""},
		"just_after_a_gap": {newHouse(1, 1).gap(500, 600, perigee.GapSuspended).fail("", "", 601, 605),
			"monitor monitor [link-1] [far-1] 601-605", "began as the monitor did after a gap (suspended)"},
		"long_after_a_gap": {newHouse(1, 1).gap(500, 600, perigee.GapCrashed).fail("", "", 601, 700),
			"long unknown [link-1] [far-1] 601-700", ""},
		"a_failure_that_outlasts_a_gap": {newHouse(1, 2).gap(500, 600, perigee.GapCrashed).fail("", "", 480, 500).fail("", "", 600, 605),
			"long link [link-1] [far-1 far-2] 480-500\nshort link [link-1] [far-1 far-2] 600-605", ""},
		"mostly_in_a_gap": {newHouse(1, 1).gap(500, 600, perigee.GapCrashed).fail("", "", 490, 580),
			"monitor monitor [link-1] [far-1] 490-580", "most of it lies in a gap of the monitor (crashed)"},
		"a_failure_that_began_in_what_a_crash_lost": {newHouse(1, 2).gap(500, 600, perigee.GapCrashed).fail("", "", 505, 508).fail("", "", 600, 605),
			"monitor monitor [link-1] [far-1 far-2] 505-508\nshort link [link-1] [far-1 far-2] 600-605", ""},
		"the_monitors_prober": {newHouse(1, 1).failBecause("", "", 600, 605, "prober not running"),
			"monitor monitor [link-1] [far-1] 600-605", ""},
		"one_version_of_a_link": {newHouse(2, 1).withIPv6("six-1", "six-2").fail("link-1", "six-1", 600, 660).fail("link-1", "six-2", 600, 660),
			"long path [link-1] [six-1 six-2] 600-660", "link-1 lost six-1 by IPv6, and reached far-1 by the other IP version"},
		"a_link_with_both_versions": {newHouse(2, 1).withIPv6("six-1").fail("link-1", "", 600, 660),
			"long link [link-1] [far-1 six-1] 600-660", "link-1 lost all 2 targets, while link-2 reached far-1"},
		"a_target_of_one_version": {newHouse(2, 1).withIPv6("six-1", "six-2").fail("", "six-1", 600, 660),
			"long target [link-1 link-2] [six-1] 600-660", "all 2 links lost six-1, while six-2 answered"},
		"one_link_and_a_target_of_each_version": {newHouse(1, 1).withIPv6("six-1").fail("", "six-1", 600, 660),
			"long path [link-1] [six-1] 600-660", "link-1 lost six-1 by IPv6"},
		"one_link_that_loses_both": {newHouse(1, 1).withIPv6("six-1").fail("", "", 600, 660),
			"long link [link-1] [far-1 six-1] 600-660", ""},
		"half_of_the_time_is_silence": {newHouse(2, 2).fail("link-1", "far-1", 600, 660).fail("link-1", "far-2", 630, 660),
			"long link [link-1] [far-1 far-2] 600-660", ""},
		"less_than_half_is_not": {newHouse(2, 2).fail("link-1", "far-1", 600, 660).fail("link-1", "far-2", 630.1, 660),
			"long path [link-1] [far-1] 600-660\nlong link [link-1] [far-2] 630.1-660", ""},
		"a_second_apart_is_one": {newHouse(1, 2).fail("", "", 600, 603).fail("", "", 604, 606),
			"short link [link-1] [far-1 far-2] 600-606", ""},
		"two_seconds_after_a_gap": {newHouse(1, 2).gap(500, 600, perigee.GapCrashed).fail("", "", 602, 605),
			"monitor monitor [link-1] [far-1 far-2] 602-605", ""},
		"more_than_two_after_it": {newHouse(1, 2).gap(500, 600, perigee.GapCrashed).fail("", "", 602.1, 605),
			"short link [link-1] [far-1 far-2] 602.1-605", ""},
		"ten_seconds_after_a_gap": {newHouse(1, 2).gap(500, 600, perigee.GapStopped).fail("", "", 600, 610),
			"long link [link-1] [far-1 far-2] 600-610", ""},
		"after_a_stall_the_network_is_there": {newHouse(2, 2).gap(598, 600, perigee.GapStalled).failBecause("link-1", "", 600, 603, "interface down"),
			"local local [link-1] [far-1 far-2] 600-603", ""},
		"after_the_clock_was_set": {newHouse(1, 2).gap(599, 600, perigee.GapClockStep).fail("", "", 600, 603),
			"short link [link-1] [far-1 far-2] 600-603", ""},
		"a_first_hop_without_a_route": {withHops(newHouse(2, 2)).failBecause("link-1", perigee.FirstHop, 600, 660, "target not resolved").fail("link-1", "", 600, 660),
			"long link [link-1] [far-1 far-2] 600-660\nlocal local [link-1] [first-hop] 600-660", "refused most probes"},
		"a_target_without_an_address": {newHouse(2, 2).failBecause("", "far-1", 600, 660, "target not resolved"),
			"long target [link-1 link-2] [far-1] 600-660", ""},
		"flapping_is_one": {newHouse(1, 2).fail("", "", 600, 603).fail("", "", 603.4, 606),
			"short link [link-1] [far-1 far-2] 600-606", ""},
		"two_failures_are_two": {newHouse(1, 2).fail("", "", 600, 603).fail("", "", 605, 606),
			"short link [link-1] [far-1 far-2] 600-603\nshort link [link-1] [far-1 far-2] 605-606", ""},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := perigee.Disruptions(t.Context(), c.house.store(t), perigee.DisruptionQuery{})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.house.say(list); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			for _, d := range list {
				t.Log(d.Why)
			}
			if c.why != "" && !strings.Contains(list[len(list)-1].Why, c.why) {
				t.Errorf("why %q, want it to say %q", list[len(list)-1].Why, c.why)
			}
		})
	}
}

// A first hop is no target to compare links at, to draw, or to judge them by, be it
// measured more than any.
func TestFirstHopsAreNotCompared(t *testing.T) {
	h := newHouse(2, 1)
	h.targets, h.hops = []perigee.TargetID{"zenith"}, true
	store := h.store(t)
	for m := range 10 { // probed beyond the others
		s := perigee.Sample{Stream: h.stream("link-1", perigee.FirstHop), Start: h.at(float64(3600 + 60*m)), Length: time.Minute, Interval: 200 * time.Millisecond,
			LossTimeout: 3 * time.Second, Counts: perigee.Counts{Planned: 300, Sent: 300, Lost: 300}}
		if err := store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{s}}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := perigee.Compare(t.Context(), store, perigee.CompareQuery{})
	if err != nil || c.Links[0].Sample.Stream.Target != "zenith" || c.Pairs[0].Target != "zenith" {
		t.Errorf("compared at %s, %s (%v), want zenith", c.Links[0].Sample.Stream.Target, c.Pairs[0].Target, err)
	}
	series, err := perigee.Series(t.Context(), store, perigee.SeriesQuery{Link: "link-1"})
	if err != nil || series.Stream.Target != "zenith" {
		t.Errorf("series of %s (%v), want zenith", series.Stream.Target, err)
	}
}
