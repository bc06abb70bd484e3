package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/api/client"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// lives is how often the daemon is killed.
const lives = 50

// TestKilledDaemonKeepsWhatItAcknowledged kills the real daemon, on real packets, at
// random moments, one life after the other on one store. What it told its clients of is
// acknowledged: it must be there, once; and the time between two lives is a gap.
func TestKilledDaemonKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute")
	}
	if isolated(t) {
		return
	}
	newLab(t, quick("main"))
	dir := t.TempDir()
	config := filepath.Join(dir, "perigee.yaml")
	text := fmt.Sprintf(`links:
  - {name: one, orbit: terrestrial, interface: main0}
targets:
  - {name: far, address: %s}
probes: {icmp: {interval: 20ms, window: 1s, loss_timeout: 100ms}}
storage: {path: %s}
api: {listen: "127.0.0.1:0"}
`, lab.Target(), filepath.Join(dir, "store"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	acknowledged := map[time.Time]bool{}
	for life := range lives {
		// Some die before they have stored anything, most while they do.
		wait := time.Duration(rng.Int64N(int64(1800 * time.Millisecond)))
		if life == 0 {
			wait = 3 * time.Second // something must have been measured for a gap to be one
		}
		for _, start := range liveAndDie(t, config, wait) {
			if acknowledged[start] {
				t.Errorf("the window of %s was acknowledged in two lives", start)
			}
			acknowledged[start] = true
		}
	}
	if len(acknowledged) < lives/10 {
		t.Fatalf("only %d windows were acknowledged in %d lives: nothing was tested", len(acknowledged), lives)
	}
	checkAfterKills(t, storeFile(filepath.Join(dir, "store")), acknowledged)
}

// liveAndDie starts the daemon, kills it after a while and returns the starts of the
// windows that it acknowledged.
func liveAndDie(t *testing.T, config string, wait time.Duration) (starts []time.Time) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "run", "--config="+config)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := bufio.NewScanner(stderr)
	address := ""
	var said strings.Builder
	for address == "" && text.Scan() {
		said.WriteString(text.Text() + "\n")
		if m := regexp.MustCompile(`page and API at (http://\S+)`).FindStringSubmatch(text.Text()); m != nil {
			address = m[1]
		}
	}
	if address == "" {
		t.Fatalf("the daemon did not come up:\n%s", said.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var listening sync.WaitGroup
	listening.Go(func() {
		c, err := client.New(address, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for event, err := range c.Live(ctx) {
			if err != nil {
				return // killed
			}
			if event.Sample != nil {
				starts = append(starts, event.Sample.Start)
			}
		}
	})
	timer := time.NewTimer(wait)
	<-timer.C
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for text.Scan() {
	}
	_ = cmd.Wait()
	listening.Wait()
	return starts
}

// checkAfterKills holds the store against what was acknowledged.
func checkAfterKills(t *testing.T, file string, acknowledged map[time.Time]bool) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %q (%v)", verdict, err)
	}
	store, err := sqlite.OpenReader(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	found := map[time.Time]int{}
	for s, err := range store.Samples(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Counts.Check(); err != nil {
			t.Errorf("window of %s: %v", s.Start, err)
		}
		found[s.Start.UTC()]++
	}
	for start, n := range found {
		if n != 1 {
			t.Errorf("the window of %s is there %d times", start, n)
		}
	}
	for start := range acknowledged {
		if found[start.UTC()] != 1 {
			t.Errorf("the window of %s was acknowledged and is lost", start)
		}
	}
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	crashes := 0
	for _, g := range gaps {
		if g.Reason == perigee.GapCrashed && g.Link == "one" && g.Start.Before(g.End) {
			crashes++
		}
	}
	if crashes != lives-1 {
		t.Errorf("%d gaps of crashes after %d lives, want %d", crashes, lives, lives-1)
	}
	t.Logf("%d lives, %d windows acknowledged, %d found, %d gaps", lives, len(acknowledged), len(found), crashes)
}
