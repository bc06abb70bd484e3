package storagetest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
)

func (s *suite) roundTrip(t *testing.T) {
	g := NewGenerator(2)
	stream := Stream("leo", "far")
	plain := g.Sample(stream, epoch)

	shifted := g.Sample(stream, epoch.Add(10*time.Second+3)) // after a clock was set back three times
	short := g.Sample(stream, epoch.Add(20*time.Second+123*time.Millisecond))
	short.Length = 4321 * time.Millisecond
	old := g.Sample(stream, time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC))

	v6 := g.Sample(stream, epoch.Add(40*time.Second))
	v6.Proof = perigee.Proof{InterfaceIndex: 1 << 30, InterfaceName: "wg/0 ü", Local: netip.MustParseAddr("fe80::1%eth0"), Remote: netip.MustParseAddr("2001:db8::1")}
	v6.LossTimeout, v6.Interval = 5*time.Second, 1100*time.Millisecond
	elsewhere := g.Sample(stream, epoch.Add(50*time.Second).In(time.FixedZone("east", 9*3600)))

	// Nothing could be sent: no address, no statistic is defined.
	down := perigee.Sample{Stream: stream, Start: epoch.Add(60 * time.Second), Length: 10 * time.Second, Interval: time.Second, LossTimeout: time.Second, Cause: "network is down"}
	down.Proof.InterfaceName = "wan0"
	for seq := range perigee.Seq(10) {
		down.Singletons = append(down.Singletons, perigee.Singleton{Seq: seq, At: time.Duration(seq) * time.Second, Outcome: perigee.SendFailed, Cause: down.Cause})
		down.Counts.Add(down.Singletons[seq])
	}
	lost := g.Sample(stream, epoch.Add(70*time.Second))
	lost.Counts = perigee.Counts{Planned: 3, Sent: 3, Lost: 3}
	lost.RTT, lost.Variation, lost.Singletons = stats.Distribution{}, stats.VariationSummary{}, nil
	lost.LossRuns = stats.LossRuns{}
	for range 3 {
		lost.LossRuns.Add(true, 0.2)
	}

	samples := []perigee.Sample{plain, shifted, short, old, v6, elsewhere, down, lost}
	store := s.open(t)
	appendAll(t, store, perigee.Batch{Samples: samples})
	want := stripped(samples)
	expect(t, collect(t, store.Samples(t.Context(), perigee.Query{})), want, s.tolerances)

	if s.properties.NoSingletons {
		return
	}
	slices.SortFunc(samples, byStart)
	samples = slices.DeleteFunc(samples, func(s perigee.Sample) bool { return s.Singletons == nil })
	s.expectWhole(t, store, perigee.Query{}, samples)
}

func (s *suite) names(t *testing.T) {
	g := NewGenerator(3)
	var samples []perigee.Sample
	var want []perigee.Outage
	for i, name := range []string{"plain", "with space", "it's", `"quoted"`, `back\slash`, "a,b=c", "new\nline", "tab\t", "%s?", "衛星", "é", "e\u0301", "'; DROP TABLE windows; --", "\x00nul", "*"} {
		stream := perigee.Stream{Site: name, Link: perigee.LinkID(name), Target: perigee.TargetID(name), Method: perigee.Method(name), Family: perigee.Family(name), Load: perigee.Load(name)}
		sample := g.Sample(stream, epoch.Add(time.Duration(i)*time.Minute))
		sample.Cause, sample.Proof.InterfaceName = name, name
		sample.Singletons[0].Cause = name
		samples = append(samples, sample)
		want = append(want, perigee.Outage{Stream: stream, Start: sample.Start, End: sample.End(), Reason: name})
	}
	store := s.open(t)
	appendAll(t, store, perigee.Batch{Samples: samples, Outages: want})
	s.expectWhole(t, store, perigee.Query{}, samples)
	for i, sample := range samples {
		q := perigee.Query{Site: sample.Stream.Site, Links: []perigee.LinkID{sample.Stream.Link}, Targets: []perigee.TargetID{sample.Stream.Target},
			Method: sample.Stream.Method, Family: sample.Stream.Family, Load: sample.Stream.Load}
		s.expectWhole(t, store, q, samples[i:i+1])
		got, err := store.Outages(t.Context(), q)
		if err != nil || len(got) != 1 || got[0] != want[i] {
			t.Errorf("Outages(%q) = %v, %v, want %v", sample.Stream.Site, got, err, want[i])
		}
	}
}

func (s *suite) singletons(t *testing.T) {
	store := s.open(t)
	samples := NewGenerator(4).Samples(epoch, 3, Stream("a", "x"))
	samples[1].Singletons = nil
	samples[2].Singletons = samples[2].Singletons[:0]
	appendAll(t, store, perigee.Batch{Samples: samples})
	for _, got := range collect(t, store.Samples(t.Context(), perigee.Query{})) {
		if got.Singletons != nil {
			t.Errorf("Samples yields %d singletons, want nil", len(got.Singletons))
		}
	}
	want := samples[:1]
	if s.properties.NoSingletons {
		want = nil
	}
	expect(t, collect(t, store.Singletons(t.Context(), perigee.Query{})), want, s.tolerances)
}

func (s *suite) sharesNothing(t *testing.T) {
	store := s.open(t)
	sample := NewGenerator(5).Sample(Stream("a", "x"), epoch)
	want := s.kept(clone(sample))
	spoil := func(s *perigee.Sample) {
		s.RTT.Add(12)
		s.Variation.IPDV.Add(12)
		if len(s.Singletons) > 0 {
			s.Singletons[0].Seq = 99
		}
	}
	appendAll(t, store, perigee.Batch{Samples: []perigee.Sample{sample}})
	spoil(&sample)
	for range 2 {
		got := collect(t, s.whole(t.Context(), store, perigee.Query{}))
		expect(t, got, []perigee.Sample{want}, s.tolerances)
		spoil(&got[0])
	}
}

func (s *suite) keptOnce(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(6)
	samples := g.Samples(epoch, 5, Stream("a", "x"), Stream("b", "x"))
	batch := perigee.Batch{Samples: samples}
	appendAll(t, store, batch)
	appendAll(t, store, batch)

	// What was stored stays, also in the same batch as new ones, and twice in one
	// batch. Another sample of the same name does not take its place, unless that
	// is how the store is.
	other := g.Sample(samples[0].Stream, samples[0].Start)
	fresh := g.Sample(samples[0].Stream, epoch.Add(time.Hour))
	appendAll(t, store, perigee.Batch{Samples: []perigee.Sample{other, fresh, fresh}})

	want := append(samples, fresh)
	if s.properties.LastWins {
		want[0] = other
	}
	slices.SortFunc(want, byStart)
	s.expectWhole(t, store, perigee.Query{}, want)
}

func (s *suite) atomic(t *testing.T) {
	good := NewGenerator(7).Sample(Stream("a", "x"), epoch)
	bad := good
	bad.Start = epoch.Add(10 * time.Second)
	bad.Counts.Lost++ // they do not add up any more
	outage := perigee.Outage{Stream: good.Stream, Start: epoch, End: epoch.Add(time.Second)}
	gap := perigee.Gap{Site: "home", Start: epoch, End: epoch.Add(time.Second), Reason: perigee.GapStopped}
	event := perigee.Event{Site: "home", Time: epoch, Kind: perigee.EventStarted}

	store := s.open(t)
	for _, b := range []perigee.Batch{
		{Samples: []perigee.Sample{good, bad}, Outages: []perigee.Outage{outage}, Gaps: []perigee.Gap{gap}, Events: []perigee.Event{event}},
		{Samples: []perigee.Sample{good}, Outages: []perigee.Outage{outage, {Stream: good.Stream}}},
		{Samples: []perigee.Sample{good}, Gaps: []perigee.Gap{gap, {Site: "home"}}},
		{Samples: []perigee.Sample{good}, Events: []perigee.Event{event, {Site: "home"}}},
	} {
		wantCode(t, "Append", store.Append(t.Context(), b), perigee.CodeInvalid)
	}
	if got := collect(t, store.Samples(t.Context(), perigee.Query{})); len(got) != 0 {
		t.Errorf("after refused batches: got %d samples, want none", len(got))
	}
	outages, gaps, events := s.records(t, store, perigee.Query{})
	if len(outages)+len(gaps)+len(events) != 0 {
		t.Errorf("after refused batches: got %v, %v, %v, want nothing", outages, gaps, events)
	}
	links, err := store.Links(t.Context())
	if err != nil || len(links) != 0 {
		t.Errorf("after refused batches: Links() = %v, %v, want none", links, err)
	}
	appendAll(t, store, perigee.Batch{Samples: []perigee.Sample{good}})
	s.expectWhole(t, store, perigee.Query{}, []perigee.Sample{good})
}

func (s *suite) refused(t *testing.T) {
	store := s.open(t)
	for name, spoil := range map[string]func(*perigee.Sample){
		"no_time":              func(s *perigee.Sample) { s.Start = time.Time{} },
		"a_time_too_late":      func(s *perigee.Sample) { s.Start = time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC) },
		"planned_do_not_match": func(s *perigee.Sample) { s.Counts.Planned++ },
		"sent_do_not_match":    func(s *perigee.Sample) { s.Counts.Received++ },
	} {
		sample := NewGenerator(8).Sample(Stream("a", "x"), epoch)
		spoil(&sample)
		wantCode(t, name, store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{sample}}), perigee.CodeInvalid)
	}
}

func (s *suite) order(t *testing.T) {
	store := s.open(t)
	// The streams are first met in another order than theirs, and there are
	// more samples than a store reads at once.
	streams := []perigee.Stream{Stream("c", "y"), Stream("a", "z"), Stream("c", "x"), Stream("b", "x")}
	g := NewGenerator(9)
	g.Interval = 2 * time.Second
	samples := g.Samples(epoch, 200, streams...)
	shuffled := slices.Clone(samples)
	g.rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for chunk := range slices.Chunk(shuffled, 333) {
		appendAll(t, store, perigee.Batch{Samples: chunk})
	}
	want := stripped(samples)
	expect(t, collect(t, store.Samples(t.Context(), perigee.Query{})), want, s.tolerances)
	slices.SortFunc(samples, byStart)
	s.expectWhole(t, store, perigee.Query{}, samples)
}

func (s *suite) filters(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(10)
	g.Interval = 5 * time.Second
	var samples []perigee.Sample
	for _, site := range []string{"home", "hut"} {
		for _, link := range []perigee.LinkID{"a", "b"} {
			for _, target := range []perigee.TargetID{"x", "y"} {
				for _, method := range []perigee.Method{perigee.MethodICMP, "udp"} {
					for _, family := range []perigee.Family{perigee.IPv4, perigee.IPv6} {
						for _, load := range []perigee.Load{perigee.LoadIdle, perigee.LoadDown} {
							samples = append(samples, g.Sample(perigee.Stream{Site: site, Link: link, Target: target, Method: method, Family: family, Load: load}, epoch))
						}
					}
				}
			}
		}
	}
	appendAll(t, store, perigee.Batch{Samples: samples})
	for name, test := range map[string]struct {
		query perigee.Query
		want  int // of 64 streams: half of them for each field that is held to one value
	}{
		"all":         {perigee.Query{}, 64},
		"site":        {perigee.Query{Site: "hut"}, 32},
		"link":        {perigee.Query{Links: []perigee.LinkID{"a"}}, 32},
		"links":       {perigee.Query{Links: []perigee.LinkID{"b", "a", "c"}}, 64},
		"target":      {perigee.Query{Targets: []perigee.TargetID{"y"}}, 32},
		"method":      {perigee.Query{Method: "udp"}, 32},
		"family":      {perigee.Query{Family: perigee.IPv6}, 32},
		"load":        {perigee.Query{Load: perigee.LoadDown}, 32},
		"all_at_once": {perigee.Query{Site: "home", Links: []perigee.LinkID{"a"}, Targets: []perigee.TargetID{"x"}, Method: "udp", Family: perigee.IPv4, Load: perigee.LoadIdle}, 1},
		"none":        {perigee.Query{Links: []perigee.LinkID{"nowhere"}}, 0},
		"contrary":    {perigee.Query{Site: "elsewhere", Links: []perigee.LinkID{"a"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.DeleteFunc(slices.Clone(samples), func(s perigee.Sample) bool { return !test.query.Matches(s.Stream) })
			if len(want) != test.want {
				t.Fatalf("the test itself selects %d, want %d", len(want), test.want)
			}
			expect(t, collect(t, store.Samples(t.Context(), test.query)), stripped(want), s.tolerances)
			slices.SortFunc(want, byStart)
			s.expectWhole(t, store, test.query, want)
			test.query.Resolution = perigee.Hours
			if got := collect(t, store.Samples(t.Context(), test.query)); len(got) != test.want {
				t.Errorf("hours: got %d, want %d", len(got), test.want)
			}
		})
	}
}

func (s *suite) ranges(t *testing.T) {
	store := s.open(t)
	samples := NewGenerator(11).Samples(epoch, 6, Stream("a", "x"))
	samples[3].Start = samples[3].Start.Add(1) // one nanosecond beside the grid
	appendAll(t, store, perigee.Batch{Samples: samples})
	at := func(i int) time.Time { return epoch.Add(time.Duration(i) * 10 * time.Second) }
	for name, test := range map[string]struct {
		from, to    time.Time
		first, last int // of samples, last not included
	}{
		"unbounded":                  {time.Time{}, time.Time{}, 0, 6},
		"from_is_included":           {at(2), time.Time{}, 2, 6},
		"to_is_not":                  {time.Time{}, at(2), 0, 2},
		"a_sample_that_began_before": {at(2).Add(time.Nanosecond), at(3), 3, 3},
		"nanoseconds_count":          {at(3), at(3).Add(1), 3, 3},
		"one_nanosecond_later":       {at(3), at(3).Add(2), 3, 4},
		"empty":                      {at(2), at(2), 2, 2},
		"backwards":                  {at(4), at(2), 2, 2},
		"other_location":             {at(1).In(time.FixedZone("west", -3600)), at(2), 1, 2},
		"beyond_what_can_be_stored":  {time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 0, 6},
	} {
		t.Run(name, func(t *testing.T) {
			q := perigee.Query{From: test.from, To: test.to}
			s.expectWhole(t, store, q, samples[test.first:test.last])
			expect(t, collect(t, store.Samples(t.Context(), q)), stripped(samples[test.first:test.last]), s.tolerances)
		})
	}
}
