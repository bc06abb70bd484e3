//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// victimFile names the store to write to, in the environment of a test binary that is
// run as the victim of TestKilledWritersLoseNothing.
const victimFile = "PERIGEE_TEST_VICTIM_FILE"

func TestMain(m *testing.M) {
	for variable, live := range map[string]func(string) error{victimFile: victim, forwarderFile: forwarder, asideFile: asideVictim} {
		if path := os.Getenv(variable); path != "" {
			if err := live(path); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(m.Run())
}

var victimStreams = []perigee.Stream{storagetest.Stream("a", "x"), storagetest.Stream("b", "x"), storagetest.Stream("c", "x")}

// victim appends batches of a window of each stream until it is killed, and writes the
// number of each to its standard output when it has been acknowledged. It goes on
// where the store ends. Now and then it rolls up and expires, to be killed in that too.
func victim(path string) error {
	ctx, g := context.Background(), storagetest.NewGenerator(uint64(os.Getpid()))
	// It opens as the daemon does: a kill is no damage.
	store, err := healing(path, func(text string) { panic(text) })
	if err != nil {
		return err
	}
	previous, epoch, err := store.Begin(ctx, start)
	if err != nil {
		return err
	}
	if epoch != 0 || previous.ID != 0 && !previous.Ended.IsZero() {
		return fmt.Errorf("epoch %d, previous run %+v, want 0 and one that crashed", epoch, previous)
	}
	fmt.Println("begun", previous.ID)
	links, err := store.Links(ctx)
	if err != nil {
		return err
	}
	next := firstWindow
	if len(links) > 0 {
		next = links[0].Last
	}
	for i := 0; ; i++ {
		b := perigee.Batch{Gaps: []perigee.Gap{{Site: "home", Start: next, End: next, Reason: perigee.GapCrashed}}}
		for _, stream := range victimStreams {
			b.Samples = append(b.Samples, g.Sample(stream, next))
		}
		if err := store.Append(ctx, b); err != nil {
			return err
		}
		fmt.Println("stored", next.UnixNano())
		next = next.Add(g.Window)
		if i%8 == 7 {
			if err := store.Roll(ctx, next); err != nil {
				return err
			}
			if err := store.Expire(ctx, next.Add(-time.Hour), time.Time{}); err != nil {
				return err
			}
		}
	}
}

// firstWindow lies before start, when the lives begin, so that no clock is ever behind.
var firstWindow = start.AddDate(-1, 0, 0)

// Fifty writers, one after another on the same file, are killed at random moments. What
// they had acknowledged is there, once, and the file is sound.
func TestKilledWritersLoseNothing(t *testing.T) {
	const lives = 50
	path := filepath.Join(t.TempDir(), "perigee.db")
	random := rand.New(rand.NewPCG(1, 50))
	acknowledged := map[int64]bool{}
	for life := range lives {
		// Some are killed before they have stored anything. The kill meets
		// them at whatever they do after that many lines, plus a random
		// spin that is short against one append.
		lines, spin := random.IntN(30), random.IntN(200_000)
		for _, ns := range runVictim(t, path, life, lines, spin) {
			acknowledged[ns] = true
		}
	}
	store := openAt(t, path)
	found := map[int64]int{}
	var previous perigee.Sample
	for _, s := range read(t, store, perigee.Query{}) {
		found[s.Start.UnixNano()]++
		if s.Start.Equal(previous.Start) && s.Stream == previous.Stream {
			t.Errorf("window %v of %v is there twice", s.Start, s.Stream)
		}
		previous = s
	}
	for ns := range acknowledged {
		if found[ns] != len(victimStreams) {
			t.Errorf("acknowledged window %d: found %d of %d samples", ns, found[ns], len(victimStreams))
		}
	}
	// One batch for each life can have been stored without its word being heard.
	if n := len(found); n < len(acknowledged) || n > len(acknowledged)+lives {
		t.Errorf("found %d windows, acknowledged %d", n, len(acknowledged))
	}
	for ns, n := range found {
		if n != len(victimStreams) {
			t.Errorf("window %d: %d of the %d samples of a batch", ns, n, len(victimStreams))
		}
	}
	var planned, rolled int64
	for _, s := range read(t, store, perigee.Query{}) {
		planned += s.Counts.Planned
	}
	for _, s := range read(t, store, perigee.Query{Resolution: perigee.Hours}) {
		rolled += s.Counts.Planned
	}
	if planned != rolled {
		t.Errorf("hours hold %d planned probes, windows %d", rolled, planned)
	}
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil || len(gaps) != len(found) {
		t.Errorf("%d gaps, %v, want one for each of %d batches", len(gaps), err, len(found))
	}
	var integrity string
	if err := foreign(t, path).QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity check: %s, %v", integrity, err)
	}
	last, _, err := store.Begin(t.Context(), start)
	if err != nil || last.ID < 1 || last.ID > lives || !last.Ended.IsZero() {
		t.Errorf("the last run is %+v, %v, want one that crashed", last, err)
	}
	t.Logf("%d lives, %d batches acknowledged, %d found", lives, len(acknowledged), len(found))
}

// runVictim runs a victim until it has written some lines, kills it, and returns the
// windows that it said were stored.
func runVictim(t *testing.T, path string, life, lines, spin int) (stored []int64) {
	t.Helper()
	for _, line := range killed(t, victimFile+"="+path, lines, spin) {
		var number int64
		if _, err := fmt.Sscanf(line, "stored %d", &number); err == nil {
			stored = append(stored, number)
		} else if _, err := fmt.Sscanf(line, "begun %d", &number); err != nil {
			t.Fatalf("life %d wrote %q", life, line)
		} else if number > int64(life) {
			t.Errorf("life %d came after run %d", life, number)
		}
	}
	return stored
}

// killed runs this program with a variable in its environment until it has written some
// lines, kills it, and returns what it wrote, what was read after the kill included.
func killed(t *testing.T, variable string, lines, spin int) (output []string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary)
	command.Env = append(os.Environ(), variable)
	command.Stderr = os.Stderr
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(pipe)
	for n := 0; ; n++ { // lines is -1 for one that kills itself
		if n == lines {
			for i := range spin {
				sink += i
			}
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := reader.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		output = append(output, line)
	}
	if err := command.Wait(); err == nil || command.ProcessState.ExitCode() != -1 {
		t.Fatalf("%s ended by itself: %v", variable, err)
	}
	return output
}

var sink int
