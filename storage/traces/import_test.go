package traces_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/influx"
	"perigee/storage/storagetest"
	"perigee/storage/traces"
)

// imported is all that an import hands over.
type imported struct {
	perigee.Batch
	traces.Report
	bad []string
}

// importText imports a trace that does not tell the same time twice.
func importText(t testing.TB, f traces.Format, r io.Reader, o traces.Options) imported {
	t.Helper()
	all := importAny(t, f, r, o)
	checkStarts(t, all.Samples)
	return all
}

// importAny imports a trace. An error of the source is among those of lines.
func importAny(t testing.TB, f traces.Format, r io.Reader, o traces.Options) imported {
	t.Helper()
	var all imported
	if o.Link == "" {
		o.Link = "link"
	}
	if o.Site == "" {
		o.Site = "home"
	}
	o.Bad = func(line int64, err error) { all.bad = append(all.bad, fmt.Sprintf("%d: %v", line, err)) }
	report, err := traces.Import(r, f, o, func(b perigee.Batch) error {
		all.Samples = append(all.Samples, b.Samples...)
		all.Batch.Throughputs = append(all.Batch.Throughputs, b.Throughputs...)
		all.Batch.Outages = append(all.Batch.Outages, b.Outages...)
		all.Batch.Gaps = append(all.Batch.Gaps, b.Gaps...)
		return nil
	})
	if err != nil {
		all.bad = append(all.bad, err.Error())
	}
	all.Report = report
	checkImported(t, all)
	return all
}

// checkStarts checks that no window takes another's name, as none of a trace may that
// does not tell the same time twice.
func checkStarts(t testing.TB, samples []perigee.Sample) {
	t.Helper()
	type name struct {
		stream perigee.Stream
		start  int64
	}
	known := map[name]bool{}
	for _, s := range samples {
		n := name{s.Stream, s.Start.UnixNano()}
		if known[n] {
			t.Errorf("two windows of %v start at %v", s.Stream, s.Start)
		}
		known[n] = true
		const grid = 10 * time.Second
		if border := s.Start.Truncate(grid).Add(grid + time.Millisecond); s.End().After(border) {
			t.Errorf("the window of %v ends at %v, beyond the grid", s.Start, s.End())
		}
	}
}

// checkImported checks what holds of any import.
func checkImported(t testing.TB, all imported) {
	t.Helper()
	var counts perigee.Counts
	for _, s := range all.Samples {
		if err := s.Counts.Check(); err != nil {
			t.Error(err)
		}
		counts.Merge(s.Counts)
		if s.RTT.Count != s.Counts.Received || s.RTT.Sketch.Count() != s.Counts.Received || s.Length <= 0 {
			t.Errorf("window of %v: %d round trips of %d replies in %v", s.Start, s.RTT.Count, s.Counts.Received, s.Length)
		}
		var recount perigee.Counts
		for i, one := range s.Singletons {
			recount.Add(one)
			if one.At < 0 || one.At > s.Length || i > 0 && one.At < s.Singletons[i-1].At {
				t.Errorf("probe %d of the window of %v is at %v of %v", one.Seq, s.Start, one.At, s.Length)
			}
		}
		if s.Singletons != nil && recount != s.Counts {
			t.Errorf("window of %v: counts are %+v, its probes %+v", s.Start, s.Counts, recount)
		}
	}
	if counts != all.Counts {
		t.Errorf("the report counts %+v, the windows %+v", all.Counts, counts)
	}
	for _, x := range all.Batch.Throughputs {
		if err := x.Check(); err != nil {
			t.Error(err)
		}
	}
	for _, o := range all.Batch.Outages {
		if o.End.Before(o.Start) || o.Open {
			t.Errorf("outage from %v to %v", o.Start, o.End)
		}
	}
	for _, g := range all.Batch.Gaps {
		if g.End.Before(g.Start) {
			t.Errorf("gap from %v to %v", g.Start, g.End)
		}
	}
}

func fixture(t testing.TB, name string) io.Reader {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}

// What real tools counted themselves is what is imported.
func TestRealTracesAreCountedAsTheirToolsDid(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		file     string
		format   traces.Format
		options  traces.Options
		sent     int64
		received int64
		outages  int
		interval time.Duration
		target   perigee.TargetID
		family   perigee.Family
	}{
		{"ping-losses.txt", traces.FormatPing, traces.Options{}, 30, 20, 1, 204 * time.Millisecond, "127.0.0.1", perigee.IPv4},
		{"ping-quiet-losses.txt", traces.FormatPing, traces.Options{}, 15, 11, 0, 204 * time.Millisecond, "127.0.0.1", perigee.IPv4},
		{"ping-down.txt", traces.FormatPing, traces.Options{}, 6, 3, 0, 204 * time.Millisecond, "127.0.0.1", perigee.IPv4},
		{"ping6.txt", traces.FormatPing, traces.Options{}, 3, 3, 0, 203 * time.Millisecond, "::1", perigee.IPv6},
		{"ping-no-stamps.txt", traces.FormatPing, traces.Options{Start: start, Interval: 200 * time.Millisecond}, 3, 3, 0, 200 * time.Millisecond, "localhost", perigee.IPv4},
		{"fping-losses.txt", traces.FormatFping, traces.Options{}, 21, 13, 1, 200 * time.Millisecond, "127.0.0.1", perigee.IPv4},
		{"fping-summary.txt", traces.FormatFping, traces.Options{Start: start, Interval: 200 * time.Millisecond}, 6, 4, 0, 200 * time.Millisecond, "127.0.0.1", perigee.IPv4},
	} {
		t.Run(c.file, func(t *testing.T) {
			all := importText(t, c.format, fixture(t, c.file), c.options)
			if len(all.bad) > 0 || len(all.Batch.Gaps) > 0 {
				t.Errorf("bad lines %q, gaps %v", all.bad, all.Batch.Gaps)
			}
			want := perigee.Counts{Planned: c.sent, Sent: c.sent, Received: c.received, Lost: c.sent - c.received}
			if all.Counts != want {
				t.Errorf("counts: got %+v, want %+v", all.Counts, want)
			}
			if len(all.Batch.Outages) != c.outages {
				t.Errorf("outages: got %v, want %d", all.Batch.Outages, c.outages)
			}
			first := all.Samples[0]
			if s := first.Stream; s.Target != c.target || s.Family != c.family || s.Method != perigee.MethodICMP || s.Load != perigee.LoadIdle || s.Link != "link" || s.Site != "home" {
				t.Errorf("stream: got %+v", s)
			}
			if (first.Interval-c.interval).Abs() > 4*time.Millisecond || first.LossTimeout != 3*time.Second || first.Interval%time.Millisecond != 0 {
				t.Errorf("interval %v and loss timeout %v, want %v and 3 s", first.Interval, first.LossTimeout, c.interval)
			}
		})
	}
}

// An outage runs from the first probe without an answer to the next one with.
func TestOutagesOfARealTrace(t *testing.T) {
	all := importText(t, traces.FormatPing, fixture(t, "ping-losses.txt"), traces.Options{})
	o := all.Batch.Outages[0]
	// Probe 9 was sent an interval after probe 8, at …538.072; probe 19 was answered at …540.315986.
	if from, to := o.Start.Sub(time.Unix(1795445538, 276e6)), o.End.Sub(time.Unix(1795445540, 315962e3)); from.Abs() > 5*time.Millisecond || to.Abs() > time.Millisecond || o.Probes != 10 || o.Reason != "no replies" {
		t.Errorf("got %v to %v, %d probes, %q", o.Start, o.End, o.Probes, o.Reason)
	}
	last := all.Samples[len(all.Samples)-1]
	var runs stats.LossRuns
	for _, s := range all.Samples {
		runs.Append(s.LossRuns)
	}
	if runs.Count != 1 || runs.Longest.Packets != 10 || math.Abs(runs.Longest.Seconds-2.04) > 0.03 {
		t.Errorf("loss runs: %+v in windows up to %v", runs, last.Start)
	}
}

func TestSeveralTargetsOfFpingAreSeveralStreams(t *testing.T) {
	all := importText(t, traces.FormatFping, fixture(t, "fping-two.txt"), traces.Options{})
	if len(all.Streams) != 2 || all.Counts.Received != 10 || len(all.bad) > 0 {
		t.Errorf("got streams %v, counts %+v, bad lines %q", all.Streams, all.Counts, all.bad)
	}
	named := importText(t, traces.FormatFping, fixture(t, "fping-two.txt"), traces.Options{Target: "far"})
	if len(named.Streams) != 1 || named.Streams[0].Target != "far" || named.Counts.Received != 5 || named.Bad != 5 || !strings.Contains(named.bad[0], "leave --target away") {
		t.Errorf("with a name for one: got streams %v, counts %+v, bad lines %q", named.Streams, named.Counts, named.bad)
	}
}

func TestIRTT(t *testing.T) {
	all := importText(t, traces.FormatIRTT, fixture(t, "irtt.json"), traces.Options{})
	if want := (perigee.Counts{Planned: 5, Sent: 5, Received: 3, Lost: 2}); all.Counts != want || len(all.bad) > 0 {
		t.Errorf("got %+v and bad %q, want %+v", all.Counts, all.bad, want)
	}
	s := all.Samples[0]
	if s.Stream.Target != "localhost" || s.Stream.Method != traces.MethodIRTT || s.Interval != 200*time.Millisecond {
		t.Errorf("got %+v every %v", s.Stream, s.Interval)
	}
	if at, want := s.Start.Add(s.Singletons[0].At), time.Unix(0, 1508180723502727340); !at.Equal(want) || s.Singletons[0].RTT != 134460 {
		t.Errorf("the first probe was sent at %v and took %v, want %v and 134.46 µs", at, s.Singletons[0].RTT, want)
	}
	// The one pair is 134,460 and 99,455 ns; probe 4 follows a loss.
	if v := s.Variation; v.IPDV.Count != 1 || math.Abs(v.IPDV.Mean-35005e-9) > 1e-12 || math.Abs(v.Jitter-35005e-9/16) > 1e-12 {
		t.Errorf("variation %+v", v)
	}
}

func TestIperf3(t *testing.T) {
	up := importText(t, traces.FormatIperf3, fixture(t, "iperf3-up.json"), traces.Options{})
	down := importText(t, traces.FormatIperf3, fixture(t, "iperf3-down.json"), traces.Options{Target: "far"})
	if len(up.Batch.Throughputs) != 1 || len(down.Batch.Throughputs) != 1 || len(up.bad)+len(down.bad) > 0 {
		t.Fatalf("got %d and %d transfers, bad %q %q", len(up.Batch.Throughputs), len(down.Batch.Throughputs), up.bad, down.bad)
	}
	u, d := up.Batch.Throughputs[0], down.Batch.Throughputs[0]
	if u.Stream.Load != perigee.LoadUp || u.Stream.Target != "127.0.0.1" || u.Stream.Method != traces.MethodIperf3 || !u.ReceiverCounted || u.Streams != 1 || u.Congestion != "bbr" {
		t.Errorf("up: %+v", u)
	}
	// sum_received: 5111808 bytes in 2.000447 s.
	if u.Bytes != 5111808 || u.Length != 2000447*time.Microsecond || math.Abs(u.Rate-20442663.06) > 1 || u.Series != nil || u.Retransmitted != 0 {
		t.Errorf("up: %d bytes in %v, %g bit/s, series %v, %d sent again", u.Bytes, u.Length, u.Rate, u.Series, u.Retransmitted)
	}
	if len(u.TCP) != 4 || u.TCP[0].RTT != 116*time.Microsecond || u.TCP[3].MinRTT != 116*time.Microsecond || u.TCP[0].Window != 1178694 {
		t.Errorf("up: states %+v", u.TCP)
	}
	if d.Stream.Load != perigee.LoadDown || d.Stream.Target != "far" || d.Streams != 2 || len(d.Series) != 2 || (d.SeriesStep-time.Second).Abs() > 5*time.Millisecond || !d.Start.Equal(time.Unix(1795444441, 0)) {
		t.Errorf("down: %+v", d)
	}
	both := importText(t, traces.FormatIperf3, fixture(t, "iperf3-bidir.json"), traces.Options{}).Batch.Throughputs
	if len(both) != 2 || both[0].Stream.Load != perigee.LoadUp || both[1].Stream.Load != perigee.LoadDown || both[1].Bytes != 1310720 || len(both[1].Series) != 2 {
		t.Errorf("both ways: %+v", both)
	}
	// The first second does not count; sum_received: 1310720 bytes in 1.974538 s.
	omit := importText(t, traces.FormatIperf3, fixture(t, "iperf3-omit.json"), traces.Options{}).Batch.Throughputs
	if len(omit) != 1 || !omit[0].Start.Equal(time.Unix(1795446758, 0)) || omit[0].Bytes != 1310720 || math.Abs(omit[0].Rate-5310487.82) > 1 || len(omit[0].Series) != 2 {
		t.Errorf("with the ramp left out: %+v", omit)
	}
	refused := importText(t, traces.FormatIperf3, fixture(t, "iperf3-refused.json"), traces.Options{})
	if len(refused.bad) != 1 || !strings.Contains(refused.bad[0], "Connection refused") {
		t.Errorf("refused: %q", refused.bad)
	}
	var text bytes.Buffer
	for range 3 {
		if _, err := io.Copy(&text, fixture(t, "iperf3-up.json")); err != nil {
			t.Fatal(err)
		}
	}
	if all := importText(t, traces.FormatIperf3, &text, traces.Options{}); all.Report.Throughputs != 3 || len(all.bad) > 0 {
		t.Errorf("three results in one file: got %d, bad %q", all.Report.Throughputs, all.bad)
	}
}

func TestTelegraf(t *testing.T) {
	all := importText(t, traces.FormatLP, fixture(t, "telegraf.lp"), traces.Options{})
	if len(all.bad) > 0 || len(all.Streams) != 2 {
		t.Fatalf("bad lines %q, streams %v", all.bad, all.Streams)
	}
	of := map[perigee.TargetID]*perigee.Sample{}
	first := map[perigee.TargetID]perigee.Sample{}
	for _, s := range all.Samples {
		if _, known := of[s.Stream.Target]; !known {
			of[s.Stream.Target] = &perigee.Sample{}
			first[s.Stream.Target] = s
		}
		of[s.Stream.Target].Merge(s)
	}
	// 5 of 5, 2 of 5, 0 of 5, and one that was not sent for want of an address.
	several := of["example.org"]
	if want := (perigee.Counts{Planned: 16, Sent: 15, SendFailed: 1, Received: 7, Lost: 8}); several.Counts != want || several.Cause != "no such host" {
		t.Errorf("got %+v for %q, want %+v", several.Counts, several.Cause, want)
	}
	one := first["example.org"]
	deviation, _ := one.RTT.Stddev()
	// Of a population of 5, so that of the sample is sqrt(5/4) times as large.
	if math.Abs(one.RTT.Min-0.022451) > 1e-12 || math.Abs(one.RTT.Max-0.02464) > 1e-12 || math.Abs(one.RTT.Mean-0.023066) > 1e-12 || math.Abs(deviation-0.000809*math.Sqrt(1.25)) > 1e-9 || one.Singletons != nil || one.Variation.IPDV.Count != 0 {
		t.Errorf("the point is taken as %+v, deviation %g", one.RTT, deviation)
	}
	// Single probes keep their order: one loss run of two.
	single := of["192.0.2.1"]
	if want := (perigee.Counts{Planned: 4, Sent: 4, Received: 2, Lost: 2}); single.Counts != want || single.LossRuns.Count != 1 || single.LossRuns.Longest.Packets != 2 || single.Interval != 10*time.Second {
		t.Errorf("got %+v, runs %+v every %v", single.Counts, single.LossRuns, single.Interval)
	}
	if len(all.Batch.Outages) != 2 || len(all.Notes) != 1 {
		t.Errorf("outages %+v, notes %q", all.Batch.Outages, all.Notes)
	}
}

func TestSmokePing(t *testing.T) {
	all := importText(t, traces.FormatSmokeping, fixture(t, "smokeping.csv"), traces.Options{})
	if want := (perigee.Counts{Planned: 20, Sent: 20, Received: 13, Lost: 7}); all.Counts != want || len(all.bad) > 0 {
		t.Errorf("got %+v, bad %q, want %+v", all.Counts, all.bad, want)
	}
	var sum perigee.Sample
	for _, s := range all.Samples {
		sum.Merge(s)
	}
	// Sorted pings form no pairs; of the losses only those of a whole round have an order.
	if sum.Variation.IPDV.Count != 0 || sum.LossRuns.Count != 1 || sum.LossRuns.Longest.Packets != 5 || len(all.Batch.Outages) != 1 {
		t.Errorf("variation of %d pairs, runs %+v, outages %v", sum.Variation.IPDV.Count, sum.LossRuns, all.Batch.Outages)
	}
	if median, _ := sum.RTT.Quantile(0.5); math.Abs(median-0.0124) > 0.0001 {
		t.Errorf("median %g", median)
	}
}

// Our own exports come back exactly, whatever the form.
func TestOwnExportsComeBackExactly(t *testing.T) {
	g := storagetest.NewGenerator(3)
	samples := g.Samples(time.Unix(1_772_402_400, 3), 40, storagetest.Stream("a", "x"), storagetest.Stream("with \"quotes\",\nand = signs %20", "é"))
	samples = append(samples, goldenSamples()...)
	for i := range samples {
		samples[i].Singletons = nil
		samples[i].Start = samples[i].Start.UTC()
		if samples[i].Stream.Load == "" {
			samples[i].Stream.Load = perigee.LoadIdle
		}
	}
	lines := func(w io.Writer, all func(func(perigee.Sample, error) bool)) error {
		return influx.WriteLineProtocol(w, all, func(string, perigee.LinkID) perigee.Orbit { return perigee.OrbitLEO })
	}
	for _, c := range []struct {
		name   string
		format traces.Format
		write  func(io.Writer, func(func(perigee.Sample, error) bool)) error
	}{
		{"csv", traces.FormatPerigee, func(w io.Writer, all func(func(perigee.Sample, error) bool)) error { return traces.WriteCSV(w, all) }},
		{"jsonl", traces.FormatPerigee, func(w io.Writer, all func(func(perigee.Sample, error) bool)) error { return traces.WriteJSONL(w, all) }},
		{"lp", traces.FormatLP, lines},
	} {
		var text bytes.Buffer
		if err := c.write(&text, sequence(samples, nil)); err != nil {
			t.Fatal(err)
		}
		var got []perigee.Sample
		report, err := traces.Import(&text, c.format, traces.Options{Bad: func(line int64, err error) { t.Errorf("%s:%d: %v", c.name, line, err) }}, func(b perigee.Batch) error {
			got = append(got, b.Samples...)
			return nil
		})
		if err != nil || len(got) != len(samples) {
			t.Fatalf("%s: got %d samples of %d, %+v, %v", c.name, len(got), len(samples), report, err)
		}
		for i := range samples {
			if !sameSample(got[i], samples[i]) {
				t.Fatalf("%s: sample %d: got\n%+v\nwant\n%+v", c.name, i, got[i], samples[i])
			}
		}
	}
}

func sameSample(a, b perigee.Sample) bool {
	sketches := func(s *perigee.Sample) (all []byte) {
		all = append(s.RTT.Sketch.Encode(), s.Variation.IPDV.Sketch.Encode()...)
		s.RTT.Sketch, s.Variation.IPDV.Sketch = stats.Sketch{}, stats.Sketch{}
		return all
	}
	return bytes.Equal(sketches(&a), sketches(&b)) && reflect.DeepEqual(a, b)
}

func TestOwnTransfersComeBackExactly(t *testing.T) {
	want := goldenThroughputs()
	lines := func(w io.Writer, all func(func(perigee.Throughput, error) bool)) error {
		return influx.WriteThroughputLines(w, all, nil)
	}
	for name, write := range map[string]func(io.Writer, func(func(perigee.Throughput, error) bool)) error{
		"perigee csv": func(w io.Writer, all func(func(perigee.Throughput, error) bool)) error {
			return traces.WriteThroughputsCSV(w, all)
		},
		"perigee jsonl": func(w io.Writer, all func(func(perigee.Throughput, error) bool)) error {
			return traces.WriteThroughputsJSONL(w, all)
		},
		"lp": lines,
	} {
		var text bytes.Buffer
		if err := write(&text, throughputSequence(want, nil)); err != nil {
			t.Fatal(err)
		}
		format, _, _ := strings.Cut(name, " ")
		var got []perigee.Throughput
		_, err := traces.Import(&text, traces.Format(format), traces.Options{Bad: func(line int64, err error) { t.Errorf("%s:%d: %v", name, line, err) }}, func(b perigee.Batch) error {
			got = append(got, b.Throughputs...)
			return nil
		})
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: got %d transfers of %d, %v", name, len(got), len(want), err)
		}
		for i := range want {
			if !got[i].Start.Equal(want[i].Start) || got[i].Stream != want[i].Stream || !bytes.Equal(got[i].Pack(nil), want[i].Pack(nil)) {
				t.Errorf("%s: got %+v, want %+v", name, got[i], want[i])
			}
		}
	}
}

// Single probes of our own make the windows that they were exported from.
func TestOwnSingletonsMakeTheirWindowsAnew(t *testing.T) {
	g := storagetest.NewGenerator(4)
	samples := g.Samples(time.Unix(1_772_402_400, 0), 30, storagetest.Stream("a", "x"), storagetest.Stream("a", "y"))
	for name, write := range map[string]func(io.Writer) error{
		"csv":   func(w io.Writer) error { return traces.WriteSingletonsCSV(w, sequence(samples, nil)) },
		"jsonl": func(w io.Writer) error { return traces.WriteSingletonsJSONL(w, sequence(samples, nil)) },
	} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		all := importText(t, traces.FormatPerigee, &text, traces.Options{Link: "b"})
		if len(all.bad) > 0 || len(all.Samples) != len(samples) || len(all.Batch.Gaps) > 0 {
			t.Fatalf("%s: %d windows of %d, gaps %v, bad %q", name, len(all.Samples), len(samples), all.Batch.Gaps, all.bad)
		}
		slices.SortStableFunc(all.Samples, func(a, b perigee.Sample) int {
			return a.Start.Truncate(time.Second).Compare(b.Start.Truncate(time.Second))
		})
		for i, s := range all.Samples {
			if s.Counts != samples[i].Counts || s.Stream.Link != "b" || s.Stream.Target != samples[i].Stream.Target || s.LossTimeout != samples[i].LossTimeout {
				t.Fatalf("%s: window %d: got %+v %+v, want %+v %+v", name, i, s.Stream, s.Counts, samples[i].Stream, samples[i].Counts)
			}
			if s.RTT.Mean != samples[i].RTT.Mean || s.RTT.M2 != samples[i].RTT.M2 || s.Variation.Jitter != samples[i].Variation.Jitter || s.Variation.IPDV.Mean != samples[i].Variation.IPDV.Mean || s.LossRuns != samples[i].LossRuns {
				t.Errorf("%s: window %d: got jitter %g, runs %+v, want %g, %+v", name, i, s.Variation.Jitter, s.LossRuns, samples[i].Variation.Jitter, samples[i].LossRuns)
			}
		}
	}
}

// The same trace, packed, with a byte order mark or Windows' ends of lines, is the same.
func TestPackagingChangesNothing(t *testing.T) {
	plain, err := os.ReadFile("testdata/ping-losses.txt")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	want := importText(t, traces.FormatPing, bytes.NewReader(plain), traces.Options{})
	for name, text := range map[string][]byte{
		"gzip": packed.Bytes(),
		"CRLF": bytes.ReplaceAll(plain, []byte("\n"), []byte("\r\n")),
		"BOM":  append([]byte("\xef\xbb\xbf"), plain...),
	} {
		got := importText(t, traces.FormatPing, bytes.NewReader(text), traces.Options{})
		if !reflect.DeepEqual(got.Samples, want.Samples) || !reflect.DeepEqual(got.Batch.Outages, want.Batch.Outages) || len(got.bad) > 0 {
			t.Errorf("%s: got %+v, bad %q, want %+v", name, got.Report, got.bad, want.Report)
		}
	}
	cut := importText(t, traces.FormatPing, bytes.NewReader(packed.Bytes()[:packed.Len()-40]), traces.Options{})
	if cut.Counts.Received == 0 || len(cut.bad) == 0 || !strings.Contains(cut.bad[len(cut.bad)-1], "unexpected EOF") {
		t.Errorf("cut off: got %+v, bad %q", cut.Counts, cut.bad)
	}
}
