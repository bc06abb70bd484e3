package traces_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perigee"
	"perigee/stats"
	"perigee/storage/traces"
)

// starlink opens a public trace of a Starlink link (Zhao & Pan, ACM MMSys 2024, doi
// 10.1145/3625468.3647616), which is not part of this repository.
func starlink(t *testing.T) []byte {
	t.Helper()
	dir := os.Getenv("PERIGEE_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	b, err := os.ReadFile(filepath.Join(dir, "mmsys24-starlink", "no-isl-ping-gw-seattle-230911-170535-0.1s-60min.txt"))
	if err != nil {
		t.Skipf("the Starlink trace is not here; set PERIGEE_TESTDATA to the directory that holds mmsys24-starlink: %v", err)
	}
	return b
}

// asPing writes the trace as ping -D -O would have printed it.
func asPing(t *testing.T, table []byte) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("PING gateway (198.18.0.2) 56(84) bytes of data.\n")
	for line := range strings.Lines(string(table)) {
		var at float64
		var seq int
		var ms float64
		if _, err := fmt.Sscanf(line, "%f\t%d\t%f", &at, &seq, &ms); err != nil {
			t.Fatal(err)
		}
		if ms < 0 {
			fmt.Fprintf(&b, "[%.6f] no answer yet for icmp_seq=%d\n", at, seq%65536)
			continue
		}
		fmt.Fprintf(&b, "[%.6f] 64 bytes from 198.18.0.2: icmp_seq=%d ttl=62 time=%.3g ms\n", at, seq%65536, ms)
	}
	return b.String()
}

// asCSV writes the trace as our own simple CSV.
func asCSV(t *testing.T, table []byte) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,seq,rtt\n")
	for line := range strings.Lines(string(table)) {
		cells := strings.Fields(line)
		rtt := ""
		if cells[2] != "-1" {
			var ms float64
			if _, err := fmt.Sscan(cells[2], &ms); err != nil {
				t.Fatal(err)
			}
			rtt = fmt.Sprintf("%.4f", ms/1000)
		}
		fmt.Fprintf(&b, "%s,%s,%s\n", cells[0], cells[1], rtt)
	}
	return b.String()
}

// The figures stand beside the trace, from an independent computation.
func TestStarlinkTraceHasItsFigures(t *testing.T) {
	table := starlink(t)
	for _, c := range []struct {
		name   string
		format traces.Format
		text   io.Reader
	}{
		{"the table as it is", traces.FormatPing, bytes.NewReader(table)},
		{"as ping -D prints it", traces.FormatPing, strings.NewReader(asPing(t, table))},
		{"as csv", traces.FormatCSV, strings.NewReader(asCSV(t, table))},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all perigee.Sample
			var exact []float64
			windows := 0
			options := traces.Options{Site: "victoria", Link: "dish", Bad: func(line int64, err error) { t.Errorf("line %d: %v", line, err) }}
			for s, err := range traces.Samples(c.text, c.format, options) {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Counts.Check(); err != nil {
					t.Error(err)
				}
				if int64(len(s.Singletons)) != s.Counts.Planned || s.LossRuns.Packets != s.Counts.Sent {
					t.Errorf("%d singletons and %d packets in runs of %d probes", len(s.Singletons), s.LossRuns.Packets, s.Counts.Planned)
				}
				windows++
				for _, one := range s.Singletons {
					if one.Outcome.Arrived() {
						exact = append(exact, one.RTT.Seconds())
					}
				}
				all.Merge(s)
			}
			checkStarlink(t, all, exact)
			// From 1694477135.68 to 1694486793.69, on a grid of 10 s.
			if windows != 967 {
				t.Errorf("%d windows, want 967", windows)
			}
		})
	}
}

func checkStarlink(t *testing.T, s perigee.Sample, exact []float64) {
	t.Helper()
	want := perigee.Counts{Planned: 36000, Sent: 36000, Received: 35087, Lost: 913}
	if s.Counts != want {
		t.Errorf("counts: got %+v, want %+v", s.Counts, want)
	}
	quantile := func(q float64) float64 { v, _ := s.RTT.Quantile(q); return v }
	pdv := func(q float64) float64 { v, _ := s.PDV(q); return v }
	for _, c := range []struct {
		name      string
		got, want float64 // milliseconds
		relative  float64
		half      float64 // of a unit of the figure's last digit
	}{
		{"min", s.RTT.Min, 16.7, 0, 1e-9},
		{"max", s.RTT.Max, 345, 0, 1e-9},
		{"mean", s.RTT.Mean, 47.50, 0, 0.005},
		{"p5", quantile(0.05), 24.7, stats.RelativeError, 0.05},
		{"median", quantile(0.5), 42.8, stats.RelativeError, 0.05},
		{"p95", quantile(0.95), 86.6, stats.RelativeError, 0.05},
		{"p99", quantile(0.99), 118.0, stats.RelativeError, 0.05},
		{"mean abs IPDV", s.Variation.IPDV.Mean, 12.097, 0.001, 0},
		{"RFC 3550 jitter", s.Variation.Jitter, 8.739, 0.001, 0},
		// PDV is RTT - min: the sketch's error is relative to the RTT.
		{"PDV p95 of the sketch", pdv(0.95), 69.9, stats.RelativeError * 86.6 / 69.9, 0.05},
		{"PDV p99 of the sketch", pdv(0.99), 101.3, stats.RelativeError * 118 / 101.3, 0.05},
		// Of the single probes it is exact.
		{"PDV p95", interpolated(exact, 0.95) - s.RTT.Min, 69.9, 0.001, 0},
		{"PDV p99", interpolated(exact, 0.99) - s.RTT.Min, 101.3, 0.001, 0},
	} {
		if ms := c.got * 1000; math.Abs(ms-c.want) > c.relative*c.want+c.half {
			t.Errorf("%s = %.4f ms, want %g", c.name, ms, c.want)
		} else {
			t.Logf("%s = %.4f ms (stated %g)", c.name, ms, c.want)
		}
	}
}

// interpolated returns a quantile of type 7 (Hyndman & Fan 1996), as the figures are.
func interpolated(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
