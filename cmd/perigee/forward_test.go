package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// A mark names one window at the database, or in a store.
type mark struct {
	site, link, target, load string
	start                    int64 // nanoseconds since the Unix epoch
}

// The windows that a database holds, and what they planned, read in InfluxQL, which
// perigee itself does not use.
func windowsAt(t testing.TB, server *influxtest.Server, bucket string) map[mark]int64 {
	t.Helper()
	return windowsWhere(t, server, bucket, "")
}

// windowsAtLink is windowsAt of one link alone.
func windowsAtLink(t testing.TB, server *influxtest.Server, bucket, link string) map[mark]int64 {
	t.Helper()
	return windowsWhere(t, server, bucket, ` WHERE "link" = '`+link+`'`)
}

func windowsWhere(t testing.TB, server *influxtest.Server, bucket, where string) map[mark]int64 {
	t.Helper()
	db, policy, _ := strings.Cut(bucket, "/")
	query := url.Values{"db": {db}, "rp": {policy}, "epoch": {"ns"}, "chunked": {"true"}, "q": {`SELECT "planned" FROM "rtt"` + where + ` GROUP BY "site", "link", "target", "load"`}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/query?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := strings.Cut(server.Token, ":")
	request.SetBasicAuth(user, password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	found := map[mark]int64{}
	decoder := json.NewDecoder(response.Body)
	for {
		var answer struct {
			Error   string
			Results []struct {
				Error  string
				Series []struct {
					Tags   map[string]string
					Values [][]json.Number
				}
			}
		}
		if err := decoder.Decode(&answer); err == io.EOF {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if answer.Error != "" {
			t.Fatal(answer.Error)
		}
		for _, result := range answer.Results {
			if result.Error != "" {
				t.Fatal(result.Error)
			}
			for _, series := range result.Series {
				for _, row := range series.Values {
					start, err := row[0].Int64()
					if err != nil {
						t.Fatal(err)
					}
					planned, err := row[1].Float64() // the whole number that it is, but for poison
					if err != nil {
						t.Fatal(err)
					}
					m := mark{series.Tags["site"], series.Tags["link"], series.Tags["target"], series.Tags["load"], start}
					if _, twice := found[m]; twice {
						t.Errorf("%+v is there twice", m)
					}
					found[m] = int64(planned)
				}
			}
		}
	}
}

// windowsIn returns the windows that a store holds, and what they planned.
func windowsIn(t testing.TB, store perigee.Store) map[mark]int64 {
	t.Helper()
	found := map[mark]int64{}
	for s, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		found[mark{s.Stream.Site, string(s.Stream.Link), string(s.Stream.Target), string(s.Stream.Load), s.Start.UnixNano()}] = s.Counts.Planned
	}
	return found
}

// sameWindows fails t unless both hold the same windows with the same counts.
func sameWindows(t testing.TB, database, store map[mark]int64) {
	t.Helper()
	if maps.Equal(database, store) {
		return
	}
	missing, wrong := 0, 0
	for m, planned := range store {
		if got, ok := database[m]; !ok {
			missing++
		} else if got != planned {
			wrong++
		}
	}
	t.Errorf("the database has %d windows, the store %d: %d are missing, %d differ", len(database), len(store), missing, wrong)
}

// newTestForwarding forwards store to a bucket at url.
func newTestForwarding(t testing.TB, store *sqlite.Store, address, bucket, token string, patience time.Duration) *forwarding {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := newForwarding(t.Context(), store, forwardOptions{
		db:  config.InfluxDB{URL: address, Bucket: bucket, TokenFile: file},
		now: time.Now, timeout: patience, log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// start runs f until the returned function is called, or the test ends.
func (f *forwarding) start(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// drain waits until f's store has nothing left to forward. The outbox is told to try at
// once: how long it would have waited is another test's.
func (f *forwarding) drain(t testing.TB) {
	t.Helper()
	within(t, "all to be forwarded", func() bool {
		pending, _, _, err := f.store.Pending(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if f.outbox.Status().NextTry != (time.Time{}) {
			f.outbox.Retry()
		}
		return pending == 0
	})
}

// openStore opens a new store in a directory of the test's own.
func openStore(t testing.TB) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), storeFile(t.TempDir()), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// TestForwardingSurvivesEveryFault stores ten windows a second for a while, while what
// stands before the database does all that it can do wrong, one after the other.
func TestForwardingSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	server := influxtest.Start(t, influxtest.NoFlux())
	bucket := server.Bucket(t)
	proxy := newFaultProxy(t, server.URL)
	store := openStore(t)
	f := newTestForwarding(t, store, proxy.URL, bucket, server.Token, 2*time.Second)
	f.start(t)

	g := storagetest.NewGenerator(1)
	g.Window, g.Interval = 100*time.Millisecond, 50*time.Millisecond
	begin := time.Now().Truncate(time.Second).Add(-time.Hour)
	stream := storagetest.Stream("leo", "far")
	stored := 0
	// produce stores n windows and tells how the outbox hears of them.
	produce := func(n int) {
		for range n {
			sample := g.Sample(stream, begin.Add(time.Duration(stored)*g.Window))
			if err := store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{sample}}); err != nil {
				t.Fatal(err)
			}
			f.outbox.Wake()
			stored++
		}
	}
	for _, fault := range slices.Sorted(maps.Keys(faultNames)) {
		t.Run(faultNames[fault], func(t *testing.T) {
			proxy.set(fault)
			met := proxy.faults.Load()
			within(t, "the fault to be met three times", func() bool {
				produce(10)
				f.outbox.Retry()
				return proxy.faults.Load() >= met+3
			})
		})
	}
	proxy.set(noFault)
	f.drain(t)
	got := windowsAt(t, server, bucket)
	if len(got) != stored {
		t.Errorf("%d windows were stored, the database has %d", stored, len(got))
	}
	sameWindows(t, got, windowsIn(t, store))
	t.Logf("%d windows, %d calls, %d faults, %d calls answered with success by the server", stored, proxy.calls.Load(), proxy.faults.Load(), proxy.passed.Load())
}

// TestDatabaseAway stores ten windows for each second that the database is away, ours
// ended and begun anew in the middle: what was measured is there in the end, once.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	for name, seconds := range map[string]int{"60 s": 60, "10 min": 600} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := influxtest.Start(t, influxtest.NoFlux())
			bucket := server.Bucket(t)
			store := openStore(t)
			g := storagetest.NewGenerator(3)
			g.Window, g.Interval = 100*time.Millisecond, 50*time.Millisecond
			begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			stream := storagetest.Stream("geo", "far")
			stored := 0
			second := func(f *forwarding) {
				b := perigee.Batch{}
				for range 10 {
					b.Samples = append(b.Samples, g.Sample(stream, begin.Add(time.Duration(stored)*g.Window)))
					stored++
				}
				if err := store.Append(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				f.outbox.Wake()
			}
			f := newTestForwarding(t, store, server.URL, bucket, server.Token, 2*time.Second)
			stop := f.start(t)
			within(t, "windows to be forwarded", func() bool { second(f); return f.outbox.Status().Sent > 100 })
			server.Kill() // in the middle of writes
			for n := range seconds {
				if n == seconds/2 {
					stop()
					f = newTestForwarding(t, store, server.URL, bucket, server.Token, 2*time.Second)
					f.start(t)
				}
				second(f)
			}
			within(t, "the database to be missed", func() bool { return f.outbox.Status().Problem.Reason != "" })
			server.Restart(t)
			for range 10 {
				second(f)
			}
			f.drain(t)
			got := windowsAt(t, server, bucket)
			if len(got) != stored {
				t.Errorf("%d windows were measured, the database has %d", stored, len(got))
			}
			sameWindows(t, got, windowsIn(t, store))
		})
	}
}

// TestOnePoisonedWindowAmongTenThousand has the database refuse one window for ever: in
// the week it was measured in, a field of its measurement has another type. They are two
// thousand under the race detector.
func TestOnePoisonedWindowAmongTenThousand(t *testing.T) {
	t.Parallel()
	server := influxtest.Start(t, influxtest.NoFlux())
	bucket := server.Bucket(t)
	n := 10_000
	if raced {
		n = 2_000
	}
	g := storagetest.NewGenerator(2)
	g.Interval = 2 * time.Second
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	samples := g.Samples(begin, n/2, storagetest.Stream("leo", "far"), storagetest.Stream("geo", "far"))
	poisoned := rand.New(rand.NewPCG(1, 1)).IntN(n)
	samples[poisoned].Start = begin.AddDate(-1, 0, 0)
	writeLine(t, server, bucket, fmt.Sprintf("rtt,site=other planned=0.5 %d", samples[poisoned].Start.Add(time.Second).UnixNano()))

	store := openStore(t)
	for chunk := range slices.Chunk(samples, 500) {
		if err := store.Append(t.Context(), perigee.Batch{Samples: chunk}); err != nil {
			t.Fatal(err)
		}
	}
	f := newTestForwarding(t, store, server.URL, bucket, server.Token, 0)
	stop := f.start(t)
	f.drain(t)
	count := func() int {
		got := windowsAt(t, server, bucket)
		delete(got, mark{site: "other", start: samples[poisoned].Start.Add(time.Second).UnixNano()})
		return len(got)
	}
	if got := count(); got != n-1 {
		t.Errorf("%d windows arrived, want %d", got, n-1)
	}
	letters, err := store.DeadLetters(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(letters) != 1 || !letters[0].Time.Equal(samples[poisoned].Start) || !strings.Contains(letters[0].Reason, "type") {
		t.Fatalf("dead letters: %+v; want the poisoned window, with the server's words on its field's type", letters)
	}
	t.Logf("reason: %s; %d writes", letters[0].Reason, f.outbox.Status().Writes)

	// Once the cause is mended it can be sent again.
	server.Exec(t, fmt.Sprintf(`DROP SHARD %s`, shardOf(t, server, samples[poisoned].Start)))
	if resent, err := f.Resend(t.Context(), nil); err != nil || resent != 1 {
		t.Fatalf("Resend() = %d, %v, want 1", resent, err)
	}
	f.drain(t)
	stop()
	sameWindows(t, windowsAt(t, server, bucket), windowsIn(t, store)) // the poison went with its shard
	if _, _, dead, err := store.Pending(t.Context()); err != nil || dead != 0 {
		t.Errorf("%d dead letters, %v; want none", dead, err)
	}
}

// writeLine writes one line of line protocol.
func writeLine(t testing.TB, server *influxtest.Server, bucket, line string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/v2/write?precision=ns&bucket="+url.QueryEscape(bucket), strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+server.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("write %q: %s %s", line, response.Status, body)
	}
}

// shardOf returns the number of the shard that holds a time.
func shardOf(t testing.TB, server *influxtest.Server, at time.Time) string {
	t.Helper()
	var answer struct {
		Results []struct {
			Series []struct {
				Columns []string
				Values  [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(server.Exec(t, "SHOW SHARDS")), &answer); err != nil {
		t.Fatal(err)
	}
	for _, result := range answer.Results {
		for _, series := range result.Series {
			column := func(name string) int { return slices.Index(series.Columns, name) }
			for _, row := range series.Values {
				from, err1 := time.Parse(time.RFC3339, fmt.Sprint(row[column("start_time")]))
				to, err2 := time.Parse(time.RFC3339, fmt.Sprint(row[column("end_time")]))
				if err1 == nil && err2 == nil && !at.Before(from) && at.Before(to) {
					return fmt.Sprint(row[column("id")])
				}
			}
		}
	}
	t.Fatalf("no shard holds %s", at)
	return ""
}
