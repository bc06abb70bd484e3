package traces

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"slices"
	"strconv"

	"perigee"
)

// throughputText are the columns of words before and after the numbers of a transfer.
var (
	throughputHead = []string{"start", "start_unix_seconds", "site", "link", "target", "method", "family", "direction", "server", "congestion", "stop", "steady", "receiver_counted"}
	throughputTail = []string{"interface_index", "interface", "local", "remote", "state"}
)

// appendThroughputNumbers appends every count and statistic of t, always the same ones
// in the same order: they are columns of CSV and members in JSON.
func appendThroughputNumbers(list []number, t *perigee.Throughput) []number {
	count := func(name string, v int64, defined bool) {
		list = append(list, number{name: name, integer: true, i: v, defined: defined})
	}
	quantity := func(name string, v float64, defined bool) {
		list = append(list, number{name: name, f: v, defined: defined})
	}
	quantity("bits_per_second", t.Rate, true)
	quantity("error_ratio", t.Error, t.Error >= 0)
	quantity("confidence_ratio", t.Confidence, t.Error >= 0)
	quantity("whole_bits_per_second", t.WholeRate, true)
	seconds := t.RateSeconds > 0
	count("rate_seconds", int64(t.RateSeconds), true)
	quantity("p5_bits_per_second", t.Rate5, seconds)
	quantity("p50_bits_per_second", t.Rate50, seconds)
	quantity("p95_bits_per_second", t.Rate95, seconds)
	quantity("length_seconds", t.Length.Seconds(), true)
	quantity("ramp_seconds", t.Ramp.Seconds(), true)

	count("bytes", t.Bytes, true)
	count("wire_bytes", t.WireBytes, true)
	count("retransmitted_bytes", t.Retransmitted, t.Retransmitted >= 0)
	count("streams", int64(t.Streams), true)
	quantity("connect_tcp_seconds", t.Connect.TCP.Seconds(), t.Connect.TCP > 0)
	quantity("connect_tls_seconds", t.Connect.TLS.Seconds(), t.Connect.TLS > 0)
	quantity("first_byte_seconds", t.Connect.FirstByte.Seconds(), t.Connect.FirstByte > 0)

	for _, l := range []struct {
		name string
		of   perigee.Latency
	}{{"idle", t.Idle}, {"loaded", t.Loaded}} {
		answered := l.of.Received > 0
		count(l.name+"_sent", l.of.Sent, true)
		count(l.name+"_received", l.of.Received, true)
		quantity(l.name+"_rtt_min_seconds", l.of.Min, answered)
		quantity(l.name+"_rtt_mean_seconds", l.of.Mean, answered)
		quantity(l.name+"_rtt_p50_seconds", l.of.P50, answered)
		quantity(l.name+"_rtt_p95_seconds", l.of.P95, answered)
		quantity(l.name+"_rtt_p99_seconds", l.of.P99, answered)
	}
	return list
}

// ThroughputColumns returns the header of ThroughputsCSV.
func ThroughputColumns() []string {
	columns := append([]string{}, throughputHead...)
	for _, n := range appendThroughputNumbers(nil, &perigee.Throughput{}) {
		columns = append(columns, n.name)
	}
	return slices.Concat(columns, throughputTail, makerColumns)
}

// ThroughputsCSV writes a header and one row for each transfer, without series. It
// returns the first error of throughputs or of w.
func (x Writer) ThroughputsCSV(w io.Writer, throughputs iter.Seq2[perigee.Throughput, error]) error {
	var numbers []number
	return writeCSV(w, ThroughputColumns(), throughputs, func(out *csv.Writer, row []string, t *perigee.Throughput) error {
		row = append(row, text(appendTime(nil, t.Start)), text(appendUnix(nil, t.Start)))
		row = appendStream(row, t.Stream)
		row = append(row, t.Server, t.Congestion, string(t.Stop), strconv.FormatBool(t.Steady), strconv.FormatBool(t.ReceiverCounted))
		numbers = appendThroughputNumbers(numbers[:0], t)
		for _, n := range numbers {
			row = append(row, n.cell())
		}
		row = append(row, strconv.Itoa(t.Proof.InterfaceIndex), t.Proof.InterfaceName, address(t.Proof.Local), address(t.Proof.Remote), packed(t))
		return out.Write(x.appendMaker(row, t.Stream, t.Start))
	})
}

// ThroughputsJSONL writes one JSON object and a newline for each transfer, with the
// columns of CSV as members and its series beside them. It returns the first error of
// throughputs or of w.
func (x Writer) ThroughputsJSONL(w io.Writer, throughputs iter.Seq2[perigee.Throughput, error]) error {
	out := buffered(w)
	var numbers []number
	return stream(throughputs, func(t *perigee.Throughput) error {
		object := object{}
		object.add("start", text(appendTime(nil, t.Start)))
		object.add("start_unix_seconds", json.Number(appendUnix(nil, t.Start)))
		s := t.Stream
		for i, v := range []string{s.Site, string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load), t.Server, t.Congestion, string(t.Stop)} {
			object.add(throughputHead[2+i], v)
		}
		object.add("steady", t.Steady)
		object.add("receiver_counted", t.ReceiverCounted)
		numbers = appendThroughputNumbers(numbers[:0], t)
		for _, n := range numbers {
			switch {
			case !n.defined:
				object.add(n.name, nil)
			case n.integer:
				object.add(n.name, n.i)
			default:
				object.add(n.name, n.f)
			}
		}
		object.add("proof", proofJSON{t.Proof.InterfaceIndex, t.Proof.InterfaceName, address(t.Proof.Local), address(t.Proof.Remote)})
		object.add("series", seriesJSON{t.SeriesStep.Seconds(), append([]int64{}, t.Series...), t.ByArrival})
		states := []tcpJSON{}
		for _, c := range t.TCP {
			states = append(states, tcpJSON{c.At.Seconds(), c.RTT.Seconds(), c.MinRTT.Seconds(), c.Window, c.Retransmitted, c.DeliveryRate})
		}
		object.add("tcp", states)
		receivers := []tcpReceiverJSON{}
		for _, c := range t.TCPReceiver {
			receivers = append(receivers, tcpReceiverJSON{c.At.Seconds(), defined(c.RTT.Seconds(), c.RTT > 0), defined(c.MinRTT.Seconds(), c.MinRTT > 0), c.Space, c.Received,
				defined(c.Segments, c.Segments >= 0), defined(c.OutOfOrder, c.OutOfOrder >= 0)})
		}
		object.add("tcp_receiver", receivers)
		object.add("state", packed(t))
		by := x.maker(t.Stream, t.Start)
		for i, v := range []*string{by.Version, by.ConfigurationHash, by.Source} {
			object.add(makerColumns[i], v)
		}
		line, err := object.line()
		if err == nil {
			_, err = out.Write(line)
		}
		return err
	}, out.Flush)
}

// packed returns all of t but its stream and start, as stores keep it.
func packed(t *perigee.Throughput) string {
	return base64.StdEncoding.EncodeToString(t.Pack(nil))
}

// seriesJSON is what the receiver counted in each interval.
type seriesJSON struct {
	StepSeconds float64 `json:"step_seconds"`
	Bytes       []int64 `json:"bytes"`
	ByArrival   bool    `json:"by_arrival"` // where it arrived, in whatever order
}

// tcpJSON is the state of the sender's connections at one time.
type tcpJSON struct {
	AtSeconds             float64 `json:"at_seconds"`
	RTTSeconds            float64 `json:"rtt_seconds"`
	MinRTTSeconds         float64 `json:"min_rtt_seconds"`
	WindowBytes           int64   `json:"window_bytes"`
	RetransmittedBytes    int64   `json:"retransmitted_bytes"`
	DeliveryBitsPerSecond float64 `json:"delivery_bits_per_second"`
}

// tcpReceiverJSON is the state of the same connections at the receiver.
type tcpReceiverJSON struct {
	AtSeconds          float64  `json:"at_seconds"`
	RTTSeconds         *float64 `json:"rtt_seconds"`
	MinRTTSeconds      *float64 `json:"min_rtt_seconds"`
	SpaceBytes         int64    `json:"space_bytes"`
	ReceivedBytes      int64    `json:"received_bytes"`
	Segments           *int64   `json:"segments"`
	OutOfOrderSegments *int64   `json:"out_of_order_segments"`
}

// defined returns v, or nil if it is not.
func defined[T any](v T, is bool) *T {
	if !is {
		return nil
	}
	return &v
}

// object is a JSON object whose members stand in the order in which they were added.
type object struct {
	b   []byte
	err error
}

func (o *object) add(name string, value any) {
	if o.err != nil {
		return
	}
	separator := byte(',')
	if o.b == nil {
		separator = '{'
	}
	o.b = append(strconv.AppendQuote(append(o.b, separator), name), ':')
	buffer := appender{o.b}
	o.err = newEncoder(&buffer).Encode(value)
	o.b = buffer.b[:max(0, len(buffer.b)-1)] // without the newline
}

// line ends the object and its line.
func (o *object) line() ([]byte, error) { return append(o.b, '}', '\n'), o.err }

// appender appends what is written to it.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
