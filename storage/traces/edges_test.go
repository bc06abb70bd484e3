package traces_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/traces"
)

// rows makes a CSV of probes, numbered from first, an interval apart.
type rows struct {
	b strings.Builder
}

func newRows() *rows {
	r := &rows{}
	r.b.WriteString("time,seq,rtt\n")
	return r
}

// add appends n probes of 20 ms, of which those lost stand there without an RTT.
func (r *rows) add(at float64, seq, n int, interval float64, lost ...int) *rows {
	for i := range n {
		rtt := "0.02"
		if slices.Contains(lost, seq+i) {
			rtt = ""
		}
		fmt.Fprintf(&r.b, "%.6f,%d,%s\n", at+float64(i)*interval, seq+i, rtt)
	}
	return r
}

func TestBreaksInTraces(t *testing.T) {
	const t0 = 1_700_000_000.0
	for _, c := range []struct {
		name    string
		text    *rows
		counts  perigee.Counts
		bad     int64
		repeats int64
		gaps    []perigee.GapReason
		outages int
	}{
		{name: "numbers that are missing are lost probes", text: newRows().add(t0, 0, 100, 0.2).add(t0+22, 110, 100, 0.2),
			counts: perigee.Counts{Planned: 210, Sent: 210, Received: 200, Lost: 10}, outages: 1},
		{name: "a pause with numbers going on is the monitor's", text: newRows().add(t0, 0, 100, 0.2).add(t0+600, 100, 100, 0.2),
			counts: perigee.Counts{Planned: 200, Sent: 200, Received: 200}, gaps: []perigee.GapReason{perigee.GapSuspended}},
		{name: "numbers that begin again are another run", text: newRows().add(t0, 0, 100, 0.2).add(t0+60, 0, 100, 0.2),
			counts: perigee.Counts{Planned: 200, Sent: 200, Received: 200}, gaps: []perigee.GapReason{perigee.GapStopped}},
		{name: "numbers that begin again within seconds too", text: newRows().add(t0, 0, 20, 0.2).add(t0+6, 0, 100, 0.2),
			counts: perigee.Counts{Planned: 120, Sent: 120, Received: 120}, gaps: []perigee.GapReason{perigee.GapStopped}},
		{name: "numbers of 16 bits wrap", text: newRows().add(t0, 65436, 100, 0.2).add(t0+20, 0, 100, 0.2),
			counts: perigee.Counts{Planned: 200, Sent: 200, Received: 200}},
		{name: "numbers wrap in an outage", text: newRows().add(t0, 65000, 100, 0.2).add(t0+0.2*70000, (65000+70000)%65536, 100, 0.2),
			counts: perigee.Counts{Planned: 70100, Sent: 70100, Received: 200, Lost: 69900}, outages: 1},
		{name: "a clock that was set back is a step, and no window is lost", text: newRows().add(t0, 0, 200, 0.2).add(t0+10, 200, 200, 0.2),
			counts: perigee.Counts{Planned: 400, Sent: 400, Received: 400}, gaps: []perigee.GapReason{perigee.GapClockStep}},
		{name: "an earlier part may stand later", text: newRows().add(t0+3600, 5000, 100, 0.2).add(t0, 0, 100, 0.2),
			counts: perigee.Counts{Planned: 200, Sent: 200, Received: 200}},
		{name: "rows out of order are put in order", text: newRows().add(t0, 0, 50, 0.2).add(t0+12, 60, 10, 0.2).add(t0+10, 50, 10, 0.2).add(t0+14, 70, 30, 0.2),
			counts: perigee.Counts{Planned: 100, Sent: 100, Received: 100}},
		{name: "a row that comes far too late is bad", text: newRows().add(t0, 0, 50, 0.2).add(t0+10.2, 51, 200, 0.2).add(t0+10, 50, 1, 0.2).add(t0+50.2, 251, 10, 0.2),
			counts: perigee.Counts{Planned: 261, Sent: 261, Received: 260, Lost: 1}, bad: 1},
		{name: "rows told twice count once", text: newRows().add(t0, 0, 20, 0.2).add(t0+2, 10, 20, 0.2),
			counts: perigee.Counts{Planned: 30, Sent: 30, Received: 30}, repeats: 10},
		{name: "one loss is no outage", text: newRows().add(t0, 0, 100, 2, 50),
			counts: perigee.Counts{Planned: 100, Sent: 100, Received: 99, Lost: 1}},
		{name: "two losses over a second are", text: newRows().add(t0, 0, 100, 2, 50, 51),
			counts: perigee.Counts{Planned: 100, Sent: 100, Received: 98, Lost: 2}, outages: 1},
		{name: "what the trace ends with is an outage too", text: newRows().add(t0, 0, 20, 0.2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19),
			counts: perigee.Counts{Planned: 20, Sent: 20, Received: 10, Lost: 10}, outages: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := importText(t, traces.FormatCSV, strings.NewReader(c.text.b.String()), traces.Options{})
			if all.Counts != c.counts {
				t.Errorf("counts: got %+v, want %+v", all.Counts, c.counts)
			}
			if all.Bad != c.bad || all.Repeated != c.repeats {
				t.Errorf("%d bad lines (%q) and %d repeated, want %d and %d", all.Bad, all.bad, all.Repeated, c.bad, c.repeats)
			}
			var reasons []perigee.GapReason
			for _, g := range all.Batch.Gaps {
				reasons = append(reasons, g.Reason)
			}
			if !slices.Equal(reasons, c.gaps) {
				t.Errorf("gaps: got %+v, want %v", all.Batch.Gaps, c.gaps)
			}
			if len(all.Batch.Outages) != c.outages {
				t.Errorf("outages: got %+v, want %d", all.Batch.Outages, c.outages)
			}
		})
	}
}

func TestLinesOfPing(t *testing.T) {
	const head = "PING far (192.0.2.1) 56(84) bytes of data.\n"
	reply := func(seq int, ms string) string {
		return fmt.Sprintf("[%d.0] 64 bytes from 192.0.2.1: icmp_seq=%d ttl=50 time=%s ms", 1_700_000_000+seq, seq, ms)
	}
	for _, c := range []struct {
		name   string
		text   string
		counts perigee.Counts
		bad    []string // words in each
	}{
		{"leading losses are counted from the run's first number", head + reply(3, "20") + "\n" + reply(4, "20") + "\n",
			perigee.Counts{Planned: 4, Sent: 4, Received: 2, Lost: 2}, nil},
		{"a duplicate is counted", head + reply(1, "20") + "\n" + reply(1, "25") + " (DUP!)\n" + reply(2, "20") + "\n",
			perigee.Counts{Planned: 2, Sent: 2, Received: 2, Duplicates: 1}, nil},
		{"an answer after no answer yet is one", head + reply(1, "20") + "\n[1700000003.0] no answer yet for icmp_seq=2\n" +
			"[1700000003.5] 64 bytes from 192.0.2.1: icmp_seq=2 ttl=50 time=1500 ms\n" + reply(4, "20") + "\n",
			perigee.Counts{Planned: 4, Sent: 4, Received: 3, Lost: 1}, nil},
		{"an answer after the loss timeout is late", head + reply(1, "20") + "\n[1700000005.5] 64 bytes from 192.0.2.1: icmp_seq=2 ttl=50 time=3500 ms\n" + reply(6, "20") + "\n",
			perigee.Counts{Planned: 6, Sent: 6, Received: 2, Late: 1, Lost: 3}, nil},
		{"an answer after the late horizon is none", head + reply(1, "20") + "\n[1700000008.5] 64 bytes from 192.0.2.1: icmp_seq=2 ttl=50 time=6500 ms\n" + reply(9, "20") + "\n",
			perigee.Counts{Planned: 9, Sent: 9, Received: 2, Lost: 7}, nil},
		{"an answer that was overtaken is reordered", head + reply(1, "20") + "\n[1700000003.02] 64 bytes from 192.0.2.1: icmp_seq=3 ttl=50 time=20 ms\n" +
			"[1700000003.5] 64 bytes from 192.0.2.1: icmp_seq=2 ttl=50 time=1500 ms\n" + reply(4, "20") + "\n",
			perigee.Counts{Planned: 4, Sent: 4, Received: 4, Reordered: 1}, nil},
		{"an error of the network is a loss", head + reply(1, "20") + "\n[1700000002.1] From 192.0.2.9 icmp_seq=2 Destination Host Unreachable\n" + reply(3, "20") + "\n",
			perigee.Counts{Planned: 3, Sent: 3, Received: 2, Lost: 1}, nil},
		{"what could not be sent was not lost", head + reply(1, "20") + "\nping: sendmsg: Network is unreachable\nping: sendmsg: Network is unreachable\n" + reply(4, "20") + "\n",
			perigee.Counts{Planned: 4, Sent: 2, SendFailed: 2, Received: 2}, nil},
		{"losses at the end are in the statistics", head + reply(1, "20") + "\n\n--- far ping statistics ---\n4 packets transmitted, 1 received, 75% packet loss, time 3000ms\n",
			perigee.Counts{Planned: 4, Sent: 4, Received: 1, Lost: 3}, nil},
		{"lines that are cut off are bad", head + reply(1, "20") + "\n[1700000002.0] 64 bytes from 192.0.2.1: icmp_seq=2 tt\n" + reply(3, "20") + "\n[17000000",
			perigee.Counts{Planned: 3, Sent: 3, Received: 2, Lost: 1}, []string{"ends before", "no end"}},
		{"NUL bytes cost their line", head + reply(1, "20") + "\n\x00\x00\x00" + reply(2, "20") + "\n" + reply(3, "20") + "\n",
			perigee.Counts{Planned: 3, Sent: 3, Received: 2, Lost: 1}, []string{"NUL"}},
		{"so does a line of a megabyte", head + reply(1, "20") + "\n" + strings.Repeat("x", 1<<20) + "\n" + reply(2, "20") + "\n",
			perigee.Counts{Planned: 2, Sent: 2, Received: 2}, []string{"longer than"}},
		{"a run without times is refused", head + "64 bytes from 192.0.2.1: icmp_seq=1 ttl=50 time=20 ms\n",
			perigee.Counts{}, []string{"--start"}},
		{"a run without answers and times is refused", head + "\n--- far ping statistics ---\n4 packets transmitted, 0 received, 100% packet loss, time 3000ms\n",
			perigee.Counts{}, []string{"ping -O"}},
		{"busybox counts from 0 and writes seq=", "PING 192.0.2.1 (192.0.2.1): 56 data bytes\n[1700000001.0] 64 bytes from 192.0.2.1: seq=1 ttl=50 time=20.5 ms\n",
			perigee.Counts{Planned: 2, Sent: 2, Received: 1, Lost: 1}, nil},
		{"the future is refused", head + "[4000000000.0] 64 bytes from 192.0.2.1: icmp_seq=1 ttl=50 time=20 ms\n",
			perigee.Counts{}, []string{"future"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := importText(t, traces.FormatPing, strings.NewReader(c.text), traces.Options{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
			if all.Counts != c.counts {
				t.Errorf("counts: got %+v, want %+v", all.Counts, c.counts)
			}
			if len(all.bad) != len(c.bad) {
				t.Fatalf("bad lines: got %q, want %q", all.bad, c.bad)
			}
			for i, words := range c.bad {
				if !strings.Contains(all.bad[i], words) {
					t.Errorf("bad line: got %q, want %q in it", all.bad[i], words)
				}
			}
		})
	}
}

// A trace without times is laid out from its start, an interval apart, wraps included.
func TestRunWithoutStampsIsLaidOut(t *testing.T) {
	var b strings.Builder
	b.WriteString("PING far (192.0.2.1) 56(84) bytes of data.\n")
	for i := 1; i <= 70_000; i++ {
		fmt.Fprintf(&b, "64 bytes from 192.0.2.1: icmp_seq=%d ttl=50 time=20 ms\n", i%65536)
	}
	start := time.Unix(1_700_000_000, 0)
	all := importText(t, traces.FormatPing, strings.NewReader(b.String()), traces.Options{Start: start})
	if want := (perigee.Counts{Planned: 70_000, Sent: 70_000, Received: 70_000}); all.Counts != want || len(all.bad) > 0 {
		t.Errorf("got %+v, want %+v, bad %q", all.Counts, want, all.bad)
	}
	if end := start.Add(70_000 * time.Second); !all.First.Equal(start) || !all.Last.Equal(end) {
		t.Errorf("from %v to %v, want %v to %v", all.First, all.Last, start, end)
	}
}

// What is carried from window to window is what one pass over all probes gives: the
// windows together are the trace.
func TestWindowsTogetherAreTheTrace(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		interval := 0.05 + rng.Float64()*3
		var b strings.Builder
		b.WriteString("time,seq,rtt\n")
		var rtt stats.Distribution
		var variation stats.Variation
		var runs stats.LossRuns
		lost := false
		at := 1_700_000_000 + rng.Float64()*20
		first := at
		for i := range 2000 {
			if rng.IntN(10) == 0 {
				lost = rng.IntN(3) == 0
			}
			v := math.Round((0.02+rng.ExpFloat64()*0.02)*1e6) / 1e6
			runs.Add(lost, 0)
			if lost {
				variation.Missed()
				if i > 0 && i < 1999 && rng.IntN(2) == 0 {
					at += interval
					continue // not mentioned at all
				}
				fmt.Fprintf(&b, "%.6f,%d,\n", at, i)
			} else {
				variation.Arrived(v)
				rtt.Add(v)
				fmt.Fprintf(&b, "%.6f,%d,%.6f\n", at, i, v)
			}
			at += interval
		}
		all := importText(t, traces.FormatCSV, strings.NewReader(b.String()), traces.Options{})
		var sum perigee.Sample
		for _, s := range all.Samples {
			sum.Merge(s)
			if s.Start.UnixNano()%int64(10*time.Second) != 0 && !s.Start.Equal(all.First) {
				t.Errorf("seed %d: a window starts at %v", seed, s.Start)
			}
		}
		want := variation.Cut()
		if sum.Counts.Planned != 2000 || sum.RTT.Count != rtt.Count || sum.RTT.Min != rtt.Min || sum.RTT.Max != rtt.Max || math.Abs(sum.RTT.Mean-rtt.Mean) > 1e-12 {
			t.Errorf("seed %d: got %+v, %+v, want %+v", seed, sum.Counts, sum.RTT, rtt)
		}
		if v := sum.Variation; v.IPDV.Count != want.IPDV.Count || math.Abs(v.IPDV.Mean-want.IPDV.Mean) > 1e-12 || v.Jitter != want.Jitter {
			t.Errorf("seed %d: variation: got %d pairs, jitter %g, want %d, %g", seed, v.IPDV.Count, v.Jitter, want.IPDV.Count, want.Jitter)
		}
		if l := sum.LossRuns; l.Count != runs.Count || l.Longest.Packets != runs.Longest.Packets || l.Packets != runs.Packets {
			t.Errorf("seed %d: runs: got %+v, want %+v", seed, l, runs)
		}
		if len(all.Batch.Gaps) > 0 || len(all.bad) > 0 {
			t.Errorf("seed %d: gaps %v, bad %q", seed, all.Batch.Gaps, all.bad)
		}
		if length := sum.Length.Seconds(); math.Abs(length-(at-first)) > interval+0.02 {
			t.Errorf("seed %d: %g s are covered, want %g", seed, length, at-first)
		}
	}
}
