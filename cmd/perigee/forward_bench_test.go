package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"perigee"
	"perigee/storage/influx"
	"perigee/storage/influx/influxtest"
	"perigee/storage/storagetest"
)

// benchWindows is the backlog of BenchmarkDrain: a day of four links.
const benchWindows = 34_560

// backlog makes a store that holds the windows of a day and forwarded none.
func backlogOf(b *testing.B, n int) []perigee.Sample {
	g := storagetest.NewGenerator(3)
	streams := []perigee.Stream{storagetest.Stream("fibre", "far"), storagetest.Stream("starlink", "far"), storagetest.Stream("leo", "far"), storagetest.Stream("geo", "far")}
	return g.Samples(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), n/len(streams), streams...)
}

// BenchmarkDrain forwards a day's backlog of four links to a real server, and has the
// bare client write the same points, with the same fields, in the same batches with its
// blocking writes, to the same server. The ratio of their rates is ours to the client's:
// above 1 is faster than the client alone.
func BenchmarkDrain(b *testing.B) {
	server := influxtest.Start(b)
	samples := backlogOf(b, benchWindows)
	for b.Loop() {
		// What both write, as points of the client.
		bucket := server.Bucket(b)
		points := pointsOf(b, samples)
		client := influxdb2.NewClientWithOptions(server.URL, server.Token, influxdb2.DefaultOptions().SetUseGZip(true).SetLogLevel(0))
		bare := client.WriteAPIBlocking("", bucket)
		begin := time.Now()
		for chunk := range slices.Chunk(points, 1000) {
			if err := bare.WritePoint(b.Context(), chunk...); err != nil {
				b.Fatal(err)
			}
		}
		theirs := time.Since(begin)
		client.Close()

		ours := server.Bucket(b)
		store := openStore(b)
		for chunk := range slices.Chunk(samples, 2000) {
			if err := store.Append(b.Context(), perigee.Batch{Samples: chunk}); err != nil {
				b.Fatal(err)
			}
		}
		f := newTestForwarding(b, store, server.URL, ours, server.Token, 0)
		begin = time.Now()
		stop := f.start(b)
		f.drain(b)
		took := time.Since(begin)
		stop()
		if got, want := windowsAt(b, server, ours), windowsAt(b, server, bucket); !maps.Equal(got, want) || len(got) != benchWindows {
			b.Fatalf("the two wrote different things: %d and %d windows", len(got), len(want))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(theirs)/float64(took), "drain/bare-client-rate")
		b.ReportMetric(benchWindows/took.Seconds(), "windows/s")
	}
}

// pointsOf returns the points that samples become, as the bare client's user would make
// them: tags and fields apart.
func pointsOf(b *testing.B, samples []perigee.Sample) []*write.Point {
	var lines strings.Builder
	all := func(yield func(perigee.Sample, error) bool) {
		for _, s := range samples {
			if !yield(s, nil) {
				return
			}
		}
	}
	if err := influx.WriteLineProtocol(&lines, all, func(string, perigee.LinkID) perigee.Orbit { return "" }); err != nil {
		b.Fatal(err)
	}
	var points []*write.Point
	for line := range strings.Lines(lines.String()) {
		head, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields, stamp, _ := strings.Cut(rest, " ")
		var ns int64
		if _, err := fmt.Sscan(stamp, &ns); err != nil {
			b.Fatal(err)
		}
		name, tags, _ := strings.Cut(head, ",")
		p := write.NewPointWithMeasurement(name).SetTime(time.Unix(0, ns))
		for tag := range strings.SplitSeq(tags, ",") {
			k, v, _ := strings.Cut(tag, "=")
			p.AddTag(k, v)
		}
		for field := range strings.SplitSeq(fields, ",") {
			k, v, _ := strings.Cut(field, "=")
			switch {
			case strings.HasPrefix(v, `"`):
				p.AddField(k, strings.Trim(v, `"`))
			case strings.HasSuffix(v, "i"):
				var n int64
				if _, err := fmt.Sscan(strings.TrimSuffix(v, "i"), &n); err != nil {
					b.Fatal(err)
				}
				p.AddField(k, n)
			default:
				var x float64
				if _, err := fmt.Sscan(v, &x); err != nil {
					b.Fatal(err)
				}
				p.AddField(k, x)
			}
		}
		points = append(points, p)
	}
	return points
}

// BenchmarkDatabaseAway writes one point a second for 210 s while the database is away
// for the first 60, once by the bare client's asynchronous writes and once by the store
// and the outbox, and reports how many of each are in the database in the end.
func BenchmarkDatabaseAway(b *testing.B) {
	const away, whole = 60, 210
	server := influxtest.Start(b)
	for b.Loop() {
		bucket, ours := server.Bucket(b), server.Bucket(b)
		proxy := newFaultProxy(b, server.URL)
		proxy.set(refuses)
		client := influxdb2.NewClientWithOptions(proxy.URL, server.Token, influxdb2.DefaultOptions().SetLogLevel(0))
		bare := client.WriteAPI("", bucket)
		var failures atomic.Int64
		errs := bare.Errors()
		go func() {
			for range errs {
				failures.Add(1)
			}
		}()
		store := openStore(b)
		f := newTestForwarding(b, store, proxy.URL, ours, server.Token, 0)
		stop := f.start(b)
		g := storagetest.NewGenerator(4)
		g.Window, g.Interval = time.Second, 200*time.Millisecond
		stream := storagetest.Stream("leo", "far")
		second := time.NewTicker(time.Second)
		for i := range whole {
			now := <-second.C
			if i == away {
				proxy.set(noFault)
			}
			bare.WritePoint(write.NewPoint("rtt", map[string]string{"site": "home", "link": "leo", "target": "far"}, map[string]any{"planned": 5}, now))
			if err := store.Append(b.Context(), perigee.Batch{Samples: []perigee.Sample{g.Sample(stream, now.Truncate(time.Millisecond))}}); err != nil {
				b.Fatal(err)
			}
			f.outbox.Wake()
		}
		second.Stop()
		bare.Flush()
		client.Close()
		f.drain(b)
		stop()
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(whole-len(windowsAt(b, server, bucket))), "bare-client-lost/210")
		b.ReportMetric(float64(whole-len(windowsAt(b, server, ours))), "perigee-lost/210")
	}
}

// BenchmarkWeeksAway drains a backlog of 30 days of four links while a fifth goes on
// measuring ten windows a second, the server is killed with -9 every few seconds, and
// reports how many windows are not in the database in the end.
func BenchmarkWeeksAway(b *testing.B) {
	const days = 30
	server := influxtest.Start(b)
	for b.Loop() {
		bucket := server.Bucket(b)
		store := openStore(b)
		g := storagetest.NewGenerator(5)
		g.Interval = 5 * time.Second
		links := []perigee.Stream{storagetest.Stream("fibre", "far"), storagetest.Stream("starlink", "far"), storagetest.Stream("leo", "far"), storagetest.Stream("geo", "far")}
		begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
		for day := range days {
			samples := g.Samples(begin.AddDate(0, 0, day), 8640, links...)
			for chunk := range slices.Chunk(samples, 4320) {
				if err := store.Append(b.Context(), perigee.Batch{Samples: chunk}); err != nil {
					b.Fatal(err)
				}
			}
		}
		f := newTestForwarding(b, store, server.URL, bucket, server.Token, 5*time.Second)
		stop := f.start(b)
		started := time.Now()
		producing, enough := context.WithCancel(b.Context())
		produced := make(chan error, 1)
		go func() { produced <- produce(producing, f) }()
		rng := rand.New(rand.NewPCG(8, 8))
		kills, lag := 0, time.Duration(0)
		for {
			wait := time.NewTimer(3*time.Second + time.Duration(rng.Int64N(int64(6*time.Second))))
			<-wait.C
			status := f.outbox.Status()
			if status.Pending < 1000 {
				break
			}
			lag = max(lag, time.Since(newestOf(b, server, bucket)))
			server.Kill()
			server.Restart(b)
			f.outbox.Retry()
			kills++
		}
		enough()
		if err := <-produced; err != nil {
			b.Fatal(err)
		}
		f.drain(b)
		took := time.Since(started)
		stop()
		got, want := windowsAt(b, server, bucket), windowsIn(b, store)
		sameWindows(b, got, want)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(len(want)-len(got)), "lost")
		b.ReportMetric(float64(len(want)), "windows")
		b.ReportMetric(float64(kills), "kills")
		b.ReportMetric(float64(len(want))/took.Seconds(), "windows/s")
		b.ReportMetric(lag.Seconds(), "live-lag-s")
	}
}

// produce stores ten windows a second until ctx ends.
func produce(ctx context.Context, f *forwarding) error {
	g := storagetest.NewGenerator(6)
	g.Window, g.Interval = 100*time.Millisecond, 50*time.Millisecond
	tick := time.NewTicker(g.Window)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			sample := g.Sample(storagetest.Stream("live", "far"), now.Truncate(time.Millisecond))
			if err := f.store.Append(context.WithoutCancel(ctx), perigee.Batch{Samples: []perigee.Sample{sample}}); err != nil {
				return err
			}
			f.outbox.Wake()
		}
	}
}

// newestOf returns the start of the newest window of link live in the database; the
// time of asking if there is none.
func newestOf(b *testing.B, server *influxtest.Server, bucket string) time.Time {
	newest := time.Now()
	var last int64
	for m := range windowsAtLink(b, server, bucket, "live") {
		last = max(last, m.start)
	}
	if last > 0 {
		newest = time.Unix(0, last)
	}
	return newest
}
