package stats

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// timed is a probe with the Unix time of its sending in nanoseconds and its round trip
// in seconds, negative if it was lost.
type timed struct {
	at  int64
	rtt float64
}

// readTimedTrace is readTrace with the file's times, which the figures beside it rest on.
// They are those of replies: less the round trip, edge steps are 16.6 ms.
func readTimedTrace(t testing.TB) []timed {
	t.Helper()
	dir := os.Getenv("PERIGEE_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, "mmsys24-starlink", "no-isl-ping-gw-seattle-230911-170535-0.1s-60min.txt"))
	if err != nil {
		t.Skipf("the Starlink trace is not here; set PERIGEE_TESTDATA to the directory that holds mmsys24-starlink: %v", err)
	}
	defer f.Close()
	var probes []timed
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		at, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		probes = append(probes, timed{int64(at * 1e9), ms / 1000})
	}
	return probes
}
