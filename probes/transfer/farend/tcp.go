package farend

import (
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// readTCP returns what the system knows of the streams' connections, and of which it does.
func readTCP(streams []*stream) (infos []bind.TCPInfo, ok []bool) {
	infos, ok = make([]bind.TCPInfo, len(streams)), make([]bool, len(streams))
	for i, s := range streams {
		if s == nil {
			continue
		}
		info, err := bind.ReadTCPInfo(s.conn.raw)
		infos[i], ok[i] = info, err == nil
	}
	return infos, ok
}

// sumTCP sums up those connections that the system tells of; nil if it does not tell all of
// them.
func sumTCP(infos []bind.TCPInfo, ok []bool) *wire.TCP {
	var sum wire.TCP
	var receiver wire.TCPReceiver
	var rtt, received time.Duration
	n, receiving := 0, 0
	for j, i := range infos {
		if !ok[j] {
			continue
		}
		if i.BytesSent < 0 { // the youngest of the fields that are needed: Linux 4.19
			return nil
		}
		n++
		rtt += i.RTT
		if i.RcvRTT > 0 {
			receiving++
			received += i.RcvRTT
		}
		receiver.Space += i.RcvSpace
		receiver.Segments += i.DataSegsIn
		if receiver.OutOfOrder += i.RcvOutOfOrder; i.RcvOutOfOrder < 0 || receiver.OutOfOrder < 0 {
			receiver.OutOfOrder = -1
		}
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
	receiver.RTT = wire.Seconds(received / time.Duration(max(1, receiving)))
	sum.Receiver = &receiver
	return &sum
}
