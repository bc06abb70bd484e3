package perigee_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

var (
	first  = perigee.Maker{Version: "v1.0.0", Configuration: "aaaaaaaaaaaaaaaa", Instance: "00000001", Methods: "icmp", Probing: "icmp every 200ms, 56 bytes"}
	second = perigee.Maker{Version: "v1.0.0", Configuration: "bbbbbbbbbbbbbbbb", Instance: "00000001", Methods: "icmp perigee", Probing: "icmp every 1s, 56 bytes; transfers perigee"}
	other  = perigee.Maker{Version: "v1.0.0", Configuration: "aaaaaaaaaaaaaaaa", Instance: "00000002", Methods: "icmp", Probing: "icmp every 200ms, 56 bytes"}
)

func TestMakerDetailIsReadBack(t *testing.T) {
	for _, m := range []perigee.Maker{first, second, {Version: "devel"}, {Version: "v2", Probing: "icmp, methods and all"}, {Version: "v1", Instance: "00000001"}} {
		if got, ok := perigee.ParseMaker(m.Detail()); !ok || got != m {
			t.Errorf("%q is read as %+v, %v", m.Detail(), got, ok)
		}
	}
	// As versions wrote it that told nothing else.
	if got, ok := perigee.ParseMaker("perigee v0.9.0, configuration 0123456789abcdef"); !ok || got != (perigee.Maker{Version: "v0.9.0", Configuration: "0123456789abcdef"}) {
		t.Errorf("read as %+v, %v", got, ok)
	}
	for _, detail := range []string{"", "perigee", "perigee ", "wan0 is now 7"} {
		if got, ok := perigee.ParseMaker(detail); ok {
			t.Errorf("%q is read as %+v", detail, got)
		}
	}
}

func TestImportedDetailIsReadBack(t *testing.T) {
	from, to := epoch, epoch.Add(time.Hour+1)
	const hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, name := range []string{"office.txt", "a, sha256 b, from c to d;.txt", ""} {
		source := "ping file " + name + ", sha256 " + hash
		detail := perigee.ImportedDetail(source, "3 lines, 0 bad", from, to) + "; it could not be read to its end"
		if got, f, u, ok := perigee.ParseImportedDetail(detail); !ok || got != source || !f.Equal(from) || !u.Equal(to) {
			t.Errorf("%q is read as %q, %v, %v, %v", detail, got, f, u, ok)
		}
	}
	if _, _, _, ok := perigee.ParseImportedDetail("a file"); ok {
		t.Error("what tells of no file is read")
	}
}

func TestProvenance(t *testing.T) {
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	event := func(minutes int, kind perigee.EventKind, m perigee.Maker) perigee.Event {
		return perigee.Event{Site: "home", Time: at(minutes), Kind: kind, Detail: m.Detail()}
	}
	span := func(from, to int, m perigee.Maker) perigee.Provenance {
		p := perigee.Provenance{Site: "home", From: at(from), Maker: m}
		if to > 0 {
			p.To = at(to)
		}
		return p
	}
	const source = "ping file office.txt, sha256 00"
	imported := perigee.Event{Site: "home", Link: "office", Time: at(9), Kind: perigee.EventImported, Detail: perigee.ImportedDetail(source, "3 lines", at(4), at(9))}
	brought := perigee.Event{Site: "home", Link: "office", Time: at(5), Kind: perigee.EventMeasured, Detail: perigee.MeasuredDetail(at(6), perigee.Maker{Version: "v0.1"})}
	office := func(p perigee.Provenance) perigee.Provenance { p.Link = "office"; return p }
	for name, test := range map[string]struct {
		events []perigee.Event
		query  perigee.Query
		want   []perigee.Provenance
	}{
		"nothing": {nil, perigee.Query{}, nil},
		"lasts":   {[]perigee.Event{event(0, perigee.EventStarted, first)}, perigee.Query{}, []perigee.Provenance{span(0, 0, first)}},
		// Each ended without a word.
		"restarts_are_one":    {[]perigee.Event{event(0, perigee.EventStarted, first), event(1, perigee.EventStarted, first), event(2, perigee.EventStarted, first)}, perigee.Query{}, []perigee.Provenance{span(0, 0, first)}},
		"stopped_and_started": {[]perigee.Event{event(0, perigee.EventStarted, first), event(1, perigee.EventStopped, first), event(2, perigee.EventStarted, first)}, perigee.Query{}, []perigee.Provenance{span(0, 0, first)}},
		"stopped":             {[]perigee.Event{event(0, perigee.EventStarted, first), event(1, perigee.EventStopped, first)}, perigee.Query{}, []perigee.Provenance{span(0, 1, first)}},
		"stopped_of_old":      {[]perigee.Event{event(0, perigee.EventStarted, first), {Site: "home", Time: at(1), Kind: perigee.EventStopped}}, perigee.Query{}, []perigee.Provenance{span(0, 1, first)}},
		"reloaded":            {[]perigee.Event{event(0, perigee.EventStarted, first), event(3, perigee.EventReloaded, second)}, perigee.Query{}, []perigee.Provenance{span(0, 3, first), span(3, 0, second)}},
		"to_and_fro": {[]perigee.Event{event(0, perigee.EventStarted, first), event(3, perigee.EventReloaded, second), event(5, perigee.EventReloaded, first)}, perigee.Query{},
			[]perigee.Provenance{span(0, 3, first), span(3, 5, second), span(5, 0, first)}},
		"cut_to_the_range": {[]perigee.Event{event(0, perigee.EventStarted, first), event(3, perigee.EventReloaded, second), event(8, perigee.EventReloaded, first)}, perigee.Query{From: at(2), To: at(5)},
			[]perigee.Provenance{span(2, 3, first), span(3, 5, second)}},
		"two_stores_at_once": {[]perigee.Event{event(0, perigee.EventStarted, first), event(1, perigee.EventStarted, other), event(2, perigee.EventStopped, first)}, perigee.Query{},
			[]perigee.Provenance{span(0, 2, first), span(1, 0, other)}},
		"another_site": {[]perigee.Event{event(0, perigee.EventStarted, first)}, perigee.Query{Site: "hut"}, nil},
		"imported": {[]perigee.Event{imported, brought}, perigee.Query{To: at(8)},
			[]perigee.Provenance{office(perigee.Provenance{Site: "home", From: at(4), To: at(8), Source: source}), office(span(5, 6, perigee.Maker{Version: "v0.1"}))}},
		"imported_not_of_this_link": {[]perigee.Event{imported, event(0, perigee.EventStarted, first)}, perigee.Query{Links: []perigee.LinkID{"fibre"}}, []perigee.Provenance{span(0, 0, first)}},
	} {
		store := storagetest.NewMemory()
		if err := store.Append(t.Context(), perigee.Batch{Events: test.events}); err != nil {
			t.Fatal(err)
		}
		got, err := perigee.ProvenanceOf(t.Context(), store, test.query)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%+v, %v, want\n%+v", name, got, err, test.want)
		}
	}

	spans := []perigee.Provenance{span(0, 3, first), span(3, 0, second), office(perigee.Provenance{Site: "home", From: at(4), To: at(9), Source: source}), office(span(5, 6, perigee.Maker{Version: "v0.1"}))}
	for _, test := range []struct {
		link    perigee.LinkID
		minutes int
		want    perigee.Provenance
		known   bool
	}{
		{"fibre", -1, perigee.Provenance{}, false},
		{"fibre", 0, spans[0], true},
		{"fibre", 3, spans[1], true},
		{"fibre", 5, spans[1], true},
		{"office", 4, spans[2], true}, // of the file, not of the monitor that ran meanwhile
		{"office", 5, spans[3], true},
		{"office", 6, spans[2], true},
	} {
		if got, ok := perigee.MadeBy(spans, "home", test.link, at(test.minutes)); ok != test.known || got != test.want {
			t.Errorf("%s at minute %d: %+v, %v, want %+v", test.link, test.minutes, got, ok, test.want)
		}
	}
}

// TestProvenanceDoesNotGrowWithRestarts starts one monitor every minute of a day.
func TestProvenanceDoesNotGrowWithRestarts(t *testing.T) {
	store := storagetest.NewMemory()
	var b perigee.Batch
	for i := range 1440 {
		b.Events = append(b.Events, perigee.Event{Site: "home", Time: epoch.Add(time.Duration(i) * time.Minute), Kind: perigee.EventStarted, Detail: first.Detail()})
	}
	if err := store.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, err := perigee.ProvenanceOf(t.Context(), store, perigee.Query{}); err != nil || len(got) != 1 {
		t.Errorf("%d spans, %v, want one", len(got), err)
	}
}

// TestCompareWarnsOfOtherProbing compares over a range in the middle of which the probing
// was changed, and a period with an earlier one that was probed otherwise.
func TestCompareWarnsOfOtherProbing(t *testing.T) {
	const changed = `how links are probed was changed once in the range, from "icmp every 200ms, 56 bytes" to "icmp every 1s, 56 bytes": what was measured before and after may differ for that`
	const otherwise = `links were probed otherwise then: "icmp every 200ms, 56 bytes", now "icmp every 1s, 56 bytes"`
	half := epoch.Add(15 * time.Minute)
	for name, test := range map[string]struct {
		second   perigee.Maker
		baseline bool
		want     string
	}{
		"another_rate":           {second, false, changed},
		"only_the_configuration": {perigee.Maker{Version: "v1.0.0", Configuration: "cccccccccccccccc", Instance: "00000001", Methods: "icmp", Probing: first.Probing}, false, ""},
		"only_transfers":         {perigee.Maker{Version: "v1.0.0", Probing: first.Probing + perigee.ProbingTransfers + "ookla"}, false, ""},
		"an_earlier_period":      {second, true, otherwise},
	} {
		store := storagetest.NewMemory()
		b := perigee.Batch{Events: []perigee.Event{
			{Site: "home", Time: epoch, Kind: perigee.EventStarted, Detail: first.Detail()},
			{Site: "home", Time: half, Kind: perigee.EventReloaded, Detail: test.second.Detail()},
		}}
		for i := range 180 {
			for _, link := range []perigee.LinkID{"a", "b"} {
				b.Samples = append(b.Samples, windowOf(link, epoch.Add(time.Duration(i)*10*time.Second)))
			}
		}
		if err := store.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		q := perigee.CompareQuery{Links: []perigee.LinkID{"a", "b"}, Metric: perigee.MetricRTT, From: epoch, To: half.Add(15 * time.Minute)}
		if test.baseline {
			q.From, q.BaselineFrom, q.BaselineTo = half, epoch, half
		}
		c, err := perigee.Compare(t.Context(), store, q)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, w := range c.Pairs[0].Warnings {
			if w == changed || w == otherwise {
				found = append(found, w)
			}
		}
		if want := test.want; (want == "") != (len(found) == 0) || want != "" && !slices.Equal(found, []string{want}) {
			t.Errorf("%s: warnings %q, want %q", name, c.Pairs[0].Warnings, want)
		}
		if want := 2; len(c.Made) != want {
			t.Errorf("%s: made by %s, want %d spans", name, fmt.Sprint(c.Made), want)
		}
	}
}

func windowOf(link perigee.LinkID, start time.Time) perigee.Sample {
	s := perigee.Sample{Stream: perigee.Stream{Site: "home", Link: link, Target: "t", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle},
		Start: start, Length: 10 * time.Second, Interval: time.Second, LossTimeout: 3 * time.Second}
	for i := range 10 {
		s.Counts.Add(perigee.Singleton{Outcome: perigee.Received})
		s.RTT.Add(0.02 + float64(i)/1e4)
		s.LossRuns.Add(false, 1)
	}
	return s
}
