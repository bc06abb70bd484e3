package influx

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

// stateSamples are samples of all sorts: of the generator, merged, empty, with extreme
// values and without any address.
func stateSamples() []perigee.Sample {
	g := storagetest.NewGenerator(7)
	samples := g.Samples(time.Unix(1_772_402_400, 123_456_789), 60, storagetest.Stream("a", "x"))
	merged := perigee.Sample{}
	for _, s := range samples {
		merged.Merge(s)
	}
	for i := range samples {
		samples[i].Singletons = nil
	}
	extreme := merged
	extreme.Start = time.Unix(0, math.MinInt64)
	extreme.Length, extreme.Interval, extreme.LossTimeout = math.MaxInt64, -1, math.MinInt64
	extreme.RTT.Min, extreme.RTT.Max, extreme.RTT.Mean, extreme.RTT.M2 = 5e-324, math.MaxFloat64, math.Copysign(0, -1), 0.1+0.2
	extreme.Counts.Planned, extreme.Counts.Sent = math.MaxInt64, math.MinInt64
	extreme.LossRuns.Head = stats.Run{Seconds: 1e-9}
	extreme.Cause = "no \x00 route\nto \xff host"
	extreme.Proof = perigee.Proof{InterfaceIndex: -1, InterfaceName: "wan,0 =", Local: netip.MustParseAddr("fe80::1%eth0"), Remote: netip.MustParseAddr("::ffff:10.0.0.1")}
	return append(samples, merged, extreme, perigee.Sample{Stream: storagetest.Stream("a", "x"), Start: time.Unix(0, 0)})
}

func TestStateIsExact(t *testing.T) {
	for _, want := range stateSamples() {
		got := perigee.Sample{Stream: want.Stream, RTT: stats.Distribution{Sketch: want.RTT.Sketch}}
		if err := decodeState(appendState(nil, &want), &got); err != nil {
			t.Fatal(err)
		}
		if d := storagetest.Diff(got, want, storagetest.Tolerances{}); d != "" {
			t.Error(d)
		}
		if math.Signbit(got.RTT.Mean) != math.Signbit(want.RTT.Mean) {
			t.Errorf("mean %v came back as %v", want.RTT.Mean, got.RTT.Mean)
		}
	}
}

// The state of docs/influx.md, byte for byte: a layout that was written once is read
// for ever.
func TestStateLayout(t *testing.T) {
	s := perigee.Sample{
		Start: time.Unix(1_772_402_400, 3), Length: 10 * time.Second, Interval: 200 * time.Millisecond, LossTimeout: 3 * time.Second,
		Proof:    perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan1", Local: netip.MustParseAddr("192.168.2.10"), Remote: netip.MustParseAddr("198.18.0.2")},
		Cause:    "no route",
		Counts:   perigee.Counts{Planned: 3, Sent: 2, SendFailed: 1, Received: 1, Lost: 1},
		RTT:      stats.Distribution{Count: 1, Min: 0.5, Max: 0.5, Mean: 0.5},
		LossRuns: stats.LossRuns{Count: 1, Packets: 2, Longest: stats.Run{Packets: 1, Seconds: 0.25}, Tail: stats.Run{Packets: 1, Seconds: 0.25}},
	}
	want := strings.Join([]string{
		"01",                 // version
		"29",                 // RTT, longest, tail
		"8680e6b0f3a5eb9831", // start, zigzag
		"8090dfc04a", "8088debe01", "80f882ad16",
		"0e", "0477616e31", "04c0a8020a", "04c6120002", // proof
		"086e6f20726f757465",                                 // cause
		"06", "04", "02", "00", "02", "00", "02", "00", "00", // counts
		"02", "000000000000e03f", "000000000000e03f", "000000000000e03f", "0000000000000000", // RTT
		"00", "00", // IPDV and its sketch
		"0000000000000000", // sum of jitter
		"04", "02",         // packets and runs
		"02", "000000000000d03f", // longest
		"02", "000000000000d03f", // tail
	}, "")
	if got := hex.EncodeToString(appendState(nil, &s)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStateIsReadWholeOrNotAtAll(t *testing.T) {
	samples := stateSamples()
	whole := appendState(nil, &samples[0])
	for n := range whole {
		untouched := perigee.Sample{Cause: "untouched"}
		if err := decodeState(whole[:n], &untouched); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(whole))
		}
		if untouched.Cause != "untouched" {
			t.Fatal("a sample was changed by a state that was refused")
		}
	}
	change := func(at int, b ...byte) []byte { return append(append(bytes.Clone(whole[:at]), b...), whole[at+1:]...) }
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"something after it": {append(bytes.Clone(whole), 0), errStateLong},
		"another version":    {change(0, 2), errStateVersion},
		"an unknown flag":    {change(1, 0xff), errStateFlags},
		"a long number":      {append(bytes.Clone(whole[:2]), 0x80, 0x00), errStateVarint},
	} {
		if err := decodeState(c.bytes, &perigee.Sample{}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func FuzzState(f *testing.F) {
	for _, s := range stateSamples()[50:] {
		f.Add(appendState(nil, &s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again perigee.Sample
		if decodeState(b, &s) != nil {
			return
		}
		encoded := appendState(nil, &s)
		if err := decodeState(encoded, &again); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if !bytes.Equal(appendState(nil, &again), encoded) {
			t.Error("reading and writing does not come to rest")
		}
		if d := storagetest.Diff(again, s, storagetest.Tolerances{}); d != "" {
			t.Error(d)
		}
	})
}
