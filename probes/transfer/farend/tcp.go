package farend

import (
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// sumTCP sums up the streams' connections; nil if the system does not tell all of them.
func sumTCP(streams []*stream) *wire.TCP {
	var sum wire.TCP
	var rtt time.Duration
	n := 0
	for _, s := range streams {
		if s == nil {
			continue
		}
		i, err := bind.ReadTCPInfo(s.conn.raw)
		if err != nil || i.BytesSent < 0 { // the youngest of the fields: Linux 4.19
			return nil
		}
		n++
		rtt += i.RTT
		if least := wire.Seconds(i.MinRTT); least > 0 && (sum.MinRTT == 0 || least < sum.MinRTT) {
			sum.MinRTT = least
		}
		sum.Window += i.SndCwnd * int64(i.SndMSS)
		sum.Sent += i.BytesSent
		sum.Acked += i.BytesAcked
		sum.Received += i.BytesReceived
		sum.Retransmitted += i.BytesRetrans
		sum.SegmentsOut += i.SegsOut
		sum.SegmentsIn += i.SegsIn
		sum.DeliveryRate += float64(i.DeliveryRate) * 8
	}
	if n == 0 {
		return nil
	}
	sum.RTT = wire.Seconds(rtt / time.Duration(n))
	return &sum
}
