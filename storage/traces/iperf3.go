package traces

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"time"

	"perigee"
)

// iperf3Result is what is used of iperf3 -J, of which there may be one after the other.
type iperf3Result struct {
	Start struct {
		Connected []struct {
			LocalHost  string `json:"local_host"`
			RemoteHost string `json:"remote_host"`
		} `json:"connected"`
		Timestamp struct {
			Seconds float64 `json:"timesecs"`
		} `json:"timestamp"`
		ConnectingTo struct {
			Host string `json:"host"`
			Port int    `json:"port"`
		} `json:"connecting_to"`
		MSS       int64 `json:"tcp_mss_default"`
		TestStart struct {
			Protocol string `json:"protocol"`
			Streams  int    `json:"num_streams"`
			Bytes    int64  `json:"bytes"`
			Blocks   int64  `json:"blocks"`
			Reverse  int    `json:"reverse"`
			Omit     int    `json:"omit"` // seconds at the beginning that count nowhere
		} `json:"test_start"`
	} `json:"start"`
	Intervals []struct {
		Streams []struct {
			RTT         int64 `json:"rtt"` // µs
			Window      int64 `json:"snd_cwnd"`
			Retransmits int64 `json:"retransmits"`
			Sender      bool  `json:"sender"`
		} `json:"streams"`
		Sum        iperf3Sum `json:"sum"`
		SumReverse iperf3Sum `json:"sum_bidir_reverse"`
	} `json:"intervals"`
	End struct {
		Sum             iperf3Sum `json:"sum"` // all that old versions tell of UDP
		Sent            iperf3Sum `json:"sum_sent"`
		Received        iperf3Sum `json:"sum_received"`
		SentReverse     iperf3Sum `json:"sum_sent_bidir_reverse"`
		ReceivedReverse iperf3Sum `json:"sum_received_bidir_reverse"`
		Congestion      string    `json:"sender_tcp_congestion"`
		FarCongestion   string    `json:"receiver_tcp_congestion"`
	} `json:"end"`
	Error string `json:"error"`
}

type iperf3Sum struct {
	End         float64 `json:"end"`
	Seconds     float64 `json:"seconds"`
	Bytes       int64   `json:"bytes"`
	Rate        float64 `json:"bits_per_second"`
	Retransmits int64   `json:"retransmits"`
	Omitted     bool    `json:"omitted"`
}

// readIperf3 reads the results of iperf3 -J, each of which counts as a line.
func readIperf3(r io.Reader, c *collector) error {
	d := newDocument(r, c)
	number := int64(0)
	for c.failed == nil && d.d.More() {
		number++
		var result iperf3Result
		err := d.value(&result)
		if form, ok := errors.AsType[*formError](err); ok {
			return fmt.Errorf("result %d: %w", number, form.err)
		}
		if err == nil {
			err = c.iperf3(&result)
		}
		c.report.Lines++
		c.line(number, err)
	}
	if c.failed != nil {
		return nil
	}
	if _, err := d.d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after result %d: %w", number, ended(err))
	}
	return nil
}

// iperf3 takes a result: one transfer, or one each way.
func (c *collector) iperf3(r *iperf3Result) error {
	if len(r.Start.Connected) == 0 {
		if r.Error == "" {
			return errors.New("it is no result of iperf3 -J")
		}
		return fmt.Errorf("it did not connect: %s", clipped([]byte(r.Error)))
	}
	at := r.Start.Timestamp.Seconds
	if !(at > 0 && at < 1<<32) {
		return errors.New("it does not say when it began")
	}
	if omit := r.Start.TestStart.Omit; omit > 0 && omit < 3600 {
		at += float64(omit)
	}
	if err := c.plausible(int64(at * 1e9)); err != nil {
		return err
	}
	down := r.Start.TestStart.Reverse != 0
	transfers := []iperf3Transfer{{result: r, down: down, sent: r.End.Sent, received: r.End.Received,
		interval: func(i int) iperf3Sum { return r.Intervals[i].Sum }}}
	if r.End.SentReverse.Bytes > 0 || r.End.ReceivedReverse.Bytes > 0 { // --bidir
		transfers = append(transfers, iperf3Transfer{result: r, down: true, sent: r.End.SentReverse, received: r.End.ReceivedReverse,
			interval: func(i int) iperf3Sum { return r.Intervals[i].SumReverse }})
	}
	for i := range transfers {
		t, err := transfers[i].throughput(c, int64(at))
		if err == nil {
			err = t.Check()
		}
		if err != nil {
			return err
		}
		c.throughput(t)
	}
	return nil
}

// iperf3Transfer is one direction of a result.
type iperf3Transfer struct {
	result         *iperf3Result
	down           bool
	sent, received iperf3Sum
	interval       func(int) iperf3Sum
}

func (x *iperf3Transfer) throughput(c *collector, at int64) (perigee.Throughput, error) {
	r := x.result
	remote, _ := netip.ParseAddr(r.Start.Connected[0].RemoteHost)
	local, _ := netip.ParseAddr(r.Start.Connected[0].LocalHost)
	host := r.Start.ConnectingTo.Host
	if host == "" {
		host = r.Start.Connected[0].RemoteHost
	}
	target, err := c.name(perigee.TargetID(host))
	if err != nil {
		return perigee.Throughput{}, err
	}
	t := perigee.Throughput{
		Stream: perigee.Stream{Site: c.options.Site, Link: c.options.Link, Target: target, Method: MethodIperf3, Family: familyOf(remote), Load: perigee.LoadUp},
		Start:  time.Unix(at, 0).UTC(),
		Proof:  perigee.Proof{Local: local, Remote: remote},
		Server: fmt.Sprintf("%s:%d", host, r.Start.ConnectingTo.Port), Streams: max(r.Start.TestStart.Streams, 1),
		Stop: perigee.StoppedAtTime, Error: -1, Retransmitted: -1,
	}
	tcp := r.Start.TestStart.Protocol != "UDP"
	if !tcp {
		t.Server += " (UDP)"
	}
	if x.down {
		t.Stream.Load = perigee.LoadDown
	}
	if tcp {
		t.Congestion = r.End.Congestion
	}
	switch {
	case r.Error != "":
		t.Stop = perigee.StoppedByFailure
	case r.Start.TestStart.Bytes > 0 || r.Start.TestStart.Blocks > 0:
		t.Stop = perigee.StoppedAtCap
	}
	if tcp && r.Start.MSS > 0 && x.sent.Retransmits >= 0 && x.sent.Retransmits < 1<<32 && r.Start.MSS < 1<<20 && x.sent.Bytes > 0 {
		t.Retransmitted = x.sent.Retransmits * r.Start.MSS // segments, of that size at most
	}
	x.count(&t)
	if t.Bytes == 0 && r.Error != "" {
		return t, fmt.Errorf("nothing was transferred: %s", clipped([]byte(r.Error)))
	}
	if seconds := t.Length.Seconds(); seconds > 0 {
		t.WholeRate = float64(t.Bytes) * 8 / seconds
	}
	t.Rate = t.WholeRate
	if tcp && !x.down {
		x.states(&t)
	}
	return t, nil
}

// count fills in how much was moved in which time: what the receiver counted, if that
// was told. The intervals are counted where iperf3 wrote the file.
func (x *iperf3Transfer) count(t *perigee.Throughput) {
	total := x.received
	t.ReceiverCounted = x.down || total.Bytes > 0
	if !t.ReceiverCounted || total.Bytes < 0 {
		total, t.ReceiverCounted = x.sent, false
	}
	if total.Bytes <= 0 {
		total = x.result.End.Sum // of UDP, as sent
		t.ReceiverCounted = false
	}
	var counted int64
	var series []int64
	var first, last float64
	regular := true
	for i := range x.result.Intervals {
		s := x.interval(i)
		if s.Omitted || s.Bytes < 0 || s.Bytes > math.MaxInt64/2-counted {
			continue
		}
		if len(series) == 0 {
			first = s.Seconds
		}
		regular = regular && (math.Abs(s.Seconds-first) < first/5 || i == len(x.result.Intervals)-1 && s.Seconds < first)
		series = append(series, s.Bytes)
		counted += s.Bytes
		last = s.End
	}
	t.Bytes = max(total.Bytes, 0)
	seconds := total.Seconds
	if t.Bytes == 0 && counted > 0 { // it broke off before the account
		t.Bytes, seconds = counted, last
		t.ReceiverCounted = x.down
	}
	if seconds > 0 && seconds < 1e6 {
		t.Length = time.Duration(math.Round(seconds*1e6)) * time.Microsecond
	}
	if x.down && regular && counted > 0 && first > 0 && first < 1e6 {
		t.Series, t.Bytes = series, counted
		t.SeriesStep = max(time.Duration(math.Round(first*1e3))*time.Millisecond, time.Millisecond)
		t.ReceiverCounted = true
	}
}

// states fills in what the sender's kernel said, if this was the sender.
func (x *iperf3Transfer) states(t *perigee.Throughput) {
	var again int64
	least := time.Duration(math.MaxInt64)
	for _, interval := range x.result.Intervals {
		state := perigee.TCPState{}
		n := int64(0)
		for _, s := range interval.Streams {
			if !s.Sender || s.RTT <= 0 || s.RTT > 1e9 || s.Window < 0 || s.Window > 1<<40 || s.Retransmits < 0 || s.Retransmits > 1<<32 {
				continue
			}
			n++
			state.RTT += time.Duration(s.RTT) * time.Microsecond
			state.Window += s.Window
			again += s.Retransmits
		}
		if n == 0 || !(interval.Sum.End >= 0 && interval.Sum.End < 1e6) {
			continue
		}
		state.At = time.Duration(math.Round(interval.Sum.End*1e6)) * time.Microsecond
		state.RTT /= time.Duration(n)
		least = min(least, state.RTT)
		state.MinRTT = least
		if t.Retransmitted >= 0 && again < 1<<32 {
			state.Retransmitted = again * x.result.Start.MSS
		}
		state.DeliveryRate = finite(interval.Sum.Rate)
		t.TCP = append(t.TCP, state)
	}
}

func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
