package traces_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/influx"
	"perigee/storage/storagetest"
	"perigee/storage/traces"
)

// fuzzImport holds a reader to what is true of any import, whatever the bytes. seeds are
// files of testdata.
func fuzzImport(f *testing.F, format traces.Format, texts []string, seeds ...string) {
	for _, name := range seeds {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b, true)
		f.Add(b[:len(b)*2/3], false)
		f.Add(append(bytes.Clone(b), b...), false)
		f.Add(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), false)
	}
	for _, text := range append(texts, "", "\n", "\x00", "\xef\xbb\xbf", "\x1f\x8b", "{", "[", `{"`, "time,seq,rtt\n") {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, start bool) {
		o := traces.Options{Now: func() time.Time { return time.Unix(4_000_000_000, 0) }}
		if start {
			o.Start, o.Interval = time.Unix(1_700_000_000, 0), 200*time.Millisecond
		}
		importAny(t, format, bytes.NewReader(text), o)
	})
}

func FuzzPing(f *testing.F) {
	fuzzImport(f, traces.FormatPing, []string{"1694477135.6833403\t1\t44.5\n1694477135.8295577\t2\t-1\n", "ping: sendmsg: Network is unreachable\n"},
		"ping-losses.txt", "ping-quiet-losses.txt", "ping-down.txt", "ping6.txt", "ping-no-stamps.txt")
}

func FuzzFping(f *testing.F) {
	fuzzImport(f, traces.FormatFping, []string{"[1.5] a : duplicate for [0], 64 bytes, 0.1 ms\n"}, "fping-losses.txt", "fping-two.txt", "fping-summary.txt")
}

func FuzzIRTT(f *testing.F) { fuzzImport(f, traces.FormatIRTT, nil, "irtt.json") }

func FuzzIperf3(f *testing.F) {
	fuzzImport(f, traces.FormatIperf3, nil, "iperf3-up.json", "iperf3-down.json", "iperf3-bidir.json", "iperf3-refused.json")
}

func FuzzSmokePing(f *testing.F) { fuzzImport(f, traces.FormatSmokeping, nil, "smokeping.csv") }

func FuzzCSV(f *testing.F) {
	fuzzImport(f, traces.FormatCSV, []string{"time,seq,rtt\n1700000000,0,0.02\n2023-11-14T22:13:21Z,1,\n1700000002,65535,2e-2\n1700000003,0,\n"})
}

func FuzzLineProtocol(f *testing.F) {
	own := func(write func(io.Writer) error) string {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			f.Fatal(err)
		}
		return b.String()
	}
	samples := storagetest.NewGenerator(6).Samples(time.Unix(1_772_402_400, 0), 2, storagetest.Stream("a", "x"))
	fuzzImport(f, traces.FormatLP, []string{
		own(func(w io.Writer) error { return influx.WriteLineProtocol(w, sequence(samples, nil), nil) }),
		own(func(w io.Writer) error {
			return influx.WriteThroughputLines(w, throughputSequence(goldenThroughputs(), nil), nil)
		}),
		`rtt,link=a\ b,site=%41,method=icmp state="AQ==",sketch="" 1` + "\n",
	}, "telegraf.lp")
}

func FuzzOwn(f *testing.F) {
	var samples []perigee.Sample
	for _, s := range goldenSamples() {
		s.Singletons = nil
		samples = append(samples, s)
	}
	var b bytes.Buffer
	if err := traces.WriteCSV(&b, sequence(samples, nil)); err != nil {
		f.Fatal(err)
	}
	fuzzImport(f, traces.FormatPerigee, []string{b.String()},
		"samples.csv.golden", "samples.jsonl.golden", "singletons.csv.golden", "singletons.jsonl.golden", "throughputs.csv.golden", "throughputs.jsonl.golden")
}
