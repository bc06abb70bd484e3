package traces_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
	"perigee/storage/traces"
)

// throughputWriters are all that write transfers, by the name of their golden file.
var throughputWriters = map[string]func(io.Writer, iter.Seq2[perigee.Throughput, error]) error{
	"throughputs.csv":   traces.WriteThroughputsCSV,
	"throughputs.jsonl": traces.WriteThroughputsJSONL,
}

// goldenThroughputs are one with everything, under awkward names, and one that broke at
// once, so that hardly a statistic is defined.
func goldenThroughputs() []perigee.Throughput {
	whole := perigee.Throughput{
		Stream: perigee.Stream{Site: "Zürich 衛星", Link: "it's, a \"link\"=1", Target: "zwei\nZeilen", Method: perigee.MethodTransfer, Family: perigee.IPv4, Load: perigee.LoadDown},
		Start:  time.Date(2026, 3, 1, 12, 0, 0, 3, time.UTC), Length: 250 * time.Millisecond, Ramp: 100 * time.Millisecond,
		Proof:  perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan1", Local: netip.MustParseAddr("192.168.2.10"), Remote: netip.MustParseAddr("198.18.0.2")},
		Server: "far.example.net:4862", Streams: 8, Congestion: "bbr", Stop: perigee.StoppedAtCap, ReceiverCounted: true, Steady: true,
		Rate: 48000, Error: 0.04, Confidence: 0.95, Rate5: 47000, Rate50: 48000, Rate95: 49000.5, RateSeconds: 1, WholeRate: 32000,
		Bytes: 1000, WireBytes: 1300, Retransmitted: 12,
		Connect: perigee.Connect{TCP: 3 * time.Millisecond, TLS: 6 * time.Millisecond, FirstByte: 4 * time.Millisecond},
		Idle:    perigee.Latency{Sent: 5, Received: 5, Min: 0.61, P50: 0.62, P95: 0.7, P99: 0.71, Mean: 0.63},
		Loaded:  perigee.Latency{Sent: 2, Received: 1, Min: 0.9, P50: 0.9, P95: 0.9, P99: 0.9, Mean: 0.9},

		SeriesStep: 100 * time.Millisecond, Series: []int64{100, 600, 300},
		TCP: []perigee.TCPState{{At: 100 * time.Millisecond, RTT: 700 * time.Millisecond, MinRTT: 610 * time.Millisecond, Window: 14480, Retransmitted: 12, DeliveryRate: 1e5}},

		ByArrival: true,
		TCPReceiver: []perigee.TCPReceiverState{
			{At: 100 * time.Millisecond, RTT: 720 * time.Millisecond, MinRTT: 615 * time.Millisecond, Space: 28960, Received: 103, Segments: 4, OutOfOrder: 1},
			{At: 200 * time.Millisecond, Space: 28960, Received: 703, Segments: 7, OutOfOrder: -1},
		},
	}
	broken := perigee.Throughput{Stream: storagetest.Transfer("geo", perigee.LoadUp), Start: whole.Start.Add(time.Minute), Stop: perigee.StoppedByFailure, Error: -1, Retransmitted: -1}
	return []perigee.Throughput{whole, broken}
}

func throughputSequence(list []perigee.Throughput, last error) iter.Seq2[perigee.Throughput, error] {
	return func(yield func(perigee.Throughput, error) bool) {
		for _, t := range list {
			if !yield(t, nil) {
				return
			}
		}
		if last != nil {
			yield(perigee.Throughput{}, last)
		}
	}
}

func TestThroughputFormatsAreAsPromised(t *testing.T) {
	for name, write := range throughputWriters {
		var got bytes.Buffer
		if err := write(&got, throughputSequence(goldenThroughputs(), nil)); err != nil {
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
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.Bytes(), want)
		}
		broken := errors.New("broken")
		var cut bytes.Buffer
		if err := write(&cut, throughputSequence(goldenThroughputs(), broken)); !errors.Is(err, broken) || cut.String() != got.String() {
			t.Errorf("%s: got error %v and\n%s\nwant all that came before it", name, err, cut.String())
		}
		if err := write(failingWriter{broken}, throughputSequence(goldenThroughputs(), nil)); !errors.Is(err, broken) {
			t.Errorf("%s: got error %v of the writer", name, err)
		}
	}
}

// Every column is a member of JSON lines too, and docs/export.md names it.
func TestThroughputColumnsAreMembers(t *testing.T) {
	doc, err := os.ReadFile("../../docs/export.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := traces.WriteThroughputsJSONL(&lines, throughputSequence(goldenThroughputs(), nil)); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&lines)
	for range goldenThroughputs() {
		var members map[string]any
		if err := decoder.Decode(&members); err != nil {
			t.Fatal(err)
		}
		proof, _ := members["proof"].(map[string]any)
		for _, column := range traces.ThroughputColumns() {
			_, there := members[column]
			if _, inProof := proof[column]; !there && !inProof {
				t.Errorf("JSON lines have no %q", column)
			}
			if !strings.Contains(string(doc), "`"+column+"`") {
				t.Errorf("docs/export.md does not name %q", column)
			}
		}
	}
}
