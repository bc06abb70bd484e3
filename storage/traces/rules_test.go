package traces_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
	"perigee/storage/traces"
)

const begin = 1_700_000_000.0 // a point of the grid

// merged is all windows of an import as one.
func merged(all imported) perigee.Sample {
	var sum perigee.Sample
	for _, s := range all.Samples {
		sum.Merge(s)
	}
	return sum
}

// What lies on the two sides of a gap is no neighbour.
func TestGapsSeparate(t *testing.T) {
	text := newRows().add(begin, 0, 20, 0.2, 19).add(begin+60, 0, 20, 0.2, 0)
	all := importText(t, traces.FormatCSV, strings.NewReader(text.b.String()), traces.Options{})
	sum := merged(all)
	if sum.Variation.IPDV.Count != 18+18 || sum.LossRuns.Count != 2 || len(all.Batch.Outages) != 0 {
		t.Errorf("%d pairs, runs %+v, outages %v; want 36, two and none", sum.Variation.IPDV.Count, sum.LossRuns, all.Batch.Outages)
	}
	whole := newRows().add(begin, 0, 20, 0.2).add(begin+60, 0, 20, 0.2)
	if n := merged(importText(t, traces.FormatCSV, strings.NewReader(whole.b.String()), traces.Options{})).Variation.IPDV.Count; n != 19+19 {
		t.Errorf("%d pairs in two runs of 20, want 38", n)
	}
}

// The last window ends with its probes, or at the grid if that comes first.
func TestWindowsEndAtTheGrid(t *testing.T) {
	text := newRows().add(begin+0.5, 0, 10, 1).add(begin+100, 0, 10, 1)
	all := importText(t, traces.FormatCSV, strings.NewReader(text.b.String()), traces.Options{})
	var got []string
	for _, s := range all.Samples {
		got = append(got, fmt.Sprintf("%g+%v", float64(s.Start.UnixMilli())/1000-begin, s.Length))
	}
	// The tenth probe, at 9.5 s, is alone responsible for half a second.
	if want := "[0.5+9.5s 100+10s]"; fmt.Sprint(got) != want {
		t.Errorf("windows: got %v, want %v", got, want)
	}
}

// Numbers for which there was no time are another run and no losses.
func TestNumbersWithoutTimeAreNoLosses(t *testing.T) {
	text := newRows().add(begin, 0, 100, 0.2).add(begin+20, 5000, 100, 0.2)
	all := importText(t, traces.FormatCSV, strings.NewReader(text.b.String()), traces.Options{})
	if want := (perigee.Counts{Planned: 200, Sent: 200, Received: 200}); all.Counts != want {
		t.Errorf("got %+v, want %+v", all.Counts, want)
	}
}

func TestFailuresToSend(t *testing.T) {
	reply := func(seq int) string {
		return fmt.Sprintf("[%d.0] 64 bytes from 192.0.2.1: icmp_seq=%d ttl=50 time=20 ms\n", 1_700_000_000+seq, seq)
	}
	const refused = "ping: sendmsg: Network is unreachable\n"
	head := "PING far (192.0.2.1) 56(84) bytes of data.\n"

	all := importText(t, traces.FormatPing, strings.NewReader(head+reply(1)+refused+refused+refused+reply(5)), traces.Options{})
	if o := all.Batch.Outages; len(o) != 1 || o[0].Reason != "network is unreachable" || o[0].Probes != 3 || all.Samples[0].Cause != "network is unreachable" {
		t.Errorf("outages %+v, cause %q", o, all.Samples[0].Cause)
	}
	// Most were lost.
	all = importText(t, traces.FormatPing, strings.NewReader(head+reply(1)+refused+reply(6)), traces.Options{})
	if o := all.Batch.Outages; len(o) != 1 || o[0].Reason != "no replies" || all.Counts.SendFailed != 1 || all.Counts.Lost != 3 {
		t.Errorf("outages %+v, counts %+v", o, all.Counts)
	}
	// A failure that no number is missing for does not wait for the next loss.
	all = importText(t, traces.FormatPing, strings.NewReader(head+reply(1)+refused+reply(2)+reply(4)), traces.Options{})
	if want := (perigee.Counts{Planned: 4, Sent: 4, Received: 3, Lost: 1}); all.Counts != want {
		t.Errorf("got %+v, want %+v", all.Counts, want)
	}
}

// A line that turns out bad while the interval is still being told is not a result.
func TestLinesOfTheBeginningAreCountedOnce(t *testing.T) {
	text := newRows().add(begin, 0, 5, 1).add(begin+6, 6, 30, 1).add(begin+5, 5, 1, 1).add(begin, 0, 1, 1)
	all := importText(t, traces.FormatCSV, strings.NewReader(text.b.String()+"0,40,0.1\n"), traces.Options{})
	if all.Results != 35 || all.Bad != 3 || all.Lines != 39 {
		t.Errorf("%d results, %d bad of %d lines, %q; want 35, 3, 39", all.Results, all.Bad, all.Lines, all.bad)
	}
}

func TestRunsWithoutStamps(t *testing.T) {
	line := func(seq int) string {
		return fmt.Sprintf("64 bytes from 192.0.2.1: icmp_seq=%d ttl=50 time=20 ms\n", seq%65536)
	}
	const head = "PING far (192.0.2.1) 56(84) bytes of data.\n"
	o := traces.Options{Start: time.Unix(1_700_000_000, 0), Interval: 100 * time.Millisecond}
	all := importText(t, traces.FormatPing, strings.NewReader(head+line(1)+head+line(1)), o)
	if all.Counts.Planned != 1 || len(all.bad) != 1 || !strings.Contains(all.bad[0], "second run") {
		t.Errorf("a second run: got %+v, %q", all.Counts, all.bad)
	}
	var b strings.Builder
	b.WriteString(head)
	for i := 1; i < 65600; i++ {
		if i != 65530 {
			b.WriteString(line(i))
		}
		if i == 65550 {
			b.WriteString(line(65530)) // 2 s late, after the wrap
		}
	}
	if all = importText(t, traces.FormatPing, strings.NewReader(b.String()), o); all.Counts.Received != 65599 || all.Counts.Lost != 0 || len(all.bad) > 0 {
		t.Errorf("a late answer across the wrap: got %+v, %q", all.Counts, all.bad)
	}
}

// Windows' ping takes an error of the network for a packet received.
func TestTelegrafOnWindows(t *testing.T) {
	text := "ping,url=a packets_transmitted=4i,packets_received=4i,reply_received=1i,minimum_response_ms=8,average_response_ms=8,maximum_response_ms=8 1700000000\n"
	all := importText(t, traces.FormatLP, strings.NewReader(text), traces.Options{})
	if want := (perigee.Counts{Planned: 4, Sent: 4, Received: 1, Lost: 3}); all.Counts != want {
		t.Errorf("got %+v, want %+v", all.Counts, want)
	}
}

// Points and rounds that are missing are gaps.
func TestSummariesHaveGaps(t *testing.T) {
	var points, rounds strings.Builder
	rounds.WriteString("time,loss,median,ping1\n")
	for _, at := range []int{0, 60, 120, 600, 660} {
		fmt.Fprintf(&points, "ping,url=a packets_transmitted=1i,packets_received=1i,average_response_ms=8 %d\n", 1_700_000_000+at)
		fmt.Fprintf(&rounds, "%d,0,0.008,0.008\n", 1_700_000_000+at)
	}
	for format, text := range map[traces.Format]string{traces.FormatLP: points.String(), traces.FormatSmokeping: rounds.String()} {
		all := importText(t, format, strings.NewReader(text), traces.Options{})
		if g := all.Batch.Gaps; len(g) != 1 || g[0].End.Unix() != 1_700_000_600 || g[0].Reason != perigee.GapStopped || all.Counts.Received != 5 {
			t.Errorf("%s: gaps %+v, counts %+v", format, g, all.Counts)
		}
	}
}

// Two lives of a daemon are two parts, however close.
func TestOwnSingletonsOfTwoLives(t *testing.T) {
	one := func(start float64) perigee.Sample {
		s := perigee.Sample{Stream: storagetest.Stream("a", "x"), Start: time.UnixMilli(int64(start * 1000)), LossTimeout: 3 * time.Second}
		for i := range 5 {
			s.Singletons = append(s.Singletons, perigee.Singleton{Seq: perigee.Seq(i), At: time.Duration(i) * 200 * time.Millisecond, Outcome: perigee.Received, RTT: 20 * time.Millisecond})
		}
		return s
	}
	var text bytes.Buffer
	if err := traces.WriteSingletonsCSV(&text, sequence([]perigee.Sample{one(begin), one(begin + 2)}, nil)); err != nil {
		t.Fatal(err)
	}
	all := importText(t, traces.FormatPerigee, &text, traces.Options{})
	if len(all.Samples) != 2 || len(all.Batch.Gaps) != 1 || merged(all).Variation.IPDV.Count != 8 || all.Samples[0].Interval != 200*time.Millisecond {
		t.Errorf("%d windows, gaps %v, %d pairs, every %v", len(all.Samples), all.Batch.Gaps, merged(all).Variation.IPDV.Count, all.Samples[0].Interval)
	}
}

// An export that was tampered with is refused, line by line.
func TestOwnExportsMustBeConsistent(t *testing.T) {
	good := storagetest.NewGenerator(8).Samples(time.Unix(1_772_402_400, 0), 3, storagetest.Stream("a", "x"))
	bad := good[1]
	bad.Counts.Received++
	bad.Counts.Lost--
	bad.Counts.Sent, bad.Counts.Planned = bad.Counts.Received+bad.Counts.Late+bad.Counts.Lost, bad.Counts.Received+bad.Counts.Late+bad.Counts.Lost+bad.Counts.SendFailed+bad.Counts.Skipped
	var text bytes.Buffer
	if err := traces.WriteJSONL(&text, sequence([]perigee.Sample{good[0], bad, good[2]}, nil)); err != nil {
		t.Fatal(err)
	}
	windows := 0
	report, err := traces.Import(&text, traces.FormatPerigee, traces.Options{}, func(b perigee.Batch) error {
		windows += len(b.Samples)
		return nil
	})
	if err != nil || windows != 2 || report.Bad != 1 {
		t.Errorf("%d windows, %d bad lines, %v; want 2 and 1", windows, report.Bad, err)
	}
}

// fping -C without -q tells each result twice: once as it comes, once at the end.
func TestFpingTellsTwice(t *testing.T) {
	all := importText(t, traces.FormatFping, fixture(t, "fping-both.txt"), traces.Options{Start: time.Unix(1_700_000_000, 0), Interval: 100 * time.Millisecond})
	if want := (perigee.Counts{Planned: 10, Sent: 10, Received: 10}); all.Counts != want || len(all.bad) > 0 || len(all.Batch.Gaps) > 0 {
		t.Errorf("got %+v, %q, %v", all.Counts, all.bad, all.Batch.Gaps)
	}
}
