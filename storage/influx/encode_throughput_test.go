package influx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// throughputs are results of all sorts: with everything, with awkward names, one of a
// public server that knows little, and one that broke at once.
func throughputs() []perigee.Throughput {
	g := storagetest.NewGenerator(5)
	at := func(n int64) time.Time { return time.Unix(1_772_402_400+60*n, n) }
	whole := g.Throughput(storagetest.Transfer("geo", perigee.LoadDown), at(0))
	whole.Series, whole.TCP = []int64{100, 600, whole.Bytes - 700}, whole.TCP[:2] // or nobody could look at the golden
	whole.SeriesStep = 2 * time.Second
	const name = "it's, a \"link\"=1\n衛星 100% \\"
	named := g.Throughput(perigee.Stream{Site: name, Link: name, Target: name, Method: name, Family: name, Load: perigee.LoadUp}, at(1))
	named.Series, named.TCP = nil, nil
	named.Server, named.Congestion, named.Stop, named.Proof.InterfaceName = name, name, name, name
	public := perigee.Throughput{Stream: storagetest.Transfer("a", perigee.LoadUp), Start: at(2), Length: 10 * time.Second, Server: "Sydney, 12345", Streams: 4,
		Stop: perigee.StoppedAtTime, Rate: 9.5e7, WholeRate: 9e7, Error: -1, Confidence: 0.95, Bytes: 112_500_000, Retransmitted: -1}
	public.Stream.Method = perigee.MethodOokla
	broken := perigee.Throughput{Stream: storagetest.Transfer("a", perigee.LoadDown), Start: at(3), Stop: perigee.StoppedByFailure, Idle: perigee.Latency{Sent: 3}}
	return []perigee.Throughput{whole, named, public, broken}
}

// What was written once is written the same for ever.
func TestThroughputLinesAreAsPromised(t *testing.T) {
	var got, exported []byte
	for _, one := range throughputs() {
		var err error
		entry := perigee.Entry{Kind: perigee.EntryThroughput, Orbit: perigee.OrbitGEO, Throughput: &one}
		if got, err = appendEntry(got, entry, "0123abcd"); err != nil {
			t.Fatal(err)
		}
		if exported, err = appendEntry(exported, entry, ""); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err := WriteThroughputLines(&out, func(yield func(perigee.Throughput, error) bool) {
		for _, one := range throughputs() {
			if !yield(one, nil) {
				return
			}
		}
	}, func(string, perigee.LinkID) perigee.Orbit { return perigee.OrbitGEO })
	if err != nil || !bytes.Equal(out.Bytes(), exported) {
		t.Errorf("exported\n%s, %v, want the same lines without an instance\n%s", out.Bytes(), err, exported)
	}
	path := filepath.Join("testdata", "throughputs.lp.golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
