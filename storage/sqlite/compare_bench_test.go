package sqlite_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/sqlite"
)

// yearStart is a Monday, and its time of day that of a UTC day.
var yearStart = time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)

const yearDays = 52 * 7

// yearly makes windows of four links: probes of each every interval, levels drawn anew
// every 15 s, and queues that are exponential.
type yearly struct {
	random   *rand.Rand
	interval time.Duration
	levels   []float64
}

func newYearly(interval time.Duration) *yearly {
	return &yearly{rand.New(rand.NewPCG(1, 7)), interval, make([]float64, len(fourStreams))}
}

var yearlyBases = []float64{0.012, 0.610, 0.080, 0.040}

func (y *yearly) window(link int, start time.Time, raw bool) perigee.Sample {
	s := perigee.Sample{Stream: fourStreams[link], Start: start, Length: 10 * time.Second, Interval: y.interval, LossTimeout: 3 * time.Second}
	var variation stats.Variation
	for at := time.Duration(0); at < s.Length; at += y.interval {
		if (start.Add(at).Unix()+18)%15 == 0 {
			y.levels[link] = 0.1 * yearlyBases[link] * y.random.NormFloat64()
		}
		one := perigee.Singleton{Seq: perigee.Seq(at / y.interval), At: at, Outcome: perigee.Lost}
		if y.random.Float64() > 0.003 {
			v := max(yearlyBases[link]+y.levels[link]+0.004*y.random.ExpFloat64(), yearlyBases[link]/2)
			one.Outcome, one.RTT = perigee.Received, time.Duration(v*1e9)
			s.RTT.Add(v)
			variation.Arrived(v)
		} else {
			variation.Missed()
		}
		s.Counts.Add(one)
		s.LossRuns.Add(one.Outcome != perigee.Received, y.interval.Seconds())
		if raw {
			s.Singletons = append(s.Singletons, one)
		}
	}
	s.Variation = variation.Cut()
	return s
}

// fillWeek stores a week of windows every so often; the first day with single probes if
// raw.
func (y *yearly) fillWeek(b *testing.B, store *sqlite.Store, every time.Duration, raw bool) {
	b.Helper()
	var batch []perigee.Sample
	for at := time.Duration(0); at < 7*24*time.Hour; at += every {
		for link := range fourStreams {
			batch = append(batch, y.window(link, yearStart.Add(at), raw && at < 24*time.Hour))
		}
		if len(batch) >= 4000 {
			fill(b, store, batch, len(batch))
			batch = batch[:0]
		}
	}
	fill(b, store, batch, 4000)
}

// repeatWeek stores the week's windows again and again until there is a year of them. By
// SQL, which is faster than the door.
func repeatWeek(b *testing.B, store *sqlite.Store) {
	b.Helper()
	db, err := sql.Open("sqlite", store.Path())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const week = int64(7 * 24 * time.Hour)
	for n := range yearDays/7 - 1 {
		if _, err := db.ExecContext(b.Context(), fmt.Sprintf(`CREATE TEMP TABLE t AS SELECT * FROM windows WHERE start_ns < %[1]d;
			UPDATE t SET id = NULL, start_ns = start_ns + %[2]d; INSERT INTO windows SELECT * FROM t; DROP TABLE t;
			INSERT INTO dirty (length_ns, bucket_ns, stream) SELECT length_ns, bucket_ns + %[2]d, stream FROM dirty WHERE bucket_ns < %[1]d`,
			yearStart.UnixNano()+week, int64(n+1)*week)); err != nil {
			b.Fatal(err)
		}
	}
}

// askYear compares the year of a store often and returns how long the answers took, in
// order, and the answer.
func askYear(b *testing.B, store perigee.Store, times int) ([]time.Duration, perigee.Comparison) {
	b.Helper()
	var took []time.Duration
	var c perigee.Comparison
	for range times {
		begin := time.Now()
		var err error
		if c, err = perigee.Compare(b.Context(), store, perigee.CompareQuery{From: yearStart, To: yearStart.Add(yearDays * 24 * time.Hour)}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
		if n := c.Pairs[0].Windows; n != yearDays {
			b.Fatalf("%d windows were compared, want the year's %d days", n, yearDays)
		}
	}
	slices.Sort(took)
	return took, c
}

// fromSingletons does with one day what a comparison does with its range, from every
// single probe: the medians and 95th percentiles of four links.
func fromSingletons(b *testing.B, store perigee.Store) time.Duration {
	b.Helper()
	begin := time.Now()
	values := map[perigee.LinkID][]float64{}
	for s, err := range store.Singletons(b.Context(), perigee.Query{From: yearStart, To: yearStart.Add(24 * time.Hour)}) {
		if err != nil {
			b.Fatal(err)
		}
		for _, one := range s.Singletons {
			if one.Outcome == perigee.Received {
				values[s.Stream.Link] = append(values[s.Stream.Link], one.RTT.Seconds())
			}
		}
	}
	for _, list := range values {
		slices.Sort(list)
	}
	if len(values) != len(fourStreams) {
		b.Fatalf("%d links", len(values))
	}
	return time.Since(begin)
}

// BenchmarkCompareYear compares four links over a year of 10 s windows, 12.6 million, and
// reports the 95th percentile of how long that takes, how often it would fit into the time
// that one day takes from every single probe, and what it holds in memory. It takes some
// ten minutes to begin.
func BenchmarkCompareYear(b *testing.B) {
	store := benchOpen(b)
	newYearly(time.Second).fillWeek(b, store, 10*time.Second, true)
	repeatWeek(b, store)
	if err := store.Roll(b.Context(), yearStart.Add((yearDays+1)*24*time.Hour)); err != nil {
		b.Fatal(err)
	}
	askYear(b, store, 1) // the file's pages
	raw := fromSingletons(b, store)
	for b.Loop() {
		before := heap()
		took, c := askYear(b, store, 100)
		held := heap()
		if c.Links[0].Sample.Counts.Planned != yearDays*86_400 || len(c.Pairs) != 6 || !c.Pairs[0].EnoughData {
			b.Fatalf("%+v", c.Links[0].Sample.Counts)
		}
		b.ReportMetric(took[94].Seconds()*1000, "ms/p95")
		b.ReportMetric(took[49].Seconds()*1000, "ms/median")
		b.ReportMetric(raw.Seconds()/took[49].Seconds(), "times-a-day-of-singletons")
		b.ReportMetric(float64(held-min(before, held))/1e6, "MB/kept")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkCompareYearByRate compares years that were probed at different rates, in
// windows every ten minutes, and reports what they take over that of one probe a second.
func BenchmarkCompareYearByRate(b *testing.B) {
	for b.Loop() {
		var slowest time.Duration
		for _, interval := range []time.Duration{time.Second, 200 * time.Millisecond, 40 * time.Millisecond} {
			store := benchOpen(b)
			newYearly(interval).fillWeek(b, store, 10*time.Minute, false)
			repeatWeek(b, store)
			if err := store.Roll(b.Context(), yearStart.Add((yearDays+1)*24*time.Hour)); err != nil {
				b.Fatal(err)
			}
			askYear(b, store, 1)
			took, _ := askYear(b, store, 40)
			if slowest == 0 {
				slowest = took[19]
			}
			b.ReportMetric(float64(took[19])/float64(slowest), fmt.Sprintf("of-1/s-at-%d/s", time.Second/interval))
		}
		b.ReportMetric(0, "ns/op")
	}
}
