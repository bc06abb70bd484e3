package stats

import (
	"bufio"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// readTrace returns the RTTs in seconds, negative where lost, of a public trace of a
// Starlink link (Zhao & Pan, ACM MMSys 2024, doi 10.1145/3625468.3647616). The test is
// skipped if the file is not there: it is not part of this repository.
func readTrace(t *testing.T) []float64 {
	t.Helper()
	delays, err := openTrace()
	if err != nil {
		t.Skipf("the Starlink trace is not here; set PERIGEE_TESTDATA to the directory that holds mmsys24-starlink: %v", err)
	}
	return delays
}

func openTrace() ([]float64, error) {
	dir := os.Getenv("PERIGEE_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	name := filepath.Join(dir, "mmsys24-starlink", "no-isl-ping-gw-seattle-230911-170535-0.1s-60min.txt")
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var delays []float64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		ms, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, err
		}
		delays = append(delays, ms/1000)
	}
	return delays, nil
}

// The figures stand beside the trace, from an independent computation.
func TestStarlinkTrace(t *testing.T) {
	var rtt Distribution
	var variation Variation
	var runs LossRuns
	var arrived []float64
	trace := readTrace(t)
	for _, v := range trace {
		runs.Add(v < 0, 0.27)
		if v < 0 {
			variation.Missed()
			continue
		}
		rtt.Add(v)
		variation.Arrived(v)
		arrived = append(arrived, v)
	}
	if len(trace) != 36000 || rtt.Count != 36000-913 || runs.Packets != 36000 {
		t.Errorf("%d sent, %d received, want 36000 and 35087", len(trace), rtt.Count)
	}
	summary := variation.Cut()
	quantile := func(q float64) float64 { v, _ := rtt.Quantile(q); return v }
	for _, c := range []struct {
		name         string
		got, want    float64 // milliseconds
		relative     float64
		absoluteHalf float64 // half a unit of the figure's last digit
	}{
		{"min", rtt.Min, 16.7, 0, 1e-9},
		{"max", rtt.Max, 345, 0, 1e-9},
		{"mean", rtt.Mean, 47.50, 0, 0.005},
		{"p5", quantile(0.05), 24.7, RelativeError, 0.05},
		{"median", quantile(0.5), 42.8, RelativeError, 0.05},
		{"p95", quantile(0.95), 86.6, RelativeError, 0.05},
		{"p99", quantile(0.99), 118.0, RelativeError, 0.05},
		{"mean abs IPDV", summary.IPDV.Mean, 12.097, 0, 0.0005},
		{"RFC 3550 jitter", summary.Jitter, 8.739, 0, 0.0005},
		// PDV is RTT - min: the sketch's error is relative to the RTT.
		{"PDV p95", quantile(0.95) - rtt.Min, 69.9, RelativeError * 86.6 / 69.9, 0.05},
		{"PDV p99", quantile(0.99) - rtt.Min, 101.3, RelativeError * 118 / 101.3, 0.05},
	} {
		if ms := c.got * 1000; math.Abs(ms-c.want) > c.relative*c.want+c.absoluteHalf {
			t.Errorf("%s = %.4f ms, want %g", c.name, ms, c.want)
		} else {
			t.Logf("%s = %.4f ms (stated %g)", c.name, ms, c.want)
		}
	}
	for _, q := range probabilities {
		if got, want := quantile(q), exactQuantile(arrived, q); math.Abs(got-want) > RelativeError*want {
			t.Errorf("Quantile(%g) = %g, want %g within 0.5 %%", q, got, want)
		}
	}
}
