package sqlite_test

import (
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// model is what TestTheOutboxFollowsItsModel expects of a store, kept in the plainest
// way: by the names of things, not by ids.
type model struct {
	windows  map[string]perigee.Sample  // that are there
	hours    map[string]bool            // that were rolled up
	dirty    map[string]bool            // that are to be
	versions map[string]int             // of what is replaced: hours and outages
	outages  map[string]perigee.Outage  // as stored last
	pending  map[string]time.Time       // name to time
	dead     map[string]bool            // names
	handed   map[string][]perigee.Entry // by name, all that were handed out
	file     *sql.DB                    // the store's, looked into by another
}

func windowName(s perigee.Sample) string {
	return fmt.Sprintf("window %s %d", s.Stream.Link, s.Start.Unix())
}

func hourName(s perigee.Sample) string {
	return fmt.Sprintf("hour %s %d", s.Stream.Link, s.Start.Truncate(time.Hour).Unix())
}

func outageName(o perigee.Outage) string {
	return fmt.Sprintf("outage %s %d", o.Stream.Link, o.Start.Unix())
}

// name names an entry as the model does.
func name(e perigee.Entry) string {
	switch e.Kind {
	case perigee.EntryWindow:
		return windowName(*e.Sample)
	case perigee.EntryHour:
		return hourName(*e.Sample)
	case perigee.EntryThroughput:
		return fmt.Sprintf("throughput %s %d", e.Throughput.Stream.Link, e.Throughput.Start.Unix())
	case perigee.EntryOutage:
		return outageName(*e.Outage)
	default:
		return fmt.Sprintf("event %d", e.Event.Time.Unix())
	}
}

// version tells forms of an hour or outage apart; of other things there is one.
func version(e perigee.Entry) int64 {
	switch e.Kind {
	case perigee.EntryHour:
		return e.Sample.Counts.Planned
	case perigee.EntryOutage:
		return e.Outage.Probes
	default:
		return 0
	}
}

// blocked reports whether an hour has to wait for windows of its stream.
func (m *model) blocked(hour string) bool {
	var link string
	var bucket int64
	if n, _ := fmt.Sscanf(hour, "hour %s %d", &link, &bucket); n != 2 {
		return false
	}
	for name, s := range m.windows {
		if _, waits := m.pending[name]; waits && string(s.Stream.Link) == link && s.Start.Unix() < bucket+3600 {
			return true
		}
	}
	return false
}

// Whatever is stored, rolled up, expired, forwarded, refused and sent again in whatever
// order: what is pending is what a plain account of it says.
func TestTheOutboxFollowsItsModel(t *testing.T) {
	steps, seeds := 120, 5
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) { followModel(t, uint64(seed), steps) })
	}
}

func followModel(t *testing.T, seed uint64, steps int) {
	random := rand.New(rand.NewPCG(seed, 5))
	b := inbox{t, open(t)}
	g := hourly(seed)
	m := &model{windows: map[string]perigee.Sample{}, hours: map[string]bool{}, dirty: map[string]bool{}, versions: map[string]int{},
		outages: map[string]perigee.Outage{}, pending: map[string]time.Time{}, dead: map[string]bool{}, handed: map[string][]perigee.Entry{}, file: foreign(t, b.Path())}
	streams := []perigee.Stream{storagetest.Stream("a", "x"), storagetest.Stream("b", "x"), storagetest.Stream("c", "x")}
	const day = 24 * 6 // windows
	now := 12
	for step := range steps {
		var what string
		switch p := random.IntN(100); {
		case p < 30:
			what = m.append(b, g, random, streams, &now)
		case p < 40:
			what = "roll"
			roll(t, b.Store, start.Add(time.Duration(now)*10*time.Minute))
			m.roll(start.Add(time.Duration(now) * 10 * time.Minute))
		case p < 43 && now > day:
			what = "expire"
			expired := start.Add(time.Duration(now-day+random.IntN(day)) * 10 * time.Minute).Truncate(time.Hour)
			expire(t, b.Store, time.Time{}, expired)
			m.expire(expired)
		case p < 75:
			what = "forward"
			m.forward(b, random)
		case p < 90:
			what = "set aside"
			m.setAside(b, random)
		case p < 94:
			what = "resend"
			m.resend(b, random)
		default:
			what = "replay"
			m.replay(b, random)
		}
		m.check(b, fmt.Sprintf("step %d, %s", step, what), random)
		if t.Failed() {
			return
		}
	}
	// In the end all of it leaves, each thing once.
	left := len(m.pending)
	for left > 0 {
		entries := b.oldest(7)
		if len(entries) == 0 {
			t.Fatalf("%d are pending, and none is handed out", left)
		}
		b.forwarded(entries...)
		left -= len(entries)
	}
	b.wantPending("in the end", 0, time.Time{}, int64(len(m.dead)))
	if n := count(t, m.file, "SELECT count(*) FROM waiting"); n != 0 {
		t.Errorf("%d hours are waited for, want none", n)
	}
}

func (m *model) append(b inbox, g *storagetest.Generator, random *rand.Rand, streams []perigee.Stream, now *int) string {
	*now += random.IntN(6)
	var batch perigee.Batch
	for range random.IntN(12) {
		// Most are new, some late, some known, some of hours that have expired.
		at := *now - random.IntN(20)
		if random.IntN(10) == 0 {
			at = random.IntN(*now + 1)
		}
		s := g.Sample(streams[random.IntN(len(streams))], start.Add(time.Duration(max(at, 0))*10*time.Minute))
		batch.Samples = append(batch.Samples, s)
		if _, known := m.windows[windowName(s)]; known {
			continue
		}
		if m.hours[hourName(s)] && !m.live(s) {
			continue // sealed
		}
		m.windows[windowName(s)] = s
		m.pending[windowName(s)] = s.Start
		m.dirty[hourName(s)] = true
	}
	if random.IntN(3) == 0 {
		o := perigee.Outage{Stream: streams[random.IntN(len(streams))], Start: start.Add(time.Duration(random.IntN(6)) * time.Minute), End: start.Add(time.Hour), Probes: int64(random.IntN(3))}
		batch.Outages = append(batch.Outages, o)
		if old, known := m.outages[outageName(o)]; !known || old != o {
			m.outages[outageName(o)] = o
			m.pending[outageName(o)] = o.Start
			delete(m.dead, outageName(o))
		}
	}
	if random.IntN(4) == 0 { // some stored again
		one := g.Throughput(storagetest.Transfer("a", perigee.LoadUp), start.Add(time.Duration(random.IntN(60))*time.Minute))
		text := name(perigee.Entry{Kind: perigee.EntryThroughput, Throughput: &one})
		batch.Throughputs = append(batch.Throughputs, one)
		if m.versions[text] == 0 {
			m.versions[text] = 1
			m.pending[text] = one.Start
		}
	}
	if random.IntN(4) == 0 {
		e := perigee.Event{Site: "home", Time: start.Add(time.Duration(len(m.pending)+len(m.handed)) * time.Second), Kind: perigee.EventRebound}
		text := name(perigee.Entry{Kind: perigee.EntryEvent, Event: &e})
		batch.Events = append(batch.Events, e)
		if m.versions[text] == 0 {
			m.versions[text] = 1
			m.pending[text] = e.Time
		}
	}
	if err := b.Append(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("append %d windows", len(batch.Samples))
}

// live reports whether a window of the hour of s is there.
func (m *model) live(s perigee.Sample) bool {
	for _, w := range m.windows {
		if hourName(w) == hourName(s) {
			return true
		}
	}
	return false
}

func (m *model) roll(now time.Time) {
	for name := range maps.Clone(m.dirty) {
		var bucket int64
		var link string
		if _, err := fmt.Sscanf(name, "hour %s %d", &link, &bucket); err != nil {
			panic(err)
		}
		if bucket+3600 <= now.Unix() {
			m.made(name)
		}
	}
}

// made is called when an hour is rolled up.
func (m *model) made(hour string) {
	var first time.Time
	for _, s := range m.windows {
		if hourName(s) == hour && (first.IsZero() || s.Start.Before(first)) {
			first = s.Start
		}
	}
	delete(m.dirty, hour)
	delete(m.dead, hour)
	m.hours[hour] = true
	m.pending[hour] = first
}

func (m *model) expire(before time.Time) {
	for name := range maps.Clone(m.dirty) {
		var bucket int64
		var link string
		if _, err := fmt.Sscanf(name, "hour %s %d", &link, &bucket); err != nil {
			panic(err)
		}
		if bucket < before.Unix() {
			m.made(name)
		}
	}
	for name, s := range maps.Clone(m.windows) {
		if s.Start.Before(before) {
			delete(m.windows, name)
			delete(m.pending, name)
		}
	}
}

// take hands some entries out, from a random end, and some that were handed out before.
func (m *model) take(b inbox, random *rand.Rand) []perigee.Entry {
	n := 1 + random.IntN(30)
	entries := b.oldest(n)
	if random.IntN(2) == 0 {
		entries = b.newest(n)
	}
	var some []perigee.Entry
	for _, e := range entries {
		m.handed[name(e)] = append(m.handed[name(e)], e)
		if random.IntN(10) > 0 {
			some = append(some, e)
		}
	}
	names := slices.Sorted(maps.Keys(m.handed))
	for range min(2, len(names)) {
		old := m.handed[names[random.IntN(len(names))]]
		some = append(some, old[random.IntN(len(old))])
	}
	return some
}

// form names an entry in the form in which it was handed out.
func form(e perigee.Entry) string { return fmt.Sprint(name(e), " ", e.ID, " ", version(e)) }

// forms returns the forms in which entries are pending. Hours that have to wait for a
// window are too, but are not handed out: of these it knows the ids alone.
func (m *model) forms(b inbox) func(perigee.Entry) bool {
	all, hours := map[string]bool{}, map[int64]bool{}
	for _, e := range b.oldest(10_000) {
		all[form(e)] = true
	}
	rows, err := m.file.QueryContext(b.Context(), "SELECT id FROM pending WHERE kind = 'hour'")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			b.Fatal(err)
		}
		hours[id] = true
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return func(e perigee.Entry) bool { return all[form(e)] || e.Kind == perigee.EntryHour && hours[e.ID] }
}

func (m *model) forward(b inbox, random *rand.Rand) {
	some, current := m.take(b, random), m.forms(b)
	b.forwarded(some...)
	for _, e := range some {
		if current(e) {
			delete(m.pending, name(e))
		}
	}
}

func (m *model) setAside(b inbox, random *rand.Rand) {
	some := m.take(b, random)
	for _, e := range some[:min(3, len(some))] {
		current := m.forms(b)(e)
		b.setAside(e, "refused", start)
		if current {
			delete(m.pending, name(e))
			m.dead[name(e)] = true
		}
	}
}

func (m *model) resend(b inbox, random *rand.Rand) {
	letters := b.deadLetters()
	var ids []int64
	if random.IntN(2) == 0 {
		letters = letters[:min(len(letters), 1+random.IntN(3))]
		for _, l := range letters {
			ids = append(ids, l.ID)
		}
	}
	want := 0
	for _, l := range letters {
		text := fmt.Sprintf("%s %s %d", l.Kind, l.Stream.Link, l.Time.Unix())
		switch l.Kind {
		case perigee.EntryEvent:
			text = fmt.Sprintf("event %d", l.Time.Unix())
		case perigee.EntryHour:
			text = fmt.Sprintf("hour %s %d", l.Stream.Link, l.Time.Truncate(time.Hour).Unix())
		}
		if !m.dead[text] {
			b.Errorf("a dead letter of %s, which is none", text)
		}
		delete(m.dead, text)
		if _, there := m.windows[text]; l.Kind != perigee.EntryWindow || there {
			m.pending[text] = l.Time
			want++
		}
	}
	if got := b.resend(ids...); got != want {
		b.Errorf("Resend = %d, want %d", got, want)
	}
}

// replay stores again what is there, which changes nothing.
func (m *model) replay(b inbox, random *rand.Rand) {
	var batch perigee.Batch
	for _, name := range slices.Sorted(maps.Keys(m.windows)) {
		if random.IntN(4) == 0 {
			batch.Samples = append(batch.Samples, m.windows[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.outages)) {
		batch.Outages = append(batch.Outages, m.outages[name])
	}
	if err := b.Append(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
}

func (m *model) check(b inbox, when string, random *rand.Rand) {
	b.Helper()
	var first time.Time
	available := map[string]bool{}
	for name, at := range m.pending {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if !m.blocked(name) {
			available[name] = true
		}
	}
	b.wantPending(when, int64(len(m.pending)), first, int64(len(m.dead)))
	oldest := b.oldest(100_000)
	seen := map[string]bool{}
	for _, e := range oldest {
		if seen[name(e)] || !available[name(e)] {
			b.Errorf("%s: %s is handed out, want it not or once", when, name(e))
		}
		seen[name(e)] = true
	}
	if len(seen) != len(available) {
		b.Errorf("%s: %d are handed out, want %d", when, len(seen), len(available))
	}
	newest := b.newest(100_000)
	slices.Reverse(newest)
	withoutHours := slices.DeleteFunc(slices.Clone(oldest), func(e perigee.Entry) bool { return e.Kind == perigee.EntryHour })
	if got, want := words(newest), words(withoutHours); got != want {
		b.Errorf("%s: newest, turned round: %s\nwant %s", when, got, want)
	}
	n := 1 + random.IntN(20)
	if got, want := words(b.oldest(n)), words(oldest[:min(n, len(oldest))]); got != want {
		b.Errorf("%s: the oldest %d: %s\nwant %s", when, n, got, want)
	}
}
