package sqlite_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// inbox is what an outbox does with a store, for a test that stops at each error.
type inbox struct {
	*testing.T
	*sqlite.Store
}

func (b inbox) oldest(n int) []perigee.Entry {
	b.Helper()
	list, err := b.Oldest(b.Context(), n)
	if err != nil {
		b.Fatalf("Oldest: %v", err)
	}
	return list
}

func (b inbox) newest(n int) []perigee.Entry {
	b.Helper()
	list, err := b.Newest(b.Context(), n)
	if err != nil {
		b.Fatalf("Newest: %v", err)
	}
	return list
}

func (b inbox) forwarded(entries ...perigee.Entry) {
	b.Helper()
	if err := b.Forwarded(b.Context(), entries); err != nil {
		b.Fatalf("Forwarded: %v", err)
	}
}

func (b inbox) setAside(e perigee.Entry, reason string, at time.Time) {
	b.Helper()
	if err := b.SetAside(b.Context(), e, reason, at); err != nil {
		b.Fatalf("SetAside: %v", err)
	}
}

func (b inbox) resend(ids ...int64) int {
	b.Helper()
	n, err := b.Resend(b.Context(), ids)
	if err != nil {
		b.Fatalf("Resend: %v", err)
	}
	return n
}

func (b inbox) deadLetters() []perigee.DeadLetter {
	b.Helper()
	list, err := b.DeadLetters(b.Context(), 1000)
	if err != nil {
		b.Fatalf("DeadLetters: %v", err)
	}
	return list
}

func (b inbox) wantPending(when string, entries int64, oldest time.Time, dead int64) {
	b.Helper()
	n, first, letters, err := b.Pending(b.Context())
	if err != nil || n != entries || !first.Equal(oldest) || letters != dead {
		b.Errorf("%s: %d pending since %v, %d dead letters, %v; want %d since %v, %d", when, n, first, letters, err, entries, oldest, dead)
	}
}

// words says in short what entries are, for comparison.
func words(entries []perigee.Entry) string {
	var list []string
	for _, e := range entries {
		text := fmt.Sprintf("%s %s", e.Kind, e.Time().Format("15:04:05"))
		if e.Sample != nil {
			text += " " + string(e.Sample.Stream.Link)
		}
		if e.Throughput != nil {
			text += " " + string(e.Throughput.Stream.Link)
		}
		if e.Outage != nil && e.Outage.Open {
			text += " open"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func wantEntries(t *testing.T, when string, got []perigee.Entry, want string) {
	t.Helper()
	if words(got) != want {
		t.Errorf("%s: got %s\nwant %s", when, words(got), want)
	}
}

// hourly makes windows of ten minutes.
func hourly(seed uint64) *storagetest.Generator {
	g := storagetest.NewGenerator(seed)
	g.Window, g.Interval = 10*time.Minute, time.Minute
	return g
}

func TestEveryStoreHasAnInstanceOfItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	store := openAt(t, path)
	id, err := store.Instance(t.Context())
	if err != nil || !regexp.MustCompile("^[0-9a-f]{8}$").MatchString(id) {
		t.Errorf("Instance() = %q, %v, want 8 hexadecimal digits", id, err)
	}
	reader, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if again, err := reader.Instance(t.Context()); err != nil || again != id {
		t.Errorf("Instance() of a reader = %q, %v, want %q", again, err, id)
	}
	if other, err := open(t).Instance(t.Context()); err != nil || other == id {
		t.Errorf("Instance() of another store = %q, %v, want another", other, err)
	}
}

// What is stored is pending, in the order of storing, and comes as it is.
func TestResultsComeInTheOrderOfStoring(t *testing.T) {
	b := inbox{t, open(t)}
	b.wantPending("an empty store", 0, time.Time{}, 0)
	wantEntries(t, "an empty store", b.oldest(10), "")
	g := hourly(1)
	stream := storagetest.Stream("a", "x")
	samples := g.Samples(start, 3, stream)
	gap := perigee.Gap{Site: "home", Link: "a", Start: start.Add(-time.Hour), End: start, Reason: perigee.GapCrashed, Detail: "why"}
	event := perigee.Event{Site: "home", Time: start.Add(time.Minute), Kind: perigee.EventStarted, Detail: "what"}
	outage := perigee.Outage{Stream: stream, Start: start.Add(time.Second), End: start.Add(time.Minute), Probes: 7, Reason: "no replies"}
	for _, batch := range []perigee.Batch{
		{Gaps: []perigee.Gap{gap}},
		{Samples: samples[1:2], Outages: []perigee.Outage{outage}},
		{Samples: samples[:1]}, // an older one comes later
		{Samples: samples[2:], Events: []perigee.Event{event}},
	} {
		for range 2 { // again changes nothing
			if err := b.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := "gap 11:00:00, window 12:10:00 a, outage 12:00:01, window 12:00:00 a, window 12:20:00 a, event 12:01:00"
	wantEntries(t, "all", b.oldest(100), all)
	wantEntries(t, "four", b.oldest(4), strings.Join(strings.Split(all, ", ")[:4], ", "))
	backwards := strings.Split(all, ", ")
	slices.Reverse(backwards)
	wantEntries(t, "newest", b.newest(100), strings.Join(backwards, ", "))
	wantEntries(t, "newest three", b.newest(3), strings.Join(backwards[:3], ", "))
	wantEntries(t, "none", append(b.oldest(0), b.newest(-1)...), "")
	b.wantPending("all", 6, start.Add(-time.Hour), 0)

	got := b.oldest(100)
	if *got[0].Gap != gap || *got[2].Outage != outage || *got[5].Event != event {
		t.Errorf("got %+v, %+v, %+v, want %+v, %+v, %+v", *got[0].Gap, *got[2].Outage, *got[5].Event, gap, outage, event)
	}
	for i, want := range []perigee.Sample{samples[1], samples[0], samples[2]} {
		want.Singletons = nil
		if d := storagetest.Diff(*got[[]int{1, 3, 4}[i]].Sample, want, storagetest.Tolerances{}); d != "" {
			t.Error(d)
		}
	}

	b.forwarded(got[1], got[0], got[4])
	wantEntries(t, "three forwarded", b.oldest(100), "outage 12:00:01, window 12:00:00 a, event 12:01:00")
	wantEntries(t, "three forwarded, newest", b.newest(100), "event 12:01:00, window 12:00:00 a, outage 12:00:01")
	b.wantPending("three forwarded", 3, start, 0)
	b.forwarded(got...)
	b.forwarded(got...)
	b.forwarded()
	b.wantPending("all forwarded", 0, time.Time{}, 0)
	put(t, b.Store, samples...)
	wantEntries(t, "a replay of what was forwarded", b.oldest(100), "")
}

// An outage that was closed while its open form was on its way is forwarded again.
func TestWhatIsReplacedOnItsWayStaysPending(t *testing.T) {
	b := inbox{t, open(t)}
	outage := perigee.Outage{Stream: storagetest.Stream("a", "x"), Start: start, End: start.Add(time.Minute), Open: true, Probes: 7}
	appendOutage := func() {
		t.Helper()
		if err := b.Append(t.Context(), perigee.Batch{Outages: []perigee.Outage{outage}}); err != nil {
			t.Fatal(err)
		}
	}
	appendOutage()
	open := b.oldest(10)
	outage.Open = false
	appendOutage()
	b.forwarded(open...)
	closed := b.oldest(10)
	wantEntries(t, "closed meanwhile", closed, "outage 12:00:00")
	b.setAside(open[0], "stale", start)
	b.wantPending("the open form was refused too late", 1, start, 0)

	b.setAside(closed[0], "refused", start)
	b.wantPending("refused", 0, time.Time{}, 1)
	outage.Reason = "no route"
	appendOutage()
	b.wantPending("replaced after it was refused", 1, start, 0)
	b.forwarded(b.oldest(1)...)
	appendOutage()
	b.wantPending("stored again as it was", 0, time.Time{}, 0)
}

// Hours come when their windows have been forwarded, and anew when a late window came.
func TestHoursFollowTheirWindows(t *testing.T) {
	b := inbox{t, open(t)}
	g := hourly(2)
	samples := g.Samples(start, 12, storagetest.Stream("a", "x"), storagetest.Stream("b", "x"))
	late := samples[2] // 12:10 of a
	put(t, b.Store, append(slices.Clone(samples[:2]), samples[3:]...)...)
	b.wantPending("not rolled up", 23, start, 0)
	roll(t, b.Store, start.Add(2*time.Hour))
	b.wantPending("rolled up", 23+4, start, 0)
	windows := b.oldest(100)
	if len(windows) != 23 {
		t.Fatalf("got %d entries, want 23 windows and no hour: %s", len(windows), words(windows))
	}
	for _, e := range windows {
		if e.Sample.Stream.Link == "b" || e.Time().Before(start.Add(time.Hour)) {
			b.forwarded(e)
		}
	}
	hours := b.oldest(3)
	wantEntries(t, "a's second hour waits", hours, "hour 12:00:00 a, hour 12:00:00 b, hour 13:00:00 b")
	for i, want := range read(t, b.Store, perigee.Query{Resolution: perigee.Hours})[:2] {
		if d := storagetest.Diff(*hours[i].Sample, want, storagetest.Tolerances{}); d != "" {
			t.Error(d)
		}
	}
	wantEntries(t, "newest", b.newest(1), "window 13:50:00 a")
	put(t, b.Store, late)
	wantEntries(t, "a late window", b.oldest(2), "hour 12:00:00 b, hour 13:00:00 b")
	roll(t, b.Store, start.Add(2*time.Hour))
	b.forwarded(hours...)
	b.forwarded(windows...)
	wantEntries(t, "its window first", b.oldest(9), "window 12:10:00 a")
	b.forwarded(b.oldest(9)...)
	wantEntries(t, "then its hour, again", b.oldest(9), "hour 12:00:00 a, hour 13:00:00 a")
	again := b.oldest(1)
	if n := again[0].Sample.Counts.Planned; n != 60 {
		t.Errorf("the hour holds %d probes, want 60", n)
	}
	b.forwarded(b.oldest(9)...)
	b.wantPending("all forwarded", 0, time.Time{}, 0)
}

func TestExpiredWindowsAreNotPending(t *testing.T) {
	b := inbox{t, open(t)}
	put(t, b.Store, hourly(3).Samples(start, 18, storagetest.Stream("a", "x"))...)
	first := b.oldest(8)
	b.forwarded(first[:3]...)
	b.forwarded(first[7])
	b.setAside(first[4], "refused", start)
	expire(t, b.Store, time.Time{}, start.Add(time.Hour))
	b.wantPending("an hour has expired", 11+1, start, 1)
	wantEntries(t, "an hour has expired", b.oldest(3), "hour 12:00:00 a, window 13:00:00 a, window 13:20:00 a")
	b.forwarded(first...) // two that have expired among them
	b.wantPending("forwarded what has expired", 10+1, start, 1)
	if n := b.resend(); n != 0 {
		t.Errorf("Resend() = %d, want 0: the window has expired", n)
	}
	b.wantPending("sent again what has expired", 10+1, start, 0)
	expire(t, b.Store, time.Time{}, start.Add(24*time.Hour))
	b.wantPending("all has expired", 3, start, 0)
	b.forwarded(b.oldest(100)...)
	b.wantPending("the hours were forwarded", 0, time.Time{}, 0)
}

func TestDeadLettersAreSetAsideAndSentAgain(t *testing.T) {
	b := inbox{t, open(t)}
	stream := storagetest.Stream("a", "x")
	if err := b.Append(t.Context(), perigee.Batch{
		Samples: hourly(4).Samples(start, 6, stream),
		Outages: []perigee.Outage{{Stream: stream, Start: start, End: start}},
		Gaps:    []perigee.Gap{{Site: "home", Start: start, End: start.Add(time.Hour), Reason: perigee.GapStopped}},
		Events:  []perigee.Event{{Site: "home", Link: "a", Time: start, Kind: perigee.EventStopped, Detail: "x"}},
	}); err != nil {
		t.Fatal(err)
	}
	roll(t, b.Store, start.Add(time.Hour))
	all := b.oldest(100)
	if len(all) != 9 {
		t.Fatalf("%d entries: %s", len(all), words(all))
	}
	for i, e := range all {
		b.setAside(e, "reason "+fmt.Sprint(i), start.Add(time.Duration(i)*time.Minute))
		b.setAside(e, "again", start)
	}
	hour := b.oldest(100)
	wantEntries(t, "all refused", hour, "hour 12:00:00 a")
	b.setAside(hour[0], "the hour too", start)
	link := perigee.Entry{Kind: perigee.EntryLink, Link: &perigee.LinkState{LinkRecord: perigee.LinkRecord{Site: perigee.Site{Name: "home"}, Link: perigee.Link{ID: "a"}}, At: start}}
	b.setAside(link, "a link", start)
	b.setAside(link, "a link again", start)
	letters := b.deadLetters()
	if len(letters) != 11 {
		t.Fatalf("%d dead letters, want 11: %+v", len(letters), letters)
	}
	b.wantPending("all set aside", 0, time.Time{}, 11)
	for i, e := range all {
		got, want := letters[len(letters)-1-i], perigee.DeadLetter{Kind: e.Kind, Time: e.Time(), Reason: "reason " + fmt.Sprint(i), Since: start.Add(time.Duration(i) * time.Minute)}
		switch e.Kind {
		case perigee.EntryWindow, perigee.EntryOutage:
			want.Stream = stream
		case perigee.EntryGap:
			want.Stream.Site = "home"
		case perigee.EntryEvent:
			want.Stream.Site, want.Stream.Link = "home", "a"
		}
		want.ID = got.ID
		if got != want {
			t.Errorf("dead letter %+v, want %+v", got, want)
		}
	}
	if got := letters[0]; got.Kind != perigee.EntryLink || got.Reason != "a link again" || got.Stream.Link != "a" {
		t.Errorf("the link's dead letter is %+v", got)
	}
	if few, err := b.DeadLetters(t.Context(), 2); err != nil || !slices.Equal(few, letters[:2]) {
		t.Errorf("DeadLetters(2) = %+v, %v, want the last two", few, err)
	}

	// Two of them, by name, one of which is none.
	if n := b.resend(letters[8].ID, 999); n != 1 {
		t.Errorf("Resend of one = %d, want 1", n)
	}
	wantEntries(t, "one sent again", b.oldest(9), "window 12:20:00 a")
	if n := b.resend(); n != 9 {
		t.Errorf("Resend of all = %d, want 9: the link's is dropped", n)
	}
	wantEntries(t, "all sent again", b.oldest(100),
		"window 12:00:00 a, window 12:10:00 a, window 12:20:00 a, window 12:30:00 a, window 12:40:00 a, window 12:50:00 a, outage 12:00:00, gap 12:00:00, event 12:00:00")
	b.wantPending("all sent again", 10, start, 0)
	b.forwarded(b.oldest(100)...)
	b.forwarded(b.oldest(100)...)
	b.wantPending("all forwarded", 0, time.Time{}, 0)
	if n := count(t, foreign(t, b.Path()), "SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM pending) + (SELECT count(*) FROM dead_letters)"); n != 0 {
		t.Errorf("%d rows are left, want none", n)
	}
	if n := count(t, foreign(t, b.Path()), "SELECT count(*) FROM forwarded"); n != 1 {
		t.Errorf("%d ranges are left, want 1", n)
	}
}

// An entry's orbit is that at the time of storing, also when it is handed out later.
func TestTheOrbitIsThatAtTheTimeOfStoring(t *testing.T) {
	b := inbox{t, open(t)}
	g := hourly(5)
	stream := storagetest.Stream("a", "x")
	samples := g.Samples(start, 10, stream)
	outage := perigee.Outage{Stream: stream, Start: start, End: start, Open: true}
	describe := func(orbit perigee.Orbit) {
		t.Helper()
		if err := b.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "a", Orbit: orbit}, {ID: "b", Orbit: perigee.OrbitMEO}}); err != nil {
			t.Fatal(err)
		}
	}
	store := func(i int, o perigee.Outage) {
		t.Helper()
		if err := b.Append(t.Context(), perigee.Batch{Samples: samples[i : i+1], Outages: []perigee.Outage{o},
			Events: []perigee.Event{{Site: "home", Link: "a", Time: start.Add(time.Duration(i)), Kind: perigee.EventRebound}}}); err != nil {
			t.Fatal(err)
		}
	}
	store(0, perigee.Outage{Stream: stream, Start: start.Add(-time.Hour), End: start})
	describe(perigee.OrbitLEO)
	describe(perigee.OrbitLEO)
	store(1, outage)
	roll(t, b.Store, start.Add(time.Hour))
	describe(perigee.OrbitGEO)
	describe(perigee.OrbitStarlink)
	outage.Open = false
	store(2, outage) // keeps the orbit it was first stored with, or it would be two
	roll(t, b.Store, start.Add(time.Hour))
	check := func(when string, want map[string]perigee.Orbit) {
		t.Helper()
		entries := b.oldest(100)
		if len(entries) != len(want) {
			t.Errorf("%s: %d entries, want %d: %s", when, len(entries), len(want), words(entries))
		}
		for _, e := range entries {
			key := string(e.Kind) + e.Time().Format(" 15:04:05.999999999")
			if orbit, ok := want[key]; !ok || e.Orbit != orbit {
				t.Errorf("%s: orbit of %s is %q, want %q", when, key, e.Orbit, orbit)
			}
		}
	}
	want := map[string]perigee.Orbit{
		"window 12:00:00": "", "outage 11:00:00": "", "event 12:00:00": "",
		"window 12:10:00": perigee.OrbitLEO, "outage 12:00:00": perigee.OrbitLEO, "event 12:00:00.000000001": perigee.OrbitLEO,
		"window 12:20:00": perigee.OrbitStarlink, "event 12:00:00.000000002": perigee.OrbitStarlink,
	}
	check("stored", want)
	describe(perigee.OrbitTerrestrial)
	check("described anew", want)
	for _, e := range b.oldest(100) {
		b.setAside(e, "refused", start)
	}
	b.resend()
	check("sent again", want)
	b.forwarded(b.oldest(100)...)
	check("forwarded", map[string]perigee.Orbit{"hour 12:00:00": perigee.OrbitLEO})
}

func TestRolledIsTheHourBeforeWhichNothingWaits(t *testing.T) {
	b := inbox{t, open(t)}
	state := func(when string, now, want time.Time) {
		t.Helper()
		states, err := b.LinkStates(t.Context(), now)
		if err != nil || len(states) != 2 {
			t.Fatalf("%s: LinkStates() = %+v, %v, want two", when, states, err)
		}
		if !states[0].Rolled.Equal(want) || !states[0].At.Equal(now.Truncate(time.Hour)) || states[0].Link.ID != "a" {
			t.Errorf("%s: %+v, want link a at %v rolled before %v", when, states[0], now.Truncate(time.Hour), want)
		}
		if s := states[1]; !s.Rolled.IsZero() || s.Link.Orbit != perigee.OrbitGEO {
			t.Errorf("%s: %+v, want a link that was never measured", when, s)
		}
	}
	if err := b.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "a", Orbit: perigee.OrbitLEO}, {ID: "b", Orbit: perigee.OrbitGEO}}); err != nil {
		t.Fatal(err)
	}
	now := start.Add(3*time.Hour + time.Minute)
	state("not measured", now, time.Time{})
	g := hourly(6)
	samples := g.Samples(start, 19, storagetest.Stream("a", "x")) // 12:00 to 15:10
	late := samples[9]
	put(t, b.Store, append(slices.Clone(samples[:9]), samples[10:]...)...)
	state("nothing rolled up", now, time.Time{})
	roll(t, b.Store, now)
	state("nothing forwarded", now, time.Time{})
	windows := b.oldest(100)
	b.forwarded(windows...)
	state("no hour forwarded", now, time.Time{})
	b.forwarded(b.oldest(1)...)
	state("one hour forwarded", now, start.Add(time.Hour))
	b.forwarded(b.oldest(100)...)
	state("all forwarded", now, start.Add(3*time.Hour))
	state("a clock that was set back", start.Add(90*time.Minute), start.Add(time.Hour))
	put(t, b.Store, late)
	state("a late window", now, start.Add(time.Hour))
	roll(t, b.Store, now)
	b.forwarded(b.oldest(100)...)
	b.forwarded(b.oldest(100)...)
	state("it was forwarded", now, start.Add(3*time.Hour))

	// At the end of an hour nothing may wait because its last window is not stored yet.
	put(t, b.Store, g.Samples(start.Add(190*time.Minute), 4, storagetest.Stream("a", "x"))...) // to 15:50
	roll(t, b.Store, start.Add(4*time.Hour))
	b.forwarded(b.oldest(100)...)
	b.forwarded(b.oldest(100)...)
	b.wantPending("all forwarded", 0, time.Time{}, 0)
	state("the last window is still to come", start.Add(4*time.Hour), start.Add(3*time.Hour))
}

// Transfers wait as other records do, in the order in which they were stored; one that is
// stored again does not wait again.
func TestThroughputsWaitToBeForwarded(t *testing.T) {
	b := inbox{t, open(t)}
	if err := b.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "geo", Orbit: perigee.OrbitGEO}}); err != nil {
		t.Fatal(err)
	}
	g := storagetest.NewGenerator(1)
	down := g.Throughput(storagetest.Transfer("geo", perigee.LoadDown), start)
	up := g.Throughput(storagetest.Transfer("geo", perigee.LoadUp), start.Add(time.Minute))
	append := func(batch perigee.Batch) {
		t.Helper()
		if err := b.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	append(perigee.Batch{Throughputs: []perigee.Throughput{up}, Events: []perigee.Event{{Site: "home", Time: start, Kind: perigee.EventStarted}}})
	put(t, b.Store, g.Sample(storagetest.Stream("geo", "x"), start))
	append(perigee.Batch{Throughputs: []perigee.Throughput{down, up}, Outages: []perigee.Outage{{Stream: down.Stream, Start: start, End: start}}})
	entries := b.oldest(10)
	wantEntries(t, "stored", entries, "throughput 12:01:00 geo, event 12:00:00, window 12:00:00 geo, throughput 12:00:00 geo, outage 12:00:00")
	wantEntries(t, "newest first", b.newest(2), "outage 12:00:00, throughput 12:00:00 geo")
	for i, want := range map[int]perigee.Throughput{0: up, 3: down} {
		if d := storagetest.DiffThroughput(*entries[i].Throughput, want); d != "" || entries[i].Orbit != perigee.OrbitGEO {
			t.Errorf("entry %d of orbit %q: %s", i, entries[i].Orbit, d)
		}
	}
	b.wantPending("stored", 5, start, 0)
	b.setAside(entries[0], "no", start)
	b.forwarded(entries[1:]...)
	append(perigee.Batch{Throughputs: []perigee.Throughput{down, up}})
	b.wantPending("one set aside, the others forwarded", 0, time.Time{}, 1)
	if letters := b.deadLetters(); letters[0].Kind != perigee.EntryThroughput || letters[0].Stream != up.Stream || !letters[0].Time.Equal(up.Start) {
		t.Errorf("dead letter %+v", letters[0])
	}
	if err := b.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "geo", Orbit: perigee.OrbitMEO}}); err != nil {
		t.Fatal(err)
	}
	b.resend()
	if again := b.oldest(10); len(again) != 1 || storagetest.DiffThroughput(*again[0].Throughput, up) != "" || again[0].Orbit != perigee.OrbitGEO {
		t.Errorf("sent again: %+v", again)
	}
}

func TestAReaderAnswersForTheOutbox(t *testing.T) {
	writer := open(t)
	put(t, writer, hourly(7).Samples(start, 7, storagetest.Stream("a", "x"))...)
	reader, err := sqlite.OpenReader(t.Context(), writer.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	b := inbox{t, reader}
	b.wantPending("read", 7, start, 0)
	if n := len(b.oldest(10)) + len(b.newest(10)) + len(b.deadLetters()); n != 14 {
		t.Errorf("%d entries, want 7 from each end", n)
	}
	if states, err := reader.LinkStates(t.Context(), start); err != nil || len(states) != 1 {
		t.Errorf("LinkStates() = %v, %v, want one", states, err)
	}
	if _, err := reader.Traffic(t.Context(), "home", "a", start, start); err != nil {
		t.Error(err)
	}
	_, resent := reader.Resend(t.Context(), nil)
	for what, err := range map[string]error{
		"Forwarded":  reader.Forwarded(t.Context(), nil),
		"SetAside":   reader.SetAside(t.Context(), perigee.Entry{}, "", start),
		"Resend":     resent,
		"AddTraffic": reader.AddTraffic(t.Context(), "home", "a", "outbox", start, 1),
	} {
		if perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("%s: got error %v, want code invalid", what, err)
		}
	}
}
