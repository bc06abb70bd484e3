package sqlite_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

var update = flag.Bool("update", false, "write the golden file of the present layout")

// goldenFile is a store of the present layout, closed, and the others are of versions
// before. Once released, such a file is never written again: files like it are on users'
// disks.
const (
	goldenFile   = "testdata/version4.sqlite.gz"
	thirdGolden  = "testdata/version3.sqlite.gz"
	secondGolden = "testdata/version2.sqlite.gz"
	firstGolden  = "testdata/version1.sqlite.gz"
)

// goldenSite, goldenLink and goldenBatch are what all hold; since version 3,
// goldenThroughput too, and since version 4 a plan, goldenPlan.
var (
	goldenSite = perigee.Site{Name: "Zürich 'home'", Latitude: 47.37, Longitude: 8.54, Located: true}
	goldenLink = perigee.Link{ID: "geo", Orbit: perigee.OrbitGEO, Source: netip.MustParseAddr("192.168.2.10"), Mark: 16, SatelliteLongitude: -15.5, SatelliteKnown: true}
	goldenPlan = perigee.Plan{Down: 25e6, Up: 5e6, Availability: 0.995}
)

func goldenBatch() perigee.Batch {
	stream := perigee.Stream{Site: goldenSite.Name, Link: goldenLink.ID, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv6, Load: perigee.LoadIdle}
	begin := time.Date(2026, 3, 1, 23, 59, 50, 3, time.UTC)
	var samples []perigee.Sample
	for i := range 3 {
		s := perigee.Sample{
			Stream: stream, Start: begin.Add(time.Duration(i) * 10 * time.Second), Length: 10 * time.Second, Interval: 2 * time.Second, LossTimeout: 5 * time.Second,
			Proof: perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan1", Local: netip.MustParseAddr("fe80::1%wan1"), Remote: netip.MustParseAddr("2001:db8::1")},
			Cause: "network is down",
			Singletons: []perigee.Singleton{
				{Seq: perigee.Seq(5 * i), At: 250 * time.Millisecond, Outcome: perigee.Received, RTT: 610 * time.Millisecond},
				{Seq: perigee.Seq(5*i + 1), At: 2250 * time.Millisecond, Outcome: perigee.Received, RTT: 650 * time.Millisecond, Duplicates: 1},
				{Seq: perigee.Seq(5*i + 2), At: 4250 * time.Millisecond, Outcome: perigee.Lost},
				{Seq: perigee.Seq(5*i + 3), At: 6250 * time.Millisecond, Outcome: perigee.Late, RTT: 5500 * time.Millisecond, Reordered: true},
				{Seq: perigee.Seq(5*i + 4), At: 8250 * time.Millisecond, Outcome: perigee.SendFailed, Cause: "network is down"},
			},
		}
		var variation stats.Variation
		for _, one := range s.Singletons {
			s.Counts.Add(one)
			if one.Outcome.Sent() {
				s.LossRuns.Add(!one.Outcome.Arrived(), 2)
			}
			if one.Outcome.Arrived() {
				s.RTT.Add(one.RTT.Seconds())
				variation.Arrived(one.RTT.Seconds())
			} else {
				variation.Missed()
			}
		}
		s.Variation = variation.Cut()
		samples = append(samples, s)
	}
	return perigee.Batch{
		Samples: samples,
		Outages: []perigee.Outage{{Stream: stream, Start: begin.Add(4 * time.Second), End: begin.Add(9 * time.Second), Probes: 3, Reason: "interface down"}},
		Gaps:    []perigee.Gap{{Site: goldenSite.Name, Start: begin.Add(-time.Hour), End: begin, Reason: perigee.GapSuspended, Detail: "asleep"}},
		Events:  []perigee.Event{{Site: goldenSite.Name, Link: "geo", Time: begin.Add(-time.Hour), Kind: perigee.EventClockBack, Detail: "by 1h"}},
	}
}

// goldenThroughput is a transfer that ended before its steady part.
func goldenThroughput() perigee.Throughput {
	return perigee.Throughput{
		Stream: perigee.Stream{Site: goldenSite.Name, Link: goldenLink.ID, Target: "far", Method: perigee.MethodTransfer, Family: perigee.IPv6, Load: perigee.LoadUp},
		Start:  time.Date(2026, 3, 2, 0, 0, 30, 7, time.UTC), Length: 250 * time.Millisecond, Ramp: 100 * time.Millisecond,
		Proof:  perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan1", Local: netip.MustParseAddr("fe80::1%wan1"), Remote: netip.MustParseAddr("2001:db8::1")},
		Server: "[2001:db8::1]:4862", Streams: 2, Congestion: "bbr", Stop: perigee.StoppedByFailure, ReceiverCounted: true,
		Rate: 48e3, Error: -1, WholeRate: 32e3, Bytes: 1000, WireBytes: 1300, Retransmitted: -1,
		Connect: perigee.Connect{TCP: 3 * time.Millisecond}, Idle: perigee.Latency{Sent: 5, Received: 5, Min: 0.61, P50: 0.62, P95: 0.7, P99: 0.7, Mean: 0.63},
		Loaded:     perigee.Latency{Sent: 2},
		SeriesStep: 100 * time.Millisecond, Series: []int64{100, 600, 300},
		TCP: []perigee.TCPState{{At: 100 * time.Millisecond, RTT: 700 * time.Millisecond, MinRTT: 610 * time.Millisecond, Window: 14480, DeliveryRate: 1e5}},
	}
}

// goldenStore opens a copy of a golden file.
func goldenStore(t *testing.T, name string) *sqlite.Store {
	t.Helper()
	compressed, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "perigee.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return openAt(t, path)
}

// The outbox of version 2 begins with everything that a file of version 1 holds.
func TestFilesOfVersion1AreRead(t *testing.T) {
	b := inbox{t, goldenStore(t, firstGolden)}
	batch := goldenBatch()
	first := batch.Samples[0].Start
	if id, err := b.Instance(t.Context()); err != nil || len(id) != 8 {
		t.Errorf("Instance() = %q, %v, want 8 digits", id, err)
	}
	b.wantPending("migrated", 3+1+3, first.Add(-time.Hour), 0)
	entries := b.oldest(100)
	wantEntries(t, "migrated", entries, "gap 22:59:50, event 22:59:50, outage 23:59:54, window 23:59:50 geo, window 00:00:00 geo, window 00:00:10 geo")
	for _, e := range entries {
		want := goldenLink.Orbit
		if e.Kind == perigee.EntryGap { // of all links
			want = ""
		}
		if e.Orbit != want {
			t.Errorf("orbit of the %s is %q, want %q", e.Kind, e.Orbit, want)
		}
	}
	b.forwarded(entries...)
	hours := b.oldest(100)
	wantEntries(t, "windows forwarded", hours, "hour 23:59:50 geo")
	if hours[0].Orbit != goldenLink.Orbit {
		t.Errorf("orbit of the hour is %q, want %q", hours[0].Orbit, goldenLink.Orbit)
	}
	wantGolden(t, b.Store)
}

func TestFilesOfVersion2AreRead(t *testing.T) {
	b := inbox{t, goldenStore(t, secondGolden)}
	wantForwardingAsLeft(b, "hour 23:59:50 geo, window 00:00:00 geo, gap 22:59:50, event 22:59:50", 4)
	// The account was by UTC day, and goes on by quarters of an hour.
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	wantAccount := func(from, to time.Time, bytes int64) {
		t.Helper()
		got, err := b.Traffic(t.Context(), goldenSite.Name, goldenLink.ID, from, to)
		if err != nil || got[perigee.PurposeOutbox] != bytes {
			t.Errorf("Traffic() from %v to %v = %v, %v, want %d bytes", from, to, got, err, bytes)
		}
	}
	wantAccount(time.Time{}, time.Time{}, 12345)
	if err := b.AddTraffic(t.Context(), goldenSite.Name, goldenLink.ID, perigee.PurposeOutbox, midnight.Add(23*time.Hour), 5); err != nil {
		t.Fatal(err)
	}
	wantAccount(time.Time{}, time.Time{}, 12350)
	wantAccount(midnight.Add(time.Hour), midnight.Add(2*time.Hour), 12345)
	wantAccount(midnight.Add(24*time.Hour), time.Time{}, 0)
	wantGolden(t, b.Store)
}

func TestFilesOfVersion3AreRead(t *testing.T) {
	b := inbox{t, goldenStore(t, thirdGolden)}
	wantPlan(b, perigee.Plan{})
	wantWithTransfers(b)
}

func TestFilesOfVersion4AreRead(t *testing.T) {
	if *update {
		writeGolden(t, goldenBatch())
	}
	b := inbox{t, goldenStore(t, goldenFile)}
	wantPlan(b, goldenPlan)
	wantWithTransfers(b)
}

// wantPlan checks what was promised of the link.
func wantPlan(b inbox, want perigee.Plan) {
	b.T.Helper()
	links, err := b.Links(b.T.Context())
	if err != nil || len(links) != 1 || links[0].Link.Plan != want {
		b.T.Errorf("links %+v, %v, want one with the plan %+v", links, err, want)
	}
}

// wantWithTransfers checks what files hold since version 3.
func wantWithTransfers(b inbox) {
	t := b.T
	t.Helper()
	wantForwardingAsLeft(b, "hour 23:59:50 geo, window 00:00:00 geo, gap 22:59:50, event 22:59:50, throughput 00:00:30 geo", 5)
	wantTraffic := map[perigee.Purpose]int64{perigee.PurposeOutbox: 12345, perigee.PurposeDevice: 30}
	if got, err := b.Traffic(t.Context(), goldenSite.Name, goldenLink.ID, time.Time{}, time.Time{}); err != nil || !maps.Equal(got, wantTraffic) {
		t.Errorf("Traffic() = %v, %v, want %v", got, err, wantTraffic)
	}
	reading := sqlite.DeviceReading{Device: "wan1", Boot: "b", Rx: 21, Tx: 31, At: goldenThroughput().Start}
	if n, err := b.CountDevice(t.Context(), goldenSite.Name, goldenLink.ID, reading); err != nil || n != 2 {
		t.Errorf("CountDevice() = %d, %v, want 2", n, err)
	}
	var got []perigee.Throughput
	for one, err := range b.Throughputs(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, one)
	}
	if len(got) != 1 || storagetest.DiffThroughput(got[0], goldenThroughput()) != "" {
		t.Errorf("throughputs %+v, want %+v", got, goldenThroughput())
	}
	wantGolden(t, b.Store)
}

// wantForwardingAsLeft checks what writeGolden left of the outbox: these entries wait,
// so many of them, and two dead letters, which it sends again.
func wantForwardingAsLeft(b inbox, entries string, waiting int64) {
	t := b.T
	t.Helper()
	first := goldenBatch().Samples[0].Start
	if id, err := b.Instance(t.Context()); err != nil || id != goldenInstance {
		t.Errorf("Instance() = %q, %v, want %q", id, err, goldenInstance)
	}
	b.wantPending("as it was left", waiting, first.Add(-time.Hour), 2)
	wantEntries(t, "as it was left", b.oldest(100), entries)
	letters := b.deadLetters()
	for i := range letters {
		letters[i].ID = 0
	}
	stream := goldenBatch().Samples[0].Stream
	want := []perigee.DeadLetter{
		{Kind: perigee.EntryOutage, Stream: stream, Time: first.Add(4 * time.Second), Reason: "no 'outages' here", Since: first.Add(time.Hour)},
		{Kind: perigee.EntryWindow, Stream: stream, Time: first.Add(20 * time.Second), Reason: "field type conflict", Since: first.Add(time.Hour)},
	}
	if !slices.Equal(letters, want) {
		t.Errorf("dead letters %+v, want %+v", letters, want)
	}
	if n := b.resend(); n != 2 {
		t.Errorf("Resend() = %d, want 2", n)
	}
	for _, e := range b.oldest(100) {
		if (e.Kind == perigee.EntryWindow || e.Kind == perigee.EntryThroughput) && e.Orbit != perigee.OrbitGEO {
			t.Errorf("orbit of the %s is %q, want %q, that of before the link was described anew", e.Kind, e.Orbit, perigee.OrbitGEO)
		}
	}
	if err := b.Describe(t.Context(), goldenSite, []perigee.Link{goldenLink}); err != nil {
		t.Fatal(err)
	}
}

// wantGolden checks that store holds goldenBatch.
func wantGolden(t *testing.T, store *sqlite.Store) {
	t.Helper()
	batch := goldenBatch()
	var got []perigee.Sample
	for s, err := range store.Singletons(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	wantSame(t, "windows", got, batch.Samples)
	first, second := batch.Samples[0], batch.Samples[1]
	first.Singletons = nil
	second.Merge(batch.Samples[2])
	second.Singletons = nil
	for _, r := range []perigee.Resolution{perigee.Hours, perigee.Days} { // cut at midnight
		wantSame(t, string(r), read(t, store, perigee.Query{Resolution: r}), []perigee.Sample{first, second})
	}
	if outages, err := store.Outages(t.Context(), perigee.Query{}); err != nil || !slices.Equal(outages, batch.Outages) {
		t.Errorf("outages %v, %v, want %v", outages, err, batch.Outages)
	}
	if gaps, err := store.Gaps(t.Context(), perigee.Query{}); err != nil || !slices.Equal(gaps, batch.Gaps) {
		t.Errorf("gaps %v, %v, want %v", gaps, err, batch.Gaps)
	}
	if events, err := store.Events(t.Context(), perigee.Query{}); err != nil || !slices.Equal(events, batch.Events) {
		t.Errorf("events %v, %v, want %v", events, err, batch.Events)
	}
	want := []perigee.LinkRecord{{Site: goldenSite, Link: goldenLink, First: first.Start, Last: batch.Samples[2].End()}}
	if links, err := store.Links(t.Context()); err != nil || !slices.Equal(links, want) {
		t.Errorf("links %+v, %v, want %+v", links, err, want)
	}
	previous, epoch := begin(t, store, batch.Samples[2].End())
	if previous.ID != 1 || !previous.Started.Equal(first.Start) || !previous.Ended.Equal(first.Start.Add(time.Minute)) || epoch != 1 {
		t.Errorf("previous run %+v, epoch %d", previous, epoch)
	}
	// It can be written, and still knows what it has.
	put(t, store, append(batch.Samples, storagetest.NewGenerator(1).Sample(first.Stream, first.Start.Add(time.Hour)))...)
	if got := read(t, store, perigee.Query{}); len(got) != 4 {
		t.Errorf("%d windows after one more was appended, want 4", len(got))
	}
}

// goldenInstance is that of the golden file.
const goldenInstance = "0123abcd"

// writeGolden makes the file, half of it rolled up and a third of it forwarded.
func writeGolden(t *testing.T, batch perigee.Batch) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "perigee.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := batch.Samples[0].Start
	begin(t, store, first)
	if err := store.Describe(t.Context(), goldenSite, []perigee.Link{goldenLink}); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	roll(t, store, first.Add(time.Minute))
	b := inbox{t, store}
	entries := b.oldest(100) // three windows, an outage, a gap and an event
	b.forwarded(entries[0])
	b.setAside(entries[2], "field type conflict", first.Add(time.Hour))
	b.setAside(entries[3], "no 'outages' here", first.Add(time.Hour))
	if err := store.AddTraffic(t.Context(), goldenSite.Name, goldenLink.ID, perigee.PurposeOutbox, first, 12345); err != nil {
		t.Fatal(err)
	}
	for i := range int64(2) {
		reading := sqlite.DeviceReading{Device: "wan1", Boot: "b", Rx: 10 + 10*i, Tx: 10 + 20*i, At: first}
		if _, err := store.CountDevice(t.Context(), goldenSite.Name, goldenLink.ID, reading); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Append(t.Context(), perigee.Batch{Throughputs: []perigee.Throughput{goldenThroughput()}}); err != nil {
		t.Fatal(err)
	}
	anew := goldenLink
	anew.Orbit, anew.Plan = perigee.OrbitMEO, goldenPlan
	if err := store.Describe(t.Context(), goldenSite, []perigee.Link{anew}); err != nil {
		t.Fatal(err)
	}
	shell := foreign(t, path)
	execute(t, shell, "UPDATE meta SET value = '"+goldenInstance+"' WHERE name = 'instance'")
	if err := shell.Close(); err != nil { // or the log would stay
		t.Fatal(err)
	}
	if err := store.End(t.Context(), first.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err == nil {
		_, err = zipped.Write(file)
	}
	if err == nil {
		err = zipped.Close()
	}
	if err == nil {
		err = os.WriteFile(goldenFile, compressed.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
