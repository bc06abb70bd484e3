package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee/internal/lab"
)

// BenchmarkAgainstPing measures one emulated line with perigee, with iputils ping and
// with fping, one after the other, and reports perigee's error against the lab's truth
// and its CPU time per million probes, each as a ratio to theirs: below 1 is better than
// they are. Debian has both (iputils-ping, fping).
func BenchmarkAgainstPing(b *testing.B) {
	if !lab.Isolated() {
		benchIsolated(b)
		return
	}
	tools := []tool{
		{"perigee", benchPerigee, regexp.MustCompile(`(?m)seq=(\d+) received rtt=([\d.]+) ms`)},
		{"ping", func(count int, interval time.Duration) *exec.Cmd {
			return exec.Command("ping", "-n", "-c", fmt.Sprint(count), "-i", fmt.Sprint(interval.Seconds()), "-W", "3", "-I", "fibre0", lab.Target().String())
		}, regexp.MustCompile(`(?m)icmp_seq=(\d+) .*time=([\d.]+) ms`)},
		{"fping", func(count int, interval time.Duration) *exec.Cmd {
			return exec.Command("fping", "-c", fmt.Sprint(count), "-p", fmt.Sprint(interval.Milliseconds()), "-t", "3000", "-I", "fibre0", lab.Target().String())
		}, regexp.MustCompile(`(?m)\[(\d+)\], .*bytes, ([\d.]+) ms`)},
	}
	const count, interval = 1500, 10 * time.Millisecond
	for b.Loop() {
		l, err := lab.New(lab.Options{Seed: 1, KeepTruth: true, Links: []lab.Link{{Name: "fibre", Profile: lab.Fibre()}}})
		if err != nil {
			b.Fatal(err)
		}
		results := map[string]outcome{}
		for _, one := range tools {
			if _, err := exec.LookPath(one.name); one.name != "perigee" && err != nil {
				b.Logf("%s is not installed: not compared", one.name)
				continue
			}
			results[one.name] = one.measure(b, l, count, interval)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		ours := results["perigee"]
		b.ReportMetric(0, "ns/op")
		for _, name := range []string{"ping", "fping"} {
			theirs, ok := results[name]
			if !ok {
				continue
			}
			b.ReportMetric(ours.medianError/theirs.medianError, "median-error/"+name)
			b.ReportMetric(ours.p99Error/theirs.p99Error, "p99-error/"+name)
			b.ReportMetric(ours.cpu/theirs.cpu, "cpu/"+name)
		}
		for name, r := range results {
			b.Logf("%-8s median error %.3f ms, p99 error %.3f ms, %.1f s CPU per million probes", name, 1000*r.medianError, 1000*r.p99Error, r.cpu)
		}
	}
}

// A tool measures round-trip times and prints them.
type tool struct {
	name    string
	command func(count int, interval time.Duration) *exec.Cmd
	line    *regexp.Regexp // sequence number and milliseconds
}

// An outcome is what a tool was worth.
type outcome struct {
	medianError, p99Error float64 // seconds, of |measured - true|
	cpu                   float64 // seconds per million probes, user and system
}

func (t tool) measure(b *testing.B, l *lab.Lab, count int, interval time.Duration) outcome {
	b.Helper()
	before := len(lab.RoundTrips(l.Truth()))
	cmd := t.command(count, interval)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", t.name, err, out.String())
	}
	trips := lab.RoundTrips(l.Truth())[before:]
	if len(trips) < count*9/10 {
		b.Fatalf("%s sent %d probes, want about %d", t.name, len(trips), count)
	}
	bySeq := map[int]lab.RoundTrip{}
	for _, trip := range trips {
		bySeq[int(trip.Echo.Seq)] = trip
	}
	var errs []float64
	for _, m := range t.line.FindAllStringSubmatch(out.String(), -1) {
		seq, err1 := strconv.Atoi(m[1])
		ms, err2 := strconv.ParseFloat(m[2], 64)
		trip, known := bySeq[seq]
		if err := errors.Join(err1, err2); err != nil || !known {
			b.Fatalf("%s: %q, which the lab knows nothing of (%v)", t.name, m[0], err)
		}
		if trip.Fate == lab.Delivered {
			errs = append(errs, math.Abs(ms/1000-trip.RTT.Seconds()))
		}
	}
	if len(errs) < count*9/10 {
		b.Fatalf("%s: only %d round trips understood of\n%s", t.name, len(errs), out.String())
	}
	slices.Sort(errs)
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return outcome{interpolated(errs, 0.5), interpolated(errs, 0.99), used.Seconds() / float64(len(trips)) * 1e6}
}

func benchPerigee(count int, interval time.Duration) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "probe", "--verbose", "--interface=fibre0", "--config=",
		fmt.Sprintf("--count=%d", count), fmt.Sprintf("--interval=%s", interval), lab.Target().String())
	cmd.Env = append(os.Environ(), beProgram+"=1")
	return cmd
}

// benchIsolated runs the calling benchmark again in namespaces of its own and passes
// on what it reports.
func benchIsolated(b *testing.B) {
	for b.Loop() {
		child, err := lab.Command(b.Context(), []string{"-test.run=^$", "-test.bench=^" + b.Name() + "$", "-test.benchtime=1x", "-test.v"})
		if err != nil {
			b.Fatal(err)
		}
		var out bytes.Buffer
		child.Stdout, child.Stderr = &out, &out
		err = child.Run()
		if errors.Is(err, lab.ErrForbidden) {
			b.Skip(err)
		}
		if err != nil {
			b.Fatalf("%v\n%s", err, out.String())
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSpace(line)
			if strings.Contains(line, " median error ") {
				b.Log(line)
			}
			if !strings.HasPrefix(line, b.Name()) {
				continue
			}
			fields := strings.Fields(line)
			for i := 2; i+1 < len(fields); i += 2 {
				if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
					b.ReportMetric(v, fields[i+1])
				}
			}
		}
	}
}
