package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"perigee"
	"perigee/internal/clock"
	"perigee/probes/bind"
	"perigee/stats"
)

// selftestCommand measures the machine instead of a link. Nothing leaves it.
type selftestCommand struct {
	Count    int           `short:"n" default:"1000" help:"Probes to send, and timers to wait for."`
	Interval time.Duration `default:"10ms" help:"Time between them."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

// selftest is what the machine adds to results by itself. Seconds; what could not be
// measured is null.
type selftest struct {
	Version string `json:"version"`
	System  string `json:"system"`

	// RTT is of echo requests that never left the machine, sent and timed as all
	// others are.
	RTT struct {
		Planned  int64 `json:"planned"`
		Sent     int64 `json:"sent"`
		Received int64 `json:"received"`
		Skipped  int64 `json:"skipped"` // the process was late by a whole interval
		spread
	} `json:"rtt_seconds"`

	// Slip is by how much timers fired late.
	Slip spread `json:"timer_slip_seconds"`

	KernelStamps    *bool    `json:"kernel_stamps"`            // whether replies are timed when they arrive
	ClockResolution *float64 `json:"clock_resolution_seconds"` // least step of the monotonic clock that was seen

	Meaning []string `json:"meaning"`
}

// spread is a distribution in a few figures.
type spread struct {
	Min *float64 `json:"min"`
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

// newSpread sums up d.
func newSpread(d stats.Distribution) (s spread) {
	if d.Count == 0 {
		return s
	}
	for _, q := range []struct {
		at float64
		to **float64
	}{{0.5, &s.P50}, {0.95, &s.P95}, {0.99, &s.P99}} {
		if v, ok := d.Quantile(q.at); ok {
			*q.to = &v
		}
	}
	s.Min, s.Max = &d.Min, &d.Max
	return s
}

// Run implements the command.
func (c selftestCommand) Run(ctx context.Context, s streams) error {
	if c.Count < 20 || c.Count > 1_000_000 || c.Interval < time.Millisecond || c.Interval > time.Second {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "--count must be 20 to 1000000 and --interval 1ms to 1s"}
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	link, err := loopback()
	if err != nil {
		return err
	}
	var r selftest
	b := buildInfo()
	r.Version, r.System = b.Version, b.OS+"/"+b.Arch
	if err := c.probe(ctx, link, &r); err != nil {
		return err
	}
	if stamped, ok := kernelStamps(link); ok {
		r.KernelStamps = &stamped
	}
	r.Slip = newSpread(timerSlip(ctx, c.Count, c.Interval))
	resolution := clockResolution().Seconds()
	r.ClockResolution = &resolution
	r.Meaning = r.meaning()
	if err := ctx.Err(); err != nil {
		return &perigee.Error{Code: perigee.CodeNotEnoughData, Message: "it was interrupted"}
	}
	if c.JSON {
		return writeJSON(s.out, r)
	}
	return r.print(s)
}

// loopback returns the link of this machine to itself.
func loopback() (perigee.Link, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return perigee.Link{}, err
	}
	for _, d := range devices {
		if d.Flags&net.FlagLoopback != 0 && d.Flags&net.FlagUp != 0 {
			return perigee.Link{ID: "loopback", Orbit: perigee.OrbitTerrestrial, Interface: d.Name}, nil
		}
	}
	return perigee.Link{}, &perigee.Error{Code: perigee.CodeUnavailable, Message: "no loopback device is up"}
}

// home is where probes of the machine itself go.
var home = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// probe measures round trips as `perigee run` does.
func (c selftestCommand) probe(ctx context.Context, link perigee.Link, r *selftest) error {
	p := plan{
		site: perigee.Site{Name: "selftest"}, links: []perigee.Link{link}, targets: []perigee.Target{{ID: "loopback", Address: home.String()}},
		interval: c.Interval, window: time.Second, outageAfter: time.Second, lossTimeout: time.Second, size: 56,
	}
	if err := permitted(p); err != nil {
		return err
	}
	var mu sync.Mutex
	var all perigee.Sample
	runner, err := newMeasurement(p, measurementOptions{clock: clock.System(), limit: c.Count, record: func(_ context.Context, b perigee.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range b.Samples {
			all.Merge(s)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	if err := runner.Run(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	r.RTT.Planned, r.RTT.Sent, r.RTT.Received, r.RTT.Skipped = all.Counts.Planned, all.Counts.Sent, all.Counts.Received, all.Counts.Skipped
	r.RTT.spread = newSpread(all.RTT)
	if all.Counts.Received == 0 {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: "the machine does not answer echo requests to itself: " + cmp.Or(all.Cause, perigee.NoReplies)}
	}
	return nil
}

// timerSlip waits for timers and tells by how much they were late.
func timerSlip(ctx context.Context, count int, interval time.Duration) (d stats.Distribution) {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for range count {
		due := time.Now().Add(interval)
		timer.Reset(interval)
		select {
		case <-ctx.Done():
			return d
		case <-timer.C:
		}
		d.Add(time.Since(due).Seconds())
	}
	return d
}

// clockResolution returns the least step of the monotonic clock that many looks see.
func clockResolution() time.Duration {
	least, base := time.Hour, time.Now()
	last := time.Since(base)
	for range 100_000 {
		now := time.Since(base)
		if step := now - last; step > 0 {
			least = min(least, step)
		}
		last = now
	}
	return least
}

// kernelStamps reports whether the kernel tells when a reply arrived. It reports false as
// ok if no reply came that could tell.
func kernelStamps(link perigee.Link) (stamped, ok bool) {
	binder, err := bind.New(bindOptions(link))
	if err != nil {
		return false, false
	}
	defer binder.Close()
	id := uint16(os.Getpid())
	socket, err := binder.ListenICMP(home, id)
	if err != nil {
		return false, false
	}
	defer socket.Close()
	for seq := range uint16(10) {
		if socket.Send(echoRequest(id, seq), home) != nil || socket.SetDeadline(time.Now().Add(time.Second)) != nil {
			return false, false
		}
		var m bind.Message
		if socket.Receive(&m) != nil {
			return false, ok
		}
		if ok = true; m.Waited > 0 {
			return true, true
		}
	}
	return false, ok
}

// echoRequest returns an ICMP echo request (RFC 792) without payload.
func echoRequest(id, seq uint16) []byte {
	const echo = 8
	p := make([]byte, icmpHeader)
	p[0] = echo
	binary.BigEndian.PutUint16(p[4:], id)
	binary.BigEndian.PutUint16(p[6:], seq)
	sum := echo<<8 + uint32(id) + uint32(seq)
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(p[2:], ^uint16(sum>>16+sum))
	return p
}

// meaning says in sentences what the figures mean for results.
func (r selftest) meaning() (lines []string) {
	show := func(v *float64) string {
		if v == nil {
			return undefined
		}
		return milliseconds(*v, true)
	}
	lines = append(lines, fmt.Sprintf("Round trips measured here are too long by about %s, by more than %s one time in a hundred: differences below that say nothing of links.", show(r.RTT.P50), show(r.RTT.P99)))
	if lost := r.RTT.Sent - r.RTT.Received; lost > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d probes that never left the machine were not answered: it loses packets by itself, such as by a full queue or a firewall.", lost, r.RTT.Sent))
	}
	if r.RTT.Skipped > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d probes were skipped because the process was late by a whole interval: the machine is busy, or its host is.", r.RTT.Skipped, r.RTT.Planned))
	}
	if r.Slip.P99 != nil {
		lines = append(lines, fmt.Sprintf("Probes leave up to %s late, one in a hundred later: that moves when they are sent, not what they measure.", show(r.Slip.P99)))
	}
	switch {
	case r.KernelStamps == nil:
		lines = append(lines, "Whether the kernel stamps replies could not be told.")
	case *r.KernelStamps:
		lines = append(lines, "The kernel stamps replies when they arrive: how late they are read does not count.")
	default:
		lines = append(lines, "The kernel does not stamp replies: how late they are read counts as round trip.")
	}
	return lines
}

// print shows it on the terminal.
func (r selftest) print(s streams) error {
	var t table
	t.add("", "min", "p50", "p95", "p99", "max")
	for _, row := range []struct {
		name string
		spread
	}{{"round trip on loopback", r.RTT.spread}, {"timer slip", r.Slip}} {
		cells := []string{row.name}
		for _, v := range []*float64{row.Min, row.P50, row.P95, row.P99, row.Max} {
			if v == nil {
				cells = append(cells, undefined)
				continue
			}
			cells = append(cells, fmt.Sprintf("%.4f ms", *v*1000))
		}
		t.add(cells...)
	}
	if err := t.write(s.out, 1); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.out, "%d probes planned, %d sent, %d answered, %d skipped; the clock's least step is %.0f ns\n\n",
		r.RTT.Planned, r.RTT.Sent, r.RTT.Received, r.RTT.Skipped, *r.ClockResolution*1e9); err != nil {
		return err
	}
	for _, line := range r.Meaning {
		if _, err := fmt.Fprintln(s.out, line); err != nil {
			return err
		}
	}
	return nil
}
