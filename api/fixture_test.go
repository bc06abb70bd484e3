package api

import (
	"bytes"
	"flag"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	// now is 10 minutes and 12 seconds after the first sample, 12 after the last.
	now = epoch.Add(10*time.Minute + 12*time.Second)
)

// hostile is a link name that a careless page or path would choke on.
const hostile = `<script>alert(1)</script>/ü 100%`

func stream(link perigee.LinkID) perigee.Stream {
	return perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
}

// newSample returns a window of ten probes, one a second. rtt is asked for each:
// nothing below 0 was lost.
func newSample(s perigee.Stream, start time.Time, rtt func() float64) perigee.Sample {
	sample := perigee.Sample{
		Stream: s, Start: start, Length: 10 * time.Second, Interval: time.Second, LossTimeout: 3 * time.Second,
		Proof: perigee.Proof{InterfaceIndex: 3, InterfaceName: "wan0", Local: netip.MustParseAddr("192.0.2.2"), Remote: netip.MustParseAddr("198.51.100.7")},
	}
	var variation stats.Variation
	for i := range 10 {
		v := rtt()
		singleton := perigee.Singleton{Seq: perigee.Seq(i), At: time.Duration(i) * time.Second, Outcome: perigee.Lost}
		if v >= 0 {
			singleton.Outcome, singleton.RTT = perigee.Received, time.Duration(v*1e9)
			sample.RTT.Add(v)
			variation.Arrived(v)
		} else {
			variation.Missed()
		}
		sample.Counts.Add(singleton)
		sample.Singletons = append(sample.Singletons, singleton)
		sample.LossRuns.Add(v < 0, 1)
	}
	sample.Variation = variation.Cut()
	return sample
}

// newStore returns a store with ten minutes of three links: fibre at 10 ms, geo at
// 600 ms and a link with a hostile name that was never measured; fibre lost all of its
// fourth minute, and the monitor was stopped for the seventh.
func newStore(t testing.TB) *storagetest.Memory {
	t.Helper()
	store := storagetest.NewMemory()
	ctx := t.Context()
	site := perigee.Site{Name: "home", Latitude: -35.28, Longitude: 149.13, Located: true}
	links := []perigee.Link{
		{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Mark: 16},
		{ID: "geo", Orbit: perigee.OrbitGEO, Source: netip.MustParseAddr("192.0.2.10"), SatelliteLongitude: 140.1, SatelliteKnown: true, Plan: perigee.Plan{Down: 25e6, Availability: 0.995}},
		{ID: hostile, Orbit: perigee.OrbitStarlink, Interface: "wan1"},
	}
	if err := store.Describe(ctx, site, links); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var batch perigee.Batch
	for window := range 60 {
		start := epoch.Add(time.Duration(window) * 10 * time.Second)
		minute := window / 6
		if minute == 6 {
			continue
		}
		batch.Samples = append(batch.Samples,
			newSample(stream("fibre"), start, func() float64 {
				if minute == 3 {
					return -1
				}
				return roundTrip(random, 0.010, 0.002)
			}),
			newSample(stream("geo"), start, func() float64 { return roundTrip(random, 0.600, 0.030) }))
	}
	batch.Outages = []perigee.Outage{{
		Stream: stream("fibre"), Start: epoch.Add(3 * time.Minute), End: epoch.Add(4 * time.Minute), Probes: 60, Reason: "no replies",
	}}
	batch.Gaps = []perigee.Gap{{
		Site: "home", Start: epoch.Add(6 * time.Minute), End: epoch.Add(7 * time.Minute), Reason: perigee.GapStopped, Detail: "stopped and started again",
	}}
	batch.Throughputs = newThroughputs()
	batch.Events = []perigee.Event{
		{Site: "home", Time: epoch.Add(-time.Hour), Kind: perigee.EventStarted, Detail: makerOne.Detail()},
		{Site: "home", Time: epoch.Add(2 * time.Minute), Kind: perigee.EventReloaded, Detail: makerTwo.Detail()},
		{Site: "home", Time: epoch.Add(6 * time.Minute), Kind: perigee.EventStopped, Detail: makerTwo.Detail()},
		{Site: "home", Time: epoch.Add(7 * time.Minute), Kind: perigee.EventStarted, Detail: makerTwo.Detail()},
	}
	if err := store.Append(ctx, batch); err != nil {
		t.Fatal(err)
	}
	return store
}

// What measured into the store of newStore: the second from its third minute on.
var (
	makerOne = perigee.Maker{Version: "v1.0.0", Configuration: "0123456789abcdef", Instance: "0a1b2c3d", Methods: "icmp", Probing: "icmp every 1s with 56 bytes"}
	makerTwo = perigee.Maker{Version: "v1.0.0", Configuration: "fedcba9876543210", Instance: "0a1b2c3d", Methods: "icmp perigee", Probing: "icmp every 1s with 56 bytes; transfers perigee"}
)

// newThroughputs are a transfer down the stationary link, over whose proxy TCP connects
// at once, and one up the fibre to a public server, which broke.
func newThroughputs() []perigee.Throughput {
	geo, fibre := stream("geo"), stream("fibre")
	geo.Method, geo.Load = perigee.MethodTransfer, perigee.LoadDown
	fibre.Method, fibre.Load, fibre.Target = perigee.MethodOokla, perigee.LoadUp, "Sydney"
	return []perigee.Throughput{{
		Stream: geo, Start: epoch.Add(2 * time.Minute), Length: 2500 * time.Millisecond, Server: "far.example.net:4862", Streams: 1, Congestion: "bbr",
		Stop: perigee.StoppedAtPrecision, ReceiverCounted: true, Rate: 40e6, Steady: true, Error: 0.04, Confidence: 0.95,
		Rate5: 39e6, Rate50: 40e6, Rate95: 41e6, RateSeconds: 1, WholeRate: 33.6e6, Ramp: time.Second,
		Bytes: 10_500_000, WireBytes: 11_200_000, Retransmitted: 14_480,
		Connect: perigee.Connect{TCP: 25 * time.Millisecond, TLS: 1250 * time.Millisecond, FirstByte: 640 * time.Millisecond},
		Idle:    perigee.Latency{Sent: 50, Received: 50, Min: 0.6, P50: 0.618, P95: 0.69, P99: 0.72, Mean: 0.629},
		Loaded:  perigee.Latency{Sent: 12, Received: 11, Min: 0.61, P50: 0.918, P95: 1.4, P99: 1.5, Mean: 1},

		SeriesStep: time.Second, Series: []int64{3_000_000, 5_000_000, 2_500_000},
		TCP: []perigee.TCPState{{At: time.Second, RTT: 31 * time.Millisecond, MinRTT: 24 * time.Millisecond, Window: 1_448_000, Retransmitted: 14_480, DeliveryRate: 39.5e6}},

		ByArrival: true,
		TCPReceiver: []perigee.TCPReceiverState{
			{At: time.Second, RTT: 700 * time.Millisecond, MinRTT: 601 * time.Millisecond, Space: 2_896_000, Received: 3_000_150, Segments: 2_080, OutOfOrder: 12},
			{At: 2 * time.Second, Space: 2_896_000, Received: 8_000_150, Segments: -1, OutOfOrder: -1},
		},
	}, {
		Stream: fibre, Start: epoch.Add(5 * time.Minute), Length: 700 * time.Millisecond, Server: "Sydney, 12345", Streams: 4, Stop: perigee.StoppedByFailure,
		Rate: 8e6, Error: -1, WholeRate: 8e6, Bytes: 700_000, Retransmitted: -1, Loaded: perigee.Latency{Sent: 3},
	}}
}

// roundTrip draws base plus an exponential queue, rounded to the microsecond so that
// goldens do not hang on the last bit of a platform's logarithm.
func roundTrip(random *rand.Rand, base, queue float64) float64 {
	return math.Round((base+queue*random.ExpFloat64())*1e6) / 1e6
}

func testOptions(t testing.TB) Options {
	return Options{Store: newStore(t), Version: "test", Now: func() time.Time { return now }}
}

// ask answers a request without a network.
func ask(t *testing.T, handler http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w
}

// golden compares got with testdata/name, or rewrites it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: answer differs (run with -update and review the difference)\ngot  %s\nwant %s", path, got, want)
	}
}

// safeBuffer is a buffer that a server writes while a test reads.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
