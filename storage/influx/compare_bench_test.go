package influx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"perigee"
	"perigee/stats"
	"perigee/storage/influx"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// A month of four links in windows of 10 s, with a probe every 200 ms as is the default.
const (
	monthDays   = 30
	monthWindow = 10 * time.Second
	probeEvery  = 200 * time.Millisecond
	perHour     = int(time.Hour / monthWindow)
	perLink     = monthDays * 24 * perHour // windows
	perWindow   = int(monthWindow / probeEvery)
)

// bareDays is how many days of bare values the references answer from: all of them take
// a server of 1.8 more than ten minutes.
func bareDays() int {
	if os.Getenv("PERIGEE_LONG") != "" {
		return monthDays
	}
	return 3
}

var (
	monthFrom = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	monthTo   = monthFrom.AddDate(0, 0, monthDays)
)

// patience bounds every call of a benchmark.
const patience = 20 * time.Minute

// A benchLink is a link and the round-trip time of each of its probes.
type benchLink struct {
	id     perigee.LinkID
	orbit  perigee.Orbit
	rtt    []float64 // seconds, in order of time
	sorted []float64
	bare   []float64 // those that the references see, sorted
}

// window returns the round-trip times of the n-th window.
func (l *benchLink) window(n int) []float64 { return l.rtt[n*perWindow : (n+1)*perWindow] }

// benchLinks draws the month: a floor of each link's own, a level that is drawn anew
// every 15 s as satellites are assigned, queues that grow at night and are exponential,
// and in one of a hundred something worse.
func benchLinks() []*benchLink {
	var links []*benchLink
	for i, l := range []struct {
		id                         perigee.LinkID
		orbit                      perigee.Orbit
		floor, level, queue, worse float64 // ms
	}{
		{"fibre", perigee.OrbitTerrestrial, 8, 0, 0.6, 15},
		{"starlink", perigee.OrbitStarlink, 24, 18, 6, 90},
		{"leo", perigee.OrbitLEO, 55, 25, 9, 120},
		{"geo", perigee.OrbitGEO, 560, 0, 40, 700},
	} {
		r := rand.New(rand.NewPCG(20260301, uint64(i)))
		link := &benchLink{id: l.id, orbit: l.orbit, rtt: make([]float64, perLink*perWindow)}
		level := 0.0
		for n := range link.rtt {
			if n%int(15*time.Second/probeEvery) == 0 {
				level = r.Float64() * l.level
			}
			night := 1 + 0.5*math.Sin(2*math.Pi*float64(n)/float64(24*perHour*perWindow))
			ms := l.floor + level + r.ExpFloat64()*l.queue*night
			if r.IntN(100) == 0 {
				ms += r.ExpFloat64() * l.worse
			}
			link.rtt[n] = math.Round(ms*1e6) / 1e9 // whole nanoseconds, as clocks read
		}
		link.sorted = slices.Sorted(slices.Values(link.rtt))
		link.bare = slices.Sorted(slices.Values(link.rtt[:bareDays()*24*perHour*perWindow]))
		links = append(links, link)
	}
	return links
}

// quantile is the exact one, type 7 of Hyndman & Fan, as ours is defined.
func quantile(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	low := int(rank)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (rank-float64(low))*(sorted[high]-sorted[low])
}

// sample returns the n-th window.
func (l *benchLink) sample(n int, v *stats.Variation) perigee.Sample {
	s := perigee.Sample{
		Stream:      perigee.Stream{Site: "home", Link: l.id, Target: "anchor", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle},
		Start:       monthFrom.Add(time.Duration(n) * monthWindow),
		Length:      monthWindow,
		Interval:    probeEvery,
		LossTimeout: 3 * time.Second,
		Proof: perigee.Proof{InterfaceIndex: 3, InterfaceName: "wan0",
			Local: netip.AddrFrom4([4]byte{198, 18, 0, 1}), Remote: netip.AddrFrom4([4]byte{198, 18, 0, 2})},
		Counts: perigee.Counts{Planned: int64(perWindow), Sent: int64(perWindow), Received: int64(perWindow)},
	}
	for _, rtt := range l.window(n) {
		s.RTT.Add(rtt)
		v.Arrived(rtt)
		s.LossRuns.Add(false, probeEvery.Seconds())
	}
	s.Variation = v.Cut()
	return s
}

// database is where a benchmark writes: results as they are forwarded, and bare
// round-trip times.
type database struct {
	server     *influxtest.Server
	client     *influx.Client
	ours, bare string // buckets
}

func newDatabase(b *testing.B, options ...influxtest.Option) *database {
	b.Helper()
	s := influxtest.Start(b, options...)
	d := &database{server: s, ours: s.Bucket(b), bare: s.Bucket(b)}
	var err error
	if d.client, err = influx.Open(influx.Options{URL: s.URL, Bucket: d.ours, Token: s.Token, Instance: "0123abcd", Timeout: patience}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.client.Close() })
	return d
}

// writeMonth writes all of the links, each on a goroutine of its own.
func (d *database) writeMonth(b *testing.B, links []*benchLink) {
	b.Helper()
	var wait sync.WaitGroup
	for _, l := range links {
		wait.Go(func() {
			if err := d.writeLink(b.Context(), l); err != nil {
				b.Errorf("%s: %v", l.id, err)
			}
		})
	}
	wait.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// writeLink writes windows, the hours merged from them, their bare round-trip times, and
// that all of it was.
func (d *database) writeLink(ctx context.Context, l *benchLink) error {
	const hours = 2 // at once: 720 windows, 36,000 bare values
	var variation stats.Variation
	for first := 0; first < perLink; first += hours * perHour {
		var windows, rollups []perigee.Entry
		var lines []byte
		for hour := range hours {
			merged := &perigee.Sample{}
			for n := first + hour*perHour; n < first+(hour+1)*perHour; n++ {
				s := l.sample(n, &variation)
				merged.Merge(s)
				windows = append(windows, perigee.Entry{Kind: perigee.EntryWindow, Orbit: l.orbit, Sample: &s})
				if n >= bareDays()*24*perHour {
					continue
				}
				for i, rtt := range l.window(n) {
					lines = append(append(append(lines, "rtt_raw,link="...), l.id...), " rtt_seconds="...)
					lines = append(strconv.AppendFloat(lines, rtt, 'f', -1, 64), ' ')
					lines = append(strconv.AppendInt(lines, s.Start.Add(time.Duration(i)*probeEvery).UnixNano(), 10), '\n')
				}
			}
			rollups = append(rollups, perigee.Entry{Kind: perigee.EntryHour, Orbit: l.orbit, Sample: merged})
		}
		if err := d.client.Write(ctx, append(windows, rollups...)); err != nil {
			return err
		}
		if len(lines) > 0 {
			if err := d.writeLines(ctx, lines); err != nil {
				return err
			}
		}
	}
	return d.client.Write(ctx, []perigee.Entry{{Kind: perigee.EntryLink, Orbit: l.orbit, Link: &perigee.LinkState{
		LinkRecord: perigee.LinkRecord{Site: perigee.Site{Name: "home"}, Link: perigee.Link{ID: l.id, Orbit: l.orbit}, First: monthFrom, Last: monthTo},
		At:         monthTo, Rolled: monthTo,
	}}})
}

// writeLines writes bare round-trip times.
func (d *database) writeLines(ctx context.Context, lines []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.server.URL+"/api/v2/write?precision=ns&bucket="+url.QueryEscape(d.bare), bytes.NewReader(lines))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Token "+d.server.Token)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("write: %s", response.Status)
	}
	return nil
}

var asked = []float64{0.5, 0.95, 0.99}

// answer holds the quantiles of each link, in the order of asked.
type answer map[perigee.LinkID][]float64

// compare asks perigee how the links compare. Nothing is known beforehand.
func (d *database) compare(ctx context.Context, links []*benchLink) (answer, error) {
	q := perigee.CompareQuery{Metric: perigee.MetricRTT, From: monthFrom, To: monthTo}
	for _, l := range links {
		q.Links = append(q.Links, l.id)
	}
	c, err := perigee.Compare(ctx, d.client.Store(), q)
	if err != nil {
		return nil, err
	}
	if want := len(links) * (len(links) - 1) / 2; len(c.Pairs) != want {
		return nil, fmt.Errorf("%d pairs, want %d", len(c.Pairs), want)
	}
	for _, p := range c.Pairs {
		if !p.EnoughData || !p.MedianDifference.Bounded || p.Windows != monthDays*24 {
			return nil, fmt.Errorf("%s and %s are not compared by all hours: %+v", p.A, p.B, p)
		}
	}
	found := answer{}
	for _, s := range c.Links {
		if s.Sample.Counts.Received != int64(perLink*perWindow) {
			return nil, fmt.Errorf("%s: %d packets, want %d", s.Sample.Stream.Link, s.Sample.Counts.Received, perLink*perWindow)
		}
		for _, q := range asked {
			v, _ := s.Sample.RTT.Quantile(q)
			found[s.Sample.Stream.Link] = append(found[s.Sample.Stream.Link], v)
		}
	}
	return found, nil
}

// flux asks the database for the quantiles of all bare round-trip times by one of its
// methods, in one question.
func (d *database) flux(ctx context.Context, method string) (answer, error) {
	question := fmt.Sprintf("data = from(bucket: %q) |> range(start: %s, stop: %s) |> filter(fn: (r) => r._measurement == \"rtt_raw\" and r._field == \"rtt_seconds\")\n",
		d.bare, monthFrom.Format(time.RFC3339), monthTo.Format(time.RFC3339))
	for i, q := range asked {
		question += fmt.Sprintf("data |> quantile(q: %g, method: %q) |> yield(name: \"%d\")\n", q, method, i)
	}
	client := influxdb2.NewClientWithOptions(d.server.URL, d.server.Token, influxdb2.DefaultOptions().SetHTTPRequestTimeout(uint(patience.Seconds())))
	defer client.Close()
	result, err := client.QueryAPI("").Query(ctx, question)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	found := answer{}
	for result.Next() {
		r := result.Record()
		link, _ := r.ValueByKey("link").(string)
		value, isFloat := r.Value().(float64)
		i, err := strconv.Atoi(r.Result())
		if err != nil || !isFloat || i >= len(asked) {
			return nil, fmt.Errorf("answer not understood: %v", r)
		}
		if found[perigee.LinkID(link)] == nil {
			found[perigee.LinkID(link)] = make([]float64, len(asked))
		}
		found[perigee.LinkID(link)][i] = value
	}
	return found, result.Err()
}

// influxQL asks for the same in the elder language.
func (d *database) influxQL(b *testing.B) (answer, error) {
	var columns []string
	for _, q := range asked {
		columns = append(columns, fmt.Sprintf("percentile(rtt_seconds, %g)", 100*q))
	}
	database, policy, _ := strings.Cut(d.bare, "/")
	found := answer{}
	for _, series := range d.results(b, fmt.Sprintf(`SELECT %s FROM "%s"."%s".rtt_raw WHERE time >= %d AND time < %d GROUP BY link`,
		strings.Join(columns, ", "), database, policy, monthFrom.UnixNano(), monthTo.UnixNano())) {
		found[perigee.LinkID(series.Tags["link"])] = series.Values[0][1:] // after the time
	}
	return found, nil
}

// series is a part of an answer to InfluxQL whose values are numbers.
type series struct {
	Tags    map[string]string
	Columns []string
	Values  [][]float64
}

// results returns the answer to a statement of InfluxQL.
func (d *database) results(b *testing.B, statement string) []series {
	b.Helper()
	var parsed struct {
		Results []struct{ Series []series }
	}
	if err := json.Unmarshal([]byte(d.server.Exec(b, statement)), &parsed); err != nil || len(parsed.Results) != 1 {
		b.Fatalf("%s: answer not understood: %v", statement, err)
	}
	return parsed.Results[0].Series
}

// best returns the shortest time of n answers, all of which check accepts.
func best(b *testing.B, n int, ask func(context.Context) (answer, error), check func(*benchLink, float64, float64) error, links []*benchLink) time.Duration {
	b.Helper()
	shortest := time.Duration(math.MaxInt64)
	for range n {
		start := time.Now()
		found, err := ask(b.Context())
		took := time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		shortest = min(shortest, took)
		for _, l := range links {
			if len(found[l.id]) != len(asked) {
				b.Fatalf("%s: no answer", l.id)
			}
			for i, q := range asked {
				if err := check(l, q, found[l.id][i]); err != nil {
					b.Fatalf("%s: %g-quantile: %v", l.id, q, err)
				}
			}
		}
	}
	return shortest
}

// withinSketch accepts what a sketch may answer. Of the two order statistics that the
// exact quantile lies between, it answers each within its relative error, and both
// interpolate by the same weights: so the sum is within it too.
func withinSketch(l *benchLink, q, got float64) error {
	want := quantile(l.sorted, q)
	if difference := math.Abs(got-want) / want; !(difference <= stats.RelativeError+1e-9) {
		return fmt.Errorf("got %g s, exactly it is %g s: %.3f %% off", got, want, 100*difference)
	}
	return nil
}

// exactly accepts the exact quantile by either of two definitions: interpolated, or an
// order statistic next to rank q n.
func exactly(l *benchLink, q, got float64) error {
	want := quantile(l.bare, q)
	if math.Abs(got-want) <= 1e-12*want {
		return nil
	}
	rank := int(q * float64(len(l.bare)))
	if !slices.Contains(l.bare[rank-1:rank+2], got) {
		return fmt.Errorf("got %g s, exactly it is %g s", got, want)
	}
	return nil
}

// estimated accepts what a t-digest may answer.
func estimated(l *benchLink, q, got float64) error {
	want := quantile(l.bare, q)
	if difference := math.Abs(got-want) / want; !(difference <= 0.02) {
		return fmt.Errorf("got %g s, exactly it is %g s: %.3f %% off", got, want, 100*difference)
	}
	return nil
}

// BenchmarkCompareMonth compares four links over a month, 1,036,800 windows of 50 probes
// that a real database holds, all of them written as they are forwarded. The references
// are a lesser question about the same packets, as bare values: three quantiles of each
// link without any interval of confidence, answered by the methods of Flux and by
// InfluxQL. They are asked about three of the thirty days (all of them with PERIGEE_LONG),
// so that the ratio is at least ten times as good as it is shown. Every answer is held
// against the values that were drawn.
func BenchmarkCompareMonth(b *testing.B) {
	links := benchLinks()
	d := newDatabase(b)
	start := time.Now()
	d.writeMonth(b, links)
	b.Logf("%d windows were written in %s", len(links)*perLink, time.Since(start).Round(time.Second))
	for b.Loop() {
		ours := best(b, 3, func(ctx context.Context) (answer, error) { return d.compare(ctx, links) }, withinSketch, links)
		b.ReportMetric(ours.Seconds(), "s/perigee")
		for _, reference := range []struct {
			name string
			ask  func(context.Context) (answer, error)
		}{
			{"flux_default", func(ctx context.Context) (answer, error) { return d.flux(ctx, "estimate_tdigest") }},
			{"flux_exact_mean", func(ctx context.Context) (answer, error) { return d.flux(ctx, "exact_mean") }},
			{"flux_exact_selector", func(ctx context.Context) (answer, error) { return d.flux(ctx, "exact_selector") }},
			{"influxql", func(context.Context) (answer, error) { return d.influxQL(b) }},
		} {
			accepts := exactly
			if reference.name == "flux_default" {
				accepts = estimated
			}
			took := best(b, 2, reference.ask, accepts, links)
			b.ReportMetric(took.Seconds(), fmt.Sprintf("s/%s-%dd", reference.name, bareDays()))
			b.ReportMetric(took.Seconds()/ours.Seconds(), fmt.Sprintf("%s-%dd/perigee-%dd-time", reference.name, bareDays(), monthDays))
		}
	}
	b.ReportMetric(0, "ns/op") // of all of it, which says nothing
}

// BenchmarkReadWindows reads a day of one link, 8640 windows of 50 probes, from the files
// of a real database and from storage/sqlite. It also reports their size in those files.
func BenchmarkReadWindows(b *testing.B) {
	const windows = int(24 * time.Hour / monthWindow)
	stream := storagetest.Stream("fibre", "x")
	samples := storagetest.NewGenerator(1).Samples(monthFrom, windows, stream)
	var entries []perigee.Entry
	for i := range samples {
		samples[i].Singletons = nil
		entries = append(entries, perigee.Entry{Kind: perigee.EntryWindow, Orbit: perigee.OrbitLEO, Sample: &samples[i]})
	}
	d := newDatabase(b, influxtest.Setting("INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION", "1s"))
	for batch := range slices.Chunk(entries, 2000) {
		if err := d.client.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	size := d.settled(b)
	local, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "perigee.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer local.Close()
	for batch := range slices.Chunk(samples, 2000) {
		if err := local.Append(b.Context(), perigee.Batch{Samples: batch}); err != nil {
			b.Fatal(err)
		}
	}
	q := perigee.Query{Links: []perigee.LinkID{stream.Link}, From: monthFrom, To: monthFrom.AddDate(0, 0, 1)}
	read := func(store func() perigee.Store) float64 { // windows per second
		fastest := 0.0
		for range 5 {
			n, start := 0, time.Now()
			for s, err := range store().Samples(b.Context(), q) {
				if err != nil {
					b.Fatal(err)
				}
				if want := samples[n]; !s.Start.Equal(want.Start) || s.Counts != want.Counts || s.RTT.Mean != want.RTT.Mean {
					b.Fatalf("window %d at %s is not the one at %s", n, s.Start, want.Start)
				}
				n++
			}
			if n != windows {
				b.Fatalf("%d windows, want %d", n, windows)
			}
			fastest = max(fastest, float64(n)/time.Since(start).Seconds())
		}
		return fastest
	}
	for b.Loop() {
		remote := read(func() perigee.Store { return d.client.Store() })
		near := read(func() perigee.Store { return local })
		b.ReportMetric(remote, "windows/s")
		b.ReportMetric(near, "windows/s-sqlite")
		b.ReportMetric(near/remote, "influx/sqlite-time")
	}
	b.ReportMetric(float64(size)/float64(windows), "B/window")
	b.ReportMetric(0, "ns/op")
}

// settled waits until the server has moved all it was given from its log into its files,
// and returns the bytes that those of results take.
func (d *database) settled(b *testing.B) int64 {
	b.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		disk, log := d.statistic(b, "shard", "diskBytes"), d.statistic(b, "tsm1_wal", "currentSegmentDiskBytes", "oldSegmentsDiskBytes")
		if log == 0 && disk > 0 {
			return disk
		}
		<-tick.C
	}
	b.Fatalf("the server keeps results in its log after %s", patience)
	return 0
}

// statistic sums columns of what the server tells of all parts of the bucket of results.
func (d *database) statistic(b *testing.B, module string, columns ...string) (sum int64) {
	b.Helper()
	database, _, _ := strings.Cut(d.ours, "/")
	for _, series := range d.results(b, "SHOW STATS FOR '"+module+"'") {
		if series.Tags["database"] != database {
			continue
		}
		for i, name := range series.Columns {
			if slices.Contains(columns, name) {
				sum += int64(series.Values[0][i])
			}
		}
	}
	return sum
}
