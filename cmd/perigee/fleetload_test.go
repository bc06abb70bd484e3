package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/api"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
)

// TestTwoThousandHomes has 2,000 simulated homes of four links write to one real server
// for two minutes, while a stateless server before it is asked what people ask. The
// backlog must stay within three rounds of windows, and in the end every window must be
// there. How fast answers come is told, not judged.
func TestTwoThousandHomes(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes three minutes; set PERIGEE_LONG=1")
	}
	const homes = 2000
	server := influxtest.Start(t)
	bucket := server.Bucket(t)
	file := writeConfig(t, server.URL, bucket, server.Token)
	dir := t.TempDir()

	var words, out, served log
	fleet := program(t.Context(), "demo", fmt.Sprintf("--fleet=%d", homes), "--for=2m", "--store="+dir, "--forward="+file, "--listen=127.0.0.1:0", "--json")
	fleet.Stdout, fleet.Stderr = &out, &words
	if err := fleet.Start(); err != nil {
		t.Fatal(err)
	}
	fleetAt := addressIn(t, &words)
	ended := make(chan error, 1)
	go func() { ended <- fleet.Wait() }()
	rng := rand.New(rand.NewPCG(9, 9))
	took := map[string][]time.Duration{}
	ask := func(name, address string, v any) {
		begin := time.Now()
		response, err := http.Get(address)
		if err != nil {
			return // it has ended
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			var body bytes.Buffer
			_, _ = body.ReadFrom(response.Body)
			t.Errorf("%s: %s %s", address, response.Status, body.String())
			return
		}
		if err := json.NewDecoder(response.Body).Decode(v); err != nil {
			t.Errorf("%s: %v", address, err)
			return
		}
		took[name] = append(took[name], time.Since(begin))
	}
	var state api.OutboxResponse
	within(t, "every home's first windows to be forwarded", func() bool {
		ask("outbox", fleetAt+"api/v1/outbox", &state)
		return state.SentTotal >= 2*homes*4
	})
	serving := program(t.Context(), "serve", "--config="+file, "--listen=127.0.0.1:0")
	serving.Stderr = &served
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = serving.Process.Kill()
		_ = serving.Wait()
	}()
	serveAt := addressIn(t, &served)

	most := int64(0)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var err error
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-tick.C:
			ask("outbox", fleetAt+"api/v1/outbox", &state)
			most = max(most, state.Pending)
			home := fmt.Sprintf("home-%04d", 1+rng.IntN(homes))
			var any json.RawMessage
			ask("one home's links", serveAt+"api/v1/links?site="+home, &any)
			ask("one home's comparison", serveAt+"api/v1/compare?links=starlink,geo&metric=rtt&from=5m&site="+home, &any)
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, words.String())
	}
	var all []json.RawMessage
	ask("all links", serveAt+"api/v1/links", &all)
	if len(all) != homes*4 {
		t.Errorf("%d links, want %d", len(all), homes*4)
	}
	var made fleetJSON
	if err := json.Unmarshal([]byte(out.String()), &made); err != nil || *made.Pending != 0 || *made.Dead != 0 {
		t.Fatalf("%v: %s", err, out.String())
	}
	if limit := int64(3 * homes * 4); most > limit {
		t.Errorf("%d results waited at one time, want at most %d", most, limit)
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := windowsIn(t, store)
	sameWindows(t, windowsAt(t, server, bucket), want)
	if int64(len(want)) != made.Windows {
		t.Errorf("%d windows were made, %d are stored", made.Windows, len(want))
	}
	t.Logf("%d windows, %d waited at most", made.Windows, most)
	for name, times := range took {
		slices.Sort(times)
		t.Logf("%s: %d answers, median %v, p95 %v, slowest %v", name, len(times), times[len(times)/2], times[len(times)*95/100], times[len(times)-1])
	}
}

// addressIn waits until a program has said where it listens.
func addressIn(t testing.TB, words *log) string {
	t.Helper()
	address := ""
	within(t, "the program to listen", func() bool {
		_, rest, found := strings.Cut(words.String(), "API at ")
		line, _, whole := strings.Cut(rest, "\n")
		address = line
		return found && whole
	})
	return address
}
