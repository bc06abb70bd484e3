package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
)

// writeConfig writes a configuration that names a database, and returns its path.
func writeConfig(t testing.TB, address, bucket, token string) string {
	t.Helper()
	dir := t.TempDir()
	secret := filepath.Join(dir, "token")
	file := filepath.Join(dir, "perigee.yaml")
	for name, content := range map[string]string{
		secret: token + "\n",
		file:   fmt.Sprintf("storage:\n  influxdb: {url: %q, bucket: %q, token_file: %q}\napi: {listen: \"127.0.0.1:0\"}\n", address, bucket, secret),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// program prepares to run the whole program in a process of its own.
func program(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), beProgram+"=1")
	return c
}

// TestKilledWhileForwarding kills, at random moments, the database or the program that
// writes to it, and holds what is there in the end against what was stored.
func TestKilledWhileForwarding(t *testing.T) {
	t.Parallel()
	kills := 8
	if os.Getenv("PERIGEE_LONG") != "" {
		kills = 16
	}
	server := influxtest.Start(t, influxtest.NoFlux())
	bucket := server.Bucket(t)
	file := writeConfig(t, server.URL, bucket, server.Token)
	dir := t.TempDir()
	args := []string{"demo", "--fleet=25", "--window=1s", "--store=" + dir, "--forward=" + file, "--listen=127.0.0.1:0"}
	rng := rand.New(rand.NewPCG(7, 7))
	var words log
	killed := map[string]int{}
	begin := func() *exec.Cmd {
		c := program(t.Context(), args...)
		c.Stderr = &words
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	stored := int64(0)
	more := func(n int64) bool { // windows are stored than at the last time
		store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
		if err != nil {
			return false // not yet made
		}
		defer store.Close()
		state, err := store.State(t.Context())
		if err != nil || state.Windows < stored+n {
			return false
		}
		stored = state.Windows
		return true
	}
	ours := begin()
	for range kills {
		// However long it takes to begin, something comes of each life: 100 windows a second.
		within(t, "windows to be stored", func() bool { return more(50) })
		moment := time.NewTimer(time.Duration(rng.Int64N(int64(1200 * time.Millisecond))))
		<-moment.C
		if rng.IntN(2) == 0 {
			server.Kill()
			server.Restart(t)
			killed["database"]++
			continue
		}
		if err := ours.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = ours.Wait() // it was killed
		killed["perigee"]++
		ours = begin()
	}
	if err := ours.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = ours.Wait()

	// The last life ends only when all was forwarded.
	last := program(t.Context(), append(args, "--for=2s", "--json")...)
	var out bytes.Buffer
	last.Stdout, last.Stderr = &out, &words
	if err := last.Run(); err != nil {
		t.Fatalf("%v\n%s", err, words.String())
	}
	var result fleetJSON
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || result.Pending == nil || *result.Pending != 0 || *result.Dead != 0 {
		t.Fatalf("%v: %s", err, out.String())
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := windowsIn(t, store)
	if len(want) < 50*kills/4 {
		t.Errorf("only %d windows were stored: the test is too short", len(want))
	}
	sameWindows(t, windowsAt(t, server, bucket), want)
	t.Logf("%d windows; killed: %v", len(want), killed)
}

// TestFleetAndServe simulates homes that write to a database, and asks a stateless server
// before it. What they measured before is three hours, or one under the race detector.
func TestFleetAndServe(t *testing.T) {
	t.Parallel()
	server := influxtest.Start(t)
	bucket := server.Bucket(t)
	file := writeConfig(t, server.URL, bucket, server.Token)
	dir := t.TempDir()
	hours := 3
	if raced {
		hours = 1
	}
	stdout, stderr, status := perigeeRun(t, "demo", "--fleet=3", fmt.Sprintf("--history=%dh", hours), "--for=11s", "--store="+dir, "--forward="+file, "--listen=127.0.0.1:0", "--json")
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var made fleetJSON
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || made.Windows < int64(3*4*(hours*360-1)) {
		t.Fatalf("%v: %s", err, stdout)
	}

	ctx, cancel := context.WithCancel(t.Context())
	serving := program(ctx, "serve", "--config="+file, "--listen=127.0.0.1:0")
	var words log
	serving.Stderr = &words
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	defer serving.Wait()
	defer cancel()
	address := addressIn(t, &words)
	get := func(path string, v any) {
		t.Helper()
		response, err := http.Get(strings.TrimSuffix(address, "/") + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, response.Status)
		}
		if err := json.NewDecoder(response.Body).Decode(v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	var links []struct{ Site, Link string }
	get("/api/v1/links", &links)
	if len(links) != 12 {
		t.Errorf("%d links, want 12: %v", len(links), links)
	}
	var compared struct {
		Links []struct {
			Link   string
			Counts struct{ Planned int64 }
		}
		Pairs []struct{ Verdict string }
	}
	get("/api/v1/compare?site=home-0001&from=4h&metric=rtt&links=fibre,geo", &compared)
	if len(compared.Pairs) != 1 || !strings.Contains(compared.Pairs[0].Verdict, "fibre is lower") {
		t.Errorf("comparison: %+v", compared)
	}
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sameWindows(t, windowsAt(t, server, bucket), windowsIn(t, store))
}
