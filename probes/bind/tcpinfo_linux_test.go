package bind

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOlderKernelsTellLess cuts the kernel's answer as older versions do: the fields
// that they lack are unknown, not 0.
func TestOlderKernelsTellLess(t *testing.T) {
	raw := unix.TCPInfo{
		Options: optionTimestamps, Rtt: 2000, Min_rtt: 1500, Snd_mss: 1448, Snd_cwnd: 10, Total_retrans: 3,
		Bytes_acked: 11, Bytes_received: 12, Segs_out: 13, Segs_in: 14, Notsent_bytes: 15,
		Delivery_rate: 16, Bytes_sent: 17, Bytes_retrans: 18,
		Rcv_rtt: 19000, Rcv_space: 20, Data_segs_in: 21, Rcv_ooopack: 22, Dsack_dups: 23,
	}
	always := TCPInfo{
		RTT: 2 * time.Millisecond, SndMSS: 1448, SndCwnd: 10, Timestamps: true, BytesRetrans: 3 * 1448,
		BytesAcked: -1, BytesReceived: -1, BytesSent: -1, NotSent: -1, SegsOut: -1, SegsIn: -1, DeliveryRate: -1,
		RcvRTT: 19 * time.Millisecond, RcvSpace: 20, DataSegsIn: -1, RcvOutOfOrder: -1, DSACKDups: -1,
	}
	since41, since46, since49, since419, since54 := always, always, always, always, always
	since41.BytesAcked, since41.BytesReceived = 11, 12
	since46 = since41
	since46.SegsOut, since46.SegsIn, since46.NotSent, since46.MinRTT, since46.DataSegsIn = 13, 14, 15, 1500*time.Microsecond, 21
	since49 = since46
	since49.DeliveryRate = 16
	since419 = since49
	since419.BytesSent, since419.BytesRetrans, since419.DSACKDups = 17, 18, 23
	since54 = since419
	since54.RcvOutOfOrder = 22
	for name, c := range map[string]struct {
		size uintptr // of struct tcp_info in that version
		want TCPInfo
	}{
		"linux_3.10": {104, always}, // tcpi_total_retrans is the last
		"linux_4.1":  {136, since41},
		"linux_4.6":  {160, since46},
		"linux_4.9":  {168, since49},
		"linux_4.19": {224, since419},
		"linux_5.4":  {232, since54},
		"newer":      {1000, since54},
	} {
		if got := parseTCPInfo(&raw, c.size); got != c.want {
			t.Errorf("%s: parsed %+v, want %+v", name, got, c.want)
		}
	}
	if _, known := since49.WireBytes(false); known {
		t.Error("bytes on the wire are told without the count of bytes sent")
	}
}

func TestWireBytesCountHeadersOfEachSegment(t *testing.T) {
	i := TCPInfo{Timestamps: true, BytesSent: 1000, BytesReceived: 200, SegsOut: 3, SegsIn: 2}
	for name, c := range map[string]struct {
		six  bool
		bare bool
		want int64
	}{
		"ipv4":                    {false, false, 1200 + 5*52},
		"ipv6":                    {true, false, 1200 + 5*72},
		"ipv4_without_timestamps": {false, true, 1200 + 5*40},
	} {
		i.Timestamps = !c.bare
		if got, known := i.WireBytes(c.six); got != c.want || !known {
			t.Errorf("%s: WireBytes = %d, %v, want %d", name, got, known, c.want)
		}
	}
}
