package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

var benchStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// fourStreams are the streams of four links at 5 probes/s.
var fourStreams = []perigee.Stream{
	storagetest.Stream("fibre", "x"), storagetest.Stream("geo", "x"), storagetest.Stream("leo", "x"), storagetest.Stream("starlink", "x"),
}

func fill(tb testing.TB, store *sqlite.Store, samples []perigee.Sample, batch int) {
	tb.Helper()
	for i := 0; i < len(samples); i += batch {
		if err := store.Append(tb.Context(), perigee.Batch{Samples: samples[i:min(i+batch, len(samples))]}); err != nil {
			tb.Fatal(err)
		}
	}
}

func benchOpen(b *testing.B) *sqlite.Store {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "perigee.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	return store
}

// BenchmarkAppend appends what four links yield every 10 s, each batch durable.
func BenchmarkAppend(b *testing.B) {
	store := benchOpen(b)
	g := storagetest.NewGenerator(1)
	batch := g.Samples(benchStart, 1, fourStreams...)
	b.ResetTimer()
	for i := range b.N {
		for j := range batch {
			batch[j].Start = benchStart.Add(time.Duration(i) * 10 * time.Second)
		}
		if err := store.Append(b.Context(), perigee.Batch{Samples: batch}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(batch)*b.N)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkReplay appends 1000 samples at a time, as an import does.
func BenchmarkReplay(b *testing.B) {
	store := benchOpen(b)
	samples := storagetest.NewGenerator(1).Samples(benchStart, 250, fourStreams...)
	b.ResetTimer()
	for i := range b.N {
		for j := range samples {
			samples[j].Start = benchStart.Add(time.Duration(i*250+j/4) * 10 * time.Second)
		}
		fill(b, store, samples, len(samples))
	}
	b.ReportMetric(float64(len(samples)*b.N)/b.Elapsed().Seconds(), "samples/s")
}

func benchRead(b *testing.B, query perigee.Query, raw bool) {
	store := benchOpen(b)
	fill(b, store, storagetest.NewGenerator(1).Samples(benchStart, 8640, fourStreams...), 4000)
	if err := store.Roll(b.Context(), benchStart.Add(48*time.Hour)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for range b.N {
		samples := store.Samples(b.Context(), query)
		if raw {
			samples = store.Singletons(b.Context(), query)
		}
		for _, err := range samples {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
}

// A day of four links: 34,560 windows.
func BenchmarkReadDay(b *testing.B)           { benchRead(b, perigee.Query{}, false) }
func BenchmarkReadDaySingletons(b *testing.B) { benchRead(b, perigee.Query{}, true) }
func BenchmarkReadHours(b *testing.B) {
	benchRead(b, perigee.Query{Resolution: perigee.Hours}, false)
}

// month fills a store with 30 days of four links, 1,036,800 windows.
func month(b *testing.B, store *sqlite.Store) {
	b.Helper()
	fill(b, store, storagetest.NewGenerator(1).Samples(benchStart, 8640, fourStreams...), 4000)
	db, err := sql.Open("sqlite", store.Path())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	// The same day again, by SQL, which is faster than the door.
	for n := range 29 {
		if _, err := db.ExecContext(b.Context(), fmt.Sprintf(`CREATE TEMP TABLE t AS SELECT * FROM windows WHERE start_ns < %d;
			UPDATE t SET id = NULL, start_ns = start_ns + %[2]d; INSERT INTO windows SELECT * FROM t; DROP TABLE t;
			INSERT INTO waiting SELECT stream, bucket_ns + %[2]d, windows FROM waiting WHERE bucket_ns < %[1]d`,
			benchStart.Add(24*time.Hour).UnixNano(), int64(n+1)*int64(24*time.Hour))); err != nil {
			b.Fatal(err)
		}
	}
}

// heap returns the bytes that the heap holds.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkReadMonth reads a month and reports the most that the heap held beyond what it
// held before.
func BenchmarkReadMonth(b *testing.B) {
	store := benchOpen(b)
	month(b, store)
	before, most, n := heap(), uint64(0), 0
	b.ResetTimer()
	for range b.N {
		for _, err := range store.Samples(b.Context(), perigee.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n%100_000 == 0 {
				most = max(most, heap())
			}
		}
	}
	if n != b.N*30*34_560 {
		b.Fatalf("read %d windows", n)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(most-min(before, most))/1e6, "MB/heap")
}

// BenchmarkDrainMonth hands out a month that waits and records it as forwarded, 1000
// windows at a time, now and then the newest, as an outbox does. It reports the most that
// the heap held beyond what it held before, and what Pending takes with all of it waiting.
func BenchmarkDrainMonth(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		store := benchOpen(b)
		month(b, store)
		asked := time.Now()
		if n, _, _, err := store.Pending(b.Context()); err != nil || n != 30*34_560 {
			b.Fatalf("%d pending, %v", n, err)
		}
		b.ReportMetric(float64(time.Since(asked).Microseconds())/1000, "ms/pending")
		before, most, n := heap(), uint64(0), 0
		b.StartTimer()
		for turn := 0; ; turn++ {
			hand := store.Oldest
			if turn%5 == 4 {
				hand = store.Newest
			}
			entries, err := hand(b.Context(), 1000)
			if err != nil {
				b.Fatal(err)
			}
			if len(entries) == 0 {
				break
			}
			if turn%100 == 0 {
				most = max(most, heap())
			}
			if err := store.Forwarded(b.Context(), entries); err != nil {
				b.Fatal(err)
			}
			n += len(entries)
		}
		if n != 30*34_560 {
			b.Fatalf("%d windows were handed out", n)
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "windows/s")
		b.ReportMetric(float64(most-min(before, most))/1e6, "MB/heap")
	}
}

// BenchmarkRollDay merges a day of four links anew.
func BenchmarkRollDay(b *testing.B) {
	samples := storagetest.NewGenerator(1).Samples(benchStart, 8640, fourStreams...)
	for b.Loop() {
		b.StopTimer()
		store := benchOpen(b)
		fill(b, store, samples, 4000)
		b.StartTimer()
		if err := store.Roll(b.Context(), benchStart.Add(48*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDisk reports what a day of four links at 5 probes/s takes on disk: its
// windows, hours and day, and beside them its singletons.
func BenchmarkDisk(b *testing.B) {
	for _, raw := range []bool{false, true} {
		name := "windows"
		if raw {
			name = "windows_and_singletons"
		}
		b.Run(name, func(b *testing.B) {
			samples := storagetest.NewGenerator(1).Samples(benchStart, 8640, fourStreams...)
			if !raw {
				for i := range samples {
					samples[i].Singletons = nil
				}
			}
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "perigee.db")
				store, err := sqlite.Open(b.Context(), path, sqlite.Options{})
				if err != nil {
					b.Fatal(err)
				}
				fill(b, store, samples, 400)
				if err := store.Roll(b.Context(), benchStart.Add(48*time.Hour)); err != nil {
					b.Fatal(err)
				}
				if err := store.Close(); err != nil { // writes the log into the file
					b.Fatal(err)
				}
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size())/1e6, "MB/day")
				b.ReportMetric(float64(info.Size())/float64(len(samples)), "B/window")
			}
		})
	}
}

// BenchmarkThroughputs reads a year of hourly transfers over one link in both
// directions, of 5 s with the sender's state at each 100 ms.
func BenchmarkThroughputs(b *testing.B) {
	store := benchOpen(b)
	g := storagetest.NewGenerator(1)
	const year = 365 * 24
	for day := range 365 {
		var batch perigee.Batch
		for hour := range 24 {
			start := benchStart.Add(time.Duration(day*24+hour) * time.Hour)
			batch.Throughputs = append(batch.Throughputs, g.Throughput(storagetest.Transfer("geo", perigee.LoadDown), start),
				g.Throughput(storagetest.Transfer("geo", perigee.LoadUp), start.Add(10*time.Second)))
		}
		if err := store.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	shell, err := sql.Open("sqlite", store.Path())
	if err != nil {
		b.Fatal(err)
	}
	defer shell.Close()
	var bytes float64
	if err := shell.QueryRowContext(b.Context(), "SELECT sum(pgsize) FROM dbstat WHERE name = 'throughputs'").Scan(&bytes); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		n := 0
		for _, err := range store.Throughputs(b.Context(), perigee.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 2*year {
			b.Fatalf("read %d, want %d", n, 2*year)
		}
	}
	b.ReportMetric(2*year*float64(b.N)/b.Elapsed().Seconds(), "throughputs/s")
	b.ReportMetric(bytes/(2*year), "bytes/throughput")
}
