package lab

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pingSeries is a series of pings: when each was sent, and its RTT in milliseconds or a
// negative number if it was lost.
type pingSeries struct {
	sent []int64 // Unix time in nanoseconds
	rtt  []float64
}

// simulatePings pings over the bare model: no packets, no time passes.
func simulatePings(t *testing.T, p Profile, seed uint64, every, length time.Duration) pingSeries {
	t.Helper()
	w := newTestWalk(t, p, seed)
	var s pingSeries
	for sent := time.Duration(0); sent < length; sent += every {
		rtt := -1.0
		if trip := w.Probe(sent, 84); trip.Fate == Delivered {
			rtt = float64(trip.RTT) / 1e6
		}
		s.sent, s.rtt = append(s.sent, start.wall+int64(sent)), append(s.rtt, rtt)
	}
	return s
}

// figures are the statistics of a series, in milliseconds and shares of 1.
type figures struct {
	Loss, P5, P50, Mean, P95, P99, IPDV float64

	// EdgeLoss is the share of losses within 2 s after a slot's edge.
	EdgeLoss float64

	// SlotStep is the mean absolute difference of the medians of slots next to
	// each other.
	SlotStep float64
}

func (s pingSeries) figures() figures {
	var f figures
	var got []float64
	var lost, atEdge, pairs float64
	grid := Starlink().Slots
	slots := make(map[int64][]float64)
	for i, rtt := range s.rtt {
		slot, into := grid.locate(s.sent[i])
		if rtt < 0 {
			lost++
			if into < int64(2*time.Second) {
				atEdge++
			}
			continue
		}
		got = append(got, rtt)
		slots[slot] = append(slots[slot], rtt)
		f.Mean += rtt
		if i > 0 && s.rtt[i-1] >= 0 {
			f.IPDV += math.Abs(rtt - s.rtt[i-1])
			pairs++
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	var steps float64
	for slot, v := range slots {
		if next, ok := slots[slot+1]; ok {
			f.SlotStep += math.Abs(median(v) - median(next))
			steps++
		}
	}
	slices.Sort(got)
	q := func(p float64) float64 { return got[int(p*float64(len(got)-1))] }
	f.P5, f.P50, f.P95, f.P99 = q(0.05), q(0.5), q(0.95), q(0.99)
	f.Mean /= float64(len(got))
	f.Loss = lost / float64(len(s.rtt))
	f.IPDV /= pairs
	f.EdgeLoss, f.SlotStep = atEdge/max(1, lost), f.SlotStep/max(1, steps)
	return f
}

func (f figures) String() string {
	return fmt.Sprintf("loss %.2f %% (%.0f %% within 2 s of an edge), RTT p5 %.1f p50 %.1f mean %.1f p95 %.1f p99 %.1f ms, mean abs IPDV %.1f ms, slot step %.1f ms",
		100*f.Loss, 100*f.EdgeLoss, f.P5, f.P50, f.Mean, f.P95, f.P99, f.IPDV, f.SlotStep)
}

// readTrace reads a public trace: Unix seconds, sequence number, RTT in ms or -1.
func readTrace(t *testing.T) pingSeries {
	t.Helper()
	data := os.Getenv("PERIGEE_TESTDATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(data, "mmsys24-starlink", "no-isl-ping-gw-seattle-230911-170535-0.1s-60min.txt"))
	if err != nil {
		t.Skipf("no trace to compare with: set PERIGEE_TESTDATA to a directory that has mmsys24-starlink: %v", err)
	}
	defer file.Close()
	var s pingSeries
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		at, err1 := strconv.ParseFloat(fields[0], 64)
		rtt, err2 := strconv.ParseFloat(fields[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("trace: %q: %v %v", lines.Text(), err1, err2)
		}
		s.sent, s.rtt = append(s.sent, int64(at*1e9)), append(s.rtt, rtt)
	}
	return s
}

// near reports whether got is within a share of want.
func near(got, want, share float64) bool { return math.Abs(got-want) <= share*want }

func TestStarlinkPingsResembleARealTrace(t *testing.T) {
	trace := readTrace(t).figures()
	// The trace is 2 h 41 min with a ping each 0.27 s on average.
	model := simulatePings(t, Starlink(), 1, 270*time.Millisecond, 161*time.Minute).figures()
	t.Logf("trace: %v", trace)
	t.Logf("model: %v", model)
	for _, c := range []struct {
		name      string
		got, want float64
		share     float64
	}{
		{"loss", model.Loss, trace.Loss, 0.3},
		{"p5", model.P5, trace.P5, 0.1},
		{"median", model.P50, trace.P50, 0.1},
		{"mean", model.Mean, trace.Mean, 0.1},
		{"p95", model.P95, trace.P95, 0.15},
		{"p99", model.P99, trace.P99, 0.15},
		{"mean abs IPDV", model.IPDV, trace.IPDV, 0.15},
		{"slot step", model.SlotStep, trace.SlotStep, 0.2},
	} {
		if !near(c.got, c.want, c.share) {
			t.Errorf("%s is %.4g, want %.4g within %.0f %%", c.name, c.got, c.want, 100*c.share)
		}
	}
	if model.EdgeLoss < 0.5 {
		t.Errorf("%.0f %% of losses at edges, want most", 100*model.EdgeLoss)
	}
}

// The ranges are those that public measurements of each kind of link report.
func TestProfilesKeepToTheirOrbit(t *testing.T) {
	for _, c := range []struct {
		profile               Profile
		floor                 float64 // ms that physics sets
		medianLow, medianHigh float64
		lossLow, lossHigh     float64
	}{
		{Fibre(), 1, 13, 15, 0, 0.0002},
		{LEO(), 16, 70, 100, 0.002, 0.02},
		{Starlink(), 7.3, 30, 50, 0.004, 0.035},
		{GEO(), 477.5, 600, 700, 0.001, 0.01},
	} {
		f := simulatePings(t, c.profile, 1, 200*time.Millisecond, 3*time.Hour).figures()
		t.Logf("%s: %v", c.profile.Name, f)
		if f.P5 < c.floor || f.P50 < c.medianLow || f.P50 > c.medianHigh {
			t.Errorf("%s: p5 %.1f, median %.1f ms, want above %v and %v to %v", c.profile.Name, f.P5, f.P50, c.floor, c.medianLow, c.medianHigh)
		}
		if f.Loss < c.lossLow || f.Loss > c.lossHigh {
			t.Errorf("%s: loss %.4f, want %v to %v", c.profile.Name, f.Loss, c.lossLow, c.lossHigh)
		}
	}
}
