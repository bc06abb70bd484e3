package transfer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
)

// BenchmarkFindings measures emulated links with iperf3 and with a transfer, one after the
// other: as many connections, the same congestion control, the same ten seconds. It prints
// what either says as a share of what the link carries: both means over everything, and the
// steady rate, which does not depend on how long a test is.
func BenchmarkFindings(b *testing.B) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		b.Skip("iperf3 is not installed")
	}
	for _, c := range []struct {
		profile lab.Profile
		way     way
	}{
		{lab.Fibre(), way{perigee.LoadDown, "cubic", 8}},
		{lab.LEO(), way{perigee.LoadDown, "cubic", 8}},
		{lab.Starlink(), way{perigee.LoadDown, "cubic", 8}},
		{lab.Starlink(), way{perigee.LoadDown, "bbr", 1}},
		{lab.GEO(), way{perigee.LoadDown, "cubic", 32}},
		{lab.GEO(), way{perigee.LoadUp, "cubic", 8}},
	} {
		b.Run(fmt.Sprintf("%s/%s-%s-%d", c.profile.Name, c.way.load, c.way.congestion, c.way.streams), func(b *testing.B) {
			needCongestion(b, c.way.congestion)
			l := newLab(b, c.profile)
			carries := ideal(c.profile.Down.Rate)
			if c.way.load == perigee.LoadUp {
				carries = ideal(c.profile.Up.Rate)
			}
			var theirs, whole, steady float64
			for b.Loop() {
				theirs += iperf3Over(b, l, c.profile.Name, c.way, 10*time.Second)
				r := run(b, by(b, l, 0, c.way, 10*time.Second))
				whole, steady = whole+r.WholeRate, steady+r.Rate
			}
			n := float64(b.N) * carries
			b.ReportMetric(theirs/n, "iperf3/link")
			b.ReportMetric(whole/n, "whole/link")
			b.ReportMetric(steady/n, "steady/link")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// iperf3Over returns the rate that iperf3's receiver counts over a link of a lab.
func iperf3Over(b *testing.B, l *lab.Lab, link string, w way, length time.Duration) float64 {
	b.Helper()
	at, _ := l.Link(link)
	port := freePort(b)
	server := exec.CommandContext(b.Context(), "iperf3", "-s", "-1", "-B", lab.Target().String(), "-p", port, "--forceflush")
	output, err := server.StdoutPipe()
	if err == nil {
		err = l.FarStart(server)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	// It says so when it listens.
	for said := ""; !strings.Contains(said, "listening"); {
		chunk := make([]byte, 512)
		n, err := output.Read(chunk)
		if err != nil {
			b.Fatalf("iperf3: %v", err)
		}
		said += string(chunk[:n])
	}
	go io.Copy(io.Discard, output)
	args := []string{"-c", lab.Target().String(), "-B", at.Home.String(), "-p", port, "-J", "-C", w.congestion,
		"-t", fmt.Sprint(length.Seconds()), "-P", fmt.Sprint(w.streams)}
	if w.load == perigee.LoadDown {
		args = append(args, "-R")
	}
	text, err := exec.CommandContext(b.Context(), "iperf3", args...).Output()
	if err != nil {
		b.Fatalf("iperf3: %v: %s", err, text)
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
