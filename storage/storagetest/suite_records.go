package storagetest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"perigee"
)

func (s *suite) outageReplaced(t *testing.T) {
	store := s.open(t)
	open := perigee.Outage{Stream: Stream("a", "x"), Start: epoch.Add(3), End: epoch.Add(time.Second), Open: true, Probes: 5, Reason: "no replies"}
	elsewhere := open
	elsewhere.Stream = Stream("b", "x")
	appendAll(t, store, perigee.Batch{Outages: []perigee.Outage{open, elsewhere}})

	closed := open
	closed.End, closed.Open, closed.Probes, closed.Reason = epoch.Add(90*time.Second), false, 450, "interface down"
	longer := open
	longer.End = epoch.Add(time.Minute)
	appendAll(t, store, perigee.Batch{Outages: []perigee.Outage{longer, closed}}) // the last one counts
	appendAll(t, store, perigee.Batch{Outages: []perigee.Outage{closed}})

	got, err := store.Outages(t.Context(), perigee.Query{})
	if want := []perigee.Outage{closed, elsewhere}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Outages() = %v, %v, want %v", got, err, want)
	}
}

// A span of [10 s, 20 s) and a moment at 10 s, seen through ranges.
var overlapTests = map[string]struct {
	from, to     time.Duration
	span, moment bool
}{
	"all_of_it":                  {0, 30, true, true},
	"exactly":                    {10, 20, true, true},
	"inside":                     {12, 15, true, false},
	"its_beginning":              {5, 11, true, true},
	"its_end":                    {19, 30, true, false},
	"ends_where_it_begins":       {5, 10, false, false},
	"begins_where_it_ends":       {20, 30, false, false},
	"begins_and_ends_in_nowhere": {10, 10, false, false},
}

func (s *suite) outageRanges(t *testing.T) {
	store := s.open(t)
	at := func(seconds time.Duration) time.Time { return epoch.Add(seconds * time.Second) }
	span := perigee.Outage{Stream: Stream("b", "x"), Start: at(10), End: at(20), Probes: 50, Reason: "no replies"}
	moment := perigee.Outage{Stream: Stream("a", "x"), Start: at(10), End: at(10), Probes: 1, Reason: "no route"}
	appendAll(t, store, perigee.Batch{Outages: []perigee.Outage{span, moment}})
	for name, test := range overlapTests {
		var want []perigee.Outage
		if test.moment {
			want = append(want, moment) // stream a before b
		}
		if test.span {
			want = append(want, span)
		}
		got, err := store.Outages(t.Context(), perigee.Query{From: at(test.from), To: at(test.to)})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: Outages = %v, %v, want %v", name, got, err, want)
		}
	}
	for name, test := range map[string]struct {
		query perigee.Query
		want  int
	}{
		"link":     {perigee.Query{Links: []perigee.LinkID{"a"}}, 1},
		"target":   {perigee.Query{Targets: []perigee.TargetID{"y"}}, 0},
		"site":     {perigee.Query{Site: "home"}, 2},
		"no_end":   {perigee.Query{From: at(11)}, 1},
		"no_start": {perigee.Query{To: at(11)}, 2},
	} {
		if got, err := store.Outages(t.Context(), test.query); err != nil || len(got) != test.want {
			t.Errorf("%s: Outages = %v, %v, want %d", name, got, err, test.want)
		}
	}
}

func (s *suite) gaps(t *testing.T) {
	store := s.open(t)
	at := func(seconds time.Duration) time.Time { return epoch.Add(seconds * time.Second) }
	all := perigee.Gap{Site: "home", Start: at(10), End: at(20), Reason: perigee.GapCrashed, Detail: "no word"}
	step := perigee.Gap{Site: "home", Start: at(10), End: at(10), Reason: perigee.GapClockStep, Detail: "set back by 1h"}
	onlyB := perigee.Gap{Site: "home", Link: "b", Start: at(5), End: at(7), Reason: perigee.GapStalled}
	away := perigee.Gap{Site: "hut", Start: at(30), End: at(40), Reason: perigee.GapStopped}
	for range 2 {
		appendAll(t, store, perigee.Batch{Gaps: []perigee.Gap{away, all, step, onlyB, all}})
	}
	for name, test := range map[string]struct {
		query perigee.Query
		want  []perigee.Gap
	}{
		"all":             {perigee.Query{}, []perigee.Gap{onlyB, step, all, away}},
		"link_a":          {perigee.Query{Site: "home", Links: []perigee.LinkID{"a"}}, []perigee.Gap{step, all}},
		"link_b":          {perigee.Query{Site: "home", Links: []perigee.LinkID{"b"}}, []perigee.Gap{onlyB, step, all}},
		"site":            {perigee.Query{Site: "hut"}, []perigee.Gap{away}},
		"other_filters":   {perigee.Query{Targets: []perigee.TargetID{"x"}, Method: "udp", Family: perigee.IPv6, Load: perigee.LoadUp}, []perigee.Gap{onlyB, step, all, away}},
		"overlap_at_end":  {perigee.Query{From: at(19), To: at(30)}, []perigee.Gap{all}},
		"no_overlap":      {perigee.Query{From: at(20), To: at(30)}, nil},
		"moment_included": {perigee.Query{From: at(10), To: at(11)}, []perigee.Gap{step, all}},
	} {
		got, err := store.Gaps(t.Context(), test.query)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: Gaps = %v, %v, want %v", name, got, err, test.want)
		}
	}
	// The same start and another end is another gap.
	longer := away
	longer.End = at(50)
	appendAll(t, store, perigee.Batch{Gaps: []perigee.Gap{longer}})
	if got, err := store.Gaps(t.Context(), perigee.Query{Site: "hut"}); err != nil || len(got) != 2 {
		t.Errorf("Gaps = %v, %v, want two", got, err)
	}
}

func (s *suite) events(t *testing.T) {
	store := s.open(t)
	started := perigee.Event{Site: "home", Time: epoch, Kind: perigee.EventStarted, Detail: "version 1"}
	rebound := perigee.Event{Site: "home", Link: "b", Time: epoch.Add(time.Second + 1), Kind: perigee.EventRebound, Detail: "wan0 is now 7"}
	away := perigee.Event{Site: "hut", Time: epoch.Add(2 * time.Second), Kind: perigee.EventStopped}
	for range 2 {
		appendAll(t, store, perigee.Batch{Events: []perigee.Event{away, rebound, started, started}})
	}
	for name, test := range map[string]struct {
		query perigee.Query
		want  []perigee.Event
	}{
		"all":                  {perigee.Query{}, []perigee.Event{started, rebound, away}},
		"link_a":               {perigee.Query{Links: []perigee.LinkID{"a"}}, []perigee.Event{started, away}},
		"link_b_at_home":       {perigee.Query{Site: "home", Links: []perigee.LinkID{"b"}}, []perigee.Event{started, rebound}},
		"kind":                 {perigee.Query{Kinds: []perigee.EventKind{perigee.EventRebound}}, []perigee.Event{rebound}},
		"two_kinds_of_link_a":  {perigee.Query{Links: []perigee.LinkID{"a"}, Kinds: []perigee.EventKind{perigee.EventRebound, perigee.EventStopped}}, []perigee.Event{away}},
		"from_is_included":     {perigee.Query{From: rebound.Time}, []perigee.Event{rebound, away}},
		"to_is_not":            {perigee.Query{To: rebound.Time}, []perigee.Event{started}},
		"streams_do_not_count": {perigee.Query{Targets: []perigee.TargetID{"x"}, Load: perigee.LoadUp}, []perigee.Event{started, rebound, away}},
	} {
		got, err := store.Events(t.Context(), test.query)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: Events = %v, %v, want %v", name, got, err, test.want)
		}
	}
}

func (s *suite) links(t *testing.T) {
	store := s.open(t)
	home := perigee.Site{Name: "home", Latitude: -35.28, Longitude: 149.13, Located: true}
	geo := perigee.Link{ID: "geo", Orbit: perigee.OrbitGEO, Source: netip.MustParseAddr("192.168.2.10"), SatelliteLongitude: 140.1, SatelliteKnown: true,
		Plan: perigee.Plan{Down: 25e6, Up: 5e6, Availability: 0.995}}
	fibre := perigee.Link{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Interface: "wan0", Mark: 1<<32 - 1, Namespace: "it's"}
	describe := func(site perigee.Site, links ...perigee.Link) {
		t.Helper()
		if err := store.Describe(t.Context(), site, links); err != nil {
			t.Fatalf("Describe: %v", err)
		}
	}
	check := func(when string, want ...perigee.LinkRecord) {
		t.Helper()
		got, err := store.Links(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s: Links() =\n%+v, %v, want\n%+v", when, got, err, want)
		}
	}
	describe(home, geo, fibre)
	check("described", perigee.LinkRecord{Site: home, Link: fibre}, perigee.LinkRecord{Site: home, Link: geo})

	// Samples of two streams of geo, out of order, and of a link that nobody described.
	g := NewGenerator(12)
	late := g.Sample(Stream("geo", "x"), epoch.Add(time.Hour))
	early := g.Sample(Stream("geo", "y"), epoch.Add(-time.Hour+7))
	imported := g.Sample(perigee.Stream{Site: "attic", Link: "dsl"}, epoch)
	appendAll(t, store, perigee.Batch{Samples: []perigee.Sample{late, imported}})
	appendAll(t, store, perigee.Batch{Samples: []perigee.Sample{early}})
	dsl := perigee.LinkRecord{Site: perigee.Site{Name: "attic"}, Link: perigee.Link{ID: "dsl"}, First: imported.Start, Last: imported.End()}
	check("measured", dsl, perigee.LinkRecord{Site: home, Link: fibre}, perigee.LinkRecord{Site: home, Link: geo, First: early.Start, Last: late.End()})

	// An outage alone is no sample.
	appendAll(t, store, perigee.Batch{Outages: []perigee.Outage{{Stream: Stream("radio", "x"), Start: epoch, End: epoch}}})

	// Described again: what was known of the link is replaced, others stay.
	home = perigee.Site{Name: "home"}
	geo = perigee.Link{ID: "geo", Orbit: perigee.OrbitGEO, Interface: "wan7"}
	describe(home, geo)
	check("described again", dsl, perigee.LinkRecord{Site: home, Link: fibre}, perigee.LinkRecord{Site: home, Link: geo, First: early.Start, Last: late.End()})
}
