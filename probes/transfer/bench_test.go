package transfer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"perigee"
	"perigee/probes/transfer/farend"
)

// BenchmarkLoopback prints the rate of transfers over unshaped loopback as a share of
// that of iperf3 with as many streams, measured one after the other.
func BenchmarkLoopback(b *testing.B) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		b.Skip("iperf3 is not installed")
	}
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		for _, streams := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s-%d", load, streams), func(b *testing.B) {
				var ours, theirs float64
				for b.Loop() {
					theirs += iperf3(b, load, streams)
					o := loopback(b, load, farend.Options{})
					o.MaxBytes, o.MaxDuration, o.Streams = 0, benchTime, streams
					ours += run(b, o).WholeRate
				}
				b.ReportMetric(ours/theirs, "of-iperf3")
				b.ReportMetric(ours/1e9/float64(b.N), "Gbit/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

const benchTime = 3 * time.Second

// iperf3 returns the rate that iperf3's receiver counts.
func iperf3(b *testing.B, load perigee.Load, streams int) float64 {
	b.Helper()
	port := freePort(b)
	server := exec.CommandContext(b.Context(), "iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port, "--forceflush")
	output, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	// It says so when it listens.
	for said := make([]byte, 0, 4096); !bytes.Contains(said, []byte("listening")); {
		chunk := make([]byte, 512)
		n, err := output.Read(chunk)
		if err != nil {
			b.Fatalf("iperf3: %v", err)
		}
		said = append(said, chunk[:n]...)
	}
	args := []string{"-c", "127.0.0.1", "-p", port, "-J", "-t", fmt.Sprint(benchTime.Seconds()), "-P", fmt.Sprint(streams)}
	if load == perigee.LoadDown {
		args = append(args, "-R")
	}
	text, err := exec.CommandContext(b.Context(), "iperf3", args...).Output()
	if err != nil {
		b.Fatalf("iperf3: %v", err)
	}
	var result struct {
		End struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal(text, &result); err != nil {
		b.Fatalf("iperf3: %v", err)
	}
	return result.End.Received.Rate
}

// freePort returns a port that nobody listened on just now.
func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
