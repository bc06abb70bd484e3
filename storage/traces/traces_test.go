package traces_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
	"perigee/storage/traces"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// writers are all of the package, by the name of their golden file.
var writers = map[string]func(io.Writer, iter.Seq2[perigee.Sample, error]) error{
	"samples.csv":      traces.WriteCSV,
	"samples.jsonl":    traces.WriteJSONL,
	"singletons.csv":   traces.WriteSingletonsCSV,
	"singletons.jsonl": traces.WriteSingletonsJSONL,
}

// goldenSamples are a plain window, one with awkward names, and one in which nothing
// was sent, so that no statistic is defined.
func goldenSamples() []perigee.Sample {
	plain := perigee.Sample{
		Stream:      perigee.Stream{Site: "home", Link: "geo", Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle},
		Start:       time.Date(2026, 3, 1, 12, 0, 0, 3, time.UTC),
		Length:      10 * time.Second,
		Interval:    2 * time.Second,
		LossTimeout: 5 * time.Second,
		Proof:       perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan1", Local: netip.MustParseAddr("192.168.2.10"), Remote: netip.MustParseAddr("198.18.0.2")},
		Singletons: []perigee.Singleton{
			{Seq: 100, At: 250 * time.Millisecond, Outcome: perigee.Received, RTT: 610 * time.Millisecond},
			{Seq: 101, At: 2250 * time.Millisecond, Outcome: perigee.Received, RTT: 650 * time.Millisecond, Duplicates: 1},
			{Seq: 102, At: 4250001 * time.Microsecond, Outcome: perigee.Lost},
			{Seq: 103, At: 6250 * time.Millisecond, Outcome: perigee.Late, RTT: 5500 * time.Millisecond, Reordered: true},
			{Seq: 104, At: 8250 * time.Millisecond, Outcome: perigee.SendFailed, Cause: "network is down"},
		},
		Cause: "network is down",
	}
	var variation stats.Variation
	for _, one := range plain.Singletons {
		plain.Counts.Add(one)
		if one.Outcome.Sent() {
			plain.LossRuns.Add(!one.Outcome.Arrived(), 2)
		}
		if one.Outcome.Arrived() {
			plain.RTT.Add(one.RTT.Seconds())
			variation.Arrived(one.RTT.Seconds())
		} else {
			variation.Missed()
		}
	}
	plain.Variation = variation.Cut()

	awkward := plain
	awkward.Stream.Link, awkward.Stream.Target, awkward.Stream.Site = "it's, a \"link\"=1", "zwei\nZeilen", "Zürich 衛星"
	awkward.Cause = "a,\"b\"\nc"
	awkward.Singletons = slices.Clone(awkward.Singletons[4:])
	awkward.Singletons[0].Cause = awkward.Cause

	undefined := perigee.Sample{Stream: plain.Stream, Start: plain.Start.Add(10 * time.Second).Truncate(time.Second), Length: 4 * time.Second, Interval: 2 * time.Second,
		LossTimeout: 5 * time.Second, Cause: "no route", Counts: perigee.Counts{Planned: 2, SendFailed: 1, Skipped: 1}}
	undefined.Stream.Load = ""
	return []perigee.Sample{plain, awkward, undefined}
}

func sequence(samples []perigee.Sample, last error) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		for _, s := range samples {
			if !yield(s, nil) {
				return
			}
		}
		if last != nil {
			yield(perigee.Sample{}, last)
		}
	}
}

func TestFormatsAreAsPromised(t *testing.T) {
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got, sequence(goldenSamples(), nil)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

// docs/export.md lists every column and field.
func TestDocumentationNamesEveryColumn(t *testing.T) {
	doc, err := os.ReadFile("../../docs/export.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range append(traces.SampleColumns(), traces.SingletonColumns()...) {
		if !strings.Contains(string(doc), "`"+column+"`") {
			t.Errorf("docs/export.md does not name %q", column)
		}
	}
}

func TestAnEmptyExportHasAHeaderAtMost(t *testing.T) {
	for name, write := range writers {
		var got bytes.Buffer
		if err := write(&got, sequence(nil, nil)); err != nil {
			t.Fatal(err)
		}
		want := 0
		if strings.HasSuffix(name, ".csv") {
			want = 1
		}
		if lines := bytes.Count(got.Bytes(), []byte("\n")); lines != want {
			t.Errorf("%s: %d lines, want %d: %q", name, lines, want, got.String())
		}
	}
}

// An error of the store ends the export, after what came before it.
func TestErrorsOfTheSourceAreReturned(t *testing.T) {
	broken := &perigee.Error{Code: perigee.CodeInternal, Message: "broken"}
	for name, write := range writers {
		var whole, cut bytes.Buffer
		samples := goldenSamples()
		if err := write(&whole, sequence(samples, nil)); err != nil {
			t.Fatal(err)
		}
		err := write(&cut, sequence(samples, broken))
		if !errors.Is(err, broken) || perigee.CodeOf(err) != perigee.CodeInternal {
			t.Errorf("%s: got error %v, want %v", name, err, broken)
		}
		if whole.String() != cut.String() {
			t.Errorf("%s: got\n%s\nwant all that came before the error", name, cut.String())
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestErrorsOfTheWriterEndTheExport(t *testing.T) {
	full := errors.New("no space left")
	g := storagetest.NewGenerator(1)
	for name, write := range writers {
		read := 0
		endless := func(yield func(perigee.Sample, error) bool) {
			for {
				read++
				if !yield(g.Sample(storagetest.Stream("a", "x"), time.Unix(int64(read)*10, 0)), nil) {
					return
				}
			}
		}
		if err := write(failingWriter{full}, endless); !errors.Is(err, full) {
			t.Errorf("%s: got error %v, want %v", name, err, full)
		}
		if read > 10_000 {
			t.Errorf("%s: read %d samples before it noticed", name, read)
		}
	}
}

// Every singleton and every count comes back from CSV and JSON as it was.
func TestValuesSurvive(t *testing.T) {
	g := storagetest.NewGenerator(2)
	samples := g.Samples(time.Unix(1_772_402_400, 123_456_789), 20, storagetest.Stream("a", "x"), storagetest.Stream("with \"quotes\",\nand = signs ", "é"))
	var table, lines, raw bytes.Buffer
	for _, err := range []error{
		traces.WriteCSV(&table, sequence(samples, nil)),
		traces.WriteJSONL(&lines, sequence(samples, nil)),
		traces.WriteSingletonsCSV(&raw, sequence(samples, nil)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	rows := readCSV(t, &table)
	decoder := json.NewDecoder(&lines)
	for i, s := range samples {
		var object struct {
			Start  time.Time
			Link   string
			Counts struct{ Planned, Received int64 }
			RTT    struct {
				Min       *float64
				Quantiles map[string]*float64
			} `json:"rtt_seconds"`
		}
		if err := decoder.Decode(&object); err != nil {
			t.Fatal(err)
		}
		row := rows[i]
		if start, err := time.Parse(time.RFC3339Nano, row["start"]); err != nil || !start.Equal(s.Start) || !object.Start.Equal(s.Start) {
			t.Errorf("start: got %q and %v, want %v", row["start"], object.Start, s.Start)
		}
		if row["link"] != string(s.Stream.Link) || object.Link != string(s.Stream.Link) {
			t.Errorf("link: got %q and %q, want %q", row["link"], object.Link, s.Stream.Link)
		}
		if row["received"] != strconv.FormatInt(s.Counts.Received, 10) || object.Counts.Received != s.Counts.Received || object.Counts.Planned != s.Counts.Planned {
			t.Errorf("received: got %q and %+v, want %+v", row["received"], object.Counts, s.Counts)
		}
		median, defined := s.RTT.Quantile(0.5)
		if defined != (object.RTT.Quantiles["0.5"] != nil) || defined != (row["rtt_p50_seconds"] != "") {
			t.Fatalf("median: got %v and %q, defined %v", object.RTT.Quantiles["0.5"], row["rtt_p50_seconds"], defined)
		}
		if defined && (*object.RTT.Quantiles["0.5"] != median || row["rtt_p50_seconds"] != strconv.FormatFloat(median, 'f', -1, 64)) {
			t.Errorf("median: got %v and %q, want %v", *object.RTT.Quantiles["0.5"], row["rtt_p50_seconds"], median)
		}
	}
	singletons := readCSV(t, &raw)
	i := 0
	for _, s := range samples {
		for _, one := range s.Singletons {
			row := singletons[i]
			i++
			at, err := time.Parse(time.RFC3339Nano, row["time"])
			outcome, known := perigee.ParseOutcome(row["outcome"])
			if err != nil || !at.Equal(s.Start.Add(one.At)) || !known || outcome != one.Outcome || row["cause"] != one.Cause || row["seq"] != strconv.FormatUint(uint64(one.Seq), 10) {
				t.Fatalf("singleton %+v: got %v", one, row)
			}
			if one.RTT == 0 {
				if row["rtt_seconds"] != "" {
					t.Errorf("RTT of %v: got %q, want an empty cell", one.Outcome, row["rtt_seconds"])
				}
				continue
			}
			if rtt, err := strconv.ParseFloat(row["rtt_seconds"], 64); err != nil || time.Duration(rtt*1e9+0.5) != one.RTT {
				t.Errorf("RTT: got %q, want %v", row["rtt_seconds"], one.RTT)
			}
		}
	}
	if i != len(singletons) {
		t.Errorf("got %d rows, want %d", len(singletons), i)
	}
}

func readCSV(t *testing.T, r io.Reader) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func TestUnixSecondsAreExact(t *testing.T) {
	for _, test := range []struct {
		time time.Time
		want string
	}{
		{time.Unix(1_772_402_400, 3), "1772402400.000000003"},
		{time.Unix(0, 0), "0.000000000"},
		{time.Unix(-1, 250_000_000), "-0.750000000"},
		{time.Unix(-2, 250_000_000), "-1.750000000"},
		{time.Unix(-2, 0), "-2.000000000"},
	} {
		var got bytes.Buffer
		if err := traces.WriteCSV(&got, sequence([]perigee.Sample{{Start: test.time}}, nil)); err != nil {
			t.Fatal(err)
		}
		if row := readCSV(t, &got)[0]; row["start_unix_seconds"] != test.want {
			t.Errorf("%v: got %q, want %q", test.time, row["start_unix_seconds"], test.want)
		}
	}
}

// Memory does not grow with the number of samples: the writers hold one at a time.
func TestWritersHoldOneSample(t *testing.T) {
	samples := storagetest.NewGenerator(4).Samples(time.Unix(0, 0), 200, storagetest.Stream("a", "x"))
	for name, write := range writers {
		var counter countingWriter
		if err := write(&counter, func(yield func(perigee.Sample, error) bool) {
			for i, s := range samples {
				// 199 samples of 400 bytes at least do not fit the buffer.
				if i == 199 && counter.n == 0 {
					t.Errorf("%s: nothing written after %d samples", name, i)
				}
				if !yield(s, nil) {
					return
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		if counter.largest > 80<<10 {
			t.Errorf("%s: wrote %d bytes at once", name, counter.largest)
		}
	}
}

type countingWriter struct{ n, largest int }

func (w *countingWriter) Write(b []byte) (int, error) {
	w.n += len(b)
	w.largest = max(w.largest, len(b))
	return len(b), nil
}

func BenchmarkWrite(b *testing.B) {
	samples := storagetest.NewGenerator(5).Samples(time.Unix(0, 0), 1000, storagetest.Stream("a", "x"))
	names := []string{"samples.csv", "samples.jsonl", "singletons.csv", "singletons.jsonl"}
	slices.Sort(names)
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := writers[name](io.Discard, sequence(samples, nil)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(samples)*b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
