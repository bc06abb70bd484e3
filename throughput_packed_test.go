package perigee_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"perigee"
)

// packedThroughputs are results of all sorts: one with everything, one of a public
// server that knows little, one that broke at once, and one of extreme values.
func packedThroughputs() []perigee.Throughput {
	whole := perigee.Throughput{
		Length: 5 * time.Second, Proof: perigee.Proof{InterfaceIndex: 7, InterfaceName: "wan1",
			Local: netip.MustParseAddr("192.168.2.10"), Remote: netip.MustParseAddr("198.18.0.2")},
		Server: "far.example.net:4862", Streams: 8, Congestion: "bbr", Stop: perigee.StoppedAtPrecision, ReceiverCounted: true,
		Rate: 2e8, Steady: true, Error: 0.04, Confidence: 0.95, Rate5: 1.5e8, Rate50: 2e8, Rate95: 2.5e8, RateSeconds: 3, WholeRate: 1.8e8,
		Ramp: 1300 * time.Millisecond, Bytes: 300, WireBytes: 400, Retransmitted: 9,
		Connect: perigee.Connect{TCP: 41 * time.Millisecond, TLS: 83 * time.Millisecond, FirstByte: 42 * time.Millisecond},
		Idle:    perigee.Latency{Sent: 50, Received: 49, Min: 0.03, P50: 0.04, P95: 0.06, P99: 0.08, Mean: 0.041},
		Loaded:  perigee.Latency{Sent: 25, Received: 20, Min: 0.03, P50: 0.09, P95: 0.2, P99: 0.3, Mean: 0.1},

		SeriesStep: 100 * time.Millisecond, Series: []int64{0, 50, 150, 100}, ByArrival: true,
		TCP: []perigee.TCPState{
			{At: 100 * time.Millisecond, RTT: 45 * time.Millisecond, MinRTT: 40 * time.Millisecond, Window: 14480, DeliveryRate: 1e8},
			{At: 200 * time.Millisecond, RTT: 95 * time.Millisecond, MinRTT: 40 * time.Millisecond, Window: 7240, Retransmitted: 9, DeliveryRate: 2.5e8},
		},
		TCPReceiver: []perigee.TCPReceiverState{
			{At: 100 * time.Millisecond, RTT: 50 * time.Millisecond, MinRTT: 41 * time.Millisecond, Space: 14480, Received: 60, Segments: 2, OutOfOrder: 1},
			{At: 200 * time.Millisecond, RTT: 90 * time.Millisecond, MinRTT: 41 * time.Millisecond, Space: 28960, Received: 210, Segments: 5, OutOfOrder: -1},
		},
	}
	public := perigee.Throughput{Length: 10 * time.Second, Server: "Sydney, 12345", Streams: 4, Stop: perigee.StoppedAtTime,
		Rate: 9.5e7, Error: -1, WholeRate: 9e7, Bytes: 112_500_000, Retransmitted: -1}
	extreme := whole
	extreme.Length, extreme.Ramp, extreme.Bytes = math.MaxInt64, math.MinInt64, math.MaxInt64
	extreme.Rate, extreme.Error = math.MaxFloat64, math.Copysign(0, -1)
	extreme.Series = []int64{math.MaxInt64, math.MinInt64, 0}
	extreme.Server, extreme.Proof.Local = "no \x00 name\n\xff", netip.MustParseAddr("fe80::1%eth0")
	return []perigee.Throughput{whole, public, {Stop: perigee.StoppedByFailure}, extreme}
}

func TestThroughputsAreUnpackedExactly(t *testing.T) {
	for _, want := range packedThroughputs() {
		got := perigee.Throughput{}
		if err := got.Unpack(want.Pack(nil)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v, want\n%+v", got, want)
		}
	}
}

// layout is the first of packedThroughputs as docs/store.md draws it, byte for byte, from
// an encoder of its own in Python.
func layout(version, flags string) string {
	return strings.Join([]string{
		version, flags,
		"80c8afa025",                                   // length
		"0e", "0477616e31", "04c0a8020a", "04c6120002", // proof
		"146661722e6578616d706c652e6e65743a34383632", // server
		"10", "03626272", "09707265636973696f6e", // streams, congestion control, stop
		"0000000084d7a741", "7b14ae47e17aa43f", "666666666666ee3f", // rate, error, confidence
		"00000000a3e1a141", "0000000084d7a741", "0000000065cdad41", "000000002a75a541", "06", // percentiles, rate of the whole, seconds
		"d804", "a006", "12", // bytes, on the wire, retransmitted
		"80b4e3d709", "80f18c27", "80eb934f", "80fa8628", "8084af5f", // ramp, connect, step
		"64", "62", "b81e85eb51b89e3f", "7b14ae47e17aa43f", "b81e85eb51b8ae3f", "7b14ae47e17ab43f", "cba145b6f3fda43f", // idle
		"32", "28", "b81e85eb51b89e3f", "0ad7a3703d0ab73f", "9a9999999999c93f", "333333333333d33f", "9a9999999999b93f", // loaded
		"04", "00", "64", "c801", "63", // series
		"02", "8084af5f", "8095f52a", "80e89226", "a0e201", "00", "0000000084d79741", // states: the first
		"8084af5f", "80c2d72f", "00", "8f71", "12", "0000000065cdad41", // the second, by difference
	}, "")
}

func TestThroughputLayout(t *testing.T) {
	want := layout("02", "07") + strings.Join([]string{ // counted by the receiver, steady, by arrival
		"02", "8084af5f", "80c2d72f", "80f18c27", "a0e201", "78", "04", "02", // states of the receiver: the first
		"8084af5f", "80e89226", "00", "a0e201", "ac02", "06", "03", // the second, by difference
	}, "")
	whole := packedThroughputs()[0]
	if got := hex.EncodeToString(whole.Pack(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What was written once is read for ever.
func TestThroughputsOfVersion1AreRead(t *testing.T) {
	packed, err := hex.DecodeString(layout("01", "03"))
	if err != nil {
		t.Fatal(err)
	}
	want, got := packedThroughputs()[0], perigee.Throughput{}
	want.ByArrival, want.TCPReceiver = false, nil
	if err := got.Unpack(packed); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, %v, want\n%+v", got, err, want)
	}
	packed[1] |= 4 // which was no flag then
	if err := got.Unpack(packed); err == nil || !strings.Contains(err.Error(), "flag") {
		t.Errorf("a flag of version 2 in version 1: %v", err)
	}
}

func TestPackedThroughputsAreReadWholeOrNotAtAll(t *testing.T) {
	whole := packedThroughputs()[0]
	packed := whole.Pack(nil)
	for n := range packed {
		untouched := perigee.Throughput{Server: "untouched"}
		if err := untouched.Unpack(packed[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(packed))
		}
		if untouched.Server != "untouched" {
			t.Fatal("a throughput was changed by bytes that were refused")
		}
	}
	change := func(at int, b ...byte) []byte {
		return append(append(bytes.Clone(packed[:at]), b...), packed[at+1:]...)
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"something_after_it":       {append(bytes.Clone(packed), 0), "something follows"},
		"another_version":          {change(0, 3), "version"},
		"no_version":               {change(0, 0), "version"},
		"an_unknown_flag":          {change(1, 0x80), "flag"},
		"a_number_with_zeros":      {change(2, 0x80, 0x00), "malformed"},
		"more_states_than_bytes":   {append(packed[:len(packed)-35:len(packed)-35], 0xff, 0xff, 0x03), "too early"},
		"a_rate_that_is_no_number": {bytes.Replace(packed, []byte{0, 0, 0, 0, 0x84, 0xd7, 0xa7, 0x41}, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, 1), "finite"},
	} {
		var into perigee.Throughput
		if err := into.Unpack(c.bytes); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzPackedThroughput(f *testing.F) {
	for _, t := range packedThroughputs() {
		f.Add(t.Pack(nil))
	}
	old, _ := hex.DecodeString(layout("01", "03"))
	f.Add(old)
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, again perigee.Throughput
		if one.Unpack(b) != nil {
			return
		}
		packed := one.Pack(nil)
		if err := again.Unpack(packed); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if !bytes.Equal(again.Pack(nil), packed) || !reflect.DeepEqual(one, again) {
			t.Error("reading and writing does not come to rest")
		}
	})
}

// Ten seconds in steps of 100 ms with the state of both ends at each, as over a Starlink
// link of 200 Mbit/s.
func TestPackedThroughputsAreSmall(t *testing.T) {
	one := packedThroughputs()[0]
	one.Series, one.TCP, one.TCPReceiver = nil, nil, nil
	for i := range int64(100) {
		wave := (i * 7919) % 1000
		one.Series = append(one.Series, 2_500_000+wave*100)
		one.TCP = append(one.TCP, perigee.TCPState{At: time.Duration(i) * 100 * time.Millisecond, RTT: time.Duration(50_000+wave) * time.Microsecond,
			MinRTT: 40 * time.Millisecond, Window: 1448 * (700 + wave/10), Retransmitted: i * 1448, DeliveryRate: 2e8 + float64(wave)})
		one.TCPReceiver = append(one.TCPReceiver, perigee.TCPReceiverState{At: time.Duration(i) * 100 * time.Millisecond, RTT: time.Duration(60_000+wave) * time.Microsecond,
			MinRTT: 41 * time.Millisecond, Space: 1448 * (700 + wave/10), Received: 2_500_000 * i, Segments: 1730 * i, OutOfOrder: wave * i / 10})
	}
	states := len(one.Pack(nil))
	one.TCP, one.TCPReceiver = nil, nil
	series := len(one.Pack(nil))
	t.Logf("%d bytes with states, %d without", states, series)
	if series > 600 || states > 5000 {
		t.Errorf("%d bytes with states, %d without: want at most 5000 and 600", states, series)
	}
}
